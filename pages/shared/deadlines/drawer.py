"""为什么是这个时间？ Three lines for a clock, and who was told of it: any page, the drawer of `?clock=`."""

from __future__ import annotations

import streamlit as st

from backend import deadlines
from backend.deadlines import Reason
from pages.shared import address, frame, messages
from pages.shared.deadlines import told
from pages.shared.format import md
from pages.shared.i18n import locale, t


def opened() -> int | None:
    """The clock whose drawer the address names."""
    return address.number("clock")


def show(clock_id: int) -> None:
    """Opens the drawer of a clock."""
    st.query_params["clock"] = str(clock_id)
    st.rerun()


def close() -> None:
    """Closes the drawer."""
    st.query_params.pop("clock", None)


def draw() -> None:
    """The drawer of the clock that the address names."""
    clock_id = opened()
    if clock_id is not None:
        st.dialog(
            t("deadlines.why"), width="medium", position="right", icon=":material/help:", on_dismiss=close
        )(_body)(clock_id)


def _body(clock_id: int) -> None:
    with frame.boundary():
        reason = deadlines.explain(frame.client(), clock_id, locale())
        st.markdown(f"**{md(reason.name)}**")
        _lines(reason)
        told.draw(clock_id)
        messages.open_link(reason.path, key=f"deadlines_open_{clock_id}")


def button(entity: str, entity_id: int) -> None:
    """Beside a record: 为什么是这个时间？ The lines of its latest clock, read when somebody asks."""
    key = f"deadlines_why_{entity}_{entity_id}"
    if st.toggle(t("deadlines.why"), key=key):
        clock_id = deadlines.clock_of(frame.client(), entity, entity_id)
        if clock_id is None:
            st.caption(t("deadlines.no_clock"))
        else:
            _lines(deadlines.explain(frame.client(), clock_id, locale()))
            told.draw(clock_id)


def _lines(reason: Reason) -> None:
    """Where the time began and by which policy, what counted, what did not."""
    for icon, words in zip(("play_circle", "timelapse", "pause_circle"), reason.lines, strict=True):
        st.markdown(f":material/{icon}: {md(words)}")
