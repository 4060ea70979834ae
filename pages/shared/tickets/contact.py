"""The customer's contact beside a ticket: masked, opened on the record; one's own ticket is the reason."""

from __future__ import annotations

import streamlit as st

from backend.tickets import reads
from backend.tickets.models import TicketScreen
from pages.shared import frame, revealing
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t


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
        sent, reason = revealing.ask("ticket_reveal", mine=found.is_mine)
        if sent:
            with frame.boundary():
                clear = reads.reveal(frame.client(), frame.keyring(), ticket.id, reason=reason)
                revealing.show(clear, revealing.order_cells(), key="ticket")
