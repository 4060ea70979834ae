"""Filters of a list as an address says them: read without trust, written without what is usual."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

Place = Mapping[str, Any]
"""Where a page of a list ends, as the database says it."""

_OF_THE_PAGE: Final = ("limit", "after", "before")
_DIGITS: Final = 18


def number(text: str | None) -> int | None:
    """The id in a text of the address; None for anything else."""
    given = text or ""
    return int(given) if given.isascii() and given.isdecimal() and len(given) <= _DIGITS else None


def one_of(params: Mapping[str, str], allowed: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Those of the parameters whose value is one of the allowed ones."""
    return {name: params[name] for name, values in allowed.items() if params.get(name) in values}


def numbers(params: Mapping[str, str], *names: str) -> dict[str, Any]:
    """Those of the named parameters that are ids."""
    return {name: found for name in names if (found := number(params.get(name))) is not None}


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list shows. A subclass names its filters, each with its default.

    `limit`, `after` and `before` say which page of it and stand in no address: `after` is what the page
    before gave as `next`.
    """

    def params(self) -> dict[str, str]:
        """For the URL: only what differs from the default."""
        return {
            field.name: str(value)
            for field in fields(self)
            if field.name not in _OF_THE_PAGE and (value := getattr(self, field.name)) != field.default
        }

    def as_json(self) -> dict[str, Any]:
        """As the database takes it."""
        return {
            field.name: str(value) if isinstance(value, Decimal) else value
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
