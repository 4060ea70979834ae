"""Deploying to a database: planned, applied, resumed, refused. Postgres 17 stands for a hosted project."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from backend.config import Deployment, Settings
from backend.deployment import database, parts, project, schedule
from backend.deployment.database import DeployError
from backend.deployment.parts import Report
from backend.local import apply
from backend.sql import build
from tests.conftest import Hosted

URL = "https://abcdefghijklmnopqrst.supabase.co"
SECRET = "sb_secret_only_for_this_test"
PROJECT = Settings(
    hosted=True,
    supabase_url=URL,
    publishable_key="sb_publishable_x",
    secret_key=SECRET,
    cookie_secret="c" * 32,
    pii_key="pii-key-of-this-test",
    data_dir=Path(),
    demo=None,
    port=8501,
)
# What pg_cron, pg_net and the vault are to the schedule, on a server that has none of them.
STAND_INS = """
create schema vault; create schema cron;
create table vault.secrets (id uuid primary key default gen_random_uuid(), name text unique, secret text);
create function vault.create_secret(value text, name text) returns uuid language sql
    as 'insert into vault.secrets (secret, name) values (value, name) returning id';
create function vault.update_secret(which uuid, value text) returns void language sql
    as 'update vault.secrets set secret = value where id = which';
create table cron.job (jobname text primary key, schedule text, command text);
create function cron.schedule(name text, times text, command text) returns void language sql
    as 'insert into cron.job values (name, times, command) on conflict (jobname) do update set command = excluded.command';
"""


@pytest.fixture
def empty_project(pg17: Hosted) -> Iterator[str]:
    """A database like a new hosted project: accounts and roles, nothing of ours (owner role, Postgres 17)."""
    admin_url = conninfo.make_conninfo(pg17.admin_url, dbname="postgres")
    url = conninfo.make_conninfo(pg17.owner_url, dbname="new_project")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("create database new_project")
    with psycopg.connect(
        conninfo.make_conninfo(pg17.admin_url, dbname="new_project"), autocommit=True
    ) as admin:
        admin.execute((Path(__file__).with_name("hosted_auth.sql")).read_bytes())
        apply.bootstrap(admin, "new_project")
    yield url
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("drop database new_project with (force)")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `supabase` on the PATH that notes how it was called and keeps what it would send; SUPABASE_FAIL refuses."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "calls.jsonl"
    tool = folder / "supabase"
    tool.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys\n"
        f"fail = pathlib.Path({str(tmp_path / 'fail')!r})\n"
        "at = pathlib.Path(sys.argv[sys.argv.index('--workdir') + 1])\n"
        "files = {str(p.relative_to(at)): p.read_text() for p in at.rglob('*') if p.is_file()}\n"
        "given = sorted(name for name in os.environ if name.startswith(('SUPABASE_', 'DESK_')))\n"
        f"with open({str(log)!r}, 'a') as out:\n"
        "    out.write(json.dumps({'argv': sys.argv[1:], 'files': files, 'environment': given}) + '\\n')\n"
        "sys.exit('the platform said no') if fail.exists() else None\n"
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DESK_PII_KEY", "must not reach the tool")
    return log


def run(url: str, *names: str, apply: bool = False) -> list[Report]:
    reports: list[Report] = []
    deployment = Deployment(db_url=url, access_token="token", public_url="https://desk.example")
    parts.run(PROJECT, deployment, parts=names, apply=apply, say=reports.append)
    return reports


# The database -----------------------------------------------------------------------------------------------


def test_a_new_project_is_planned_filled_and_then_the_same(empty_project: str) -> None:
    [planned] = run(empty_project, "database")
    assert planned.state == "pending"
    assert planned.lines[0].startswith("an empty project: ")
    with psycopg.connect(empty_project) as connection:
        assert connection.execute("select to_regclass('public.orders')").fetchone() == (None,)
    assert [one.state for one in run(empty_project, "database", apply=True)] == ["done"]
    assert run(empty_project, "database") == [Report("database", "same")]


def test_a_difference_is_named_and_mended(db_url: str) -> None:
    with psycopg.connect(db_url, autocommit=True) as owner:
        owner.execute("drop function public.claim_next(uuid, jsonb, integer)")
        owner.execute(
            "create function public.of_yesterday(integer) returns integer language sql as 'select 1'"
        )
        owner.execute("grant insert on public.orders to authenticated")
    with database.connect(db_url) as connection:
        found = database.plan(connection).difference
        assert "function public.claim_next(p_request_id uuid, p_filter jsonb, p_count integer)" in found.added
        assert "table public.orders" in found.changed
        assert found.removed == ("function public.of_yesterday(integer)",)
        assert database.apply(connection).difference == found
        can_insert = "select has_table_privilege('authenticated', 'public.orders', 'insert')"
        assert connection.execute(can_insert).fetchone() == (False,)
        assert connection.execute("select to_regproc('public.of_yesterday')").fetchone() == (None,)


def test_a_busy_database_is_left_as_it_is(db_url: str) -> None:
    with psycopg.connect(db_url) as worker, database.connect(db_url) as connection:
        worker.execute("lock table public.orders in access exclusive mode")
        with pytest.raises(DeployError, match="busy"):
            database.apply(connection)
        worker.rollback()
        assert not connection.info.transaction_status
        assert connection.execute("select count(*) from public.orders").fetchone() == (0,)


def test_a_schema_that_fails_leaves_nothing(db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = build.assemble().replace(
        "notify pgrst", "create table public.half_done (id int); select 1 / 0; notify pgrst"
    )
    monkeypatch.setattr(build, "assemble", lambda: text)
    with database.connect(db_url) as connection:
        with pytest.raises(DeployError, match="nothing was changed"):
            database.apply(connection)
        assert connection.execute("select to_regclass('public.half_done')").fetchone() == (None,)


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "host=127.0.0.1 port=1 password=hidden"]
)
def test_an_unreachable_database_is_a_sentence_without_the_password(url: str) -> None:
    with pytest.raises(DeployError, match="does not answer") as refused, database.connect(url):
        pass
    assert "hidden" not in str(refused.value)


# What the command line of the platform sends ----------------------------------------------------------------


def test_what_was_sent_is_not_sent_again(db_url: str, cli: Path) -> None:
    sent = ("auth", "secrets", "functions")
    assert [one.state for one in run(db_url, *sent)] == ["pending"] * 3
    assert not cli.exists()
    assert [one.state for one in run(db_url, *sent, apply=True)] == ["done"] * 3
    assert len(cli.read_text().splitlines()) == 3
    assert [one.state for one in run(db_url, *sent, apply=True)] == ["same"] * 3
    assert len(cli.read_text().splitlines()) == 3


def test_a_deployment_that_was_cut_off_goes_on(db_url: str, cli: Path, tmp_path: Path) -> None:
    run(db_url, "auth", apply=True)
    (tmp_path / "fail").touch()
    with pytest.raises(DeployError, match="supabase secrets set failed: the platform said no"):
        run(db_url, "auth", "secrets", apply=True)
    (tmp_path / "fail").unlink()
    assert [one.state for one in run(db_url, "auth", "secrets", apply=True)] == ["same", "done"]


def test_the_tool_gets_what_it_needs_and_no_more(db_url: str, cli: Path) -> None:
    run(db_url, "auth", "secrets", "functions", apply=True)
    auth, secrets, functions = (json.loads(line) for line in cli.read_text().splitlines())
    for call in (auth, secrets, functions):
        assert "--remote=abcdefghijklmnopqrst" in call["argv"]
        assert call["environment"] == ["SUPABASE_ACCESS_TOKEN"]
        assert SECRET not in json.dumps(call)
        assert PROJECT.pii_key not in " ".join(call["argv"])
    assert auth["argv"][:2] == ["config", "push"]
    pushed = tomllib.loads(auth["files"]["supabase/config.toml"])
    assert pushed["auth"]["email"]["enable_confirmations"] is False
    assert pushed["api"]["auto_expose_new_tables"] is False
    assert secrets["argv"][:3] == ["secrets", "set", "--env-file"]
    assert secrets["files"]["secrets.env"] == (
        f'DESK_PII_KEY="{PROJECT.pii_key}"\nDESK_PUBLIC_URL="https://desk.example"\n'
    )
    assert set(functions["argv"]) >= {"functions", "deploy", "--use-api", *project.function_names()}
    laid = {name.removeprefix("supabase/functions/") for name in functions["files"]}
    assert {str(path) for path in project.function_files()} <= laid
    assert not [name for name in laid if name.endswith("_test.ts")]


def test_the_tree_that_is_sent_type_checks(tmp_path: Path) -> None:
    deno = Path(sys.prefix) / "bin" / "deno"
    with project.tree() as folder:
        entries = tomllib.loads((folder / "supabase" / "config.toml").read_text())["functions"]
        assert sorted(entries) == project.function_names()
        assert entries
        supabase = folder / "supabase"
        (imports,) = {supabase / entry["import_map"] for entry in entries.values()}
        scripts = [supabase / entry["entrypoint"] for entry in entries.values()]
        done = subprocess.run(
            [deno, "check", "--config", imports, *scripts],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "DENO_DIR": str(Path(sys.prefix) / "deno"), "NO_COLOR": "1"},
        )
        assert done.returncode == 0, done.stderr


def test_a_part_says_what_it_misses(db_url: str) -> None:
    nothing = Deployment(db_url="", access_token="", public_url="")
    with pytest.raises(DeployError, match="SUPABASE_DB_URL"):
        parts.run(PROJECT, nothing, apply=False, say=lambda _: None)
    known = Deployment(db_url=db_url, access_token="", public_url="")
    with pytest.raises(DeployError, match="SUPABASE_ACCESS_TOKEN"):
        parts.run(PROJECT, known, parts=["auth"], apply=True, say=lambda _: None)
    with pytest.raises(DeployError, match="DESK_PUBLIC_URL"):
        parts.run(PROJECT, known, parts=["secrets"], apply=False, say=lambda _: None)
    with pytest.raises(DeployError, match="needs SUPABASE_URL"):
        parts.run(None, known, parts=["auth"], apply=False, say=lambda _: None)
    with pytest.raises(DeployError, match="pg_cron"):
        parts.run(PROJECT, known, parts=["schedule"], apply=False, say=lambda _: None)


# The schedule -----------------------------------------------------------------------------------------------


def test_the_schedule_is_made_once_and_follows_the_key(
    db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(
        line for line in schedule.SQL.read_text().splitlines() if not line.startswith("create extension")
    )
    made = tmp_path / "schedule.sql"
    made.write_text(text)
    monkeypatch.setattr(schedule, "SQL", made)
    with database.connect(db_url) as connection:
        connection.execute(STAND_INS.encode())
        for key in (SECRET, "sb_secret_newer"):
            renewed = replace(PROJECT, secret_key=key)
            schedule.apply(connection, renewed)
            rows = connection.execute("select jobname, schedule, command from cron.job order by 1").fetchall()
            assert [row[:2] for row in rows] == [
                ("desk-cron-history", "23 3 * * *"),
                ("desk-sla-reminders", "* * * * *"),
            ]
            assert all("sb_secret" not in row[2] for row in rows)
            kept = connection.execute("select name, secret from vault.secrets order by 1").fetchall()
            assert kept == [("desk_cron_key", key), ("desk_project_url", URL)]


def test_a_project_without_the_vault_is_refused_whole(db_url: str) -> None:
    with database.connect(db_url) as connection, pytest.raises(DeployError, match="schedule was not made"):
        schedule.apply(connection, PROJECT)
