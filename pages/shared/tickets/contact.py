"""The customer's contact beside a ticket: masked, opened on the record; one's own ticket is the reason."""

from __future__ import annotations

import streamlit as st

from backend.orders.models import REVEAL_REASONS, ClearContact
from backend.tickets import reads
from backend.tickets.models import TicketScreen
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t


def draw(user: User, found: TicketScreen) -> None:
    """Masked name and phone; the whole on request, in this run alone."""
    ticket = found.ticket
    masked = [part for part in (ticket.receiver_masked, ticket.phone_masked) if part]
    if not masked:
        return
    with st.container(border=True, gap="small", key="ticket_contact"):
        st.markdown(f"**{t('orders.contact')}** {md(' · '.join(masked))}")
        if user.has("analyst"):
            st.caption(t("orders.contact_masked_only"))
            return
        _reveal(found, mine=found.is_mine)


def _reveal(found: TicketScreen, *, mine: bool) -> None:
    reason = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if not mine:
            reason = st.selectbox(
                t("orders.reveal_reason"),
                REVEAL_REASONS,
                index=None,
                placeholder=plain("orders.reveal_reason"),
                format_func=lambda code: plain(f"orders.reveal.{code}"),
                key="ticket_reveal_reason",
                label_visibility="collapsed",
                width=200,
            )
        sent = st.button(
            t("orders.reveal"),
            key="ticket_reveal",
            icon=":material/visibility:",
            disabled=not mine and reason is None,
            help=t("orders.reveal_help"),
        )
    if sent:
        with frame.boundary():
            _show(reads.reveal(frame.client(), frame.keyring(), found.ticket.id, reason=reason))


def _show(clear: ClearContact) -> None:
    for cell in ("receiver", "phone", "address", "note"):
        text: str = getattr(clear, cell)
        if text:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f":gray[{t(f'orders.cell.{cell}')}] {md(text)}", width="stretch")
                widgets.copy_button(text, key=f"ticket_copy_{cell}")
