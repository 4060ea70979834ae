"""One exception in the drawer: the evidence in words, and the decisions beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import contact, gateway, state, words

ACTIONS = ("fixed", "waived", "waiting_customer", "cancelled")
_OPEN = ("open", "waiting_customer")
_ICONS = {
    "fixed": ":material/edit:",
    "waived": ":material/check:",
    "waiting_customer": ":material/chat:",
    "cancelled": ":material/block:",
    "resume": ":material/mark_chat_read:",
    "reopened": ":material/lock_open:",
}


def card(user: User, found: gateway.Row, item: gateway.Row, *, first: bool) -> None:
    """Draws the exception; the decisions of the first one also answer to Alt+1 to Alt+4."""
    with st.container(border=True, gap="small", key=f"orders_exception_{item['id']}"):
        _head(item)
        if item["kind"] == "unpaid":
            return
        if item["state"] in _OPEN:
            _buttons(item, shortcuts=first)
        elif _right(item, "reopened") is None:
            _button(item, "reopened", None)
        acting = state.acting()
        if acting and acting[0] == item["id"]:
            _panel(user, found, item, acting[1])
        if item["state"] in ("waived", "cancelled"):
            _remark(user, item)


def _head(item: gateway.Row) -> None:
    why = words.evidence(item["kind"], item["evidence"])
    high = f" :gray-badge[{t('orders.high')}]" if item["severity"] == "high" else ""
    soft = "" if item["is_blocking"] else f" :gray[{t('orders.soft')}]"
    st.markdown(f"**{md(words.kind(item['kind']))}** {md(why)}{high}{soft}")
    if item["state"] == "open":
        return
    who = item["decided_by"] or (plain("orders.system") if item["decided_as"] == "system" else "")
    parts = [plain(f"orders.state.{item['state']}"), words.reason(item["reason"]), who]
    if item["decided_at"]:
        parts.append(frame.clock(item["decided_at"]))
    st.caption(" · ".join(md(part) for part in parts if part))


def _buttons(item: gateway.Row, *, shortcuts: bool) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        if item["state"] == "waiting_customer":
            _button(item, "resume", "Alt+5" if shortcuts else None)
        for number, action in enumerate(ACTIONS, start=1):
            if action == "waiting_customer" and item["state"] == action:
                continue
            _button(item, action, f"Alt+{number}" if shortcuts else None)
    refused = _right(item, "waived")
    if refused is not None:
        st.caption(f":material/lock: {md(refused)}")


def _button(item: gateway.Row, action: str, shortcut: str | None) -> None:
    refused = _right(item, "cancelled" if action == "fixed" else action)
    acting = state.acting() == (item["id"], action)
    st.button(
        t(_label(item, action)),
        key=f"orders_{action}_{item['id']}",
        icon=_ICONS[action],
        disabled=refused is not None,
        help=md(refused) if refused else None,
        type="primary" if acting else "secondary",
        shortcut=shortcut,
        on_click=partial(state.act, item["id"], action),
    )


def _label(item: gateway.Row, action: str) -> str:
    if action == "fixed":
        return "orders.correct" if item["kind"] in words.CORRECTABLE else "orders.recheck"
    return f"orders.{action}_more"


def _right(item: Mapping[str, Any], decision: str) -> str | None:
    """Why the person may not decide so, in words; None when it is allowed."""
    right = ((item["rights"] or {}).get(decision)) or {"key": "exception.none", "params": {}}
    return words.refusal(right["key"], right["params"]) if right["key"] else None


def _panel(user: User, found: gateway.Row, item: gateway.Row, action: str) -> None:
    if action == "fixed" and item["kind"] in words.CORRECTABLE:
        contact.correct(user, found, item)
    elif action == "fixed":
        st.caption(t("orders.recheck_text"))
        if st.button(t("orders.recheck_now"), key=f"orders_send_fixed_{item['id']}", type="primary"):
            send(item, "fixed", None)
    elif action == "resume":
        st.caption(t("orders.resume_text"))
        if st.button(t("orders.resume_now"), key=f"orders_send_resume_{item['id']}", type="primary"):
            send(item, "resume", None)
    elif action == "waiting_customer":
        _ask(found, item)
    else:
        _reasons(item, action)


def _ask(found: gateway.Row, item: gateway.Row) -> None:
    text = words.customer_text(item["kind"], found["order"], item["evidence"])
    st.caption(t("orders.ask_text"))
    st.info(md(text))
    widgets.copy_button(text, key=f"orders_ask_{item['id']}", label=plain("orders.copy_text"))
    _choices(item, "waiting_customer", words.WAIT_REASONS)


def _reasons(item: gateway.Row, action: str) -> None:
    st.caption(t(f"orders.{action}_text"))
    reasons = {
        "waived": words.WAIVE_REASONS.get(item["kind"], ("other",)),
        "cancelled": words.CANCEL_REASONS,
        "reopened": words.REOPEN_REASONS,
    }[action]
    _choices(item, action, [reason for reason in reasons if reason != "other"])
    if "other" in reasons:
        _other(item, action)


def _choices(item: gateway.Row, action: str, reasons: Sequence[str]) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        for reason in reasons:
            if st.button(words.reason(reason), key=f"orders_send_{action}_{reason}_{item['id']}"):
                send(item, action, reason)


def _other(item: gateway.Row, action: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        note = st.text_input(
            t("orders.note"), key=f"orders_note_{action}_{item['id']}", max_chars=200, width="stretch"
        ).strip()
        if st.button(
            t("orders.send_other"), key=f"orders_send_{action}_other_{item['id']}", disabled=not note
        ):
            send(item, action, "other", note)


def send(item: gateway.Row, decision: str, reason: str | None, note: str = "") -> None:
    """Carries a decision on one exception out, and says what happened."""
    with frame.boundary():
        mark = frame.request_id("orders_decide", item["id"], item["version"], decision, reason, note)
        asked = {"id": item["id"], "version": item["version"]}
        if note:
            asked["note"] = state.sealed_note(item["id"], note)
        answer = gateway.decide(frame.client(), [asked], decision, reason, request_id=mark)
        refused = next((one for one in answer["items"] if not one["ok"]), None)
        if refused:
            frame.done()
            st.error(md(words.refusal(refused["key"], refused.get("params"))), icon=":material/lock:")
            return
        told = plain(f"orders.did_one.{decision}", kind=words.kind(item["kind"]))
        state.changed(answer["batch_id"], told)
        frame.flash_and_rerun(md(told))


def _remark(user: User, item: gateway.Row) -> None:
    what = words.reason(item["reason"]) or plain(f"orders.state.{item['state']}")
    text = words.remark(item["kind"], what, user)
    widgets.copy_button(text, key=f"orders_remark_{item['id']}", label=plain("orders.copy_remark"))
