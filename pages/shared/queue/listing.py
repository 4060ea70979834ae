"""The list of the queue: tabs, filters, table or cards, selection, pager. Drawn in a fragment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from backend.orders import reads, wording
from backend.orders.models import QueueFilter, QueuePage, QueueRow
from pages.shared import format as fmt
from pages.shared import frame, saved_views, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import bulk, export, filters, same, state, words

REFRESH_SECONDS = 25


def draw(user: User) -> None:
    """The list; it renews itself unless somebody is working in a drawer or a preview."""
    busy = state.opened() is not None or state.bulk() is not None
    st.fragment(_body, run_every=None if busy else REFRESH_SECONDS, key="orders_list")(user, busy)


def _body(user: User, busy: bool) -> None:
    filters.sync(user)
    asked = filters.wanted()
    cursor = widgets.cursor("orders", asked)
    page = _read(replace(asked, after=cursor), keep=busy or bool(_ticked()))
    filters.tabs(page.tabs if page else {})
    with filters.row():
        filters.draw(user)
        saved_views.draw(user, "orders", params=filters.params(), show=filters.show)
        export.draw(asked)
    if page is None:
        return
    if st.session_state.get("orders_tab") == "same":
        same.draw()
    else:
        _rows(user, asked, page)


def _read(asked: QueueFilter, *, keep: bool) -> QueuePage | None:
    """The page of the list; while rows are ticked or a drawer is open, the one that is already there."""
    kept = state.remembered(asked)
    if keep and kept is not None:
        return kept
    with frame.boundary():
        page = reads.queue(frame.client(), asked)
        state.remember(asked, page)
        return page
    return None


def _rows(user: User, asked: QueueFilter, page: QueuePage) -> None:
    if not page.rows:
        _empty()
        return
    bulk.bar(user, [page.rows[place] for place in _ticked() if place < len(page.rows)], asked, page.count)
    if widgets.draws("wide"):
        with widgets.wide("orders"):
            _table(user, asked, page.rows)
    if widgets.draws("narrow"):
        with widgets.narrow("orders"):
            for row in page.rows:
                _card(user, row)
    widgets.pager(
        "orders",
        next_cursor=page.next,
        shown=len(page.rows),
        total=min(page.count, 1000),
        capped=page.count > 1000,
    )


def _ticked() -> Sequence[int]:
    event = st.session_state.get(state.table_key())
    return event["selection"]["rows"] if event else ()


def _table(user: User, asked: QueueFilter, rows: Sequence[QueueRow]) -> None:
    event = st.dataframe(
        widgets.due_table([_cells(user, row) for row in rows], [words.due(row).state for row in rows]),
        hide_index=True,
        key=state.table_key(),
        on_select="rerun",
        selection_mode=("multi-row", "single-cell"),
        column_config=_columns(asked.state),
        height="content",
        alt=plain("orders.title"),
    )
    cells = event["selection"]["cells"]
    if cells:
        state.open_order(rows[cells[0][0]].order_id)
        st.rerun()
    st.caption(t("orders.open_hint"))


def _cells(user: User, row: QueueRow) -> dict[str, Any]:
    return {
        "due": _due_words(row),
        "order_no": row.order_no,
        "kinds": [words.kind_name(code) for code in row.kinds],
        "why": _why(row),
        "shop": row.shop_name,
        "amount": fmt.money(row.amount),
        "owner": words.owner(row, user.id),
    }


def _due_words(row: QueueRow) -> str:
    return words.when_done(row) if row.state == "done" else words.due(row).text


def _why(row: QueueRow) -> str:
    """The evidence of the first exception that is still to be decided."""
    shown = [item for item in row.exceptions if item.kind in row.kinds and item.is_blocking]
    first = next((item for item in shown if item.state in words.OPEN), shown[0] if shown else None)
    return words.why(first) if first else ""


def _columns(listed: str) -> dict[str, Any]:
    text = st.column_config.TextColumn
    return {
        "due": text(plain("orders.column.done" if listed == "done" else "orders.column.due"), width=130),
        "order_no": text(plain("orders.column.order_no"), width=165),
        "kinds": st.column_config.ListColumn(plain("orders.column.kinds"), width=160),
        "why": text(plain("orders.column.why"), width=330),
        "shop": text(plain("orders.column.shop"), width=110),
        "amount": text(plain("orders.column.amount"), alignment="right", width=95),
        "owner": text(plain("orders.column.owner"), width=85),
    }


def _card(user: User, row: QueueRow) -> None:
    with st.container(border=True, gap="xxsmall", key=f"orders_card_{row.order_id}"):
        left = md(_due_words(row)) if row.state == "done" else widgets.due_chip(words.due(row))
        st.markdown(f"{left} {words.chips(row.kinds, high=row.is_high)}")
        st.caption(md(_why(row)))
        facts = (
            wording.short_number(row.order_no),
            fmt.money(row.amount),
            row.shop_name,
            words.owner(row, user.id),
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(" · ".join(facts)), width="stretch")
            if st.button(t("orders.handle"), key=f"orders_open_{row.order_id}"):
                state.open_order(row.order_id)
                st.rerun()


def _empty() -> None:
    if filters.narrowed():
        box = widgets.empty_state(
            t("orders.none_match"),
            t("orders.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="orders",
        )
        box.button(t("common.clear_filters"), key="orders_clear_empty", on_click=filters.clear)
        return
    tab = st.session_state.get("orders_tab", "open")
    icon = ":material/task_alt:" if tab in ("open", "overdue") else ":material/inbox:"
    widgets.empty_state(t(f"orders.none.{tab}"), t(f"orders.none.{tab}_hint"), icon=icon, key="orders")
