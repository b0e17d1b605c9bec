"""A visitor's session: the sender id, signed. Whoever holds it reads and writes that conversation, no other."""

import hashlib
import hmac
import uuid

LONGEST = 200


class BadVisitor(Exception):
    """The token is missing or not signed by us."""


def fresh(secret: str) -> tuple[str, str]:
    """(sender id, token) of a visitor never seen before."""
    sender_id = uuid.uuid4().hex
    return sender_id, sign(sender_id, secret)


def sign(sender_id: str, secret: str) -> str:
    return f"{sender_id}.{_mac(sender_id, secret)}"


def verify(token: str, secret: str) -> str:
    """The sender id. Raises BadVisitor."""
    sender_id, _, mac = token[:LONGEST].partition(".")
    if not hmac.compare_digest(_mac(sender_id, secret).encode(), mac.encode("utf-8", "surrogatepass")):
        raise BadVisitor("the visitor token is missing or wrong; open a session first")
    return sender_id


def of_header(authorization: str, secret: str) -> str:
    """The sender id of an `Authorization: Bearer` header. Raises BadVisitor."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise BadVisitor("the visitor token is missing or wrong; open a session first")
    return verify(token.strip(), secret)


def _mac(sender_id: str, secret: str) -> str:
    text = f"visitor:{sender_id}".encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
