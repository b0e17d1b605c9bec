"""Artifacts on a real file system: atomic, verified, reversible."""

import json
import os

import pytest

from ensemble import artifact
from ensemble.artifact import ArtifactError


def saved(folder, text=b"one", **more):
    return artifact.save(folder, "intent", {"data/words.txt": text}, data_sha256="abc", **more)


def test_what_was_saved_is_read_back(tmp_path):
    other = tmp_path / "given.json"
    other.write_text('{"a": 1}')
    files = {"a.json": other, "b.txt": b"hello", "deep/c.txt": lambda path: path.write_text("made")}
    manifest = artifact.save(
        tmp_path / "m", "intent", files, data_sha256="abc", labels=["x", "y"], metrics={"accuracy": 0.5}
    )
    loaded = artifact.load(tmp_path / "m", "intent")
    assert loaded.manifest == manifest
    assert loaded.manifest.labels == ("x", "y")
    assert loaded.json("a.json") == {"a": 1}
    assert loaded.path("b.txt").read_bytes() == b"hello"
    assert loaded.path("deep/c.txt").read_text() == "made"


def test_a_changed_file_is_refused_by_name_and_with_the_remedy(tmp_path):
    saved(tmp_path / "m")
    (tmp_path / "m/data/words.txt").write_bytes(b"One")
    with pytest.raises(ArtifactError, match=r"words\.txt.*kefu train nlu") as error:
        artifact.load(tmp_path / "m", "intent")
    assert error.value.path.name == "words.txt"


def test_a_lost_file_is_refused_by_name(tmp_path):
    saved(tmp_path / "m")
    (tmp_path / "m/data/words.txt").unlink()
    with pytest.raises(ArtifactError, match=r"words\.txt is missing"):
        artifact.load(tmp_path / "m", "intent")


def test_another_kind_is_refused(tmp_path):
    saved(tmp_path / "m")
    with pytest.raises(ArtifactError, match="kind 'intent', not 'risk'"):
        artifact.load(tmp_path / "m", "risk")


def test_a_damaged_manifest_is_refused(tmp_path):
    saved(tmp_path / "m")
    (tmp_path / "m/manifest.json").write_text('{"kind": "intent"')
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        artifact.load(tmp_path / "m", "intent")


def test_a_missing_artifact_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ArtifactError, match=r"kefu train risk"):
        artifact.load(tmp_path / "none", "risk")


@pytest.mark.parametrize("name", ["../out.txt", "/etc/x.txt", "manifest.json", "", "model.pkl", "weights.pt"])
def test_names_that_leave_the_folder_or_run_code_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be a file of an artifact"):
        artifact.save(tmp_path / "m", "intent", {name: b""}, data_sha256="")
    assert not (tmp_path / "m").exists()


def test_a_file_the_manifest_does_not_list_cannot_be_opened(tmp_path):
    saved(tmp_path / "m")
    (tmp_path / "m/extra.txt").write_text("planted")
    with pytest.raises(ArtifactError, match=r"holds no extra\.txt"):
        artifact.load(tmp_path / "m", "intent").path("extra.txt")


def test_a_writer_that_fails_leaves_the_old_artifact_and_no_rubbish(tmp_path):
    saved(tmp_path / "m", b"one")

    def broken(path):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        artifact.save(tmp_path / "m", "intent", {"data/words.txt": broken}, data_sha256="")
    assert artifact.load(tmp_path / "m", "intent").path("data/words.txt").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_rollback_brings_the_previous_one_back_and_can_be_undone(tmp_path):
    first, second = saved(tmp_path / "m", b"one"), saved(tmp_path / "m", b"two")
    assert artifact.rollback(tmp_path / "m", "intent") == first
    assert artifact.load(tmp_path / "m", "intent").manifest == first
    assert artifact.rollback(tmp_path / "m", "intent") == second
    assert artifact.load(tmp_path / "m", "intent").manifest == second


def test_rollback_without_a_previous_one_changes_nothing(tmp_path):
    saved(tmp_path / "m")
    with pytest.raises(ArtifactError, match="no earlier intent"):
        artifact.rollback(tmp_path / "m", "intent")
    artifact.load(tmp_path / "m", "intent")


def test_rollback_to_a_damaged_one_is_refused_and_changes_nothing(tmp_path):
    saved(tmp_path / "m", b"one")
    second = saved(tmp_path / "m", b"two")
    (artifact.previous(tmp_path / "m") / "data/words.txt").write_bytes(b"bad")
    with pytest.raises(ArtifactError, match="checksum"):
        artifact.rollback(tmp_path / "m", "intent")
    assert artifact.load(tmp_path / "m", "intent").manifest == second


def test_a_save_killed_between_its_renames_is_healed_at_the_next_load(tmp_path):
    manifest = saved(tmp_path / "m")
    os.replace(tmp_path / "m", artifact.previous(tmp_path / "m"))  # what a kill there leaves behind
    assert artifact.load(tmp_path / "m", "intent").manifest == manifest


def test_preparation_skips_only_what_is_whole_and_made_from_the_same_data(tmp_path):
    assert not artifact.is_current(tmp_path / "m", "intent", "abc")
    saved(tmp_path / "m")
    assert artifact.is_current(tmp_path / "m", "intent", "abc")
    assert not artifact.is_current(tmp_path / "m", "intent", "abd")
    (tmp_path / "m/data/words.txt").write_bytes(b"bad")
    assert not artifact.is_current(tmp_path / "m", "intent", "abc")


def test_the_checksum_sees_names_bytes_and_order(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_text("1")
    before = artifact.sha256_of(tmp_path / "d", "v1")
    assert before == artifact.sha256_of(tmp_path / "d", "v1")
    assert before != artifact.sha256_of(tmp_path / "d", "v2")
    (tmp_path / "d/a").rename(tmp_path / "d/b")
    assert before != artifact.sha256_of(tmp_path / "d", "v1")


def test_the_manifest_on_disk_is_plain_json(tmp_path):
    saved(tmp_path / "m", metrics={"accuracy": 0.9})
    data = json.loads((tmp_path / "m/manifest.json").read_text())
    assert set(data) == {
        "kind", "version", "created_at", "code_version", "data_sha256", "labels", "metrics", "files",
    }  # fmt: skip
