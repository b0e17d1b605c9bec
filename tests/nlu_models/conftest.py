"""A tiny encoder and a tiny intent model, made once: four wishes told apart by their words, in two languages."""

import pytest

from nlu_models.dataset import Example

WORDS = {
    "track_order": ("where order parcel track status arrive", "订单 哪里 物流 快递 到了 查询"),
    "cancel_order": ("cancel stop annul revoke undo purchase", "取消 撤销 不要 作废 退订 停止"),
    "talk_to_person": ("human agent person operator colleague staff", "人工 客服 真人 同事 转接 专员"),
    "out_of_scope": ("weather football president poem moon recipe", "天气 足球 总统 诗歌 月亮 菜谱"),
}
FILLER = ("please the my now can you", "请 我 的 一下 吗 帮")


import torch  # noqa: E402

torch.set_num_threads(1)  # tests share the machine; OpenMP spins otherwise


def examples_of(count=30, seed=0):
    """`count` examples an intent and language; each mixes words of its own intent with filler words."""
    import random

    draw = random.Random(seed)
    found = []
    for label, tongues in WORDS.items():
        for language, words in zip(("en", "zh"), tongues, strict=True):
            filler = FILLER[language == "zh"].split()
            for _ in range(count):
                chosen = draw.sample(words.split(), 2) + draw.sample(filler, 3)
                draw.shuffle(chosen)
                found.append(Example((" " if language == "en" else "").join(chosen), label, language))
    return found


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """A BERT of two layers, 32 wide, with random weights; its tokenizer knows our words, letters and Han characters."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    # Written, not trained: the trainer breaks ties by hashes that differ from process to process.
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [f"{mark}{chr(code)}" for mark in ("", "##") for code in range(ord("a"), ord("z") + 1)]
    words = {word for tongues in (*WORDS.values(), FILLER) for word in tongues[0].split()}
    signs = {sign for tongues in (*WORDS.values(), FILLER) for sign in tongues[1] if sign != " "}
    pieces = [*special, *letters, *sorted(words), *sorted(signs)]
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    fast.save_pretrained(folder)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def trained(tiny_encoder, tmp_path_factory):
    """A trained intent model still in memory (`training.Trained`)."""
    from nlu_models import bert, training

    config = training.IntentConfig(
        bert.TuneConfig(epochs=6, batch=16, learning_rate=3e-3, head_learning_rate=1e-2, frozen=1, patience=3),
        tolerance=0.1,
    )
    work = tmp_path_factory.mktemp("work")
    return training.train_intent(examples_of(), tiny_encoder, config, work, light=tiny_encoder)


@pytest.fixture(scope="session")
def models_folder(trained, tmp_path_factory):
    """A models folder with a saved intent model in it."""
    from nlu_models import training

    folder = tmp_path_factory.mktemp("models")
    training.save(trained, folder / "intent", data_sha256="tiny", metrics={})
    return folder
