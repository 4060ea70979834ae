"""An item of a handover as a line: deadline, area, number, and the way to it."""

from __future__ import annotations

import streamlit as st

from backend.handover import Item
from pages.shared import format as fmt
from pages.shared import messages, widgets
from pages.shared.i18n import t

_BADGES = {
    "offered": ("blue", ":material/hourglass_top:"),
    "declined": ("orange", ":material/undo:"),
    "accepted": ("green", ":material/check:"),
    "pooled": ("gray", ":material/inbox:"),
    "kept": ("gray", ":material/person:"),
    "gone": ("gray", ":material/check:"),
}


def words(item: Item) -> str:
    """Markdown: deadline, area and number."""
    due = widgets.due_chip(widgets.due_of(item.due_at.isoformat()))
    return f"{due} {t(f'handover.area.{item.area}')} **{fmt.md(item.label)}**"


def badge(item: Item) -> str:
    """Markdown of what became of an item; empty while nobody was asked."""
    if item.state not in _BADGES:
        return ""
    color, icon = _BADGES[item.state]
    return f":{color}-badge[{icon} {t(f'handover.state.{item.state}', who=item.receiver or '')}]"


def line(item: Item, *, key: str) -> None:
    """An item that is only looked at: what it is, what became of it, its note."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        note = f" :gray[{fmt.md(item.note)}]" if item.note else ""
        st.markdown(f"{words(item)} {badge(item)}{note}", width="stretch")
        messages.open_link(item.path, key=f"{key}_open_{item.id}")
