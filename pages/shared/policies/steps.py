"""The grid of a ladder: a line per step, every cell checked while it is typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import streamlit as st

from backend import policies
from backend.policies import Step
from pages.shared.i18n import plain, t


def grid(ladder: Sequence[Step], key: str) -> tuple[Step, ...]:
    """The steps as they stand in the grid. Lines can be added and taken away; an empty number stays None."""
    st.markdown(f"**{t('policies.field.ladder')}**", help=t("policies.ladder_help"))
    lines: list[tuple[int, Step]] = st.session_state.setdefault(f"{key}_lines", list(enumerate(ladder)))
    found = tuple(_line(number, step, key) for number, step in lines)
    wrong = policies.step_problems(found)
    for place, step in enumerate(found):
        complain(wrong, (f"step.{place}.at", f"step.{place}.who"), line=place + 1, step=step)
    if len(lines) < policies.MOST_STEPS:
        st.button(
            t("policies.add_step"), icon=":material/add:", key=f"{key}_add_step", on_click=_add, args=(key,)
        )
    return found


def complain(
    wrong: Mapping[str, str], cells: Sequence[str], *, line: int = 0, step: Step | None = None
) -> None:
    """Says what is wrong with some cells, in words that begin with where."""
    for cell in cells:
        if cell not in wrong:
            continue
        name = cell.rsplit(".", 1)[-1]
        what = t(f"policies.wrong.{wrong[cell]}", field=plain(f"policies.field.{name}"))
        place = t("policies.step_line", line=line) + " " if step is not None else ""
        st.markdown(f":red[:material/error: {place}{what}]")


def _line(number: int, step: Step, key: str) -> Step:
    mark = f"{key}_step_{number}"
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom", border=True, key=mark):
        anchor = st.selectbox(
            t("policies.field.anchor"),
            policies.ANCHORS,
            index=policies.ANCHORS.index(step.anchor),
            format_func=lambda name: plain(f"policies.anchor.{name}"),
            key=f"{mark}_anchor",
            width=130,
        )
        amount = st.number_input(
            t("policies.percent") if anchor == "percent" else t("policies.minutes"),
            value=step.amount,
            step=1,
            key=f"{mark}_amount",
            width=110,
        )
        who = st.multiselect(
            t("policies.field.who"),
            policies.WHO,
            default=list(step.who),
            format_func=lambda name: plain(f"policies.who.{name}"),
            placeholder=plain("policies.choose_who"),
            key=f"{mark}_who",
            width=260,
        )
        action = st.selectbox(
            t("policies.field.action"),
            policies.ACTIONS,
            index=policies.ACTIONS.index(step.action),
            format_func=lambda name: plain(f"policies.action.{name}"),
            key=f"{mark}_action",
            width=140,
        )
        st.button(
            "",
            icon=":material/delete:",
            help=t("policies.remove_step"),
            key=f"{mark}_remove",
            on_click=_remove,
            args=(key, number),
        )
    return Step(anchor, None if amount is None else int(amount), tuple(who), action)


def _add(key: str) -> None:
    lines: list[tuple[int, Step]] = st.session_state[f"{key}_lines"]
    used = {number for number, _ in lines}
    free = next(number for number in count(len(lines)) if number not in used)
    lines.append((free, Step(amount=100)))


def _remove(key: str, number: int) -> None:
    name = f"{key}_lines"
    st.session_state[name] = [line for line in st.session_state[name] if line[0] != number]
