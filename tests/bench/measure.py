"""Two ways of doing one thing, timed in turns in one run: the machine's mood changes both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turns(ours: Callable[[], object], other: Callable[[], object], rounds: int = 7) -> tuple[float, float]:
    """Medians of both in seconds, called alternately after one call of each to warm up."""
    ours()
    other()
    pairs = [(seconds(ours), seconds(other)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def row(
    name: str, ours: float, other: float, *, goal: str, met: Callable[[float], bool], unit: str = "ms"
) -> Row:
    """One line of the table. `ours` and `other` in `unit`; `met` judges their ratio."""
    ratio = ours / other
    return {
        "name": name,
        "ours": round(ours, 3),
        "other": round(other, 3),
        "unit": unit,
        "ratio": round(ratio, 3),
        "goal": goal,
        "met": met(ratio),
    }
