"""The funnel of a period: how far its leads came, by source, person, grade, shop, week; where they leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from backend.leads import reads
from backend.leads.choices import STAGES
from backend.leads.models import FirstContact, Insight, Target
from pages.shared import frame, session, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import words
from pages.shared.policies import wording

DAYS = (7, 30, 90, 365)
_STEPS = ("captured", "assigned", "followed", "contacted", "discovery", "objection", "closing", "converted")
_GROUPS = ("source", "owner", "grade", "shop", "week")
_COLOR = {"light": "#2F6F62", "dark": "#6FC3AE"}
_INK = {"light": "#31403B", "dark": "#DCE4E0"}


def draw(user: User) -> None:
    """The page below its heading."""
    days, shop_id = _filters(user)
    since = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=days)
    found = reads.insight(frame.client(), since, shop_id=shop_id)
    whole = next((part for part in found.funnel if part["by"] == "all"), None)
    if whole is None:
        widgets.empty_state(
            t("leads.insight.none"),
            t("leads.insight.none_hint"),
            icon=":material/filter_alt:",
            key="lead_insight",
        )
        return
    _figures(whole)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown(f"**{t('leads.insight.funnel')}**")
        _funnel(whole)
    with right:
        st.markdown(f"**{t('leads.insight.speed')}**", help=t("leads.insight.speed_help"))
        _speed(found)
    _groups(found)
    _leaks(found)
    _scripts(found)


def _filters(user: User) -> tuple[int, int | None]:
    names = {shop.id: shop.name for shop in user.shops}
    with widgets.filter_row("lead_insight"):
        days = st.selectbox(
            t("satisfaction.period"),
            DAYS,
            index=1,
            format_func=lambda count: plain("satisfaction.last", count=count),
            key="lead_insight_days",
            bind="query-params",
            width=150,
        )
        shop_id = None
        if len(names) > 1:
            shop_id = st.selectbox(
                t("leads.filter.shop_id"),
                list(names),
                index=None,
                placeholder=plain("common.all"),
                format_func=lambda one: names[one],
                key="lead_insight_shop",
                bind="query-params",
                width=170,
            )
    return int(days or 30), shop_id


def share(part: Mapping[str, Any], of: str, base: str) -> float | None:
    """A count of a group as a share of another; None without a base."""
    return part.get(of, 0) / part[base] if part.get(base) else None


def percent(value: float | None) -> str:
    """`38.2 %`; `—` without a base."""
    return "—" if value is None else f"{100 * value:.1f} %"


def _figures(whole: Mapping[str, Any]) -> None:
    judged = whole.get("first_on_time", 0) + whole.get("first_late", 0) + whole.get("never_followed_late", 0)
    in_time = whole.get("first_on_time", 0) / judged if judged else None
    with st.container(horizontal=True, gap="medium", key="lead_insight_figures"):
        for name, value, sample in (
            ("captured", str(whole["captured"]), None),
            ("conversion", percent(share(whole, "converted", "captured")), whole["captured"]),
            ("in_time", percent(in_time), judged),
            ("recycled", str(int(whole.get("recycled", 0))), None),
        ):
            st.metric(
                t(f"leads.insight.{name}"),
                value,
                delta=None if sample is None else t("satisfaction.n", count=sample),
                delta_color="off",
                delta_arrow="off",
                help=t(f"leads.insight.{name}_help"),
                width=150 if session.width() == "narrow" else 185,
            )


def _funnel(whole: Mapping[str, Any]) -> None:
    theme = "dark" if st.context.theme.type == "dark" else "light"
    rows = [
        {
            "step": plain(f"leads.insight.step.{step}"),
            "count": int(whole.get(step, 0)),
            "label": f"{int(whole.get(step, 0))} · {percent(share(whole, step, 'captured'))}",
        }
        for step in _STEPS
    ]
    data = pd.DataFrame(rows)
    base = alt.Chart(data).encode(
        y=alt.Y("step:N", title=None, sort=list(data["step"]), axis=alt.Axis(labelLimit=130)),
        x=alt.X(
            "count:Q",
            title=None,
            axis=None,  # every bar says its number
            scale=alt.Scale(domainMin=0, domainMax=1.35 * max(1, int(data["count"].max()))),
        ),
    )
    bars = base.mark_bar(size=18, color=_COLOR[theme])
    labels = base.mark_text(align="left", dx=4, color=_INK[theme]).encode(text="label:N")
    st.altair_chart((bars + labels).properties(height=28 * len(rows) + 12), width="stretch")


def _speed(found: Insight) -> None:
    """How soon each grade is first followed up, against the deadline of the grade."""
    st.dataframe(
        pd.DataFrame([_speed_row(row) for row in found.first_contact]),
        hide_index=True,
        height="content",
        column_config={
            name: st.column_config.TextColumn(
                plain(f"leads.insight.first.{name}"), help=plain(f"leads.insight.first.{name}_help")
            )
            for name in ("grade", "target", "in_time", "waiting", "median")
        },
        alt=plain("leads.insight.speed"),
    )


def _speed_row(row: FirstContact) -> dict[str, str]:
    share = f"{percent(row.on_time / row.due)} ({row.due})" if row.due else percent(None)
    hours = plain("leads.insight.hours", median=row.median_hours, slow=row.slow_hours)
    return {
        "grade": row.grade,
        "target": " / ".join(_target(target) for target in row.targets) or "—",
        "in_time": share,
        "waiting": str(row.waiting_late),
        "median": hours if row.sample else "—",
    }


def _target(target: Target) -> str:
    """`24 小时`, or `8 小时 (全天班)` by a calendar."""
    length = wording.length(target.measure, target.allowance)
    return f"{length} ({target.calendar})" if target.measure == "working" else length


def _groups(found: Insight) -> None:
    by = st.segmented_control(
        t("leads.insight.by"),
        _GROUPS,
        default="source",
        required=True,
        format_func=lambda name: plain(f"leads.insight.by.{name}"),
        key="lead_insight_by",
        bind="query-params",
    )
    parts = [part for part in found.funnel if part["by"] == by]
    if parts:
        st.dataframe(
            pd.DataFrame([_group_row(by or "source", part) for part in parts]),
            column_config={plain("leads.insight.conversion"): st.column_config.TextColumn(alignment="right")},
            hide_index=True,
            height="content",
            alt=plain("leads.insight.title"),
        )


def _group_row(by: str, part: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "source": words.of("sources", part.get("source")),
        "owner": part.get("name") or plain("leads.in_pool"),
        "grade": part.get("grade"),
        "shop": part.get("name"),
        "week": part.get("week"),
    }
    cells: dict[str, Any] = {plain(f"leads.insight.by.{by}"): names[by]}
    for step in ("captured", "contacted", "closing", "converted", "lost"):
        cells[plain(f"leads.insight.step.{step}")] = int(part.get(step, 0))
    cells[plain("leads.insight.conversion")] = percent(share(part, "converted", "captured"))
    return cells


def _leaks(found: Insight) -> None:
    """Why leads are lost, who let go of them, and what waits now."""
    lost, given, waiting = (found.leaks.get(name, ()) for name in ("lost", "given_up", "waiting"))
    columns = st.columns(3, gap="medium")
    with columns[0]:
        st.markdown(f"**{t('leads.insight.lost')}**")
        _lines(
            [(words.of("lost_reasons", r["reason"]), words.of("stages", r["stage"]), _count(r)) for r in lost]
        )
    with columns[1]:
        st.markdown(f"**{t('leads.insight.given_up')}**")
        _lines([(r["name"], words.of("ended", r["ended_as"]), _count(r)) for r in given])
    with columns[2]:
        st.markdown(f"**{t('leads.insight.waiting')}**")
        order = sorted(waiting, key=lambda r: STAGES.index(r["stage"]) if r["stage"] in STAGES else -1)
        _lines([(words.of("stages", r["stage"]), words.of("states", r["state"]), _waiting(r)) for r in order])


def _count(row: Mapping[str, Any]) -> str:
    return plain("leads.insight.count", count=row["count"])


def _waiting(row: Mapping[str, Any]) -> str:
    if not row["overdue"]:
        return _count(row)
    late = plain("leads.insight.overdue_n", count=row["overdue"])
    return plain("common.of_what", name=_count(row), what=late)


def _lines(rows: Sequence[tuple[str, str, str]]) -> None:
    """What and where, and how many in bold behind it."""
    if not rows:
        st.caption(t("leads.insight.nobody"))
    for what, where, count in rows[:10]:
        st.markdown(f"{md(what)} :gray[· {md(where)}] **{md(count)}**")


def _scripts(found: Insight) -> None:
    if not found.scripts:
        return
    st.markdown(f"**{t('leads.insight.scripts')}**")
    for row in found.scripts[:10]:
        told = t(
            "leads.insight.script_line", count=row["leads"], share=percent(share(row, "converted", "leads"))
        )
        st.markdown(f"{md(row['title'])} · {told}")
