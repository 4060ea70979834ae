"""What may be done with a task now, each with its form; the database decides who may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from backend.improvement import commands, reads
from backend.improvement.models import Criterion, Person, Screen
from backend.kpi import reads as kpi_reads
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.improvement import kept, words
from pages.shared.kpi import words as kpi_words

_COLUMNS = ("kpi", "sign", "target", "window", "sample", "agent", "text", "verifier")


def draw(user: User, found: Screen) -> None:
    """The open steps, the likeliest first."""
    task = found.task
    st.subheader(t("tasks.next"), anchor=False)
    mine = [one for one in found.criteria if one.is_mine and one.confirmed_needed(task.state)]
    if not found.can and not mine:
        st.markdown(f":gray[{t('tasks.nothing_to_do')}]")
    for one in mine:
        _confirm(one)
    if "start_task" in found.can:
        _start(found)
    if "report_task" in found.can:
        _report(found)
    if "deliver_task" in found.can:
        _deliver(found)
    for name in ("judge_task", "extend_task", "retry_task", "cancel_task"):
        if name in found.can:
            with st.expander(t(f"tasks.{name}")):
                _decide(user, found, name)


def plans(user: User, found: Screen) -> None:
    """Plan and criteria, over the whole width: their table has many columns."""
    if "plan_task" in found.can:
        with st.expander(
            t("tasks.plan"), icon=":material/event:", expanded=found.task.state in ("proposed", "regressed")
        ):
            _plan(user, found)
    if "change_criteria" in found.can:
        with st.expander(t("tasks.change_criteria")):
            _change(user, found)


def _asked(found: Screen, name: str, *facts: Any) -> UUID:
    return frame.request_id(name, found.task.id, found.task.version, *facts)


def _confirm(one: Criterion) -> None:
    with st.container(border=True, key=f"task_confirm_{one.id}"):
        st.markdown(t("tasks.confirm", text=one.text or ""))
        with st.container(horizontal=True):
            for is_met, label in ((True, t("tasks.met")), (False, t("tasks.unmet"))):
                if st.button(label, key=f"task_confirm_{one.id}_{is_met}"):
                    with frame.boundary():
                        asked = frame.request_id("task_confirm", one.id, is_met)
                        commands.confirm(frame.client(), one.id, is_met, request_id=asked)
                        frame.flash_and_rerun(t("tasks.done"))


def _start(found: Screen) -> None:
    if st.button(t("tasks.start"), type="primary", icon=":material/play_arrow:", key="task_start"):
        with frame.boundary():
            commands.start(
                frame.client(), found.task.id, found.task.version, request_id=_asked(found, "task_start")
            )
            frame.flash_and_rerun(t("tasks.done"))


def _report(found: Screen) -> None:
    task = found.task
    shown = frame.opened_version("task_report", task.id, task.version)
    mine = {"progress": task.progress, "note": task.progress_note, **kept.typed("task_report", task.id)}
    if kept.typed("task_report", task.id):
        kept.compare(
            [
                (plain("tasks.progress"), task.progress, mine["progress"]),
                (plain("tasks.progress_note"), task.progress_note, mine["note"]),
            ]
        )
    with st.form(f"task_report_{shown}"):
        progress = st.slider(
            t("tasks.progress"), 0, 100, mine["progress"], 5, key=f"task_report_progress_{shown}"
        )
        note = st.text_area(
            t("tasks.progress_note"), mine["note"], max_chars=2000, height=80, key=f"task_report_note_{shown}"
        )
        sent = st.form_submit_button(t("tasks.report"))
    if sent:
        typed = {"progress": progress, "note": note}
        with frame.boundary(), kept.editing("task_report", task.id, typed):
            asked = frame.request_id("task_report", task.id, shown, progress, note)
            commands.report(frame.client(), task.id, shown, progress, note, request_id=asked)
            frame.close_form("task_report", task.id)
            frame.flash_and_rerun(t("tasks.done"))


def _deliver(found: Screen) -> None:
    task = found.task
    with st.form("task_deliver"):
        note = st.text_area(
            t("tasks.deliver_note"), max_chars=4000, height=80, placeholder=plain("tasks.deliver_hint")
        )
        sent = st.form_submit_button(t("tasks.deliver"), type="primary", icon=":material/outbox:")
    if sent:
        with frame.boundary():
            asked = _asked(found, "task_deliver", note)
            commands.deliver(frame.client(), task.id, task.version, note, request_id=asked)
            frame.flash_and_rerun(t("tasks.delivered"))


def _plan(user: User, found: Screen) -> None:
    task = found.task
    listed = reads.people(frame.client(), task.shop_id)
    people = {one.id: one.name for one in listed}
    shown = frame.opened_version("task_plan", task.id, task.version)
    today = datetime.now(ZoneInfo(user.zone)).date()
    now = (
        task.deadline.astimezone(ZoneInfo(user.zone)).date() if task.deadline else today + timedelta(days=14)
    )
    mine = {"owner": task.owner_id, "deadline": now, **kept.typed("task_plan", task.id)}
    if "criteria" in mine:
        _compare_plans(found, mine, people, now)
    owner = st.selectbox(
        t("tasks.owner"),
        list(people),
        index=list(people).index(mine["owner"]) if mine["owner"] in people else None,
        format_func=lambda key: people[key],
        placeholder=plain("tasks.choose"),
        key=f"task_plan_owner_{shown}",
    )
    deadline = st.date_input(
        t("tasks.deadline"),
        mine["deadline"],
        key=f"task_plan_deadline_{shown}",
        format="YYYY-MM-DD",
    )
    key = f"task_plan_criteria_{shown}"
    criteria = _edited(user, found, listed, mine.get("criteria"), key=key)
    if not st.button(t("tasks.plan_send"), type="primary", key="task_plan_send"):
        return
    if owner is None or not isinstance(deadline, date):
        st.error(t("tasks.plan_missing"), icon=":material/error:")
        return
    end = datetime.combine(deadline, time(18), ZoneInfo(user.zone))
    typed = {"owner": owner, "deadline": deadline, "criteria": criteria}
    with frame.boundary(), kept.editing("task_plan", task.id, typed):
        commands.plan(
            frame.client(),
            task.id,
            shown,
            owner_id=owner,
            deadline=end,
            criteria=criteria,
            request_id=frame.request_id("task_plan", task.id, shown, owner, end, repr(criteria)),
        )
        frame.close_form("task_plan", task.id)
        frame.flash_and_rerun(t("tasks.planned"))


def _compare_plans(found: Screen, mine: Mapping[str, Any], people: Mapping[int, str], deadline: date) -> None:
    """Beside what was typed: the plan that somebody else saved meanwhile."""
    theirs = plain("common.clauses").join(
        words.wanted(one) for one in found.criteria if one.round == found.task.round
    )
    kept.compare(
        [
            (plain("tasks.owner"), found.task.owner, people.get(mine["owner"])),
            (plain("tasks.deadline"), deadline, mine["deadline"]),
            (plain("tasks.criteria"), theirs, plain("tasks.below")),
        ]
    )


def _change(user: User, found: Screen) -> None:
    """Other criteria after the delivery; the reason stays in the history, and what was measured stays too."""
    task = found.task
    shown = frame.opened_version("task_change", task.id, task.version)
    st.caption(t("tasks.change_criteria_help"))
    listed = reads.people(frame.client(), task.shop_id)
    mine = kept.typed("task_change", task.id)
    if mine:
        theirs = plain("common.clauses").join(
            words.wanted(one) for one in found.criteria if one.round == task.round
        )
        kept.compare([(plain("tasks.criteria"), theirs, plain("tasks.below"))])
    key = f"task_change_criteria_{shown}"
    criteria = _edited(user, found, listed, mine.get("criteria"), key=key)
    given = mine.get("reason", "")
    reason = st.text_input(t("tasks.reason"), given, max_chars=400, key=f"task_change_reason_{shown}")
    if st.button(t("tasks.change_criteria"), key="task_change_send"):
        typed = {"criteria": criteria, "reason": reason}
        with frame.boundary(), kept.editing("task_change", task.id, typed):
            asked = frame.request_id("task_change", task.id, shown, reason, repr(criteria))
            commands.change_criteria(frame.client(), task.id, shown, criteria, reason, request_id=asked)
            frame.close_form("task_change", task.id)
            frame.flash_and_rerun(t("tasks.done"))


def _edited(
    user: User, found: Screen, listed: Sequence[Person], typed: Any, *, key: str
) -> list[dict[str, Any]]:
    """The criteria as they are typed (from those of now, or from `typed`), in the form the database takes."""
    people = {one.id: one.name for one in listed}
    kpis = {kpi_words.name(one.code, one.name_en): one.code for one in kpi_reads.definitions(frame.client())}
    agents = [one.name for one in listed if one.role == "agent"]
    st.caption(t("tasks.criteria_help"))
    # Those the table was opened with: what others save meanwhile must not empty it.
    opened = st.session_state.setdefault(
        f"{key}_opened", _rows(found, people) if typed is None else _typed_rows(typed, kpis, people)
    )
    rows = st.data_editor(
        pd.DataFrame(opened, columns=[*_COLUMNS]),
        num_rows="dynamic",
        hide_index=True,
        column_config=_columns(list(kpis), agents, list(people.values())),
        key=key,
        placeholder="—",
    )
    criteria = _criteria(rows, kpis, people)
    _warn(user, found, criteria, {code: name for name, code in kpis.items()})
    return criteria


def _warn(user: User, found: Screen, criteria: Sequence[dict[str, Any]], names: dict[str, str]) -> None:
    """Says before the plan is sent of whom there is nothing to compare with."""
    last = datetime.now(ZoneInfo(user.zone)).date() - timedelta(days=1)
    for one in criteria:
        if not one.get("agent"):
            continue
        days = one["window_days"]
        lines = kpi_reads.lines(
            frame.client(),
            one["kpi_code"],
            last - timedelta(days=days - 1),
            last,
            by="person",
            shop_id=found.task.shop_id,
        )
        if not any(line.scope == one["agent"] and line.sample for line in lines):
            said = t("tasks.no_figures", name=one["agent"], days=days, kpi=names[one["kpi_code"]])
            st.warning(said, icon=":material/info:")


def _rows(found: Screen, people: dict[int, str]) -> list[dict[str, Any]]:
    """The criteria of now, or one empty line to begin with."""
    known = [one for one in found.criteria if one.round == found.task.round]
    rows = [
        {
            "kpi": kpi_words.name(one.kpi_code, one.name_en or "") if one.kpi_code else None,
            "sign": words.SIGNS.get(one.comparison or ""),
            "target": one.target,
            "window": one.window_days,
            "sample": one.min_sample,
            "agent": one.agent,
            "text": one.text,
            "verifier": one.verifier if one.verifier in people.values() else None,
        }
        for one in known
    ]
    return rows or [dict.fromkeys(_COLUMNS) | {"window": 7, "sample": 10}]


def _typed_rows(
    typed: Sequence[dict[str, Any]], kpis: Mapping[str, str], people: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Criteria that were typed before, as lines of the table."""
    names = {code: name for name, code in kpis.items()}
    return [
        {
            "kpi": names.get(one.get("kpi_code", "")),
            "sign": words.SIGNS.get(one.get("comparison") or ""),
            "target": one.get("target"),
            "window": one.get("window_days"),
            "sample": one.get("min_sample"),
            "agent": one.get("agent"),
            "text": one.get("text"),
            "verifier": people.get(one.get("verifier_id", 0)),
        }
        for one in typed
    ]


def _columns(kpis: list[str], agents: list[str], people: list[str]) -> dict[str, Any]:
    number, choice = st.column_config.NumberColumn, st.column_config.SelectboxColumn
    return {
        "kpi": choice(plain("tasks.criterion.kpi"), options=kpis, width=140),
        "sign": choice(plain("tasks.criterion.sign"), options=list(words.SIGNS.values()), width=60),
        "target": number(plain("tasks.criterion.target"), width=70),
        "window": number(plain("tasks.criterion.window"), min_value=1, max_value=366, default=7, width=60),
        "sample": number(plain("tasks.criterion.sample"), min_value=1, default=10, width=70),
        "agent": choice(plain("tasks.criterion.agent"), options=agents, width=85),
        "text": st.column_config.TextColumn(plain("tasks.criterion.text"), width=150),
        "verifier": choice(plain("tasks.criterion.verifier"), options=people, width=90),
    }


def _criteria(rows: pd.DataFrame, codes: dict[str, str], people: dict[int, str]) -> list[dict[str, Any]]:
    """The lines that hold something, as the database takes them."""
    by_name = {name: key for key, name in people.items()}
    signs = {sign: name for name, sign in words.SIGNS.items()}
    found = []
    for row in rows.astype(object).where(rows.notna(), None).to_dict("records"):
        if row["kpi"]:
            found.append(
                {
                    "kpi_code": codes[row["kpi"]],
                    "comparison": signs.get(row["sign"]),
                    "agent": row["agent"],
                    "target": row["target"],
                    "window_days": int(row["window"] or 7),
                    "min_sample": int(row["sample"] or 10),
                }
            )
        elif row["text"]:
            found.append({"text": row["text"], "verifier_id": by_name.get(row["verifier"])})
    return found


def _decide(user: User, found: Screen, name: str) -> None:
    task = found.task
    with st.form(f"task_{name}", border=False):
        st.caption(t(f"tasks.{name}_help"))
        until = None
        if name in ("extend_task", "retry_task"):
            until = st.date_input(
                t("tasks.until"), datetime.now(UTC).date() + timedelta(days=7), format="YYYY-MM-DD"
            )
        accept = name == "judge_task" and st.toggle(t("tasks.accept"), value=True)
        reason = st.text_input(t("tasks.reason"), max_chars=400)
        sent = st.form_submit_button(t(f"tasks.{name}"))
    if not sent:
        return
    end = (
        datetime.combine(until, time(18), ZoneInfo(user.zone))
        if isinstance(until, date)
        else datetime.now(UTC)
    )
    asked = _asked(found, name, reason, accept, until)
    client = frame.client()
    with frame.boundary():
        if name == "judge_task":
            commands.judge(client, task.id, task.version, accept, reason, request_id=asked)
        elif name == "extend_task":
            commands.extend(client, task.id, task.version, end, reason, request_id=asked)
        elif name == "retry_task":
            commands.retry(client, task.id, task.version, end, reason, request_id=asked)
        else:
            commands.cancel(client, task.id, task.version, reason, request_id=asked)
        frame.flash_and_rerun(t("tasks.done"))
