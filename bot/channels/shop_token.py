"""The shop vouches for a customer: `base64url(json {"customer_id", "exp"}) + "." + hex HMAC-SHA256`.

The shop's server signs with `KEFU_SHOP_SECRET`, in any language; in Python:

    import base64, hashlib, hmac, json, time

    def customer_token(customer_id: str, secret: str) -> str:
        claims = {"customer_id": customer_id, "exp": int(time.time()) + 3600}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return body + "." + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
"""

import base64
import binascii
import hashlib
import hmac
import json
import math

LONGEST = 4096  # characters of a token


class BadToken(Exception):
    """The token is not signed with our secret, is malformed, or has expired."""


def sign(customer_id: str, secret: str, *, expires_at: float) -> str:
    """A token for `customer_id`, valid until `expires_at` (seconds since the epoch)."""
    claims = {"customer_id": customer_id, "exp": int(expires_at)}
    body = base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).decode().rstrip("=")
    return f"{body}.{_mac(body, secret)}"


def verify(token: str, secret: str, *, now: float) -> str:
    """The customer's id.

    Args:
        now: seconds since the epoch.

    Raises:
        BadToken: for whatever reason; the message does not say more than an honest shop needs.
    """
    body, dot, mac = token[:LONGEST].partition(".")
    if not dot or not hmac.compare_digest(_mac(body, secret).encode(), mac.encode("utf-8", "surrogatepass")):
        raise BadToken("the customer token is not signed with the shop's secret")
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        customer_id, expires_at = claims["customer_id"], float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise BadToken("the customer token does not hold customer_id and exp") from error
    if not isinstance(customer_id, str) or not customer_id or not math.isfinite(expires_at):
        raise BadToken("the customer token does not hold customer_id and exp")
    if expires_at <= now:
        raise BadToken("the customer token has expired")
    return customer_id


def _mac(body: str, secret: str) -> str:
    if not secret:
        raise ValueError("the shop's secret is empty")
    return hmac.new(secret.encode(), body.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
