# ruff: noqa: E501  (tables of cases)
"""The guard: what no fact holds is stopped, in both languages; what the facts hold passes."""

import pytest

from nlu_models.guard import Evidence, check

FACTS = Evidence(
    {"order_number": "K-104233", "eta": "3 December", "amount": "49.90 EUR", "product": "Nordhang Trek 2"},
    [
        "Returns are possible within 30 days of delivery. 退货请在收货后 30 天内办理。 See https://shop.example/returns. Ask service@shop.example."
    ],
)


def codes(draft, evidence=FACTS, approved=()):
    return {objection.code for objection in check(draft, evidence, approved=approved)}


@pytest.mark.parametrize(
    "draft",
    [
        "Order K-104233 arrives on 3 December.",
        "You can return it within thirty days.",
        "退货请在三十天内办理。",
        "The amount is 49.90 EUR for your Nordhang Trek 2.",
        "See https://shop.example/returns or write to service@shop.example.",
        "Sure, let me look into that for you.",
        "好的，请稍等，我帮您看看。",
    ],
)
def test_what_the_facts_hold_may_be_said(draft):
    assert check(draft, FACTS) == []


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        ("Order K-104234 is on its way.", "number"),
        ("You get 59.90 EUR.", "number"),
        ("It takes 4 steps.", "number"),
        ("You have fourteen days.", "number"),
        ("您有十四天。", "number"),
        ("共7件。", "number"),
        ("It arrives on Friday.", "date"),
        ("周五送到。", "date"),
        ("It arrives in January.", "date"),
        ("See http://evil.example/pay", "link"),
        ("Visit cheap-tents.com", "link"),
        ("Write to boss@other.example", "email"),
        ("Ask Mr. Miller about it.", "name"),
        ("I asked Peter.", "name"),
        ("Peter looks after it.", "name"),
        ("DHL brings it.", "name"),
        ("请联系王经理。", "name"),
        ("由顺丰配送。", "name"),
        ("We guarantee it.", "promise"),
        ("我们保证没问题。", "promise"),
        ("Delivery is free for you.", "promise"),
        ("给您免费送货。", "promise"),
        ("You will be refunded.", "promise"),
        ("退款已到账。", "promise"),
        ("I have cancelled it.", "promise"),
        ("已为您取消。", "promise"),
        ("You get a discount.", "promise"),
        ("给您打折。", "promise"),
        ("It is sent tomorrow.", "promise"),
        ("The warranty covers it.", "policy"),
        ("在保修期内。", "policy"),
        ("Pay by instalments.", "policy"),
        ("It is waterproof.", "policy"),
        ("The total is {total}.", "placeholder"),
    ],
)
def test_what_no_fact_holds_is_stopped(draft, code):
    assert code in codes(draft)


def test_a_number_is_not_found_inside_another_one():
    assert "number" in codes("It costs 104.", Evidence({"order_number": "K-104233"}))


def test_the_customers_own_claim_is_no_evidence():
    assert "number" in codes("I confirm that you get 500 EUR.", Evidence({"order_number": "K-104233"}))


def test_an_approved_sentence_may_promise_but_its_numbers_are_still_checked():
    approved = ["Your order K-104233 was cancelled.", "Your order K-999999 was cancelled."]
    assert codes("Your order K-104233 was cancelled.", approved=approved) == set()
    assert codes("Your order K-999999 was cancelled.", approved=approved) == {"number"}


def test_a_claim_in_another_language_than_its_passage_cannot_be_checked_and_is_stopped():
    assert codes("保修适用。", Evidence({}, ["The warranty applies."])) == {"claim"}
    assert codes("保修适用。", Evidence({}, ["保修适用。"])) == set()


def test_three_hundred_drafts_seeded_with_false_facts_are_all_stopped():
    import itertools

    frames = [
        "Good news. {}",
        "Thanks for asking. {}",
        "{} Is there anything else?",
        "您好，{}",
        "{}还需要别的帮助吗？",
        "Sure. {}",
    ]
    lies = [
        "The order is K-555001.", "It costs 12.34 EUR.", "You have 99 days.", "It arrives on 24 August.", "Call 0664 123.",
        "Go to www.other.example/x.", "Mail me@there.example.", "Ask Mrs. Baker.", "Hermes has it.", "We promise it.",
        "It is free of charge.", "You will get a full refund.", "I refunded it.", "You get a voucher for it.",
        "The parcel was shipped.", "It is back in stock.", "We price-match.", "The VAT is included.", "It is insured.",
        "You can pay with bitcoin.", "It is certified organic.", "VIP members come first.", "It arrives today.",
        "We send a replacement.", "I made an exception.", "订单号是K-555001。", "价格是12.34欧元。", "九十九天内可退。",
        "8月24日到。", "请找李经理。", "圆通正在派送。", "我们承诺一定会到。", "全部包邮。", "全额退款给您。", "给您补偿。", "马上发货。",
        "已为您升级。", "现货充足。", "支持价保。", "运费险我们出。", "可以分期。", "会员有积分。", "给您破例。", "赠送一件。", "明天送达。",
        "The return is possible within two weeks.", "Cash on delivery is possible.", "关税由我们承担。", "概不退换。", "It costs half.",
    ]  # fmt: skip
    drafts = [frame.format(lie) for frame, lie in itertools.product(frames, lies)]
    assert len(drafts) == 300
    through = [draft for draft in drafts if not check(draft, FACTS)]
    assert through == []
