"""Looking at the effect of a calendar change on open deadlines before it can be saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from backend import calendars
from backend.calendars import Calendar, ChangeKind, Screen
from backend.db import Client
from pages.shared import address, frame
from pages.shared.i18n import known, plain, t

_SEEN = "calendars_seen"
Save = Callable[..., int]


def ask(kind: ChangeKind, change: Mapping[str, Any], save: Save, *, key: str, saved: str) -> None:
    """A button that shows the effect of exactly this change, and then the one that makes it.

    `save(client, change, request_id=…)` makes it; `saved` is the toast afterwards.
    """
    seen = st.session_state.get(_SEEN)
    if seen is None or seen["change"] != (kind, dict(change)):
        if not st.button(t("calendars.preview"), icon=":material/visibility:", key=f"{key}_preview"):
            return
        with st.spinner(t("calendars.previewing")):
            effect = calendars.preview(frame.client(), kind, change)
        seen = {"change": (kind, dict(change)), "effect": effect}
        st.session_state[_SEEN] = seen
    words(seen["effect"])
    if st.button(t("common.save"), type="primary", icon=":material/check:", key=f"{key}_save"):
        with frame.boundary():
            moved = _made(save, kind, change)
            st.session_state.pop(_SEEN, None)
            frame.flash_and_rerun(f"{saved} {t('calendars.moved', count=moved)}")


def _made(save: Save, kind: str, change: Mapping[str, Any]) -> int:
    client: Client = frame.client()
    return save(client, change, request_id=frame.request_id(f"calendars_{kind}", dict(change)))


def words(effect: Mapping[str, Any]) -> None:
    """`37 条未完成的时效中 5 条会变`, how, and examples."""
    st.info(
        t(
            "calendars.effect",
            open=effect["open"],
            moved=effect["moved"],
            earlier=effect["earlier"],
            later=effect["later"],
        ),
        icon=":material/visibility:",
    )
    if effect["covered"]:
        st.caption(t("calendars.covered", count=effect["covered"]))
    if effect["uncovered"]:
        st.warning(t("calendars.uncovered", count=effect["uncovered"]), icon=":material/event_busy:")
    lines = [
        t(
            "calendars.example",
            what=_what(one["entity"]),
            before=frame.clock(one["due_before"]),
            after=frame.clock(one["due_after"]),
        )
        for one in effect["examples"]
    ]
    if lines:
        st.caption("  \n".join(lines))


def _what(entity: str) -> str:
    if known(f"calendars.entity.{entity}"):
        return plain(f"calendars.entity.{entity}")
    return plain("calendars.entity.other")


def choice(found: Screen, *, key: str, only_shifts: bool = False) -> Calendar:
    """One of the calendars, remembered in the address."""
    offered = [one for one in found.calendars if one.kind != "wall" and (one.has_shifts or not only_shifts)]
    names = {one.code: one for one in offered}
    address.start(key, "calendar", names)
    chosen = st.selectbox(
        t("calendars.calendar"),
        list(names),
        format_func=lambda code: (
            names[code].name + ("" if names[code].is_active else f" ({plain('calendars.off')})")
        ),
        key=key,
        width=260,
    )
    return names[address.keep("calendar", chosen)]
