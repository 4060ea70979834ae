"""Leads as a list: the soonest deadline first, with rows to tick (see `bulk`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st
from supabase import Client

from backend.leads import files, reads, wording
from backend.leads.choices import LeadFilter
from backend.leads.models import LeadRow
from pages.shared import exporting, frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import bulk, filters, state, words

_PAGE = 50
_WIDTHS = {
    "due": 140,
    "number": 80,
    "grade": 60,
    "name": 110,
    "needs": 160,
    "stage": 90,
    "next": 100,
    "source": 95,
}


def ticked() -> Sequence[int]:
    """Places of the ticked rows."""
    event = st.session_state.get(state.table_key())
    return event["selection"]["rows"] if event else ()


def draw(user: User, asked: LeadFilter, scope: str) -> None:
    """A page of the list (open leads, or one column of the board), its bulk actions above."""
    column = asked.column or "open"
    after = widgets.cursor("leads", asked)
    page = reads.board(frame.client(), replace(asked, column=column, after=after, limit=_PAGE)).columns[
        column
    ]
    if not page.rows:
        empty(scope)
        return
    bulk.bar(user, [page.rows[place] for place in ticked() if place < len(page.rows)])
    if widgets.draws("wide"):
        with widgets.wide("leads_list"):
            _table(user, page.rows)
    if widgets.draws("narrow"):
        with widgets.narrow("leads_list"):
            for row in page.rows:
                label = f"{wording.number(row.id)} {row.grade} {words.name(row)} · {words.due(row).text}"
                if st.button(md(label), key=f"leads_line_{row.id}", width="stretch"):
                    state.open_lead(row.id)
    widgets.pager(
        "leads",
        next_cursor=page.next,
        shown=len(page.rows),
        total=min(page.count, 1000),
        capped=page.count > 1000,
    )


def empty(scope: str) -> None:
    """Why nothing is shown: the filters, or there is nothing yet."""
    if filters.narrowed():
        box = widgets.empty_state(
            t("leads.none_match"),
            t("leads.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="leads",
        )
        box.button(t("common.clear_filters"), key="leads_clear_empty", on_click=filters.clear)
        return
    widgets.empty_state(
        plain(f"leads.none.{scope}"), plain(f"leads.none.{scope}_hint"), icon=":material/groups:", key="leads"
    )


def _table(user: User, rows: Sequence[LeadRow]) -> None:
    event = st.dataframe(
        widgets.due_table([_cells(user, row) for row in rows], [words.due(row).state for row in rows]),
        hide_index=True,
        key=state.table_key(),
        on_select="rerun",
        selection_mode=("multi-row", "single-cell"),
        column_config=_columns(),
        height="content",
        alt=plain("leads.title"),
    )
    if cells := event["selection"]["cells"]:
        state.open_lead(rows[cells[0][0]].id)
    st.caption(t("leads.open_hint"))


def _cells(user: User, row: LeadRow) -> dict[str, Any]:
    return {
        "due": words.due(row).text,
        "number": wording.number(row.id),
        "grade": row.grade,
        "name": words.name(row),
        "needs": list(row.needs),
        "stage": words.standing(row),
        "next": words.of("next_steps", row.next_step),
        "source": words.of("sources", row.source),
        "shop": row.shop_name,
        "owner": words.owner(row.owner_id, row.owner_name, user.id),
    }


def _columns() -> Mapping[str, Any]:
    text = st.column_config.TextColumn
    found: dict[str, Any] = {
        name: text(plain(f"leads.list.{name}"), width=width) for name, width in _WIDTHS.items()
    }
    found["needs"] = st.column_config.ListColumn(plain("leads.list.needs"), width=_WIDTHS["needs"])
    return found | {name: text(plain(f"leads.list.{name}"), width=100) for name in ("shop", "owner")}


# --- as a file ---


def export(asked: LeadFilter) -> None:
    """A button per format for what the filters leave, masked; made and recorded when asked for."""
    hint = t("leads.export_hint", most=files.MOST_ROWS)
    exporting.draw("leads", t("leads.export"), hint, partial(_content, frame.client(), asked))


def _content(client: Client, asked: LeadFilter, kind: exporting.Format, lang: str) -> bytes:
    return files.lead_file(client, asked, fmt=kind, lang=lang)
