"""A worded reply to a complaint, and what it must say."""

import pytest

from actions.rasa_actions.handoff import Complaint


@pytest.mark.parametrize(
    "draft", ["I'm sorry we let you down. What went wrong?", "理解您的心情，实在抱歉，具体是什么情况？"]
)
def test_a_draft_that_apologises_is_said(bench, draft):
    messages, _ = bench.run(Complaint, "it came broken", "complaint", draft=draft)
    assert messages[0]["text"] == draft
    assert messages[1]["response"] == "utter_complaint_offer"


@pytest.mark.parametrize("draft", ["", "What went wrong?", "理解您的心情，具体是什么情况？"])
def test_one_that_does_not_gives_way_to_the_written_apology(bench, draft):
    messages, _ = bench.run(Complaint, "it came broken", "complaint", draft=draft)
    assert [each["response"] for each in messages] == ["utter_complaint"]
    assert "/talk_to_person" in [button["payload"] for button in messages[0]["buttons"]]
