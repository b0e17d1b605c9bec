"""Every sentence the durable core itself says to a customer, in both languages.

All else a customer reads is chosen among the dialogue's responses.
"""


def apology(language: str) -> str:
    """Said after the last attempt failed; a person is called in the same transaction."""
    if language == "zh":
        return "抱歉，我这边出了点问题，没能处理您的消息。我已经请人工同事接手，他们能看到我们的全部对话。"
    return (
        "I am sorry, something went wrong on our side and I could not handle your message. "
        "I have asked a colleague to take over; they can see everything you wrote."
    )


def cannot_read(language: str) -> str:
    """Said to a message without text: a sticker, a voice note, a picture."""
    if language == "zh":
        return "抱歉，我目前只能阅读文字。请用文字告诉我您需要什么，或者说“人工客服”。"
    return "I am sorry, I can only read text so far. Please write what you need, or ask for a person."
