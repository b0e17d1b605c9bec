"""Another variant of something bought: by its options, by price, a place in the list, or a button."""

from collections.abc import Mapping, Sequence

from actions.order_desk import lookup
from actions.order_desk.views import LineView, VariantView
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.forms import FormEnds, Problem, Step, Turn
from actions.rasa_actions.named_lines import part_about
from actions.rasa_actions.spoken import position
from actions.rasa_actions.spoken_options import options_said, superlative

MOST_SHOWN = 12


class VariantStep(Step):
    """Which variant a line becomes; the value is its sku.

    What was said so far ("in black") is kept until one variant is left, so that the next answer only adds to it.
    """

    mistaken_for = ("change_items", "exchange_order", "product_search", "recommend", "return_order")
    words = r"size|colou?r|variant|version|option|尺码|颜色|款"

    def __init__(self, line: LineView, currency: str, others: Sequence[LineView] = ()) -> None:
        """`others`: further lines being swapped in the same wish; what is said of them is not meant for this one."""
        self.line = line
        self.currency = currency
        self.others = others
        self.name = f"variant_{line.id}"
        self.kept = f"said_{line.id}"

    def read(self, turn: Turn, *, asked: bool) -> str | Problem | None:
        call = turn.call
        variants = self._others(turn)
        picked = call.one("choice")
        if asked and picked in [variant.sku for variant in variants]:
            return self._settled(turn, str(picked))
        text = self._own_part(turn, asked)
        if text is None:
            return None
        by_price = superlative(text)
        fresh = self._said(turn, text, variants)
        said = {**turn.wish.get(self.kept, {}), **fresh}
        if fresh or by_price:
            return self._fitting(turn, variants, said, by_price, asked)
        if not asked:
            return None
        shown = self._shown(turn, variants)
        place = position(call.one("ordinal"), call.text, len(shown))
        return self._settled(turn, shown[place].sku) if place is not None else None

    def _own_part(self, turn: Turn, asked: bool) -> str | None:
        """The words that are about this line; with several lines, an answer that names none is to the question."""
        text = turn.call.text
        if not self.others:
            return text
        found = part_about(text, self.line, self.others)
        return None if found == text and not asked and turn.asked is not None else found

    def _said(self, turn: Turn, text: str, variants: Sequence[VariantView]) -> dict[str, str]:
        """Options named in the message: as words of this product's options, else by entity (both languages)."""
        said = options_said(text, [variant.options for variant in variants], self.line.options)
        known = {
            name: {str(variant.options.get(name, "")).lower() for variant in variants} for name in ("size", "color")
        }
        for name in ("size", "color"):
            values = [str(value) for value in turn.call.all(name)]
            # with several lines in the message an entity may be another's; its word has to stand in this line's part
            fits = [
                value
                for value in values
                if not self.others or (value.lower() in text.lower() and value.lower() in known[name])
            ]
            if name not in said and fits and known[name] - {""}:
                said[name] = fits[-1]
        return said

    def _fitting(
        self, turn: Turn, variants: Sequence[VariantView], said: dict[str, str], by_price: str | None, asked: bool
    ) -> str | Problem | None:
        fitting = [variant for variant in variants if _has(variant, said)]
        if not fitting:
            turn.wish.pop(self.kept, None)
            return Problem(Answer.response("utter_refused_variant_unknown")) if asked else None
        stocked = [variant for variant in fitting if variant.stock > 0]
        if by_price and stocked:
            prices = sorted(stocked, key=lambda variant: variant.price_minor)
            return self._settled(turn, prices[0 if by_price == "cheapest" else -1].sku)
        kept = {name: value for name, value in self.line.options.items() if name not in said}
        exact = [variant for variant in fitting if _has(variant, kept)]  # "size L" of a red one means the red one
        if len(exact) == 1 and exact[0].stock > 0:
            return self._settled(turn, exact[0].sku)
        wished = exact[0] if len(exact) == 1 else fitting[0] if len(fitting) == 1 else None
        if wished is not None and wished.stock <= 0:
            return self._missing(turn, wished, said, stocked)
        if len(stocked) == 1:
            return self._settled(turn, stocked[0].sku)
        turn.wish[self.kept] = said
        return Problem(Answer())  # understood; the question comes with what is left

    def _missing(
        self, turn: Turn, wished: VariantView, said: dict[str, str], stocked: Sequence[VariantView]
    ) -> Problem:
        """The very thing is not in stock: say so, and show what comes nearest."""
        turn.wish[self.kept] = said if stocked else {}
        name = (self.line.name_zh if turn.call.language == "zh" else None) or self.line.name
        facts = {"name": name, "options": wording.options(wished.options, turn.call.language)}
        return Problem(Answer.response("utter_refused_out_of_stock", **facts))

    def _settled(self, turn: Turn, sku: str) -> str:
        turn.wish.pop(self.kept, None)
        return sku

    def _others(self, turn: Turn) -> list[VariantView]:
        with turn.call.services.readers() as session:
            variants = lookup.variants_of(session, self.line.product_id)
        return [variant for variant in variants if variant.sku != self.line.sku]

    def _shown(self, turn: Turn, variants: Sequence[VariantView]) -> list[VariantView]:
        stocked = [variant for variant in variants if variant.stock > 0]
        narrowed = [variant for variant in stocked if _has(variant, turn.wish.get(self.kept) or {})]
        return (narrowed or stocked)[:MOST_SHOWN]

    def ask(self, turn: Turn) -> Answer:
        call = turn.call
        stocked = self._shown(turn, self._others(turn))
        item = wording.line(self.line, call.language, 1)
        if not stocked:
            raise FormEnds(
                Answer.response("utter_no_other_variant", item=item).buttons(
                    button(call.pick("Talk to a person", "转人工"), "talk_to_person")
                )
            )
        buttons = [
            button(
                f"{wording.options(variant.options, call.language)} · "
                f"{wording.money(variant.price_minor, variant.currency)}",
                "inform",
                choice=variant.sku,
            )
            for variant in stocked
        ]
        return Answer.response("utter_ask_variant", item=item).buttons(*buttons)


def _has(variant: VariantView, options: Mapping[str, object]) -> bool:
    return all(str(variant.options.get(name, "")).lower() == str(value).lower() for name, value in options.items())
