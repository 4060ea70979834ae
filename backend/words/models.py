"""What the word check takes and gives back: plain values, no behaviour."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Kind = Literal["title", "description", "script", "reply"]
Category = Literal[
    "general",
    "cosmetics",
    "food",
    "health_food",
    "drug",
    "device",
    "infant",
    "alcohol",
    "education",
    "finance",
]
Severity = Literal["block", "warn"]
Verdict = Literal["block", "warn", "clean"]

KINDS: tuple[Kind, ...] = get_args(Kind)
CATEGORIES: tuple[Category, ...] = get_args(Category)


class Context(NamedTuple):
    """What the text is for. `licences` are "type:number", e.g. "国妆特字:国妆特字G20200001"."""

    kind: Kind = "description"
    category: Category = "general"
    licences: tuple[str, ...] = ()


class Hit(NamedTuple):
    """One finding. `start` and `end` count code points of the original text; `text` is that slice,
    disguise included.

    `category` is the dictionary's; `exemption` is the question that decides whether the term may stay,
    `evidence` what to keep on file for it (both empty if nothing exempts); `disguised` says that the slice
    is not the plain term; `replacement` is the wording proposed for the slice, None to leave it and keep
    evidence.
    """

    start: int
    end: int
    text: str
    term: str
    category: str
    severity: Severity
    legal_basis: str
    suggestion: str
    exemption: str
    evidence: str
    disguised: bool
    replacement: str | None


class Notice(NamedTuple):
    """Something the text lacks as a whole, such as a statement the law demands."""

    key: str
    text: str
    legal_basis: str


class Result(NamedTuple):
    """The judgement of one text. `hits` are in reading order and do not overlap; `version` names the
    dictionary."""

    verdict: Verdict
    hits: tuple[Hit, ...]
    notices: tuple[Notice, ...]
    version: str
