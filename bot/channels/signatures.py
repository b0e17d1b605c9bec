"""Signatures over raw bytes, compared in constant time. An empty secret is refused when it is given."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

from bot.channels.connector import BadSignature

Clock = Callable[[], float]  # seconds since the epoch

REPLAY_SECONDS = 300


def secret_of(variable: str, value: str) -> bytes:
    """`value` as a key. Raises ValueError naming the variable when it is empty."""
    if not value:
        raise ValueError(f"{variable} is empty; a channel without its secret cannot check who is writing")
    return value.encode()


def check_hex(secret: bytes, body: bytes, given: str, *, prefix: str = "", algorithm: str = "sha256") -> None:
    """`given` must be `prefix` + hex HMAC of `body` (Meta: `X-Hub-Signature-256`). Raises BadSignature."""
    same(prefix + hmac.new(secret, body, algorithm).hexdigest(), given)


def check_base64(secret: bytes, body: bytes, given: str, *, algorithm: str = "sha256") -> None:
    """`given` must be the base64 HMAC of `body` (LINE: `X-Line-Signature`). Raises BadSignature."""
    same(base64.b64encode(hmac.new(secret, body, algorithm).digest()).decode(), given)


def check_slack(secret: bytes, body: bytes, headers: Mapping[str, str], now: float) -> None:
    """Slack's `v0`: HMAC-SHA256 of `v0:timestamp:body`, at most five minutes old. Raises BadSignature."""
    stamp = headers.get("x-slack-request-timestamp", "")
    check_fresh(stamp, now)
    check_hex(secret, b"v0:" + stamp.encode() + b":" + body, headers.get("x-slack-signature", ""), prefix="v0=")


def check_fresh(stamp: str, now: float, *, seconds: float = REPLAY_SECONDS) -> None:
    """`stamp` (seconds since the epoch) must be near `now`: an old request is a replayed one."""
    if not (stamp.isascii() and stamp.isdigit()) or abs(now - int(stamp)) > seconds:
        raise BadSignature("the request's time is missing or more than five minutes away")


def check_sorted_sha1(parts: list[str], given: str) -> None:
    """WeChat: SHA-1 of the sorted parts joined. Raises BadSignature."""
    same(hashlib.sha1("".join(sorted(parts)).encode()).hexdigest(), given)


def check_twilio(secret: bytes, url: str, form: list[tuple[str, str]], given: str) -> None:
    """Twilio: base64 HMAC-SHA1 of the URL and the sorted form. Raises BadSignature."""
    text = url + "".join(name + value for name, value in sorted(set(form)))
    same(base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha1).digest()).decode(), given)


def same(expected: str, given: str) -> None:
    """Constant time, whatever the length. Raises BadSignature."""
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass")):
        raise BadSignature("the signature is missing or wrong")
