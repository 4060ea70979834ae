"""For leaders: the handovers of the last week, and who left without one."""

from __future__ import annotations

import streamlit as st

from backend import handover
from backend.handover import Past
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.i18n import plain, t

DAYS = 7
_COUNTS = ("accepted", "pooled", "kept", "waiting")


def table() -> None:
    """One line for each shift that had something to hand over."""
    st.subheader(t("handover.past"), anchor=False, help=t("handover.past_help"))
    found = handover.log(frame.client(), DAYS)
    if not found:
        widgets.empty_state(t("handover.past_none"), icon=":material/history:", key="handover_past")
        return
    left = sum(1 for one in found if one.is_left)
    if left:
        st.warning(t("handover.left_count", count=left, days=DAYS), icon=":material/directions_run:")
    if widgets.draws("wide"):
        with widgets.wide("handover_past"):
            st.dataframe([_cells(one) for one in found], hide_index=True, key="handover_past")
    if widgets.draws("narrow"):
        with widgets.narrow("handover_past"):
            for one in found:
                _card(one)


def _state(one: Past) -> str:
    return "left" if one.is_left else "done" if one.closed_at else "running"


def _cells(one: Past) -> dict[str, str | int]:
    return {
        plain("handover.column.name"): one.name,
        plain("handover.column.ends"): frame.clock(one.shift_ends_at),
        plain("handover.column.state"): plain(f"handover.past.{_state(one)}"),
        **{plain(f"handover.column.{name}"): getattr(one, name) for name in _COUNTS},
    }


def _card(one: Past) -> None:
    with st.container(border=True, gap="xxsmall", key=f"handover_past_{one.id}"):
        st.markdown(
            f"**{fmt.md(one.name)}** {frame.clock(one.shift_ends_at)} {t(f'handover.past.{_state(one)}')}"
        )
        st.caption(" · ".join(f"{t(f'handover.column.{name}')} {getattr(one, name)}" for name in _COUNTS))
