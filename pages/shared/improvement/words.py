"""Tasks in words: states, criteria, what changed."""

from __future__ import annotations

from backend.improvement.models import Brief, Criterion, Task
from pages.shared.i18n import plain
from pages.shared.kpi import words as kpi_words

_COLORS = {
    "proposed": "gray",
    "planned": "blue",
    "in_progress": "blue",
    "delivered": "violet",
    "verifying": "violet",
    "accepted": "green",
    "failed": "red",
    "inconclusive": "orange",
    "cancelled": "gray",
    "regressed": "red",
}
SIGNS = {"<=": "≤", ">=": "≥", "<": "<", ">": ">"}


def number(task_id: int) -> str:
    """`O-12`."""
    return f"O-{task_id}"


def state(name: str) -> str:
    """The state in words."""
    return plain(f"tasks.state.{name}")


def badge(name: str) -> str:
    """Markdown of the state as a label."""
    return f":{_COLORS[name]}-badge[{state(name)}]"


def wanted(one: Brief | Criterion) -> str:
    """`退货处理时长 ≤ 24.0 小时`, `平响（客服C） ≤ 30.0 秒`, or the sentence of a criterion in words."""
    code = one.kpi if isinstance(one, Brief) else one.kpi_code
    if code is None or one.unit is None:
        return one.text or ""
    sign = SIGNS[one.comparison or "<="]
    person = plain("tasks.somebody") if one.is_hidden else one.agent
    name = kpi_words.name(code, one.name_en or code)
    shown = plain("common.of_what", name=name, what=person) if person else name
    return f"{shown} {sign} {kpi_words.figure(one.target, one.unit)}"


def figures(one: Brief | Criterion) -> str:
    """`48.0 → 20.0 小时`: what it was and what it is; a dash for what is not known, nothing before both."""
    if one.unit is None:
        return ""
    if one.baseline is None and one.value is None:
        return ""
    was, now = kpi_words.figure(one.baseline, one.unit), current(one)
    return f"{was} → {now}"


def current(one: Brief | Criterion) -> str:
    """What it is now; one that is missed by less than a digit shows another digit."""
    missed = one.target if one.is_met is False else None
    return kpi_words.figure(one.value, one.unit or "%", missed=missed)


def all_figures(task: Task) -> str:
    """The figures of all criteria in one line."""
    return plain("common.clauses").join(part for part in map(figures, task.criteria) if part)


def verdict(is_met: bool | None) -> str:
    """Markdown: met, unmet, or not known yet."""
    if is_met is None:
        return f":gray-badge[{plain('tasks.unknown')}]"
    return f":green-badge[{plain('tasks.met')}]" if is_met else f":red-badge[{plain('tasks.unmet')}]"


def criteria(task: Task) -> str:
    """All criteria in one line."""
    return plain("common.clauses").join(wanted(one) for one in task.criteria)
