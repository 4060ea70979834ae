"""The timeline: when each task was planned, delivered and measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import altair as alt
import pandas as pd
import streamlit as st

from backend.improvement.models import Task, TaskList
from pages.shared import widgets
from pages.shared.i18n import plain, t
from pages.shared.improvement import words

_COLORS = {
    "work": {"light": "#5B8DB8", "dark": "#7FB2DD"},
    "measure": {"light": "#8A6BB8", "dark": "#B396DD"},
}


def draw(found: TaskList) -> None:
    """One bar a task: work until the delivery (or the deadline), then the measuring."""
    rows = [part for task in found.rows if task.planned_at for part in _parts(task)]
    if not rows:
        widgets.empty_state(
            t("tasks.no_plan"), t("tasks.no_plan_hint"), icon=":material/timeline:", key="tasks_time"
        )
        return
    theme = "dark" if st.context.theme.type == "dark" else "light"
    names = [plain("tasks.time.work"), plain("tasks.time.measure")]
    data = pd.DataFrame(rows)
    bars = (
        alt.Chart(data)
        .mark_bar(height=14, cornerRadius=3)
        .encode(
            x=alt.X("start:T", title=None, axis=alt.Axis(format="%m-%d", labelOverlap="parity")),
            x2="end:T",
            y=alt.Y("task:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=names, range=[_COLORS[key][theme] for key in ("work", "measure")]),
                legend=alt.Legend(orient="bottom", title=None),
            ),
            tooltip=[
                alt.Tooltip("task:N", title=" "),
                alt.Tooltip("state:N", title=plain("tasks.column.state")),
                alt.Tooltip("start:T", title=plain("tasks.time.start"), format="%Y-%m-%d"),
                alt.Tooltip("end:T", title=plain("tasks.time.end"), format="%Y-%m-%d"),
            ],
        )
    )
    today = alt.Chart(pd.DataFrame({"at": [datetime.now(UTC)]})).mark_rule(strokeDash=[4, 4]).encode(x="at:T")
    st.altair_chart((bars + today).properties(height=34 * data["task"].nunique() + 70), width="stretch")


def _parts(task: Task) -> list[dict[str, object]]:
    if task.planned_at is None:
        return []
    name = f"{words.number(task.id)} {task.title}"
    common = {"task": name, "state": words.state(task.state)}
    end = task.delivered_at or task.deadline or task.planned_at
    found: list[dict[str, object]] = [
        {
            **common,
            "what": plain("tasks.time.work"),
            "start": task.planned_at,
            "end": max(end, task.planned_at + timedelta(hours=12)),
        }
    ]
    if task.delivered_at and task.verify_until:
        until = datetime.combine(task.verify_until, datetime.min.time(), UTC) + timedelta(days=1)
        found.append(
            {
                **common,
                "what": plain("tasks.time.measure"),
                "start": task.delivered_at,
                "end": max(until, task.delivered_at),
            }
        )
    return found
