"""The list: what waits, what I asked for, what is over."""

from __future__ import annotations

import streamlit as st

from backend.tickets import approvals, wording
from backend.tickets.approvals import ApprovalRow
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.approvals import words
from pages.shared.format import md
from pages.shared.i18n import t


def draw() -> None:
    """Tabs and cards; the deadline that is nearest comes first."""
    tab = (
        st.segmented_control(
            t("approvals.tabs"),
            approvals.TABS,
            default="open",
            required=True,
            format_func=lambda name: t(f"approvals.tab.{name}"),
            key="approvals_tab",
            label_visibility="collapsed",
        )
        or "open"
    )
    after = widgets.cursor("approvals", tab)
    page = approvals.listed(frame.client(), tab, after=after)
    if not page.rows:
        widgets.empty_state(
            t(f"approvals.none.{tab}"), t("approvals.none_hint"), icon=":material/approval:", key="approvals"
        )
        return
    with st.grid(min_column_width=320, gap="small", key="approvals_cards"):
        for row in page.rows:
            with st.container(border=True, gap="xsmall", height="stretch", key=f"approvals_card_{row.id}"):
                _card(row)
    widgets.pager("approvals", next_cursor=page.next, shown=len(page.rows))


def _card(row: ApprovalRow) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{md(fmt.money(row.amount))}** {md(words.kind(row.kind))}", width="content")
        st.markdown(words.state(row), width="content")
    st.markdown(words.chips(row.why))
    st.markdown(md(row.money_reason))
    order = f" · {row.order_no}" if row.order_no else ""
    asked = f"{row.requested_by or ''} {frame.clock(row.requested_at)}"
    st.caption(md(f"{wording.number(row.ticket_id)}{order} · {row.shop_name} · {asked}"))
    if row.state != "open":
        st.caption(md(words.ending(row)))
    label = t("approvals.decide") if row.can_decide else t("approvals.look")
    if st.button(
        label,
        key=f"approvals_open_{row.id}",
        type="primary" if row.can_decide else "secondary",
        icon=":material/approval:" if row.can_decide else ":material/visibility:",
    ):
        st.query_params["id"] = str(row.id)
        st.rerun()
