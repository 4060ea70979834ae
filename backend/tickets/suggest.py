"""What kind of case a text speaks of: a proposal with the words that led to it, never a decision.

Rules by keyword, because a proposal must say why it was made; a person confirms or changes it. What counts
as a sign is a product decision, taken from how buyers of Chinese platforms write.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("suggest.json")
_NOT: Final = re.compile(r"(?:没有?|无|不是|未|并非|不)\s*$")
_CLAUSE: Final = re.compile(r"[，。！？；,.!?;\n]")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed value and the words of the text that speak for it."""

    value: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a text proposes; None where it says nothing. `cause` is the code of a root cause."""

    type: Proposal | None = None
    cause: Proposal | None = None
    severity: Proposal | None = None
    department: Proposal | None = None


def suggest(text: str) -> Suggestion:
    """Read a text: a chat line, a summary. A word that is denied just before it does not count.

    What somebody asks for (补发) decides the type before what somebody noticed (划痕).
    """
    line = unicodedata.normalize("NFKC", text).lower()
    rules = _rules()
    cause = _best(line, rules["cause"])
    asked, noticed = (_best(line, tier) for tier in rules["type"])
    return Suggestion(
        type=asked or noticed,
        cause=cause,
        severity=_best(line, rules["severity"]),
        department=_of_cause(cause, rules["department_of_cause"]),
    )


@cache
def _rules() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(_FILE.read_text("utf-8"))
    return found


def _best(line: str, rules: Mapping[str, Sequence[str]]) -> Proposal | None:
    """The value with the longest sign; of equals the one that stands first in the rules."""
    found = {value: _said(line, signs) for value, signs in rules.items()}
    speaking = {value: words for value, words in found.items() if words}
    if not speaking:
        return None
    best = max(speaking, key=lambda value: max(len(word) for word in speaking[value]))
    return Proposal(best, speaking[best])


def _said(line: str, signs: Sequence[str]) -> tuple[str, ...]:
    return tuple(sign for sign in signs if any(not _denied(line, place) for place in _places(line, sign)))


def _places(line: str, sign: str) -> list[int]:
    return [found.start() for found in re.finditer(re.escape(sign), line)]


def _denied(line: str, place: int) -> bool:
    """Whether the sign is denied in its own clause: 没有划痕."""
    return bool(_NOT.search(_CLAUSE.split(line[:place])[-1]))


def _of_cause(cause: Proposal | None, table: Mapping[str, str]) -> Proposal | None:
    """What follows from a root cause, on the same words."""
    if cause is None or cause.value not in table:
        return None
    return Proposal(table[cause.value], cause.words)
