"""Leads in words: L-1042, labels of stages, sources and reasons, and why a lead has its grade.

The words lie in words.json. One term has one meaning: 退回 is a person's choice, 超时退回 the deadline's.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from backend.leads.models import PromiseRow

Table = Mapping[str, Mapping[str, str]]
"""key -> language -> word"""

_WORDS: Final[Mapping[str, Table]] = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z])[Ll][- ]?([0-9]{1,12})(?![0-9A-Za-z])")
_FACTS: Final = {"intent": "intents", "budget": "budgets", "source": "sources", "recency": "recency"}


def number(lead_id: int) -> str:
    """How people call a lead: L-1042."""
    return f"L-{lead_id}"


def numbers_in(text: str) -> list[int]:
    """The leads that a text names, each once: L-1042, l1042."""
    return list(dict.fromkeys(int(found) for found in _NUMBER.findall(unicodedata.normalize("NFKC", text))))


def label(table: str, key: str | None, lang: str = "zh-CN") -> str:
    """The word for a key of a table (stages, sources, channels …); an unknown key stands for itself."""
    words = _WORDS[table].get(key or "")
    return words["zh-CN" if lang.startswith("zh") else "en"] if words else key or ""


def keys(table: str) -> tuple[str, ...]:
    """The keys of a table, in the order in which people see them."""
    return tuple(_WORDS[table])


def promise_standing(row: PromiseRow) -> str:
    """The key of promise_states: open and past its time is broken, kept after it kept_late."""
    if row.is_broken:
        return "broken"
    return "kept_late" if row.state == "kept" and row.is_on_time is False else row.state


def why_grade(grade: str, reasons: Mapping[str, Any], lang: str = "zh-CN") -> str:
    """「A：高意向 · 购买力高 · 直播留资 · 24 小时内」, or the reason of the person who set it."""
    if "reason" in reasons:
        said = [label("grade_reasons", reasons["reason"], lang)]
    else:
        facts = reasons.get("facts", {})
        said = [label(table, facts[fact], lang) for fact, table in _FACTS.items() if fact in facts]
    return f"{grade}{'：' if lang.startswith('zh') else ': '}{' · '.join(said)}"
