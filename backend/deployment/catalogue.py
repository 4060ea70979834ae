"""What a database consists of, and how two states of it differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

_OBJECTS: Final = Path(__file__).with_name("catalogue.sql")

Objects = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of objects (`function public.release_orders(…)`) in which two states differ."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def lines(self) -> list[str]:
        """One line each: `+` added, `~` changed, `-` removed."""
        marked = (("+", self.added), ("~", self.changed), ("-", self.removed))
        return [f"{mark} {name}" for mark, names in marked for name in names]


def read(connection: psycopg.Connection[Any]) -> Objects:
    """Every table, view, constraint, index, policy, function, trigger of ours: name → digest."""
    return {str(name): str(digest) for name, digest in connection.execute(_OBJECTS.read_bytes()).fetchall()}


def compare(before: Objects, after: Objects) -> Difference:
    """What is in `after` and was not so in `before`."""
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(name for name in after.keys() & before.keys() if after[name] != before[name])),
        removed=tuple(sorted(before.keys() - after.keys())),
    )
