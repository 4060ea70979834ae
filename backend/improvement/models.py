"""Tasks, criteria and meetings as the pages use them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal

from backend.row import Row

State = Literal[
    "proposed",
    "planned",
    "in_progress",
    "delivered",
    "verifying",
    "accepted",
    "failed",
    "inconclusive",
    "cancelled",
    "regressed",
]
# The columns of the board, in the order of the work.
BOARD: Final[tuple[tuple[str, tuple[State, ...]], ...]] = (
    ("proposed", ("proposed", "regressed")),
    ("planned", ("planned",)),
    ("in_progress", ("in_progress", "failed")),
    ("verifying", ("delivered", "verifying", "inconclusive")),
    ("accepted", ("accepted",)),
)
SOURCES: Final = ("anomaly", "feedback", "suggestion", "meeting", "root_cause", "low_score")
PRIORITIES: Final = ("low", "normal", "high")


class Brief(Row):
    """A criterion in a list: a KPI (of the shop, or of one `agent`) with its target, or a sentence (`text`).

    Figures in `unit`. `is_hidden`: of a person whose figures the reader may not see:
    then without name and figures."""

    kpi: str | None
    name_en: str | None
    agent: str | None
    text: str | None
    comparison: str | None
    target: float | None
    unit: str | None
    baseline: float | None
    value: float | None
    sample: int | None
    is_met: bool | None
    is_hidden: bool = False


class Task(Row):
    """A task as lists show it. `shop_id` None: all shops; `version` goes back with every change."""

    id: int
    shop_id: int | None
    shop: str | None
    title: str
    source: str
    state: State
    priority: str
    owner_id: int | None
    owner: str | None
    deadline: datetime | None
    progress: int
    verify_until: date | None
    round: int
    version: int
    created_at: datetime
    planned_at: datetime | None
    delivered_at: datetime | None
    judged_at: datetime | None
    criteria: tuple[Brief, ...] = ()
    change_note: str | None = None


class TaskList(Row):
    """A page of tasks, newest first, and how many of all there are in each state."""

    rows: tuple[Task, ...]
    more: bool
    counts: dict[str, int]


class Measure(Row):
    """What was measured up to and with a day; `is_watch`: after the acceptance."""

    day: date
    value: float | None
    sample: int
    is_watch: bool


class Criterion(Row):
    """A criterion of one round with all its measures."""

    id: int
    round: int
    kpi_code: str | None
    kpi_version: int | None
    name_en: str | None
    agent: str | None
    comparison: str | None
    target: float | None
    window_days: int | None
    min_sample: int | None
    text: str | None
    verifier: str | None
    is_mine: bool | None
    baseline: float | None
    baseline_sample: int | None
    baseline_from: date | None
    baseline_to: date | None
    value: float | None
    sample: int | None
    measured_on: date | None
    is_met: bool | None
    is_hidden: bool = False
    unit: str | None
    formula: str | None
    formula_en: str | None
    measures: tuple[Measure, ...]

    def confirmed_needed(self, state: State) -> bool:
        """Whether its verifier may say now that this criterion in words is met."""
        return self.text is not None and self.is_met is None and state in ("delivered", "verifying")


class Event(Row):
    """A line of the history."""

    at: datetime
    action: str
    who: str
    detail: dict[str, Any]


class Details(Task):
    """What the task's own page shows beyond the list."""

    detail: str
    evidence: dict[str, Any]
    progress_note: str
    is_anonymous: bool
    proposed_by: str | None
    verify_from: date | None
    watch_until: date | None
    judged_by: str | None
    judged_reason: str | None
    regressed_at: datetime | None
    meeting_id: int | None


class Screen(Row):
    """One task. `can`: the steps this person may take now."""

    task: Details
    can: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    history: tuple[Event, ...]


class Person(Row):
    """Somebody who may own a task."""

    id: int
    name: str
    role: str


class Outcome(Row):
    """What became of a line of the grid: `saved`, or why not; of a stale one who, when and what."""

    id: int
    outcome: str
    who: str | None = None
    at: datetime | None = None
    fields: tuple[str, ...] = ()
