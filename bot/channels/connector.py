"""What every channel is to us: a webhook read, a message sent, and the errors of both.

ChannelError
  x WebhookRefused      the request is answered with `status` and nothing is stored
    - BadSignature      401: not from the platform, or too old
    - Malformed         400: signed, but not what the platform documents
  x SendError
    - RetryLater        the courier tries again after `after_seconds`
    - Rejected          never again; `reason` is shown in the console
"""

from dataclasses import dataclass
from typing import Protocol

from bot.messaging.messages import InboundMessage, OutboundMessage, WebhookRequest


class ChannelError(Exception):
    pass


class WebhookRefused(ChannelError):
    status = 400
    code = "refused"


class BadSignature(WebhookRefused):
    """The signature is missing, wrong or too old. The message never quotes it."""

    status = 401
    code = "bad_signature"


class Malformed(WebhookRefused):
    """The body is not what the platform documents."""

    status = 400
    code = "malformed"


class SendError(ChannelError):
    pass


class RetryLater(SendError):
    """The platform is away, or wants us slower. `after_seconds` None: the courier's own back-off."""

    def __init__(self, reason: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_seconds = after_seconds


class Rejected(SendError):
    """The platform will never take this message: blocked, window closed, unknown recipient."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """What the platform wants to hear from a webhook."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


@dataclass(frozen=True)
class Webhook:
    """A webhook, read. The answer is sent only after the messages are committed."""

    messages: tuple[InboundMessage, ...] = ()
    answer: Answer = Answer()


@dataclass(frozen=True)
class Receipt:
    """Delivered; `external_id` is the platform's id of the (last) message, None where it gives none."""

    external_id: str | None = None


class Connector(Protocol):
    """One channel. Plain Python over bytes and dicts; the gateway and the courier are its hosts."""

    @property
    def name(self) -> str: ...

    def parse(self, request: WebhookRequest) -> Webhook:
        """Check the signature over the raw bytes, then read. Echoes, typing marks and unknown types yield
        no messages.

        Raises:
            BadSignature, Malformed.
        """

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        """Deliver one message within the platform's limits.

        Args:
            to: the sender id that `parse` gave.
            key: the same for every try of this message; platforms that know idempotency keys get it.

        Raises:
            RetryLater, Rejected; never an error of the HTTP library.
        """

    def close(self) -> None: ...
