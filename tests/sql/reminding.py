"""The sales floor of `desk` at work on its deadlines: sweeps, claims and reports as the edge function calls them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.sql import desk
from tests.support import as_role

Connection = psycopg.Connection[Any]
Row = dict[str, Any]
NOON = desk.NOON
HOSTS = {"wecom": "qyapi.weixin.qq.com", "dingtalk": "oapi.dingtalk.com", "feishu": "open.feishu.cn"}


def later(**span: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(**span)


def rows(conn: Connection, query: str, *args: Any) -> list[Row]:
    """What a query answers, by column name."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), args).fetchall()


def service(conn: Connection, name: str, *args: Any) -> Any:
    """Call an RPC with the secret key."""
    with as_role(conn, "service_role"):
        return desk.one(conn, f"select public.{name}({', '.join(['%s'] * len(args))})", *args)


def sweep(conn: Connection, moment: datetime | None = None) -> Row:
    """One tick, at a moment if one is given."""
    if moment is not None:
        desk.at(conn, moment)
    answer: Row = service(conn, "sweep_reminders")
    return answer


def claim(conn: Connection, moment: datetime | None = None, *, limit: int = 100) -> list[Row]:
    """What an edge function gets to send."""
    if moment is not None:
        desk.at(conn, moment)
    found: list[Row] = service(conn, "claim_deliveries", "test", limit, 60)
    return found


def report(
    conn: Connection, message: Row, outcome: str = "sent", error: str | None = None, after: int | None = None
) -> Row:
    """Say how an attempt ended."""
    answer: Row = service(conn, "report_delivery", message["id"], message["attempt"], outcome, error, after)
    return answer


def member(conn: Connection, name: str) -> int:
    return int(desk.one(conn, "select id from members where staff_no = %s", name))


def shop(conn: Connection, code: str = "one") -> int:
    return int(desk.one(conn, "select id from shops where code = %s", code))


def clock_of(conn: Connection, order_id: int) -> int:
    return int(desk.one(conn, "select clock_id from order_reviews where order_id = %s", order_id))


def start(
    conn: Connection,
    policy: str,
    moment: datetime,
    *,
    entity: str = "lead",
    entity_id: int = 1,
    target: str = "follow_up",
) -> int:
    """A clock of an area that has no records of its own yet."""
    query = "select (private.start_clock(%s, %s, %s, %s, %s, %s)).id"
    return int(desk.one(conn, query, entity, entity_id, shop(conn), target, policy, moment))


def own(conn: Connection, name: str, *orders: int) -> None:
    """Give orders to a person, who keeps working on them."""
    conn.execute(
        "update order_reviews set owner_id = %s, claim_until = 'infinity' where order_id = any (%s)",
        (member(conn, name), list(orders)),
    )


def told(conn: Connection, kind: str | None = None) -> dict[str, list[str]]:
    """Who has which messages still to read: names of orders (or kinds), by person; the digest of the day only if asked for."""
    found: dict[str, list[str]] = {}
    for row in rows(
        conn,
        """select m.staff_no as who, coalesce(n.params ->> 'label', n.kind) as what from notifications n
           join members m on m.id = n.member_id
           where n.read_at is null and n.closed_at is null and n.kind = coalesce(%s, nullif(n.kind, 'daily')) order by n.id""",
        kind,
    ):
        found.setdefault(row["who"], []).append(row["what"])
    return found


def steps(conn: Connection, clock_id: int) -> list[tuple[int, int, str, str | None]]:
    """Deadline version, step, state and reason of a clock's reminders."""
    query = "select due_version, step, state, reason from reminders where clock_id = %s order by due_version, step"
    return conn.execute(query, (clock_id,)).fetchall()


def prefer(conn: Connection, name: str, preset: str = "all", **ids: str) -> None:
    """What a person wants to hear of, and his ids."""
    conn.execute(
        """insert into member_reminders (member_id, preset, wecom_id, dingtalk_id, feishu_id) values (%s, %s, %s, %s, %s)""",
        (member(conn, name), preset, ids.get("wecom"), ids.get("dingtalk"), ids.get("feishu")),
    )


def channel(
    conn: Connection,
    kind: str = "dingtalk",
    audience: str = "group",
    *,
    code: str | None = "one",
    name: str = "群",
) -> int:
    """A channel of a shop (None: of all)."""
    host = HOSTS.get(kind, "hooks.example.com.cn")
    if kind not in HOSTS:
        conn.execute(
            "insert into private.settings (key, value) values ('channel_hosts', %s) on conflict (key) do update set value = excluded.value",
            (Jsonb([host]),),
        )
    return int(
        desk.one(
            conn,
            """insert into channels (id, kind, name, shop_id, audience, host, endpoint_cipher, secret_cipher)
               values (nextval('private.channel_ids'), %s, %s, (select id from shops where code = %s), %s, %s, %s, %s) returning id""",
            kind, name, code, audience, host, desk.BODY, desk.BODY,
        )
    )  # fmt: skip


def plan(
    conn: Connection,
    name: str,
    start: datetime,
    hours: float = 8.5,
    *,
    lead: bool = False,
    deputy: bool = False,
) -> None:
    """A working day in the rota."""
    day = start.date()
    conn.execute(
        "insert into rota_days (member_id, day, kind, source, updated_at) values (%s, %s, 'work', 'edited', now()) on conflict do nothing",
        (member(conn, name), day),
    )
    conn.execute(
        """insert into rota_entries (member_id, day, shift_name, starts_at, ends_at, is_lead, is_deputy)
           values (%s, %s, '班', %s, %s, %s, %s)""",
        (member(conn, name), day, start, start + timedelta(hours=hours), lead, deputy),
    )


def request() -> uuid.UUID:
    return uuid.uuid4()


def ids(messages: Sequence[Row]) -> list[int]:
    """Reminders listed in messages."""
    return [line["reminder_id"] for message in messages for line in message["lines"]]
