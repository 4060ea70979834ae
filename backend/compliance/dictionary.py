"""Versions of the dictionary as the engine takes them: loaded once from the database, compiled once by
the engine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from backend.db import Rpc
from backend.words.dictionary import Dictionary, Entry, ExceptionRow, PatternRow, build, shipped

BASIS: Final = 14
"""Raise it with every release that changes the shipped dictionary: a higher one becomes a new version."""
BASIS_OF: Final = "2e32f73344e5"
"""Version of the shipped dictionary that BASIS stands for; a test compares."""
_KEPT: Final = 4


class Book:
    """One version of the dictionary. Platforms whose words are the same share one compiled dictionary."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.version: Final = int(data["version"])
        self._words: Final = [(Entry(*row[:8]), frozenset(row[8])) for row in data["words"]]
        self._exceptions: Final = [
            (ExceptionRow(tuple(row[0]), *row[1:5]), frozenset(row[5])) for row in data["exceptions"]
        ]
        self._patterns: Final = [PatternRow(row[0], tuple(row[1]), *row[2:]) for row in data["patterns"]]
        self._superlatives: Final = [(row[0], row[1]) for row in data["superlatives"]]
        self._special: Final = frozenset().union(
            *(p for _, p in self._words), *(p for _, p in self._exceptions)
        )
        self._built: dict[str, Dictionary] = {}

    def on(self, platform: str | None) -> Dictionary:
        """The dictionary of a platform; None: of no platform in particular (every word that has none)."""
        key = platform if platform and platform in self._special else ""
        if key not in self._built:
            self._built[key] = build(
                [entry for entry, only in self._words if not only or key in only],
                exceptions=[row for row, only in self._exceptions if not only or key in only],
                patterns=self._patterns,
                superlatives=self._superlatives,
            )
        return self._built[key]


_lock: Final = threading.Lock()
_books: Final[dict[str, Book]] = {}


def current(rpc: Rpc) -> Book:
    """The version that holds. The first call of a newer program brings the dictionary it was shipped
    with."""
    state = announce(rpc)
    with _lock:
        found = _books.pop(state["token"], None)
        if found is None:
            found = Book(rpc("service_words", p_version=state["version"], p_proposal_id=None))
        _books[state["token"]] = found
        while len(_books) > _KEPT:
            del _books[next(iter(_books))]
    return found


def announce(rpc: Rpc) -> dict[str, Any]:
    """Make sure the database has this program's dictionary, or a newer one: {version, basis, token}."""
    state: dict[str, Any] = rpc("service_words_version")
    if state["basis"] >= BASIS:
        return state
    book = shipped()
    rpc(
        "service_seed_words",
        p_basis=BASIS,
        p_words=[list(entry) for entry in book.entries],
        p_exceptions=[
            [list(row.terms), row.effect, row.where, row.pattern, row.note] for row in book.exceptions
        ],
        p_patterns=[[p.name, list(p.triggers), *p[2:]] for p in book.patterns],
        p_superlatives=[list(pair) for pair in book.superlatives],
    )
    seeded: dict[str, Any] = rpc("service_words_version")
    return seeded


def proposed(rpc: Rpc, version: int, proposal_id: int) -> Book:
    """A version with the operations of a proposal done, for its trial. Never kept: proposals change."""
    return Book(rpc("service_words", p_version=version, p_proposal_id=proposal_id))
