"""A line of a record's history, as every timeline of the database gives it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from backend.row import Row


class Event(Row):
    """Something that happened to a record; `who` is null for a platform and for the desk itself.

    `detail` holds no personal data.
    """

    at: datetime
    action: str
    who: str | None = None
    actor: str = "system"
    detail: dict[str, Any] = Field(default_factory=dict)
