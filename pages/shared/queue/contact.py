"""The customer's contact in the drawer: masked, opened on the record for one run, corrected when wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from backend.imports.encode import shown_address, shown_note
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import gateway, state

REASONS = ("contact_customer", "address_check", "courier", "after_sales", "complaint", "audit")
_CELLS = ("name", "phone", "address", "note")


def draw(user: User, found: gateway.Row) -> None:
    """Masked name, phone and region; the whole on request, in this run alone."""
    order = found["order"]
    with st.container(border=True, gap="small", key="orders_contact"):
        st.markdown(f"**{t('orders.contact')}** {md(_masked(order))}")
        if order["contact_state"] == "absent":
            st.caption(t("orders.contact_absent"))
            return
        if user.has("analyst"):
            st.caption(t("orders.contact_masked_only"))
            return
        _reveal(order, mine=_is_mine(user, found))


def _masked(order: Mapping[str, Any]) -> str:
    region = " ".join(order[part] for part in ("province", "city", "district") if order[part])
    parts = (order["receiver_masked"], order["phone_masked"], region)
    return " · ".join(part for part in parts if part) or plain("common.none")


def _is_mine(user: User, found: gateway.Row) -> bool:
    return bool(found["review"]) and found["review"]["owner_id"] == user.id


def _reveal(order: Mapping[str, Any], *, mine: bool) -> None:
    reason = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if not mine:
            reason = st.selectbox(
                t("orders.reveal_reason"),
                REASONS,
                index=None,
                placeholder=plain("orders.reveal_reason"),
                format_func=lambda code: plain(f"orders.reveal.{code}"),
                key=f"orders_reveal_reason_{order['id']}",
                label_visibility="collapsed",
                width=220,
            )
        sent = st.button(
            t("orders.reveal"),
            key=f"orders_reveal_{order['id']}",
            icon=":material/visibility:",
            disabled=not mine and reason is None,
            help=t("orders.reveal_help"),
        )
    if sent:
        with frame.boundary():
            _show(gateway.reveal(frame.client(), order["id"], reason))


def _show(row: gateway.Row) -> None:
    for cell in _CELLS:
        if not row[cell]:
            continue
        clear = frame.keyring().decrypt("contacts", cell, row["contact_id"], row[cell])
        text = {"address": shown_address, "note": shown_note}.get(cell, str)(clear)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":gray[{t(f'orders.cell.{cell}')}] {md(text)}", width="stretch")
            widgets.copy_button(text, key=f"orders_copy_{cell}")


def correct(user: User, found: gateway.Row, item: gateway.Row) -> None:
    """The form for what the customer said is right; empty fields stay as they are."""
    order = found["order"]
    if user.has("warehouse"):
        st.caption(t("orders.correct_not_you"))
        return
    key = f"orders_correct_{order['id']}"
    with st.form(f"{key}_{order['version']}", border=False):
        st.caption(t("orders.correct_text"))
        phone = st.text_input(
            t("orders.cell.phone"), key=f"{key}_phone", placeholder=order["phone_masked"] or ""
        )
        receiver = st.text_input(
            t("orders.cell.name"), key=f"{key}_name", placeholder=order["receiver_masked"] or "", max_chars=40
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
        _send(order, {"phone": phone.strip(), "receiver": receiver.strip(), "address": address.strip()})


def _send(order: gateway.Row, typed: Mapping[str, str]) -> None:
    change = {name: text for name, text in typed.items() if text}
    if not change:
        st.error(t("orders.correct_empty"), icon=":material/error:")
        return
    with frame.boundary():
        mark = frame.request_id("orders_correct", order["id"], order["version"], sorted(change.items()))
        gateway.correct(frame.client(), frame.service(), frame.keyring(), order, change, request_id=mark)
        state.changed(None, "")
        frame.flash_and_rerun(t("orders.corrected"))
