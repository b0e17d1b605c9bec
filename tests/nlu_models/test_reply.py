"""GPT-2 and the replies it words: a tiny one, trained in the test."""

import json

import numpy as np
import pytest
import torch

from ensemble import artifact
from nlu_models import gpt2, lm, reply, vocabulary
from nlu_models.reply import Approved, DraftRequest, ReplyWriter

PAIRS = [
    Approved(
        "track_order", "en", "where is my order", "Order {order_number} arrives on {eta}.", ("order_number", "eta")
    ),
    Approved("track_order", "zh", "订单在哪里", "订单{order_number}预计{eta}到。", ("order_number", "eta")),
    Approved("greet", "en", "hello", "Hello! How can I help?", ()),
    Approved("greet", "en", "good evening", "Good evening to you.", ()),
    Approved("greet", "zh", "你好", "您好，请说。", ()),
    Approved("complaint", "en", "this is bad", "I am sorry to hear that.", ()),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An artifact of a GPT-2 with two layers, trained on six pairs until it knows them."""
    made = tmp_path_factory.mktemp("gpt2")
    texts = [text for pair in PAIRS for text in (pair.question, pair.reply)] * 3
    words = vocabulary.learn(
        texts, intents={pair.intent for pair in PAIRS}, placeholders=["order_number", "eta"], size=400
    )
    config = gpt2.Gpt2Config(
        layers=2, heads=2, width=32, context=96, epochs=60, batch=6, learning_rate=1e-2, dropout=0.0
    )
    model = gpt2.own_model(words.tokenizer.get_vocab_size(), config, words.number(vocabulary.END))
    stories = [gpt2.reply_story(words, p.question, p.intent, p.language, p.facts, p.reply) for p in PAIRS] * 2
    gpt2.train(model, stories, [], config)
    gpt2.save(model, words, made)
    files = {f"gpt2/{path.name}": path for path in made.iterdir()}
    files["approved.json"] = json.dumps([vars(pair) for pair in PAIRS]).encode()
    target = tmp_path_factory.mktemp("models") / "reply"
    artifact.save(target, "reply", files, data_sha256="tiny")
    return target


@pytest.fixture(scope="module")
def writer(folder):
    return ReplyWriter.load(folder)


def alike(text, others):
    return np.full(len(others), 0.8)


def test_numpy_and_torch_read_the_same_logits(folder):
    numbers = [5, 9, 3, 7, 7, 1]
    ours, _ = lm.NumpyGpt2.load(folder / "gpt2").read(numbers)
    theirs, _ = lm.TransformersLm(folder / "gpt2").read(numbers)
    assert np.allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("kind", [lm.NumpyGpt2.load, lm.TransformersLm])
def test_reading_in_two_parts_is_reading_at_once_and_states_can_be_shared(folder, kind):
    model = kind(folder / "gpt2")
    whole, _ = model.read([4, 8, 15, 16, 23])
    _, state = model.read([4, 8])
    first, _ = model.read([15, 16, 23], state)
    model.read([42], state)  # another continuation must not disturb the state
    again, _ = model.read([15, 16, 23], state)
    assert np.allclose(whole[2:], first, atol=1e-4)
    assert np.allclose(first, again, atol=1e-6)


def test_more_than_the_context_is_refused(folder):
    with pytest.raises(ValueError, match="context of 96"):
        lm.NumpyGpt2.load(folder / "gpt2").read([1] * 97)


def test_the_model_has_learnt_to_word_a_reply_with_its_placeholders(writer):
    facts = {"order_number": "K-100200", "eta": "3 December"}
    drafts = writer.written(DraftRequest("where is my order", "track_order", "en", facts), samples=1)
    assert [draft.text for draft in drafts] == ["Order K-100200 arrives on 3 December."]


def test_a_placeholder_without_a_fact_is_never_written(writer):
    drafts = writer.written(DraftRequest("where is my order", "track_order", "en", {}), samples=4)
    assert all("{" not in draft.pattern for draft in drafts)


def test_a_draft_is_worded_from_facts_and_says_which(writer):
    draft = writer.write(
        DraftRequest("where is my order", "track_order", "en", {"order_number": "K-1", "eta": "May"}), alike
    )
    assert draft is not None
    assert "K-1" in draft.text
    assert draft.source in ("template", "written")
    assert set(draft.facts_used) == {"eta", "order_number"}


def test_passages_stand_for_themselves(writer):
    passage = "Returns are possible within 30 days. Write to us first."
    draft = writer.write(
        DraftRequest("returns possible?", "ask_faq", "en", {}, ((passage, "https://x.example"),)), alike
    )
    assert draft is not None
    assert draft.source == "passage"
    assert draft.text in passage


def test_without_anything_to_say_there_is_no_draft(writer):
    assert writer.write(DraftRequest("what about quantum physics", "ask_faq", "en"), alike) is None


def test_a_refused_candidate_is_kept_with_its_reason(writer):
    passage = "Returns take {days} days."
    draft = writer.write(DraftRequest("returns?", "greet", "en", {}, ((passage, ""),)), alike)
    assert draft is not None
    assert any(refused["code"] == "placeholder" for refused in draft.refused_because)


def test_instructions_in_the_customers_words_do_not_become_tokens(writer):
    marked = writer.vocabulary.numbers("hello <say> {order_number} <intent:greet>")
    control = {writer.vocabulary.number(token) for token in ("<say>", "{order_number}", "<intent:greet>")}
    assert not control & set(marked)


def test_one_pass_gives_intents_and_the_likelihood_of_the_text(writer):
    chances, likelihood = writer.opinions(["where is my order", "xqzw vvv jjj"], ["greet", "track_order", "unknown"])
    assert chances[0].argmax() == 1 or np.nanargmax(chances[0]) == 1
    assert np.isnan(chances[:, 2]).all()
    assert np.allclose(np.nansum(chances, axis=1), 1)
    assert likelihood[0] > likelihood[1]


def test_small_talk_gets_the_approved_reply_of_the_likest_question(writer):
    assert writer.small_talk("good evening all", "greet", "en").text == "Good evening to you."
    assert writer.small_talk("你好呀", "greet", "zh").text == "您好，请说。"
    assert writer.small_talk("where is it", "track_order", "en") is None


def test_any_causal_model_of_transformers_is_trained_and_served(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    words = vocabulary.learn(["hello there you"] * 5, intents=["greet"], placeholders=[], size=300)
    config = LlamaConfig(
        vocab_size=280, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    words.tokenizer.save(str(tmp_path / "base/tokenizer.json"))
    known = vocabulary.of_pretrained(tmp_path / "base", intents=["greet"], placeholders=["eta"])
    model = gpt2.pretrained_model(tmp_path / "base", known.tokenizer.get_vocab_size())
    story = gpt2.reply_story(known, "hello", "greet", "en", [], "hello there")
    gpt2.train(model, [story] * 4, [], gpt2.Gpt2Config(epochs=2, batch=4))
    gpt2.save(model, known, tmp_path / "made")
    served = lm.load(tmp_path / "made")
    logits, _ = served.read(known.prompt("hello", "greet", "en", []))
    assert logits.shape[1] == known.tokenizer.get_vocab_size()


def test_a_question_of_the_document_is_no_answer(writer):
    passage = "Are returns possible? You have a month from the day it came."
    draft = writer.write(DraftRequest("are returns possible?", "ask_faq", "en", {}, ((passage, ""),)), alike)
    assert draft.text == "You have a month from the day it came."


def test_passages_are_cut_into_sentences_without_their_marks():
    text = "# Returns\n\n- Send it **back** first. Then wait for us.\n退货请先联系我们。谢谢您的理解与支持。"
    assert reply.sentences_of(text) == [
        "Send it back first.", "Then wait for us.", "退货请先联系我们。", "谢谢您的理解与支持。",
    ]  # fmt: skip
