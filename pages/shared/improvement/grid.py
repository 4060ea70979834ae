"""The table: managers edit title, owner, deadline and priority of many tasks, see what differs, and save.

Nothing is sent before 保存. Each line is saved by itself: one that somebody else changed meanwhile is left as
it is, and the page says who changed what and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from backend import exports
from backend.errors import AppError
from backend.improvement import commands, reads
from backend.improvement.models import PRIORITIES, Outcome, Person, Task, TaskList
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, refusal, t
from pages.shared.improvement import board, words

_KEPT = "tasks_grid_rows"
_ROUND = "tasks_grid_round"
_CARDS = 60
_FIXED = ("accepted", "cancelled")
_EDITED = ("title", "owner", "deadline", "priority")
_SHORTEST = 2  # characters of a title, as the database has it
_Differs = tuple[Task, Mapping[str, Any], Mapping[str, Any]]  # a task, its cells as they were and as typed


def draw(user: User, found: TaskList) -> None:
    """The table, to read or, for managers, to edit."""
    _told(user, found.rows)
    if not found.rows:
        widgets.empty_state(t("tasks.none"), t("tasks.none_hint"), icon=":material/task_alt:", key="tasks")
        return
    if widgets.draws("wide"):
        with widgets.wide("tasks"):
            if user.has("manager", "admin"):
                _edit(user, _shown(found.rows))
            else:
                _table(user, found.rows)
    if widgets.draws("narrow"):
        with widgets.narrow("tasks"):
            for row in found.rows[:_CARDS]:
                board.card(row, key="tasks_narrow")
            if len(found.rows) > _CARDS:
                st.caption(t("tasks.board_more", count=len(found.rows) - _CARDS))
    if found.more:
        st.caption(t("tasks.more"))


def _shown(rows: Sequence[Task]) -> Sequence[Task]:
    """The rows the grid was opened with: while something is typed, no rerun adopts what others save."""
    ids = tuple(row.id for row in rows)
    kept = st.session_state.get(_KEPT)
    if kept and kept[0] == ids and _typed():
        found: Sequence[Task] = kept[1]
        return found
    st.session_state[_KEPT] = (ids, rows)
    return rows


def _key() -> str:
    return f"tasks_grid_{st.session_state.get(_ROUND, 0)}"


def _typed() -> bool:
    state = st.session_state.get(_key())
    return bool(state and state["edited_rows"])


def _cells(user: User, task: Task) -> dict[str, Any]:
    deadline = task.deadline.astimezone(ZoneInfo(user.zone)).date() if task.deadline else None
    return {
        "open": f"/task?id={task.id}#{words.number(task.id)}",
        "state": words.state(task.state),
        "title": task.title,
        "owner": task.owner,
        "deadline": deadline,
        "priority": plain(f"tasks.priority.{task.priority}"),
        "criteria": words.criteria(task),
        "figures": words.all_figures(task),
        "progress": task.progress,
        "source": plain(f"tasks.source.{task.source}"),
    }


def _columns(people: Sequence[Person] | None = None) -> dict[str, Any]:
    """The columns to edit, by the people who may own a task; without them to read."""
    text, choice = st.column_config.TextColumn, st.column_config.SelectboxColumn
    owner, priority = plain("tasks.column.owner"), plain("tasks.column.priority")
    ranks = [plain(f"tasks.priority.{name}") for name in PRIORITIES]
    return {
        "open": st.column_config.LinkColumn(plain("tasks.column.id"), display_text=r"#(.*)$", width=62),
        "state": text(plain("tasks.column.state"), width=105),
        "title": text(plain("tasks.column.title"), width=180, required=True, max_chars=120),
        "owner": text(owner, width=95)
        if people is None
        else choice(owner, options=[one.name for one in people], width=95),
        "deadline": st.column_config.DateColumn(
            plain("tasks.column.deadline"), width=100, format="YYYY-MM-DD"
        ),
        "priority": text(priority, width=70)
        if people is None
        else choice(priority, options=ranks, width=70, required=True),
        "criteria": text(plain("tasks.column.criteria"), width=205),
        "figures": text(plain("tasks.column.figures"), width=130, help=plain("tasks.figures_help")),
        "progress": st.column_config.ProgressColumn(
            plain("tasks.column.progress"), min_value=0, max_value=100, format="%d%%", width=90
        ),
        "source": text(plain("tasks.column.source"), width=85),
    }


def _table(user: User, rows: Sequence[Task]) -> None:
    st.dataframe(
        pd.DataFrame([_cells(user, row) for row in rows]),
        hide_index=True,
        column_config=_columns(),
        key="tasks_table",
        placeholder="—",
        alt=plain("tasks.title"),
    )


def _edit(user: User, rows: Sequence[Task]) -> None:
    people = reads.people(frame.client())
    before = [_cells(user, row) for row in rows]
    edited = st.data_editor(
        pd.DataFrame(before),
        hide_index=True,
        column_config=_columns(people),
        disabled=["open", "state", "criteria", "figures", "progress", "source"],
        key=_key(),
        placeholder="—",
    )
    after = edited.astype(object).where(edited.notna(), None).to_dict("records")
    differs = [
        (task, was, now)
        for task, was, now in zip(rows, before, after, strict=True)
        if any(was[name] != now[name] for name in _EDITED)
    ]
    changes = _changes(user, differs, {one.name: one.id for one in people})
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="tasks_grid_bar"):
        _export(before)
        if not differs:
            st.caption(t("tasks.edit_hint"))
            return
        _send(changes, {task.id: now for task, _, now in differs})
    _difference(user, differs)


def _fault(user: User, name: str, value: Any) -> str | None:
    """Why a cell cannot be saved as it was typed; None when it can."""
    if value is None or not str(value).strip():
        return plain("tasks.fault.empty")
    if name == "title" and len(str(value).strip()) < _SHORTEST:
        return plain("tasks.fault.title")
    if name == "deadline" and _end(user, value) <= datetime.now(UTC):
        return plain("tasks.fault.past")
    return None


def _end(user: User, day: date) -> datetime:
    """A deadline is at 18:00 of its day."""
    return datetime.combine(day, time(18), ZoneInfo(user.zone))


def _changes(user: User, differs: Sequence[_Differs], people: Mapping[str, int]) -> list[dict[str, Any]]:
    """The changed lines as the database takes them, without the cells that cannot be saved."""
    priorities = {plain(f"tasks.priority.{name}"): name for name in PRIORITIES}
    taken: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
        "title": ("title", lambda value: str(value).strip()),
        "owner": ("owner_id", people.__getitem__),
        "priority": ("priority", priorities.__getitem__),
        "deadline": ("deadline", lambda value: _end(user, value).isoformat()),
    }
    found = []
    for task, was, now in differs:
        change = {
            taken[name][0]: taken[name][1](now[name])
            for name in _EDITED
            if was[name] != now[name]
            and _fault(user, name, now[name]) is None
            and (name != "owner" or now[name] in people)  # chosen before, switched off since
        }
        if change:
            found.append({"id": task.id, "version": task.version, "change": change})
    return found


def _difference(user: User, differs: Sequence[_Differs]) -> None:
    """What would be saved, line by line, and what of it cannot be."""
    with st.container(border=True, key="tasks_difference"):
        for task, was, now in differs:
            parts = []
            for name in _EDITED:
                if was[name] != now[name]:
                    fault = _fault(user, name, now[name])
                    warn = f" :red-badge[{fault}]" if fault else ""
                    typed = f"~~{md(was[name] or '—')}~~ → **{md(now[name] or '—')}**"
                    parts.append(f"{plain(f'tasks.column.{name}')}: {typed}{warn}")
            fixed = f" :red-badge[{plain('tasks.fixed')}]" if task.state in _FIXED else ""
            st.markdown(f"{words.number(task.id)}{fixed} · {' · '.join(parts)}")


def _send(changes: Sequence[Mapping[str, Any]], typed: Mapping[int, Mapping[str, Any]]) -> None:
    if changes and st.button(
        t("tasks.save", count=len(changes)), type="primary", icon=":material/save:", key="tasks_save"
    ):
        with frame.boundary():
            asked = frame.request_id("tasks_save", repr(changes))
            outcomes = commands.save_rows(frame.client(), changes, request_id=asked)
            _begin_anew([(one, typed.get(one.id, {})) for one in outcomes if one.outcome != "saved"])
            saved = sum(one.outcome == "saved" for one in outcomes)
            frame.flash_and_rerun(t("tasks.saved", count=saved))
    if st.button(t("tasks.discard"), type="tertiary", key="tasks_discard"):
        _begin_anew(())
        st.rerun()


def _begin_anew(refused: Sequence[tuple[Outcome, Mapping[str, Any]]]) -> None:
    """The grid opens with what holds now; what was refused is told above it."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    st.session_state["tasks_refused"] = list(refused)
    st.session_state.pop(_KEPT, None)


def _told(user: User, rows: Sequence[Task]) -> None:
    """Each line that was not saved: why, what they changed, what holds now and what was typed."""
    now = {task.id: _cells(user, task) for task in rows}
    for one, typed in st.session_state.pop("tasks_refused", []):
        at = one.at.isoformat() if one.at else "—"
        said = refusal(
            AppError(one.outcome, status=409, params={"id": one.id, "who": one.who or "—", "at": at})
        )
        changed = plain("common.listed").join(plain(f"tasks.field.{name}") for name in one.fields)
        tail = f" {t('tasks.they_changed', fields=changed)}" if changed else ""
        holds = now.get(one.id, {})
        lines = [
            f"- {plain(f'tasks.column.{name}')}: {plain('tasks.theirs')} **{md(holds[name] or '—')}**"
            f" · {plain('tasks.yours')} **{md(typed[name] or '—')}**"
            for name in _EDITED
            if name in holds and name in typed and holds[name] != typed[name]
        ]
        st.error("\n".join((said + tail, "", *lines)), icon=":material/sync_problem:")


def _export(before: Sequence[Mapping[str, Any]]) -> None:
    names = ("state", "title", "owner", "deadline", "priority", "criteria", "figures", "progress", "source")
    columns = [(name, plain(f"tasks.column.{name}")) for name in ("id", *names)]
    rows = [
        {"id": row["open"].rpartition("#")[2], **{name: _plain(row[name]) for name in names}}
        for row in before
    ]
    st.download_button(
        t("tasks.export"),
        exports.write_xlsx(rows, columns, plain("tasks.title")),
        f"{plain('tasks.title')}.xlsx",
        icon=":material/download:",
        key="tasks_export",
        on_click="ignore",
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else "" if value is None else str(value)
