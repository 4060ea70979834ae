"""One exception in the drawer: the evidence in words, and the decisions beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from backend.orders import commands
from backend.orders.models import Decision, ItemRef, OrderDetail, OrderException
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import contact, state, words

ACTIONS: Sequence[Decision] = ("fixed", "waived", "waiting_customer", "cancelled")
_ICONS = {
    "fixed": ":material/edit:",
    "waived": ":material/check:",
    "waiting_customer": ":material/chat:",
    "cancelled": ":material/block:",
    "resume": ":material/mark_chat_read:",
    "reopened": ":material/lock_open:",
}


def card(user: User, found: OrderDetail, item: OrderException, *, first: bool) -> None:
    """Draws the exception; the decisions of the first one also answer to Alt+1 to Alt+5."""
    with st.container(border=True, gap="small", key=f"orders_exception_{item.id}"):
        _head(item)
        if item.kind == "unpaid":
            return
        if item.state in words.OPEN:
            _buttons(item, shortcuts=first)
        elif refusal(item, "reopened") is None:
            _button(item, "reopened", None)
        acting = state.acting()
        if acting and acting[0] == item.id:
            _panel(user, found, item, acting[1])
        if item.state in ("waived", "cancelled"):
            text = words.remark(item.state, user)
            widgets.copy_button(text, key=f"orders_remark_{item.id}", label=plain("orders.copy_remark"))


def refusal(item: OrderException, decision: str) -> str | None:
    """Why the person may not decide so, in words; None when it is allowed."""
    right = (item.rights or {}).get(decision)
    if right is None:
        return words.refusal("exception.none", {})
    return words.refusal(right.key, right.params) if right.key else None


def _head(item: OrderException) -> None:
    marks = f" :gray-badge[{t('orders.high')}]" if item.severity == "high" else ""
    marks += "" if item.is_blocking else f" :gray[{t('orders.soft')}]"
    st.markdown(f"**{md(words.kind_name(item.kind))}** {md(words.why(item))}{marks}")
    if item.state == "open":
        return
    who = item.decided_by or (plain("orders.system") if item.decided_as == "system" else "")
    at = frame.clock(item.decided_at) if item.decided_at else ""
    ends = t(f"orders.holds.{item.state}", when=frame.clock(item.holds_until)) if _ends(item) else ""
    parts = (words.state(item.state), words.reason(item.reason), who, at, ends)
    st.caption(md(" · ".join(part for part in parts if part)))


def _ends(item: OrderException) -> bool:
    return item.holds_until is not None and item.state in ("waived", "waiting_customer")


def _buttons(item: OrderException, *, shortcuts: bool) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        if item.state == "waiting_customer":
            _button(item, "resume", "Alt+5" if shortcuts else None)
        for number, action in enumerate(ACTIONS, start=1):
            if action != item.state:
                _button(item, action, f"Alt+{number}" if shortcuts else None)
    locked = refusal(item, "waived")
    if locked is not None:
        st.caption(f":material/lock: {md(locked)}")


def _button(item: OrderException, action: Decision, shortcut: str | None) -> None:
    locked = refusal(item, "cancelled" if action == "fixed" else action)
    st.button(
        t(_label(item, action)),
        key=f"orders_{action}_{item.id}",
        icon=_ICONS[action],
        disabled=locked is not None,
        help=md(locked) if locked else None,
        type="primary" if state.acting() == (item.id, action) else "secondary",
        shortcut=shortcut,
        on_click=partial(state.act, item.id, action),
    )


def _label(item: OrderException, action: str) -> str:
    if action == "fixed":
        return "orders.correct" if item.kind in words.CORRECTABLE else "orders.recheck"
    return f"orders.{action}_more"


def _panel(user: User, found: OrderDetail, item: OrderException, action: str) -> None:
    if action == "fixed" and item.kind in words.CORRECTABLE:
        contact.correct(user, found)
    elif action == "fixed":
        _plain_step(found, item, "fixed", "recheck")
    elif action == "resume":
        _plain_step(found, item, "resume", "resume")
    elif action == "waiting_customer":
        _ask(found, item)
    elif action == "waived":
        _reasons(found, item, "waived")
    elif action == "cancelled":
        _reasons(found, item, "cancelled")
    else:
        _reasons(found, item, "reopened")


def _plain_step(found: OrderDetail, item: OrderException, decision: Decision, name: str) -> None:
    st.caption(t(f"orders.{name}_text"))
    if st.button(t(f"orders.{name}_now"), key=f"orders_send_{decision}_{item.id}", type="primary"):
        send(found, item, decision)


def _ask(found: OrderDetail, item: OrderException) -> None:
    text = words.customer_text(item.kind, item.evidence, found.order.order_no)
    if text:
        st.caption(t("orders.ask_text"))
        st.markdown(f"> {md(text)}")
        widgets.copy_button(text, key=f"orders_ask_{item.id}", label=plain("orders.copy_text"))
    _reasons(found, item, "waiting_customer")


def _reasons(found: OrderDetail, item: OrderException, decision: Decision) -> None:
    st.caption(t(f"orders.{decision}_text"))
    offered = words.reasons(decision, item.kind)
    if decision == "waived":
        words.until_pills(f"orders_until_{item.id}")
    with st.container(horizontal=True, gap="xsmall"):
        for reason in offered:
            if reason != "other" and st.button(
                words.reason(reason), key=f"orders_send_{decision}_{reason}_{item.id}"
            ):
                send(found, item, decision, reason)
    if "other" in offered:
        _other(found, item, decision)


def _other(found: OrderDetail, item: OrderException, decision: Decision) -> None:
    with (
        st.form(f"orders_other_{decision}_{item.id}", border=False),
        st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"),
    ):
        note = st.text_input(
            t("orders.note"), key=f"orders_note_{decision}_{item.id}", max_chars=200, width="stretch"
        )
        sent = st.form_submit_button(t("orders.send_other"), key=f"orders_send_{decision}_other_{item.id}")
    if sent and note.strip():
        send(found, item, decision, "other", note.strip())


def send(
    found: OrderDetail, item: OrderException, decision: Decision, reason: str | None = None, note: str = ""
) -> None:
    """Carries a decision on one exception out, and says what happened."""
    choice = st.session_state.get(f"orders_until_{item.id}") if decision == "waived" else None
    until = words.until(choice, found.order.timezone)
    with frame.boundary():
        answer = commands.decide(
            frame.client(),
            [ItemRef(id=item.id, version=item.version, order_id=found.order.id)],
            decision,
            request_id=frame.request_id(
                "orders_decide", item.id, item.version, decision, reason, note, until
            ),
            reason=reason,
            note=note,
            keyring=frame.keyring() if note else None,
            until=until,
        )
        if answer.refused:
            frame.done()
            first = answer.refused[0]
            st.error(md(words.refusal(first.key or "", first.params)), icon=":material/lock:")
            return
        told = plain(f"orders.did_one.{decision}", kind=words.kind_name(item.kind))
        state.changed(answer.batch_id, told)
        frame.flash_and_rerun(t(f"orders.did_one.{decision}", kind=words.kind_name(item.kind)))
