"""Skills that only look: where is it, what did I order, where is my refund, the invoice."""

from collections.abc import Iterator

from actions.order_desk import invoices, lookup, refunds
from actions.order_desk.refunds import RefundView
from actions.order_desk.views import OrderView, ShipmentView
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.forms import Step, Turn, WishForm
from actions.rasa_actions.steps import OrderStep, own_order, spoken_number

# What an order's state invites to: (what it must allow, intent, title en, title zh).
NEXT = (
    ("cancel", "cancel_order", "Cancel it", "取消订单"),
    ("change_address", "change_address", "Change the address", "修改地址"),
    ("return", "return_order", "Return something", "申请退货"),
    ("exchange", "exchange_order", "Exchange something", "申请换货"),
    ("cancel_return", "cancel_return", "Withdraw the return", "撤销退换货"),
)


MOST_REFUNDS = 5


class OrderLook(WishForm):
    """A skill about one order that changes nothing."""

    can: str | None = None
    none = "utter_no_orders"

    def steps(self, turn: Turn) -> Iterator[Step]:
        yield OrderStep(self.can, self.none)

    def finish(self, turn: Turn) -> Answer:
        with turn.call.services.readers() as session:
            order = own_order(session, turn)
        return self.about(turn, order).slots(order_number=order.number)

    def about(self, turn: Turn, order: OrderView) -> Answer:
        raise NotImplementedError


def next_buttons(turn: Turn, order: OrderView) -> list[dict[str, str]]:
    call = turn.call
    return [
        button(call.pick(en, zh), intent, order_number=order.number) for can, intent, en, zh in NEXT if can in order.can
    ]


class TrackOrder(OrderLook):
    intent = "track_order"

    def about(self, turn: Turn, order: OrderView) -> Answer:
        language = turn.call.language
        facts = {
            "number": order.number,
            "status": wording.of(wording.STATUS, order.status, language),
            "eta": wording.day(order.eta, language),
            "goods": wording.goods(order.lines, language),
        }
        card = wording.order_card(order, language, next_buttons(turn, order))
        open_parcels = [parcel for parcel in order.shipments if parcel.status != "delivered"]
        if order.status == "delivered":
            arrived = Answer.response(
                "utter_track_order_delivered", **facts, delivered_on=wording.day(order.delivered_at, language)
            )
            return self._with_numbers(arrived, order).cards([card])
        if order.status == "cancelled":
            return self._with_numbers(Answer.response("utter_track_order_cancelled", **facts), order).cards([card])
        if not open_parcels:
            return Answer.response("utter_track_order_waiting", **facts).cards([card])
        answer = Answer.response("utter_track_order_shipped", **facts)
        for parcel in open_parcels:
            answer = answer.then(self._parcel(turn, order, parcel))
        return answer.cards([card])

    def _with_numbers(self, answer: Answer, order: OrderView) -> Answer:
        """Parcels that are no longer on their way are still known by their numbers."""
        for parcel in order.shipments:
            answer = answer.then(
                Answer.response("utter_parcel_number", carrier=parcel.carrier, tracking=parcel.tracking)
            )
        return answer

    def _parcel(self, turn: Turn, order: OrderView, parcel: ShipmentView) -> Answer:
        language = turn.call.language
        inside = [line for line in order.lines if line.position in parcel.positions] or order.lines
        response = "utter_parcel_lost" if parcel.status == "lost" else "utter_parcel"
        return Answer.response(
            response,
            carrier=parcel.carrier,
            tracking=parcel.tracking,
            status=wording.of(wording.STATUS, parcel.status, language),
            eta=wording.day(parcel.eta or order.eta, language),
            goods=wording.goods(inside, language),
        )


class OrderHistory(WishForm):
    intent = "order_history"
    page = 5

    def steps(self, turn: Turn) -> Iterator[Step]:
        yield from ()

    def finish(self, turn: Turn) -> Answer:
        call = turn.call
        with call.services.readers() as session:
            orders = lookup.orders_of(session, str(turn.customer_id), limit=self.page)
        if not orders:
            return Answer.response("utter_no_orders")
        show = call.pick("Details", "查看详情")
        cards = [
            wording.order_card(order, call.language, [button(show, "track_order", order_number=order.number)])
            for order in orders
        ]
        return Answer.response("utter_order_history", count=len(orders)).cards(cards)


class RefundStatus(WishForm):
    """Every refund of one order, or of all of them when none is named: where the money is now."""

    intent = "refund_status"

    def steps(self, turn: Turn) -> Iterator[Step]:
        if spoken_number(turn) is not None or turn.asked == OrderStep.name:
            yield OrderStep()

    def finish(self, turn: Turn) -> Answer:
        with turn.call.services.readers() as session:
            found = refunds.refund_status(session, str(turn.customer_id), turn.value("order"))[:MOST_REFUNDS]
        answer = Answer()
        for each in found:
            answer = answer.then(self._said(turn, each))
        return answer if found else Answer.response("utter_no_refund")

    def _said(self, turn: Turn, each: RefundView) -> Answer:
        language = turn.call.language
        return Answer.response(
            f"utter_refund_{each.state}",
            number=each.order_number,
            return_number=each.return_number or "–",
            amount=wording.money(each.amount_minor, each.currency),
            method=wording.payment_method(each.method, language) if each.method else "–",
            since=wording.day(each.since, language),
            expected=wording.day(each.expected_at, language),
        )


class Invoice(OrderLook):
    """By mail to the address on file, never to one that is typed."""

    intent = "invoice"

    def about(self, turn: Turn, order: OrderView) -> Answer:
        call = turn.call
        with call.services.sessions.begin() as session:
            invoices.send_invoice(
                session, str(turn.customer_id), order.number, request_id=call.message_id, now=call.now
            )
        total = wording.money(order.total_minor, order.currency)
        return Answer.response("utter_invoice_sent", number=order.number, total=total)
