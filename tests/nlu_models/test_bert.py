"""Encoders of other shapes than BERT's: MPNet, whose attention knows how far apart two tokens stand."""

import shutil

import numpy as np
import pytest
import torch
from transformers import MPNetConfig, MPNetModel

from nlu_models import bert, onnx_encoder, sentence_export
from nlu_models.encoders import EncoderError
from nlu_models.onnx_encoder import FILES, OnnxEncoder
from retrieval.encoder import open_encoder

TEXTS = ("where is my order", "please stop the order now", "human")


@pytest.fixture(scope="module")
def mpnet(tiny_encoder, tmp_path_factory):
    """An MPNet of three layers, 32 wide, with random weights and a loud table of distances."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("mpnet")
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(tiny_encoder / file, folder / file)
    known = bert.load(tiny_encoder).tokenizer
    config = MPNetConfig(
        vocab_size=len(known),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=known.pad_token_id,
    )
    model = MPNetModel(config, add_pooling_layer=False)
    torch.nn.init.normal_(model.encoder.relative_attention_bias.weight, std=2.0)
    model.save_pretrained(folder)
    return folder


@torch.no_grad()
def own_vectors(folder, texts):
    """What transformers' own model makes of the texts, mean over the tokens, unit."""
    parts, model = bert.load(folder), MPNetModel.from_pretrained(folder, add_pooling_layer=False).eval()
    rows = []
    for ids in parts.tokens(texts):
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(states.mean(0), dim=-1).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("frozen", [0, 2])
def test_the_cut_model_says_what_the_whole_one_says(mpnet, frozen):
    parts = bert.load(mpnet, frozen=frozen)
    vectors = bert.embed(parts, bert.Hidden(parts, TEXTS))
    # hidden states are kept in half precision
    np.testing.assert_allclose(vectors, own_vectors(mpnet, TEXTS), atol=0.02)


def test_distances_matter(mpnet):
    """Words in another order are another text even where nothing else tells their places."""
    parts = bert.load(mpnet)
    with torch.no_grad():
        hidden = torch.randn(1, 5, 32).expand(1, 5, 32).clone()
        mask = torch.ones(1, 5, dtype=torch.long)
        there, back = parts.upper(hidden, mask), parts.upper(hidden.flip(1), mask)
    assert float((there - back).abs().max()) > 1e-3


def test_it_is_tuned_and_served_like_any_other(mpnet, tmp_path):
    parts = bert.load(mpnet, frozen=1)
    texts = [*TEXTS] * 8
    labels = np.array([0, 1, 2] * 8)
    tune = bert.TuneConfig(epochs=6, batch=8, learning_rate=3e-3, head_learning_rate=1e-2)
    tuned = bert.fine_tune(parts, bert.Hidden(parts, texts), labels, 3, tune)
    onnx_encoder.export(parts, tuned, tmp_path, precision="float32")
    served = OnnxEncoder({name: tmp_path / name for name in FILES})
    assert served.encode(TEXTS).logits.argmax(axis=1).tolist() == [0, 1, 2]
    pretrained = served.pretrained(served.encode(TEXTS), np.arange(3))
    np.testing.assert_allclose(pretrained, own_vectors(mpnet, TEXTS), atol=1e-3)


def test_adapters_find_its_attention(mpnet):
    parts = bert.load(mpnet)
    tune = bert.TuneConfig(epochs=1, batch=2, lora_rank=2)
    tuned = bert.fine_tune(parts, bert.Hidden(parts, TEXTS), np.array([0, 1, 2]), 3, tune)
    moved = [
        float((after.attention.attn.q.weight - before.attention.attn.q.weight).detach().abs().max())
        for after, before in zip(tuned.upper.layers, parts.upper.layers, strict=True)
    ]
    assert max(moved) > 0


def test_search_reads_its_export_without_prefixes(mpnet, tmp_path):
    folder = tmp_path / "mpnet"
    shutil.copytree(mpnet, folder)
    sentence_export.export(folder, TEXTS)
    encoder = open_encoder(folder)
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), own_vectors(folder, TEXTS), atol=0.15)  # int8
    assert encoder.encode_queries(TEXTS) == pytest.approx(encoder.encode_passages(TEXTS))


def test_another_family_is_refused_by_name(tmp_path, tiny_encoder):
    from transformers import GPT2Config, GPT2Model

    GPT2Model(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=40)).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match="gpt2; an intent encoder must be of the BERT family"):
        bert.load(tmp_path)


def test_texts_of_like_length_are_read_together_and_hardly_padded():
    from nlu_models.onnx_encoder import PADDED, of_like_length

    lengths = [15, 3, 4, 16, 40, 3, 15, 4, 4, 100]
    batches = list(of_like_length(lengths, 3))
    assert sorted(row for rows in batches for row in rows.tolist()) == list(range(len(lengths)))
    assert max(len(rows) for rows in batches) == 3
    for rows in batches:
        tokens = [lengths[row] for row in rows]
        assert max(tokens) * len(tokens) <= PADDED * sum(tokens)
    assert [rows.tolist() for rows in of_like_length([5] * 4, 32)] == [[0, 1, 2, 3]]
    assert list(of_like_length([], 32)) == []
