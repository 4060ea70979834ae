"""The secret key: web sessions, jobs, verdicts of Python checks, and commands. Never a user's own action.

The database grants ``service_role`` a short list of RPCs and no table: a slip here cannot read or change
rows at will.
"""

from __future__ import annotations

from typing import Any

from backend import db
from backend.config import Settings


class Service:
    """Calls the RPCs that are granted to ``service_role`` by name."""

    def __init__(self, settings: Settings) -> None:
        self._client = db.make_client(settings.supabase_url, settings.secret_key)

    def rpc(self, name: str, **params: Any) -> Any:
        """Calls RPC ``name``; raises :class:`backend.errors.AppError` as :func:`backend.db.rpc` does."""
        return db.rpc(self._client, name, **params)
