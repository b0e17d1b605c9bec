"""Reviews and promotions of the demo shop."""
# ruff: noqa: E501  (a row of data reads better in one line)

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bot.database.demo_behaviour import Visit

# by stars: (English, Chinese)
REVIEWS = {
    5: (("Exactly what I hoped for. Would buy it again.", "Used it for three weeks straight, no complaints.", "Even better than it looks.",
         "Worth every cent, and delivery was quick."),
        ("完全符合期待，会再买。", "连续用了三周，没有任何问题。", "比图片还好看。", "物超所值，发货也快。")),
    4: (("Good quality, the colour is a bit darker than in the picture.", "Does its job well. One star off for the packaging.",
         "Comfortable, runs slightly small."),
        ("质量不错，颜色比图片深一点。", "好用，包装扣一星。", "舒服，尺码略小。")),
    3: (("Fine for the price, nothing special.", "Works, but heavier than I thought."), ("对得起价格，没什么特别。", "能用，比想象的重。")),
    2: (("A seam came loose after a month; service sent a new one.", "Too small for what it promises."), ("一个月后有开线，客服给换了。", "比宣传的小。")),
    1: (("Arrived with a scratch and went straight back.",), ("收到就有划痕，直接退了。",)),
}  # fmt: skip

# code, title, Chinese title, category, percent, days from now (start, end), audience
PROMOTIONS: tuple[tuple[str | None, str, str, str | None, int, int, int, Mapping[str, Any]], ...] = (
    ("WELCOME10", "10 % off your first order with the newsletter", "订阅新闻邮件，首单九折", None, 10, -500, 400, {"newsletter": True}),
    ("WARM15", "15 % off jackets and layers", "冲锋衣和保暖层 85 折", "jackets", 15, -6, 15, {}),
    ("COSY20", "20 % off bedding", "床上用品 8 折", "bedding", 20, -3, 11, {}),
    (None, "Candles and decor: 10 % off this week", "本周家居装饰 9 折", "decor", 10, -2, 5, {}),
    ("CAMP12", "12 % off tents for early campers", "帐篷早鸟 88 折", "tents", 12, 14, 45, {}),
    ("BIKE10", "10 % off everything for the bicycle", "骑行用品 9 折", "cycling", 10, -90, -60, {}),
    ("REGULAR5", "5 % for regulars", "老顾客 95 折", None, 5, -30, 60, {"orders_at_least": 5}),
)  # fmt: skip


def reviews_of(random: Random, visits: Iterable[Visit], today: datetime) -> Iterator[dict[str, Any]]:
    """A review for every ninth thing bought, one a customer and product, kinder for better grades."""
    written: set[tuple[str, str]] = set()
    for visit in visits:
        for purchase in visit.basket:
            key = (visit.person.id, purchase.item.id)
            at = visit.at + timedelta(days=random.uniform(9, 40))
            if random.random() > 0.11 or key in written or at >= today:
                continue
            written.add(key)
            better = purchase.item.grade
            stars = random.choices((5, 4, 3, 2, 1), (40 + 6 * better, 32, 14 - 2 * better, 6 - better, 4 - better))[0]
            texts = REVIEWS[stars][1 if visit.person.row["language"] == "zh" else 0]
            yield {
                "id": f"rev{len(written):05d}", "customer_id": key[0], "product_id": key[1], "stars": stars,
                "text": random.choice(texts) if random.random() < 0.8 else None, "at": at,
            }  # fmt: skip


def promotion_rows(today: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": f"promo{number}", "code": code, "title": title, "title_zh": title_zh, "category": category, "product_id": None,
            "percent": percent, "starts_at": today + timedelta(days=starts), "ends_at": today + timedelta(days=ends),
            "audience": dict(audience), "budget_minor": 500000 if code is None else None, "frequency_cap": 2,
        }
        for number, (code, title, title_zh, category, percent, starts, ends, audience) in enumerate(PROMOTIONS, 1)
    ]  # fmt: skip
