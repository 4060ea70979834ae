"""What the list of tickets remembers between runs: the rows, what is ticked, the last undo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

import streamlit as st

from backend.tickets import commands
from backend.tickets.choices import TicketFilter
from backend.tickets.models import TicketPage
from pages.shared import frame, navigation
from pages.shared.i18n import t

UNDO_MINUTES = 10
_ANSWER = "tickets_answer"
_ROUND = "tickets_round"
_UNDO = "tickets_last_batch"


def mark(name: str, *facts: Any) -> UUID:
    """The id of an intention (see `frame.request_id`) as the commands take it."""
    return frame.request_id(name, *facts)


def open_ticket(ticket_id: int) -> NoReturn:
    """Goes to the page of a ticket."""
    st.switch_page(navigation.PAGES_DIR / "ticket.py", query_params={"id": str(ticket_id)})


def remembered(asked: TicketFilter) -> TicketPage | None:
    """The list as it was last read under this filter; None when it must be read again."""
    kept = st.session_state.get(_ANSWER)
    return kept[1] if kept and kept[0] == asked else None


def remember(asked: TicketFilter, answer: TicketPage) -> None:
    """Keeps the list."""
    st.session_state[_ANSWER] = (asked, answer)


def mine() -> int:
    """How many open tickets are mine, as the list last said."""
    kept = st.session_state.get(_ANSWER)
    return int(kept[1].counts.get("mine", 0)) if kept else 0


def forget_list() -> None:
    """The list has to be read again."""
    st.session_state.pop(_ANSWER, None)


def table_key() -> str:
    """The key of the table; a new one forgets what was selected."""
    return f"tickets_table_{st.session_state.setdefault(_ROUND, 0)}"


def changed(batch_id: int | None, told: str) -> None:
    """After a write on many: the list is old, nothing is selected, and it can be undone."""
    forget_list()
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    if batch_id is not None:
        st.session_state[_UNDO] = {"batch_id": batch_id, "words": told, "at": datetime.now(UTC)}


def _undoable() -> Mapping[str, Any] | None:
    kept: dict[str, Any] | None = st.session_state.get(_UNDO)
    if kept is None:
        return None
    left = timedelta(minutes=UNDO_MINUTES) - (datetime.now(UTC) - kept["at"])
    if left <= timedelta(0):
        st.session_state.pop(_UNDO)
        return None
    return {**kept, "minutes": max(1, round(left.total_seconds() / 60))}


def undo_bar() -> None:
    """The last bulk action and its 撤销, for ten minutes."""
    kept = _undoable()
    if kept is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="tickets_undo_bar"):
        st.caption(t("tickets.undo_of", words=kept["words"]), width="content")
        label = t("tickets.undo", minutes=kept["minutes"])
        if st.button(label, key="tickets_undo", icon=":material/undo:", shortcut="Alt+Z", type="tertiary"):
            with frame.boundary():
                batch = kept["batch_id"]
                done = commands.undo(frame.client(), batch, request_id=mark("tickets_undo", batch))
                st.session_state.pop(_UNDO)
                changed(None, "")
                frame.flash_and_rerun(t("tickets.undone", count=done.done), icon=":material/undo:")
