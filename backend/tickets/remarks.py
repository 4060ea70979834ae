"""The line for the platform's own order remark: what was done, which ticket, who, when.

「【补发】T-1042 客服A 11-22」. It names no amount and no person but the colleague: everybody who opens the
order on the platform reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backend.tickets import wording


def remark(what: str | Sequence[str], ticket_id: int, who: str, when: datetime, lang: str = "zh-CN") -> str:
    """One tag for each thing that was done: 「【补发】【赠品】T-1042 客服A 11-22」.

    `what` are kinds of money, types or states of a ticket; `when` is local time of the shop.
    """
    done = [what] if isinstance(what, str) else what
    tags = dict.fromkeys(wording.label("remarks", one, lang) for one in done)
    return f"{''.join(f'【{tag}】' for tag in tags)}{wording.number(ticket_id)} {who} {when:%m-%d}"
