"""A2 and A3 for after-sales cases: the list at any depth, rare filters, one case, the search and the insight page, with
many against few.

`DESK_BENCH_TICKETS=1000000` measures the million of the goals; the default keeps `make bench` short. Seven in ten cases
are closed, one in ten is in hand, one in fifty is a public complaint, one in five hundred urgent.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from backend import db
from backend.local.stack import Stack
from tests.bench import million
from tests.bench.measure import Row, in_turns, row, seconds

MANY = int(os.environ.get("DESK_BENCH_TICKETS", "100000"))
FEW = 10_000
SECONDS_APART = 20
FILL = """
with states as (
    select n, case when n %% 100 < 70 then 'closed' when n %% 100 < 72 then 'cancelled' when n %% 100 < 77 then 'classified'
        when n %% 100 < 86 then 'in_progress' when n %% 100 < 88 then 'dispatched' when n %% 100 < 92 then 'waiting_customer'
        when n %% 100 < 93 then 'pending_approval' when n %% 100 < 98 then 'revisit' when n %% 100 < 99 then 'review' else 'approved' end as state
    from generate_series(1, %(count)s) n
), cases as (
    select n, state, private.ticket_stage(state) as stage, now() - n * interval '20 seconds' as at from states
)
insert into tickets (shop_id, type, state, severity, root_cause_id, order_id, buyer_account, channel, source, summary, platform_ref,
    tracking_no, owner_id, waiting_reason, waiting_until, due_at, due_sort, outcome, solution, resolved_at, first_resolved_at, closed_at, registered_at)
select 1 + n %% 4, case when n %% 50 = 0 then 'public_complaint' else (array['reship', 'return', 'logistics', 'refund_only'])[1 + n %% 4] end,
    state, case when n %% 500 = 0 then 'urgent' else 'normal' end, (select min(id) from root_causes) + n %% 4, o.id, 'buyer_' || n %% 50000,
    'wangwang', 'import', '外壳有划痕，客户要求补发', 'R' || n, 'SF' || lpad(n::text, 10, '0'),
    case when state <> 'classified' then (select id from members where staff_no = 'bench') end,
    case when state = 'waiting_customer' then 'asked_photos' end, case when state = 'waiting_customer' then now() + interval '1 day' end,
    case when stage = 'open' then at + interval '1 day' end,
    case stage when 'done' then at + interval '30 hours' when 'open' then at + interval '1 day' else 'infinity' end,
    case when r.is_over then 'reshipped' end, case when r.is_over then '已补发' end, case when r.is_over then at + interval '20 hours' end,
    case when r.is_over then at + interval '20 hours' end, case when stage = 'done' then at + interval '30 hours' end, at
from cases
cross join lateral (select stage in ('revisit', 'review', 'done') and state <> 'cancelled' as is_over) r
left join orders o on o.id = n;
insert into sla_clocks (shop_id, entity, entity_id, target, state, policy_id, policy, measure, allowance, started_at, counted_from,
    due_at, last_due_at, due_version, stopped_at, updated_at, created_at)
select t.shop_id, 'ticket', t.id, 'resolve', case when t.resolved_at is not null then 'fulfilled' else 'running' end, p.id,
    '{"code": "ticket_resolve", "name": "工单解决", "ladder": []}', 'wall', 1440, t.registered_at, t.registered_at,
    t.registered_at + interval '1 day', t.registered_at + interval '1 day', 1, t.resolved_at, now(), now()
from tickets t join sla_policies p on p.code = 'ticket_resolve' and p.shop_id is null
where t.stage in ('open', 'review') or t.state = 'closed';
insert into audit_events (at, actor, shop_id, entity, entity_id, action)
select registered_at, 'system', shop_id, 'ticket', id, 'ticket_registered' from tickets;
insert into ticket_messages (ticket_id, shop_id, direction, channel, body, at)
select id, shop_id, 'in', 'wangwang', '什么时候补发', registered_at from tickets;
"""
TODAY = datetime.now(UTC).date()
_DAYS = {n: {"since": str(TODAY - timedelta(days=n)), "until": str(TODAY)} for n in (30, 365)}
_SPANS = {n: {"from": days["since"], "to": days["until"]} for n, days in _DAYS.items()}
SCREENS: dict[str, tuple[str, dict[str, Any]]] = {
    "the list": ("ticket_list", {"p": {"tab": "all"}}),
    "the list, what is mine": ("ticket_list", {"p": {"tab": "mine"}}),
    "the list, a rare kind": ("ticket_list", {"p": {"tab": "done", "type": "public_complaint"}}),
    "the list, what is urgent": ("ticket_list", {"p": {"tab": "done", "severity": "urgent"}}),
    "the list, a number typed": ("ticket_list", {"p": {"tab": "all", "q": "SF0000000777"}}),
    "the list of a month": ("ticket_list", {"p": {"tab": "all", **_DAYS[30]}}),
    "the list of a year, a cause": ("ticket_list", {"p": {"tab": "all", "root_cause": 1, **_DAYS[365]}}),
    "the insight page, a month": ("ticket_insight", {"p": _SPANS[30]}),
    "the insight page, a year": ("ticket_insight", {"p": _SPANS[365]}),
    "one case": ("ticket_screen", {"p_id": 778}),
    "the search": (
        "search_desk",
        {
            "p": {
                "tickets": ["778"],
                "buyers": ["buyer_778"],
                "tracking": ["SF0000000778"],
                "order_nos": ["R778"],
            }
        },
    ),
}


def rows() -> list[Row]:
    """Measures everything; the many are made once."""
    with million.installation(FEW) as (small_stack, small), million.installation(FEW) as (stack, settings):
        fill(small_stack, FEW)
        fill(stack, MANY)
        few, many = million.client(small), million.client(settings)
        return [*_depth(many), *(_screen(name, few, many) for name in SCREENS)]


def fill(stack: Stack, count: int) -> None:
    """Writes the cases with triggers off, then lets the planner count them."""
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        for statement in FILL.strip().rstrip(";").split(";\n"):
            admin.execute(statement, {"count": count})
        admin.execute("reset session_replication_role")
        admin.execute("vacuum analyze")  # counting a million by plans for empty tables takes hours
        admin.execute("insert into private.ticket_changes (ticket_id) select id from tickets")
        while admin.execute("select private.fold_tickets(50000)").fetchone() != (0,):
            pass
        admin.execute("vacuum analyze")


def _depth(client: db.Client) -> list[Row]:
    first = db.rpc(client, "ticket_list", p={"tab": "done", "limit": 1})["rows"][0]["due_sort"]
    middle = datetime.fromisoformat(first) - timedelta(seconds=SECONDS_APART * MANY / 2)
    deep = {"sort": middle.isoformat(), "id": 0}
    ours, other = in_turns(
        lambda: db.rpc(client, "ticket_list", p={"tab": "done", "after": deep}),
        lambda: db.rpc(client, "ticket_list", p={"tab": "done"}),
    )
    return [
        row(
            f"A2 page of cases at half the depth of {MANY:,} against the first page",
            ours * 1000,
            other * 1000,
            goal="<= 1.3x",
            met=lambda ratio: ratio <= 1.3,
        )
    ]


def _call(client: db.Client, name: str) -> Callable[[], Any]:
    rpc, params = SCREENS[name]
    return lambda: db.rpc(client, rpc, **params)


def _screen(name: str, few: db.Client, many: db.Client) -> Row:
    """Twenty-one calls on either installation, in turns; the slowest but one is its p95."""
    pairs = [(seconds(_call(many, name)), seconds(_call(few, name))) for _ in range(21)]
    ours, other = (sorted(times)[-2] for times in zip(*pairs, strict=True))
    return row(
        f"A3 cases: {name} through the client, p95 at {MANY:,} against {FEW:,}",
        ours * 1000,
        other * 1000,
        goal="<= 1.5x and <= 150 ms",
        met=lambda ratio: ratio <= 1.5 and ours <= 0.15,
    )
