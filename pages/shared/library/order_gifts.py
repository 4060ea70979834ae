"""Gifts in the drawer of an order: what was promised, what more may be, and the remark to copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from backend.library import commands, reads
from backend.library.models import Gift, Offer
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import offer_list

_STATES = {"packed": ":material/check:", "cancelled": ":material/close:", "open": ":material/redeem:"}


def draw(user: User, order_id: int) -> None:
    """The gifts of an order; nothing when there is none and none may be promised."""
    found = reads.order_gifts(frame.client(), order_id)
    if found is None or not (found.gifts or found.offers):
        return
    alive = [gift for gift in found.gifts if gift.cancelled_at is None]
    promises = user.has("agent", "operations", "manager")
    label = t("library.gifts_of_order", count=len(alive))
    with st.expander(label, icon=":material/redeem:", expanded=bool(alive)):
        for gift in found.gifts:
            _line(user, gift)
        if alive:
            text = remark(alive, user)
            widgets.copy_button(text, key=f"gifts_remark_{order_id}", label=plain("library.copy_remark"))
        given = {gift.rule_id for gift in alive}
        open_offers = [one for one in found.offers if one.id not in given and one.missing is None]
        if promises and open_offers:
            _offers(order_id, open_offers)


def remark(gifts: Sequence[Gift], user: User) -> str:
    """`【赠品】试用装×2 客服A 11-22`: for the platform's own note field."""
    names = plain("library.and").join(f"{gift.name}×{gift.quantity}" for gift in gifts)
    today = datetime.now(ZoneInfo(user.zone))
    return plain("library.remark", gifts=names, who=user.name, day=f"{today:%m-%d}")


def _line(user: User, gift: Gift) -> None:
    now = "cancelled" if gift.cancelled_at else "packed" if gift.packed_at else "open"
    parts = [
        plain(
            "library.promised",
            who=gift.promised_by or plain("library.system"),
            at=frame.clock(gift.promised_at),
        )
    ]
    parts.append(plain(f"library.gift_state.{now}"))
    if now == "open" and gift.goes_with == "later":
        parts.append(plain("library.goes_later"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = f"{md(gift.name)} × {gift.quantity}"
        shown = f":gray[~~{name}~~]" if now == "cancelled" else name
        st.markdown(f"{_STATES[now]} {shown}  \n:gray[{md(' · '.join(parts))}]", width="stretch")
        mine = gift.promised_by_id == user.id or user.has("operations", "manager")
        if now == "open" and mine and user.has("agent", "operations", "manager"):
            with st.popover(
                "", icon=":material/close:", key=f"gifts_cancel_{gift.id}", help=t("library.cancel_gift")
            ):
                _cancel(gift)


def _cancel(gift: Gift) -> None:
    reason = st.text_input(t("library.reason"), key=f"gifts_cancel_reason_{gift.id}", max_chars=200).strip()
    if st.button(t("library.cancel_gift"), key=f"gifts_cancel_send_{gift.id}", disabled=not reason):
        with frame.boundary():
            asked = frame.request_id("gifts_cancel", gift.id, gift.version, reason)
            commands.cancel_gift(frame.client(), gift.id, gift.version, reason, request_id=asked)
            frame.flash_and_rerun(t("library.gift_cancelled"))


def _offers(order_id: int, offers: Sequence[Offer]) -> None:
    st.caption(t("library.may_promise"))
    for one in offers:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(offer_list.said(one)[0]), width="stretch")
            if st.button(
                t("library.promise"),
                key=f"gifts_promise_{order_id}_{one.id}",
                icon=":material/add:",
                disabled=not one.may_promise,
                help=None if one.may_promise else t("library.managers_gift"),
            ):
                with frame.boundary():
                    asked = frame.request_id("gifts_promise", order_id, one.id, one.version)
                    commands.promise_gift(frame.client(), order_id, one.id, request_id=asked)
                    frame.flash_and_rerun(t("library.gift_promised"))
