"""What customers read about who is there, in both languages."""


def joined(name: str, language: str) -> str:
    return f"{name} 已接入，正在为您服务。" if language == "zh" else f"{name} has joined the conversation."


def transferred(name: str, language: str) -> str:
    return f"{name} 已接手您的对话。" if language == "zh" else f"{name} has taken over your conversation."


def handed_back(name: str, language: str) -> str:
    if language == "zh":
        return f"{name} 已离开，智能助手将继续为您服务。"
    return f"{name} has left; the assistant is with you again. Ask for a person whenever you like."


def resolved(name: str, language: str) -> str:
    if language == "zh":
        return f"{name} 已将此问题标记为解决。如果还有疑问，直接写给我们就好。"
    return f"{name} has marked this as solved. If anything is left, just write again."
