"""What a case is about: its order, found by what the customer sent, or a parcel without a known order."""

from __future__ import annotations

import streamlit as st

from backend import search
from backend.orders import wording as order_words
from backend.search import Hit
from backend.tickets import commands, wording
from backend.tickets.choices import OVER
from backend.tickets.models import TicketScreen
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, t
from pages.shared.tickets import one, state, words

_OFFERED = 5


def draw(user: User, found: TicketScreen) -> None:
    """Look up an order, a parcel or another case, and name it with one click."""
    ticket = found.ticket
    text = st.text_input(
        t("tickets.link_what"),
        key=f"ticket_link_text_{ticket.id}",
        placeholder=t("tickets.link_example"),
        icon=":material/search:",
        max_chars=200,
    ).strip()
    if not text:
        st.caption(t("tickets.link_text"))
        return
    hits = search.search(frame.client(), frame.keyring(), text)
    orders = [hit for hit in hits.orders if hit.shop_id == ticket.shop_id and hit.id != ticket.order_id]
    for hit in orders[:_OFFERED]:
        _order(found, hit)
    others = [case for case in hits.tickets if case.id != ticket.id]
    for case in others[:_OFFERED]:
        _other(case)
    if not orders and not others:
        st.caption(t("tickets.link_none", shop=ticket.shop_name))
    if not orders and len(text) > 3 and text.replace("-", "").isalnum() and text.isascii():
        label = t("tickets.link_parcel", number=text.upper())
        if st.button(label, key="ticket_link_parcel", icon=":material/local_shipping:"):
            _link(found, None, text.upper(), text)


def _order(found: TicketScreen, hit: Hit) -> None:
    status = order_words.label(order_words.STATUSES, hit.status, locale())
    facts = (hit.order_no, fmt.money(hit.amount), status, frame.clock(hit.placed_at), hit.buyer_account or "")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(md(" · ".join(fact for fact in facts if fact)), width="stretch")
        label = t("tickets.link_order")
        if st.button(label, key=f"ticket_link_order_{hit.id}", icon=":material/add_link:"):
            _link(found, hit.id, None, hit.order_no)


def _other(case: search.Case) -> None:
    """Another case of the search: to look at it; two of one matter are merged."""
    label = " · ".join(
        (wording.number(case.id), words.of("types", case.type), words.of("states", case.state))
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{md(label)} :gray[{md(words.short(case.summary))}]", width="stretch")
        if case.state not in OVER:
            st.caption(t("tickets.link_merge"))
        if st.button(t("tickets.open"), key=f"ticket_link_case_{case.id}", type="tertiary"):
            state.open_ticket(case.id)


def _link(found: TicketScreen, order_id: int | None, tracking_no: str | None, shown: str) -> None:
    asked = one.mark(found, "link", order_id, tracking_no)
    with frame.boundary():
        one.carry_out(
            lambda: commands.link(
                frame.client(), one.ref(found), order_id, tracking_no=tracking_no, request_id=asked
            ),
            t("tickets.linked", what=shown),
            icon=":material/link:",
        )
