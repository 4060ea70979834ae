"""退货 beside a ticket: where the goods are on their way, and the next step of whoever it is up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from backend.tickets import commands
from backend.tickets.commands import Step
from backend.tickets.models import Return, TicketScreen
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.tickets import one, words

_WAY = ("applied", "agreed", "goods_sent", "received", "refunding", "done")
_ENDS = ("buyer_cancelled", "refused", "goods_refused")
_FORMS: Mapping[Step, str] = {
    "refuse_return": "reason",
    "refuse_return_goods": "reason",
    "send_return_goods": "parcel",
    "receive_return": "quality",
    "start_refund": "amount",
}
_STEPS: Mapping[str, tuple[Step, ...]] = {
    "applied": ("agree_return", "refuse_return", "cancel_return"),
    "agreed": ("send_return_goods", "receive_return", "cancel_return"),
    "goods_sent": ("receive_return", "refuse_return_goods", "cancel_return"),
    "received": ("start_refund", "finish_return"),
    "refunding": ("finish_return",),
}
_OPEN = "ticket_return_step"


def draw(found: TicketScreen) -> None:
    """The bar and its buttons; nothing for a case without a return."""
    goods = found.returned
    if goods is None:
        return
    with st.container(border=True, gap="small", key="ticket_return"):
        st.markdown(f"**{t('tickets.return')}** {_bar(found, goods)}")
        _facts(goods)
        offered = [step for step in _steps(found, goods) if step in found.can]
        with st.container(horizontal=True, gap="xsmall"):
            for step in offered:
                _button(found, step)
        step = st.session_state.get(_OPEN)
        if step and step[0] == found.ticket.id and step[1] in offered:
            _form(found, step[1])


def _is_swap(found: TicketScreen, goods: Return) -> bool:
    """Whether other goods go out instead of money, which ends the return when the old ones are here."""
    return found.ticket.type == "exchange" and goods.state != "refunding"


def _steps(found: TicketScreen, goods: Return) -> tuple[Step, ...]:
    steps = _STEPS.get(goods.state, ())
    if goods.state == "received":
        return steps[::-1] if _is_swap(found, goods) else steps[:1]
    return steps


def _bar(found: TicketScreen, goods: Return) -> str:
    """The way as words in a row; the present place is marked by sign and colour."""
    if goods.state in _ENDS:
        return f":gray-badge[:material/block: {md(words.of('returns', goods.state))}]"
    way = [state for state in _WAY if state != "refunding" or not _is_swap(found, goods)]
    here = way.index(goods.state)
    parts = []
    for n, state in enumerate(way):
        name = md(words.of("returns", state))
        if n == here:
            parts.append(f":green-badge[:material/radio_button_checked: {name}]")
        else:
            parts.append(f":gray[{':material/check:' if n < here else ''} {name}]")
    return " → ".join(parts)


def _facts(goods: Return) -> None:
    parts = [
        plain("tickets.return_applied", at=frame.clock(goods.applied_at)),
        f"{goods.carrier or ''} {goods.tracking_no or ''}".strip(),
        plain("tickets.return_quality", quality=words.of("qualities", goods.quality))
        if goods.quality
        else "",
        plain("tickets.return_refund", amount=fmt.money(goods.refund_amount)) if goods.refund_amount else "",
        goods.refuse_reason or "",
    ]
    st.caption(md(" · ".join(part for part in parts if part)))
    if goods.tracking_no:
        widgets.copy_button(goods.tracking_no, key="ticket_return_copy")


def _button(found: TicketScreen, step: Step) -> None:
    swaps = step == "finish_return" and found.returned is not None and found.returned.state == "received"
    label = t("tickets.finish_exchange" if swaps else f"tickets.{step}")
    if step in _FORMS:
        st.button(label, key=f"ticket_{step}", on_click=partial(_show, found.ticket.id, step))
    elif st.button(label, key=f"ticket_{step}"):
        _send(found, step, {})


def _show(ticket_id: int, step: Step) -> None:
    wanted = (ticket_id, step)
    st.session_state[_OPEN] = None if st.session_state.get(_OPEN) == wanted else wanted


def _form(found: TicketScreen, step: Step) -> None:
    asks: Mapping[str, Callable[[], dict[str, Any] | None]] = {
        "reason": _reason,
        "parcel": _parcel,
        "quality": _quality,
        "amount": partial(_amount, found),
    }
    with st.form(f"ticket_form_{step}", border=False):
        facts = asks[_FORMS[step]]()
        sent = st.form_submit_button(t(f"tickets.{step}"), key=f"ticket_send_{step}", type="primary")
    if sent and facts is None:
        st.error(t("tickets.why_missing"), icon=":material/error:")
    elif sent and facts is not None:
        _send(found, step, facts)


def _reason() -> dict[str, Any] | None:
    text = st.text_input(t("tickets.why"), key="ticket_return_why", max_chars=300).strip()
    return {"reason": text} if text else None


def _parcel() -> dict[str, Any] | None:
    with st.container(horizontal=True, gap="small"):
        carrier = st.text_input(t("tickets.carrier"), key="ticket_return_carrier", max_chars=40).strip()
        number = st.text_input(t("tickets.tracking"), key="ticket_return_no", max_chars=40).strip()
    return {"carrier": carrier, "tracking_no": number} if number else None


def _quality() -> dict[str, Any]:
    quality = st.radio(
        t("tickets.quality"),
        ("good", "bad"),
        format_func=partial(words.of, "qualities"),
        horizontal=True,
        key="ticket_return_quality",
    )
    return {"quality": quality}


def _amount(found: TicketScreen) -> dict[str, Any] | None:
    usual = float(found.order.amount or 0) if found.order else 0.0
    amount = st.number_input(
        t("tickets.refund_amount"),
        min_value=0.0,
        max_value=999_999.0,
        value=usual,
        key="ticket_refund_amount",
    )
    return {"amount": f"{amount:.2f}"} if amount else None


def _send(found: TicketScreen, step: Step, facts: Mapping[str, Any]) -> None:
    asked = one.mark(found, step, sorted(facts.items()))
    st.session_state.pop(_OPEN, None)
    with frame.boundary():
        one.carry_out(
            lambda: commands.return_step(frame.client(), step, one.ref(found), facts, request_id=asked),
            t(f"tickets.{step}_done"),
        )
