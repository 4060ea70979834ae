"""Cells of sheets: what a word of a platform means, figures with percent signs, durations."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal

from backend.imports.cells import BadCell, plain, text

_NOISE = re.compile(r"[\s,.;:，。；：、/|·\-—_()（）]+")
_CLOCK = re.compile(r"(\d{1,3}):([0-5]?\d)(?::([0-5]?\d))?")
_SPELT = re.compile(
    r"(?:(\d{1,3}(?:\.\d{1,4})?)(?:小时|时|h))?(?:(\d{1,3})(?:分钟|分|m))?(?:(\d{1,4})(?:秒|s))?"
)
_CELL = re.compile(r"(?:1899-12-30|1904-01-01)(\d\d):(\d\d):(\d\d)")  # of a workbook: a time of its day zero
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,6})?")
_LONGEST = 300
_DAY = 24 * 3600  # seconds
_NO_TAG = re.compile(r"\d{5}|@|[\]\[{}<>\"\\]")  # what `private.are_tags` refuses


def chosen(words: Mapping[str, str], key: str) -> Callable[[str], str | None]:
    """A reader for cells that hold one of some words: meaning -> words, divided by blanks.

    Raises BadCell `key`. The cell's own word is not told: it may be somebody's name in the wrong column.
    """
    meanings = {_folded(word): meaning for meaning, listed in words.items() for word in listed.split()}

    def read(raw: str) -> str | None:
        value = text(raw)
        if not value:
            return None
        found = meanings.get(_folded(value))
        if found is None:
            raise BadCell(key)
        return found

    return read


def has(signs: Mapping[str, str], key: str) -> Callable[[str], str | None]:
    """Like `chosen`, but a word that comes anywhere in the cell decides; the first listed wins."""
    listed = [(word, meaning) for meaning, words in signs.items() for word in words.split()]

    def read(raw: str) -> str | None:
        value = _folded(text(raw))
        if not value:
            return None
        found = next((meaning for word, meaning in listed if word in value), None)
        if found is None:
            raise BadCell(key)
        return found

    return read


def words(raw: str) -> str | None:
    """Free words of at most 300 characters. Raises BadCell `text_long`."""
    value = text(raw)
    if len(value) > _LONGEST:
        raise BadCell("text_long", {"limit": _LONGEST})
    return value or None


def account(raw: str) -> str | None:
    """The name of an account on a platform, at most 60 characters. Raises BadCell `text_long`."""
    value = plain(raw)
    if len(value) > 60:
        raise BadCell("text_long", {"limit": 60})
    return value or None


def tags(raw: str) -> str | None:
    """Short words divided by commas or the like, joined by `、`: at most ten. Raises BadCell `tags`."""
    found = re.split(r"[,;、/|\n]+", unicodedata.normalize("NFKC", text(raw)))
    cleaned = list(dict.fromkeys(word.strip() for word in found if word.strip()))
    if len(cleaned) > 10 or any(len(word) > 20 or _NO_TAG.search(word) for word in cleaned):
        raise BadCell("tags")
    return "、".join(cleaned) or None


def seconds(raw: str) -> Decimal | None:
    """A duration in seconds: 25.5, 0:25, 00:01:10, 1分10秒. Raises BadCell `duration`."""
    return _duration(raw, unit=Decimal(1))


def online(raw: str) -> Decimal | None:
    """A duration of a day in minutes; a bare figure means hours (`登录时长 7.5`). Raises BadCell `duration`,
    `duration_day`."""
    value = _duration(raw, unit=Decimal(3600))
    if value is not None and value > _DAY:
        raise BadCell("duration_day")
    return None if value is None else (value / 60).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _duration(raw: str, *, unit: Decimal) -> Decimal | None:
    value = "".join(unicodedata.normalize("NFKC", text(raw)).lower().split())
    if not value:
        return None
    if _NUMBER.fullmatch(value):
        return Decimal(value) * unit
    if clock := _CLOCK.fullmatch(value):
        first, second, third = clock.groups()
        if third is None:
            return Decimal(int(first) * 60 + int(second)) * (60 if unit > 1 else 1)
        return Decimal(int(first) * 3600 + int(second) * 60 + int(third))
    if cell := _CELL.fullmatch(value):
        hour, minute, second = cell.groups()
        return Decimal(int(hour) * 3600 + int(minute) * 60 + int(second))
    spelt = _SPELT.fullmatch(value)
    if spelt and any(spelt.groups()):
        hours, minutes, rest = (Decimal(part or 0) for part in spelt.groups())
        return hours * 3600 + minutes * 60 + rest
    raise BadCell("duration")


def _folded(value: str) -> str:
    return _NOISE.sub("", unicodedata.normalize("NFKC", value)).lower()
