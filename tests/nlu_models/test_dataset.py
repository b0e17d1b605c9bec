"""Reading examples, and splits that keep near-duplicates together."""

import json
from pathlib import Path

import pytest

from ensemble.stacking import check_disjoint
from nlu_models import dataset
from nlu_models.dataset import DatasetError, Example


def test_rasa_yaml_gives_plain_texts_without_entity_marks(tmp_path):
    (tmp_path / "track.yml").write_text(
        'version: "3.1"\nnlu:\n- intent: track_order\n  examples: |\n'
        '    - where is [K-1](order_number)\n    - 订单[K-2]{"entity": "order_number"}呢\n'
        "- synonym: red\n  examples: |\n    - crimson\n",
        encoding="utf-8",
    )
    assert [(one.text, one.label, one.language) for one in dataset.read(tmp_path)] == [
        ("where is K-1", "track_order", "en"),
        ("订单K-2呢", "track_order", "zh"),
    ]


def test_csv_and_jsonl_name_their_columns_in_several_ways(tmp_path):
    (tmp_path / "a.csv").write_text("\ufeffsentence,intent\nhello there,greet\n\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "bye now", "label": "goodbye", "group": "g"}) + "\n\n")
    assert [(one.text, one.label) for one in dataset.read(tmp_path)] == [
        ("hello there", "greet"),
        ("bye now", "goodbye"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,kind\nhello,greet\n", r"a\.csv line 1: needs a column text and a column label"),
        ("a.csv", "text,label\nhello\n", r"a\.csv line 2: has fewer values"),
        ("a.jsonl", '{"text": "x", "label": "y"}\n{"text": "x"}\n', r"a\.jsonl line 2: must be a JSON object"),
        ("a.yml", "nlu: [unclosed\n", r"a\.yml line \d+: is no YAML"),
        ("a.txt", "hello", "unknown ending"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError, match=message):
        dataset.read(tmp_path / name)


def test_a_folder_without_examples_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no examples"):
        dataset.read(tmp_path)


def test_near_duplicates_share_a_group_and_others_do_not():
    texts = [
        "where is my order K-104233?",
        "Where is my order K-100001",
        "where's the weather",
        "cancel everything now",
    ]
    grouped = dataset.group_near_duplicates([Example(text, "x") for text in texts])
    groups = [example.group for example in grouped]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    assert dataset.group_near_duplicates([]) == []


def test_given_groups_are_kept_together():
    grouped = dataset.group_near_duplicates(
        [Example("one thing", "x", group="a"), Example("other stuff", "x", group="a")]
    )
    assert grouped[0].group == grouped[1].group


def test_a_split_takes_its_share_of_every_label_and_whole_groups():
    examples = [Example(f"text {label} {n}", label, group=f"{label}{n // 2}") for label in "abc" for n in range(40)]
    rest, held = dataset.split(examples, 0.2, seed=1)
    check_disjoint(rest={one.group for one in rest}, held={one.group for one in held})
    assert len(rest) + len(held) == len(examples)
    for label in "abc":
        assert sum(one.label == label for one in held) == pytest.approx(8, abs=2)
    assert dataset.split(examples, 0.2, seed=1) == (rest, held)
    assert dataset.split(examples, 0.2, seed=2) != (rest, held)


def test_a_label_with_one_group_stays_where_it_can_be_learnt():
    examples = [Example("a", "rare", group="only"), *(Example(f"b{n}", "often") for n in range(10))]
    rest, held = dataset.split(examples, 0.5)
    assert any(one.label == "rare" for one in rest)
    assert not any(one.label == "rare" for one in held)
    with pytest.raises(ValueError, match="between 0 and 1"):
        dataset.split(examples, 1.0)


def test_the_gate_questions_are_not_among_the_training_examples():
    project = Path(__file__).resolve().parents[2]
    train = {dataset.normalise(one.text) for one in dataset.read(project / "bot/dialogue/data/nlu")}
    from nlu_models import gate

    kept = gate.read(project / "tests/benchmarks/data", dataset.read(project / "bot/dialogue/data/nlu"))
    assert len(kept.examples) > 500
    check_disjoint(train=train, gate={dataset.normalise(one.text) for one in kept.examples})


def test_a_group_that_reaches_over_labels_takes_no_more_than_its_share_of_any():
    examples = [Example(f"{label} {row}", label, group=f"{label}{row}") for label in "ab" for row in range(40)]
    examples += [Example(f"b like a {row}", "b", group="a0") for row in range(30)]  # a large group around one "a"
    examples += [Example("only c", "c", group="a1")]
    for seed in range(5):
        rest, held = dataset.split(examples, 0.15, seed=seed)
        assert sum(example.label == "b" for example in held) <= 0.15 * 70 + 1
        assert any(example.label == "c" for example in rest)
        assert not {example.group for example in rest} & {example.group for example in held}


def test_long_numbers_are_alike_and_short_ones_are_not():
    assert dataset.numbers_alike("order K-934104 to 10115, 2 pairs") == "order K-123456 to 12345, 2 pairs"
    assert dataset.numbers_alike("call 004930123456789") == "call 123456789123456"
    assert dataset.numbers_alike("\u8ba2\u5355934108\u5230\u54ea\u4e86") == "\u8ba2\u5355123456\u5230\u54ea\u4e86"
    assert dataset.numbers_alike("size 42, 99 \u20ac") == "size 42, 99 \u20ac"
