"""A trained thing on disk: a folder with `manifest.json` and files whose checksums it holds.

Files are data only (JSON, npz, safetensors, txt, onnx ...); nothing is ever unpickled. A folder appears whole or not at
all, and the one it replaces stays beside it as `<folder>.previous`, so `rollback` is one rename.

    ArtifactError                 the folder is missing, foreign or damaged; the message names the file and the remedy
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
FORBIDDEN = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin")  # formats that run code when they are opened

Content = bytes | Path | Callable[[Path], None]


class ArtifactError(Exception):
    """An artifact cannot be used. `path` is the file or folder at fault, the message says what to do."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True)
class Manifest:
    """What a trained folder holds: `files` maps each name to the sha256 of its bytes."""

    kind: str
    version: str
    created_at: str
    code_version: str
    data_sha256: str
    labels: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A verified folder. `path(name)` is the only way to its files, so no unchecked file is read."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        if name not in self.manifest.files:
            known = ", ".join(sorted(self.manifest.files))
            raise ArtifactError(self.folder / name, f"{self.folder} holds no {name} (it holds: {known})")
        return self.folder / name

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text(encoding="utf-8"))


def save(
    folder: Path,
    kind: str,
    files: Mapping[str, Content],
    *,
    data_sha256: str,
    labels: Sequence[str] = (),
    metrics: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write a new artifact in the place of the one in `folder`, which becomes `<folder>.previous`.

    Args:
        files: name (may hold folders, `encoder/model.onnx`) -> bytes, a file to copy, or a function that writes to
            the path.
        data_sha256: checksum of what it was trained on (see `sha256_of`): the preparation skips when it is unchanged.

    Raises:
        ValueError: a name leaves the folder, is the manifest's, or names a format that runs code when opened.
    """
    folder = Path(folder)
    for name in files:
        _check_name(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    work.chmod(0o755)  # mkdtemp's 0700 would shut out a second account that serves what this one trained
    try:
        sums = {name: _write(work / name, content) for name, content in files.items()}
        manifest = Manifest(
            kind=kind,
            version=_version(sums),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            code_version=_code_version(),
            data_sha256=data_sha256,
            labels=tuple(labels),
            metrics=dict(metrics or {}),
            files=sums,
        )
        _write(work / MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode())
        _sync(work)
        _replace(folder, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def read_manifest(folder: Path, kind: str) -> Manifest:
    """The manifest alone, files not verified.

    Raises:
        ArtifactError: no artifact there, an unreadable manifest, or another kind.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.exists() and previous(folder).exists() and not folder.exists():
        # a save was killed between its two renames: what was in place goes back
        os.replace(previous(folder), folder)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**{**data, "labels": tuple(data["labels"])})
    except FileNotFoundError:
        raise ArtifactError(path, f"{path} is missing: no {kind} has been made yet; {_remedy(kind)}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(path, f"{path} is damaged ({error}); {_remedy(kind)}") from None
    if manifest.kind != kind:
        raise ArtifactError(path, f"{path} says it is of kind {manifest.kind!r}, not {kind!r}; {_remedy(kind)}")
    return manifest


def load(folder: Path, kind: str) -> Artifact:
    """Read the manifest and verify every file.

    Raises:
        ArtifactError: as `read_manifest`, or a file is missing or not the one that was saved.
    """
    folder = Path(folder)
    manifest = read_manifest(folder, kind)
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(path, f"{path} is missing although the manifest lists it; {_remedy(kind)}")
        if sha256_of(path) != expected:
            raise ArtifactError(path, f"{path} is not the file that was saved (checksum differs); {_remedy(kind)}")
    return Artifact(folder, manifest)


def is_current(folder: Path, kind: str, data_sha256: str) -> bool:
    """True when `folder` holds an undamaged `kind` made from exactly this data: preparation may skip it."""
    try:
        return load(folder, kind).manifest.data_sha256 == data_sha256
    except ArtifactError:
        return False


def previous(folder: Path) -> Path:
    """Where the replaced artifact is kept."""
    folder = Path(folder)
    return folder.with_name(folder.name + ".previous")


def rollback(folder: Path, kind: str) -> Manifest:
    """Put the previous artifact back; the one it replaces becomes the previous, so a second call undoes the first.

    Raises:
        ArtifactError: no previous artifact, or it is damaged (nothing is changed then).
    """
    folder = Path(folder)
    old = previous(folder)
    if not old.exists():
        raise ArtifactError(old, f"{old} does not exist: there is no earlier {kind} to go back to")
    manifest = load(old, kind).manifest
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)) / "swap"
    try:
        os.replace(old, aside)
        if folder.exists():
            os.replace(folder, old)
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
    return manifest


def sha256_of(*parts: Path | bytes | str) -> str:
    """One checksum over files (their bytes), folders (names and bytes of all files) and values, in the given order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path) and part.is_dir():
            for file in sorted(path for path in part.rglob("*") if path.is_file()):
                digest.update(file.relative_to(part).as_posix().encode() + b"\0")
                _feed(digest, file)
        elif isinstance(part, Path):
            _feed(digest, part)
        else:
            digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def _feed(digest: Any, file: Path) -> None:
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)


def _check_name(name: str) -> None:
    path = Path(name)
    if not name or path.is_absolute() or ".." in path.parts or name == MANIFEST:
        raise ValueError(
            f"{name!r} cannot be a file of an artifact: it must lie inside the folder and not be {MANIFEST}"
        )
    if path.suffix in FORBIDDEN:
        raise ValueError(f"{name!r} cannot be a file of an artifact: {path.suffix} files can run code when opened")


def _write(path: Path, content: Content) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        content(path)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return sha256_of(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(folder: Path, work: Path) -> None:
    """Two renames; a crash between them leaves `.previous`, which `read_manifest` puts back."""
    for attempts_left in (2, 1, 0):
        if folder.exists():
            shutil.rmtree(previous(folder), ignore_errors=True)
            os.replace(folder, previous(folder))
        try:
            os.replace(work, folder)
            break
        except OSError:  # a reader looked between the two renames and put the old one back
            if not attempts_left:
                raise
    _sync(folder.parent)


def _version(sums: Mapping[str, str]) -> str:
    content = hashlib.sha256("".join(f"{name}={sums[name]};" for name in sorted(sums)).encode()).hexdigest()
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{content[:8]}"


def _code_version() -> str:
    try:
        return version("kefu")
    except PackageNotFoundError:
        return "unknown"


COMMANDS = {
    "encoder": "python -m nlu_models.encoders prepare --force",
    "intent": "kefu train nlu --force",
    "reply": "kefu train reply --force",
    "index": "kefu index --force",
    "recommendation": "kefu train recommend --force",
    "risk": "kefu train risk --force",
}


def _remedy(kind: str) -> str:
    return f"make it with `{COMMANDS[kind]}`" if kind in COMMANDS else f"make the {kind} again"
