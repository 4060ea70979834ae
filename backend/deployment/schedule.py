"""The part `schedule`: pg_cron calls the edge functions each minute. Hosted projects only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg

from backend.config import Settings
from backend.deployment.database import DeployError, digest

SQL: Final = Path(__file__).with_name("schedule.sql")
NEEDED: Final = ("pg_cron", "pg_net", "supabase_vault")


def schedule_digest(settings: Settings) -> str:
    """A name for the schedule with the address and key it uses."""
    return digest(SQL.read_text("utf-8"), settings.supabase_url, settings.secret_key)


def missing(connection: psycopg.Connection[Any]) -> list[str]:
    """Extensions that this server does not offer."""
    rows = connection.execute(
        "select wanted from unnest(%s::text[]) wanted"
        " where wanted not in (select name from pg_available_extensions)",
        (list(NEEDED),),
    ).fetchall()
    return [str(row[0]) for row in rows]


def apply(connection: psycopg.Connection[Any], settings: Settings) -> None:
    """Put address and key into the vault and schedule the jobs, all or nothing. Raises DeployError."""
    try:
        with connection.transaction():
            for name, value in (
                ("desk_project_url", settings.supabase_url),
                ("desk_cron_key", settings.secret_key),
            ):
                _keep(connection, name, value)
            connection.execute(SQL.read_bytes())
    except psycopg.Error as problem:
        raise DeployError(f"The schedule was not made: {problem.diag.message_primary}") from problem


def _keep(connection: psycopg.Connection[Any], name: str, value: str) -> None:
    row = connection.execute("select id from vault.secrets where name = %s", (name,)).fetchone()
    if row is None:
        connection.execute("select vault.create_secret(%s, %s)", (value, name))
    else:
        connection.execute("select vault.update_secret(%s, %s)", (row[0], value))
