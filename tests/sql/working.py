"""A shop whose agents are given work: people, shifts and tickets, for tests of assignment and handover."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.sql.desk import NOON, one

Connection = psycopg.Connection[Any]


def open_shop(conn: Connection) -> None:
    """The shop `fair` at noon of a working day."""
    conn.execute("update private.test_clock set at = %s", (NOON,))
    conn.execute(
        """with p as (insert into stock_pools (name) values ('公平') returning id)
        insert into shops (code, name, platform, stock_pool_id) select 'fair', '公平', 'own', id from p"""
    )


def shop(conn: Connection) -> int:
    """Its id."""
    return int(one(conn, "select id from shops where code = 'fair'"))


def add_agent(conn: Connection, name: str, *, role: str = "agent") -> int:
    """A person of the shop with both skills, on shift today until 24:00; signs in as `desk.user_id(name)`."""
    member_id = one(
        conn,
        """with m as (insert into members (user_id, staff_no, display_name, role, skills, state)
             values (%s, %s, %s, %s, '{presales,aftersales}', 'active') returning id)
           insert into member_shops select m.id, s.id from m, shops s where s.code = 'fair' returning member_id""",
        uuid.uuid5(uuid.NAMESPACE_URL, name), name, name, role,
    )  # fmt: skip
    on_shift(conn, member_id, True)
    return int(member_id)


def member(conn: Connection, name: str) -> int:
    """The id of a person by staff number."""
    return int(one(conn, "select id from members where staff_no = %s", name))


def on_shift(
    conn: Connection,
    member_id: int,
    works: bool,
    hours: tuple[float, float] = (0, 12),
    kind: str = "rest",
    day: int = 0,
) -> None:
    """The plan of today (or of `day` days later): on shift for hours counted from that noon, or off (`kind`)."""
    noon = NOON + timedelta(days=day)
    conn.execute(
        """insert into rota_days (member_id, day, kind, source, updated_at) values (%s, %s, %s, 'edited', now())
           on conflict (member_id, day) do update set kind = excluded.kind""",
        (member_id, noon.date(), "work" if works else kind),
    )
    conn.execute("delete from rota_entries where member_id = %s and day = %s", (member_id, noon.date()))
    if works:
        conn.execute(
            "insert into rota_entries (member_id, day, shift_name, starts_at, ends_at) values (%s, %s, '班', %s, %s)",
            (member_id, noon.date(), *(noon + timedelta(hours=h) for h in hours)),
        )


def settle(
    conn: Connection,
    member_id: int,
    *,
    capacity: int,
    weight: str = "1",
    frozen_until: datetime | None = None,
) -> None:
    """Somebody's settings for tickets, as the owner of the database writes them."""
    conn.execute(
        """insert into assignment_members (member_id, area, capacity, weight, frozen_until, frozen_reason)
           values (%s, 'ticket', %s, %s, %s, %s)
           on conflict (member_id, area) do update set capacity = excluded.capacity, weight = excluded.weight,
               frozen_until = excluded.frozen_until, frozen_reason = excluded.frozen_reason""",
        (member_id, capacity, weight, frozen_until, "培训" if frozen_until else None),
    )


def new_items(conn: Connection, count: int) -> list[int]:
    """Tickets that nobody owns, oldest first."""
    rows = conn.execute(
        """insert into tickets (shop_id, type, state, registered_at)
           select %s, 'reship', 'classified', %s from generate_series(1, %s) returning id""",
        (shop(conn), NOON, count),
    )
    return [row[0] for row in rows.fetchall()]


def assign(
    conn: Connection, items: list[dict[str, Any]], moment: datetime, source: str = "arrival"
) -> list[Any]:
    """(item, member or None, decision) of each item."""
    query = "select id, member_id, decision_id from private.assign_work('ticket', %s, %s, %s, %s)"
    return conn.execute(query, (shop(conn), Jsonb(items), source, moment)).fetchall()


def own(conn: Connection, item_id: int, member_id: int | None) -> None:
    """What the caller of the engine does with a decision."""
    conn.execute(
        """update tickets set owner_id = %(owner)s::bigint, state = case when %(owner)s::bigint is null then state else 'dispatched' end
           where id = %(id)s""",
        {"owner": member_id, "id": item_id},
    )


def finish(conn: Connection, member_id: int, count: int) -> int:
    """Closes up to `count` tickets of somebody; answers how many there were."""
    done = conn.execute(
        """update tickets set state = 'cancelled', closed_at = %s where id in (
               select id from tickets where owner_id = %s and stage = 'open' order by id limit %s)""",
        (NOON, member_id, count),
    )
    return done.rowcount
