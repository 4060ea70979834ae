"""领取下一单: the next free order by deadline, and the list of keys that make it quick."""

from __future__ import annotations

import streamlit as st

from backend.orders import commands
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.queue import filters, state

_KEYS = ("alt_l", "alt_1", "alt_2", "alt_3", "alt_4", "alt_5", "alt_j", "alt_k", "alt_z")


def may_review(user: User) -> bool:
    """Whether to offer the button; the database decides."""
    return user.has("operations", "manager", "warehouse") or "review" in user.skills


def next_button(user: User) -> None:
    """Claims the most urgent free order under the filters, and opens it."""
    may = may_review(user)
    if st.button(
        t("orders.claim_next"),
        key="orders_claim_next",
        type="primary",
        icon=":material/front_hand:",
        shortcut="Alt+L",
        disabled=not may,
        help=None if may else t("orders.not_reviewer"),
    ):
        _claim()


def go_on() -> None:
    """The same at the end of a finished order, for hands without a keyboard."""
    if st.button(t("orders.claim_next"), key="orders_claim_on", icon=":material/front_hand:"):
        _claim()


def _claim() -> None:
    """An empty pool is said, and is no error."""
    with frame.boundary():
        wanted = filters.wanted()
        items = commands.claim_next(
            frame.client(), request_id=frame.request_id("orders_next", wanted), wanted=wanted
        )
        state.forget_list()
        if not items:
            frame.flash_and_rerun(t("orders.none_free"), icon=":material/task_alt:")
        state.open_order(items[0].order_id)
        frame.flash_and_rerun(t("orders.claimed_n", count=len(items)))


def keys() -> None:
    """The shortcuts, on demand."""
    with st.popover(
        "", icon=":material/keyboard:", help=t("orders.keys"), key="orders_keys", type="tertiary"
    ):
        for name in _KEYS:
            st.markdown(f"`{name.title().replace('_', '+')}` {t(f'orders.key.{name}')}")
