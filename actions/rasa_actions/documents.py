"""Answers out of the shop's help documents, each with the place it comes from."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from actions.rasa_actions.answer import Answer, button
from bot.database.shop import HelpDocument
from retrieval.documents import Document, cut, plain_text
from retrieval.lexical import tokens

if TYPE_CHECKING:
    from actions.rasa_actions.shop_action import ActionCall

PASSAGES = 3
MOST_CHARACTERS = 700
ALREADY_SAID = 0.85  # share of an answer's words that the policy's opening holds
_QUESTION = re.compile(
    r"[?？]\s*$|^\s*(what|how|when|where|which|who|why|can|could|do|does|did|is|are|will|would|may)\b"
    r"|吗|呢[。.]?$|怎么|如何|多少|多久|什么|哪|能不能|可不可以|是否",
    re.I,
)


def looks_like_question(text: str) -> bool:
    return bool(_QUESTION.search(text))


def answer_from_documents(call: "ActionCall", topic: str = "") -> Answer | None:
    """The best sentence(s) of the documents with a link, a checked draft worded from them, or None."""
    query = call.text if not call.text.startswith("/") else topic
    passages = call.services.search.passages(query, language=call.language, limit=PASSAGES)
    if not passages and topic:
        passages = call.services.search.passages(topic, language=call.language, limit=PASSAGES)
    if not passages:
        return None
    draft = call.services.drafts.draft(
        text=query, intent=call.intent, language=call.language, facts={}, passages=passages
    )
    return _worded(call, passages, draft)


def policy_answer(call: "ActionCall", topics: Sequence[str]) -> Answer | None:
    """What the shop's own text on a policy says to the very words of the question, and then what it opens with.

    Args:
        topics: the documents that may answer, the policy's own first.

    Returns:
        None when the shop has no text of that topic.
    """
    with call.services.readers() as session:
        chosen = session.scalars(
            select(HelpDocument).where(
                HelpDocument.topic == topics[0], HelpDocument.language == call.language, HelpDocument.active
            )
        ).one_or_none()
        if chosen is None:
            return None
        document = Document(
            chosen.id, chosen.language, chosen.title, chosen.body, chosen.topic, chosen.kind, chosen.url
        )
    pieces = cut(document)
    if not pieces:
        return None
    text, source = pieces[0].text, {"passages": [pieces[0].id], "url": document.url, "title": document.title}
    found = (
        [] if call.text.startswith("/") else call.services.search.passages(call.text, language=call.language, limit=1)
    )
    if found and found[0].topic in topics and found[0].answer and not _says(text, found[0].answer):
        text = f"{found[0].answer}\n\n{text}"  # first what was asked: of a long text the end is cut off
        source["passages"] = [found[0].id, pieces[0].id]
    answer = Answer.said(_sentences(text)).custom(source=source)
    card = {"kind": "document", "title": document.title, "url": document.url, "text": ""}
    return answer.cards([card]) if document.url else answer


def size_guide(call: "ActionCall", category: str) -> Answer | None:
    """The shop's guide to the sizes of this kind of goods, or None: the guide of another kind helps nobody."""
    query = select(HelpDocument.topic, HelpDocument.title).where(
        HelpDocument.language == call.language, HelpDocument.active
    )
    with call.services.readers() as session:
        guides = [
            topic for topic, title in session.execute(query) if _is_size_guide(f"{topic} {title}".lower(), category)
        ]
    return policy_answer(call, guides[:1]) if guides else None


def _is_size_guide(named: str, category: str) -> bool:
    words = set(re.findall(r"[a-z]+", named))
    return bool(words & {"size", "sizes", "sizing"} or "尺码" in named) and category.lower() in words


def _says(text: str, answer: str) -> bool:
    """Whether `text` holds nearly every word of `answer`, however it is broken into lines."""
    wanted = tokens(plain_text(answer))
    held = set(tokens(plain_text(text)))
    return sum(word in held for word in wanted) >= ALREADY_SAID * len(wanted)


def _worded(call: "ActionCall", passages: Sequence[Any], draft: Any) -> Answer:
    best = passages[0]
    text = draft["text"] if draft else _sentences(best.answer or best.text)
    source = {"passages": [passage.id for passage in passages], "draft": draft, "url": best.url, "title": best.title}
    answer = Answer.said(text).custom(source=source)
    card = {"kind": "document", "title": best.title, "url": best.url, "text": ""}
    return answer.cards([card]) if best.url else answer


def _sentences(text: str) -> str:
    """Whole sentences up to the limit; a passage is short, but a shop may write long ones."""
    text = text.strip()
    if len(text) <= MOST_CHARACTERS:
        return text
    cut = max(text.rfind(sign, 0, MOST_CHARACTERS) for sign in (".", "!", "?", "。", "！", "？", "\n"))
    return text[: cut + 1] if cut > 0 else text[:MOST_CHARACTERS] + "…"


def do_not_know(call: "ActionCall") -> Answer:
    """Honest, with a way on."""
    return Answer.response("utter_no_answer").buttons(button(call.pick("Talk to a person", "转人工"), "talk_to_person"))
