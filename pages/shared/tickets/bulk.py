"""Many at once: hand the ticked tickets to a colleague, after a preview that says what would be refused."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.tickets import commands, reads
from backend.tickets.models import TicketRef, TicketRow
from pages.shared import frame, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import state, words

_MAKING = "tickets_bulk"


def making() -> tuple[TicketRow, ...] | None:
    """The tickets whose preview is open."""
    found: tuple[TicketRow, ...] | None = st.session_state.get(_MAKING)
    return found


def bar(user: User, ticked: Sequence[TicketRow]) -> None:
    """What can be done with the ticked rows. Always as high, so that the table stays where it is."""
    if not user.has("agent", "operations", "manager", "admin"):
        return
    with (
        widgets.wide("tickets_bulk"),
        st.container(horizontal=True, vertical_alignment="center", gap="small", key="tickets_bulk_bar"),
    ):
        told = t("tickets.selected", count=len(ticked)) if ticked else t("tickets.tick_hint")
        st.markdown(told, width="content")
        if st.button(
            t("tickets.reassign_more"),
            key="tickets_reassign",
            icon=":material/swap_horiz:",
            disabled=not ticked,
        ):
            st.session_state[_MAKING] = tuple(ticked)
            st.rerun()


def dialog() -> None:
    """The preview of handing over, when it is open."""
    rows = making()
    if rows is not None:
        title = plain("tickets.reassign_title")
        st.dialog(title, width="medium", on_dismiss=_end, icon=":material/swap_horiz:")(_body)(rows)


def _body(rows: Sequence[TicketRow]) -> None:
    with frame.boundary():
        people = reads.colleagues(frame.client(), {row.shop_id for row in rows})
        member_id = st.selectbox(
            t("tickets.reassign_to"),
            list(people),
            index=None,
            placeholder=plain("tickets.choose"),
            format_func=lambda one: people[one],
            key="tickets_reassign_to",
        )
        if member_id is None:
            st.caption(t("tickets.reassign_text", count=len(rows)))
            return
        items = [TicketRef(row.id, row.version) for row in rows]
        found = commands.preview(frame.client(), items, member_id)
        st.markdown(t("tickets.reassign_preview", ok=found.ok, count=found.count))
        for refused in found.refused:
            why = words.refusal(refused.key, refused.params)
            st.warning(t("tickets.refused_n", count=refused.count, why=why), icon=":material/lock:")
        label = t("tickets.reassign_n", count=found.ok)
        if st.button(label, key="tickets_reassign_send", type="primary", disabled=not found.ok):
            _send(items, member_id, people[member_id])


def _send(items: Sequence[TicketRef], member_id: int, name: str) -> None:
    asked = state.mark("tickets_reassign", items, member_id)
    answer = commands.reassign(frame.client(), items, member_id, request_id=asked)
    told = plain("tickets.reassigned", count=answer.done, who=name)
    state.changed(answer.batch_id, told)
    _end()
    if answer.refused:
        first = answer.refused[0]
        why = words.refusal(first.key, first.params)
        frame.flash(t("tickets.refused_n", count=len(answer.refused), why=why), icon=":material/lock:")
    frame.flash_and_rerun(t("tickets.reassigned", count=answer.done, who=name))


def _end() -> None:
    st.session_state.pop(_MAKING, None)
