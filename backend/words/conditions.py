"""Conditions of one term: where it is harmless, where it needs evidence, where alone it counts.

A row of `exceptions.csv` has an effect and a place. Effects: `clean` (not a hit here), `warn` (evidence
decides, so not a block) and `need` (a hit only here; any one of a term's `need` rows is enough). Places:
`phrase` (`~` is the term, the rest touches it), `head` and `tail` (before or after it in its clause),
`clause`, `sentence`, and `category` (the product's category). An evidence row (`warn`, in a sentence) also
looks into the neighbouring sentences.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from backend.words.dictionary import Entry, ExceptionRow
from backend.words.lang import any_of, is_literal, split_alternatives, to_regex
from backend.words.models import Severity
from backend.words.view import GAP, fold_view

NEAR: Final = 48
FAR: Final = 120
_SENTENCE_END: Final = re.compile(r"[。！？；\n]")
_CLAUSE_END: Final = re.compile(r"[，。！？；\n]")
CLEAN, WARN, NEED = "clean", "warn", "need"


class Surroundings:
    """A hit at [start, end) of a view and what stands around it between `low` and `high`, where its text
    begins and ends: without gaps, cut to a bounded window."""

    __slots__ = ("_clauses", "_left", "_right", "category", "end", "high", "low", "start", "term", "view")

    def __init__(
        self, view: str, start: int, end: int, category: str, low: int = 0, high: int | None = None
    ) -> None:
        self.view, self.start, self.end, self.category = view, start, end, category
        self.low, self.high = low, len(view) if high is None else high
        self.term = _seen(view[start:end])
        self._left: str | None = None
        self._right: str | None = None
        self._clauses: tuple[str, str] | None = None

    @property
    def left(self) -> str:
        """What stands before the hit."""
        if self._left is None:
            self._left = self._before(NEAR)
        return self._left

    @property
    def right(self) -> str:
        """What stands after the hit."""
        if self._right is None:
            self._right = self._after(NEAR)
        return self._right

    def _clause(self) -> tuple[str, str]:
        """Return the clause before and the clause after."""
        if self._clauses is None:
            left, right = _after_last_sentence(self.left), self.right
            stop = _CLAUSE_END.search(right)
            self._clauses = (left[left.rfind("，") + 1 :], right[: stop.start()] if stop else right)
        return self._clauses

    @property
    def clause_left(self) -> str:
        """What stands before the hit in its clause."""
        return self._clause()[0]

    @property
    def clause_right(self) -> str:
        """What stands after the hit in its clause."""
        return self._clause()[1]

    @property
    def sentence(self) -> str:
        """The sentence the hit stands in, with its mark."""
        right = self.right
        stop = _SENTENCE_END.search(right)
        return _after_last_sentence(self.left) + self.term + (right[: stop.end()] if stop else right)

    def _before(self, size: int) -> str:
        left = self.view[max(self.low, self.start - size) : self.start]
        if GAP not in left:
            return left
        return _seen(self.view[max(self.low, self.start - 3 * size) : self.start])[-size:]

    def _after(self, size: int) -> str:
        right = self.view[self.end : min(self.high, self.end + size)]
        if GAP not in right:
            return right
        return _seen(self.view[self.end : min(self.high, self.end + 3 * size)])[:size]

    @property
    def window(self) -> str:
        """The hit with the sentences before and after it."""
        return self._before(FAR) + self.term + self._after(FAR)


def _after_last_sentence(text: str) -> str:
    find = text.rfind
    return text[max(find("。"), find("！"), find("？"), find("；"), find("\n")) + 1 :]


def _seen(text: str) -> str:
    return text.replace(GAP, "") if GAP in text else text


class Condition(NamedTuple):
    """One compiled row."""

    effect: str
    where: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    around: tuple[tuple[str, str], ...] = ()
    regex: re.Pattern[str] | None = None
    before_regex: re.Pattern[str] | None = None
    after_regex: re.Pattern[str] | None = None
    names: frozenset[str] = frozenset()


class Description(NamedTuple):
    """What a hit says beside its place."""

    category: str
    severity: Severity
    legal_basis: str
    suggestion: str
    exemption: str
    evidence: str
    replacement: str | None


class Rule(NamedTuple):
    """An entry of the dictionary and when it counts.

    `superlative` is "" or the group of the word after 最. `heeds` are the bits of the general rules that can
    change its severity, `always` those to try whatever stands around (see rules.py). `said` remembers what
    its hits say by severity.
    """

    entry: Entry
    conditions: tuple[Condition, ...]
    superlative: str
    heeds: int
    always: int
    said: dict[Severity, Description]


def _phrase(row: ExceptionRow) -> Condition:
    before: list[str] = []
    after: list[str] = []
    before_rx: list[str] = []
    after_rx: list[str] = []
    around: list[tuple[str, str]] = []
    for phrase in split_alternatives(row.pattern):
        pre, mark, post = phrase.partition("~")
        if not mark:
            raise ValueError(f"a phrase needs ~ for its term: {phrase!r}")
        if pre and post:
            around.append((fold_view(pre), fold_view(post)))
        elif pre:
            (before if is_literal(pre) else before_rx).append(pre)
        else:
            (after if is_literal(post) else after_rx).append(post)
    return Condition(
        row.effect,
        "phrase",
        before=tuple(map(fold_view, before)),
        after=tuple(map(fold_view, after)),
        around=tuple(around),
        before_regex=re.compile("(?:" + "|".join(map(to_regex, before_rx)) + r")\Z") if before_rx else None,
        after_regex=re.compile("|".join(map(to_regex, after_rx))) if after_rx else None,
    )


def compile_row(row: ExceptionRow) -> Condition:
    """Compile one row of the exceptions. Raise ValueError if it says nothing."""
    if row.effect not in (CLEAN, WARN, NEED):
        raise ValueError(f"unknown effect {row.effect!r} for {row.terms}")
    if row.where == "phrase":
        return _phrase(row)
    alternatives = split_alternatives(row.pattern)
    if row.where == "category":
        return Condition(row.effect, "category", names=frozenset(alternatives))
    if row.where not in ("head", "tail", "clause", "sentence") or not alternatives:
        raise ValueError(f"unknown place {row.where!r} for {row.terms}")
    return Condition(row.effect, row.where, regex=any_of(alternatives))


def _phrase_holds(condition: Condition, left: str, right: str) -> bool:
    if condition.after and right.startswith(condition.after):
        return True
    if condition.before and left.endswith(condition.before):
        return True
    if any(right.startswith(post) and left.endswith(pre) for pre, post in condition.around):
        return True
    if condition.after_regex and condition.after_regex.match(right):
        return True
    return bool(condition.before_regex and condition.before_regex.search(left))


def holds(condition: Condition, around: Surroundings) -> bool:
    """Tell whether a condition is met where the term stands."""
    where = condition.where
    if where == "phrase":
        return _phrase_holds(condition, around.left, around.right)
    if where == "category":
        return around.category in condition.names
    if where == "head":
        place = around.clause_left
    elif where == "tail":
        place = around.clause_right
    elif where == "clause":
        place = around.clause_left + around.term + around.clause_right
    else:
        place = around.window if condition.effect == WARN else around.sentence
    return bool(condition.regex and condition.regex.search(place))


def verdict(conditions: tuple[Condition, ...], around: Surroundings) -> str:
    """Return "clean", "warn" or "" (nothing applies) for a term with these conditions."""
    needed, met, found = False, False, ""
    for condition in conditions:
        effect = condition.effect
        if effect == NEED:
            needed = True
            met = met or holds(condition, around)
        elif (effect == CLEAN or not found) and holds(condition, around):
            if effect == CLEAN:
                return CLEAN
            found = WARN
    return CLEAN if needed and not met else found
