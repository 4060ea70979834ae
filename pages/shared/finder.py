"""The search box: whatever was pasted finds an order or a colleague, from any page."""

from __future__ import annotations

import streamlit as st

from backend import search
from backend.orders import wording
from backend.search import Colleague, Hit
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t

_TEXT = "desk_search_text"
_GO = "desk_search_go"


def box() -> str:
    """Draws the box; returns what was entered, or opens the order that was chosen from the last results."""
    chosen = st.session_state.pop(_GO, None)
    if chosen is not None:
        st.switch_page("orders.py", query_params={"id": str(chosen)})
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
            count = len(found.orders) + len(found.members)
            st.markdown(f"**{t('search.found', count=count)}**", width="content")
            st.button(t("common.close"), key="desk_found_close", type="tertiary", on_click=_clear)
        with st.container(height=420 if count > 5 else "content", border=False):
            for hit in found.orders:
                _order(hit, user)
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
        st.button(t("search.open"), key=f"desk_hit_open_{hit.id}", on_click=_open, args=(hit.id,))


def _colleague(colleague: Colleague) -> None:
    facts = (
        colleague.staff_no or "",
        plain(f"role.{colleague.role}"),
        plain(f"member.state.{colleague.state}"),
    )
    st.markdown(f":material/person: **{md(colleague.display_name)}** · {md(' · '.join(facts))}")


def _open(order_id: int) -> None:
    st.session_state[_GO] = order_id
    _clear()


def _clear() -> None:
    st.session_state[_TEXT] = ""
