"""The customer's contact in the drawer: masked, opened on the record for one run, corrected when wrong."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.orders import commands, reads
from backend.orders.models import OrderDetail, OrderFacts
from pages.shared import frame, revealing
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import state


def draw(user: User, found: OrderDetail) -> None:
    """Masked name, phone and region; the whole on request, in this run alone."""
    order = found.order
    with st.container(border=True, gap="small", key="orders_contact"):
        st.markdown(f"**{t('orders.contact')}** {md(_masked(order))}")
        if order.contact_state == "absent":
            st.caption(t("orders.contact_absent"))
        elif user.has("analyst"):
            st.caption(t("orders.contact_masked_only"))
        else:
            _reveal(order, mine=found.review is not None and found.review.owner_id == user.id)


def _masked(order: OrderFacts) -> str:
    region = " ".join(dict.fromkeys(part for part in (order.province, order.city, order.district) if part))
    parts = (order.receiver_masked, order.phone_masked, region)
    return " · ".join(part for part in parts if part) or plain("common.none")


def _reveal(order: OrderFacts, *, mine: bool) -> None:
    sent, reason = revealing.ask(f"orders_reveal_{order.id}", mine=mine)
    if sent:
        with frame.boundary():
            clear = reads.reveal(frame.client(), frame.keyring(), order.id, reason=reason)
            revealing.show(clear, revealing.order_cells(), key="orders")


def correct(user: User, found: OrderDetail) -> None:
    """The form for what the customer said is right; empty fields stay as they are."""
    order = found.order
    if user.has("warehouse"):
        st.caption(t("orders.correct_not_you"))
        return
    key = f"orders_correct_{order.id}"
    with st.form(f"{key}_{order.version}", border=False):
        st.caption(t("orders.correct_text"))
        phone = st.text_input(
            t("orders.cell.phone"), key=f"{key}_phone", placeholder=order.phone_masked or "", max_chars=40
        )
        receiver = st.text_input(
            t("orders.cell.receiver"),
            key=f"{key}_receiver",
            placeholder=order.receiver_masked or "",
            max_chars=40,
        )
        address = st.text_area(
            t("orders.cell.address"),
            key=f"{key}_address",
            placeholder=plain("orders.address_example"),
            height=72,
            max_chars=300,
        )
        sent = st.form_submit_button(t("orders.correct_send"), type="primary", key=f"{key}_send")
    if sent:
        _send(order, {"phone": phone, "receiver": receiver, "address": address})


def _send(order: OrderFacts, typed: Mapping[str, str]) -> None:
    changes = {name: text.strip() for name, text in typed.items() if text.strip()}
    if not changes:
        st.error(t("orders.correct_empty"), icon=":material/error:")
        return
    asked = frame.request_id("orders_correct", order.id, order.version, sorted(changes.items()))
    if "address" in changes:  # the whole address was typed: what the file said about the region is void
        changes |= {"province": "", "city": "", "district": ""}
    with frame.boundary():
        right = commands.correct(
            frame.client(),
            frame.service(),
            frame.keyring(),
            order_id=order.id,
            version=order.version,
            shop_id=order.shop_id,
            request_id=asked,
            changes=changes,
            reason="address_check",
        )
        state.changed(None, "")
        if right:
            frame.flash_and_rerun(t("orders.corrected"))
        frame.flash_and_rerun(t("orders.corrected_but"), icon=":material/info:")
