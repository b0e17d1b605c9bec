"""How a kind of product of the demo shop is described; the kinds themselves are in demo_kinds_outdoor and _home."""
# ruff: noqa: E501  (a row of data reads better in one line)

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# English, Chinese, fill colour of the drawing
COLORS = {
    "red": ("红色", "#b83a34"),
    "orange": ("橙色", "#d9772b"),
    "yellow": ("黄色", "#e0b43b"),
    "green": ("绿色", "#5b8c4a"),
    "forest": ("墨绿色", "#2f5541"),
    "blue": ("蓝色", "#3f78b0"),
    "navy": ("藏青色", "#26395b"),
    "teal": ("青色", "#2b7f85"),
    "black": ("黑色", "#2b2c2f"),
    "grey": ("灰色", "#8a8f94"),
    "white": ("白色", "#eeece6"),
    "sand": ("沙色", "#cbb48c"),
    "brown": ("棕色", "#7a5638"),
    "rust": ("锈红色", "#9c4f2e"),
    "purple": ("紫色", "#6c4f86"),
    "pink": ("粉色", "#d58fa2"),
    "oak": ("橡木色", "#c49a63"),
    "walnut": ("胡桃木色", "#6d4a33"),
    "steel": ("不锈钢色", "#b4bac0"),
    "copper": ("铜色", "#b5704a"),
}

CATEGORIES = {
    "tents": ("Tents", "帐篷"),
    "sleeping_bags": ("Sleeping bags and mats", "睡袋和睡垫"),
    "backpacks": ("Backpacks and bags", "背包"),
    "jackets": ("Jackets and layers", "冲锋衣和保暖层"),
    "shoes": ("Shoes and boots", "鞋靴"),
    "cooking": ("Camp cooking", "户外炊具"),
    "lighting": ("Lighting", "照明"),
    "navigation": ("Navigation and electronics", "导航和电子设备"),
    "climbing": ("Climbing", "攀岩"),
    "cycling": ("Cycling", "骑行"),
    "furniture": ("Furniture", "家具"),
    "kitchen": ("Kitchen", "厨房"),
    "bedding": ("Bedding", "床上用品"),
    "decor": ("Decor", "家居装饰"),
    "garden": ("Garden", "园艺"),
}

# key: English label, Chinese label, unit
ATTRIBUTES = {
    "persons": ("Persons", "适用人数", ""),
    "season": ("Season", "季节", ""),
    "waterproof": ("Waterproof", "防水", ""),
    "water_column_mm": ("Water column", "防水指数", "mm"),
    "breathable": ("Breathable", "透气", ""),
    "windproof": ("Windproof", "防风", ""),
    "insulated": ("Insulated", "保暖层", ""),
    "weight_g": ("Weight", "重量", "g"),
    "temperature_c": ("Comfort temperature", "舒适温度", "°C"),
    "r_value": ("R-value", "R 值", ""),
    "fill": ("Fill", "填充物", ""),
    "material": ("Material", "材质", ""),
    "capacity_l": ("Capacity", "容量", "l"),
    "capacity_ml": ("Capacity", "容量", "ml"),
    "lumens": ("Brightness", "亮度", "lm"),
    "battery_h": ("Battery life", "续航", "h"),
    "rechargeable": ("Rechargeable", "可充电", ""),
    "burn_time_h": ("Burning time", "燃烧时间", "h"),
    "max_load_kg": ("Maximum load", "最大承重", "kg"),
    "strength_kn": ("Strength", "强度", "kN"),
    "certified": ("Certified", "认证", ""),
    "dishwasher_safe": ("Dishwasher safe", "可用洗碗机清洗", ""),
    "induction": ("Works on induction", "适用电磁炉", ""),
    "oven_safe_c": ("Oven safe to", "可入烤箱，最高", "°C"),
    "diameter_cm": ("Diameter", "直径", "cm"),
    "width_cm": ("Width", "宽", "cm"),
    "height_cm": ("Height", "高", "cm"),
    "depth_cm": ("Depth", "深", "cm"),
    "length_cm": ("Length", "长", "cm"),
    "power_w": ("Power", "功率", "W"),
    "thread_count": ("Thread count", "支数", ""),
    "washable_c": ("Washable at", "可水洗，最高", "°C"),
    "frost_proof": ("Frost-proof", "耐霜冻", ""),
    "assembly_required": ("Assembly required", "需要组装", ""),
    "assembly_minutes": ("Assembly time", "组装时间", "min"),
    "vegan": ("Vegan", "纯素材料", ""),
    "laptop_in": ("Fits laptops up to", "可放笔记本电脑", "in"),
    "ankle": ("Ankle", "鞋帮", ""),
    "fit": ("Fit", "版型", ""),
    "gas_thread": ("Valve", "接口", ""),
    "servings": ("Servings", "份量", ""),
    "sun_hours": ("Sun needed", "日照需求", "h"),
    "returnable": ("Can be returned", "可退货", ""),
    "hazardous": ("Dangerous goods", "危险品", ""),
}

# Values that are words, as Chinese readers want them.
WORDS_ZH = {
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
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of product; four products of it are made, from plain to premium.

    `attributes` maps a key to a constant, to a list (product by product), or to a pair (plain, premium) of
    numbers between which the products lie. `goes_with` names kinds people buy with it or after it.
    """

    category: str
    slug: str
    name: str
    name_zh: str
    prices: tuple[int, int]  # plain and premium, whole euros
    season: str  # the time of year it sells best: spring | summer | autumn | winter | all
    pitch: str
    pitch_zh: str
    shape: str  # how pictures.py draws it
    attributes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)  # option: values separated by blanks
    goes_with: tuple[str, ...] = ()
    repeatable: bool = False
