"""A small sales floor for tests of review, release, search and screens: two shops, a person of each kind, orders on demand.

`as_member` acts as a person; the functions that build orders work as the owner.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import as_role

Connection = psycopg.Connection[Any]
NOON = datetime(2026, 11, 18, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
BODY = "v1.k.AAAABBBBCCCCDDDD.AAAABBBBCCCCDDDDEEEEFF"
HASH = "a" * 64

#         name      role          skills       duty lead  shop
PEOPLE = {
    "ann": ("agent", "{review}", False, "one"),
    "ben": ("agent", "{review}", False, "one"),
    "cid": ("agent", "{presales}", False, "one"),
    "lea": ("agent", "{review}", True, "one"),
    "ops": ("operations", "{}", False, "one"),
    "mgr": ("manager", "{}", False, "one"),
    "whs": ("warehouse", "{}", False, "one"),
    "ana": ("analyst", "{}", False, "one"),
    "adm": ("admin", "{}", False, None),
    "far": ("operations", "{}", False, "two"),
}
REVIEWERS = ("ann", "lea", "ops", "mgr")
OTHERS = ("cid", "ana", "adm")
WAIVED_BY = {
    "out_of_stock": "warehouse", "same_ip": "manager", "suspicious": "manager", "unpaid": "never", "refund_stop": "never",
}  # fmt: skip


def user_id(name: str) -> uuid.UUID:
    """The account of a person of the floor (or of nobody, for an unknown name)."""
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def open_floor(conn: Connection) -> None:
    """Shops one and two on one stock pool, the people above, and the clock at noon of a working day."""
    conn.execute("update private.test_clock set at = %s", (NOON,))
    conn.execute("insert into stock_pools (name) values ('仓')")
    conn.execute(
        "insert into shops (code, name, platform, stock_pool_id) "
        "select c, c, p, (select id from stock_pools where name = '仓') "
        "from (values ('one', 'taobao'), ('two', 'jd')) v (c, p)"
    )
    for name, (role, skills, lead, shop) in PEOPLE.items():
        conn.execute(
            """with m as (insert into members (user_id, staff_no, display_name, role, skills, state, duty_lead_until)
                 values (%s, %s, %s, %s, %s, 'active', %s) returning id)
               insert into member_shops select m.id, s.id from m, shops s where s.code = %s""",
            (user_id(name), name, name, role, skills, NOON.replace(hour=23) if lead else None, shop),
        )


@contextmanager
def as_member(conn: Connection, name: str) -> Iterator[Connection]:
    """Act as one person, as a request through the gateway would."""
    with as_role(conn, "authenticated", user_id(name)):
        yield conn


def at(conn: Connection, moment: datetime) -> None:
    """Set the clock of the database."""
    conn.execute("update private.test_clock set at = %s", (moment,))


def one(conn: Connection, query: str, *args: Any) -> Any:
    """The first column of the first row."""
    row = conn.execute(query, args).fetchone()
    return None if row is None else row[0]


def row(conn: Connection, query: str, *args: Any) -> Any:
    """The first row."""
    return conn.execute(query, args).fetchone()


def call(conn: Connection, who: str, function: str, *args: Any, request: uuid.UUID | None = None) -> Any:
    """Call a writing RPC as `who` with a fresh (or the given) request id; lists and dicts travel as jsonb."""
    return ask(conn, who, function, request or uuid.uuid4(), *args)


def ask(conn: Connection, who: str, function: str, *args: Any) -> Any:
    """Call any RPC as `who`."""
    values = [Jsonb(arg) if isinstance(arg, list | dict) else arg for arg in args]
    places = ", ".join(["%s"] * len(values))
    with as_member(conn, who):
        return one(conn, f"select public.{function}({places})", *values)


def add_order(
    conn: Connection,
    number: str,
    kinds: Sequence[str] = (),
    *,
    shop: str = "one",
    amount: int | None = 100,
    status: str = "to_ship",
    group: str | None = None,
    evidence: dict[str, Any] | None = None,
    severity: str = "normal",
    checked: bool = True,
    contact: bool = False,
    province: str = "浙江省",
) -> int:
    """An order with open exceptions of these kinds, and its work row; returns its id."""
    contact_id = None
    if contact:
        contact_id = one(conn, "select nextval('private.contact_ids')")
        conn.execute(
            "insert into private.contacts (id, kind, name_cipher, phone_cipher, address_cipher, note_cipher)"
            " values (%s, 'order', %s, %s, %s, %s)",
            (contact_id, BODY, BODY, BODY, BODY),
        )
    order_id = one(
        conn,
        """insert into orders (shop_id, order_no, platform_status, status, amount, facts_hash, content_hash, province,
               checked_facts_hash, checked_version, contact_id, findings, placed_at, paid_at)
           select id, %s, '买家已付款', %s, %s, 'f', 'c', %s, case when %s then 'f' end, private.current_check_version(),
               %s, '[]', private.now(), private.now()
           from shops where code = %s returning id""",
        number, status, amount, province, checked, contact_id, shop,
    )  # fmt: skip
    for kind in kinds:
        conn.execute(
            """insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, evidence, fingerprint,
                   group_key, detected_at)
               select id, shop_id, %s, true, %s, %s, 'fp', %s, private.now() from orders where id = %s""",
            (kind, severity, Jsonb(evidence or {}), group, order_id),
        )
    conn.execute("select private.refresh_reviews(array[%s::bigint], private.now())", (order_id,))
    return int(order_id)


def item(conn: Connection, order_id: int, kind: str | None = None, **more: Any) -> dict[str, Any]:
    """{id, version} of an order's exception of a kind (or its only one), as a page would send it."""
    found = row(
        conn,
        "select id, version from order_exceptions where order_id = %s and (%s::text is null or kind = %s) order by id",
        order_id, kind, kind,
    )  # fmt: skip
    return {"id": found[0], "version": found[1], **more}


def order_item(conn: Connection, order_id: int) -> dict[str, Any]:
    """{id, version} of an order."""
    found = row(conn, "select id, version from orders where id = %s", order_id)
    return {"id": found[0], "version": found[1]}


def state(conn: Connection, order_id: int, kind: str | None = None) -> Any:
    """State of an order's exception."""
    return one(
        conn,
        "select state from order_exceptions where order_id = %s and (%s::text is null or kind = %s) order by id",
        order_id, kind, kind,
    )  # fmt: skip


def review(conn: Connection, order_id: int) -> Any:
    """State, owner's name, deadline and verdict of the work row."""
    return row(
        conn,
        """select r.state, m.display_name, r.due_at, r.is_on_time from order_reviews r
           left join members m on m.id = r.owner_id where r.order_id = %s""",
        order_id,
    )


def refused(error: psycopg.Error) -> tuple[str, str]:
    """SQLSTATE and key of a refusal."""
    return str(error.sqlstate), str(error.diag.message_primary)


@contextmanager
def refusal(code: str, key: str) -> Iterator[None]:
    """The block must be refused with this SQLSTATE and key."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert refused(caught.value) == (code, key)
