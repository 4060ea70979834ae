"""What the word check takes and gives back: plain frozen values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

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

KINDS: tuple[str, ...] = get_args(Kind)
CATEGORIES: tuple[str, ...] = get_args(Category)


@dataclass(frozen=True, slots=True)
class Context:
    """What the text is for. `licences` are "type:number", e.g. "国妆特字:国妆特字G20200001"."""

    kind: Kind = "description"
    category: Category = "general"
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One finding. `start` and `end` count code points of the original text; `text` is that slice, disguise included.

    `category` is the dictionary's; `exemption` is the question that decides whether the term may stay, `evidence` what
    to keep on file for it (both empty if nothing exempts); `disguised` says that the slice is not the plain term.
    """

    start: int
    end: int
    text: str
    term: str
    category: str
    severity: Severity
    legal_basis: str
    suggestion: str
    exemption: str = ""
    evidence: str = ""
    disguised: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the text lacks as a whole, such as a statement the law demands."""

    key: str
    text: str
    legal_basis: str


@dataclass(frozen=True, slots=True)
class Result:
    """The judgement of one text. `hits` are in reading order and do not overlap.

    `rewritten` proposes the text with each hit reworded or left out; it equals the text when there is nothing to change.
    `version` names the dictionary that judged.
    """

    verdict: Verdict
    hits: tuple[Hit, ...] = ()
    notices: tuple[Notice, ...] = ()
    rewritten: str = ""
    version: str = field(default="", compare=False)
