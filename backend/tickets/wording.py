"""Tickets in words: T-1042, labels of types, states and channels, and what a ticket's history says.

The words lie in words.json. One term has one meaning: 解决 is not 关闭, 登记 comes before 派单.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Final

Table = Mapping[str, Mapping[str, str]]
"""key -> language -> word"""

_WORDS: Final[Mapping[str, Table]] = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z])[Tt][- ]?([0-9]{1,12})(?![0-9A-Za-z])")


def number(ticket_id: int) -> str:
    """How people call a ticket: T-1042."""
    return f"T-{ticket_id}"


def numbers_in(text: str) -> list[int]:
    """The tickets that a text names, each once: T-1042, t1042."""
    return list(dict.fromkeys(int(found) for found in _NUMBER.findall(unicodedata.normalize("NFKC", text))))


def label(table: str, key: str | None, lang: str = "zh-CN") -> str:
    """The word for a key of a table (types, states, channels …); an unknown key stands for itself."""
    words = _WORDS[table].get(key or "")
    return words[_language(lang)] if words else key or ""


def keys(table: str) -> tuple[str, ...]:
    """The keys of a table, in the order in which people see them."""
    return tuple(_WORDS[table])


def _language(lang: str) -> str:
    return "zh-CN" if lang.startswith("zh") else "en"
