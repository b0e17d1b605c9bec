"""Text as it may be stored: what platforms and browsers send is not always Unicode."""

from typing import Any

TEXT_LIMIT = 4000  # characters a customer may write at once; the widget refuses more, channels are cut


def clean(text: str) -> str:
    """`text` without what no database takes: pairs of surrogates joined, half emoji replaced, NUL dropped."""
    if text.isascii():
        return text.replace("\x00", "")
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\x00", "")


def clean_json(value: Any) -> Any:
    """`clean` for every string inside a JSON value, keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value
