"""Planted order fraud of six kinds. Each leaves its signals where a risk model may look at the moment of the order:
devices, addresses, payment fingerprints, failed payments, account events, past refunds. The label: `Order.fraud_kind`.

Some honest customers look alike (presents, new devices, dear first orders: demo_orders, demo_customers), so that
no single rule separates the kinds.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

from bot.database.demo_behaviour import Catalogue, Purchase
from bot.database.demo_catalogue import Item
from bot.database.demo_customers import Person, address, ip, method, person, placed_with
from bot.database.demo_orders import Book, Plan

DEAR_KINDS = (
    "gps",
    "sports_watch",
    "binoculars",
    "winter_tent",
    "down_jacket",
    "trekking_tent",
    "family_tent",
    "armchair",
    "winter_bag",
)
CHEAP_KINDS = ("gas_canister", "batteries", "chalk", "coffee", "camp_pillow", "spork", "hiking_socks", "seeds", "tea")
KINDS = ("card_testing", "account_takeover", "stolen_card", "refund_abuse", "reshipper_ring", "new_account_high_value")


class Planter:
    """Plants fraud into the book; the accounts it opens take their numbers from `numbers`, so that none stands out."""

    def __init__(
        self, seed: int, book: Book, catalogue: Catalogue, people: Sequence[Person], numbers: Sequence[int]
    ) -> None:
        self.seed, self.book, self.catalogue, self.people = seed, book, catalogue, people
        self.unused = list(numbers)
        self.accounts: list[Person] = []

    def plant(self, kind: str, orders: int) -> None:
        """At least `orders` orders of one kind, spread over the whole time."""
        random = Random(f"{self.seed}/fraud/{kind}")
        scheme: Callable[[Random], int] = getattr(self, f"_{kind}")
        planted = 0
        while planted < orders:
            planted += scheme(random)

    def _when(self, random: Random) -> datetime:
        days = random.uniform(0.2, 540)
        hour = random.choice((0, 1, 2, 3, 4, 9, 14, 19, 21, 22, 23))
        at = (self.book.today - timedelta(days=days)).replace(hour=hour, minute=random.randint(0, 59))
        return min(at, self.book.today - timedelta(hours=2))

    def _account(self, random: Random, created_at: datetime) -> Person:
        made = person(random, self.unused.pop(), self.book.today, created_at=created_at)
        self.accounts.append(made)
        self.book.customer_event(made.id, "created", created_at, device_id=made.devices[0], ip=made.ip)
        return made

    def _basket(self, random: Random, kinds: Sequence[str], count: int, *, dear: bool) -> list[Purchase]:
        basket = []
        for slug in random.sample(kinds, count):
            item: Item = self.catalogue.kinds[slug][random.choice((2, 3)) if dear else random.choice((0, 1))]
            basket.append(Purchase(item, random.choice(item.variants), random.choice((1, 1, 2)) if dear else 1))
        return basket

    def _card(self, random: Random, account: Person, at: datetime) -> dict[str, object]:
        row = method(random, f"{account.id}-x{len(account.methods) + 1}", account.id, "card", at)
        account.methods.append(row)
        self.book.customer_event(account.id, "payment_method_added", at, method=row["id"])
        return row

    def _card_testing(self, random: Random) -> int:
        """One device, many cards, small sums, minutes apart, most of them declined first."""
        at = self._when(random)
        account = self._account(random, at - timedelta(minutes=random.randint(10, 300)))
        count = random.randint(5, 9)
        for _ in range(count):
            failed = [
                self._card(random, account, at - timedelta(minutes=3)) for _ in range(random.choice((0, 1, 2, 3)))
            ]
            card = self._card(random, account, at - timedelta(minutes=1))
            context = placed_with(random, account, device=account.devices[0], address=account.ip)
            context["session_seconds"] = random.randint(20, 120)
            plan = Plan(
                method=card,
                context=context,
                failed_payments=failed,
                fraud_kind="card_testing",
                returns="none",
                shipping="standard",
                fate=random.choice(("deliver", "cancel")),
            )
            self.book.place(random, account, at, self._basket(random, CHEAP_KINDS, 1, dear=False), plan)
            at += timedelta(minutes=random.uniform(2, 14))
        return count

    def _account_takeover(self, random: Random) -> int:
        """A regular's account: a new device signs in, changes the password, adds an address, orders dear and fast."""
        at = self._when(random)
        known = [p for p in self.people if p.eagerness > 1.3 and p.created_at < at - timedelta(days=120)]
        victim = random.choice(known or list(self.people))
        device, place = f"{random.getrandbits(64):016x}", ip(random)
        elsewhere = address(random, victim.row["name"], random.choice(("DE", "NL", "GB", "FR", "US")))
        self.book.customer_event(victim.id, "signed_in", at - timedelta(hours=3), device_id=device, ip=place)
        if random.random() < 0.8:
            self.book.customer_event(victim.id, "password_changed", at - timedelta(hours=2.9), device_id=device)
        if random.random() < 0.5:
            self.book.customer_event(victim.id, "email_changed", at - timedelta(hours=2.5), device_id=device)
        self.book.customer_event(victim.id, "address_added", at - timedelta(hours=1), device_id=device)
        count = random.choice((1, 1, 2))
        for number in range(count):
            context = placed_with(random, victim, device=device, address=place)
            context["session_seconds"] = random.randint(60, 400)
            plan = Plan(
                ship_to=elsewhere,
                context=context,
                shipping="express",
                fate="deliver",
                fraud_kind="account_takeover",
                returns="none",
            )
            basket = self._basket(random, DEAR_KINDS, random.choice((1, 2)), dear=True)
            self.book.place(random, victim, at + timedelta(minutes=40 * number), basket, plan)
        return count

    def _stolen_card(self, random: Random) -> int:
        """A young account, a card of somebody elsewhere, express, dear, at night."""
        at = self._when(random)
        account = self._account(random, at - timedelta(days=random.uniform(0.5, 40)))
        bill_to = address(
            random,
            account.row["name"],
            random.choice([c for c in ("DE", "GB", "FR", "SE", "US", "IT") if c != account.country]),
        )
        card = self._card(random, account, at - timedelta(minutes=random.randint(2, 30)))
        failed = [self._card(random, account, at - timedelta(minutes=40))] if random.random() < 0.4 else []
        plan = Plan(
            bill_to=bill_to,
            method=card,
            shipping=random.choice(("express", "express", "express", "standard")),
            fate="deliver",
            failed_payments=failed,
            fraud_kind="stolen_card",
            returns="none",
        )
        self.book.place(
            random, account, at, self._basket(random, DEAR_KINDS, random.choice((1, 2, 3)), dear=True), plan
        )
        return 1

    def _refund_abuse(self, random: Random) -> int:
        """The same account again and again: orders, says it never came or is damaged, keeps the goods."""
        start = self.book.today - timedelta(days=random.uniform(90, 500))
        account = self._account(random, start - timedelta(days=random.uniform(5, 90)))
        at, count, placed = start, random.randint(6, 10), 0
        for number in range(count):
            if at > self.book.today - timedelta(days=1):
                break
            # the first two look like anybody's; from then on the history speaks
            kind = "refund_abuse" if number >= 2 else None
            plan = Plan(fate="deliver", fraud_kind=kind, returns="return", shipping="standard")
            basket = self._basket(random, DEAR_KINDS, 1, dear=random.random() < 0.7)
            self.book.place(random, account, at, basket, plan)
            placed += kind is not None
            at += timedelta(days=random.uniform(14, 40))
        return placed

    def _reshipper_ring(self, random: Random) -> int:
        """Several accounts of one week, two devices, one address that is none of theirs."""
        at = self._when(random)
        drop = address(random, "Parcel Service", random.choice(("DE", "NL", "GB")))
        devices, place = [f"{random.getrandbits(64):016x}" for _ in range(2)], ip(random)
        count = random.randint(4, 7)
        for number in range(count):
            then = min(
                at + timedelta(hours=random.uniform(0, 90)), self.book.today - timedelta(hours=1, minutes=number)
            )
            account = self._account(random, then - timedelta(days=random.uniform(0.1, 9)))
            context = placed_with(random, account, device=random.choice(devices), address=place)
            ship_to = {**drop, "name": account.row["name"]}
            plan = Plan(
                ship_to=ship_to,
                context=context,
                fate="deliver",
                fraud_kind="reshipper_ring",
                returns="none",
                shipping=random.choice(("standard", "express")),
            )
            self.book.place(
                random, account, then, self._basket(random, DEAR_KINDS, random.choice((1, 2)), dear=True), plan
            )
        return count

    def _new_account_high_value(self, random: Random) -> int:
        """Minutes old, straight to the dearest things, hardly a page looked at."""
        at = self._when(random)
        account = self._account(random, at - timedelta(minutes=random.uniform(3, 90)))
        context = placed_with(random, account, device=account.devices[0], address=account.ip)
        context["session_seconds"], context["pages_viewed"] = random.randint(60, 300), random.randint(2, 6)
        plan = Plan(
            context=context, shipping="express", fate="deliver", fraud_kind="new_account_high_value", returns="none"
        )
        self.book.place(
            random, account, at, self._basket(random, DEAR_KINDS, random.choice((2, 3, 4)), dear=True), plan
        )
        return 1
