"""A1–A3 and A5: lists, screens and claims with many orders, row level security on.

A fifth of the orders has an open exception. `DESK_BENCH_ORDERS=1000000` measures the million of the goals (the default
keeps `make bench` short); A1 runs the same statement as a member and as the
owner, whom no policy binds. `DESK_BENCH_DIRECTUS=1` adds the peer of A1 (see `tests.bench.directus`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg

from backend import db
from tests.bench import directus, million
from tests.bench.measure import Row, in_turns, row, seconds

MANY = int(os.environ.get("DESK_BENCH_ORDERS", "200000"))
FEW = 10_000
# The statement of the queue page (public.queue_page): each shop from its own range of the index.
BARE = """
select r.order_id, r.due_sort, o.order_no, o.amount
from unnest(array[1, 2, 3]) s (id) cross join lateral (
    select x.order_id, x.due_sort from order_reviews x
    where x.shop_id = s.id and x.state = 'open' and x.kinds @> array['mismatch']
    order by x.due_sort, x.order_id limit 50) r
join orders o on o.id = r.order_id
order by r.due_sort, r.order_id limit 50"""
PAGE: dict[str, Any] = {"state": "open", "kind": "mismatch", "limit": 50}
SCREENS: dict[str, dict[str, Any]] = {
    "order_queue": {"p": PAGE},
    "home_screen": {},
    "order_detail": {"p_order_id": 200},
    "payment_nudge": {"p": {}},
    "ready_list": {},
    "hold_screen": {},
    "queue_groups": {},
}


def rows() -> list[Row]:
    """Measures everything; the many are made once."""
    with million.installation(FEW) as (_, small), million.installation(MANY) as (stack, settings):
        client = million.client(settings)
        peer = directus.rows(stack, client, PAGE) if os.environ.get("DESK_BENCH_DIRECTUS") == "1" else []
        own = [
            *_page(stack),
            *_depth(client),
            *_grown(million.client(small), client),
            *_claims(stack, client),
        ]
        return [*peer, *own]


def _page(stack: Any) -> list[Row]:
    with million.as_member(stack) as mine, psycopg.connect(stack.admin_url) as bare:
        ours, other = in_turns(
            lambda: mine.execute(BARE).fetchall(),
            lambda: bare.execute(BARE).fetchall(),
            rounds=21,
        )
    return [
        row(
            f"A1 page of 50 of {MANY:,} filtered and sorted, with policies against without",
            ours * 1000,
            other * 1000,
            goal="database time <= 2x the same query without RLS",
            met=lambda ratio: ratio <= 2,
        )
    ]


def _depth(client: db.Client) -> list[Row]:
    deep = {"due_sort": _deep(client), "order_id": 0}
    page = {"state": "done", "limit": 50}
    ours, other = in_turns(
        lambda: db.rpc(client, "order_queue", p=page | {"after": deep}),
        lambda: db.rpc(client, "order_queue", p=page),
    )
    return [
        row(
            "A2 page at half depth against the first page",
            ours * 1000,
            other * 1000,
            goal="<= 1.3x",
            met=lambda ratio: ratio <= 1.3,
        )
    ]


def _deep(client: db.Client) -> str:
    """The sort value in the middle of the list: the orders lie seven seconds apart."""
    first = db.rpc(client, "order_queue", p={"state": "done", "limit": 1})["rows"][0]["due_sort"]
    return (datetime.fromisoformat(first) - timedelta(seconds=7 * MANY / 2)).isoformat()


def _call(client: db.Client, name: str) -> Callable[[], Any]:
    return lambda: db.rpc(client, name, **SCREENS[name])


def _grown(few: db.Client, many: db.Client) -> list[Row]:
    return [_screen(name, few, many) for name in SCREENS]


def _screen(name: str, few: db.Client, many: db.Client) -> Row:
    """Twenty-one calls of a screen on either installation, in turns; the slowest but one is its p95."""
    pairs = [(seconds(_call(many, name)), seconds(_call(few, name))) for _ in range(21)]
    ours, other = (sorted(times)[-2] for times in zip(*pairs, strict=True))
    return row(
        f"A3 screen {name} through the client, p95 at {MANY:,} against {FEW:,}",
        ours * 1000,
        other * 1000,
        goal="<= 1.5x and <= 150 ms",
        met=lambda ratio: ratio <= 1.5 and ours <= 0.15,
    )


def _claims(stack: Any, client: db.Client) -> list[Row]:
    def claim(count: int) -> Callable[[], Any]:
        return lambda: db.rpc(
            client, "claim_next", p_request_id=str(uuid.uuid4()), p_filter={}, p_count=count
        )

    with million.as_member(stack) as mine:
        bare, one = in_turns(
            lambda: mine.execute("select public.claim_next(gen_random_uuid())").fetchone(),
            claim(1),
            rounds=30,
        )
    twenty = seconds(claim(20))
    return [
        row(
            "A5 claims a second, one a call through the gateway, against the function in bare SQL",
            1 / one,
            1 / bare,
            goal=">= 0.1x",
            met=lambda ratio: ratio >= 0.1,
            unit="1/s",
        ),
        row(
            "A5 claims a second, twenty a call, against one a call",
            20 / twenty,
            1 / one,
            goal=">= 10x",
            met=lambda ratio: ratio >= 10,
            unit="1/s",
        ),
    ]
