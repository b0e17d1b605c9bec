"""Which of our two languages a text is in, by its script; too little text has none."""

import re

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['\u2019][a-z]+)?")
_NO_LANGUAGE = re.compile(r"https?://\S+|\S+@\S+|\b[A-Za-z]{0,3}-?\d[\w-]*")  # links, addresses, order numbers, sizes
_SHORT_ENGLISH = frozenset(
    {
        "hi",
        "hello",
        "hey",
        "yes",
        "no",
        "yep",
        "nope",
        "ok",
        "okay",
        "thanks",
        "thx",
        "please",
        "help",
        "cancel",
        "return",
    }
    | {"stop", "bye", "return", "refund", "more", "what", "why", "how", "where", "when", "who", "price", "size", "sure"}
    | {"human", "agent", "person", "goodbye", "never", "nothing", "correct", "wrong"}
)


def detect(text: str) -> str | None:
    """ "zh", "en", or None when the text is too short to tell (a number, a name, a smiley).

    A Chinese sentence may hold English product names: a few Han characters decide. One lone Latin word is English only
    when it is a word people use to talk to a shop; "Bergfuchs" alone says nothing.
    """
    bare = _NO_LANGUAGE.sub(" ", text)
    han, words = len(_HAN.findall(bare)), _LATIN_WORD.findall(bare)
    if han:
        return "zh" if han * 2 >= len(words) else "en"
    if len(words) >= 2 or any(word.lower() in _SHORT_ENGLISH for word in words):
        return "en"
    return None
