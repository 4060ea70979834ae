"""What a ticket's approval waits for: who decides and by when; the way there; another amount, or none."""

from __future__ import annotations

import streamlit as st

from backend.tickets import approvals, money
from backend.tickets.models import Money, TicketScreen
from pages.shared import format as fmt
from pages.shared import frame, navigation
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.tickets import one, words


def go(found: TicketScreen) -> None:
    """Opens the approval that is asked for."""
    waiting = next((row.approval for row in _waiting(found) if row.approval), None)
    if waiting is None:
        st.info(t("tickets.no_approval"), icon=":material/info:")
        return
    st.switch_page(navigation.PAGES_DIR / "approvals.py", query_params={"id": str(waiting["id"])})


def draw(found: TicketScreen) -> None:
    """Each amount that waits: who is asked until when, and for whoever asked how to change his mind."""
    for row in _waiting(found):
        with st.container(border=True, gap="small", key=f"ticket_waits_{row.id}"), frame.boundary():
            _told(row)
            with st.container(horizontal=True, gap="small"):
                if "change_money" in found.can and row.kind not in ("gift", "price_protection"):
                    _change(found, row)
                if "cancel_money" in found.can:
                    _withdraw(found, row)


def _waiting(found: TicketScreen) -> list[Money]:
    return [row for row in found.money if row.state == "requested"]


def _told(row: Money) -> None:
    asked = approvals.screen(frame.client(), int(row.approval["id"])) if row.approval else None
    names = plain("tickets.joiner").join(person.name for person in asked.approvers[:3]) if asked else ""
    text = plain(
        "tickets.pending",
        what=words.of("money", row.kind),
        amount=fmt.money(row.amount),
        who=names or plain("tickets.nobody_yet"),
        by=frame.clock(asked.due_at if asked else None),
    )
    st.markdown(f":material/approval: {md(text)}")


def _change(found: TicketScreen, row: Money) -> None:
    with st.popover(t("tickets.pending_change"), icon=":material/edit:", key=f"ticket_change_{row.id}"):
        amount = st.number_input(
            t("tickets.money_amount"),
            min_value=0.0,
            max_value=999_999.0,
            value=float(row.amount),
            step=10.0,
            key=f"ticket_change_amount_{row.id}_{row.version}",
        )
        if st.button(
            t("tickets.pending_save"),
            key=f"ticket_change_send_{row.id}",
            type="primary",
            disabled=amount == float(row.amount),
        ):
            asked = one.mark(found, "change", row.id, row.version, amount)
            answer = money.change(
                frame.client(), row.id, row.version, {"amount": f"{amount:.2f}"}, request_id=asked
            )
            told = "tickets.pending_asked" if answer.needs_approval else "tickets.money_granted"
            one.finished(t(told, amount=fmt.money(answer.amount)), icon=":material/payments:")


def _withdraw(found: TicketScreen, row: Money) -> None:
    if st.button(t("tickets.pending_withdraw"), key=f"ticket_withdraw_{row.id}", icon=":material/undo:"):
        asked = one.mark(found, "unpay", row.id, row.version)
        reason = plain("tickets.money_cancel_reason")
        one.carry_out(
            lambda: money.cancel(frame.client(), row.id, row.version, reason, request_id=asked),
            t("tickets.money_cancelled"),
            icon=":material/undo:",
        )
