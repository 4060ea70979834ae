"""Figures that are kept by day: days counted twice are the same, chats and sheets go after three years and their figures stay."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from backend import jobs
from backend.errors import AppError
from backend.job import Worker
from backend.kpi import codes
from pages.shared import navigation
from tests.sql.importing import KEYRING, Connection, Rpc, add_member, add_shop, one, shop_of, undone
from tests.sql.test_kpi_chats import CHATS, HEAD, SESSIONS, bring_in

LOCALE = Path(navigation.__file__).with_name("locales") / "kpi.json"
KEPT = "select shop_id, code, day, agent, shift, version, numerator, denominator, sample from private.kpi_snapshots order by 1, 2, 3, 4, 5"
MONTHS = "select * from private.kpi_months order by 1, 2, 3, 4, 5"
WHOLE = "select * from private.kpi_whole_days order by 1, 2, 3"


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


def test_a_quarter_counted_twice_is_the_same(conn: Connection) -> None:
    assert backfill(conn, "2026-08-11", "2026-11-10") >= 92
    first = conn.execute(KEPT).fetchall()
    months, whole = conn.execute(MONTHS).fetchall(), conn.execute(WHOLE).fetchall()
    assert {row[1] for row in first} >= {"平响", "留言率", "询单人数"}
    assert one(conn, "select count(*) from private.kpi_runs where made_at is null") == 0
    backfill(conn, "2026-08-11", "2026-11-10")
    assert conn.execute(KEPT).fetchall() == first
    assert conn.execute(MONTHS).fetchall() == months != []
    assert conn.execute(WHOLE).fetchall() == whole != []
    assert one(conn, "select count(*) from private.jobs where finished_at is null") == 0


def test_the_tick_and_the_worker_count_in_turn(conn: Connection, sql_url: str) -> None:
    """The worker and the tick in two transactions: the tick comes again in a minute, the worker waits for its turn."""
    with undone(sql_url) as other:
        Rpc(other)("service_keep_kpis", p_limit=1)
        assert Rpc(conn)("tick_figures")["busy"]
        conn.execute("set local lock_timeout = '50ms'")
        with pytest.raises(AppError, match="55P03"):
            Rpc(conn)("service_keep_kpis", p_limit=1)
    conn.execute("set local lock_timeout = 0")
    assert Rpc(conn)("service_keep_kpis", p_limit=1) == 1


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


def test_chats_and_sheets_go_after_three_years_and_their_figures_stay(conn: Connection) -> None:
    sheet = ("日期,客服昵称,接待人数,登录时长", "2026-11-08,客服A,10,8:30:00", "2026-11-09,客服A,10,7.5")
    bring_in(conn, "performance", *sheet, name="绩效.csv")
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
    assert one(conn, "select min(day)::text from agent_days") == "2026-11-09", (
        "nor does a day before it is over"
    )
    clock(conn, "2029-11-10T12:00:01+08:00")
    assert forget() is None
    assert one(conn, "select count(*) from chat_sessions") == 0
    assert one(conn, "select count(*) from agent_days") == 0
    backfill(conn, "2026-11-01", "2026-11-12")
    assert [row for row in conn.execute(KEPT).fetchall() if row[2].year == 2026] == figures


def test_a_year_read_by_months_is_the_sum_of_its_days(conn: Connection) -> None:
    """The page reads whole months as such: its sums are those of the days, for the period and the one before."""
    conn.execute(
        """insert into agent_days (shop_id, day, agent, inquiries, paid_buyers)
           select %s, d::date, '客服' || n, 100, 40 + n + extract(day from d)::integer
           from generate_series(date '2025-06-10', date '2025-09-20', interval '1 day') d, generate_series(1, 2) n""",
        (shop_of(conn).id,),
    )
    conn.execute(
        "select private.snapshot_day(%s, d::date, private.now()) from generate_series(date '2025-06-10', date '2025-09-20', interval '1 day') d",
        (shop_of(conn).id,),
    )
    person = Rpc(conn, add_member(conn, "manager", shop_of(conn).id))
    days = """select sum(numerator), sum(sample) from private.kpi_snapshots
        where code = '转化率(客服)' and day between %s and %s and (%s::text is null or agent = %s)"""
    for first, last, agent in (
        ("2025-07-15", "2026-07-14", None),
        ("2025-07-01", "2026-06-30", "客服1"),
        ("2025-08-03", "2025-09-05", None),
        ("2025-08-01", "2025-08-31", "客服2"),
        ("2025-08-05", "2025-08-11", None),
    ):
        tiles = person("kpi_screen", p={"from": first, "to": last, **({"agent": agent} if agent else {})})[
            "tiles"
        ]
        tile = next(one for one in tiles if one["code"] == "转化率(客服)")
        numerator, sample = conn.execute(days, (first, last, agent, agent)).fetchone() or (None, None)
        assert (tile["numerator"], tile["sample"]) == (numerator, sample)
        assert sum(point["sample"] for point in tile["points"]) == sample
        before = one(conn, "select round(100.0 * sum(numerator) / sum(sample), 4) from private.kpi_snapshots where code = '转化率(客服)'"
            " and day >= %s::date - (%s::date - %s::date + 1) and day < %s and (%s::text is null or agent = %s)",
            first, last, first, first, agent, agent)  # fmt: skip
        assert tile["before"] == (None if before is None else float(before))


def test_what_the_app_treats_by_name_is_what_the_library_has(conn: Connection) -> None:
    """Codes and units in Python, in the words and in the database are the same; each list of records is a page of ours."""
    known = conn.execute("select code, unit, area, no_shift from kpis").fetchall()
    of_check = "select pg_get_constraintdef(oid) from pg_constraint where conname = %s"
    units = set(re.findall(r"'([^']+)'", one(conn, of_check, "kpi_definitions_unit_known")))
    reasons = set(re.findall(r"'(\w+)'", one(conn, of_check, "kpi_definitions_no_shift_known")))
    assert set(codes.PLACES) == units == {unit for _, unit, _, _ in known}
    assert {*codes.ROWS, codes.TIMEOUT_RATE} <= {code for code, *_ in known}
    assert {codes.YUAN} <= units
    assert {page for page, _ in codes.ROWS.values()} <= {page.name for page in navigation.PAGES}
    assert reasons == {reason for *_, reason in known if reason}
    words = json.loads(LOCALE.read_text("utf-8"))
    wanted = {f"kpi.unit.{unit}" for unit in units - {"%"}} | {f"kpi.area.{area}" for _, _, area, _ in known}
    assert (wanted | {f"kpi.no_shift.{reason}" for reason in reasons}) <= set(words)
