"""A6: the sweep over a million open clocks of which ten thousand are due, as the minute tick calls it.

`DESK_BENCH_CLOCKS` changes the million. The peer is a bare `insert … select` of ten thousand rows into a table with the
columns, constraints and indexes of the reminders. Every round is rolled back, so that each sweeps the same clocks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import psycopg

from tests.bench import million
from tests.bench.measure import Row, in_turns, row

MANY = int(os.environ.get("DESK_BENCH_CLOCKS", "1000000"))
DUE = 10_000
AGENTS = 30
ALONE = (
    "select pg_advisory_lock(7316001)"  # the lock of the sweep: the minute tick of this stack finds it busy
)
FILL = """
insert into members (user_id, display_name, staff_no, role, state, skills)
select gen_random_uuid(), '客服' || n, 'clock-' || n, 'agent', 'active', '{review}' from generate_series(1, %(agents)s) n;
insert into member_shops select m.id, s.id from members m, shops s where m.staff_no like 'clock-%%';
insert into sla_clocks (shop_id, entity, entity_id, target, state, policy_id, policy, measure, allowance, started_at, counted_from,
    due_at, last_due_at, due_version, next_step, next_step_at, step_times, updated_at, created_at)
select 1 + n %% 4, p.applies_to, n, p.target, 'running', p.id, jsonb_build_object('code', p.code, 'name', p.name, 'version', p.version,
        'measure', p.measure, 'allowance', p.allowance, 'ladder', p.ladder, 'calendar', null, 'remind_calendar_id', null,
        'on_reopen', p.on_reopen, 'facts', '{}'::jsonb), p.measure, p.allowance, d.due_at - interval '1 day', d.due_at - interval '1 day',
    d.due_at, d.due_at, 1, case when d.is_late then 2 else 1 end, case when d.is_late then d.due_at else d.due_at - interval '5 hours' end,
    array[d.due_at - interval '5 hours', d.due_at], d.due_at - interval '1 day', d.due_at - interval '1 day'
from generate_series(1, %(count)s) n
join (select *, row_number() over (order by id) - 1 as place from sla_policies where code in ('ticket_resolve', 'return_review', 'reship')) p
    on p.place = n %% 3
cross join lateral (select n <= %(due)s and n %% 2 = 0 as is_late, now() + case when n > %(due)s then interval '6 hours' + n * interval '1 second'
    when n %% 2 = 0 then -interval '1 second' else interval '4 hours 59 minutes' end as due_at) d;
create table bare (like public.reminders including all);
"""
BARE = """
insert into bare (clock_id, shop_id, entity, entity_id, step, due_version, who, action, is_escalation, is_public, step_at, due_at,
    ready_at, state, created_at)
select id, shop_id, entity, entity_id, next_step, due_version, '{owner}', 'notify', false, false, next_step_at, due_at, now(), 'due', now()
from sla_clocks where next_step_at <= now()"""


def rows() -> list[Row]:
    """Fills the clocks once, then measures the first sweep, the one after it, and the bare insert."""
    with million.installation() as (stack, _), psycopg.connect(stack.admin_url) as conn:
        conn.execute(ALONE)
        conn.commit()
        with psycopg.connect(stack.admin_url, autocommit=True) as admin:
            for statement in FILL.strip().split(";\n"):
                admin.execute(statement, {"agents": AGENTS, "count": MANY, "due": DUE})
            admin.execute("vacuum analyze")
        first, bare = in_turns(_undone(conn, _sweep), _undone(conn, _bare), rounds=5)
        swept, again = _after(conn)
    assert swept >= DUE
    return [
        row(
            f"A6 sweep over {MANY:,} clocks, {DUE:,} due, against a bare insert of as many reminders",
            first * 1000,
            bare * 1000,
            goal="<= 3x insert ... select",
            met=lambda ratio: ratio <= 3,
        ),
        row(
            "A6 a sweep with nothing new against the first",
            again * 1000,
            first * 1000,
            goal="<= 0.05x",
            met=lambda ratio: ratio <= 0.05,
        ),
        row(
            f"A6 sweep over {MANY:,} clocks, {DUE:,} due, against two seconds",
            first * 1000,
            2000,
            goal="<= 2 s in the database",
            met=lambda ratio: ratio <= 1,
        ),
    ]


def _sweep(conn: psycopg.Connection[Any]) -> int:
    conn.execute("set local role service_role")
    found = conn.execute("select sweep_reminders()").fetchone()
    return int(found[0]["due"]) if found else 0


def _bare(conn: psycopg.Connection[Any]) -> int:
    return conn.execute(BARE).rowcount


def _undone(
    conn: psycopg.Connection[Any], work: Callable[[psycopg.Connection[Any]], int]
) -> Callable[[], None]:
    def once() -> None:
        assert work(conn) >= DUE
        conn.rollback()

    return once


def _after(conn: psycopg.Connection[Any]) -> tuple[int, float]:
    """How many a first sweep finds, and the median seconds of three sweeps after it, each its own transaction."""
    swept = _sweep(conn)
    conn.commit()
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        _sweep(conn)
        times.append(time.perf_counter() - begun)
        conn.commit()
    return swept, sorted(times)[1]
