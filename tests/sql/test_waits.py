"""A wait for the customer that ends by itself: who hears of it, once, and until when."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from backend.reminders import Bell, Notification
from tests.sql.desk import add_order, ask, at, call, item, one, open_floor
from tests.sql.reminding import NOON, later, plan, prefer, rows, service, told

Connection = psycopg.Connection[Any]
MORNING = NOON.replace(hour=8)


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py, where nobody waits longer than an hour; ann, ben and lea are at work."""
    open_floor(db)
    db.execute("update shops set wait_hours = 1")
    for name in ("ann", "ben"):
        plan(db, name, MORNING, 8)
    return db


def waiting(conn: Connection, count: int = 1, who: str = "ann") -> list[int]:
    """Orders whose customers were asked at noon."""
    orders = [add_order(conn, f"W-{n}", ["mismatch"]) for n in range(1, count + 1)]
    for order in orders:
        call(conn, who, "decide_exceptions", [item(conn, order)], "waiting_customer", "asked_chat", None)
    return orders


def end(conn: Connection) -> int:
    """One look of the worker, an hour and more later."""
    at(conn, later(hours=1, minutes=1))
    return int(service(conn, "service_end_decisions", 500))


def messages(conn: Connection) -> list[dict[str, Any]]:
    return rows(conn, "select * from notifications where kind = 'wait_ended' order by id")


def test_who_asked_is_told_once_with_a_link(floor: Connection) -> None:
    (order,) = waiting(floor)
    assert end(floor) == 1
    assert end(floor) == 0
    assert told(floor, "wait_ended") == {"ann": ["W-1"]}
    (note,) = Bell.model_validate(ask(floor, "ann", "bell")).newest
    assert (note.kind, note.path, note.is_urgent) == ("wait_ended", f"/orders?id={order}", False)
    assert note.params["due_at"] == one(floor, "select to_jsonb(due_at) from order_reviews")
    assert ask(floor, "ben", "bell")["unread"] == 0


def test_colleagues_on_duty_are_told_while_he_is_off(floor: Connection) -> None:
    floor.execute(
        "delete from rota_entries where member_id = (select id from members where staff_no = 'ann')"
    )
    waiting(floor)
    end(floor)
    assert "ben" in told(floor, "wait_ended")
    assert "ann" not in told(floor, "wait_ended")


def test_he_is_told_himself_when_nobody_is_there(floor: Connection) -> None:
    floor.execute("delete from rota_entries")
    plan(floor, "ann", MORNING, 1)  # a rota is kept, and everybody has gone home
    waiting(floor)
    end(floor)
    assert told(floor, "wait_ended") == {"ann": ["W-1"]}


def test_nobody_is_told_who_wants_urgent_matters_only(floor: Connection) -> None:
    prefer(floor, "ann", "urgent")
    waiting(floor)
    assert end(floor) == 1
    assert messages(floor) == []


def test_many_waits_are_one_message(floor: Connection) -> None:
    waiting(floor, 12)
    assert end(floor) == 12
    (message,) = messages(floor)
    assert (message["params"]["count"], len(message["params"]["items"]), message["path"]) == (
        12,
        10,
        "/orders",
    )
    found = Notification.model_validate(message)
    assert found.params["items"][0]["path"].startswith("/orders?id=")


@pytest.mark.parametrize("decision", [("waived", "verified"), ("waiting_customer", "asked_phone")])
def test_it_lapses_with_the_next_decision(floor: Connection, decision: tuple[str, str]) -> None:
    (order,) = waiting(floor)
    end(floor)
    call(floor, "ann", "decide_exceptions", [item(floor, order)], *decision, None)
    assert told(floor, "wait_ended") == {}
    assert [message["closed_at"] is None for message in messages(floor)] == [False]


def test_a_waiver_that_ends_is_no_wait(floor: Connection) -> None:
    order = add_order(floor, "W-1", ["remote"])
    call(floor, "ann", "decide_exceptions", [item(floor, order)], "waived", "verified", later(hours=1))
    assert end(floor) == 1
    assert messages(floor) == []
