"""SMS, after Twilio's Messaging API: plain text, buttons as numbered lines."""

from urllib.parse import parse_qsl, urlencode

from bot.channels.connector import Answer, Malformed, Receipt, Rejected, RetryLater, Webhook
from bot.channels.platform import (
    Progress,
    all_as_text,
    channel_errors,
    json_of,
    open_client,
    pieces,
    refuse_outage,
    short,
)
from bot.channels.signatures import check_twilio, secret_of
from bot.messaging.messages import InboundMessage, OutboundMessage, WebhookRequest

TEXT_LIMIT = 1600
EMPTY = Answer(b"<Response/>", "text/xml; charset=utf-8")


class Sms:
    name = "sms"

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        number: str,
        public_url: str,
        *,
        base_url: str = "https://api.twilio.com",
    ) -> None:
        self._token = secret_of("KEFU_TWILIO_AUTH_TOKEN", auth_token)
        self._number = number
        self._public_url = public_url.rstrip("/")
        self._client = open_client(f"{base_url}/2010-04-01/Accounts/{account_sid}/")
        self._client.auth = (account_sid, auth_token)
        self._progress = Progress()

    def parse(self, request: WebhookRequest) -> Webhook:
        """Twilio signs the public address and the form; a body without a message id is no message."""
        try:
            form = parse_qsl(request.body.decode(), keep_blank_values=True)
        except UnicodeDecodeError as error:
            raise Malformed("the body is no form") from error
        url = f"{self._public_url}{request.path}" + (f"?{urlencode(request.query)}" if request.query else "")
        check_twilio(self._token, url, form, request.headers.get("x-twilio-signature", ""))
        fields = dict(form)
        if not fields.get("MessageSid") or "MessageStatus" in fields:
            return Webhook(answer=EMPTY)
        attachments = tuple({"kind": "media"} for _ in range(min(10, _count(fields.get("NumMedia", "0")))))
        message = InboundMessage(
            self.name, fields["MessageSid"], fields.get("From", ""), fields.get("Body", ""), attachments=attachments
        )
        return Webhook((message,), EMPTY)

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        external_id = None
        for number, text in enumerate(pieces(all_as_text(message), TEXT_LIMIT)):
            if number < self._progress.sent(key):
                continue
            external_id = self._post({"To": to, "From": self._number, "Body": text})
            self._progress.advance(key)
        self._progress.done(key)
        return Receipt(external_id)

    def _post(self, form: dict[str, str]) -> str:
        with channel_errors("Twilio"):
            response = self._client.post("Messages.json", data=form)
        refuse_outage("Twilio", response)
        answer = json_of("Twilio", response)
        if response.status_code < 300:
            return str(answer.get("sid", ""))
        if response.status_code == 401:
            raise RetryLater("Twilio does not accept our token; check KEFU_TWILIO_AUTH_TOKEN", 60)
        code = answer.get("code")
        raise Rejected(f"Twilio answered {code}: {short(str(answer.get('message', '')), 200)}")

    def close(self) -> None:
        self._client.close()


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
