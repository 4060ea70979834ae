"""The list of the queue: tabs, filters, table or cards, selection, pager. Drawn in a fragment of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import bulk, export, filters, gateway, same, state, words

REFRESH_SECONDS = 25
_COLORS = {
    "overdue": {"light": "#B3261E", "dark": "#F0705E"},
    "due_soon": {"light": "#9A4A06", "dark": "#F0A347"},
    "paused": {"light": "#5F6A66", "dark": "#9AA5A1"},
}
_EMPTY = {"waiting": "waiting", "mine": "mine", "overdue": "overdue", "done": "done"}


def draw(user: User) -> None:
    """The list; it renews itself unless somebody is working in a drawer or a preview."""
    busy = state.opened() is not None or state.bulk() is not None
    st.fragment(_body, run_every=None if busy else REFRESH_SECONDS, key="orders_list")(user, busy)


def _body(user: User, busy: bool) -> None:
    tab = st.session_state.get("orders_tab", "open")
    wanted = filters.wanted()
    cursor = widgets.cursor("orders", wanted)
    answer = _read(wanted, cursor, keep=busy or bool(_selected_rows()))
    filters.tabs(answer["tabs"] if answer else {})
    with filters.row():
        filters.draw(user)
        export.draw(wanted)
    if answer is None:
        return
    if tab == "same":
        same.draw(user)
    else:
        _rows(user, tab, wanted, answer)


def _read(wanted: Mapping[str, Any], cursor: str | None, *, keep: bool) -> gateway.Row | None:
    """The page of the list; while rows are selected or a drawer is open, the one that is already there."""
    mark = json.dumps([wanted, cursor], sort_keys=True)
    kept = state.remembered(mark)
    if keep and kept is not None:
        return kept
    with frame.boundary():
        after = json.loads(cursor) if cursor else None
        answer = gateway.queue(frame.client(), wanted, after=after)
        state.remember(mark, answer)
        return answer
    return None


def _rows(user: User, tab: str, wanted: Mapping[str, Any], answer: gateway.Row) -> None:
    rows = answer["rows"]
    if not rows:
        _empty(tab)
        return
    chosen = [rows[place] for place in _selected_rows() if place < len(rows)]
    bulk.bar(user, chosen, wanted, answer["count"])
    with widgets.wide("orders"):
        _table(user, tab, rows)
    with widgets.narrow("orders"):
        for row in rows:
            _card(user, tab, row)
    following = json.dumps(answer["next"]) if answer["next"] else None
    total = min(answer["count"], 1000)
    widgets.pager(
        "orders", next_cursor=following, shown=len(rows), total=total, capped=answer["count"] > 1000
    )


def _selected_rows() -> Sequence[int]:
    event = st.session_state.get(state.table_key())
    return event["selection"]["rows"] if event else ()


def _table(user: User, tab: str, rows: Sequence[gateway.Row]) -> None:
    key = state.table_key()
    event = st.dataframe(
        _styled([_cells(user, tab, row) for row in rows], [words.due(row).state for row in rows]),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode=("multi-row", "single-cell"),
        column_config=_columns(tab),
        height="content",
        alt=plain("orders.title"),
    )
    cells = event["selection"]["cells"]
    if cells:
        state.open_order(rows[cells[0][0]]["order_id"])
        st.rerun()
    st.caption(t("orders.open_hint"))


def _cells(user: User, tab: str, row: gateway.Row) -> dict[str, Any]:
    return {
        "due": words.done_words(row) if tab == "done" else words.due(row).text,
        "order_no": row["order_no"],
        "kinds": [words.kind(code) for code in row["kinds"]],
        "why": _why(row),
        "shop": row["shop_name"],
        "amount": fmt.money(row["amount"]),
        "owner": words.owner(row, user.id),
    }


def _why(row: gateway.Row) -> str:
    first = next((e for e in row["exceptions"] if e["kind"] in row["kinds"]), None)
    return words.evidence(first["kind"], first["evidence"]) if first else ""


def _styled(cells: Sequence[Mapping[str, Any]], dues: Sequence[str]) -> Any:
    theme = "dark" if st.context.theme.type == "dark" else "light"
    colors = [f"color: {_COLORS[due][theme]}; font-weight: 600" if due in _COLORS else "" for due in dues]
    return pd.DataFrame(cells).style.apply(lambda _: colors, subset=["due"])


def _columns(tab: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "due": column.TextColumn(
            plain("orders.column.done" if tab == "done" else "orders.column.due"), width=120
        ),
        "order_no": column.TextColumn(plain("orders.column.order_no"), width=165),
        "kinds": column.ListColumn(plain("orders.column.kinds"), width=150),
        "why": column.TextColumn(plain("orders.column.why"), width="large"),
        "shop": column.TextColumn(plain("orders.column.shop"), width=110),
        "amount": column.TextColumn(plain("orders.column.amount"), alignment="right", width=100),
        "owner": column.TextColumn(plain("orders.column.owner"), width=90),
    }


def _card(user: User, tab: str, row: gateway.Row) -> None:
    with st.container(border=True, gap="xxsmall", key=f"orders_card_{row['order_id']}"):
        left = md(words.done_words(row)) if tab == "done" else widgets.due_chip(words.due(row))
        facts = " · ".join(md(part) for part in (fmt.money(row["amount"]), row["shop_name"]) if part)
        st.markdown(f"{left} {words.chips(row['kinds'], high=row['is_high'])}")
        why = _why(row)
        if why:
            st.caption(md(why))
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f"**{md(words.order_no(row['order_no']))}** · {facts} · {md(words.owner(row, user.id))}"
            )
            if st.button(t("orders.handle"), key=f"orders_open_{row['order_id']}"):
                state.open_order(row["order_id"])
                st.rerun()


def _empty(tab: str) -> None:
    if filters.active():
        box = widgets.empty_state(
            t("orders.none_match"),
            t("orders.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="orders",
        )
        box.button(t("common.clear_filters"), key="orders_clear_empty", on_click=filters.clear)
        return
    name = _EMPTY.get(tab, "open")
    icon = ":material/task_alt:" if name in ("open", "overdue") else ":material/inbox:"
    widgets.empty_state(t(f"orders.none.{name}"), t(f"orders.none.{name}_hint"), icon=icon, key="orders")
