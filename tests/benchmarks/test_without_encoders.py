"""A bench that lacks an encoder says in one sentence which, and the command that makes it."""

import pytest

from tests.benchmarks import nlu, retrieval
from tests.benchmarks.test_nlu import DATA, PUBLIC


def test_search_without_its_encoder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KEFU_HOME", str(tmp_path))
    assert retrieval.main(["--only", "guard"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("bench retrieval: ")
    assert "prepare" in said


@pytest.mark.skipif("banking77_10shot" not in PUBLIC, reason="the public data sets are not here")
def test_intents_with_an_encoder_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KEFU_HOME", str(tmp_path))
    asked = ["--data", str(DATA), "--only", "banking77_10shot", "--no-diet", "--second", "no/such-encoder"]
    assert nlu.main(asked) == 2
    assert "no/such-encoder" in capsys.readouterr().err
