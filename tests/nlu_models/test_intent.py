"""Training, saving, loading and asking an intent model: real, but tiny."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from ensemble import artifact
from ensemble.artifact import ArtifactError
from nlu_models import bert, gate, members, training
from nlu_models.dataset import Example
from nlu_models.fusion import WAYS, Cascade, Fusion, better, choose, log_loss
from nlu_models.intent import MEMBERS, Decision, IntentModel, arrays_to, as_served, steps
from nlu_models.members import Neighbours
from nlu_models.scope import Scope
from tests.nlu_models.conftest import examples_of


@pytest.fixture(scope="module")
def model(models_folder):
    return IntentModel.load(models_folder / "intent")


def test_wishes_of_both_languages_are_told_apart(model):
    fresh = examples_of(8, seed=99)
    predictions = model.judge([example.text for example in fresh])
    right = [one.label == example.label for one, example in zip(predictions, fresh, strict=True)]
    assert np.mean(right) > 0.9


def test_a_loaded_model_answers_as_the_trained_one_did(model, trained):
    texts = [example.text for example in trained.validation]
    for stored, kept in zip(model.judge(texts), trained.model.judge(texts), strict=True):
        assert stored.label == kept.label
        assert stored.confidence == pytest.approx(kept.confidence, abs=0.02)  # arrays are stored in half precision


def test_a_prediction_is_the_same_alone_and_in_a_batch(model):
    texts = [example.text for example in examples_of(3, seed=5)]
    alone = [model.judge([text])[0] for text in texts]
    together = model.judge(texts)
    assert [one.label for one in alone] == [one.label for one in together]
    # int8 picks its scale a batch, so sureness may differ a little
    assert np.allclose([one.confidence for one in alone], [one.confidence for one in together], atol=0.1)


def test_which_order_it_is_does_not_change_what_is_wanted(model):
    def asked(numbers):
        said = model.judge([f"where is my order K-{number}" for number in numbers])
        return {(one.label, round(one.confidence, 6), round(one.in_scope, 6)) for one in said}

    assert len(asked(["934104", "966104", "100000", "555555"])) == 1


def test_rankings_are_sorted_distributions(model):
    for prediction in model.judge(["where is my order", "取消订单", ""]):
        chances = [chance for _, chance in prediction.ranking]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1.0)
        assert prediction.ranking[0] == (prediction.label, prediction.confidence)
        assert 0 <= prediction.in_scope <= 1


def test_off_topic_text_is_less_in_scope_than_a_wish(model):
    wish, other = model.judge(["please track my order now", "the weather poem please now"])
    assert wish.in_scope > other.in_scope
    assert other.label == "out_of_scope"


def test_no_texts_give_no_predictions(model):
    assert model.predict([]) == []


def with_confidence(model, *confidences):
    """The decision of a model, with other stages' confidences."""
    stages = [replace(one, confidence=sure) for one, sure in zip(model.decision.stages, confidences, strict=False)]
    return replace(model.decision, stages=tuple(stages))


def test_dear_members_are_asked_only_where_the_cheap_ones_leave_a_text_open(trained):
    model = trained.model
    texts = [example.text for example in trained.validation]
    always_sure, never_sure = with_confidence(model, 0.0), with_confidence(model, 1.01, 1.01, 1.01)
    first = always_sure.stages[0]
    assert first.asked == ("ngrams", "light")
    cheap = trained.opinions.of(first.asked)
    settled = first.settles(cheap, first.fusion(cheap))
    asked, fused = model.members.judge(texts, always_sure)
    assert (np.isnan(asked.scores[2:]).all(axis=(0, 2)) == settled).all()
    assert np.isnan(asked.more["nearest_pretrained_light"][settled]).all()
    assert not np.isnan(asked.more["energy_light"]).any()
    assert np.isnan(asked.logits[settled]).all()
    assert np.isnan(asked.nearest[settled]).all()
    assert settled.any()
    np.testing.assert_allclose(fused[settled], first.fusion(asked.scores[:2, settled]))
    everybody, chances = model.members.judge(texts, never_sure)
    assert not np.isnan(everybody.scores).any()
    np.testing.assert_allclose(chances, model.decision.full(everybody.scores))


@pytest.mark.parametrize("last", ["light", "bert"])
def test_parts_of_a_message_are_judged_by_the_cheapest_members_or_else_upto_bert(trained, last):
    names = trained.model.members.names if last == "light" else MEMBERS
    steps_of = steps(names)
    stages, asked = [], ()
    for step in steps_of[:-1]:
        asked = (*asked, *step)
        stages.append(Cascade(Fusion("average", asked), 1.01, step))  # settles nothing by itself
    decision = replace(trained.model.decision, stages=tuple(stages))
    members = trained.model.members if last == "light" else replace(trained.model.members, light=None)
    if last == "bert":
        decision = replace(decision, full=Fusion("average", MEMBERS), scope=None)
    whole, part = IntentModel(members, decision, "slow").predict(["please track my order now"], ["cancel the purchase"])
    assert set(whole.members) == set(names)
    assert set(part.members) == set(names[: names.index(last) + 1])
    assert part.label == "cancel_order"


def test_what_is_asked_live_is_what_was_fitted_on(trained):
    texts = [example.text for example in trained.validation]
    decision = trained.model.decision
    live, chances = trained.model.members.judge(texts, decision)
    served, fused = as_served(trained.model.members.ask(texts), decision)
    assert (fused.argmax(axis=1) == chances.argmax(axis=1)).mean() > 0.95
    known = {"scores": live.scores, "logits": live.logits, "nearest": live.nearest, **live.more}
    again = {"scores": served.scores, "logits": served.logits, "nearest": served.nearest, **served.more}
    for name, values in known.items():
        assert (np.isnan(values) == np.isnan(again[name])).all(), name
        # int8 has one step for all of a batch, so a text is read a little differently in another company
        assert np.nanmean(np.abs(values - again[name])) < (0.2 if name == "logits" else 0.05), name


def test_of_many_examples_the_nearest_are_found_through_a_shortlist(monkeypatch):
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(40, 200))
    labels = rng.integers(40, size=3000)
    vectors = middles[labels] + rng.normal(size=(3000, 200)) * 0.8
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    asked, known = vectors[:100], Neighbours(vectors[100:], labels[100:], 40)
    said, nearest = known.scored(asked)
    monkeypatch.setattr(members, "SHORTLIST", 3000)
    exact, exactly_nearest = known.scored(asked)
    assert (said.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.97
    assert (np.abs(nearest - exactly_nearest) < 1e-5).mean() > 0.97
    alone = np.concatenate([known.scored(asked[row : row + 1])[0] for row in range(20)])
    np.testing.assert_allclose(alone, exact[:20], atol=1e-5)


def test_who_is_asked_when():
    light = [("ngrams", "light"), ("light_linear", "light_neighbours")]
    known = (*light[0], *light[1], *MEMBERS[1:])
    assert steps(MEMBERS) == [("ngrams", "bert"), ("linear", "neighbours")]
    assert steps(known) == [*light, ("bert",), ("linear", "neighbours")]
    later = steps((*known, "bert_2", "linear_3", "neighbours_3", "gpt2"))[4:]
    assert later == [("bert_2",), ("linear_3", "neighbours_3", "gpt2")]


def test_a_decision_of_earlier_days_has_the_same_stages(trained):
    known = trained.model.decision
    old = known.to_json()
    first, *others = [{name: each[name] for name in ("cheap", "confidence")} for each in old.pop("stages")]
    again = Decision.from_json({**old, "cascade": first, "middle": others[0] if others else None})
    assert [one.confidence for one in again.stages] == [one.confidence for one in known.stages[:2]]
    assert again.stages[0].asked == again.stages[0].fusion.members  # all of them had to agree


def test_a_model_whose_light_encoder_was_not_tuned_is_refused_with_the_remedy(trained, tmp_path):
    files = {**trained.files, "light/model.onnx": b"as it came"}
    training.save(replace(trained, files=files), tmp_path / "intent", data_sha256="tiny", metrics={})
    with pytest.raises(ArtifactError, match=r"intent was made by an earlier Kefu: its light .*run `kefu train nlu`"):
        IntentModel.load(tmp_path / "intent")


def test_the_validation_rows_were_not_learnt_from(trained):
    held = {example.group for example in trained.validation}
    assert held
    learnt = trained.model.members.neighbours.labels
    assert len(learnt) + len(trained.validation) == len(examples_of())


def test_a_model_whose_ngrams_are_hashed_in_another_way_is_refused_with_the_remedy(trained, tmp_path):
    arrays = trained.model.members.ngrams.arrays()
    files = {**trained.files, "ngrams.npz": arrays_to({name: arrays[name] for name in arrays if name != "hash"})}
    training.save(replace(trained, files=files), tmp_path / "intent", data_sha256="tiny", metrics={})
    with pytest.raises(ArtifactError, match=r"intent was made by an earlier Kefu: its n-grams.*run `kefu train nlu`"):
        IntentModel.load(tmp_path / "intent")


@pytest.mark.parametrize("name", ["encoder/tuned.onnx", "ngrams.npz", "decision.json"])
def test_a_damaged_model_is_refused_with_its_file_and_the_remedy(models_folder, tmp_path, name):
    folder = tmp_path / "intent"
    shutil.copytree(models_folder / "intent", folder)
    path = folder / name
    path.write_bytes(path.read_bytes()[:-7] + b"garbage")
    with pytest.raises(ArtifactError, match=rf"{path.name}.*kefu train nlu"):
        IntentModel.load(folder)


def test_the_artifact_holds_no_pickle(models_folder):
    names = artifact.load(models_folder / "intent", "intent").manifest.files
    assert {name.rsplit(".", 1)[1] for name in names} == {"onnx", "json", "npz"}


def test_the_decision_survives_json(trained):
    from nlu_models.intent import Decision

    decision = trained.model.decision
    again = Decision.from_json(json.loads(json.dumps(decision.to_json())))
    assert again == decision


def test_training_needs_two_intents(tiny_encoder, tmp_path):
    alone = [Example(f"word {number}", "greet") for number in range(9)]
    with pytest.raises(ValueError, match="at least two labels"):
        training.train_intent(alone, tiny_encoder, training.IntentConfig(), tmp_path)


def test_the_better_model_passes_the_gate_and_the_worse_one_does_not():
    good = gate.GateScore(accuracy=0.9, log_loss=0.3, wishes=0.8, rows=100)
    assert good.beats(gate.GateScore(0.89, 0.2, 0.8, 100))
    assert good.beats(gate.GateScore(0.9, 0.4, 0.8, 100))
    assert not good.beats(good)
    assert not good.beats(gate.GateScore(0.91, 0.9, 0.1, 100))
    assert not gate.GateScore(0.95, 0.1, 0.5, 100).beats(good)  # it lost messages with two wishes


def test_the_gate_set_leaves_out_what_was_trained_on(tmp_path):
    (tmp_path / "intents_gate_en.csv").write_text("text,label\nWhere is my order?,track_order\nhi there,greet\n")
    kept = gate.read(tmp_path, [Example("where is my order", "track_order")])
    assert [example.text for example in kept.examples] == ["hi there"]


def test_a_model_is_scored_on_the_gate_set(model, tmp_path):
    rows = "".join(f"{example.text},{example.label}\n" for example in examples_of(4, seed=77))
    (tmp_path / "intents_gate_en.csv").write_text("text,label\n" + rows)
    scored = gate.score(model, gate.read(tmp_path))
    assert scored.rows == 32
    assert scored.accuracy > 0.85
    assert np.isnan(scored.wishes)


def made_scores(rows=400, seed=0):
    """BERT right in 90 %, n-grams in 70 %, the others in 80 %; independent of each other."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(5, size=rows)
    members = []
    for share in (0.9, 0.7, 0.8, 0.8):
        told = np.where(rng.random(rows) < share, labels, rng.integers(5, size=rows))
        members.append(np.where(np.arange(5) == told[:, None], share, (1 - share) / 4))
    return np.stack(members), labels


def test_the_chosen_fusion_beats_the_best_member_on_new_rows():
    scores, labels = made_scores()
    chosen, trials = choose(MEMBERS, scores, labels)
    new_scores, new_labels = made_scores(2000, seed=1)
    accuracy = (chosen(new_scores).argmax(axis=1) == new_labels).mean()
    assert accuracy > (new_scores[0].argmax(axis=1) == new_labels).mean() + 0.02
    assert {trial.way for trial in trials} == {*MEMBERS, *WAYS}
    assert trials[0].way == chosen.way


def test_within_the_noise_the_ways_are_blended_and_stored_whole():
    chosen, _ = choose(MEMBERS, *made_scores())
    assert chosen.way == "blend"
    again = Fusion.from_json(json.loads(json.dumps(chosen.to_json())))
    new, _ = made_scores(50, seed=2)
    np.testing.assert_allclose(again(new), chosen(new))
    np.testing.assert_allclose(again(new).sum(axis=1), 1)


@pytest.mark.parametrize(("wins", "losses", "expected"), [(3, 0, False), (12, 2, True), (12, 8, False), (0, 5, False)])
def test_better_means_beyond_two_standard_errors_on_the_same_rows(wins, losses, expected):
    this, that = np.ones((2, 200), dtype=bool)
    that[:wins] = False
    this[wins : wins + losses] = False
    assert better(this, that) == expected


def test_a_member_that_is_alone_right_is_chosen_alone_or_as_good():
    scores, labels = made_scores()
    scores[1:] = 0.2
    scores[0] = np.where(np.arange(5) == labels[:, None], 0.96, 0.01)
    chosen, _ = choose(MEMBERS, scores, labels)
    assert (chosen(scores).argmax(axis=1) == labels).all()


def test_the_cascade_goes_no_more_wrong_than_all_members_together():
    scores, labels = made_scores(1000)
    full = Fusion.fit("stacked", MEMBERS, scores, labels)
    stage = Cascade.fit(MEMBERS[:2], MEMBERS[:2], scores[:2], labels, full(scores))
    slow = full(scores).argmax(axis=1)
    fused = stage.fusion(scores[:2])
    settled = stage.settles(scores[:2], fused)
    answers = np.where(settled, fused.argmax(axis=1), slow)
    assert (answers != labels).sum() <= (slow != labels).sum()
    assert settled.mean() > 0.2


def test_before_the_dearest_encoder_more_is_settled_and_the_loss_grows_by_a_hundredth_at_most():
    labels = np.arange(1000) % 4
    scores, slow = np.full((2, 1000, 4), 0.02), np.full((1000, 4), 0.001)
    scores[0, np.arange(1000), labels] = 0.94
    # the other one is at odds with it on every fourth row, and on every hundredth both are wrong, which all would mend
    wrong = (labels + 1) % 4
    scores[1, np.arange(1000), np.where(np.arange(1000) % 4, labels, wrong)] = 0.94
    scores[:, ::100] = 0.02
    scores[:, np.arange(0, 1000, 100), wrong[::100]] = 0.94
    slow[np.arange(1000), labels] = 0.997
    shares, losses = [], []
    for dear in (False, True):
        stage = Cascade.fit(MEMBERS[:2], MEMBERS[:2], scores, labels, slow, before_dear=dear)
        fused = stage.fusion(scores)
        settled = stage.settles(scores, fused)
        shares.append(settled.mean())
        losses.append(log_loss(np.where(settled[:, None], fused, slow), labels))
    assert shares[1] > shares[0]
    assert losses[1] <= log_loss(slow, labels) * 1.01


@pytest.mark.parametrize(("odd", "expected"), [(1, True), (4, False)])
def test_a_stage_is_not_given_up_for_one_odd_row_among_a_thousand(odd, expected):
    labels = np.arange(1000) % 4
    cheap = np.full((2, 1000, 4), 0.001)
    cheap[:, np.arange(1000), np.where(np.arange(1000) < odd, (labels + 1) % 4, labels)] = 0.997
    slow = np.full((1000, 4), 0.001)
    slow[np.arange(1000), labels] = 0.997
    stage = Cascade.fit(MEMBERS[:2], MEMBERS[:2], cheap, labels, slow)  # all members together are always right
    settled = stage.settles(cheap, stage.fusion(cheap))
    assert (settled.mean() > 0.9) == expected
    assert settled.any() == expected


def test_in_a_later_stage_only_those_it_asks_have_to_agree():
    scores, labels = made_scores(1000)
    slow = Fusion.fit("stacked", MEMBERS, scores, labels)(scores)
    stage = replace(Cascade.fit(MEMBERS[:2], MEMBERS[:1], scores[:2], labels, slow), confidence=0.0)
    fused = stage.fusion(scores[:2])
    settled = stage.settles(scores[:2], fused)
    answers, (first, second) = fused.argmax(axis=1), scores[:2].argmax(axis=2)
    assert (settled == (first == answers)).all()
    assert (second[settled] != answers[settled]).any()


def test_scope_learns_from_whatever_signs_there_are():
    rng = np.random.default_rng(2)
    inside = rng.random(500) < 0.8
    signs = np.stack([inside * 2 + rng.normal(size=500), rng.normal(size=500), *np.full((4, 500), np.nan)])
    known = Scope.fit(signs, inside)
    chances = known(signs)
    assert chances[inside].mean() > chances[~inside].mean() + 0.2
    assert (chances[inside] >= known.threshold).mean() >= 0.97
    assert Scope.from_json(json.loads(json.dumps(known.to_json()))) == known
    with pytest.raises(ValueError, match="both kinds"):
        Scope.fit(signs, np.ones(500, bool))


def test_fine_tuning_with_adapters_changes_the_model_and_leaves_the_encoder_alone(tiny_encoder):
    parts = bert.load(tiny_encoder, frozen=0)
    before = {name: value.clone() for name, value in parts.upper.state_dict().items()}
    data = examples_of(10)
    labels = sorted({example.label for example in data})
    wanted = np.array([labels.index(example.label) for example in data])
    tune = bert.TuneConfig(epochs=2, learning_rate=1e-2, lora_rank=4)
    hidden = bert.Hidden(parts, [example.text for example in data])
    tuned = bert.fine_tune(parts, hidden, wanted, len(labels), tune)
    assert all((parts.upper.state_dict()[name] == value).all() for name, value in before.items())
    assert set(tuned.upper.state_dict()) == set(before)  # the adapters are merged
    assert any((tuned.upper.state_dict()[name] != value).any() for name, value in before.items() if "query" in name)


def test_too_many_layers_are_refused(tiny_encoder):
    from nlu_models.encoders import EncoderError

    with pytest.raises(EncoderError, match="has 2 layers; cannot keep 2 and freeze 3"):
        bert.load(tiny_encoder, frozen=3)
