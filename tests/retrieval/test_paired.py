"""Two encoders as one: what English texts, Chinese texts and one of each have in common."""

import numpy as np
import pytest

from retrieval.encoder import as_headings
from retrieval.paired import SHARE, PairedEncoder
from tests.retrieval.keyword_encoder import KeywordEncoder


class Letters:
    """A second encoder that knows the first letter of a text only."""

    name = "letters"
    dimension = 26

    def encode_queries(self, texts):
        rows = np.zeros((len(texts), 26), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            assert text.isascii(), "a Chinese text has nothing to say to the English encoder"
            row[ord(text.lower()[0]) - ord("a")] = 1.0
        return rows

    encode_passages = encode_queries


@pytest.fixture
def paired():
    return PairedEncoder(KeywordEncoder(), Letters())


def likeness(paired, question, text):
    return float(paired.encode_queries([question])[0] @ paired.encode_passages([text])[0])


def test_two_english_texts_have_both_opinions(paired):
    assert likeness(paired, "tent", "tent") == pytest.approx(1.0)
    assert likeness(paired, "tent", "a tent") == pytest.approx(SHARE)
    assert likeness(paired, "tent", "two shoes") == pytest.approx(1 - SHARE)


def test_a_chinese_question_is_compared_by_the_multilingual_one_alone(paired):
    assert likeness(paired, "帐篷", "帐篷") == pytest.approx(1.0)
    assert likeness(paired, "帐篷", "tent") == pytest.approx(1.0)
    assert likeness(paired, "帐篷", "shoes") == pytest.approx(0.0)


def test_an_english_question_finds_a_chinese_text_by_its_share(paired):
    assert likeness(paired, "tent", "帐篷") == pytest.approx(SHARE)


def test_a_title_is_put_like_a_question_and_searched_like_a_text(paired):
    titles = as_headings(paired.encode_queries(["帐篷", "tent"]))
    assert titles == pytest.approx(paired.encode_passages(["帐篷", "tent"]))
    assert as_headings(titles) == pytest.approx(paired.encode_queries(["帐篷", "tent"]))


def test_no_texts_give_no_rows_and_the_name_tells_both(paired):
    assert paired.encode_queries([]).shape == (0, paired.dimension)
    assert paired.name == f"keywords@{SHARE}+letters"
    assert paired.dimension == KeywordEncoder.dimension + 26
