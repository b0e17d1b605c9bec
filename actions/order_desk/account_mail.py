"""Mails about an account, in both languages: kind -> (subject, body)."""

MAILS = {
    "en": {
        "created": ("Welcome", "Hello {name},\n\nyour account is open. Sign in with this address."),
        "exists": (
            "You have an account already",
            "Hello,\n\nsomebody asked for an account with this address; there is one already, and nothing was changed. "
            "If it was you, sign in or ask for a new password.",
        ),
        "deleted": (
            "Your account is closed",
            "Hello {name},\n\nyour account is closed. Your data is erased on {erased_on}. If this was not you, "
            "answer this mail before then.",
        ),
        "password": (
            "A new password",
            "Hello {name},\n\nset a new password here: {url}\n\nIf you did not ask for it, ignore this mail.",
        ),
    },
    "zh": {
        "created": ("欢迎", "{name}，您好：\n\n您的账户已开通，请使用此邮箱登录。"),
        "exists": (
            "您已有账户",
            "您好：\n\n有人用此邮箱申请开通账户，但该邮箱已有账户，未作任何更改。如果是您本人，请直接登录或重设密码。",
        ),
        "deleted": (
            "您的账户已注销",
            "{name}，您好：\n\n您的账户已注销，数据将于 {erased_on} 删除。如果不是您本人操作，请在此之前回复本邮件。",
        ),
        "password": ("重设密码", "{name}，您好：\n\n请在此设置新密码：{url}\n\n如果不是您申请的，请忽略此邮件。"),
    },
}
