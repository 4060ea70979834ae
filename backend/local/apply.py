"""Brings a database to the state of this version; what has not changed is not applied again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from backend.local import deno
from backend.local.child import Child, ChildError
from backend.local.postgres import DATABASE, Postgres
from backend.local.secrets import Secrets
from backend.sql import build

Admin = psycopg.Connection[Any]
HERE = Path(__file__).parent
SYSTEM_FILES = ("roles.sql", "bootstrap.sql", "gateway/deno.json", "gateway/system_schema.ts")
SYSTEM_TIMEOUT = 120.0


class ApplyError(Exception):
    """A statement of the schema failed; the message names file, line and what Postgres said."""


def urls(server: Postgres, secrets: Secrets, database: str = DATABASE) -> dict[str, str]:
    """libpq addresses by role: superuser `admin`, schema owner `owner`, gateway `authenticator`."""
    return {
        "admin": server.url("postgres", secrets.superuser_password, database),
        "owner": server.url("desk_owner", secrets.owner_password, database),
        "authenticator": server.url("authenticator", secrets.authenticator_password, database),
    }


def ensure_database(server: Postgres, secrets: Secrets, database: str = DATABASE) -> None:
    """Create the empty database if it is missing."""
    with psycopg.connect(
        server.url("postgres", secrets.superuser_password, "postgres"), autocommit=True
    ) as admin:
        if admin.execute("select 1 from pg_database where datname = %s", (database,)).fetchone() is None:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(database)))


def apply_all(
    server: Postgres,
    secrets: Secrets,
    *,
    log: Path,
    test_clock: bool,
    say: Callable[[str], None],
    database: str = DATABASE,
) -> None:
    """System schema, bootstrap, schema and gateway rights, each only when its text changed."""
    addresses = urls(server, secrets, database)
    with psycopg.connect(addresses["admin"], autocommit=True) as admin:
        system = _hash(*SYSTEM_FILES, extra=secrets.owner_password)
        if _applied(admin, "system") != system:
            say("Preparing accounts and roles …")
            make_roles(admin, secrets)
            make_system_schema(addresses["admin"], log=log)
            bootstrap(admin, database)
            _remember(admin, "system", system)
        text = build.assemble()
        schema = _hash("test_clock.sql", "gateway_grants.sql", extra=f"{text}{test_clock}{system}")
        if _applied(admin, "schema") != schema:
            say("Applying the schema …")
            apply_schema(addresses["owner"], text)
            finish_schema(admin, test_clock=test_clock and text != "")
            _remember(admin, "schema", schema)


def make_system_schema(admin_url: str, *, log: Path) -> None:
    """Let Supabase Lite make or complete schema auth (superuser)."""
    command = deno.command("system_schema.ts", deno.loopback_only())
    child = Child("account set-up", command, log=log, environment=deno.environment())
    try:
        child.start({"databaseUrl": admin_url}, timeout=SYSTEM_TIMEOUT)
        if not child.wait(30) or child.exit_code != 0:
            raise ChildError(f"Setting up accounts failed. Its log: {log}")
    finally:
        child.stop(grace=1)


def make_roles(admin: Admin, secrets: Secrets) -> None:
    """The roles of the server with the passwords of this installation (superuser)."""
    admin.execute((HERE / "roles.sql").read_bytes())
    passwords = {"desk_owner": secrets.owner_password, "authenticator": secrets.authenticator_password}
    for role, password in passwords.items():
        statement = sql.SQL("alter role {} password {}")
        admin.execute(statement.format(sql.Identifier(role), sql.Literal(password)))


def bootstrap(admin: Admin, database: str = DATABASE) -> None:
    """Rights on public and auth, and the database's owner (superuser; schema auth exists)."""
    admin.execute((HERE / "bootstrap.sql").read_bytes())
    admin.execute(sql.SQL("alter database {} owner to desk_owner").format(sql.Identifier(database)))


def apply_schema(owner_url: str, text: str) -> None:
    """Apply the assembled schema as its owner. Raises ApplyError with the place in backend/sql."""
    if text == "":
        return
    with psycopg.connect(owner_url, autocommit=True) as owner:
        try:
            owner.execute(text.encode())
            if owner.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                owner.execute("commit")
        except psycopg.Error as problem:
            raise ApplyError(_explain(problem, text)) from problem


def finish_schema(admin: Admin, *, test_clock: bool) -> None:
    """What follows every schema apply: the gateway's rights and, in tests, the clock."""
    if test_clock:
        admin.execute("set role desk_owner")
        admin.execute((HERE / "test_clock.sql").read_bytes())
        admin.execute("reset role")
    admin.execute((HERE / "gateway_grants.sql").read_bytes())


def _explain(problem: psycopg.Error, text: str) -> str:
    position = problem.diag.statement_position
    place = ""
    if position is not None:
        place = f" at {build.line_in_part(text[: int(position)].count(chr(10)) + 1)}"
    said = problem.diag
    parts = [said.message_primary, said.message_detail, said.message_hint, said.context]
    return f"The schema does not apply{place}: " + " | ".join(part for part in parts if part)


def _hash(*names: str, extra: str) -> str:
    digest = hashlib.sha256(extra.encode())
    for name in names:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def _applied(admin: Admin, part: str) -> str | None:
    if admin.execute("select to_regclass('stack.applied')").fetchone() == (None,):
        return None
    row = admin.execute("select hash from stack.applied where part = %s", (part,)).fetchone()
    return None if row is None else str(row[0])


def _remember(admin: Admin, part: str, value: str) -> None:
    admin.execute(
        "insert into stack.applied (part, hash) values (%s, %s) "
        "on conflict (part) do update set hash = excluded.hash, applied_at = clock_timestamp()",
        (part, value),
    )
