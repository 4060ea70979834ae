"""The bell: how much is unread, and the newest of it. Looks again every half minute, at most."""

from __future__ import annotations

from time import monotonic
from typing import Any

import streamlit as st

from backend import reminders
from backend.errors import AppError
from backend.reminders import Bell
from pages.shared import frame, home_links, messages
from pages.shared.i18n import t

REFRESH_SECONDS = 30
_KEPT = "desk_bell_kept"
_MOST = 1000  # the database counts no further


def draw() -> None:
    """The bell with its count; a popover with the ten newest unread messages."""
    st.fragment(_body, run_every=REFRESH_SECONDS, key="desk_bell_part")()


def forget() -> None:
    """Messages were read or put off: look again at the next run."""
    st.session_state.pop(_KEPT, None)


def _body() -> None:
    found = _look()
    label = "" if found is None or not found.unread else count(found.unread)
    icon = ":material/notifications_active:" if found and found.urgent else ":material/notifications:"
    with st.popover(label, icon=icon, help=t("bar.inbox"), key="desk_bell", type="tertiary"):
        st.markdown(f"**{t('bar.inbox')}**")
        if found is None:
            st.caption(t("bar.inbox_unknown"))
            return
        if not found.newest:
            st.caption(t("bar.inbox_empty"))
        for note in found.newest:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"{messages.line(note)} {messages.state(note)}", width="stretch")
                path = note.path if note.kind != "daily" else "/inbox"
                messages.open_link(path, key=f"desk_bell_{note.id}")
        home_links.link(t("bar.inbox_all"), "inbox", icon=":material/inbox:")


def count(unread: int) -> str:
    """`3`, or `1000+` beyond what is counted."""
    return f"{_MOST}+" if unread > _MOST else str(unread)


def _look() -> Bell | None:
    """What is unread, asked for once per half minute. None when it cannot be had: no page fails for it."""
    kept: dict[str, Any] | None = st.session_state.get(_KEPT)
    me = frame.require_user().id
    if kept and kept["member"] == me and monotonic() - kept["at"] < REFRESH_SECONDS - 1:
        found: Bell | None = kept["bell"]
        return found
    try:
        found = reminders.bell(frame.client())
    except AppError as error:
        frame.log.warning("the bell cannot be read: %s", error.key)
        found = None
    st.session_state[_KEPT] = {"member": me, "at": monotonic(), "bell": found}
    return found
