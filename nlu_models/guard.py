# ruff: noqa: E501  (one idea a row, in both languages)
"""What a draft may not say: anything that no fact and no passage holds.

Checked in English and Chinese: numbers and amounts (in digits and in words), dates and times, links, e-mail addresses,
names, promises, terms of the shop's policy, and whether each clause says what one sentence of the evidence says
(`claims`). The customer's own words are no evidence: "confirm that I get 500 back" must not make the reply say so.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlu_models import claims, numerals
from nlu_models.vocabulary import PLACEHOLDER


@dataclass(frozen=True)
class Objection:
    """Why a draft is refused: `code` (number, date, link, email, name, promise, policy, claim, instruction,
    placeholder), what it says."""

    code: str
    said: str


def _table(**rows: str) -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in rows.items()}


# Things a shop must not say unless it knows them. Each row is one idea in both languages: a draft that has the idea is
# refused unless the evidence has it too.
PROMISES = _table(
    guarantee=r"\bguarante\w+|\bpromis\w+|\bassur(?:e|ed|ance)\b|\bwe (?:will|'ll) make sure\b|\brest assured\b|\bdefinitely\b|\bcertainly will\b|保证|承诺|一定会|必定|绝对会|放心.{0,6}会",
    compensation=r"\bcompensat\w+|\bvoucher for\b|\bgoodwill\b|\bmake it up to you\b|\bstore credit\b|\bcredit (?:of|to)\b|赔偿|补偿|赔付|赔您|代金券|补发优惠券|店铺积分",
    free=r"\bfree\b(?! to)|\bon us\b|\bfor nothing\b|\bno (?:extra )?(?:cost|charge|fee)s?\b|\bat no (?:extra )?cost\b|\bon the house\b|\bcomplimentary\b|\bwithout charge\b|\bwaive\w*|免费|包邮|免运费|不收(?:费|取)|无需付费|免除|赠送|白送|免单",
    discount=r"\bdiscounts?\b|\b(?:half|reduced) price\b|\bcoupons?\b|\bpromo(?:tion)?(?:al)? codes?\b|\bspecial price\b|\bcheaper for you\b|\bbonus\b|折扣|打折|[一二三四五六七八九半]折|优惠|减免|立减|特价|半价",
    refund_done=r"\b(?:have|has|had|been|was|were|is|are|'ve|already)\b[^.!?]{0,20}\brefund(?:ed)?\b|\bwill (?:be )?refund(?:ed)?\b|\bwill get (?:a|your|the) (?:full )?(?:refund|money)|\b(?:we|i)(?: will|'ll)? refund(?:ed)?\b|\b(?:money|refund|amount)\b[^.!?]{0,20}\b(?:on its way|sent|transferred|paid)\b|\bmoney back\b|\bfull refund\b|退款(?:已|将|会|马上|成功)|已(?:经)?(?:为您)?退款|全额退|会退(?:款|还|您)|退还给您",
    deadline=r"\b(?:today|tonight|tomorrow|this (?:week|afternoon|evening|morning)|next (?:week|day|month|business day)|within the (?:hour|day|week)|by (?:the )?(?:end of|mon|tues|wednes|thurs|fri|satur|sun)\w*|overnight|same[- ]day|immediately|right away|straight away|in no time|any minute|as soon as possible|shortly)\b|今天|今晚|明天|后天|当天|当日|本周|下周|下个?(?:月|星期|周)|过几天|几天[后内]|次日|马上|立刻|立即|尽快|很快(?:就)?会|随时(?:会|就)到",
    replacement=r"\b(?:send|ship|get|mail)\b[^.!?]{0,20}\b(?:replacement|new one|another one)\b|\breplacement (?:is|will|has)\b|补发|重新(?:发|寄)|寄(?:一个)?新的|换新",
    exception=r"\bexception\b|\bjust (?:this once|for you)\b|\bspecial(?:ly)? for you\b|\bbend the rules\b|破例|特别为您|例外",
    cancel_done=r"\b(?:has|have|been|is|was|'ve)\b[^.!?]{0,16}\bcancel+ed\b|\b(?:i|we) (?:just )?cancel+ed\b|已(?:经)?(?:为您|帮您)?(?:成功)?取消|取消成功",
    change_done=r"\b(?:has|have|been|was|were|is|are|'ve)\b[^.!?]{0,16}\b(?:changed|updated|upgraded|shipped|dispatched|delivered)\b|\bout for delivery\b|\bin transit\b|派送中|运输中|在途|\b(?:i|we)(?:'ve| have)? (?:just )?(?:changed|updated|upgraded|shipped)\b|已(?:经)?(?:为您|帮您)?(?:修改|更改|更新|升级|发货|寄出|签收|送达)",
    in_stock=r"\bin stock\b|\bavailable (?:now|again)\b|\bback in\b|有货|现货|到货",
    out_of_stock=r"\bout of stock\b|\bsold out\b|\bnot available\b|缺货|售罄|断货|没货|无货",
)
POLICY = _table(
    warranty=r"\bwarrant\w+|\bguarantee\b|保修|质保|三包|联保",
    return_window=r"\breturn (?:window|period|right|policy)\b|\bright of withdrawal\b|\b(?:return|exchange)(?:s|ed)? (?:\w+ ){0,4}within\b|\bno[- ]questions[- ]asked\b|退货期|退换期|无理由|退货政策",
    free_return=r"\breturn(?:s|ing)? (?:\w+ ){0,3}(?:is|are) (?:free|possible|accepted)\b|\bprepaid label\b|\breturn label\b|退货(?:免费|包邮)|退货标签",
    no_return=r"\bnon[- ]?(?:returnable|refundable)\b|\bno (?:returns|refunds)\b|\bcannot be (?:returned|refunded|exchanged)\b|\bfinal sale\b|不(?:可|能|支持|接受|予)(?:退|换)|概不退换|一经售出",
    tax=r"\b(?:vat|customs|dut(?:y|ies)|import (?:tax|fee)s?|taxes)\b|关税|增值税|海关",
    insurance=r"\binsur(?:ed|ance)\b|保险|运费险",
    price_match=r"\bprice[- ]match\w*|\bprice protection\b|\blowest price\b|\bbest price\b|价保|保价|差价|全网最低",
    restocking=r"\brestocking\b|\bhandling fee\b|\bservice fee\b|\bcancellation fee\b|手续费|服务费|违约金",
    express=r"\bexpress\b|\bnext[- ]day\b|\bsame[- ]day\b|\bpriority (?:shipping|delivery)\b|加急|次日达|当日达|顺丰速运",
    payment=r"\binstal+ments?\b|\bpay ?pal\b|\balipay\b|\bwechat pay\b|\bapple pay\b|\bgoogle pay\b|\bklarna\b|\bbitcoin\b|\bcash on delivery\b|\bcrypto\w*|分期|货到付款|花呗|白条|支付宝|微信支付|比特币",
    certified=r"\bwaterproof\b|\bcertifi\w+|\borganic\b|\bvegan\b|\bfire[- ]?proof\b|\bfda\b|\bmedical(?:ly)?\b|\bsafe for (?:children|babies|kids)\b|防水|认证|有机|医用|阻燃|母婴可用",
    membership=r"\bmembers?(?:hip)?\b|\bloyalty\b|\bvip\b|\bpoints\b|会员|积分|贵宾",
    law=r"\blegal(?:ly)?\b|\blawyers?\b|\bsue\b|\bliab(?:le|ility)\b|\bour fault\b|法律|律师|起诉|责任在我|我们的错",
    secret=r"\bpasswords?\b|\bpin\b|\bcard number\b|\bcvv\b|\bsystem prompt\b|\binstructions\b|密码|卡号|验证码|系统提示",
)
# Words meant for a model, not for a customer: text hidden in a document or taken over from one who wrote to us.
INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules?|prompts?|polic(?:y|ies)|guidelines?)\b|\bsystem prompt\b|\byou are now\b|\bas an ai\b|\b(?:developer|admin|debug|god) mode\b|\bjailbreak\b|\b(?:tell|inform) (?:the|every|all) customers?\b|\bassistant ?:|(?:忽略|无视|忘记|忘掉|绕过).{0,10}(?:指令|规则|提示|要求|政策|规定)|系统提示|你现在是|(?:开发者|管理员|调试)模式|告诉(?:所有|每位|每个)?(?:顾客|客户|用户)",
    re.IGNORECASE,
)
LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'，。；）)]+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|shop|example|cn|eu|de|at|io|co|info|biz|store|app|xyz)\b(?:/[^\s<>\"'，。]*)?",
    re.IGNORECASE,
)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
CODE = re.compile(
    r"\b(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9][A-Z0-9-]{2,}\b", re.ASCII
)  # ends where Chinese begins
DATE_WORD = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|march|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|christmas|easter|new year|noon|midnight|weekends?|yesterday)\b"
    r"|(?:周|星期|礼拜)[一二三四五六日天末]|春节|国庆|元旦|双十一|双十二|圣诞|中秋|昨天|前天|上午|下午|凌晨",
    re.IGNORECASE,
)
NUMBER_WORD = re.compile(
    r"\b(?:zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|dozens?|twice|double|triple|half|quarter"
    r"|(?:a|one|per) (?:day|week|month|year|hour|minute|percent|euros?|dollars?)|a couple of|a few (?:days|hours|weeks)|fortnight)\b",
    re.IGNORECASE,
)  # fmt: skip
HAN_COUNT = re.compile(
    r"(?:[零〇二两三四五六七八九十百千万半]|一(?=[天周年月日元块折倍百千万十]|个(?:月|星期|工作日|小时)|小时))[零〇一二两三四五六七八九十百千万半]*"
)
DIGITS = re.compile(r"\d+(?:[.,:]\d+)*")
# a length of time or a share: the number alone is not enough, "2" of a product's name must not allow "two weeks"
DURATION = re.compile(
    rf"(?P<n>\d+(?:[.,]\d+)?|{numerals.WORDS}|{numerals.HAN_NUMBER})[\s-]*(?:(?:business|working|calendar|full)\s+)?(?:个)?(?P<unit>days?|weeks?|months?|years?|hours?|minutes?|percent|%|工作日|天|日(?!元)|周|星期|礼拜|月|年|小时|分钟|折)",
    re.IGNORECASE,
)
UNITS = {
    "天": "day",
    "日": "day",
    "工作日": "day",
    "周": "week",
    "星期": "week",
    "礼拜": "week",
    "月": "month",
    "年": "year",
    "小时": "hour",
    "分钟": "minute",
    "%": "percent",
}
CURRENCIES = {
    **dict.fromkeys(("€", "eur", "euro", "euros", "欧元", "欧"), "EUR"),
    **dict.fromkeys(("$", "usd", "us$", "dollar", "dollars", "bucks", "美元", "美金"), "USD"),
    **dict.fromkeys(("£", "gbp", "pound", "pounds", "quid", "英镑"), "GBP"),
    **dict.fromkeys(("¥", "￥", "cny", "rmb", "yuan", "元", "块", "块钱", "人民币"), "CNY"),
    **dict.fromkeys(("chf", "francs", "franc", "瑞士法郎"), "CHF"),
}
_SIGNS = "|".join(sorted(map(re.escape, CURRENCIES), key=len, reverse=True))
MONEY = re.compile(
    rf"(?P<before>us\$|[€$£¥￥]|\b(?:eur|usd|gbp|cny|rmb|chf))\s*(?P<a>\d+(?:[.,]\d+)*)"
    rf"|(?P<b>\d+(?:[.,]\d+)*|{numerals.HAN_NUMBER}|\b(?:{numerals.WORDS}))[ -]*(?P<after>{_SIGNS})(?![a-z]|\s*\d)",
    re.IGNORECASE,
)
PERSON_ZH = re.compile(r"[\u4e00-\u9fff]{1,3}(?:先生|女士|小姐|经理|主管|师傅|老师|总监|客服专员)")
TITLE_EN = re.compile(r"\b(?:mr|mrs|ms|dr|prof|manager|director|agent)\.? [A-Z][\w'-]+")
CAPITAL = re.compile(
    r"(?<![\w{])[A-Z][A-Za-z\u00c0-\u024f'&-]*[a-z\u00c0-\u024f][A-Za-z\u00c0-\u024f'&-]*|(?<![\w{-])[A-Z]{2,}(?![\w}-])"
)
LATIN_IN_HAN = re.compile(r"[A-Za-z][A-Za-z'&-]+")
COMPANIES_ZH = re.compile(r"顺丰|圆通|中通|申通|韵达|德邦|京东|淘宝|天猫|拼多多|邮政|极兔|百世|菜鸟|亚马逊|阿里巴巴")
COMPANIES = re.compile(
    r"\b(?:dhl|ups|fedex|dpd|gls|hermes|usps|tnt|amazon|ebay|alibaba|walmart|royal mail|post ag)\b", re.IGNORECASE
)
_STARTS = re.compile(r"(?:^|[.!?:;\n\u2022\"'(\u201c]\s*|\u3002|\uff01|\uff1f)\s*$")
ORDINARY = frozenset(
    "I I'm I'll I've I'd OK FAQ English Chinese Kefu Sorry Thanks Thank Hi Hello Hey Yes No Please Sure Of Here You Your We Our".split()  # noqa: SIM905
)

# words a reply may begin a sentence with; any other capitalised word there may be a name
STARTERS = frozenset(
    """
    a about absolutely according after afternoon again ah all also although always an and another any anything
    apologies are as ask at aw banks based because before below besides both but by bye call can cancel cards
    certain certainly change check choose click colors colours come contact could dear delivery details did do does
    don't done each either else enjoy enter evening every everything exactly exchange fair feel fill find fine
    first follow for from further gift give glad go going good goodbye got great had haha happens happy have he
    he's her here hm hold hopefully how however if in indeed information instead is it it's item items its just
    keep keeping kindly know last leave let let's like look looking lots lovely luckily lucky make many may maybe
    meanwhile more morning most much my need never next nice no none not noted nothing now often oh on once one
    only open or order orders other our over parcels parts pay payment payments people perhaps pick please pleased
    press price prices products put reach ready really refund refunds return returns right running safe same say
    see seems select send sent several shall she shipping shop should simply since size sizes so some something
    soon sounds speak standard stay still stock sure take talk tell that that's the their them then there there's
    these they they're thing things this those though to too try type under understood unfortunately until up use
    usually very wait was we we'd we'll we're we've welcome well were what what's when where which while who whole
    whom why will wish with within wonderful worries worry would write wrong yes yet you you'd you'll you're you've
    your
    """.split()  # noqa: SIM905  (a list of words reads better than a column of strings)
)


@dataclass(frozen=True)
class Evidence:
    """What may be said: facts of the case (name -> value) and the texts of the passages found."""

    facts: Mapping[str, Any]
    passages: Sequence[str] = ()

    @property
    def text(self) -> str:
        """Everything known as one text; names of facts count ("refund_amount" is about a refund)."""
        names = " ".join(self.facts).replace("_", " ")
        values = "\n".join(str(value) for value in self.facts.values())
        return "\n".join([*self.passages, values, names, *self._meant()])

    def _meant(self) -> list[str]:
        """What a fact says without saying it: a stock of 7 is "in stock", `label_days` 14 is "14 days"."""
        said = []
        for name, value in self.facts.items():
            text = str(value).strip()
            if name == "stock" and text.isdigit():
                said.append("in stock, 有货, 现货" if int(text) else "out of stock, sold out, 缺货, 售罄")
            for unit, spoken in (("days", "天"), ("months", "个月"), ("hours", "小时"), ("years", "年")):
                if name.endswith(f"_{unit}") and text.isdigit():
                    said.append(f"{text} {unit}, {text}{spoken}")
        return said


def check(
    draft: str, evidence: Evidence, *, approved: Iterable[str] = (), words: Iterable[str] = ()
) -> list[Objection]:
    """All objections to a draft; an empty list lets it through.

    Args:
        draft: the reply as the customer would read it, placeholders filled.
        words: terms (`claims.terms`) of the shop's approved replies for this wish, which a draft may use in other order.
        approved: sentences the shop has approved word for word (placeholders filled): their promises and policy terms
            pass, their numbers, dates, links and names are checked like everybody's.
    """
    said, known = _fold(draft), _fold(evidence.text)
    found = [Objection("placeholder", match.group()) for match in PLACEHOLDER.finditer(draft)]
    found += [Objection("instruction", match.group()) for match in INSTRUCTION.finditer(said)]
    found += _missing("link", LINK, said, known)
    found += _missing("email", EMAIL, said, known)
    found += _numbers(said, known)
    found += _missing("date", DATE_WORD, said, known)
    found += _names(said, known) + _models(said, known)
    free = _without(said, [*approved, *evidence.passages])
    found += _ideas("promise", PROMISES, free, known)
    found += _ideas("policy", POLICY, free, known)
    held = claims.ground(evidence.facts, map(_fold, evidence.passages), words)
    found += [Objection("claim", clause) for clause in claims.unsupported(free, held)]
    return list(dict.fromkeys(found))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'")


def _without(draft: str, approved: Iterable[str]) -> str:
    for sentence in sorted(map(_fold, approved), key=len, reverse=True):
        if sentence.strip():
            draft = draft.replace(sentence.strip(), " ")
    return draft


def _missing(code: str, pattern: re.Pattern[str], said: str, known: str) -> list[Objection]:
    low = known.lower()
    return [Objection(code, m.group()) for m in pattern.finditer(said) if m.group().lower().rstrip("/.") not in low]


def _numbers(said: str, known: str) -> list[Objection]:
    """Every number of the draft must be one of the evidence, by value: "five" and 5 are the same; so must an amount of
    money, with its currency."""
    allowed = _values(known)
    found = [Objection("number", m.group()) for m in CODE.finditer(said) if m.group() not in known]
    known_durations = _durations(known)
    found += [
        Objection("number", text) for text, meant in _durations(said).items() if meant not in known_durations.values()
    ]
    held = _money(known)
    found += [Objection("number", text) for text, meant in _money(said).items() if meant not in held.values()]
    rest = CODE.sub(" ", said)
    for pattern in (DIGITS, NUMBER_WORD, HAN_COUNT):
        for match in pattern.finditer(rest):
            if (match.group().lower() not in known.lower() and numerals.value(match.group()) not in allowed) or (
                pattern is DIGITS
                and not _whole_number(match.group(), known)
                and numerals.value(match.group()) not in allowed
            ):
                found.append(Objection("number", match.group()))
    return found


def _durations(text: str) -> dict[str, tuple[float | None, str]]:
    """What is said -> (number, unit)."""
    found = {}
    for match in DURATION.finditer(text):
        unit = match.group("unit").lower()
        found[match.group()] = (numerals.value(match.group("n")), UNITS.get(unit, unit.rstrip("s")))
    return found


def _money(text: str) -> dict[str, tuple[float | None, str]]:
    """What is said -> (amount, currency)."""
    found = {}
    for match in MONEY.finditer(text):
        currency = (match.group("before") or match.group("after")).lower()
        found[match.group()] = (numerals.value(match.group("a") or match.group("b")), CURRENCIES[currency])
    return found


def _whole_number(said: str, known: str) -> bool:
    """Whether the digits stand in the evidence as a number of their own: "4" is not in "K-104233"."""
    return re.search(rf"(?<![\d.,]){re.escape(said)}(?![\d]|[.,]\d)", known) is not None


def _values(text: str) -> set[float]:
    found: set[float] = set()
    for pattern in (DIGITS, NUMBER_WORD, HAN_COUNT):
        for match in pattern.finditer(text):
            value = numerals.value(match.group())
            if value is not None:
                found.add(value)
    return found


def _names(said: str, known: str) -> list[Objection]:
    low = known.lower()
    found = _missing("name", PERSON_ZH, said, known) + _missing("name", TITLE_EN, said, known)
    found += _missing("name", COMPANIES_ZH, said, known) + _missing("name", COMPANIES, said, known)
    words = set(re.findall(r"[\w'&-]+", low))
    said = CODE.sub(lambda match: match.group() if match.group().isalpha() else " ", said)
    han = len(re.findall(r"[\u3400-\u9fff]", said)) * 2 > len(said.split())
    for match in (LATIN_IN_HAN if han else CAPITAL).finditer(said):
        name = match.group()
        bare = name.removesuffix("'s").rstrip("'")
        if bare.lower() in words or name in ORDINARY or bare in ORDINARY or EMAIL.search(name):
            continue
        if not han and bare.lower() in STARTERS and _STARTS.search(said[: match.start()]):
            continue  # the first word of a sentence has a capital whatever it is
        if not any(objection.said.find(name) >= 0 for objection in found):
            found.append(Objection("name", name))
    return found


def _models(said: str, known: str) -> list[Objection]:
    """ "Nordlys 3" where the evidence knows a Nordlys 2 only."""
    found = []
    for match in re.finditer(r"\b([A-Z][\w-]+) (\d{1,4})\b(?![\d:.,%])", said):
        others = re.search(rf"\b{re.escape(match.group(1))} \d", known, re.IGNORECASE)
        if others and match.group().lower() not in known.lower() and not DATE_WORD.search(match.group(1)):
            found.append(Objection("name", match.group()))
    return found


def _ideas(code: str, table: Mapping[str, re.Pattern[str]], said: str, known: str) -> list[Objection]:
    found = []
    for pattern in table.values():
        match = pattern.search(said)
        if match and not pattern.search(known):
            found.append(Objection(code, match.group().strip()))
    return found
