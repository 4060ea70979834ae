"""What the listing page remembers between runs: the open listing, the bulk step being made, the last undo.

The open listing is the `?id=` of the address, so that a link to it is a link to its drawer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from backend.compliance import commands
from backend.compliance.models import Listing, Step
from pages.shared import address, frame
from pages.shared.i18n import t

UNDO_MINUTES = 10
_BULK = "listings_bulk"
_IDS = "listings_ids"
_ROUND = "listings_round"
_UNDO = "listings_last_batch"
_EDIT = "listings_editing"


@dataclass(frozen=True, slots=True)
class Bulk:
    """A step on many that is being made."""

    step: Step
    rows: tuple[Listing, ...]


def opened() -> int | None:
    """The listing whose drawer is open."""
    return address.number("id")


def is_new() -> bool:
    """Whether the drawer of a new listing is open."""
    return st.query_params.get("id") == "new"


def open_listing(listing_id: int) -> None:
    """Opens the drawer of a listing on the next run."""
    st.query_params["id"] = str(listing_id)
    st.session_state.pop(_BULK, None)
    st.session_state.pop(_EDIT, None)
    new_table()


def open_new() -> None:
    """Opens the drawer with an empty form."""
    st.query_params["id"] = "new"
    st.session_state.pop(_BULK, None)


def close() -> None:
    """Closes the drawer."""
    st.query_params.pop("id", None)
    st.session_state.pop(_EDIT, None)


def editing() -> bool:
    """Whether the texts of the open listing are being rewritten."""
    return st.session_state.get(_EDIT) == opened() and opened() is not None


def edit(on: bool) -> None:
    """Opens or closes the form of the open listing."""
    st.session_state[_EDIT] = opened() if on else None


def bulk() -> Bulk | None:
    """The bulk step that is being made."""
    found: Bulk | None = st.session_state.get(_BULK)
    return found


def start_bulk(step: Step, rows: Sequence[Listing]) -> None:
    """Opens the preview of a bulk step on the next run."""
    st.session_state[_BULK] = Bulk(step, tuple(rows))


def end_bulk() -> None:
    """Puts the bulk step away."""
    st.session_state.pop(_BULK, None)


def remember(rows: Sequence[Listing]) -> None:
    """Keeps the order of the rows for next and previous in the drawer."""
    st.session_state[_IDS] = [row.id for row in rows]


def neighbour(listing_id: int, step: int) -> int | None:
    """The listing before (-1) or after (1) this one in the list, as it was last shown."""
    ids: list[int] = st.session_state.get(_IDS, [])
    if listing_id not in ids:
        return ids[0] if ids and step == 1 else None
    place = ids.index(listing_id) + step
    return ids[place] if 0 <= place < len(ids) else None


def table_key() -> str:
    """The key of the table; a new one forgets what was selected."""
    return f"listings_table_{st.session_state.setdefault(_ROUND, 0)}"


def new_table() -> None:
    """Forgets the selection."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def changed(batch_id: int | None, words: str) -> None:
    """After a write: nothing is selected, and the step can be taken back."""
    new_table()
    end_bulk()
    st.session_state.pop(_EDIT, None)
    st.session_state[_UNDO] = (
        None if batch_id is None else {"batch_id": batch_id, "words": words, "at": datetime.now(UTC)}
    )


def undo_bar(key: str) -> None:
    """The last step and its 撤销, for ten minutes."""
    kept = st.session_state.get(_UNDO)
    left = timedelta(minutes=UNDO_MINUTES) - (datetime.now(UTC) - kept["at"]) if kept else timedelta(0)
    if kept is None or left <= timedelta(0):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_undo_bar"):
        st.caption(t("listings.undo_of", words=kept["words"]), width="content")
        label = t("listings.undo", minutes=max(1, round(left.total_seconds() / 60)))
        if st.button(label, key=f"{key}_undo", icon=":material/undo:", shortcut="Alt+Z", type="tertiary"):
            with frame.boundary():
                batch = kept["batch_id"]
                count = commands.undo(
                    frame.client(), batch, request_id=frame.request_id("listings_undo", batch)
                )
                changed(None, "")
                frame.flash_and_rerun(t("listings.undone", count=count), icon=":material/undo:")
