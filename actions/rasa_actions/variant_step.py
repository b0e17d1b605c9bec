"""Another variant of something bought: by size, colour, a place in the list, or a button."""

from actions.order_desk import lookup
from actions.order_desk.views import LineView, VariantView
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.forms import FormEnds, Problem, Step, Turn
from actions.rasa_actions.spoken import position

MOST_SHOWN = 12


class VariantStep(Step):
    """Which variant a line becomes; the value is its sku."""

    words = r"size|colou?r|variant|尺码|颜色|款"

    def __init__(self, line: LineView, currency: str) -> None:
        self.line = line
        self.currency = currency
        self.name = f"variant_{line.id}"

    def read(self, turn: Turn, *, asked: bool) -> str | Problem | None:
        call = turn.call
        variants = self._others(turn)
        picked = call.one("choice")
        if asked and picked in [variant.sku for variant in variants]:
            return str(picked)
        said = self._said(turn, variants)
        if said:
            fitting = [variant for variant in variants if _has(variant, said)]
            if len(fitting) > 1:  # "size L" of a red one means the red one
                kept = {name: value for name, value in self.line.options.items() if name not in said}
                fitting = [variant for variant in fitting if _has(variant, kept)] or fitting
            if len(fitting) == 1:
                return fitting[0].sku
            if not fitting and asked:
                return Problem(Answer.response("utter_refused_variant_unknown"))
            return None
        if not asked:
            return None
        place = position(call.one("ordinal"), call.text, len(variants))
        return variants[place].sku if place is not None else None

    def _said(self, turn: Turn, variants: list[VariantView]) -> dict[str, str]:
        """Options named in the message: by entity, or as a word that is one of this product's options."""
        said = {name: str(turn.call.one(name)) for name in ("size", "color") if turn.call.one(name) is not None}
        text = turn.call.text.lower()
        for variant in variants:
            for name, value in variant.options.items():
                if name not in said and len(str(value)) > 2 and str(value).lower() in text:
                    said[name] = str(value)
        return said

    def _others(self, turn: Turn) -> list[VariantView]:
        with turn.call.services.readers() as session:
            variants = lookup.variants_of(session, self.line.product_id)
        return [variant for variant in variants if variant.sku != self.line.sku]

    def ask(self, turn: Turn) -> Answer:
        call = turn.call
        stocked = [variant for variant in self._others(turn) if variant.stock > 0][:MOST_SHOWN]
        item = wording.line(self.line, call.language, 1)
        if not stocked:
            raise FormEnds(
                Answer.response("utter_no_other_variant", item=item).buttons(
                    button(call.pick("Talk to a person", "转人工"), "talk_to_person")
                )
            )
        buttons = [
            button(
                f"{wording.options(variant.options)} · {wording.money(variant.price_minor, variant.currency)}",
                "inform",
                choice=variant.sku,
            )
            for variant in stocked
        ]
        return Answer.response("utter_ask_variant", item=item).buttons(*buttons)


def _has(variant: VariantView, options: dict[str, str]) -> bool:
    return all(str(variant.options.get(name, "")).lower() == str(value).lower() for name, value in options.items())
