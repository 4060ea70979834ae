"""The part `database`: schema.sql on the project, applied in one transaction, or tried and rolled back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from backend.deployment.catalogue import Difference, Objects, compare, read
from backend.sql import build

Connection = psycopg.Connection[Any]
OLDEST = 17  # the major version of Postgres that hosted projects run
_END = "commit;"  # the last statement of schema.sql


class DeployError(Exception):
    """A part cannot be deployed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """What applying schema.sql changes: objects, and the numbered steps that run (once) with it."""

    is_new: bool
    difference: Difference
    steps: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.difference or self.steps)


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A connection as the owner of the schema. Raises DeployError: none to be had, or the server too old."""
    try:
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=15, application_name="shopdesk deploy"
        )
        connection.execute(
            "set lock_timeout = '3s'"
        )  # also for reading: a definition of a locked table waits
    except psycopg.OperationalError as problem:
        raise DeployError(f"The database does not answer: {_first_line(problem)}") from problem
    with connection:
        major = connection.info.server_version // 10000
        if major < OLDEST:
            raise DeployError(f"The database runs Postgres {major}; the desk needs {OLDEST} or newer.")
        yield connection


def plan(connection: Connection) -> SchemaPlan:
    """Apply schema.sql and roll it back: what it would change. Holds its locks for the seconds that takes."""
    return _apply(connection, keep=False)


def apply(connection: Connection) -> SchemaPlan:
    """Apply schema.sql; nothing of it stays if any of it fails."""
    return _apply(connection, keep=True)


def _apply(connection: Connection, *, keep: bool) -> SchemaPlan:
    text = build.assemble().rstrip()
    if not text.endswith(_END):
        raise DeployError("schema.sql does not end with its commit: build it anew.")
    try:
        before, known = read(connection), _steps(connection)
        connection.execute(text.removesuffix(_END).encode())
        after, steps = read(connection), _steps(connection)
    except psycopg.Error as problem:
        connection.execute("rollback")
        raise DeployError(_explain(problem)) from problem
    connection.execute("commit" if keep else "rollback")
    return SchemaPlan(
        is_new=not _is_desk(before), difference=compare(before, after), steps=tuple(sorted(steps - known))
    )


def _is_desk(objects: Objects) -> bool:
    return "table private.schema_steps" in objects


def _steps(connection: Connection) -> set[str]:
    if connection.execute("select to_regclass('private.schema_steps')").fetchone() == (None,):
        return set()
    return {str(row[0]) for row in connection.execute("select step from private.schema_steps").fetchall()}


def _explain(problem: psycopg.Error) -> str:
    said = problem.diag.message_primary or _first_line(problem)
    if isinstance(problem, psycopg.errors.LockNotAvailable):
        return f"The database is busy ({said}): nothing was changed, run the same command again in a minute."
    where = f" In: {problem.diag.context.splitlines()[0]}." if problem.diag.context else ""
    return f"The schema does not apply, nothing was changed: {said}.{where}"


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0]


# What was sent ----------------------------------------------------------------------------------------------


def digest(*texts: str) -> str:
    """A name for what is sent, to know it again; in letters, like every digest of ours."""
    made = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    return made.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


def sent(connection: Connection, part: str) -> tuple[str, datetime] | None:
    """Digest and time of what was last sent of this part; None before the first time."""
    if connection.execute("select to_regclass('private.deployments')").fetchone() == (None,):
        return None
    row = connection.execute(
        "select digest, deployed_at from private.deployments where part = %s", (part,)
    ).fetchone()
    return None if row is None else (str(row[0]), row[1])


def remember(connection: Connection, part: str, name: str) -> None:
    """Note that this part was sent."""
    connection.execute(
        "insert into private.deployments (part, digest) values (%s, %s)"
        " on conflict (part) do update set digest = excluded.digest, deployed_at = clock_timestamp()",
        (part, name),
    )
