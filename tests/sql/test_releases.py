"""Every release's database, with data, becomes today's: nothing is lost, and nothing differs from a new one."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from backend.deployment import database
from backend.deployment.catalogue import compare, read
from backend.local import apply
from backend.local.postgres import bundled_binaries
from backend.local.stack import Stack

RELEASES = sorted(Path(__file__).with_name("releases").glob("*.sql.gz"))
KEPT = (
    "members",
    "member_shops",
    "orders",
    "order_items",
    "order_exceptions",
    "order_reviews",
    "releases",
    "audit_events",
)


@pytest.fixture(params=RELEASES, ids=lambda path: path.name.removesuffix(".sql.gz"))
def released(request: pytest.FixtureRequest, database_stack: Stack, db_url: str) -> str:
    """A database as a release left it (owner role)."""
    name = str(conninfo.conninfo_to_dict(db_url)["dbname"])
    admin_url = conninfo.make_conninfo(database_stack.admin_url, dbname=name)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("drop schema private cascade; drop schema public cascade; delete from auth.users")
        admin.execute("create schema public authorization pg_database_owner")
        apply.bootstrap(admin, name)
    text = gzip.decompress(request.param.read_bytes()).decode()
    command = [
        bundled_binaries().program("psql"),
        admin_url,
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return db_url


def counts(connection: psycopg.Connection) -> dict[str, int]:
    return {
        table: row[0]
        for table in KEPT
        if (row := connection.execute(f"select count(*) from public.{table}".encode()).fetchone())
    }


def test_there_is_a_release_to_come_from() -> None:
    assert RELEASES


def test_a_release_becomes_today_s_desk_and_work_goes_on(released: str, sql_url: str) -> None:
    with database.connect(released) as connection, psycopg.connect(sql_url) as new:
        before = counts(connection)
        assert min(before.values()) > 0
        planned = database.plan(connection)
        assert counts(connection) == before
        done = database.apply(connection)
        assert done == planned
        assert counts(connection) == before
        assert not database.apply(connection)
        theirs = {name: made for name, made in read(connection).items() if name != "function private.now()"}
        ours = {
            name: made
            for name, made in read(new).items()
            if name != "function private.now()" and "test_clock" not in name
        }
        assert compare(theirs, ours).lines() == []
        assert len(claimed(connection)) >= 1


def claimed(connection: psycopg.Connection) -> list[object]:
    """What one of the release's agents gets who asks for the next order."""
    agent = connection.execute(
        "select user_id from public.members where role = 'agent' and user_id is not null limit 1"
    ).fetchone()
    assert agent
    with connection.transaction():
        claims = f'{{"role": "authenticated", "sub": "{agent[0]}"}}'
        connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        connection.execute("set local role authenticated")
        row = connection.execute("select public.claim_next(gen_random_uuid(), '{}', 1)").fetchone()
    assert row
    items: list[object] = row[0]["items"]
    return items
