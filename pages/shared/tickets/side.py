"""Beside the ticket: the remark to copy, the order and its parcel, the buyer's other cases, masked."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.orders import wording as order_words
from backend.tickets import commands, wording
from backend.tickets.models import Case, OrderOfTicket, TicketScreen
from pages.shared import format as fmt
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.tickets import contact, money, state, words
from pages.shared.words import hits

_GIVEN = ("granted", "approved", "paid")


def draw(user: User, found: TicketScreen) -> None:
    """The whole side panel."""
    remark(user, found)
    money.rows(user, found)
    order(found)
    contact.draw(user, found)
    buyer(found)


def remark(user: User, found: TicketScreen) -> None:
    """「【补发】T-1042 客服A 11-22：补发同款一件」 for what has been done so far, checked like replies."""
    ticket = found.ticket
    text = words.remark(
        done(found),
        ticket.id,
        user,
        who=ticket.owner_name if ticket.outcome else None,
        when=ticket.resolved_at if ticket.outcome else None,
        details=details(found),
    )
    result = commands.look(frame.service(), text, ticket.platform) if ticket.solution else None
    with st.container(border=True, gap="xsmall", key="ticket_remark"):
        where = "tickets.remark" if found.ticket.platform == "taobao" else "tickets.remark_of_platform"
        st.markdown(f"**{t(where)}**", help=t("tickets.remark_help"))
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(text), width="stretch")
            if result is None or result.verdict != "block":
                widgets.copy_button(text, key="ticket_remark_copy", label=plain("common.copy"))
        if result is not None and result.verdict != "clean":
            st.markdown(hits.headline(result))
            hits.cards(result, field=None, key="ticket_remark_hit")


def details(found: TicketScreen) -> Sequence[str]:
    """What was done, what was given, and the parcel that brings it."""
    ticket = found.ticket
    given = [one for one in reversed(found.money) if one.state in _GIVEN and one.amount]
    amounts = [f"{words.of('money', one.kind)} {fmt.money(one.amount)}" for one in given]
    parcel = ticket.reship_tracking_no if ticket.outcome else None
    parcels = [plain("tickets.remark_parcel", number=parcel)] if parcel else []
    return [ticket.solution or "", *amounts, *parcels] if ticket.outcome else amounts


def done(found: TicketScreen) -> Sequence[str]:
    """What the remark names: the outcome and what was given, the wait, or what the case is about."""
    ticket = found.ticket
    given = [one.kind for one in reversed(found.money) if one.state in _GIVEN]
    if ticket.outcome:
        return [ticket.outcome, *given]
    if ticket.state in ("waiting_customer", "waiting_return", "cancelled"):
        return [ticket.state]
    return given or [ticket.type]


def order(found: TicketScreen) -> None:
    """The order and where its parcel is."""
    if found.order is None:
        return
    facts = found.order
    with st.container(border=True, gap="xsmall", key="ticket_order"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{t('tickets.order')}** {md(facts.order_no)}", width="content")
            widgets.copy_button(facts.order_no, key="ticket_order_copy")
            home_links.link(
                t("tickets.to_order"), "orders", query={"id": str(facts.id)}, icon=":material/open_in_new:"
            )
        status = order_words.label(order_words.STATUSES, facts.status, locale())
        st.markdown(md(f"{fmt.money(facts.amount)} · {status} · {frame.clock(facts.placed_at)}"))
        for item in facts.items:
            name = " ".join(str(item[part]) for part in ("name", "spec") if item.get(part))
            st.caption(md(f"{name or item.get('sku') or ''} × {item.get('quantity', 1)}"))
        _parcel(facts)


def _parcel(facts: OrderOfTicket) -> None:
    if not facts.tracking_no:
        is_out = facts.status in ("shipped", "completed") or facts.signed_at is not None
        st.caption(t("tickets.parcel_unknown" if is_out else "tickets.no_parcel"))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":material/local_shipping: {md(facts.carrier or '')} {md(facts.tracking_no)}", width="content"
        )
        widgets.copy_button(facts.tracking_no, key="ticket_parcel_copy")
    last = [part for part in (frame.clock(facts.last_scan_at), facts.last_scan_text) if part and part != "—"]
    if facts.signed_at:
        last = [plain("tickets.signed_at", at=frame.clock(facts.signed_at))]
    if last:
        st.caption(md(" · ".join(last)))


def buyer(found: TicketScreen) -> None:
    """The buyer's other cases, whoever works on them: nobody has to ask twice."""
    others = found.buyer.tickets
    with st.container(border=True, gap="xsmall", key="ticket_buyer"):
        head = found.ticket.buyer_account or found.ticket.receiver_masked or ""
        st.markdown(f"**{t('tickets.buyer_cases', count=len(others))}** {md(head)}")
        if not others:
            st.caption(t("tickets.buyer_none"))
        for case in others:
            _case(case)


def _case(case: Case) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{md(words.case(case))} :gray[{md(frame.clock(case.registered_at))}]", width="stretch")
        if st.button(
            t("tickets.open"),
            key=f"ticket_case_{case.id}",
            type="tertiary",
            help=wording.number(case.id),
        ):
            state.open_ticket(case.id)
