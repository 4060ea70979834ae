"""Is there a number a courier could call?

The hard rule for mobiles is `1[3-9]` and nine more digits: lists of assigned prefixes go stale with number
portability and new segments, so they only ever lead to a note.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers

from backend.checks.models import PhoneState, PhoneVerdict

# Prefixes without ordinary subscribers (machine cards, not assigned): worth a look, never a refusal.
RARE_PREFIXES = frozenset(
    "140 141 142 143 144 146 148 154 160 161 163 164 168 169 179 194".split()  # noqa: SIM905
)

_NOTHING = frozenset(
    {"", "-", "--", "/", "\\", "0", "无", "没有", "暂无", "空", "null", "none", "nan", "n/a", "na", "(空)"}
)
_MOBILE = re.compile(r"1[3-9]\d{9}")
# Three-digit area codes are 010 and 02x only; with four digits a number of six would otherwise pass as seven.
_LANDLINE = re.compile(r"(?:010|02\d|0[3-9]\d{2})\d{7,8}")
_SERVICE = re.compile(r"[48]00\d{7}")
_EXTENSION = re.compile(
    r"^(?P<main>.*?\d)\s*(?:转|转接|分机号?|ext\.?|x|#|,|;|_|-{1,2})\s*(?P<ext>\d{1,6})$", re.IGNORECASE
)
_EXCEL = re.compile(r'^=\s*"(.*)"$', re.DOTALL)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−－﹣─ー", "-"))
_STARS = str.maketrans(dict.fromkeys("＊∗●•※✱", "*"))
_JOINTS = re.compile(r"[\s\-()\[\]【】().·_]+")
_STRONG_SPLIT = re.compile(r"[/;|、\\\n]|(?:或者?)|,")
_LABEL = re.compile(r"^(?:手机号?码?|联系电话|电话号?码?|电话|tel|mobile|phone)\s*[:：]?\s*", re.IGNORECASE)
_REGION_OF_PROVINCE = {"香港特别行政区": "HK", "澳门特别行政区": "MO", "台湾省": "TW"}
_STATE_OF_REGION: dict[str, PhoneState] = {"HK": "hk", "MO": "mo", "TW": "tw"}
_COUNTRY_CODES = {"852": "HK", "853": "MO", "886": "TW"}


def clean(raw: str | None) -> str:
    """The cell as text: Excel quoting and full-width forms undone, invisible characters dropped."""
    text = unicodedata.normalize("NFKC", raw or "").translate(_DASHES).translate(_STARS)
    text = "".join(c for c in text if unicodedata.category(c) not in {"Cf", "Cc"} or c in "\t\n").strip()
    quoted = _EXCEL.match(text)
    text = (quoted.group(1) if quoted else text).strip().strip("'\"`‘’“”").strip()
    return _LABEL.sub("", text)


def normalise(raw: str | None, *, province: str | None = None) -> str:
    """Digits without the +86 prefix; an extension follows a `-`. Unusable input comes back as text."""
    return classify(raw, province=province).normalised


def classify(raw: str | None, *, province: str | None = None) -> PhoneVerdict:
    """Judge a raw phone cell; `province` (canonical) opens the local forms of Hong Kong, Macao and Taiwan.

    Several numbers in one cell are fine when one of them can be called. Problems: `empty`, `masked`,
    `length`, `form`, `landline` (too short or without area code), `region` (a number of Hong Kong, Macao,
    Taiwan or abroad that is impossible there, or lacks its country code).
    """
    region = _REGION_OF_PROVINCE.get(province or "")
    if raw and region is None and raw.isascii() and _MOBILE.fullmatch(raw):
        return PhoneVerdict("mobile", raw, None, 11)  # what nearly every cell holds
    text = clean(raw)
    if text.lower() in _NOTHING or not re.search(r"[\d*]", text):
        return PhoneVerdict("absent", "", "empty", 0)
    verdict = _judge(text, region)
    if verdict.state != "bad":
        return verdict
    for pattern in (_STRONG_SPLIT, re.compile(r"\s+")):
        pieces = [piece.strip() for piece in pattern.split(text) if piece.strip()]
        for piece in pieces if len(pieces) > 1 else ():
            other = _judge(_LABEL.sub("", piece), region)
            if other.state not in {"bad", "absent", "masked"}:
                return other
    return verdict


def _judge(text: str, region: str | None) -> PhoneVerdict:
    digits = sum(c.isdigit() and c.isascii() for c in text)
    if _is_masked(text):
        return PhoneVerdict("masked", text[:32], "masked", digits)
    return (
        (_regional(text, digits, region) if region else None)
        or _plain(text, digits)
        or _with_extension(text, digits)
        or _regional(text, digits, None)
        or PhoneVerdict("bad", text[:32], _problem(text, digits), digits)
    )


def _is_masked(text: str) -> bool:
    if "*" in text:
        return True
    return bool(re.fullmatch(r"1?\d{0,3}-?[xX]{3,}-?\d{0,4}", text.replace(" ", "")))


def _strip_country(number: str) -> str:
    """Drop +86 / 0086 / 86 and the trunk 0 that some write before a mobile."""
    for prefix in ("+0086", "0086", "+86", "86"):
        rest = number[len(prefix) :]
        if number.startswith(prefix) and (
            _MOBILE.fullmatch(rest) or prefix != "86" or _LANDLINE.fullmatch(rest)
        ):
            number = rest
            break
    return number[1:] if _MOBILE.fullmatch(number[1:]) and number[:1] == "0" else number


def _plain(text: str, digits: int) -> PhoneVerdict | None:
    joined = _JOINTS.sub("", text)
    number = _strip_country(joined)
    if _MOBILE.fullmatch(number):
        return PhoneVerdict("mobile", number, None, digits)
    if _LANDLINE.fullmatch(number):
        return PhoneVerdict("landline", number, None, digits)
    if joined != number and _LANDLINE.fullmatch("0" + number) and not number.startswith("1"):
        return PhoneVerdict(
            "landline", "0" + number, None, digits
        )  # +86 571 8888 6666: the trunk 0 is left out abroad
    if joined != number and re.fullmatch(r"10\d{8}", number):
        return PhoneVerdict("landline", "0" + number, None, digits)  # +86 10 8888 6666
    if _SERVICE.fullmatch(number):
        return PhoneVerdict("service", number, None, digits)
    return None


def _with_extension(text: str, digits: int) -> PhoneVerdict | None:
    """A virtual number of a platform (`13912345678-1234`, `…转1234`, `…[1234]`) or a landline extension."""
    found = _EXTENSION.match(re.sub(r"[\[(【]\s*(\d{1,6})\s*[\])】]$", r"-\1", text))
    if not found:
        return None
    main = _plain(found.group("main"), digits)
    if main is None:
        return None
    state: PhoneState = "privacy" if main.state == "mobile" else main.state
    if state == "privacy" and len(found.group("ext")) < 2:
        return None
    return PhoneVerdict(state, f"{main.normalised}-{found.group('ext')}", None, digits)


def _regional(text: str, digits: int, region: str | None) -> PhoneVerdict | None:
    joined = _JOINTS.sub("", text)
    if not re.fullmatch(r"\+?\d{6,17}", joined):
        return None
    international = joined.lstrip("+").removeprefix("00") if joined.startswith(("+", "00")) else ""
    for code, name in _COUNTRY_CODES.items():
        bare = international or joined
        if bare.startswith(code) and _valid(bare[len(code) :].lstrip("0"), name):
            return PhoneVerdict(_STATE_OF_REGION[name], bare, None, digits)
    if region and _valid(joined, region):
        return PhoneVerdict(_STATE_OF_REGION[region], joined, None, digits)
    if (
        international
        and not international.startswith(("86", "852", "853", "886"))
        and _valid("+" + international, None)
    ):
        return PhoneVerdict("foreign", "+" + international, None, digits)
    return None


@lru_cache(maxsize=4096)
def _valid(number: str, region: str | None) -> bool:
    if region == "HK" and re.fullmatch(r"[4-9]\d{7}", number):
        return True
    if region == "MO" and re.fullmatch(r"(?:6\d|28|8\d)\d{6}", number):
        return True
    if region == "TW" and re.fullmatch(r"0?9\d{8}", number):
        return True
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _problem(text: str, digits: int) -> str:
    joined = _JOINTS.sub("", text)
    if not re.fullmatch(r"\+?\d+", joined):
        return "form"
    if joined.startswith("+") and not joined.startswith("+86"):
        return "region"
    number = _strip_country(joined)
    if re.fullmatch(r"(?:00?(?:852|853|886)\d+|09\d{8})", number):
        return "region"
    if number.startswith("0") or (re.fullmatch(r"[2-9]\d{6,7}", number) and digits <= 8):
        return "landline"
    return "length" if len(number) != 11 else "form"
