"""Opening a customer's contact on the record: whose work it is opens it, anybody else says why."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.orders.models import REVEAL_REASONS
from pages.shared import widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t


def ask(key: str, *, mine: bool) -> tuple[bool, str | None]:
    """The button, with a reason beside it unless the work is mine: whether it was pressed, and the reason."""
    reason = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if not mine:
            reason = st.selectbox(
                t("orders.reveal_reason"),
                REVEAL_REASONS,
                index=None,
                placeholder=plain("orders.reveal_reason"),
                format_func=lambda code: plain(f"orders.reveal.{code}"),
                key=f"{key}_reason",
                label_visibility="collapsed",
                width=220,
            )
        sent = st.button(
            t("orders.reveal"),
            key=key,
            icon=":material/visibility:",
            disabled=not mine and reason is None,
            help=t("orders.reveal_help"),
        )
    return sent, reason


def show(clear: object, names: Mapping[str, str], *, key: str) -> None:
    """What is known of `clear`, each with a copy button, in this run alone; `names`: field → its name."""
    for field, name in names.items():
        text = str(getattr(clear, field) or "")
        if text:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f":gray[{md(name)}] {md(text)}", width="stretch")
                widgets.copy_button(text, key=f"{key}_copy_{field}")


def order_cells() -> dict[str, str]:
    """The fields of an order's contact, as they are called in this run's language."""
    return {cell: plain(f"orders.cell.{cell}") for cell in ("receiver", "phone", "address", "note")}
