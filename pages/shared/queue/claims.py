"""领取下一单: the next free order by deadline, and the list of keys that make it quick."""

from __future__ import annotations

import streamlit as st

from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.queue import filters, gateway, state

_KEYS = ("Alt+N", "Alt+1", "Alt+2", "Alt+3", "Alt+4", "Alt+5", "Alt+J", "Alt+K", "Alt+Z")


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
        shortcut="Alt+N",
        disabled=not may,
        help=None if may else t("orders.not_reviewer"),
    ):
        claim()


def claim() -> None:
    """Claims and opens; an empty pool is said, not an error."""
    with frame.boundary():
        wanted = filters.wanted()
        items = gateway.claim_next(frame.client(), wanted, request_id=frame.request_id("orders_next", wanted))
        state.forget_list()
        if not items:
            frame.flash_and_rerun(t("orders.none_free"), icon=":material/task_alt:")
        state.open_order(items[0]["order_id"])
        frame.flash_and_rerun(t("orders.claimed_n", count=len(items)))


def keys() -> None:
    """The shortcuts, on demand."""
    with st.popover(
        "", icon=":material/keyboard:", help=t("orders.keys"), key="orders_keys", type="tertiary"
    ):
        for name in _KEYS:
            st.markdown(f"`{name}` {t('orders.key.' + name.replace('+', '_').lower())}")
