"""The body of 售后分析: figures against targets, causes, times, shops and people, each a way to its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend.tickets import insight, wording
from backend.tickets.insight import Group, Insight
from pages.shared import format as fmt
from pages.shared import frame, home_links, widgets
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.improvement import offer
from pages.shared.satisfaction import charts, filters
from pages.shared.satisfaction.figures import WIDTH, number, percent

_FITTING = 12
_OFFERED = 3  # causes with a button of their own


def draw(user: User) -> None:
    """Figures and charts of the cases registered in the period."""
    since, until = filters.days(user)
    found = insight.insight(frame.client(), since, until, shop_id=filters.shop_id(), kind=filters.kind())
    compared = "period" if found.before.tickets else "period_alone"
    st.caption(t(f"aftersales.{compared}", since=f"{since:%Y-%m-%d}", until=f"{until:%Y-%m-%d}"))
    if found.waiting:
        st.caption(t("aftersales.waiting", count=found.waiting if found.waiting < 1001 else "1000+"))
    if not found.total.tickets:
        widgets.empty_state(
            t("aftersales.none"), t("aftersales.none_hint"), icon=":material/insights:", key="aftersales"
        )
        return
    _figures(found)
    with st.grid(min_column_width=380, gap="medium", key="aftersales_charts"):
        _card("causes", lambda: _causes(found))
        _card("trend", lambda: charts.trend(found.trend))
        _card("first", lambda: _times("first", found))
        _card("resolve", lambda: _times("resolve", found))
    _groups(found)


def _card(name: str, body: Callable[[], None]) -> None:
    with st.container(border=True, gap="small", height="stretch", key=f"aftersales_{name}"):
        st.markdown(f"**{t(f'aftersales.chart.{name}')}**", help=t(f"aftersales.chart.{name}_help"))
        body()


# Figures ---------------------------------------------------------------------------------------------------


def _figures(found: Insight) -> None:
    total, before = found.total, found.before
    with st.container(horizontal=True, gap="small", key="aftersales_figures"):
        _share("solve", total.solve_rate, before.solve_rate, total.due, target=insight.SOLVE_TARGET)
        _share("solve_24h", total.solve_rate_24h, before.solve_rate_24h, total.due_24h)
        _share("first", total.first_met_rate, before.first_met_rate, total.first_n)
        _share("resolve", total.resolve_met_rate, before.resolve_met_rate, total.resolve_n)
        _share("reopen", total.reopen_rate, before.reopen_rate, total.resolved, less=True)
        _share("complaint", total.complaint_rate, None, total.orders or 0, less=True)
        st.metric(
            t("aftersales.figure.cost"),
            fmt.money(total.cost),
            delta=number(total.paid) if total.paid else t("satisfaction.no_data"),
            delta_color="off",
            delta_arrow="off",
            help=t("aftersales.figure.cost_help"),
            width=WIDTH,
        )
    unsolved = total.due - total.solved
    with st.container(horizontal=True, gap="medium", key="aftersales_rows"):
        home_links.link(
            t("aftersales.all_cases", count=total.tickets), "tickets", query=_query(), icon=":material/list:"
        )
        if unsolved:
            home_links.link(
                t("aftersales.unsolved_cases", count=unsolved),
                "tickets",
                query=_query(solved="no"),
                icon=":material/pending_actions:",
            )


def _share(
    name: str,
    value: float | None,
    before: float | None,
    count: int,
    *,
    target: float | None = None,
    less: bool = False,
) -> None:
    """A share with what it stands on, whether it meets its target, and how it changed."""
    few = count < insight.FEW
    said = number(count) if count else t("satisfaction.no_data")
    change = value - before if value is not None and before is not None and not few else None
    met = ""
    if target is not None and value is not None and not few:
        verdict = "met" if value >= target else "missed"
        met = plain(f"aftersales.{verdict}", target=percent(target))
    st.metric(
        t(f"aftersales.figure.{name}"),
        percent(value),
        delta=f"{100 * change:+.1f}" if change else said,
        delta_color=("inverse" if less else "normal") if change else "off",
        delta_arrow="auto" if change else "off",
        delta_description=" · ".join(filter(None, (met, said))) if change else (met or None),
        help=t(f"aftersales.figure.{name}_help"),
        width=WIDTH,
    )


def _query(**more: Any) -> dict[str, str]:
    """The address of the list behind a figure: the same days, shop and type."""
    since, until = filters.days(frame.require_user())
    days = {"since": since.isoformat(), "until": until.isoformat()}
    wanted = {"tab": "all", **days, "shop_id": filters.shop_id(), "type": filters.kind(), **more}
    return {name: str(value) for name, value in wanted.items() if value is not None}


# Causes, times ---------------------------------------------------------------------------------------------


def _causes(found: Insight) -> None:
    rows = insight.pareto(found.causes)
    if not rows:
        st.markdown(f":gray[{t('aftersales.no_causes')}]")
        return
    named = [(_cause(one), count, share) for one, count, share in rows]
    charts.pareto(named)
    without = sum(one.tickets for one in found.causes if not one.root_cause_id)
    if without:
        st.caption(t("aftersales.without_cause", count=without))
    with st.container(horizontal=True, gap="small", key="aftersales_cause_links"):
        for one, count, _ in rows[:5]:
            if one is not None:
                label = t("aftersales.cause_cases", cause=_cause(one), count=count)
                home_links.link(label, "tickets", query=_query(root_cause=one.root_cause_id))
    _offer([(one, count) for one, count, _ in rows[:_OFFERED] if one is not None])


def _offer(causes: Sequence[tuple[Group, int]]) -> None:
    """One click makes a task of a frequent cause."""
    with st.container(horizontal=True, gap="small", key="aftersales_offers"):
        for one, count in causes:
            offer.button(
                t("aftersales.offer", cause=_cause(one)),
                key=f"aftersales_offer_{one.root_cause_id}",
                title=plain("aftersales.offer_title", cause=_cause(one), count=count),
                source="root_cause",
                evidence={"root_cause_id": one.root_cause_id, "tickets": count},
                shop_id=filters.shop_id(),
            )


def _cause(one: Group | None) -> str:
    if one is None:
        return plain("aftersales.other_causes")
    return one.name or plain("aftersales.unknown_cause")


def _times(name: str, found: Insight) -> None:
    bars = found.first if name == "first" else found.resolve
    ends = insight.FIRST_BARS if name == "first" else insight.RESOLVE_BARS
    count = sum(bars.values())
    if not count:
        st.markdown(f":gray[{t('aftersales.no_times')}]")
        return
    target = found.targets.get("ticket_first" if name == "first" else "ticket_resolve")
    charts.times(bars, ends, target, hours=name == "resolve")
    st.caption(number(count))


# Groups ----------------------------------------------------------------------------------------------------


def _groups(found: Insight) -> None:
    names = ("type", "shop", "person") if found.by_person is not None else ("type", "shop")
    by = st.segmented_control(
        t("aftersales.by"),
        names,
        default="type",
        required=True,
        format_func=lambda name: plain(f"aftersales.by.{name}"),
        key="aftersales_by",
        label_visibility="collapsed",
    )
    groups: Mapping[str, Sequence[Group]] = {
        "type": found.by_type,
        "shop": found.by_shop,
        "person": found.by_person or (),
    }
    rows = groups[by or "type"]
    _table(rows, by or "type")
    st.caption(t("aftersales.few_hint", few=insight.FEW))


def _name(one: Group, by: str) -> str:
    if by == "type":
        return wording.label("types", one.type, locale())
    return one.name or plain("aftersales.nobody")


def _table(rows: Sequence[Group], by: str) -> None:
    cells = [
        {
            "name": _name(one, by),
            "tickets": one.tickets,
            "solve": _cell(one.solve_rate, one.due),
            "solve_24h": _cell(one.solve_rate_24h, one.due_24h),
            "first": _cell(one.first_met_rate, one.first_n),
            "resolve": _cell(one.resolve_met_rate, one.resolve_n),
            "reopen": _cell(one.reopen_rate, one.resolved),
            "cost": fmt.money(one.cost),
        }
        for one in rows
    ]
    text = st.column_config.TextColumn
    event = st.dataframe(
        pd.DataFrame(cells),
        hide_index=True,
        key=f"aftersales_table_{by}",
        on_select="rerun",
        selection_mode="single-row",
        height="content" if len(cells) <= _FITTING else 440,
        alt=plain(f"aftersales.by.{by}"),
        column_config={
            "name": text(plain(f"aftersales.by.{by}"), width=140),
            "tickets": st.column_config.NumberColumn(plain("aftersales.cases"), width=70),
            **{
                name: text(plain(f"aftersales.figure.{name}"), width=115)
                for name in ("solve", "solve_24h", "first", "resolve", "reopen", "cost")
            },
        },
    )
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows):
        one = rows[picked[0]]
        more = {
            "type": {"type": one.type},
            "shop": {"shop_id": one.shop_id},
            "person": {"handler": one.member_id or 0},
        }
        home_links.link(
            t("aftersales.rows_of", name=_name(one, by), count=one.tickets),
            "tickets",
            query=_query(**more[by]),
            icon=":material/list:",
        )


def _cell(share: float | None, count: int) -> str:
    """`95.0 %`; with its number where that is small; `—` without any."""
    if share is None:
        return "—"
    if count >= insight.FEW:
        return percent(share)
    return plain("common.of_what", name=percent(share), what=plain("satisfaction.n", count=count))
