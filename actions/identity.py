"""Who the customer is. Proven by the shop's signed token or by a one-time code, never by what somebody types.

What a visitor may learn is the same for every address: the same answer, the same row, the same work, the same limits,
whether an account has it or not. Codes are kept as slow salted hashes: searching a million codes takes longer than
one of them lives.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from bot.database import policies
from bot.database.conversation import Conversation
from bot.database.policies import Policies
from bot.database.shop import Customer, Mail, OneTimeCode, Order

Purpose = Literal["identify", "step_up"]
HOUR = timedelta(hours=1)
SCRYPT = {"n": 2**13, "r": 8, "p": 1, "dklen": 32}  # 8 MiB and tens of milliseconds a code
MAILS = {
    "en": {
        "identify": ("Your code: {code}", "Hello,\n\nyour code is {code}. It is valid for {minutes} minutes."),
        "step_up": (
            "Confirm with {code}",
            "Hello,\n\nto confirm the change, enter {code}. Valid for {minutes} minutes.",
        ),
        "close": "\n\nIf this was not you, ignore this mail and tell nobody the code: we never ask for it by phone.",
    },
    "zh": {
        "identify": ("您的验证码：{code}", "您好：\n\n您的验证码是 {code}，{minutes} 分钟内有效。"),
        "step_up": ("请确认：{code}", "您好：\n\n请输入 {code} 以确认本次修改，{minutes} 分钟内有效。"),
        "close": "\n\n如果不是您本人操作，请忽略此邮件，并且不要把验证码告诉任何人：我们不会通过电话索要验证码。",
    },
}


@dataclass(frozen=True)
class CodeSent:
    """The answer to "send me a code". It says nothing about whether the address has an account.

    `limited`: nothing was sent, too many were asked for; `again_at` is when the next may be asked for.
    """

    limited: bool
    digits: int
    expires_at: datetime | None = None
    again_at: datetime | None = None


@dataclass(frozen=True)
class CodeCheck:
    """`kind` ok | wrong | expired (or no code was asked for) | locked; `attempts_left` counts for this code."""

    kind: Literal["ok", "wrong", "expired", "locked"]
    attempts_left: int = 0
    customer_id: str | None = None


def customer_of(session: Session, conversation_id: str, *, now: datetime) -> Customer | None:
    """The customer this conversation is proven to be; None when nobody is, or the proof has expired."""
    conversation = session.get(Conversation, conversation_id)
    if conversation is None or conversation.customer_id is None or conversation.proven_at is None:
        return None
    lifetime = timedelta(hours=policies.load(session).integer("identity_hours"))
    if now >= conversation.proven_at + lifetime:
        return None
    customer = session.get(Customer, conversation.customer_id)
    return customer if customer is not None and customer.deleted_at is None else None


def prove(session: Session, conversation_id: str, customer_id: str, now: datetime) -> None:
    """Note the proof. Only for callers that verified the shop's signature or a code."""
    conversation = session.get_one(Conversation, conversation_id)
    conversation.customer_id = customer_id
    conversation.proven_at = now


def request_code(
    session: Session,
    *,
    conversation_id: str,
    address: str,
    language: str,
    request_id: str,
    now: datetime,
    purpose: Purpose = "identify",
) -> CodeSent:
    """Send a code to the address on file. `address` is a typed e-mail or order number; it only says where to look.

    Asked again with the same `request_id`, nothing is sent and the same answer is given. A new code ends the older
    ones of the conversation.
    """
    return _send(
        session,
        conversation_id,
        _normalised(address),
        _customer_behind(session, address),
        language,
        request_id,
        now,
        purpose,
    )


def request_step_up(session: Session, *, conversation_id: str, request_id: str, now: datetime) -> CodeSent | None:
    """Send a code to the proven customer before a change that needs a second look; None when nobody is proven."""
    customer = customer_of(session, conversation_id, now=now)
    if customer is None:
        return None
    return _send(
        session,
        conversation_id,
        _normalised(customer.email),
        customer,
        customer.language,
        request_id,
        now,
        "step_up",
    )


def check_code(session: Session, *, conversation_id: str, code: str, now: datetime) -> CodeCheck:
    """Compare a typed code with the newest one of the conversation; the right one proves its customer.

    A wrong one counts against the code, the conversation and the address. A turn that is played again with the
    right code is told `ok` again.
    """
    numbers = policies.load(session)
    newest = select(OneTimeCode).where(OneTimeCode.conversation_id == conversation_id)
    row = session.scalars(
        newest.order_by(OneTimeCode.created_at.desc(), OneTimeCode.id).limit(1).with_for_update()
    ).first()
    if row is None or now >= row.expires_at:
        return CodeCheck("expired")
    if _locked(session, row, numbers, now):
        return CodeCheck("locked")
    right = hmac.compare_digest(row.code_sha256, _hash(row.id, conversation_id, _digits(code)))
    if right and row.customer_id is not None and (row.used_at is None or _proves_still(session, row)):
        row.used_at = row.used_at or now
        prove(session, conversation_id, row.customer_id, now)
        return CodeCheck("ok", customer_id=row.customer_id)
    if row.used_at is not None:
        return CodeCheck("expired")
    row.attempts += 1
    session.flush()
    left = numbers.integer("code_attempts") - row.attempts
    return CodeCheck("locked") if left <= 0 else CodeCheck("wrong", attempts_left=left)


def stepped_up(session: Session, conversation_id: str, customer_id: str, *, now: datetime) -> bool:
    """True when this customer entered a code in this conversation within a code's lifetime.

    A code that identified the customer counts too: it proved the same mailbox a minute ago.
    """
    since = now - timedelta(minutes=policies.load(session).integer("code_minutes"))
    mine = (OneTimeCode.conversation_id == conversation_id, OneTimeCode.customer_id == customer_id)
    return bool(session.scalar(select(func.count()).where(*mine, OneTimeCode.used_at > since)))


def open_code(session: Session, conversation_id: str, *, now: datetime) -> bool:
    """True when a code is awaited here: a bare number may then be one. Says nothing about accounts."""
    waiting = (OneTimeCode.conversation_id == conversation_id, OneTimeCode.used_at.is_(None))
    return bool(session.scalar(select(func.count()).where(*waiting, OneTimeCode.expires_at > now)))


def _send(
    session: Session,
    conversation_id: str,
    address: str,
    customer: Customer | None,
    language: str,
    request_id: str,
    now: datetime,
    purpose: Purpose,
) -> CodeSent:
    numbers = policies.load(session)
    digits = numbers.integer("code_digits")
    code_id = hashlib.sha256(f"{purpose}\n{conversation_id}\n{request_id}".encode()).hexdigest()[:32]
    sent_before = session.get(OneTimeCode, code_id)
    if sent_before is not None:
        return CodeSent(False, digits, expires_at=sent_before.expires_at)
    again_at = _again_at(session, conversation_id, address, customer, numbers, now)
    if again_at is not None:
        return CodeSent(True, digits, again_at=again_at)
    code = f"{secrets.randbelow(10**digits):0{digits}d}"
    minutes = numbers.integer("code_minutes")
    session.add(
        OneTimeCode(
            id=code_id,
            conversation_id=conversation_id,
            customer_id=customer.id if customer else None,
            address_sha256=_address_hash(address),
            code_sha256=_hash(code_id, conversation_id, code),
            purpose=purpose,
            created_at=now,
            expires_at=now + timedelta(minutes=minutes),
        )
    )
    session.add(_mail(customer, customer.language if customer else language, purpose, code, minutes, code_id, now))
    session.flush()
    return CodeSent(False, digits, expires_at=now + timedelta(minutes=minutes))


def _mail(
    customer: Customer | None, language: str, purpose: Purpose, code: str, minutes: int, code_id: str, now: datetime
) -> Mail:
    """The mail of a code. Nobody's address is nobody to write to: that row is there for the same work, never sent."""
    words = MAILS.get(language, MAILS["en"])
    subject, body = words[purpose]
    shown = {"code": code, "minutes": minutes}
    return Mail(
        request_id=f"code:{code_id}",
        to_address=customer.email if customer else "",
        subject=subject.format(**shown) if customer else "",
        body=body.format(**shown) + str(words["close"]) if customer else "",
        status="owed" if customer else "rejected",
        next_try_at=now,
        created_at=now,
    )


def _again_at(
    session: Session,
    conversation_id: str,
    address: str,
    customer: Customer | None,
    numbers: Policies,
    now: datetime,
) -> datetime | None:
    """When the next code may be asked for; None when it may be now."""
    here = OneTimeCode.conversation_id == conversation_id
    there: ColumnElement[bool] = OneTimeCode.address_sha256 == _address_hash(address)
    # An account reached by its e-mail and by its order numbers has one limit. For unknown addresses the same
    # query runs with an id nobody has.
    there = there | (OneTimeCode.customer_id == (customer.id if customer else ""))
    waits = []
    for which, key in ((here, "codes_per_conversation_per_hour"), (there, "codes_per_address_per_hour")):
        times = session.scalars(
            select(OneTimeCode.created_at)
            .where(which, OneTimeCode.created_at > now - HOUR)
            .order_by(OneTimeCode.created_at)
        ).all()
        if len(times) >= numbers.integer(key):
            waits.append(times[len(times) - numbers.integer(key)] + HOUR)
    return max(waits) if waits else None


def _locked(session: Session, row: OneTimeCode, numbers: Policies, now: datetime) -> bool:
    """Too many wrong entries for this code, or within the hour for its conversation or its address."""
    most = numbers.integer("code_attempts")
    if row.used_at is None and row.attempts >= most:
        return True
    here = OneTimeCode.conversation_id == row.conversation_id
    there: ColumnElement[bool] = OneTimeCode.address_sha256 == row.address_sha256
    if row.customer_id is not None:
        there = there | (OneTimeCode.customer_id == row.customer_id)
    for which, key in (
        (here, "code_attempts_per_conversation_per_hour"),
        (there, "code_attempts_per_address_per_hour"),
    ):
        wrong = session.scalar(select(func.sum(OneTimeCode.attempts)).where(which, OneTimeCode.created_at > now - HOUR))
        if (wrong or 0) >= numbers.integer(key):
            return True
    return False


def _proves_still(session: Session, row: OneTimeCode) -> bool:
    conversation = session.get_one(Conversation, row.conversation_id)
    return conversation.customer_id == row.customer_id


def _customer_behind(session: Session, address: str) -> Customer | None:
    """Both look-ups run for every address, so that the work does not tell what was found."""
    text = address.strip()
    alive = select(Customer).where(Customer.deleted_at.is_(None))
    ordered = session.scalars(
        alive.join(Order, Order.customer_id == Customer.id).where(Order.number.in_(_numbers(text))).limit(2)
    ).all()
    mailed = session.scalars(alive.where(Customer.email == text.lower()).limit(2)).all()
    found = mailed if "@" in text else ordered
    return found[0] if len(found) == 1 else None  # one address, two accounts: neither is proven by it


def _numbers(text: str) -> list[str]:
    """How a typed order number may be spelt in the database."""
    bare = text.lstrip("#").upper()
    return [text, bare, f"#{bare}", f"K-{bare.removeprefix('K').removeprefix('-')}"]


def _normalised(address: str) -> str:
    text = address.strip()
    return text.lower() if "@" in text else _numbers(text)[-1]


def _digits(code: str) -> str:
    """What the customer typed, as digits: full-width digits and separators are read kindly."""
    return "".join(str(int(sign)) for sign in code if sign.isdecimal())


def _address_hash(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()


def _hash(code_id: str, conversation_id: str, code: str) -> str:
    return hashlib.scrypt(code.encode(), salt=f"{code_id}{conversation_id}".encode(), **SCRYPT).hex()
