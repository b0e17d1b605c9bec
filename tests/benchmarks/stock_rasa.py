"""A stock Rasa bot of the same intents: our nlu data, the pipeline and policies `rasa init` writes, REST channel.

No cure of ours, no stub: what somebody gets who starts with Rasa 3.6.21 and this data.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import yaml

from bot.processes import DIALOGUE, DIALOGUE_PYTHON, ProcessSpec

NLU = DIALOGUE / "data" / "nlu"


def understanding(epochs: int) -> list[dict[str, object]]:
    """The default pipeline as far as DIET: what reads a message's intent."""
    return [
        {"name": "WhitespaceTokenizer"},
        {"name": "RegexFeaturizer"},
        {"name": "LexicalSyntacticFeaturizer"},
        {"name": "CountVectorsFeaturizer"},
        {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4},
        {"name": "DIETClassifier", "epochs": epochs, "constrain_similarities": True},
    ]


def config(epochs: int) -> dict[str, object]:
    """What `rasa init` of 3.6 comments in as the default, with its numbers."""
    return {
        "recipe": "default.v1",
        "assistant_id": "stock",
        "language": "en",
        "pipeline": [
            *understanding(epochs),
            {"name": "EntitySynonymMapper"},
            {"name": "ResponseSelector", "epochs": epochs, "constrain_similarities": True},
            {"name": "FallbackClassifier", "threshold": 0.3, "ambiguity_threshold": 0.1},
        ],
        "policies": [
            {"name": "MemoizationPolicy"},
            {"name": "RulePolicy"},
            {"name": "UnexpecTEDIntentPolicy", "max_history": 5, "epochs": epochs},
            {"name": "TEDPolicy", "max_history": 5, "epochs": epochs, "constrain_similarities": True},
        ],
    }


def intents() -> list[str]:
    found = []
    for file in sorted(NLU.glob("*.yml")):
        found += [part["intent"] for part in yaml.safe_load(file.read_text())["nlu"] if "intent" in part]
    return sorted(set(found))


def write_project(folder: Path, epochs: int) -> None:
    """The project: a response an intent, told by stories (so TED learns), and a fallback rule."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    names = intents()
    nlu = [part for file in sorted(NLU.glob("*.yml")) for part in yaml.safe_load(file.read_text())["nlu"]]
    entities = sorted({name for part in nlu for name in _entities(str(part.get("examples", "")))})
    domain = {
        "version": "3.1",
        "intents": names,
        "entities": entities,
        "responses": {
            **{f"utter_{name}": [{"text": f"This is about {name}."}] for name in names},
            "utter_default": [{"text": "Sorry, I did not understand."}],
        },
        "session_config": {"session_expiration_time": 60, "carry_over_slots_to_new_session": True},
    }
    steps = [[{"intent": name}, {"action": f"utter_{name}"}] for name in names]
    stories = [
        {"story": f"{one} {number}", "steps": [*steps[number], *steps[(number * 7 + 3) % len(steps)]]}
        for number, one in enumerate(names)
    ]
    rules = [{"rule": "fallback", "steps": [{"intent": "nlu_fallback"}, {"action": "utter_default"}]}]
    _write(folder / "domain.yml", domain)
    _write(folder / "config.yml", config(epochs))
    _write(folder / "data" / "nlu.yml", {"version": "3.1", "nlu": nlu})
    _write(folder / "data" / "stories.yml", {"version": "3.1", "stories": stories, "rules": rules})
    _write(folder / "credentials.yml", {"rest": None})


def train(folder: Path, epochs: int) -> Path:
    """The model, trained now unless this very project was trained before."""
    write_project(folder, epochs)
    parts = [folder / "config.yml", folder / "domain.yml", *sorted((folder / "data").glob("*.yml"))]
    name = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
    model = folder / "models" / f"{name}.tar.gz"
    if not model.exists():
        command = (str(DIALOGUE_PYTHON), "-m", "rasa", "train", "--fixed-model-name", name)
        done = subprocess.run(
            command, cwd=folder, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode or not model.exists():
            raise RuntimeError(f"the stock bot could not be trained:\n{done.stdout[-2000:]}")
    return model


def process(folder: Path, model: Path, port: int) -> ProcessSpec:
    """Says `ready: stock` when Rasa says that it is up."""
    command = (sys.executable, "-u", "-m", "tests.benchmarks.stock_rasa", str(folder), str(model), str(port))
    return ProcessSpec("stock", command, port=port)


def wait_for(url: str, seconds: float = 60.0) -> None:
    """Until `url` answers 200."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer within {seconds:.0f} s")


def environ() -> dict[str, str]:
    return {
        **os.environ,
        "RASA_TELEMETRY_ENABLED": "false",
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _entities(examples: str) -> set[str]:
    return {part.split(")")[0] for part in examples.split("](")[1:]}


def _write(file: Path, content: object) -> None:
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def main() -> int:
    """Run Rasa and pass its output on; the supervisor's `ready:` line is put in."""
    folder, model, port = sys.argv[1:]
    command = (str(DIALOGUE_PYTHON), "-m", "rasa", "run", "-m", model, "-p", port, "-i", "127.0.0.1")
    rasa = subprocess.Popen(
        (*command, "--credentials", "credentials.yml"),
        cwd=folder,
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: rasa.terminate())
    assert rasa.stdout is not None
    try:
        for line in rasa.stdout:
            print(line.rstrip(), flush=True)
            if "server is up and running" in line:  # said a moment before the port is open
                wait_for(f"http://127.0.0.1:{port}/webhooks/rest/")
                print("ready: stock", flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        rasa.terminate()
    return rasa.wait()


if __name__ == "__main__":
    raise SystemExit(main())
