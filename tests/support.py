"""Helpers that tests of several layers share."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]
IMPORTED = (
    *("public.order_exceptions", "public.order_items", "public.order_reviews", "public.sla_clock_events"),
    *("public.sla_clocks", "public.orders", "private.contacts", "public.products", "public.import_errors"),
    *("public.imports", "private.jobs", "public.shops", "public.stock_pools"),
)


def forget_imports(admin_url: str) -> None:
    """An installation without shops, stock and orders again, as if nothing had ever been imported."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")  # history and references, too
        for table in IMPORTED:
            admin.execute(f"delete from {table}")


def wait_until(what: Callable[[], bool], seconds: float = 60) -> None:
    """Fail unless `what` comes true in time (seconds)."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def together(url: str, count: int, work: Callable[[Connection, int], Any]) -> list[Any]:
    """What `work` answers in `count` connections that start at the same moment.

    Raises `psycopg.OperationalError` before any work begins if the server has no room for all of them.
    """
    gate = threading.Barrier(count)
    with ExitStack() as opened, ThreadPoolExecutor(count) as pool:
        connections = [opened.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(count)]

        def run(number: int) -> Any:
            gate.wait()
            return work(connections[number], number)

        return list(pool.map(run, range(count)))


@contextmanager
def as_role(conn: Connection, role: str, sub: uuid.UUID | str | None = None) -> Iterator[Connection]:
    """Act as an API role, as the gateway does for a request, for the length of the block.

    ``sub`` is the account (auth.users.id) of a signed-in person. The block is a savepoint: an error rolls it
    back and leaves the test's transaction usable; without an error its changes stay.
    """
    claims = {"role": role} if sub is None else {"role": role, "sub": str(sub)}
    with conn.transaction():
        before = conn.execute(
            "select current_setting('role'), coalesce(current_setting('request.jwt.claims', true), '')"
        ).fetchone()
        assert before is not None
        _act(conn, role, json.dumps(claims))
        yield conn
        _act(conn, *before)


def _act(conn: Connection, role: str, claims: str) -> None:
    conn.execute(
        "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)", (role, claims)
    )
