"""Training the GPT-2 that words replies and judges intents; its place in the intent ensemble is fitted here."""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ensemble import artifact
from ensemble.artifact import ArtifactError
from nlu_models import dataset, gpt2, guard, intent, vocabulary
from nlu_models.corpus.pairs import FOLDER as CORPUS
from nlu_models.corpus.pairs import Pair, read_pairs
from nlu_models.dataset import Example
from nlu_models.guard import Evidence
from nlu_models.intent import GPT2, Decision, Opinions, arrays_from
from nlu_models.reply import KIND, Approved, DraftRequest, ReplyWriter

LAYOUT = "1"
MOST_PAIRS = 2500
SIZES = {
    # small: under four CPU minutes; full: to the end, on a wider model
    "small": gpt2.Gpt2Config(epochs=12, cpu_seconds=200.0),
    "full": gpt2.Gpt2Config(layers=6, heads=6, width=384, epochs=20, learning_rate=1e-3, context=256),
}


def run(chosen: Any, arguments: argparse.Namespace, console: Console) -> int:
    """`kefu train reply`."""
    from nlu_models import report, train

    models = Path(chosen.models)
    folder = models / KIND
    sources = arguments.data or [CORPUS]
    config = replace(SIZES[arguments.size or chosen.train_size], seed=arguments.seed)
    intent_version = _intent_version(models)
    checksum = artifact.sha256_of(*sources, train.NLU_DATA, chosen.gpt2, repr(config), intent_version, LAYOUT)
    if not arguments.force and artifact.is_current(folder, KIND, checksum):
        console.print(f"reply: {artifact.read_manifest(folder, KIND).version} is up to date")
        return 0
    train.use_all_cores()
    started = time.monotonic()
    pairs = [pair for source in sources for pair in read_pairs(source)]
    examples, validation = _examples(models, dataset.read(train.NLU_DATA))
    kept, held = _hold_out(pairs, seed=config.seed)
    console.print(f"reply: {len(kept)} replies and {len(examples)} labelled texts to learn from")
    with tempfile.TemporaryDirectory() as name, train.bars(console) as bar:
        task = bar.add_task("training GPT-2", total=None)
        log_folder = Path(chosen.home) / "logs" / "tensorboard" / f"reply-{time.strftime('%Y%m%d-%H%M%S')}"
        with report.Log(log_folder) as log:

            def on_epoch(progress: gpt2.LmProgress) -> None:
                log.add("train_loss", progress.train_loss, progress.epoch)
                if progress.validation_loss is not None:
                    log.add("validation_loss", progress.validation_loss, progress.epoch)

            words = _learn(
                kept,
                held,
                examples,
                chosen.gpt2,
                config,
                Path(name),
                train.device_of(chosen.device),
                lambda done, steps: bar.update(task, completed=done, total=steps),
                on_epoch,
            )
        writer = ReplyWriter(*_reload(Path(name)), [Approved(**asdict(pair)) for pair in kept], "unsaved")
        metrics = {**words, **_measure(writer, held), "train_seconds": round(time.monotonic() - started, 1)}
        decision, joined = _join(models, writer, validation)
        metrics |= joined
        files: dict[str, artifact.Content] = {f"gpt2/{path.name}": path for path in sorted(Path(name).iterdir())}
        rows = [asdict(pair) for pair in kept]
        files["approved.json"] = json.dumps(rows, ensure_ascii=False).encode()
        fitted = {"intent_version": intent_version, "decision": decision.to_json() if decision else None}
        files["decision.json"] = json.dumps(fitted).encode()
        manifest = artifact.save(
            folder, KIND, files, data_sha256=checksum, labels=writer.vocabulary.intents, metrics=metrics
        )
    page = _report(Path(chosen.home) / "reports" / f"reply-{manifest.version}", writer, held, manifest)
    console.print(f"reply: {manifest.version} is live ({metrics['train_seconds']} s); report: {page}")
    console.print(f"reply: {metrics}")
    return 0


def _intent_version(models: Path) -> str:
    try:
        return artifact.read_manifest(models / intent.KIND, intent.KIND).version
    except ArtifactError:
        return ""


def _examples(models: Path, examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """(to learn from, the intent model's validation rows): GPT-2 must not see what its weight is fitted on."""
    try:
        stored = artifact.load(models / intent.KIND, intent.KIND)
    except ArtifactError:
        return list(examples), []
    rows = stored.json("validation.json")
    held = {row["text"] for row in rows}
    alike = {dataset.normalise(text) for text in held}
    kept = [each for each in examples if each.text not in held and dataset.normalise(each.text) not in alike]
    return kept, [Example(row["text"], row["label"], group=row["group"]) for row in rows]


def _hold_out(pairs: Sequence[Pair], *, share: float = 0.05, seed: int = 0) -> tuple[list[Pair], list[Pair]]:
    """(rest, held out), by question, so that no held-out question was ever read."""
    questions = sorted({pair.question for pair in pairs})
    rng = np.random.default_rng(seed)
    out = set(rng.choice(questions, size=max(1, int(share * len(questions))), replace=False).tolist())
    return [pair for pair in pairs if pair.question not in out], [pair for pair in pairs if pair.question in out]


def _learn(
    kept: Sequence[Pair],
    held: Sequence[Pair],
    examples: Sequence[Example],
    name: str,
    config: gpt2.Gpt2Config,
    folder: Path,
    device: str,
    on_step: Callable[[int, int], None],
    on_epoch: Callable[[gpt2.LmProgress], None],
) -> dict[str, Any]:
    """Train and write model and tokenizer into `folder`; returns the perplexity of held-out replies."""
    intents = sorted({each.intent for each in kept} | {each.label for each in examples})
    placeholders = sorted({fact for pair in kept for fact in pair.facts})
    if name == "own":
        texts = [pair.reply for pair in kept] + [example.text for example in examples]
        known = vocabulary.learn(texts, intents=intents, placeholders=placeholders)
        model = gpt2.own_model(known.tokenizer.get_vocab_size(), config, known.number(vocabulary.END))
    else:
        source = _pretrained(name)
        known = vocabulary.of_pretrained(source, intents=intents, placeholders=placeholders)
        model = gpt2.pretrained_model(source, known.tokenizer.get_vocab_size())
        config = replace(config, learning_rate=5e-5, minimum_rate=5e-6, epochs=min(3, config.epochs), context=512)
    if config.cpu_seconds is not None and len(kept) > MOST_PAIRS:
        # with little time, many looks at some replies teach more than few looks at all: they are variants of each other
        rng = np.random.default_rng(config.seed)
        kept = [kept[row] for row in rng.choice(len(kept), MOST_PAIRS, replace=False)]
    stories = [_story(known, pair) for pair in kept]
    stories += [gpt2.question_story(known, each.text, each.label) for each in examples]
    stories = [story for story in stories if len(story.numbers) <= config.context]
    held_stories = [_story(known, pair) for pair in held]
    gpt2.train(model, stories, held_stories, config, device=device, on_step=on_step, on_epoch=on_epoch)
    loss = gpt2.evaluate(model, [_reply_only(story, known) for story in held_stories], device=device)
    gpt2.save(model, known, folder)
    return {"reply_loss": round(loss, 4), "reply_perplexity": round(float(np.exp(loss)), 3), "model": name}


def _story(known: vocabulary.Vocabulary, pair: Pair) -> gpt2.Story:
    return gpt2.reply_story(known, pair.question, pair.intent, pair.language, pair.facts, pair.reply)


def _reply_only(story: gpt2.Story, known: vocabulary.Vocabulary) -> gpt2.Story:
    """The same story, only the reply counting: perplexity of the reply alone."""
    start = story.numbers.index(known.number(vocabulary.SAY)) + 1
    return gpt2.Story(story.numbers, (*([0.0] * start), *([1.0] * (len(story.numbers) - start))))


def _pretrained(name: str) -> Path:
    from nlu_models.encoders import from_hub

    folder = Path(name).expanduser()
    return folder if folder.is_dir() else from_hub(name)


def _reload(folder: Path) -> tuple[Any, vocabulary.Vocabulary]:
    from tokenizers import Tokenizer

    from nlu_models import lm

    return lm.load(folder), vocabulary.Vocabulary(Tokenizer.from_file(str(folder / "tokenizer.json")))


def _measure(writer: ReplyWriter, held: Sequence[Pair], *, most: int = 60) -> dict[str, Any]:
    """What GPT-2 writes for held-out questions: share that ends properly, share it is sure of (only those are ever
    offered), share of all that ended which the guard refuses, milliseconds a draft."""
    ended = sure = refused = 0
    taken = []
    for pair in held[:most]:
        started = time.perf_counter()
        drafts = writer.written(_request(pair), samples=1, least=-np.inf)
        taken.append((time.perf_counter() - started) * 1000)
        ended += bool(drafts)
        sure += bool(writer.written(_request(pair), samples=1))
        approved = [each.reply for each in writer.by_intent.get((pair.intent, pair.language), [])]
        words = writer.words.get((pair.intent, pair.language), frozenset())
        evidence = Evidence(_request(pair).facts)
        said = [draft for draft in drafts if guard.check(draft.text, evidence, approved=approved, words=words)]
        refused += bool(said)
    count = max(1, min(most, len(held)))
    return {
        "drafts_ended": round(ended / count, 3),
        "drafts_sure": round(sure / count, 3),
        "drafts_refused": round(refused / max(1, ended), 3),
        "draft_ms_p50": round(float(np.median(taken)), 1) if taken else None,
        "draft_ms_p95": round(float(np.percentile(taken, 95)), 1) if taken else None,
    }


def _request(pair: Pair) -> DraftRequest:
    return DraftRequest(pair.question, pair.intent, pair.language, {fact: f"{fact}_value" for fact in pair.facts})


def _join(models: Path, writer: ReplyWriter, validation: Sequence[Example]) -> tuple[Decision | None, dict[str, Any]]:
    """Fit the intent ensemble anew with GPT-2 in it, on the intent model's own validation rows."""
    if not validation:
        return None, {}
    from nlu_models import training  # torch loads slowly

    stored = artifact.load(models / intent.KIND, intent.KIND)
    arrays, labels = arrays_from(stored.path("validation.npz")), list(stored.manifest.labels)
    chances, likelihood = writer.opinions([example.text for example in validation], labels)
    scores = np.concatenate([arrays["scores"].astype(float), chances[None]])
    more = {name.removeprefix("more_"): values for name, values in arrays.items() if name.startswith("more_")}
    names = tuple(stored.json("decision.json")["full"]["members"])
    logits, nearest = arrays["logits"].astype(np.float32), arrays["nearest"]
    opinions = Opinions((*names, GPT2), scores, logits, nearest, likelihood, more)
    decision, trials = training.decide(opinions, validation, labels)
    wanted = np.array([labels.index(example.label) for example in validation])
    without = replace(opinions, names=names, scores=opinions.scores[:-1], likelihood=None)
    _, trials_without = training.decide(without, validation, labels)
    helps = (trials[0].accuracy, -trials[0].log_loss) > (trials_without[0].accuracy, -trials_without[0].log_loss)
    return decision if helps else None, {
        "gpt2_joins_the_intent_ensemble": helps,
        "gpt2_intent_accuracy": round(float((np.nan_to_num(chances).argmax(axis=1) == wanted).mean()), 4),
        "fusion_with_gpt2": trials[0].way,
        "fusion_accuracy_with_gpt2": round(trials[0].accuracy, 4),
        "fusion_log_loss_with_gpt2": round(trials[0].log_loss, 4),
    }


def _report(folder: Path, writer: ReplyWriter, held: Sequence[Pair], manifest: artifact.Manifest) -> Path:
    from nlu_models.report import document, table

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for pair in held[:60]:
        drafts = writer.written(_request(pair), samples=2, least=-np.inf)
        rows.append([pair.question, pair.intent, pair.reply, " / ".join(draft.pattern for draft in drafts)])
    parts = [
        f"<h1>Reply model {manifest.version}</h1>",
        table(["measure", "value"], [list(item) for item in manifest.metrics.items()]),
        "<h2>Samples on questions never read</h2>",
        table(["question", "intent", "approved reply", "written"], rows),
    ]
    page = folder / "index.html"
    page.write_text(document(f"Reply model {manifest.version}", parts), encoding="utf-8")
    return page
