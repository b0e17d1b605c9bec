"""The pieces our own GPT-2 reads and writes: byte-level BPE learnt on the shop's texts, with tokens of our own.

<end> <sep> <say>          ends a text; stands after the customer's words; stands before the reply
<en> <zh>                  the language of the reply
<intent:track_order>       one token an intent
{order_number}             one token a placeholder, filled from facts afterwards
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

END, SEP, SAY = "<end>", "<sep>", "<say>"
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer that holds our tokens, and the sequences we make with it."""

    tokenizer: Tokenizer

    def number(self, token: str) -> int:
        """The number of one of our tokens.

        Raises:
            KeyError: not in the vocabulary.
        """
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise KeyError(token)
        return int(found)

    def numbers(self, text: str) -> list[int]:
        """Pieces of plain text; our tokens written in it by a customer are plain text, not tokens."""
        return list(self.tokenizer.encode(_harmless(text), add_special_tokens=False).ids)

    def knows(self, token: str) -> bool:
        return self.tokenizer.token_to_id(token) is not None

    @property
    def intents(self) -> list[str]:
        """Intents with a token, sorted."""
        return sorted(token[8:-1] for token in self.tokenizer.get_vocab() if token.startswith("<intent:"))

    def question(self, text: str, most: int = 64) -> list[int]:
        """`text <sep>`: what the intent is judged after."""
        return [*self.numbers(text)[:most], self.number(SEP)]

    def prompt(self, text: str, intent: str, language: str, facts: Iterable[str]) -> list[int]:
        """`text <sep> <intent> <language> {fact}... <say>`: what a reply is written after."""
        known = [f"{{{fact}}}" for fact in sorted(facts) if self.knows(f"{{{fact}}}")]
        head = [self.number(f"<intent:{intent}>"), self.number(f"<{language}>")]
        return [*self.question(text), *head, *map(self.number, known), self.number(SAY)]

    def reply(self, text: str) -> list[int]:
        """A delexicalised reply with its end; placeholders are single tokens."""
        found: list[int] = []
        at = 0
        for match in PLACEHOLDER.finditer(text):
            found += self._plain(text[at : match.start()])
            found += [self.number(match.group())] if self.knows(match.group()) else self._plain(match.group())
            at = match.end()
        return [*found, *self._plain(text[at:]), self.number(END)]

    def _plain(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids) if text else []

    def text(self, numbers: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(numbers), skip_special_tokens=False)).strip()


def _harmless(text: str) -> str:
    """The customer's words with our token marks taken apart: `<say>` in a message must not start a reply."""
    return re.sub(r"[<>{}]", " ", text)


def learn(texts: Iterable[str], *, intents: Iterable[str], placeholders: Iterable[str], size: int = 3000) -> Vocabulary:
    """Learn byte-level BPE on `texts` and add our tokens."""
    from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[END, SEP, SAY, "<en>", "<zh>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator((PLACEHOLDER.sub(" ", text) for text in texts), trainer)
    return extended(tokenizer, intents=intents, placeholders=placeholders, added=AddedToken)


def extended(tokenizer: Tokenizer, *, intents: Iterable[str], placeholders: Iterable[str], added: type) -> Vocabulary:
    """A tokenizer (ours, or that of a pretrained model) with our tokens added."""
    names = [END, SEP, SAY, "<en>", "<zh>", *(f"<intent:{name}>" for name in sorted(intents))]
    names += [f"{{{name}}}" for name in sorted(placeholders)]
    tokenizer.add_special_tokens([added(name, special=True, normalized=False) for name in names])
    return Vocabulary(tokenizer)


def of_pretrained(folder: Path, *, intents: Iterable[str], placeholders: Iterable[str]) -> Vocabulary:
    """The tokenizer of a pretrained causal LM with our tokens added.

    Raises:
        FileNotFoundError: the folder holds no tokenizer.json and none can be made of it.
    """
    from tokenizers import AddedToken

    path = folder / "tokenizer.json"
    if path.exists():
        tokenizer = Tokenizer.from_file(str(path))
    else:
        from transformers import AutoTokenizer

        made = AutoTokenizer.from_pretrained(folder)
        if not hasattr(made, "backend_tokenizer"):
            raise FileNotFoundError(f"{folder} has no fast tokenizer (tokenizer.json)")
        tokenizer = made.backend_tokenizer
    return extended(tokenizer, intents=intents, placeholders=placeholders, added=AddedToken)
