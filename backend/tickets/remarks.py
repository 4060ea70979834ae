"""The line for the platform's own order remark: what was done, which ticket, who, when, and how.

「【补发】T-1042 客服A 11-22：补发同款一件；补偿 ¥15.00；补发单号 SF1234」. The seller's remark is read
by colleagues alone; it names no customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from backend.tickets import wording

_SHORT = 60
"""Characters of a detail (product decision): the platforms show a remark in one narrow line."""


def remark(what: str | Sequence[str], ticket_id: int, who: str, when: datetime, lang: str = "zh-CN") -> str:
    """One tag for each thing that was done: 「【补发】【赠品】T-1042 客服A 11-22」.

    `what` are kinds of money, types or states of a ticket; `when` is local time of the shop.
    """
    done = [what] if isinstance(what, str) else what
    tags = dict.fromkeys(wording.label("remarks", one, lang) for one in done)
    return f"{''.join(f'【{tag}】' for tag in tags)}{wording.number(ticket_id)} {who} {when:%m-%d}"


def with_details(line: str, details: Iterable[str], lang: str = "zh-CN") -> str:
    """The line with what else colleagues want to know, each in short: solution, amounts, parcel."""
    told = [_short(detail) for detail in details if detail.strip()]
    colon, comma = ("：", "；") if lang == "zh-CN" else (": ", "; ")
    return f"{line}{colon}{comma.join(told)}" if told else line


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"
