"""Lets the demo live through its three weeks: the product's clock, borrowed and given back.

Only the embedded database can do this, and only as its superuser. Should the process die meanwhile, the next
start applies the schema again (its mark is removed first), and the clock runs as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg

TEST_CLOCK = Path(__file__).parents[1] / "test_clock.sql"


@contextmanager
def borrowed(admin_url: str) -> Iterator[Callable[[datetime], None]]:
    """Yields a function that sets the product's clock; afterwards the clock is the one it was before."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        found = admin.execute("select pg_get_functiondef('private.now()'::regprocedure)").fetchone()
        mark = admin.execute("delete from stack.applied where part = 'schema' returning hash").fetchone()
        admin.execute("set role desk_owner")
        admin.execute(TEST_CLOCK.read_bytes())
        try:
            yield lambda at: _set(admin, at)
        finally:
            _set(admin, None)
            if found is not None and "test_clock" not in found[0]:
                admin.execute(found[0].encode())
                admin.execute("drop table private.test_clock")
            admin.execute("reset role")
            if mark is not None:
                admin.execute("insert into stack.applied (part, hash) values ('schema', %s)", mark)


def _set(admin: psycopg.Connection, at: datetime | None) -> None:
    admin.execute("update private.test_clock set at = %s", (at,))
