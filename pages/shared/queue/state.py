"""What the queue page remembers between runs: the open order, the bulk decision being made, the last undo.

The open order is the `?id=` of the address, so that a link to it is a link to its drawer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from backend.orders import commands, reads
from backend.orders.models import Decision, ItemRef, QueueFilter, QueuePage
from pages.shared import address, frame
from pages.shared.i18n import plain, t

UNDO_MINUTES = 10
_ANSWER = "orders_answer"
_ACT = "orders_act"
_BULK = "orders_bulk"
_IDS = "orders_ids"
_ROUND = "orders_round"
_UNDO = "orders_last_batch"


@dataclass(frozen=True, slots=True)
class Bulk:
    """A decision on many that is being made: on rows that were ticked, or on all that match a filter."""

    decision: Decision
    items: tuple[ItemRef, ...] = ()
    kinds: tuple[str, ...] = ()
    """The kind of each item."""
    matching: QueueFilter | None = None


def opened() -> int | None:
    """The order whose drawer is open."""
    return address.number("id")


def open_order(order_id: int) -> None:
    """Opens the drawer of an order on the next run."""
    st.query_params["id"] = str(order_id)
    st.session_state.pop(_ACT, None)
    st.session_state.pop(_BULK, None)
    new_table()


def close_order() -> None:
    """Closes the drawer."""
    st.query_params.pop("id", None)
    st.session_state.pop(_ACT, None)


def acting() -> tuple[int, str] | None:
    """The exception and the decision whose panel is open in the drawer."""
    found: tuple[int, str] | None = st.session_state.get(_ACT)
    return found


def act(exception_id: int, action: str) -> None:
    """Opens the panel of a decision, or closes it when it is open."""
    wanted = (exception_id, action)
    st.session_state[_ACT] = None if acting() == wanted else wanted


def bulk() -> Bulk | None:
    """The bulk decision that is being made."""
    found: Bulk | None = st.session_state.get(_BULK)
    return found


def start_bulk(what: Bulk) -> None:
    """Opens the preview of a bulk decision on the next run."""
    st.session_state[_BULK] = what


def end_bulk() -> None:
    """Puts the bulk decision away."""
    st.session_state.pop(_BULK, None)


def remembered(asked: QueueFilter) -> QueuePage | None:
    """The list as it was last read under this filter; None when it must be read again."""
    kept = st.session_state.get(_ANSWER)
    return kept[1] if kept and kept[0] == asked else None


def remember(asked: QueueFilter, answer: QueuePage) -> None:
    """Keeps the list, and the order of its rows for next and previous in the drawer."""
    st.session_state[_ANSWER] = (asked, answer)
    st.session_state[_IDS] = [row.order_id for row in answer.rows]


def mine() -> int:
    """How many open orders are mine, as the list last said."""
    kept = st.session_state.get(_ANSWER)
    return int(kept[1].tabs.get("mine", 0)) if kept else 0


def forget_list() -> None:
    """The list has to be read again."""
    st.session_state.pop(_ANSWER, None)


def neighbour(order_id: int, step: int) -> int | None:
    """The order before (-1) or after (1) this one in the list, as it was last shown."""
    ids: list[int] = st.session_state.get(_IDS, [])
    if order_id not in ids:
        return ids[0] if ids and step == 1 else None
    place = ids.index(order_id) + step
    return ids[place] if 0 <= place < len(ids) else None


def table_key() -> str:
    """The key of the table; a new one forgets what was selected."""
    return f"orders_table_{st.session_state.setdefault(_ROUND, 0)}"


def new_table() -> None:
    """Forgets the selection."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def changed(batch_id: int | None, words: str) -> None:
    """After a write: the list is old, nothing is selected, and the decision can be undone."""
    forget_list()
    new_table()
    end_bulk()
    st.session_state.pop(_ACT, None)
    if batch_id is not None:
        st.session_state[_UNDO] = {"batch_id": batch_id, "words": words, "at": datetime.now(UTC)}


def _recalled() -> dict[str, Any] | None:
    """The last decision as the database knows it: a reloaded page has forgotten it. Asked once per page."""
    if _UNDO not in st.session_state:
        st.session_state[_UNDO] = None
        with frame.boundary():
            last = reads.last_decision(frame.client())
            if last:
                told = plain(f"orders.did.{last.action}", count=last.count)
                st.session_state[_UNDO] = {"batch_id": last.batch_id, "words": told, "at": last.at}
    found: dict[str, Any] | None = st.session_state[_UNDO]
    return found


def undoable() -> Mapping[str, Any] | None:
    """The last decision while it can be undone: {batch_id, words, minutes}."""
    kept = _recalled()
    if kept is None:
        return None
    left = timedelta(minutes=UNDO_MINUTES) - (datetime.now(UTC) - kept["at"])
    if left <= timedelta(0):
        st.session_state[_UNDO] = None
        return None
    return {**kept, "minutes": max(1, round(left.total_seconds() / 60))}


def undo_bar(key: str) -> None:
    """The last decision and its 撤销, for ten minutes."""
    kept = undoable()
    if kept is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_undo_bar"):
        st.caption(t("orders.undo_of", words=kept["words"]), width="content")
        label = t("orders.undo", minutes=kept["minutes"])
        if st.button(label, key=f"{key}_undo", icon=":material/undo:", shortcut="Alt+Z", type="tertiary"):
            with frame.boundary():
                batch = kept["batch_id"]
                count = commands.undo(
                    frame.client(), batch, request_id=frame.request_id("orders_undo", batch)
                )
                st.session_state[_UNDO] = None
                changed(None, "")
                frame.flash_and_rerun(t("orders.undone", count=count), icon=":material/undo:")
