"""`kefu bench retrieval`: search and answers on public data, against BM25 alone, dense alone and FAISS Flat in one run.

Weights are the ones `retrieval.calibrate` ships, fitted on questions that are in no set here; nothing is chosen on a test
row. Where a set gives training rows (AFQMC), only those are learnt from, and rows it shares with the test are refused.
"""

import csv
import gzip
import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bot import settings as bot_settings
from ensemble.artifact import ArtifactError
from nlu_models import guard, lm, reply
from nlu_models.vocabulary import END
from retrieval import calibrate, metrics
from retrieval.documents import Passage
from retrieval.encoder import Encoder, EncoderError, as_headings, search_encoder, unit
from retrieval.filters import understand
from retrieval.fit import demo_passages, side_of
from retrieval.hybrid import Hybrid, item_of, row_id
from retrieval.index import VectorIndex, has_gpu, set_threads
from retrieval.lexical import LexicalIndex, normalise, tokens
from retrieval.lexicon import Vocabulary
from retrieval.search import Search
from tests.benchmarks import report
from tests.benchmarks.report import Row

OWN = Path(__file__).parent / "data"
PARTS = (
    "synthetic_100k",
    "synthetic_1m",
    "guard",
    "draft",
    "unanswerable",
    "everyday",
    "ecommerce_faq",
    "stackfaq",
    "chorus_electronics",
    "pairs",
    "gpu",
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("retrieval", "Search and answers on public data")
    parser.add_argument("--only", choices=PARTS, action="append", help="these parts only")
    parser.add_argument("--pairs", type=int, default=6000, help="training pairs of AFQMC that are learnt from")
    arguments = parser.parse_args(argv)
    settings = bot_settings.load()
    try:
        encoder = search_encoder(settings.encoder, settings.models, settings.english_encoder, threads=2)
    except EncoderError as error:
        print(f"bench retrieval: {error}", file=sys.stderr)
        return 2
    set_threads(1)
    runs: Mapping[str, Callable[[], list[Row]]] = {
        "synthetic_100k": lambda: synthetic(100_000),
        "synthetic_1m": lambda: million(1_000_000),
        "guard": guarded,
        "draft": lambda: drafted(settings.models),
        "unanswerable": lambda: unanswerable(encoder),
        "everyday": lambda: everyday(settings.models / "index", encoder),
        "ecommerce_faq": lambda: ecommerce_faq(arguments.data / "ecommerce_faq", encoder),
        "stackfaq": lambda: stackfaq(arguments.data / "stackfaq", encoder),
        "chorus_electronics": lambda: chorus(arguments.data / "chorus_electronics", encoder),
        "pairs": lambda: pairs(arguments.data, encoder, arguments.pairs),
        "gpu": lambda: on_gpu(10_000_000),
    }
    rows: list[Row] = []
    with report.progress() as bar:
        wanted = arguments.only or PARTS
        task = bar.add_task("retrieval", total=len(wanted))
        for name in wanted:
            bar.update(task, description=name)
            try:
                rows += runs[name]()
            except FileNotFoundError as error:
                print(f"retrieval: {error.filename} is not there; {name} is left out", file=sys.stderr)
            bar.advance(task)
    report.write(rows, title="retrieval", json_file=arguments.json, plots=arguments.plots)
    return 0


def synthetic(count: int) -> list[Row]:
    """Recall against exact search and queries a second one at a time, over unit rows in clusters as texts lie."""
    rows, queries = clustered(count, 384)
    ids = [str(number) for number in range(count)]
    flat = faiss.IndexFlatIP(384)
    flat.add(rows)
    exact = [[str(number) for number in line] for line in flat.search(queries, 10)[1]]
    started = time.perf_counter()
    index = VectorIndex.built(ids, rows, gpu=False)
    built = time.perf_counter() - started
    found = [[id for id, _ in hits] for hits in index.search(queries, 10)]
    recall = [len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)]
    ours = per_second(lambda row: index.search(row, 10), queries, 1000)
    theirs = per_second(lambda row: flat.search(row, 10), queries, 100)
    data = f"synthetic_{count // 1000}k"
    return [
        Row(data, "kefu", "recall@10", *metrics.interval(recall)),
        Row(data, "kefu", "qps", ours),
        Row(data, "faiss_flat", "qps", theirs),
        Row(data, "kefu", "qps_over_flat", ours / theirs),
        Row(data, "kefu", "build_seconds", built),
    ]


def million(count: int) -> list[Row]:
    """Build time, memory and recall of a large index that is read in batches, and changes while it is searched."""
    size = 50_000

    def batches() -> Iterator[tuple[Sequence[str], Any]]:
        for start in range(0, count, size):
            yield [str(number) for number in range(start, start + size)], some_rows(start // size, size, count)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    with report.progress() as bar:
        task = bar.add_task("passages", total=count)
        index = VectorIndex.streamed(384, batches, count, gpu=False, tick=lambda done: bar.advance(task, done))
    built = time.perf_counter() - started
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    queries = unit(some_rows(1, size, count)[:200] + np.random.default_rng(9).normal(scale=0.02, size=(200, 384)))
    best = [[] for _ in queries]  # type: ignore[var-annotated]
    for ids, rows in batches():
        for line, scores in zip(best, queries @ rows.T, strict=True):
            near = np.argpartition(-scores, 10)[:10]
            line += [(float(scores[at]), ids[at]) for at in near]
    exact = [{id for _, id in sorted(line, reverse=True)[:10]} for line in best]
    found = [{id for id, _ in hits} for hits in index.search(queries, 10)]
    data = f"synthetic_{count // 1_000_000}m"
    return [
        Row(data, "kefu", "recall@10", *metrics.interval([len(a & b) / 10 for a, b in zip(found, exact, strict=True)])),
        Row(data, "kefu", "qps", per_second(lambda row: index.search(row, 10), queries, 1000)),
        Row(data, "kefu", "build_seconds", built),
        Row(data, "kefu", "build_mib", peak),
        *changes(index, queries, data),
    ]


def changes(index: VectorIndex, queries: Any, data: str) -> list[Row]:
    """How long a change takes until it is found, and the longest a search took meanwhile."""
    index.add(["first"], some_rows(0, 10, 1000)[:1])  # the first change makes the table of ids
    waits: list[float] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            started = time.perf_counter()
            index.search(queries[:1], 10)
            waits.append(time.perf_counter() - started)

    thread = threading.Thread(target=search)
    thread.start()
    seen = []
    fresh = some_rows(3, 50, 1000)
    for number, row in enumerate(fresh):
        started = time.perf_counter()
        index.add([f"new-{number}"], row[None])
        assert index.search(row[None], 1)[0][0][0] == f"new-{number}"
        seen.append(time.perf_counter() - started)
        index.remove([f"new-{number}"])
        assert f"new-{number}" not in index
    done.set()
    thread.join()
    return [
        Row(data, "kefu", "change_seconds_most", max(seen)),
        Row(data, "kefu", "search_seconds_most_meanwhile", max(waits)),
    ]


def some_rows(number: int, size: int, count: int) -> Any:
    """Batch `number` of unit rows in clusters; the same each time it is asked for."""
    centres = unit(np.random.default_rng(0).normal(size=(max(10, count // 100), 384)).astype(np.float32))
    generator = np.random.default_rng(1000 + number)
    rows = centres[generator.integers(0, len(centres), size)]
    return unit(rows + generator.normal(scale=0.04, size=rows.shape).astype(np.float32))


def clustered(count: int, width: int, *, queries: int = 1000) -> tuple[Any, Any]:
    """Unit rows around a hundredth as many centres, and queries near some of them."""
    generator = np.random.default_rng(0)
    centres = unit(generator.normal(size=(max(10, count // 100), width)).astype(np.float32))
    rows = centres[generator.integers(0, len(centres), count)]
    rows = unit(rows + generator.normal(scale=0.04, size=rows.shape).astype(np.float32))
    near = rows[generator.integers(0, count, queries)]
    return rows, unit(near + generator.normal(scale=0.02, size=near.shape).astype(np.float32))


def per_second(search: Callable[[Any], Any], queries: Any, count: int) -> float:
    for row in queries[:20]:
        search(row[None])
    started = time.perf_counter()
    for number in range(count):
        search(queries[number % len(queries)][None])
    return count / (time.perf_counter() - started)


def guarded() -> list[Row]:
    """Drafts with one false fact each: all must be stopped; true ones beside them, so that stopping all is no art."""
    stopped = [float(bool(objections(row))) for row in lines(OWN / "false_drafts.jsonl")]
    let_through = [float(not objections(row)) for row in lines(OWN / "true_drafts.jsonl")]
    return [
        Row("guard", "kefu", "stopped", *metrics.interval(stopped)),
        Row("guard", "kefu", "true_let_through", *metrics.interval(let_through)),
    ]


def drafted(models: Path, *, tokens: int = 40, most: int = 200) -> list[Row]:
    """Milliseconds of a draft of 40 tokens by the home's own GPT-2, one after the other, for questions of the shop."""
    try:
        writer = reply.ReplyWriter.load(models / reply.KIND)
    except ArtifactError as error:
        print(f"retrieval: {error}; draft is left out", file=sys.stderr)
        return []
    end = writer.vocabulary.number(END)
    asked = [(each, key) for key, approved in writer.by_intent.items() for each in approved]
    rng = np.random.default_rng(0)
    took = []
    for number in rng.permutation(len(asked))[:most]:
        each, (intent, language) = asked[number]
        started = time.perf_counter()
        prompt = writer.vocabulary.prompt(each.question, intent, language, each.facts)
        logits, state = writer.lm.read(prompt)
        written, _, _ = lm.generate(writer.lm, logits[-1], state, end=end, forbidden=[end], most=tokens, rng=rng)
        took.append((time.perf_counter() - started) * 1000 * tokens / len(written))
    return [Row("draft", "kefu", f"p{share}_ms", float(np.percentile(took, share))) for share in (50, 95)]


def objections(row: Mapping[str, Any]) -> Sequence[Any]:
    passages = [p["text"] if isinstance(p, Mapping) else str(p) for p in row["passages"]]
    evidence = guard.Evidence(facts=row["facts"], passages=tuple(passages))
    return guard.check(row["draft"], evidence)


def unanswerable(encoder: Encoder) -> list[Row]:
    """Questions that no help document of the demo shop answers; beside them some that one does, so that silence is no
    art. The threshold of BM25 and of dense alone is the one that answers as many of the latter as kefu does."""
    side = side_of(demo_passages(), encoder)
    sets = {name: [row["question"] for row in lines(OWN / f"{name}.jsonl")] for name in ("unanswerable", "answerable")}
    best = {name: np.array([best_scores(side, encoder, text) for text in asked]) for name, asked in sets.items()}
    shown = {name: scores[:, 0] >= side.weights.threshold for name, scores in best.items()}
    rows = [Row(name, "kefu", "answered_rate", *metrics.interval(values.tolist())) for name, values in shown.items()]
    for column, system in ((1, "bm25"), (2, "dense")):
        least = np.quantile(best["answerable"][:, column], 1 - shown["answerable"].mean())
        answered = (best["unanswerable"][:, column] >= least).tolist()
        rows.append(Row("unanswerable", system, "answered_rate", *metrics.interval(answered)))
    scores, truth = (
        np.concatenate([*best.values()]),
        [False] * len(shown["unanswerable"]) + [True] * len(shown["answerable"]),
    )
    for column, system in enumerate(("kefu", "bm25", "dense")):
        rows.append(Row("answerable", system, "auc", float(roc_auc_score(truth, scores[:, column]))))
    return rows


def everyday(index: Path, encoder: Encoder) -> list[Row]:
    """What customers call the demo shop's goods, and goods it does not sell: whether the first product is one of those
    meant, and how often something is shown as found that is not sold. The words were written by one of us who had not
    seen `retrieval/same_words.txt`; what they missed then was added to it afterwards."""
    search = Search.open(index, encoder)
    kinds = {product.id: str(product.attributes.get("kind")) for product in search.product_store.items()}
    side = search.product_side
    hit: dict[str, list[float]] = {"kefu": [], "bm25": [], "dense": []}
    shown: list[bool] = []
    for text, language, wanted in everyday_words(OWN / "everyday_words.csv"):
        found = [item.product.id for item in search.products(text, language=language).hits]
        if not wanted:
            shown.append(bool(found))
            continue
        dense = side.dense.search(encoder.encode_queries([text]), 1)[0]
        first = {
            "kefu": found[:1],
            "bm25": [id for id, _ in side.lexical.search(text, 1)],
            "dense": [item_of(name) for name, _ in dense],
        }
        for system, ids in first.items():
            hit[system].append(float(any(kinds.get(id) in wanted for id in ids)))
    return [
        *(Row("everyday", system, "hit@1", *metrics.interval(values)) for system, values in hit.items()),
        Row("everyday", "kefu", "not_sold_but_shown", *metrics.interval(shown)),
    ]


def everyday_words(file: Path) -> Iterator[tuple[str, str, frozenset[str]]]:
    """(text, language, kinds of demo goods that are meant; none where it is not sold)."""
    with file.open(encoding="utf-8", newline="") as held:
        for row in csv.DictReader(held):
            yield row["text"], row["language"], frozenset(row["kinds"].split())


def best_scores(side: Hybrid, encoder: Encoder, question: str) -> tuple[float, float, float]:
    """(probability, BM25, cosine) of what each side finds best."""
    ranked = side.rank(question, encoder.encode_queries([question])[0])
    return (
        max((each.score for each in ranked), default=0.0),
        max((each.bm25 for each in ranked), default=0.0),
        max((each.cosine for each in ranked), default=0.0),
    )


def best_score(side: Hybrid, encoder: Encoder, question: str) -> float:
    ranked = side.rank(question, encoder.encode_queries([question])[0])
    return ranked[0].score if ranked else 0.0


def rankings(
    side: Hybrid,
    encoder: Encoder,
    questions: Sequence[str],
    *,
    wide: int,
    among: Callable[[str], Collection[str]] | None = None,
) -> Iterator[dict[str, list[str]]]:
    """For each question what the hybrid, BM25 alone and dense alone put first; all over the same texts.

    Args:
        among: ids that the hybrid may show for a question.
    """
    rows = np.concatenate([encoder.encode_queries(questions[s : s + 256]) for s in range(0, len(questions), 256)])
    for question, row in zip(questions, rows, strict=True):
        ranked = side.rank(question, row, candidates=wide, allowed=among(question).__contains__ if among else None)
        dense = side.dense.search(row[None], wide * 4)[0]
        yield {
            "kefu": [candidate.id for candidate in ranked],
            "bm25": [id for id, _ in side.lexical.search(question, wide)],
            "dense": list(dict.fromkeys(name.rsplit("|", 2)[0] for name, _ in dense if name.endswith("|b"))),
        }


def ecommerce_faq(folder: Path, encoder: Encoder) -> list[Row]:
    held = json.loads((folder / "Ecommerce_FAQ_Chatbot_dataset.json").read_text(encoding="utf-8"))["questions"]
    passages = [Passage(str(n), str(n), "en", row["question"], row["answer"]) for n, row in enumerate(held)]
    side = side_of(passages, encoder)
    asked = list(lines(OWN / "ecommerce_faq_paraphrases.jsonl"))
    right = [{str(index) for index in row["accepted"]} for row in asked]
    out: dict[str, list[float]] = {"kefu": [], "bm25": [], "dense": []}
    for ranked, relevant in zip(rankings(side, encoder, [r["question"] for r in asked], wide=79), right, strict=True):
        for system, ids in ranked.items():
            out[system].append(metrics.hit(ids, relevant, 1))
    shown = [best_scores(side, encoder, row["question"])[0] >= side.weights.threshold for row in asked]
    return [
        *(Row("ecommerce_faq", system, "hit@1", *metrics.interval(values)) for system, values in out.items()),
        Row("ecommerce_faq", "kefu", "answered_rate", *metrics.interval(shown)),
    ]


def stackfaq(folder: Path, encoder: Encoder) -> list[Row]:
    threads = list(lines(folder / "threads.jsonl"))
    passages = [
        Passage(f"{thread['thread_id']}#{n}", str(thread["thread_id"]), "en", thread["question"], answer[:1200])
        for thread in threads
        for n, answer in enumerate(thread["answers"] or [""])
    ]
    side = side_of(passages, encoder)
    asked = list(lines(folder / "queries_even.jsonl"))
    out: dict[str, dict[str, list[float]]] = {}
    for ranked, row in zip(
        rankings(side, encoder, [r["query"] for r in asked], wide=len(passages)), asked, strict=True
    ):
        for system, ids in ranked.items():
            of_thread = list(dict.fromkeys(id.split("#")[0] for id in ids))
            relevant = {str(row["thread_id"])}
            measures = out.setdefault(system, {})
            measures.setdefault("mrr", []).append(metrics.reciprocal_rank(of_thread, relevant))
            measures.setdefault("p@1", []).append(metrics.hit(of_thread, relevant, 1))
            measures.setdefault("ndcg@10", []).append(metrics.ndcg(of_thread, dict.fromkeys(relevant, 1.0), 10))
    return [
        Row("stackfaq", system, measure, *metrics.interval(values))
        for system, measures in out.items()
        for measure, values in measures.items()
    ]


def chorus(folder: Path, encoder: Encoder) -> list[Row]:
    """Judged-only NDCG@10 over the whole catalogue. A brand that is named narrows, as it does in `retrieval.search`."""
    with gzip.open(folder / "products.jsonl.gz", "rt", encoding="utf-8") as held:
        products = [json.loads(line) for line in held]
    with (folder / "ratings.csv").open(encoding="utf-8") as held:
        ratings: dict[str, dict[str, float]] = {}
        for row in csv.DictReader(held):
            ratings.setdefault(row["query"], {})[row["docid"]] = float(row["rating"])
    texts = {product["id"]: electronics_text(product) for product in products}
    titles = {product["id"]: str(product.get("title") or product.get("name") or "") for product in products}
    # only judged products are embedded: the measure leaves out all others, BM25 counts its words over the whole catalogue
    ids = sorted({id for gains in ratings.values() for id in gains})
    rows: dict[str, Any] = {}
    for start in range(0, len(ids), 256):
        chunk = ids[start : start + 256]
        bodies = encoder.encode_passages([texts[id][:300] for id in chunk])
        heads = as_headings(encoder.encode_queries([titles[id] for id in chunk]))
        for id, body, head in zip(chunk, bodies, heads, strict=True):
            rows[row_id(id, "en", "b")], rows[row_id(id, "en", "h")] = body, head
    side = Hybrid(
        VectorIndex.built(list(rows), np.stack(list(rows.values())), kind="flat", gpu=False),
        LexicalIndex.built((id, f"{titles[id]}\n{titles[id]}\n{text}") for id, text in texts.items()),
        calibrate.calibrated(rows, {}, calibrate.known_questions(encoder), encoder.name).products,
        lambda id: titles.get(id, ""),
    )
    makers = {product["id"]: str(product["supplier"]) for product in products}
    words = Vocabulary(brands={normalise(maker): maker for maker in makers.values()})

    def judged_of_brand(question: str) -> set[str]:
        brand = understand(question, words).brand
        return {id for id in ids if brand in (None, makers[id])}

    out: dict[str, list[float]] = {}
    for ranked, (_, gains) in zip(
        rankings(side, encoder, list(ratings), wide=len(texts), among=judged_of_brand), ratings.items(), strict=True
    ):
        for system, order in ranked.items():
            judged = metrics.judged_only(order, gains)
            out.setdefault(system, []).append(metrics.ndcg(judged, gains, 10))
    over = np.array([[a, b] for a, b in zip(out["kefu"], out["bm25"], strict=True)])
    ratio = report.interval(over, lambda sample: float(sample[:, 0].mean() / sample[:, 1].mean() - 1))
    return [
        *(Row("chorus_electronics", system, "ndcg@10", *metrics.interval(values)) for system, values in out.items()),
        Row("chorus_electronics", "kefu", "ndcg@10_over_bm25", *ratio),
    ]


def electronics_text(product: Mapping[str, Any]) -> str:
    kinds = [str(value) for key, value in product.items() if key.startswith("attr_t") and len(str(value)) < 40]
    parts = (product.get("title"), product.get("supplier"), product.get("short_description"), ", ".join(kinds[:12]))
    return "\n".join(str(part) for part in parts if part)


def pairs(folder: Path, encoder: Encoder, most: int) -> list[Row]:
    """Same meaning or not, Chinese: the encoder's cosine as it is, and with a model learnt on AFQMC's training pairs."""
    train = read_pairs(folder / "afqmc_zh" / "train.tsv.gz", "\t")
    test = read_pairs(folder / "afqmc_zh" / "dev.tsv.gz", "\t")
    other = read_pairs(folder / "bq_corpus_zh" / "dev.csv.gz", ",")
    tests = {frozenset(row[:2]) for row in (*test, *other)}
    kept = [row for row in train if frozenset(row[:2]) not in tests]
    refuse_shared(kept, test)
    chosen = [kept[n] for n in np.random.default_rng(0).permutation(len(kept))[:most]]
    features, labels, _ = pair_features(chosen, encoder)
    model = LogisticRegression(C=penalty(features, labels), max_iter=2000).fit(features, labels)
    rows: list[Row] = []
    for data, held in (("afqmc", test), ("bq", other)):
        features, labels, cosines = pair_features(held, encoder)
        rows.append(Row(data, "dense", "auc", float(roc_auc_score(labels, cosines))))
        rows.append(Row(data, "kefu", "auc", float(roc_auc_score(labels, model.decision_function(features)))))
    return rows


def penalty(features: Any, labels: Any) -> float:
    """The strongest penalty (smallest C) within one standard error of the best, on the last quarter of the training
    pairs: what is learnt on one shop's pairs has to hold for another's."""
    cut = len(labels) * 3 // 4
    reached = {}
    for strength in (0.05, 0.01, 0.005, 0.001):
        model = LogisticRegression(C=strength, max_iter=2000).fit(features[:cut], labels[:cut])
        reached[strength] = float(roc_auc_score(labels[cut:], model.decision_function(features[cut:])))
    best, rare = max(reached.values()), min(labels[cut:].sum(), (1 - labels[cut:]).sum())
    return min(s for s, auc in reached.items() if auc >= best - np.sqrt(best * (1 - best) / rare))


def refuse_shared(train: Sequence[tuple[str, str, int]], test: Sequence[tuple[str, str, int]]) -> None:
    """
    Raises:
        ValueError: a pair is in both, either way round.
    """
    shared = {frozenset(row[:2]) for row in train} & {frozenset(row[:2]) for row in test}
    if shared:
        raise ValueError(f"training and test share {len(shared)} pairs")


def read_pairs(file: Path, separator: str) -> list[tuple[str, str, int]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as held:
        rows = [row for row in csv.reader(held, delimiter=separator, quoting=csv.QUOTE_MINIMAL if separator == ","
                                          else csv.QUOTE_NONE)]  # fmt: skip
    return [(row[0], row[1], int(row[2])) for row in rows if len(row) >= 3 and row[2] in ("0", "1")]


def pair_features(held: Sequence[tuple[str, str, int]], encoder: Encoder) -> tuple[Any, Any, Any]:
    """(pairs, features): what differs and what agrees between the two rows, the cosine, and shared words."""
    texts = list(dict.fromkeys(text for row in held for text in row[:2]))
    rows = unit(np.concatenate([encoder.encode_queries(texts[s : s + 512]) for s in range(0, len(texts), 512)]))
    number = {text: n for n, text in enumerate(texts)}
    one, other = rows[[number[a] for a, _, _ in held]], rows[[number[b] for _, b, _ in held]]
    cosines = (one * other).sum(axis=1)
    shared = []
    for a, b, _ in held:
        x, y = set(tokens(a)), set(tokens(b))
        shared.append([len(x & y) / max(1, len(x | y)), len(x & y) / max(1, min(len(x), len(y))),
                       abs(len(a) - len(b)) / max(len(a), len(b), 1)])  # fmt: skip
    scale = 1 / 0.05  # a component of a unit row of 384 is about 0.05
    built = np.hstack([np.abs(one - other) * scale, one * other * scale**2 / 4, (cosines[:, None] - 0.85) / 0.05,
                       np.array(shared) * 4])  # fmt: skip
    return built, np.array([label for _, _, label in held]), cosines


def on_gpu(count: int) -> list[Row]:
    """10,000,000 x 384 on the GPU against the same index on the CPU; nothing where there is no GPU."""
    if not has_gpu():
        print("retrieval: no GPU that faiss sees; those rows are left out", file=sys.stderr)
        return []
    rows, queries = clustered(count, 384)
    ids = [str(number) for number in range(count)]
    out: list[Row] = []
    answers = {}
    for system, gpu in (("gpu", True), ("cpu", False)):
        started = time.perf_counter()
        index = VectorIndex.built(ids, rows, gpu=gpu)
        out.append(Row("synthetic_10m", system, "build_seconds", time.perf_counter() - started))
        out.append(
            Row(
                "synthetic_10m", system, "qps_batch_1", per_second(lambda row, i=index: i.search(row, 10), queries, 500)
            )
        )
        started = time.perf_counter()
        answers[system] = index.search(np.resize(queries, (1024, 384)), 10)
        out.append(Row("synthetic_10m", system, "qps_batch_1024", 1024 / (time.perf_counter() - started)))
    same = [
        len({i for i, _ in a} & {i for i, _ in b}) / 10 for a, b in zip(answers["gpu"], answers["cpu"], strict=True)
    ]
    return [*out, Row("synthetic_10m", "gpu", "recall@10_of_cpu", float(np.mean(same)))]


def lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as held:
        for line in held:
            if line.strip():
                yield json.loads(line)


if __name__ == "__main__":
    sys.exit(main())
