# ruff: noqa: E501  (tables of words)
"""Words that claim nothing, and words that a known fact lets a draft say: the vocabulary of `claims`."""

from collections.abc import Mapping

# pronouns, auxiliaries, prepositions, courtesy, and nouns of the counter that state nothing by themselves
FRAME_EN = frozenset(
    """
    a about above again all-right alright also am an another any anything are as ask at be been being
    both bye bit by can can't cannot check chat colleague come concern could couldn't couple course customer dear did
    didn't do does doesn't don't done each either else exactly feel for frustrating from gladly glad goodbye good got
    great had happy has have haven't he hear hello help helping her here hi him his how i i'd i'll i'm i've if in
    inconvenience information into is isn't it it's its item just kind know let let's like look looking lot matter
    may me message might moment more my name need no not now number of ok okay on one or order other our out over
    part people perfect person please pleasure problem question ready really right say see shall she shop should so
    some something sorry such sure talk team tell than thank thanks that that's the their them then there there's
    these they thing this those through to too trouble try type under understand understood unfortunately up us use
    used very want was way we we'd we'll we're we've welcome well were what what's when where which while who why
    will wish with won't wonder worry would write yes yet you you'd you'll you're you've your yours
    """.split()  # noqa: SIM905  (a list of words reads better than a column of strings)
) - frozenset({"again", "both", "like", "used", "no", "any", "all-right"}) | {"no", "any"}

FRAME_ZH = tuple(
    """
    您好 你好 您的 你的 您 你 我们 我 他们 它 请问 请 谢谢 感谢 不客气 抱歉 非常 很 对不起 好的 好 是的 是 的 了 吗 呢 吧 啊 哦 也 都 就
    在 和 与 及 或 将 把 被 给 为 对 由 从 到 向 用 以 这 那 哪 什么 怎么 怎样 如何 可以 可 能 能够 会 需要 要 想 还 还有 有 没有 没 不 未 无
    这边 那边 这个 那个 这款 那款 这里 那里 现在 目前 已 已经 正在 稍等 一下 看看 看 查一下 查询 查 帮 帮助 帮忙 告诉 联系 同事 客服
    问题 麻烦 添麻烦 理解 知道 请稍等 马上就好 别的 其他 更多 另外 如果 的话 因为 所以 但 而 并 及时 让 使 更 最 等 些 个 中 里 上 下
    内 外 后 前 时 起 为止 元 欧元 其中 款 位 次 号 日 天 月 年 营业 周 共 之 其 此 该 每 各 啦 嘛 呀 哪里 哪些 多少 几 您看 欢迎 再见 祝 愉快
    """.split()  # noqa: SIM905
)

# A clause may not take one of these from another sentence than the one it leans on: they are what a policy turns on.
LOADED = frozenset(
    """
    free guarante guarantee warranty warrant cover discount voucher coupon refund replac replacement cash instalment
    after before within until without alway never ever all every each only worldwid lifetim unlimit automatical half doubl extra bonus gift-wrapp
    免费 包邮 免运 保修 质保 退款 全额 折扣 优惠 赔偿 补偿 现金 分期 终身 永久 一律 全部 所有 任何 都能 都可
    """.split()  # noqa: SIM905
)

# Chinese has no spaces, so these are looked for as they stand: what is not in the evidence word for word is refused.
LOADED_ZH = tuple(
    "用过 拆过 终身 永久 永远 一律 全部 所有 任何 全球 随时 都能 都可以 满意 包换 包退 上门 上楼 红色 独家 第一 最好 最低".split()  # noqa: SIM905
)
ATTRIBUTES_ZH: Mapping[str, str] = {
    "waterproof": "防水", "breathable": "透气", "vegan": "纯素", "windproof": "防风", "rechargeable": "充电",
    "insulated": "保暖", "certified": "认证", "dishwasher": "洗碗", "induction": "电磁",
}  # fmt: skip

UNLOCKED_EN: Mapping[str, str] = {
    r"order": "order",
    r"eta|deliver|until|date|expected": "arrive expected expect due reach delivery deliver day until",
    r"carrier|track": "carrier tracking parcel bring has track recorded",
    r"status|state": "status currently already still being state",
    r"amount|price|total|balance|difference|fee|cost|paid": "amount cost price total come back refund go goes going balance difference",
    r"payment": "back go goes to paid",
    r"return|exchange": "return exchange set registered label parcel send",
    r"stock": "stock left available",
    r"days": "valid day label within",
    r"months": "month within valid",
    r"address": "go goes address delivered deliver",
    r"method": "go goes by shipping",
    r"email|mail": "mail account link invoice address email e-mail",
    r"promotion|offer|code": "running offer promotion current currently code",
    r"product|name|options|size|color|colour|attribute|value": "take size recommend maybe product colour color fit",
    r"waterproof|weight|material|capacity": "weigh weight made",
}
UNLOCKED_ZH: Mapping[str, str] = {
    r"order": "订单 单号 订单号 此单",
    r"eta|deliver|until|date|expected": "预计 送达 到达 抵达 到货 派送 日期 截止 到 为止",
    r"carrier|track": "承运 配送 快递 单号 物流 运单 包裹 派送",
    r"status|state": "目前 状态 进度",
    r"amount|price|total|balance|difference|fee|cost|paid": "金额 价格 售价 总价 合计 余额 差价 费用 退回 退款",
    r"payment": "退回 支付方式 付款方式",
    r"return|exchange": "退货 换货 登记 已登记 标签 寄出 将为您寄出",
    r"stock": "有货 现货 库存 还有 剩余 剩 件",
    r"days": "标签 有效 天内 天内有效",
    r"months": "个月 月内",
    r"address": "寄往 送往 送到 寄到 地址",
    r"email|mail": "邮箱 邮件 链接 发票",
    r"promotion|offer|code": "活动 优惠 现在有活动",
    r"product|name|options|size|color|colour|attribute|value": "尺码 颜色 商品 产品 推荐",
    r"waterproof|weight|material|capacity": "重量 材质 容量",
}
