"""The customer's contact beside a ticket: masked, opened on the record by whoever claimed it.

An order brings its contact along; of a case without one it is typed here and leaves the page encrypted.
"""

from __future__ import annotations

import streamlit as st

from backend.tickets import commands, reads
from backend.tickets.models import TicketScreen
from pages.shared import frame, revealing
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import one, words

_FIELDS = {"receiver": 40, "phone": 30, "address": 200}


def draw(user: User, found: TicketScreen) -> None:
    """Masked name and phone; the whole on request, in this run alone."""
    ticket = found.ticket
    masked = [part for part in (ticket.receiver_masked, ticket.phone_masked) if part]
    types = found.order is None and "set_ticket_contact" in found.can
    if not masked and not types:
        return
    with st.container(border=True, gap="small", key="ticket_contact"):
        shown = md(" · ".join(masked)) or f":gray[{t('tickets.contact_none')}]"
        st.markdown(f"**{t('orders.contact')}** {shown}")
        if user.has("analyst"):
            st.caption(t("orders.contact_masked_only"))
            return
        if masked and "reveal_contact" not in found.can:
            st.caption(f":material/lock: {md(words.refusal(found.why.get('reveal_contact')))}")
        elif masked:
            sent, reason = revealing.ask("ticket_reveal", mine=found.is_claimed)
            if sent:
                with frame.boundary():
                    clear = reads.reveal(frame.client(), frame.keyring(), ticket.id, reason=reason)
                    revealing.show(clear, revealing.order_cells(), key="ticket")
        if types:
            _form(found, label=t("tickets.contact_replace" if masked else "tickets.contact_type"))


def _form(found: TicketScreen, *, label: str) -> None:
    """Name, phone, address: what is typed takes the place of what was known."""
    ticket = found.ticket
    with (
        st.expander(label, icon=":material/edit:"),
        st.form(f"ticket_contact_{ticket.id}_{ticket.version}", border=False),
    ):
        clear = {
            name: st.text_input(
                plain(f"orders.cell.{name}"), key=f"ticket_contact_{name}_{ticket.id}", max_chars=most
            ).strip()
            for name, most in _FIELDS.items()
        }
        st.caption(t("tickets.contact_text"))
        sent = st.form_submit_button(t("tickets.contact_save"), key="ticket_contact_send", type="primary")
    if sent and any(clear.values()):
        asked = one.mark(found, "contact", *clear.values())
        with frame.boundary():
            one.carry_out(
                lambda: commands.set_contact(
                    frame.client(), frame.keyring(), one.ref(found), clear, request_id=asked
                ),
                t("tickets.contact_saved"),
            )
