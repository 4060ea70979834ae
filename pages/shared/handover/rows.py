"""An item of a handover as a line: deadline, area, number, what became of it."""

from __future__ import annotations

import streamlit as st

from backend.handover import Item
from pages.shared import format as fmt
from pages.shared import widgets
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
    """Markdown: deadline, area and number, which opens the item in another tab."""
    due = widgets.due_chip(widgets.due_of(item.due_at.isoformat()))
    return f"{due} {t(f'handover.area.{item.area}')} [{fmt.md(item.label)}]({item.path})"


def badge(item: Item) -> str:
    """Markdown of what became of an item; empty while nobody was asked."""
    if item.state not in _BADGES:
        return ""
    color, icon = _BADGES[item.state]
    return f":{color}-badge[{icon} {t(f'handover.state.{item.state}', who=item.receiver or '')}]"


def line(item: Item) -> None:
    """An item that is only looked at: what it is, what became of it, its note."""
    note = f" :gray[{fmt.md(item.note)}]" if item.note else ""
    st.markdown(f"{words(item)} {badge(item)}{note}")
