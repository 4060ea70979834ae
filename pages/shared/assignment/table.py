"""The agents of a shop: on duty or not, what they carry, what they may have, what they were given today."""

from __future__ import annotations

import streamlit as st

from backend.assignment import SKILLS, Agent, Area, Screen
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t

_NUMBERS = ("weight", "given_today", "chosen_today", "credit")


def draw(area: Area, found: Screen) -> None:
    """A table in wide windows, cards in narrow ones."""
    if not found.members:
        widgets.empty_state(
            t("assignment.none"), t("assignment.none_hint"), icon=":material/group_off:", key="assignment"
        )
        return
    if widgets.draws("wide"):
        with widgets.wide("assignment"):
            st.dataframe(
                [_cells(area, one) for one in found.members],
                hide_index=True,
                key="assignment_table",
                column_config={
                    plain("assignment.column.load"): st.column_config.ProgressColumn(
                        format="%d %%", min_value=0, max_value=100
                    ),
                    plain("assignment.column.credit"): st.column_config.NumberColumn(
                        format="%+.2f", help=plain("assignment.credit_help")
                    ),
                },
            )
    if widgets.draws("narrow"):
        with widgets.narrow("assignment"):
            for one in found.members:
                _card(area, one)


def state(area: Area, one: Agent) -> str:
    """Whether somebody is given work now: the key of the first reason against it, or `on_duty`."""
    if SKILLS[area] not in one.skills:
        return "no_skill"
    if one.is_frozen:
        return "frozen"
    if one.is_away:
        return "away"
    if not one.is_on_duty:
        return "off_duty"
    return "full" if one.load >= one.room else "on_duty"


def _state(area: Area, one: Agent) -> str:
    if state(area, one) != "frozen":
        return plain(f"assignment.state.{state(area, one)}")
    return plain("assignment.frozen_until", at=frame.clock(one.frozen_until), reason=one.frozen_reason or "")


def _cells(area: Area, one: Agent) -> dict[str, str | int | float]:
    return {
        plain("assignment.column.name"): one.name,
        plain("assignment.column.state"): _state(area, one),
        plain("assignment.column.open"): f"{one.load} / {one.room}",
        plain("assignment.column.load"): min(100, round(100 * one.load / one.room)) if one.room else 100,
        **{plain(f"assignment.column.{name}"): getattr(one, name) for name in _NUMBERS},
    }


def _card(area: Area, one: Agent) -> None:
    with st.container(border=True, gap="xxsmall", key=f"assignment_card_{one.member_id}"):
        st.markdown(f"**{md(one.name)}** {md(_state(area, one))}")
        facts = (
            f"{plain('assignment.column.open')} {one.load} / {one.room}",
            f"{plain('assignment.column.given_today')} {one.given_today}",
            f"{plain('assignment.column.chosen_today')} {one.chosen_today}",
        )
        st.caption(md(" · ".join(facts)))
