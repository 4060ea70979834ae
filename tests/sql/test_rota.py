"""排班: who is on duty, who leads, what planning refuses, and what a campaign changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql import desk
from tests.sql.desk import NOON, at, one, open_floor

Connection = psycopg.Connection[Any]
TODAY = NOON.date()


@pytest.fixture
def floor(db: Connection) -> Connection:
    open_floor(db)
    return db


def member(db: Connection, name: str) -> int:
    return int(one(db, "select id from members where staff_no = %s", name))


def shop(db: Connection, code: str = "one") -> int:
    return int(one(db, "select id from shops where code = %s", code))


def shift(db: Connection, name: str = "早班", calendar: str = "all") -> int:
    query = "select s.id from calendar_shifts s join calendars c on c.id = calendar_id where c.code = %s and s.name = %s"
    return int(one(db, query, calendar, name))


def on_duty(db: Connection, moment: datetime, code: str | None = "one") -> set[str]:
    query = "select staff_no from private.on_duty(%s, %s) d join members m on m.id = d.member_id"
    return {r[0] for r in db.execute(query, (shop(db, code) if code else None, moment)).fetchall()}


def leads(db: Connection, moment: datetime, code: str | None = "one") -> set[str]:
    query = "select staff_no from private.duty_leads(%s, %s) d (id) join members m using (id)"
    return {r[0] for r in db.execute(query, (shop(db, code) if code else None, moment)).fetchall()}


def is_on_duty(db: Connection, name: str, moment: datetime) -> bool:
    return bool(one(db, "select private.is_on_duty(%s, %s)", member(db, name), moment))


STAFF = {"ann", "ben", "cid", "lea", "ops", "mgr", "whs", "ana"}


def test_without_a_rota_everybody_counts_while_the_shop_is_open(floor: Connection) -> None:
    assert on_duty(floor, NOON) == STAFF
    assert on_duty(floor, NOON, None) == STAFF | {"far"}
    assert on_duty(floor, NOON.replace(hour=7, minute=59)) == set()
    assert on_duty(floor, NOON.replace(hour=8)) == STAFF
    assert is_on_duty(floor, "whs", NOON)
    assert not is_on_duty(floor, "whs", NOON.replace(hour=3))
    assert is_on_duty(floor, "adm", NOON)
