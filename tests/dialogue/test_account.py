"""The customer's own account."""

from sqlalchemy import select

from bot.database.shop import Customer, Mail, Review
from tests.dialogue.conftest import Desk


def customer(desk: Desk, id: str = "anna") -> Customer:
    with desk.sessions() as session:
        return session.get_one(Customer, id)


def test_an_account_is_opened_after_a_read_back(desk: Desk) -> None:
    talk = desk.talk()
    assert talk("I want an account", "create_account") == "What is your name?"
    talk("Cleo Marsh", "nlu_fallback", 0.3)
    assert "for Cleo Marsh with cleo@mail.example" in talk("cleo@mail.example", "inform", email="cleo@mail.example")
    assert "A mail is on its way to cleo@mail.example" in talk("yes", "affirm")
    with desk.sessions() as session:
        assert session.scalar(select(Customer.name).where(Customer.email == "cleo@mail.example")) == "Cleo Marsh"


def test_opening_one_for_a_taken_address_answers_alike(desk: Desk) -> None:
    answers = []
    for address in ("anna@mail.example", "new@mail.example"):
        talk = desk.talk()
        talk("I want an account", "create_account")
        talk("Cleo Marsh", "nlu_fallback", 0.3)
        talk(address, "inform", email=address)
        answers.append(talk("yes", "affirm").replace(address, "X"))
    assert answers[0] == answers[1]


def test_a_phone_number_is_changed_after_a_read_back(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("change my phone number", "edit_account")
    assert "from – to +49 30 1234567" in talk("+49 30 1234567", "inform", phone="+49 30 1234567")
    talk("yes", "affirm")
    assert customer(desk).phone == "+49 30 1234567"


def test_the_default_address_is_changed(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("I moved, change my address", "edit_account")
    talk("Hafenstr. 9, 20095 Hamburg", "inform")
    assert "is now Anna Berg, Hafenstr. 9" in talk("yes", "affirm")
    assert customer(desk).addresses[0]["city"] == "Hamburg"


def test_deleting_an_account_with_open_orders_is_refused(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert "orders still on their way" in talk("delete my account", "delete_account")
    assert customer(desk).deleted_at is None


def test_the_newsletter_is_switched_off_after_yes(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("subscribe me to the newsletter", "newsletter")
    assert talk("yes", "affirm") == "Done: you'll get our newsletter."
    assert customer(desk).newsletter is True
    talk("unsubscribe me", "newsletter")
    talk("yes", "affirm")
    assert customer(desk).newsletter is False


def test_a_password_link_goes_to_the_account_only(desk: Desk) -> None:
    first, second = desk.talk(), desk.talk()
    first("I forgot my password", "password")
    second("I forgot my password", "password")
    assert first("anna@mail.example", "inform") == second("nobody@mail.example", "inform")
    with desk.sessions() as session:
        assert [mail.to_address for mail in session.scalars(select(Mail)) if mail.status == "owed"] == [
            "anna@mail.example"
        ]


def test_a_review_asks_for_stars_and_words_and_reads_back(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("I want to review my jacket", "review")
    talk("4 stars", "inform")
    assert "★★★★" in talk("Keeps me dry all day", "nlu_fallback", 0.3)
    assert "is published" in talk("yes", "affirm")
    with desk.sessions() as session:
        kept = session.scalars(select(Review)).one()
    assert (kept.product_id, kept.stars, kept.text) == ("jacket", 4, "Keeps me dry all day")
