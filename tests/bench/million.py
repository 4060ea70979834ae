"""An installation with many orders, made by the database itself: synthetic, masked, nobody's.

A fifth of the orders waits with an open exception, one in fifty is ready to ship, one in a hundred unpaid.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from backend import auth, config, db
from backend.cli.target import embedded
from backend.config import Settings
from backend.local.stack import Stack
from backend.service import Service

PASSWORD = "seven-lanterns-42"
SHOPS = 4
FILL = """
insert into orders (shop_id, order_no, platform_status, status, placed_at, paid_at, amount, buyer_account, receiver_masked,
    phone_masked, province, city, facts_hash, content_hash, checked_facts_hash, checked_version)
select 1 + n %% %(shops)s, 'B' || lpad(n::text, 12, '0'), '交易成功',
    case when n %% 100 < 22 then 'to_ship' when n %% 100 = 22 then 'unpaid' else 'completed' end,
    now() - n * interval '7 seconds', case when n %% 100 <> 22 then now() - n * interval '7 seconds' end,
    10 + n %% 900, 'buyer_' || n %% 50000, '顾**', '138****0000', '浙江省', '杭州市', 'f', 'c', 'f', private.current_check_version()
from generate_series(1, %(count)s) n;
insert into order_exceptions (order_id, shop_id, kind, state, is_blocking, severity, fingerprint, detected_at, decided_at, decided_as, reason)
select id, shop_id, case id %% 3 when 0 then 'mismatch' when 1 then 'remote' else 'missing_detail' end,
    case when status = 'to_ship' then 'open' else 'waived' end, true, 'normal', 'f', placed_at,
    case when status <> 'to_ship' then placed_at end, case when status <> 'to_ship' then 'operations' end,
    case when status <> 'to_ship' then 'verified' end
from orders where right(order_no, 2) not in ('20', '21');
insert into order_reviews (order_id, shop_id, state, kinds, due_at, due_sort, amount, detected_at, done_at)
select o.id, o.shop_id, case when o.status = 'to_ship' then 'open' else 'done' end, array[e.kind], o.placed_at + interval '2 hours',
    o.placed_at + interval '2 hours', o.amount, o.placed_at, case when o.status <> 'to_ship' then o.placed_at end
from orders o join order_exceptions e on e.order_id = o.id;
"""


@contextmanager
def installation(count: int = 0) -> Iterator[tuple[Stack, Settings]]:
    """A throw-away stack with `count` orders in four shops, and a manager who may see three of them."""
    folder = Path(tempfile.mkdtemp(prefix="shopdesk-bench-"))
    try:
        with Stack(folder, fsync=False) as stack:
            settings = embedded(config.load(), stack.api_url, stack.secrets)
            people(settings)
            if count:
                fill(stack, count)
            yield stack, settings
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def people(settings: Settings) -> None:
    """Four shops; `bench` works for three of them as manager."""
    service = Service(settings)
    for number in range(SHOPS):
        shop = {"code": f"b{number}", "name": f"店 {number}", "platform": "own"}
        service.rpc("save_shop", p_id=None, p_version=None, p_shop=shop, p_request_id=_id())
    code = auth.new_code()
    person = {
        "display_name": "经理",
        "staff_no": "bench",
        "role": "manager",
        "shops": ["b0", "b1", "b2"],
        "token_hash": auth.code_hash(settings, code),
    }
    service.rpc("invite_members", p_people=[person], p_request_id=_id())
    auth.sign_up(settings, code, PASSWORD)


def fill(stack: Stack, count: int) -> None:
    """Writes the orders with triggers off, then lets the planner count them."""
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        for statement in FILL.strip().split(";\n"):
            admin.execute(statement, {"shops": SHOPS, "count": count})
        admin.execute("reset session_replication_role")
        admin.execute("vacuum analyze")


def client(settings: Settings) -> db.Client:
    """The manager's own client."""
    session = auth.sign_in(settings, "bench", PASSWORD, source="bench")
    return db.user_client(settings, session.access_token)


@contextmanager
def as_member(stack: Stack) -> Iterator[psycopg.Connection]:
    """A connection inside which the manager's rights and policies hold, as behind the gateway."""
    with psycopg.connect(stack.admin_url) as conn:
        found = conn.execute("select user_id from members where staff_no = 'bench'").fetchone()
        claims = json.dumps({"role": "authenticated", "sub": str(found[0] if found else None)})
        conn.execute("select set_config('request.jwt.claims', %s, false)", (claims,))
        conn.execute("set role authenticated")
        yield conn
        conn.rollback()


def _id() -> str:
    return str(uuid.uuid4())
