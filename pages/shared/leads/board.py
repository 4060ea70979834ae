"""The board: a column a stage, cards by deadline; a narrow window shows one column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from backend.leads import commands, reads, wording
from backend.leads.choices import COLUMNS, STAGES, LeadFilter
from backend.leads.models import Board, Column, LeadRow
from pages.shared import frame, saved_views, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.leads import bulk, filters, listing, state, twins, words

REFRESH_SECONDS = 30
_CARDS = 12
_ENDS = {"converted": "convert", "lost": "lose"}
"""The last two columns ask for more than a click: which order, or why."""


def draw(user: User) -> None:
    """The board or the list; it renews itself while nothing is ticked."""
    ticked = filters.view() == "list" and (bulk.making() or bool(listing.ticked()))
    st.fragment(_body, run_every=None if ticked else REFRESH_SECONDS, key="leads_board")(user)


def _body(user: User) -> None:
    with frame.boundary():
        people = filters.sync(user)
        asked = filters.wanted()
        found = reads.board(frame.client(), replace(asked, column=None, limit=_CARDS))
        filters.tabs(user, found.tabs)
        with filters.row():
            filters.draw(user, people)
            saved_views.draw(user, "leads", params=filters.params(), show=filters.show)
            listing.export(asked)
            twins.button(user, found.twins)
        bulk.undo_bar()
        if filters.view() == "list":
            listing.draw(user, asked, found.scope)
        else:
            _board(user, asked, found)


def _board(user: User, asked: LeadFilter, found: Board) -> None:
    if not any(column.count for column in found.columns.values()):
        listing.empty(found.scope)
        return
    if widgets.draws("wide"):
        with widgets.wide("leads_board"):
            for place, name in zip(st.columns(len(COLUMNS), gap="small"), COLUMNS, strict=True):
                with place:
                    _column(user, asked, name, found.columns[name], "wide")
    if widgets.draws("narrow"):
        with widgets.narrow("leads_board"):
            name = st.selectbox(
                t("leads.column"),
                COLUMNS,
                format_func=lambda one: _head(one, found.columns[one]),
                key="leads_narrow_column",
            )
            _cards(user, name, found.columns[name].rows, "narrow")
            _more(asked, name, found.columns[name], "narrow")


def _head(name: str, column: Column) -> str:
    return f"{words.of('stages', name)} {words.capped(column.count)}"


def _column(user: User, asked: LeadFilter, name: str, column: Column, where: str) -> None:
    st.markdown(f"**{md(words.of('stages', name))}** :gray[{words.capped(column.count)}]")
    _cards(user, name, column.rows, where)
    _more(asked, name, column, where)


def _cards(user: User, name: str, rows: Sequence[LeadRow], where: str) -> None:
    if not rows:
        st.caption(t("leads.column_empty"))
    for row in rows:
        _card(user, name, row, where)


def _card(user: User, column: str, row: LeadRow, where: str) -> None:
    with st.container(border=True, gap="xxsmall", key=f"leads_card_{where}_{row.id}"):
        st.markdown(f"{words.chips(row)}")
        label = f"{wording.number(row.id)} {words.name(row)}"
        if st.button(md(label), key=f"leads_open_{where}_{row.id}", type="tertiary"):
            state.open_lead(row.id)
        if chip := widgets.due_chip(words.due(row)):
            st.markdown(chip)
        facts = [words.of("next_steps", row.next_step), _ending(column, row)]
        if filters.wanted().scope != "mine":
            facts.append(words.owner(row.owner_id, row.owner_name, user.id))
        if told := " · ".join(fact for fact in facts if fact):
            st.caption(md(told))
        if column in STAGES:
            _menu(user, row, where)


def _ending(column: str, row: LeadRow) -> str:
    if column == "lost":
        return words.of("lost_reasons", row.lost_reason)
    return frame.clock(row.closed_at) if column == "converted" else words.of("sources", row.source)


def _menu(user: User, row: LeadRow, where: str) -> None:
    """Claim out of the pool, or move to another stage: by keyboard and mouse alike."""
    if row.state == "pool":
        if user.has("agent", "manager") and st.button(
            t("leads.claim"), key=f"leads_claim_{where}_{row.id}", icon=":material/front_hand:"
        ):
            with frame.boundary():
                state.carry_out(
                    lambda: commands.claim(frame.client(), row.id, request_id=state.mark("claim", row.id)),
                    t("leads.claimed", number=wording.number(row.id)),
                )
        return
    if row.owner_id == user.id or user.has("manager") or user.is_duty_lead:
        ends = tuple(_ENDS) if row.state == "following" else ()  # before a follow-up there is nothing to end
        chosen = st.menu_button(
            t("leads.move"),
            options=[stage for stage in (*STAGES, *ends) if stage != row.stage],
            format_func=lambda stage: words.of("stages", stage),
            key=f"leads_move_{where}_{row.id}",
            type="tertiary",
        )
        if chosen in _ENDS:
            state.open_lead(row.id, _ENDS[chosen])
        elif chosen:
            move(row, chosen)


def move(row: LeadRow, stage: str) -> None:
    """Moves one lead; why it stays is said."""
    with frame.boundary():
        asked = state.mark("move", row.id, row.version, stage)
        answer = commands.move(frame.client(), [state.ref(row)], stage, request_id=asked)
        if answer.done:
            told = t("leads.moved", number=wording.number(row.id), stage=words.of("stages", stage))
            bulk.remember(answer, told)
            state.finished(told)
        frame.done()
        st.error(words.refusal(answer.items[0].refusal or "lead.state"), icon=":material/lock:")


def _more(asked: LeadFilter, name: str, column: Column, where: str) -> None:
    """The rest of a column, page by page, in the list."""
    if column.next is None:
        return
    with st.popover(t("leads.more_n", count=words.capped(column.count)), key=f"leads_more_{where}_{name}"):
        rest = replace(asked, column=name, after=column.next, limit=50)
        page = reads.board(frame.client(), rest).columns[name]
        for row in page.rows:
            label = f"{wording.number(row.id)} {row.grade} {words.name(row)}"
            if st.button(md(label), key=f"leads_rest_{where}_{row.id}", type="tertiary"):
                state.open_lead(row.id)
        if page.next is not None:
            st.caption(t("leads.more_in_list"))
