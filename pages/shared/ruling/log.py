"""Who changed which rule, when, and what: below the cards of the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue.words import kind_name

_SWITCHES = ("is_active", "is_blocking")
Row = Mapping[str, Any]


def draw(rows: Sequence[Row], user: User) -> None:
    """The changes, folded away; nothing while nobody changed a rule."""
    if not rows:
        return
    with st.expander(t("rules.log", count=len(rows)), icon=":material/history:"):
        for row in rows:
            shop = user.shop(row["shop_id"])
            place = shop.name if shop else plain("rules.default")
            kind = kind_name(row["kind"])
            who = row["who"] or plain("rules.log_system")
            st.markdown(f"**{md(kind)}** · {md(place)} · {md(what(row))}")
            st.caption(md(f"{who} · {frame.clock(row['at'])}"))


def what(row: Row) -> str:
    """The values a change set anew, in words. Plain text."""
    if row["action"] == "reset":
        return plain("rules.log_reset")
    after, before = row["after"], row["before"] or {}
    parts = [_value(name, after[name]) for name in sorted(after) if after[name] != before.get(name)]
    return plain("rules.log_joiner").join(parts) or plain("rules.log_same")


def _value(name: str, value: Any) -> str:
    if name in _SWITCHES:
        return plain(f"rules.log.{name}.{str(bool(value)).lower()}")
    if name == "severity":
        return plain(f"rules.severity.{value}")
    if name == "waived_by":
        return plain("rules.waived_by", who=plain(f"rules.waiver.{value}"))
    return plain("rules.log.params")
