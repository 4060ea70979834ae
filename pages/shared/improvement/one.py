"""The body of a task's page: facts, criteria with their lines, the steps that are open, history."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from backend.improvement.models import Criterion, Details, Event, Screen
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import known, plain, t
from pages.shared.improvement import steps, words
from pages.shared.kpi import words as kpi_words

_MAIN = {"light": "#2F6F62", "dark": "#6FC3AE"}
_TARGET = {"light": "#C2321F", "dark": "#F0705E"}
_WAS = {"light": "#8A938F", "dark": "#8A938F"}


def draw(user: User, found: Screen) -> None:
    """Everything about one task."""
    task = found.task
    frame.page_header(f"{words.number(task.id)} {md(task.title)}")
    _facts(task)
    steps.plans(user, found)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _criteria(found)
        _history(found.history)
    with right:
        steps.draw(user, found)


def _facts(task: Details) -> None:
    parts = [
        words.badge(task.state),
        f":gray-badge[{plain(f'tasks.source.{task.source}')}]",
        md(task.shop or plain("tasks.all_shops")),
        t("tasks.owned_by", who=task.owner or plain("tasks.nobody")),
    ]
    if task.deadline:
        parts.append(t("tasks.due", when=frame.clock(task.deadline)))
    if task.round > 1:
        parts.append(t("tasks.round", count=task.round))
    st.markdown(" · ".join(parts))
    if task.detail:
        st.markdown(md(task.detail))
    who = plain("tasks.anonymous_name") if task.is_anonymous else task.proposed_by or plain("tasks.the_desk")
    st.caption(t("tasks.proposed_by", who=who, when=frame.clock(task.created_at)))
    if task.change_note:
        st.info(t("tasks.changed", note=task.change_note), icon=":material/build:")
    if task.judged_reason:
        reason = t("tasks.judged", who=task.judged_by or plain("tasks.the_desk"), reason=task.judged_reason)
        st.info(reason, icon=":material/gavel:")
    if task.state == "verifying" and task.verify_until:
        st.caption(t("tasks.measured_until", day=f"{task.verify_until:%m-%d}"))
    if task.state == "accepted" and task.watch_until:
        st.caption(t("tasks.watched_until", day=f"{task.watch_until:%m-%d}"))


def _criteria(found: Screen) -> None:
    st.subheader(t("tasks.criteria"), anchor=False)
    rows = [one for one in found.criteria if one.round == found.task.round]
    if not rows:
        st.markdown(f":gray[{t('tasks.no_criteria')}]")
    for one in rows:
        with st.container(border=True, gap="xsmall", key=f"task_criterion_{one.id}"):
            verdict = "" if one.is_hidden else words.verdict(one.is_met)
            st.markdown(f"**{md(words.wanted(one))}** {verdict}")
            if one.is_hidden:
                st.caption(t("tasks.hidden"))
            elif one.kpi_code is None:
                st.caption(t("tasks.confirmed_by", who=one.verifier or "—"))
            else:
                _measured(one)


def _measured(one: Criterion) -> None:
    st.caption(
        t(
            "tasks.window",
            days=one.window_days or 0,
            sample=one.min_sample or 0,
            version=one.kpi_version or 0,
        )
    )
    unit = one.unit or ""
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            t("tasks.baseline"),
            kpi_words.figure(one.baseline, unit),
            delta=t("kpi.sample", count=one.baseline_sample or 0),
            delta_color="off",
            delta_arrow="off",
            help=t("tasks.baseline_help", first=str(one.baseline_from), last=str(one.baseline_to)),
            width=150,
        )
        st.metric(t("tasks.wanted"), kpi_words.figure(one.target, unit), width=150)
        st.metric(
            t("tasks.now"),
            words.current(one),
            delta=t("kpi.sample", count=one.sample or 0),
            delta_color="off",
            delta_arrow="off",
            width=150,
        )
    if one.baseline is None:
        st.markdown(f":orange[{t('tasks.no_baseline')}]")
    _chart(one)


def _chart(one: Criterion) -> None:
    """The measured line between what it was and what it must become."""
    points = [(f"{m.day:%m-%d}", m.value, m.sample) for m in one.measures if m.value is not None]
    if not points:
        st.markdown(f":gray[{t('tasks.nothing_measured')}]")
        return
    theme = "dark" if st.context.theme.type == "dark" else "light"
    base = alt.Chart(pd.DataFrame(points, columns=["day", "value", "sample"])).encode(
        x=alt.X("day:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="parity")),
        y=kpi_words.axis(one.unit or "%"),
        tooltip=[
            alt.Tooltip("day:O", title=plain("kpi.day")),
            alt.Tooltip("value:Q", title=plain("kpi.value"), format=",.2f"),
            alt.Tooltip("sample:Q", title=plain("kpi.samples")),
        ],
    )
    chart: alt.LayerChart = base.mark_line(color=_MAIN[theme]) + base.mark_point(
        color=_MAIN[theme], filled=True
    )
    names = [("tasks.wanted", one.target, _TARGET[theme]), ("tasks.baseline", one.baseline, _WAS[theme])]
    for key, value, color in names:
        if value is not None:
            line = alt.Chart(pd.DataFrame({"value": [value], "name": [plain(key)]}))
            chart += line.mark_rule(color=color, strokeDash=[6, 4]).encode(y="value:Q")
            chart += line.mark_text(color=color, align="left", dy=-6, dx=4).encode(
                y="value:Q", x=alt.value(0), text="name:N"
            )
    st.altair_chart(chart.properties(height=220), width="stretch")


def _history(events: Sequence[Event]) -> None:
    with st.expander(t("tasks.history", count=len(events)), icon=":material/history:"):
        for one in events:
            key = f"tasks.event.{one.action}"
            said = plain(key) if known(key) else one.action
            reason = one.detail.get("reason")
            tail = f" · {md(reason)}" if reason else ""
            st.markdown(f":gray[{frame.clock(one.at)}] **{md(_who(one.who))}** {md(said)}{tail}")


def _who(name: str) -> str:
    if name == "system":
        return plain("tasks.the_desk")
    return plain("tasks.anonymous_name") if name == "member" else name
