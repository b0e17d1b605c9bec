"""Which intents start what, and what the wishes are called. A test holds this to the rules of the dialogue."""

FORM_INTENTS = (
    "track_order", "order_history", "cancel_order", "change_address", "change_items", "change_payment",
    "change_shipping", "return_order", "exchange_order", "cancel_return", "refund_status", "invoice", "reorder",
    "create_account", "edit_account", "delete_account", "password", "newsletter", "review",
)  # fmt: skip

# Inside a form these mean that the customer has changed their mind; any other intent is answered by its rule
# and the form asks again.
LEAVING = {
    **{intent: f"{intent}_form" for intent in FORM_INTENTS},
    "product_search": "action_product_search",
    "recommend": "action_recommend",
}

# Answered by their rule in between; the form comes again after.
ASIDES = (
    "greet", "thanks", "goodbye", "chitchat", "bot_challenge", "help", "out_of_scope", "change_language", "complaint",
    "ask_faq", "refund_policy", "delivery_options", "delivery_time", "payment_methods", "payment_problem", "warranty",
    "gift_card", "product_refine", "product_question", "compare_products", "check_stock", "check_price", "promotions",
    "size_fit", "more_results", "not_for_me",
)  # fmt: skip

# Answers to a question of ours, not wishes of their own.
VALUES = ("inform", "affirm", "deny", "correct", "nlu_fallback", "resend_code")

_LABELS = {
    "track_order": ("tracking your order", "查询订单"),
    "order_history": ("your orders", "订单记录"),
    "cancel_order": ("the cancellation", "取消订单"),
    "change_address": ("the change of address", "修改地址"),
    "change_items": ("the change of items", "修改商品"),
    "change_payment": ("the change of payment", "更改付款方式"),
    "change_shipping": ("the change of shipping", "更改配送方式"),
    "return_order": ("the return", "退货"),
    "exchange_order": ("the exchange", "换货"),
    "cancel_return": ("withdrawing the return", "撤销退换货"),
    "refund_status": ("the refund status", "退款进度"),
    "invoice": ("the invoice", "发票"),
    "reorder": ("the reorder", "再次购买"),
    "create_account": ("the new account", "注册账户"),
    "edit_account": ("the change of your details", "修改资料"),
    "delete_account": ("deleting your account", "注销账户"),
    "password": ("the new password", "重置密码"),
    "newsletter": ("the newsletter", "邮件订阅"),
    "review": ("the review", "评价"),
}


def wish_label(intent: str, language: str) -> str:
    """What a customer calls this wish."""
    return _LABELS[intent][1 if language == "zh" else 0]
