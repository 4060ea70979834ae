"""A3 for KPIs: the page of a year over three shops from what is kept, one KPI in depth, the task list; and counting a day.

`DESK_BENCH_KPI_ORDERS=1000000` measures the million of the goals; the default keeps `make bench` short. Two years are
kept: every KPI, three shops, eight people a shop, in both shifts and outside. The screens' goal is a second; counting a day has five, so that a year
of three shops is done within an hour and a half in the background.
"""

from __future__ import annotations

import os
from typing import Any

import psycopg

from backend import db
from backend.local.stack import Stack
from tests.bench import million
from tests.bench.measure import Row, row, seconds

ORDERS = int(os.environ.get("DESK_BENCH_KPI_ORDERS", "100000"))
TASKS = 2_000
FILL = """
update orders set placed_at = now() - (id %% 365000) * interval '86.4 seconds', paid_at = case when paid_at is not null
    then now() - (id %% 365000) * interval '86.4 seconds' end, shipped_at = case when status = 'completed'
    then now() - (id %% 365000) * interval '86.4 seconds' + interval '20 hours' end;
insert into agent_days (shop_id, day, agent, asked, received, unreplied, buyer_messages, agent_messages, first_seconds, reply_seconds,
    inquiries, paid_buyers, online_minutes)
select s, current_date - d, '客服' || a, 90, 80, 1, 300, 420, 12, 22, 60, 41, 490
from generate_series(1, 3) s, generate_series(1, 365) d, generate_series(1, 8) a;
insert into chat_messages (shop_id, message_id, session_id, agent, buyer, sender, sent_at)
select s, d || '-' || n || '-' || m, d || '-' || n, '客服' || 1 + n %% 8, 'buyer_' || n, case when m %% 2 = 0 then 'buyer' else 'agent' end,
    now() - d * interval '1 day' + n * interval '40 seconds' + m * interval '15 seconds'
from generate_series(1, 3) s, generate_series(1, 7) d, generate_series(1, 640) n, generate_series(0, 7) m;
insert into private.kpi_snapshots (shop_id, code, day, agent, shift, version, numerator, denominator, sample)
select s, k.code, current_date - d, p.agent, h.shift, 1, 30 + (d * 7 + s) %% 70, 100, 100
from public.kpis k, generate_series(1, 3) s, generate_series(1, 730) d,
    lateral (select '客服' || n as agent from generate_series(1, 8) n where k.by_person union all select '' where not k.by_person) p,
    lateral (select unnest(case when k.no_shift is null then '{早班,晚班,(off)}'::text[] else '{(day)}' end) as shift) h
on conflict do nothing;
insert into private.kpi_whole_days (shop_id, day, code, numerator, denominator, sample)
select shop_id, day, code, sum(numerator), sum(denominator), sum(sample) from private.kpi_snapshots group by 1, 2, 3
on conflict do nothing;
insert into private.kpi_months (shop_id, month, code, agent, shift, numerator, denominator, sample)
select s.shop_id, date_trunc('month', s.day::timestamp)::date, s.code, s.agent, s.shift, sum(s.numerator), sum(s.denominator), sum(s.sample)
from private.kpi_snapshots s join public.kpis k on k.code = s.code and k.is_additive group by 1, 2, 3, 4, 5
on conflict do nothing;
insert into private.kpi_runs (shop_id, day, made_at) select s, current_date - d, now() from generate_series(1, 3) s, generate_series(1, 730) d
on conflict (shop_id, day) do update set made_at = excluded.made_at;
insert into tasks (shop_id, title, source, state, owner_id, deadline, created_at)
select 1 + n %% 3, '优化 ' || n, 'suggestion', 'planned', (select min(id) from members), now() + n * interval '1 hour', now()
from generate_series(1, %(tasks)s) n;
insert into task_criteria (task_id, round, position, kpi_code, kpi_version, comparison, target, window_days, min_sample)
select t.id, 1, 1, '平响', 1, '<=', 30, 7, 10 from tasks t;
"""
YEAR = "select (current_date - 365)::text, (current_date - 1)::text"


def rows() -> list[Row]:
    """Measures everything on one installation."""
    with million.installation(ORDERS) as (stack, settings):
        fill(stack)
        client = million.client(settings)
        first, last = _year(stack)
        screens: dict[str, tuple[str, dict[str, Any]]] = {
            "the page over a year": ("kpi_screen", {"p": {"from": first, "to": last}}),
            "the page of one person over a year": (
                "kpi_screen",
                {"p": {"from": first, "to": last, "agent": "客服3"}},
            ),
            "the page of one shift over a year": (
                "kpi_screen",
                {"p": {"from": first, "to": last, "shift": "晚班"}},
            ),
            "one KPI by person over a year": (
                "kpi_rows",
                {"p_code": "平响", "p_from": first, "p_to": last, "p_by": "person"},
            ),
            f"the list of {TASKS:,} tasks": ("task_list", {"p": {"tab": "open"}}),
        }
        found = [_screen(client, name, *call) for name, call in screens.items()]
        return [*found, _day(stack, last)]


def fill(stack: Stack) -> None:
    """Spreads the orders over a year and adds what agents did, what is kept, and tasks, with triggers off."""
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        for statement in FILL.strip().rstrip(";").split(";\n"):
            admin.execute(statement, {"tasks": TASKS})
        admin.execute("reset session_replication_role")
        admin.execute("vacuum analyze")


def _year(stack: Stack) -> tuple[str, str]:
    with psycopg.connect(stack.admin_url) as admin:
        found = admin.execute(YEAR).fetchone()
    assert found is not None
    return found[0], found[1]


def _screen(client: db.Client, name: str, rpc: str, params: dict[str, Any]) -> Row:
    """Twenty-one calls through the client; the slowest but one is its p95."""
    ours = sorted(seconds(lambda: db.rpc(client, rpc, **params)) for _ in range(21))[-2]
    return row(
        f"A3 KPIs: {name}, p95 with {ORDERS:,} orders",
        ours * 1000,
        1000,
        goal="< 1 s",
        met=lambda ratio: ratio < 1,
    )


def _day(stack: Stack, day: str) -> Row:
    """Counting a day of each of three shops anew, per shop day."""
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        call = "select private.snapshot_day(s, %s::date, now()) from generate_series(1, 3) s"
        ours = min(seconds(lambda: admin.execute(call, (day,))) for _ in range(3)) / 3
    return row(
        f"A3 KPIs: counting a day of a shop with {ORDERS:,} orders",
        ours * 1000,
        5000,
        goal="< 5 s",
        met=lambda ratio: ratio < 1,
    )
