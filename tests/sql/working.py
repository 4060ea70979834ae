"""A shop whose agents are given work: people, shifts, and items of an area, for tests of assignment and handover."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.sql.desk import NOON, one

Connection = psycopg.Connection[Any]

# Loads of an area that this schema has not got yet.
STAND_IN = """
create table private.stand_in (id bigint generated always as identity primary key, member_id bigint, is_open boolean not null default true);
create function private.lead_load(p_member_ids bigint[]) returns table (member_id bigint, load bigint)
language sql stable set search_path = '' as $$
    select s.member_id, count(*) from private.stand_in s where s.is_open and s.member_id = any (p_member_ids) group by s.member_id
$$;
"""


def open_shop(conn: Connection) -> None:
    """The shop `fair` at noon of a working day, and the table its work lies in."""
    conn.execute("update private.test_clock set at = %s", (NOON,))
    conn.execute(
        """with p as (insert into stock_pools (name) values ('公平') returning id)
        insert into shops (code, name, platform, stock_pool_id) select 'fair', '公平', 'own', id from p"""
    )
    conn.execute(STAND_IN)


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
    conn: Connection, member_id: int, works: bool, hours: tuple[int, int] = (0, 12), kind: str = "rest"
) -> None:
    """Today's plan: on shift for hours counted from noon, or off (`kind`)."""
    conn.execute(
        """insert into rota_days (member_id, day, kind, source, updated_at) values (%s, %s, %s, 'edited', now())
           on conflict (member_id, day) do update set kind = excluded.kind""",
        (member_id, NOON.date(), "work" if works else kind),
    )
    conn.execute("delete from rota_entries where member_id = %s", (member_id,))
    if works:
        conn.execute(
            "insert into rota_entries (member_id, day, shift_name, starts_at, ends_at) values (%s, %s, '班', %s, %s)",
            (member_id, NOON.date(), *(NOON + timedelta(hours=h) for h in hours)),
        )


def settle(
    conn: Connection,
    member_id: int,
    *,
    capacity: int,
    weight: str = "1",
    frozen_until: datetime | None = None,
) -> None:
    """Somebody's settings for leads, as the owner of the database writes them."""
    conn.execute(
        """insert into assignment_members (member_id, area, capacity, weight, frozen_until, frozen_reason)
           values (%s, 'lead', %s, %s, %s, %s)
           on conflict (member_id, area) do update set capacity = excluded.capacity, weight = excluded.weight,
               frozen_until = excluded.frozen_until, frozen_reason = excluded.frozen_reason""",
        (member_id, capacity, weight, frozen_until, "培训" if frozen_until else None),
    )


def new_items(conn: Connection, count: int) -> list[int]:
    """Items that nobody owns, oldest first."""
    rows = conn.execute(
        "insert into private.stand_in (member_id) select null from generate_series(1, %s) returning id",
        (count,),
    )
    return [row[0] for row in rows.fetchall()]


def assign(
    conn: Connection, items: list[dict[str, Any]], moment: datetime, source: str = "arrival"
) -> list[Any]:
    """(item, member or None, decision) of each item."""
    query = "select id, member_id, decision_id from private.assign_work('lead', %s, %s, %s, %s)"
    return conn.execute(query, (shop(conn), Jsonb(items), source, moment)).fetchall()


def own(conn: Connection, item_id: int, member_id: int | None) -> None:
    """What the caller of the engine does with a decision."""
    conn.execute("update private.stand_in set member_id = %s where id = %s", (member_id, item_id))


def finish(conn: Connection, member_id: int, count: int) -> int:
    """Closes up to `count` items of somebody; answers how many there were."""
    done = conn.execute(
        """update private.stand_in set is_open = false where id in (
               select id from private.stand_in where member_id = %s and is_open order by id limit %s)""",
        (member_id, count),
    )
    return done.rowcount
