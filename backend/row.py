"""What the database answers, as a value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """A row of the database: unknown columns are ignored, values never change."""

    model_config = ConfigDict(frozen=True, extra="ignore")
