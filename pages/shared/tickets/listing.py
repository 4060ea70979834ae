"""The list of tickets: tabs, filters, table or cards, selection, pager. Drawn in a fragment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from backend.tickets import reads, wording
from backend.tickets.choices import TicketFilter
from backend.tickets.models import TicketPage, TicketRow
from pages.shared import frame, saved_views, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import bulk, causes, export, filters, state, words

REFRESH_SECONDS = 25


def draw(user: User) -> None:
    """The list; it renews itself unless somebody has ticked rows or a preview is open."""
    busy = bulk.is_making()
    st.fragment(_body, run_every=None if busy else REFRESH_SECONDS, key="tickets_list")(user, busy)


def _body(user: User, busy: bool) -> None:
    filters.sync(user)
    asked = filters.wanted()
    cursor = widgets.cursor("tickets", asked)
    page = _read(replace(asked, after=cursor), keep=busy or bool(_ticked()))
    filters.tabs(page.counts if page else {})
    with filters.row():
        filters.draw(user, causes.names())
        saved_views.draw(user, "tickets", params=filters.params(), show=filters.show)
        if user.has(*export.ROLES):
            export.draw(asked)
    if page is not None:
        _behind(user, page)
        _rows(user, asked, page)


def _behind(user: User, page: TicketPage) -> None:
    """That the list is what a figure counted: when, whose, how many."""
    names = {}
    if filters.handler():
        with frame.boundary():
            names = reads.people(frame.client(), {filters.handler() or 0})
    if said := filters.counted(names):
        count = plain("tickets.period_count", count=words.capped(page.count))
        st.caption(f":material/filter_alt: {md(f'{said} · {count}')}", help=t("tickets.filter.days_help"))


def _read(asked: TicketFilter, *, keep: bool) -> TicketPage | None:
    """The page of the list; while rows are ticked or a preview is open, the one that is already there."""
    kept = state.remembered(asked)
    if keep and kept is not None:
        return kept
    with frame.boundary():
        page = reads.tickets(frame.client(), asked)
        state.remember(asked, page)
        return page
    return None


def _rows(user: User, asked: TicketFilter, page: TicketPage) -> None:
    if not page.rows:
        _empty(asked)
        return
    bulk.bar(user, [page.rows[place] for place in _ticked() if place < len(page.rows)])
    if widgets.draws("wide"):
        with widgets.wide("tickets"):
            _table(user, page.rows)
    if widgets.draws("narrow"):
        with widgets.narrow("tickets"):
            for row in page.rows:
                _card(user, row)
    widgets.pager("tickets", next_cursor=page.next, shown=len(page.rows))


def _ticked() -> Sequence[int]:
    event = st.session_state.get(state.table_key())
    return event["selection"]["rows"] if event else ()


def _table(user: User, rows: Sequence[TicketRow]) -> None:
    event = st.dataframe(
        widgets.due_table([_cells(user, row) for row in rows], [words.due(row).state for row in rows]),
        hide_index=True,
        key=state.table_key(),
        on_select="rerun",
        selection_mode=("multi-row", "single-cell"),
        column_config=_columns(),
        height="content",
        alt=plain("tickets.title"),
    )
    cells = event["selection"]["cells"]
    if cells:
        state.open_ticket(rows[cells[0][0]].id)
    st.caption(t("tickets.open_hint"))


def _cells(user: User, row: TicketRow) -> dict[str, Any]:
    return {
        "due": words.due(row).text or frame.clock(row.closed_at or row.resolved_at),
        "number": wording.number(row.id),
        "type": [words.of("types", row.type), *words.marks(row)],
        "summary": words.short(row.summary),
        "state": words.of("states", row.state),
        "buyer": row.buyer_account or row.receiver_masked or "",
        "shop": row.shop_name,
        "owner": words.owner(row.owner_id, row.owner_name, user.id),
    }


def _columns() -> dict[str, Any]:
    text = st.column_config.TextColumn
    widths = {"due": 125, "number": 65, "summary": 175, "state": 110, "buyer": 95, "shop": 100, "owner": 75}
    found = {name: text(plain(f"tickets.column.{name}"), width=width) for name, width in widths.items()}
    return found | {"type": st.column_config.ListColumn(plain("tickets.column.type"), width=135)}


def _card(user: User, row: TicketRow) -> None:
    with st.container(border=True, gap="xxsmall", key=f"tickets_card_{row.id}"):
        left = widgets.due_chip(words.due(row)) or f":gray[{md(words.of('states', row.state))}]"
        st.markdown(f"{left} **{wording.number(row.id)}** {words.chips(row)}")
        st.caption(md(words.short(row.summary)))
        facts = (
            words.of("states", row.state),
            row.buyer_account or row.receiver_masked or "",
            row.shop_name,
            words.owner(row.owner_id, row.owner_name, user.id),
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(" · ".join(fact for fact in facts if fact)), width="stretch")
            if st.button(t("tickets.handle"), key=f"tickets_open_{row.id}"):
                state.open_ticket(row.id)


def _empty(asked: TicketFilter) -> None:
    if filters.narrowed():
        box = widgets.empty_state(
            t("tickets.none_match"),
            t("tickets.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="tickets",
        )
        if asked.q and asked.tab != "all":
            box.button(
                t("tickets.look_everywhere"),
                key="tickets_everywhere",
                type="primary",
                on_click=filters.show,
                args=(filters.params() | {"tab": "all"},),
            )
        box.button(t("common.clear_filters"), key="tickets_clear_empty", on_click=filters.clear)
        return
    icon = ":material/task_alt:" if asked.tab in ("mine", "pool") else ":material/inbox:"
    widgets.empty_state(
        t(f"tickets.none.{asked.tab}"), t(f"tickets.none.{asked.tab}_hint"), icon=icon, key="tickets"
    )
