"""Figures that are kept by day: a year counted twice is the same, chats go after three years and their figures stay."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from backend import jobs
from backend.errors import AppError
from backend.jobs import Worker
from tests.sql.importing import KEYRING, Connection, Rpc, add_member, add_shop, one, shop_of, undone
from tests.sql.test_kpi_chats import CHATS, HEAD, SESSIONS, bring_in

KEPT = "select shop_id, code, day, agent, version, numerator, denominator, sample from private.kpi_snapshots order by 1, 2, 3, 4"


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    with undone(sql_url) as connection:
        add_shop(connection)
        clock(connection, "2026-11-10T12:00:00+08:00")
        bring_in(connection, "chats", HEAD, *CHATS.split("\n"))
        bring_in(connection, "chats", *SESSIONS.split("\n"))
        connection.execute("delete from private.jobs")
        yield connection


def clock(conn: Connection, at: str) -> None:
    conn.execute("update private.test_clock set at = %s", (datetime.fromisoformat(at),))


def backfill(conn: Connection, first: str, last: str, role: str = "analyst") -> int:
    """Asked for by a person, then done by the worker."""
    person = Rpc(conn, add_member(conn, role, shop_of(conn).id))
    days: int = person("backfill_kpis", p_from=first, p_to=last, p_request_id=str(uuid.uuid4()))["days"]
    assert jobs.run_once(Worker(Rpc(conn), KEYRING, threading.Event()), kinds=["kpi_backfill"])
    return days


def test_a_year_counted_twice_is_the_same(conn: Connection) -> None:
    assert backfill(conn, "2025-11-11", "2026-11-10") >= 365
    first = conn.execute(KEPT).fetchall()
    assert {row[1] for row in first} >= {"平响", "留言率", "询单人数"}
    assert one(conn, "select count(*) from private.kpi_runs where made_at is null") == 0
    backfill(conn, "2025-11-11", "2026-11-10")
    assert conn.execute(KEPT).fetchall() == first
    assert one(conn, "select count(*) from private.jobs where finished_at is null") == 0


def test_not_everybody_counts_anew(conn: Connection) -> None:
    before = conn.execute("select * from private.kpi_runs").fetchall()
    for role in ("agent", "operations", "warehouse"):
        with pytest.raises(AppError, match=r"member\.role"):
            backfill(conn, "2026-11-01", "2026-11-10", role)
    with pytest.raises(AppError, match=r"kpi\.period"):
        backfill(conn, "2026-11-10", "2026-11-01")
    with pytest.raises(AppError, match=r"kpi\.period"):
        backfill(conn, "2026-11-10", "infinity")
    assert conn.execute("select * from private.kpi_runs").fetchall() == before


def test_chats_go_after_three_years_and_their_figures_stay(conn: Connection) -> None:
    backfill(conn, "2026-11-01", "2026-11-10")
    figures = conn.execute(KEPT).fetchall()
    messages = "select array_agg(message_id order by message_id::int) from chat_messages"

    def forget() -> Any:
        while Rpc(conn)("service_retention", p_limit=5):
            pass
        return one(conn, messages)

    clock(conn, "2029-11-09T12:00:00+08:00")
    assert forget() == ["8", "9", "15", "16"], "what is three years old to the second stays"
    assert one(conn, "select count(*) from chat_sessions") == 4
    clock(conn, "2029-11-10T12:00:01+08:00")
    assert forget() is None
    assert one(conn, "select count(*) from chat_sessions") == 0
    backfill(conn, "2026-11-01", "2026-11-12")
    assert [row for row in conn.execute(KEPT).fetchall() if row[2].year == 2026] == figures
