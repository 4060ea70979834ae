"""Demo accounts for the sign-in page: only on an embedded installation that holds the demo."""

from __future__ import annotations

from dataclasses import dataclass

from backend.config import Settings
from backend.local.demo import keep
from backend.local.demo.team import PEOPLE


@dataclass(frozen=True, slots=True)
class Account:
    """A demo member who can be signed in as with one click."""

    staff_no: str
    name: str
    role: str
    password: str


def demo_accounts(settings: Settings) -> list[Account]:
    """One account per role, or none where there is no demo."""
    known = None if settings.hosted else keep.read(settings.data_dir)
    if known is None or known["state"] != "ready":
        return []
    return [
        Account(person.staff_no, person.name, person.role, known["password"])
        for person in PEOPLE
        if person.shown
    ]
