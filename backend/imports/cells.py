"""One cell at a time: text, numbers of orders, money, quantities and times as shop files really write them.

Every function takes the cell's text and either answers a value (None for a blank cell) or raises
`BadCell` with the key of the reason. Nothing is guessed: a number that may have lost digits is refused.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from backend.imports.records import Params

BLANKS = frozenset({"-", "--", "---", "—", "——", "\\N", "null", "NULL", "None", "nan", "NaN", "N/A", "#N/A"})
_NOT_NUMBERS = frozenset({"nan", "NaN", "N/A", "#N/A"})  # blank as words, wrong as figures
EXCEL_EPOCH = datetime(1899, 12, 30)
CENT = Decimal("0.01")

# Controls become nothing, line breaks and odd blanks become a space; direction marks and zero-width signs go,
# because they make two equal texts look different and a different text look equal.
_HIDDEN = [
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x206A),
    0xFEFF,
    0x061C,
    0x180E,
    0xAD,
]
_TABLE: dict[int, str | None] = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), *_HIDDEN]),
    **dict.fromkeys([9, 10, 11, 12, 13, 0x85, 0xA0, 0x2028, 0x2029, 0x202F, 0x3000], " "),
}
_WRAPPED = re.compile(r'="(.*)"', re.S)
_PROTECTED = re.compile(r"'(?=[\s=+\-@＝＋－＠])")
_QUOTES = "'‘’`＇"
_SCIENTIFIC = re.compile(r"\d+(?:\.\d+[eE][+-]?|[eE]\+)\d+")
_DECIMAL_ID = re.compile(r"\d+\.\d*")
_ID = re.compile(r"[0-9A-Za-z#][0-9A-Za-z#_\-./:]{0,63}")
_MONEY = re.compile(r"(?:\d{1,12}|\d{1,3}(?:,\d{3}){1,3})(?:\.\d{1,20})?")
_COUNT = re.compile(r"(\d{1,9})(?:\.0+)?(?:件|个|PCS|pcs)?")
_WHEN = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[ T]*(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})(?:\.\d+)?)?[分秒]?)?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?"
)
_COMPACT = re.compile(r"(20\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?")
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?")


class BadCell(Exception):  # noqa: N818 - a verdict on one cell, caught by the row's reader
    """The cell cannot be read; `key` and `params` as in reasons.py."""

    def __init__(self, key: str, params: Params | None = None) -> None:
        super().__init__(key)
        self.key = key
        self.params: Params = params or {}


def text(raw: str) -> str:
    """The cell's words: unwrapped from `="…"`, without control and direction signs, '' for a blank word."""
    value = raw.strip()
    if value.isprintable() and value[:1] not in ("=", "'"):
        return "" if value in BLANKS else value
    return _unusual(value)


def _unusual(value: str) -> str:
    value = value.translate(_TABLE).strip()
    wrapped = _WRAPPED.fullmatch(value)
    if wrapped:
        value = wrapped.group(1).replace('""', '"').strip()
    elif _PROTECTED.match(value):
        value = value[1:].strip()  # a careful exporter (ours too) wrote the quote: it is not part of the text
    return "" if value in BLANKS else value


def plain(raw: str) -> str:
    """Text of ids, phones and postcodes: full-width signs made plain, the quote that forces text dropped."""
    value = text(raw)
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value)
    return value.lstrip(_QUOTES).strip()


def ident(raw: str) -> str | None:
    """An order, tracking or product number, digit for digit as in the file.

    Raises BadCell `id_scientific` (digits lost), `id_decimal`, `id_formula` or `id_form`.
    """
    value = plain(raw)
    if not value:
        return None
    if value.isdigit() and len(value) <= 64:
        return value
    if _SCIENTIFIC.fullmatch(value):
        raise BadCell("id_scientific")
    if _DECIMAL_ID.fullmatch(value):
        raise BadCell("id_decimal")
    if value[0] in "=+@":
        raise BadCell("id_formula")
    if not _ID.fullmatch(value):
        raise BadCell("id_form")
    return value


def sku(raw: str) -> str | None:
    """A merchant's product code: any printable text up to 100 signs, but no number in scientific form."""
    value = plain(raw)
    if not value:
        return None
    if _SCIENTIFIC.fullmatch(value):
        raise BadCell("id_scientific")
    if len(value) > 100:
        raise BadCell("text_long", {"limit": 100})
    return value


@lru_cache(maxsize=4096)
def money(raw: str) -> Decimal | None:
    """Yuan with two decimals, rounded half up. Accepts ¥, 元, CNY, thousands commas and full-width digits.

    Raises BadCell `amount`: negative, not a number, infinite, scientific or of another form.
    """
    value = unicodedata.normalize("NFKC", text(raw)).lstrip("'").replace(" ", "")
    if not value and raw.strip() not in _NOT_NUMBERS:
        return None
    for sign in ("CNY", "RMB", "¥", "$", "元"):
        value = value.removeprefix(sign).removesuffix(sign)
    if not _MONEY.fullmatch(value):
        raise BadCell("amount")
    return Decimal(value.replace(",", "")).quantize(CENT, ROUND_HALF_UP)


def quantity(raw: str) -> int | None:
    """A positive whole number of pieces. Raises BadCell `quantity`."""
    amount = count(raw, key="quantity")
    if amount == 0:
        raise BadCell("quantity")
    return amount


def count(raw: str, *, key: str = "count") -> int | None:
    """A whole number, zero included. Raises BadCell `key`."""
    value = unicodedata.normalize("NFKC", text(raw)).lstrip("'").replace(",", "").replace(" ", "")
    if not value:
        return None
    found = _COUNT.fullmatch(value)
    if not found:
        raise BadCell(key)
    return int(found.group(1))


def clock(zone: tzinfo, *, serials: bool) -> Callable[[str], datetime | None]:
    """A reader of times in `zone`; `serials` also reads Excel's day numbers (workbooks only)."""

    def when(raw: str) -> datetime | None:
        value = raw.strip()
        if len(value) == 19 and value[4] == "-" and value[10] == " " and value[16] == ":":
            try:
                return _sane(datetime.fromisoformat(value).replace(tzinfo=zone))
            except ValueError:
                pass  # another form of the same length: the careful reader below decides
        return _when(value, zone, serials=serials) if value else None

    return when


def _when(raw: str, zone: tzinfo, *, serials: bool) -> datetime | None:
    value = unicodedata.normalize("NFKC", text(raw)).lstrip("'").strip()
    if not value or value.startswith("0000-00-00"):
        return None
    if serials and _SERIAL.fullmatch(value):
        return _sane(serial_time(float(value)).replace(tzinfo=zone))
    found = _WHEN.fullmatch(value)
    if found:
        return _moment(found.groups()[:6], found.group(7), zone)
    found = _COMPACT.fullmatch(value)
    if found:
        return _moment(found.groups(), None, zone)
    raise BadCell("time")


def _moment(parts: tuple[str | None, ...], offset: str | None, zone: tzinfo) -> datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        if offset in ("Z", "UTC"):
            offset = "+0000"
        written = datetime.strptime(offset, "%z").tzinfo if offset else zone
        return _sane(datetime(year, month, day, hour, minute, second, tzinfo=written))
    except ValueError:
        raise BadCell("time") from None


def _sane(moment: datetime) -> datetime:
    """Refuses years that only a broken cell has (an empty date of 1900, a typing error)."""
    if not 2000 <= moment.year <= 2100:
        raise BadCell("time")
    return moment


def serial_time(serial: float, *, from_1904: bool = False) -> datetime:
    """Excel's day number as a time without zone, to the second. Raises BadCell `time` beyond year 9999."""
    try:
        return EXCEL_EPOCH + timedelta(days=1462 if from_1904 else 0, seconds=round(serial * 86400))
    except (OverflowError, ValueError):
        raise BadCell("time") from None


def address_of_ip(raw: str) -> str | None:
    """The client address, normalised: the first of a forwarded list, without a port. Words and masks that
    stand for an unknown address are None. Raises BadCell `ip`."""
    value = plain(raw).split(",")[0].strip()
    if not value or "*" in value or value.lower() in ("unknown", "localhost"):
        return None
    if value.count(":") == 1:
        value = value.partition(":")[0]
    try:
        found = ip_address(value)
    except ValueError:
        raise BadCell("ip") from None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found)
