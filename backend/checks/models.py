"""Plain values that the checks of one contact produce. Nothing here holds a personal value as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Evidence = Mapping[str, str | int]
FindingKind = Literal["bad_phone", "missing_detail", "mismatch", "suspicious"]
PhoneState = Literal[
    "mobile", "landline", "privacy", "hk", "mo", "tw", "service", "foreign", "masked", "bad", "absent"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One exception of an order: `kind` names the rule, `evidence` is JSON without personal data."""

    kind: FindingKind
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Note:
    """Worth knowing but no exception (renamed district, postcode of another province)."""

    kind: str
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PhoneVerdict:
    """What a raw phone cell is.

    `normalised` holds digits (`-` before an extension) and is personal data; `problem` is set exactly when
    `state` is `masked`, `absent` or `bad`; `digits` counts the digits seen.
    """

    state: PhoneState
    normalised: str
    problem: str | None = None
    digits: int = 0


@dataclass(frozen=True, slots=True)
class AddressParts:
    """An address in canonical names. `detail` (personal data) is what is left below district and town."""

    province: str | None = None
    city: str | None = None
    district: str | None = None
    town: str | None = None
    detail: str = ""
    postcode: str | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two names that exist but do not belong together; `level` is that of `right`."""

    left: str
    right: str
    level: Literal["city", "district"]


@dataclass(frozen=True, slots=True)
class ParsedAddress:
    """Parts, the first contradiction (if any) and notes of one address."""

    parts: AddressParts
    contradiction: Contradiction | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """Verdict on one contact: findings (at most one per kind), notes, recognised parts, phone state."""

    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    parts: AddressParts
    phone_state: PhoneState
