"""The search box: whatever was pasted finds an order, a ticket, a lead or a colleague, from any page."""

from __future__ import annotations

import streamlit as st

from backend import search
from backend.leads.models import LeadCase
from backend.orders import wording
from backend.search import Case, Colleague, Hit
from backend.tickets import wording as ticket_words
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.leads import words as lead_words

_TEXT = "desk_search_text"
_GO = "desk_search_go"


def box() -> str:
    """Draws the box; returns what was entered, or opens what was chosen from the last results."""
    chosen = st.session_state.pop(_GO, None)
    if chosen is not None:
        page, record = chosen
        st.switch_page(f"{page}.py", query_params={"id": str(record)})
    text = st.text_input(
        t("bar.search"),
        key=_TEXT,
        type="search",
        placeholder=plain("bar.search"),
        label_visibility="collapsed",
        icon=":material/search:",
        width="stretch",
    )
    return (text or "").strip()


def results(words: str, user: User) -> None:
    """What the words found, until one is opened or the box is emptied."""
    with st.container(border=True, key="desk_found"), frame.boundary():
        found = search.search(frame.client(), frame.keyring(), words)
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            count = len(found.orders) + len(found.tickets) + len(found.leads) + len(found.members)
            st.markdown(f"**{t('search.found', count=count)}**", width="content")
            st.button(t("common.close"), key="desk_found_close", type="tertiary", on_click=_clear)
        with st.container(height=420 if count > 5 else "content", border=False):
            named = [case for case in found.tickets if case.how == "ticket"]
            for case in named:
                _ticket(case)
            for hit in found.orders:
                _order(hit, user)
            for case in found.tickets:
                if case not in named:
                    _ticket(case)
            for lead in found.leads:
                _lead(lead)
            for colleague in found.members:
                _colleague(colleague)
        st.caption(t("search.hint" if count else "search.nothing"))


def _order(hit: Hit, user: User) -> None:
    shop = user.shop(hit.shop_id)
    kinds = [wording.label(wording.KINDS, kind, locale()) for kind in hit.kinds or ()]
    facts = [
        hit.shop_name,
        fmt.money(hit.amount),
        wording.label(wording.STATUSES, hit.status, locale()),
        " ".join(part for part in (hit.receiver_masked, hit.phone_masked) if part),
        frame.clock(hit.placed_at, shop.timezone if shop else None),
    ]
    with st.container(horizontal=True, vertical_alignment="center", key=f"desk_hit_{hit.id}"):
        with st.container(gap="xxsmall", width="stretch"):
            how = plain(f"search.how.{hit.how}")
            st.markdown(
                f"**{md(hit.order_no)}** {widgets.chips([how])} {widgets.chips(kinds, color='orange')}"
            )
            st.caption(md(" · ".join(fact for fact in facts if fact)))
        st.button(t("search.open"), key=f"desk_hit_open_{hit.id}", on_click=_open, args=("orders", hit.id))


def _ticket(case: Case) -> None:
    facts = [
        case.shop_name,
        ticket_words.label("states", case.state, locale()),
        case.owner_name or plain("tickets.nobody"),
        case.buyer_account or case.receiver_masked or "",
        case.summary[:60],
    ]
    with st.container(horizontal=True, vertical_alignment="center", key=f"desk_case_{case.id}"):
        with st.container(gap="xxsmall", width="stretch"):
            kind = ticket_words.label("types", case.type, locale())
            how = plain(f"search.how.{case.how}")
            st.markdown(f"**{ticket_words.number(case.id)}** {widgets.chips([how, kind])}")
            st.caption(md(" · ".join(fact for fact in facts if fact)))
        st.button(t("search.open"), key=f"desk_case_open_{case.id}", on_click=_open, args=("ticket", case.id))


def _lead(lead: LeadCase) -> None:
    facts = (lead_words.case(lead), lead.name_masked or "", plain("common.listed").join(lead.needs))
    with st.container(horizontal=True, vertical_alignment="center", key=f"desk_lead_{lead.id}"):
        st.markdown(md(" · ".join(fact for fact in facts if fact)), width="stretch")
        st.button(t("search.open"), key=f"desk_lead_open_{lead.id}", on_click=_open, args=("leads", lead.id))


def _colleague(colleague: Colleague) -> None:
    facts = (
        colleague.staff_no or "",
        plain(f"role.{colleague.role}"),
        plain(f"member.state.{colleague.state}"),
    )
    st.markdown(f":material/person: **{md(colleague.display_name)}** · {md(' · '.join(facts))}")


def _open(page: str, record: int) -> None:
    st.session_state[_GO] = (page, record)
    _clear()


def _clear() -> None:
    st.session_state[_TEXT] = ""
