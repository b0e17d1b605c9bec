"""Chinese for what shops write of their products in English: values of attributes, colours.

What is not here is shown as the shop wrote it.
"""
# ruff: noqa: E501  (Chinese is two columns wide)

from collections.abc import Mapping

VALUES: Mapping[str, str] = {
    "3-season": "三季", "4-season": "四季", "summer": "夏季", "winter": "冬季", "down": "羽绒", "synthetic": "合成纤维",
    "polyester": "涤纶", "nylon": "尼龙", "ripstop nylon": "防撕裂尼龙", "cotton": "棉", "polycotton": "涤棉",
    "merino wool": "美利奴羊毛", "wool": "羊毛", "fleece": "抓绒", "leather": "皮革", "suede": "绒面革", "mesh": "网布",
    "titanium": "钛", "aluminium": "铝", "stainless steel": "不锈钢", "cast iron": "铸铁", "carbon steel": "碳钢",
    "enamelled steel": "搪瓷钢", "steel": "钢", "brass": "黄铜", "copper": "铜", "silicone": "硅胶", "plastic": "塑料",
    "recycled plastic": "再生塑料", "oak": "橡木", "walnut": "胡桃木", "pine": "松木", "acacia": "相思木", "teak": "柚木",
    "bamboo": "竹", "rattan": "藤", "glass": "玻璃", "stoneware": "炻瓷", "porcelain": "瓷", "terracotta": "陶土",
    "linen": "亚麻", "percale cotton": "高支棉", "silk": "真丝", "latex": "乳胶", "memory foam": "记忆棉", "jute": "黄麻",
    "soy wax": "大豆蜡", "beeswax": "蜂蜡", "foam": "泡沫", "carbon": "碳纤维", "paper": "纸", "peat-free soil": "无泥炭土",
    "women": "女款", "men": "男款", "unisex": "男女通用", "high": "高帮", "mid": "中帮", "low": "低帮", "screw": "螺纹",
    "canvas": "帆布", "velvet": "丝绒", "concrete": "混凝土", "buckwheat": "荞麦壳", "microfibre": "超细纤维",
    "3 season": "三季", "4 season": "四季", "spring": "春季", "autumn": "秋季", "all seasons": "四季", "kids": "儿童",
    "adult": "成人", "acrylic": "亚克力", "polypropylene": "聚丙烯", "polyurethane": "聚氨酯", "elastane": "氨纶",
    "viscose": "粘胶纤维", "denim": "牛仔布", "rubber": "橡胶", "ceramic": "陶瓷", "wood": "木", "metal": "金属",
    "iron": "铁", "beech": "榉木", "cork": "软木", "wicker": "柳编", "cashmere": "羊绒", "goose down": "鹅绒",
    "duck down": "鸭绒", "faux leather": "人造革", "marble": "大理石", "gold": "金", "silver": "银",
}  # fmt: skip
COLORS: Mapping[str, str] = {
    "red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色", "forest": "墨绿色", "olive": "橄榄绿",
    "blue": "蓝色", "navy": "藏青色", "teal": "青色", "turquoise": "青绿色", "black": "黑色", "grey": "灰色",
    "gray": "灰色", "white": "白色", "beige": "米色", "sand": "沙色", "brown": "棕色", "rust": "锈红色",
    "purple": "紫色", "pink": "粉色", "gold": "金色", "silver": "银色", "copper": "铜色", "natural": "原木色",
    "oak": "橡木色", "walnut": "胡桃木色", "steel": "不锈钢色",
}  # fmt: skip


def value(text: str) -> str:
    """ "ripstop nylon" is 防撕裂尼龙."""
    return VALUES.get(text.strip().lower(), text)


def color(text: str) -> str:
    """ "forest" is 墨绿色."""
    return COLORS.get(text.strip().lower(), text)
