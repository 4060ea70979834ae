"""A3 for leads: the board, the list at any depth, one lead, the search and the funnel, with many against few.

`DESK_BENCH_LEADS=1000000` measures the million of the goals; the default keeps `make bench` short. Up to 10,000 leads are
open, the newest ones; a third of the others bought.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psycopg

from backend import db
from backend.local.stack import Stack
from tests.bench import million
from tests.bench.measure import Row, row, seconds

MANY = int(os.environ.get("DESK_BENCH_LEADS", "100000"))
FEW = 10_000
OPEN = 10_000
_HASH = "translate(md5('phone' || n), '0123456789', 'ghijklmnop')"
FILL = f"""
insert into private.contacts (id, kind, phone_cipher, phone_hash)
select 50000000 + n, 'lead', 'v1.k.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA', {_HASH} from generate_series(1, %(count)s) n;
with cases as (
    select n, now() - n * interval '31 seconds' as at, case when n <= least(%(count)s / 10, {OPEN})
            then (array['pool', 'assigned', 'following', 'following'])[1 + n %% 4] when n %% 3 = 0 then 'converted' else 'lost' end as state
    from generate_series(1, %(count)s) n
)
insert into leads (shop_id, state, stage, furthest, source, via, needs, graded_at, grade, name_masked, phone_masked, buyer_masked, buyer_account,
    contact_id, owner_id, owned_since, free_at, first_contact_at, first_follow_up_at, is_first_on_time, due_at, due_sort, order_id, converted_by,
    lost_reason, closed_at, captured_at, asked_at)
select 1 + n %% 4, state, (array['first_touch', 'discovery', 'objection', 'closing'])[1 + n / 4 %% 4], 1 + n / 4 %% 4,
    (array['asked_unpaid', 'live', 'enterprise', 'form'])[1 + n / 3 %% 4], 'import', '{{母婴用品}}', at, (array['A', 'B', 'C'])[1 + n / 5 %% 3],
    '顾**', '138****0000', 'b***', 'buyer_' || n %% 50000, 50000000 + n, case when state <> 'pool' then (select id from members where staff_no = 'bench') end,
    case when state <> 'pool' then at end, at, case when state <> 'pool' then at + n %% 90 * interval '1 hour' end,
    case when state in ('following', 'converted', 'lost') then at + n %% 90 * interval '1 hour' end,
    case when state in ('following', 'converted', 'lost') then n %% 5 > 0 end, case when n <= {OPEN} then at + interval '3 days' end,
    case when state in ('converted', 'lost') then at + interval '5 days' else at + interval '3 days' end,
    case when state = 'converted' then n end, case when state = 'converted' then 'phone' end,
    case when state = 'lost' then (array['price', 'no_need', 'no_answer'])[1 + n / 7 %% 3] end,
    case when state in ('converted', 'lost') then at + interval '5 days' end, at, at
from cases;
insert into lead_owners (lead_id, shop_id, member_id, how, since, until, ended_as)
select l.id, l.shop_id, (select id from members where staff_no = 'bench'), 'claimed', l.captured_at, l.captured_at + interval '2 days', 'recycled'
from leads l where l.id %% 5 = 0;
insert into sla_clocks (shop_id, entity, entity_id, target, state, policy_id, policy, measure, allowance, started_at, counted_from,
    due_at, last_due_at, due_version, updated_at, created_at)
select l.shop_id, 'lead', l.id, 'follow_up', 'running', p.id, '{{"code": "lead_b", "name": "B", "ladder": []}}', 'wall', 4320, l.captured_at,
    l.captured_at, l.due_at, l.due_at, 1, now(), now()
from leads l join sla_policies p on p.code = 'lead_b' and p.shop_id is null where l.closed_at is null;
insert into audit_events (at, actor, shop_id, entity, entity_id, action) select captured_at, 'system', shop_id, 'lead', id, 'captured' from leads;
insert into script_uses (script_id, revision_id, shop_id, member_id, entity, entity_id, at)
select s.id, s.live_id, l.shop_id, (select id from members where staff_no = 'bench'), 'lead', l.id, l.captured_at
from leads l cross join (select id, coalesce(live_id, revision_id) as live_id from scripts order by id limit 1) s where l.id %% 20 = 0;
insert into private.lead_changes (lead_id) select id from leads;
"""
SCREENS: dict[str, tuple[str, dict[str, Any]]] = {
    "the board": ("lead_board", {"p": {"scope": "all", "limit": 12}}),
    "the board, what is mine": ("lead_board", {"p": {"scope": "mine", "limit": 12}}),
    "the board, one grade and source": (
        "lead_board",
        {"p": {"scope": "all", "grade": "A", "source": "form"}},
    ),
    "the list": ("lead_board", {"p": {"scope": "all", "column": "open", "limit": 50}}),
    "the list of what was lost": ("lead_board", {"p": {"scope": "all", "column": "lost", "limit": 50}}),
    "one lead": ("lead_screen", {"p_id": 3000}),
    "the search": (
        "search_desk",
        {"p": {"lead_nos": ["3000"], "buyers": ["buyer_777"], "phone_hashes": ["unknown"]}},
    ),
    "the funnel of 30 days": ("lead_insight", {"p": {}}),
    "the funnel of a year": ("lead_insight", {"p": {"from": "a year ago"}}),
}


def rows() -> list[Row]:
    """Measures everything; the many are made once."""
    with million.installation() as (small_stack, small), million.installation() as (stack, settings):
        fill(small_stack, FEW)
        fill(stack, MANY)
        few, many = million.client(small), million.client(settings)
        with psycopg.connect(stack.admin_url) as admin:
            year = admin.execute("select now() - interval '365 days'").fetchall()[0][0]
        SCREENS["the funnel of a year"][1]["p"]["from"] = year.isoformat()
        return [_screen(name, few, many) for name in SCREENS]


def fill(stack: Stack, count: int) -> None:
    """Writes the leads with triggers off, counts them by day, then lets the planner count them."""
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        for statement in FILL.strip().rstrip(";").split(";\n"):
            admin.execute(statement.encode(), {"count": count})
        admin.execute("reset session_replication_role")
        admin.execute("vacuum analyze")  # counting a million by plans for empty tables takes hours
        while admin.execute("select private.fold_leads(20000)").fetchall() != [(0,)]:
            pass
        admin.execute("vacuum analyze")


def _call(client: db.Client, name: str) -> Callable[[], Any]:
    rpc, params = SCREENS[name]
    return lambda: db.rpc(client, rpc, **params)


def _screen(name: str, few: db.Client, many: db.Client) -> Row:
    """Twenty-one calls on either installation, in turns; the slowest but one is its p95."""
    pairs = [(seconds(_call(many, name)), seconds(_call(few, name))) for _ in range(21)]
    ours, other = (sorted(times)[-2] for times in zip(*pairs, strict=True))
    return row(
        f"A3 leads: {name} through the client, p95 at {MANY:,} against {FEW:,}",
        ours * 1000,
        other * 1000,
        goal="<= 1.5x and <= 150 ms",
        met=lambda ratio: ratio <= 1.5 and ours <= 0.15,
    )
