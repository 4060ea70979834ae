"""Who changed which figure of the authority table, when, from what to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend.tickets.authority import Change
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t


def draw(found: Sequence[Change], user: User) -> None:
    """The changes, folded away; nothing while nobody changed anything."""
    if not found:
        return
    with st.expander(t("authority.log", count=len(found)), icon=":material/history:"):
        for change in found:
            shop = user.shop(change.shop_id)
            place = shop.name if shop else plain("authority.default")
            st.markdown(f"**{md(_name(change))}** · {md(place)} · {md(what(change))}")
            st.caption(md(f"{change.who or '—'} · {frame.clock(change.at)}"))


def _name(change: Change) -> str:
    if change.entity == "price_platform":
        return f"{plain('authority.platforms')} {plain(f'platform.{change.name}')}"
    return plain(f"authority.pot.{change.name}")


def what(change: Change) -> str:
    """`¥500 · 90 天 → ¥300 · 30 天`. Plain text."""
    if change.action == "reset":
        return plain("authority.log_reset")
    after = _values(change, change.after)
    return f"{_values(change, change.before)} → {after}" if change.before else after


def _values(change: Change, values: Mapping[str, Any]) -> str:
    if change.entity == "price_platform":
        return (
            plain("authority.days", days=values["days"])
            if values.get("is_active")
            else plain("authority.off")
        )
    if values.get("agent_limit") is None:
        return plain("authority.none")
    parts = [fmt.money(values["agent_limit"]).removesuffix(".00")]
    if values.get("customer_days"):
        parts.append(plain("authority.per_customer", days=values["customer_days"]))
    return " · ".join(parts)
