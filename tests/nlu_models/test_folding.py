"""The full recipe on tiny data: held-out opinions, refits, a second encoder, and what may not leak."""

from dataclasses import replace

import numpy as np
import pytest

from ensemble.artifact import ArtifactError
from ensemble.stacking import OverlappingSplits
from nlu_models import bert, branch, dataset, folding, training
from nlu_models.dataset import Example
from nlu_models.intent import MEMBERS, OFF_TOPIC, SECOND, THIRD, Decision, IntentModel, Opinions, as_served
from nlu_models.scope import LEARNT, SIGNS
from nlu_models.untuned import Vectors
from tests.nlu_models.conftest import examples_of

TUNE = bert.TuneConfig(epochs=3, batch=16, learning_rate=3e-3, head_learning_rate=1e-2, frozen=1, best_by="accuracy")


@pytest.fixture(scope="module")
def refitted(tiny_encoder, tmp_path_factory):
    """Held out, then learnt from; the second and the third encoder read English only."""
    config = training.IntentConfig(TUNE, TUNE, refit=True, fold_below=10, tolerance=0.1, spare=-1.0)
    work = tmp_path_factory.mktemp("refitted")
    return training.train_intent(
        examples_of(),
        tiny_encoder,
        config,
        work,
        second=tiny_encoder,
        second_english_only=True,
        third=tiny_encoder,
        third_english_only=True,
    )


@pytest.fixture(scope="module")
def folded(tiny_encoder, tmp_path_factory):
    """Few examples: every row is held out once, and names of intents are examples."""
    config = training.IntentConfig(TUNE, refit=True, few_epochs=3, fold_below=2000, folds=3, tolerance=0.1)
    return training.train_intent(examples_of(8), tiny_encoder, config, tmp_path_factory.mktemp("folded"))


@pytest.fixture(scope="module")
def never_warned(tiny_encoder, tmp_path_factory):
    """No example is off topic."""
    config = training.IntentConfig(TUNE, refit=True, fold_below=2000, folds=3, tolerance=0.1)
    served = [example for example in examples_of(20) if example.label != OFF_TOPIC]
    return training.train_intent(served, tiny_encoder, config, tmp_path_factory.mktemp("never_warned"))


def test_an_encoder_that_adds_nothing_is_not_served_and_that_is_said(tiny_encoder, tmp_path):
    config = training.IntentConfig(TUNE, TUNE, refit=True, fold_below=10, tolerance=0.1, spare=9.0)
    said: list[str] = []
    trained = training.train_intent(
        examples_of(), tiny_encoder, config, tmp_path, second=tiny_encoder, third=tiny_encoder, say=said.append
    )
    assert trained.model.members.names == MEMBERS
    assert set(trained.opinions.more).isdisjoint({"energy_2", "nearest_2", "nearest_pretrained_3", "elsewhere_3"})
    assert not any(name.startswith(("second/", "third/")) for name in trained.files)
    assert any("without the second and the third encoder" in line for line in said)
    assert trained.metrics["unasked_encoders"] == ["second", "third"]
    training.save(trained, tmp_path / "intent", data_sha256="x", metrics={})
    assert IntentModel.load(tmp_path / "intent").predict(["where is my order"])[0].label in trained.model.labels


def _opinions(**right: float) -> tuple[Opinions, list[Example]]:
    """Members that are right, each by chance of its own, on so large a share of 400 rows; all of four labels."""
    rng, rows, labels = np.random.default_rng(5), 400, 4
    wanted = rng.integers(labels, size=rows)
    scores = np.full((len(right), rows, labels), 0.1)
    for place, share in enumerate(right.values()):
        answers = np.where(rng.random(rows) < share, wanted, (wanted + rng.integers(1, labels, size=rows)) % labels)
        scores[place, np.arange(rows), answers] = 0.7
    logits = np.log(scores[0]).astype(np.float32)
    held = [Example(f"text {row}", "abcd"[label], group=str(row)) for row, label in enumerate(wanted.tolist())]
    return Opinions(tuple(right), scores, logits, np.ones(rows)), held


def test_of_two_more_encoders_the_one_that_knows_more_is_asked():
    said, held = _opinions(ngrams=0.5, bert=0.7, bert_2=0.3, linear_3=0.9, neighbours_3=0.85)
    assert training.dispensable(said, held, "abcd", 0.02) == ("second",)
    said, held = _opinions(ngrams=0.5, bert=0.7, bert_2=0.95, linear_3=0.25, neighbours_3=0.25)
    assert training.dispensable(said, held, "abcd", 0.02) == ("third",)
    said, held = _opinions(ngrams=0.5, bert=0.7, bert_2=0.8, linear_3=0.8, neighbours_3=0.8)
    assert training.dispensable(said, held, "abcd", 0.02) == ()


def test_a_third_encoder_that_can_read_none_of_the_examples_is_left_out(tiny_encoder, tmp_path):
    config = training.IntentConfig(TUNE, refit=True, fold_below=10, tolerance=0.1)
    chinese = [example for example in examples_of() if example.language == "zh"]
    trained = training.train_intent(
        chinese, tiny_encoder, config, tmp_path, third=tiny_encoder, third_english_only=True
    )
    assert trained.model.members.names == MEMBERS


def test_a_refit_learns_from_the_held_out_rows_too(refitted):
    assert refitted.validation
    assert len(refitted.model.members.neighbours.labels) == len(examples_of())


def test_other_encoders_add_their_members_and_read_only_their_language(refitted):
    assert refitted.model.members.names == (*MEMBERS, *SECOND, *THIRD)
    asked = refitted.model.members.ask(["where order parcel track", "订单 哪里 物流 快递"])
    assert not np.isnan(asked.scores[4:, 0]).any()
    assert np.isnan(asked.scores[4:, 1]).all()
    assert np.isnan(asked.more["nearest_2"]).tolist() == [False, True]
    assert np.isnan(asked.more["nearest_pretrained_3"]).tolist() == [False, True]


def test_the_third_encoder_is_not_tuned_and_learns_from_all_rows_in_the_end(refitted, tiny_encoder):
    third = refitted.model.members.third
    texts = [example.text for example in examples_of() if example.language == "en"]
    again = Vectors.of(third.encoder, texts, np.zeros(len(texts), int), 1, np.ones(len(texts), bool)).vectors
    assert len(third.members.neighbours.labels) == len(texts)
    assert third.members.neighbours.nearest(again).min() > 0.999
    assert not (tiny_encoder / "onnx").exists()  # a folder of somebody else is not written into


def test_the_third_encoder_says_of_held_out_rows_what_it_says_when_served(refitted):
    rows = np.array([place for place, example in enumerate(refitted.validation) if example.language == "en"])
    held = [refitted.validation[row] for row in rows]
    before, served = refitted.opinions, refitted.model.members.ask([example.text for example in held])
    right = [refitted.model.labels.index(example.label) for example in held]
    linear = before.names.index("linear_3")
    assert before.scores[linear, rows, right].mean() > 0.4  # of four intents, on rows it did not see
    assert (before.more["elsewhere_3"] <= before.more["nearest_pretrained_3"])[rows].all()
    assert (served.more["nearest_pretrained_3"] > before.more["nearest_pretrained_3"][rows]).all()  # now it knows them


def test_the_full_model_survives_saving(refitted, tmp_path):
    training.save(refitted, tmp_path / "intent", data_sha256="tiny", metrics={})
    model = IntentModel.load(tmp_path / "intent")
    fresh = examples_of(6, seed=9)
    texts = [example.text for example in fresh]
    kept = refitted.model.judge(texts)
    assert [one.label for one in model.judge(texts)] == [one.label for one in kept]
    assert np.mean([one.label == example.label for one, example in zip(kept, fresh, strict=True)]) > 0.8


def test_with_few_examples_every_row_is_held_out_once_and_names_never(folded):
    assert sorted(example.text for example in folded.validation) == sorted(each.text for each in examples_of(8))
    named = {"track order", "cancel order", "talk to person"}
    assert not named & {example.text for example in folded.validation}
    assert len(folded.model.members.neighbours.labels) == len(examples_of(8)) + len(named)


def test_opinions_on_rows_that_were_fitted_on_are_refused():
    fitted = folding.Fitted(np.array([0, 1, 2]), None, {})
    with pytest.raises(OverlappingSplits):
        folding.opinions([], {}, fitted, np.array([2, 3]), None, None)


def test_more_of_the_off_topic_texts_can_be_held_out():
    grouped = dataset.group_near_duplicates(
        [Example(f"number {word} says {word} again", label) for label, word in zip("ab" * 40, range(80), strict=True)]
    )
    spread = [Example(each.text, each.label, group=str(row)) for row, each in enumerate(grouped)]
    _, held = dataset.split(spread, 0.1, shares={"b": 0.5})
    assert sum(each.label == "b" for each in held) == 20
    assert sum(each.label == "a" for each in held) == 4


def test_the_rejection_limit_lies_between_what_is_known_and_what_is_not():
    rng = np.random.default_rng(0)
    wanted = rng.integers(4, size=300)
    sure = np.full((300, 4), 0.04)
    sure[np.arange(300), wanted] = 0.88
    said = Opinions(("bert",), sure[None], np.zeros((300, 4), np.float32), np.ones(300))
    limit = training.rejection_limit(lambda opinions: opinions.scores[0], said, wanted)
    assert 1 / 3 < limit <= 0.88  # without its own class a row is torn between the three others


def test_without_off_topic_examples_scope_is_learnt_from_texts_whose_intent_is_taken_away(never_warned):
    decision = never_warned.model.decision
    assert decision.scope is not None
    taken = dict(zip(SIGNS, decision.scope.meta.weights, strict=True))
    assert all(taken[name] == 0 for name in LEARNT)  # fine-tuning has seen the intent that is taken away
    assert taken["nearest_pretrained"] > 0
    fresh = examples_of(10, seed=9)
    answers = never_warned.model.judge([example.text for example in fresh])
    served = np.array([example.label != OFF_TOPIC for example in fresh])
    sure = np.array([answer.sure for answer in answers])
    assert sure[served].mean() > sure[~served].mean() + 0.3


def test_the_contrastive_loss_is_small_where_classes_lie_together():
    import torch

    labels = torch.tensor([0, 0, 1, 1])
    together = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]]), dim=-1)
    mixed = together[[0, 2, 1, 3]]
    assert bert.contrastive(together, labels) < bert.contrastive(mixed, labels)
    assert bert.contrastive(together, torch.arange(4)) == 0


def test_the_second_stage_keeps_the_second_encoder_from_texts_the_first_members_settle(refitted):
    from nlu_models.fusion import Cascade, Fusion

    labels, said = refitted.model.labels, refitted.opinions
    wanted = np.array([labels.index(example.label) for example in refitted.validation])
    full = Fusion.fit("average", said.names, said.scores, wanted)
    first = Cascade(Fusion.fit("stacked", MEMBERS[:2], said.scores[:2], wanted), 1.01, MEMBERS[:2])
    middle = Cascade(Fusion.fit("stacked", MEMBERS, said.scores[:4], wanted), 0.0, MEMBERS[2:])
    settled = middle.settles(said.scores[:4], middle.fusion(said.scores[:4]))
    assert settled.any()
    decision = Decision((first, middle), full, None, 0.0)
    served, fused = as_served(said, decision)
    assert np.isnan(served.scores[4:, settled]).all()
    assert not np.isnan(served.scores[:4]).any()
    assert np.allclose(fused[settled], middle.fusion(said.scores[:4, settled]))
    english = [example.text for example in refitted.validation if example.language == "en"]
    asked, _ = refitted.model.members.judge(english, decision)
    known = asked.scores[:4]
    assert (np.isnan(asked.scores[4]).all(axis=1) == middle.settles(known, middle.fusion(known))).all()


def test_int8_is_fitted_to_texts_it_is_not_measured_on_and_never_to_a_handful_of_names():
    def texts(count, readable=None):
        known = np.ones(count, dtype=bool) if readable is None else readable
        written = [f"text {number}" for number in range(count)]
        return branch.Texts(written, None, None, np.zeros((count, 2)), np.zeros(count, int), 2, known)

    held = np.arange(300)
    fitted_to = branch.smoothed_on(texts(600), held)
    assert len(fitted_to) >= branch.SMOOTHED_ON
    assert not set(fitted_to) & {f"text {number}" for number in held}
    assert len(branch.smoothed_on(texts(320), held)) >= branch.SMOOTHED_ON, "twenty names are left: all texts are used"
    some = np.arange(400) % 2 == 0
    assert branch.smoothed_on(texts(400, some), np.arange(0)) == [f"text {number}" for number in range(0, 400, 2)]


def test_a_model_with_a_linear_model_on_its_second_encoder_is_refused_with_the_remedy(refitted, tmp_path):
    assert {name for name in refitted.files if name.startswith("second/encoder/frozen")} == set()
    files = {**refitted.files, "second/linear.npz": b"of earlier days"}
    training.save(replace(refitted, files=files), tmp_path / "intent", data_sha256="tiny", metrics={})
    with pytest.raises(ArtifactError, match=r"intent was made by an earlier Kefu: a linear .*run `kefu train nlu`"):
        IntentModel.load(tmp_path / "intent")
