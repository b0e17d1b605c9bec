"""Every action of the dialogue, registered by name. `tests/dialogue` holds this list to the domain."""

from rasa_sdk import Action

from actions.rasa_actions import accounts, answers, handoff, order_changes, orders, products, recommendations, returns
from actions.rasa_actions.services import Services
from actions.rasa_actions.shop_action import ShopAction

ACTIONS: tuple[type[ShopAction], ...] = (
    answers.AnswerQuestion,
    answers.GiftCard,
    answers.SmallTalk,
    answers.ChangeLanguage,
    answers.Affirm,
    answers.Inform,
    answers.Correct,
    handoff.TalkToPerson,
    handoff.NotUnderstood,
    handoff.OutOfScope,
    handoff.Complaint,
    orders.TrackOrder,
    orders.OrderHistory,
    orders.RefundStatus,
    orders.Invoice,
    order_changes.CancelOrder,
    order_changes.ChangeAddress,
    order_changes.ChangeItems,
    order_changes.ChangePayment,
    order_changes.ChangeShipping,
    order_changes.Reorder,
    returns.ReturnOrder,
    returns.ExchangeOrder,
    returns.CancelReturn,
    products.ProductSearch,
    products.ProductRefine,
    products.MoreResults,
    products.ProductQuestion,
    products.CheckPrice,
    products.CheckStock,
    products.SizeFit,
    products.CompareProducts,
    products.Promotions,
    recommendations.Recommend,
    recommendations.NotForMe,
    accounts.CreateAccount,
    accounts.EditAccount,
    accounts.DeleteAccount,
    accounts.Password,
    accounts.Newsletter,
    accounts.Review,
)


def all_actions(services: Services) -> list[Action]:
    return [action(services) for action in ACTIONS]
