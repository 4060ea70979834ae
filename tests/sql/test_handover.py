"""交接班: what is due before the next shift is offered, taken, or put into the pool; nothing stays with somebody who has gone."""

from __future__ import annotations

import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql import desk, working
from tests.sql.desk import NOON, at, one, refusal

Connection = psycopg.Connection[Any]
FOUR = NOON + timedelta(hours=4)
EARLY, LATE = (-4, 4.5), (4, 12)


def make_floor(db: Connection) -> None:
    """Amy works early and tomorrow again, bob and cat late, dan not today; max leads them. Zed works elsewhere."""
    working.open_shop(db)
    for name, hours in (("amy", EARLY), ("bob", LATE), ("cat", LATE), ("dan", None)):
        member_id = working.add_agent(db, name)
        working.on_shift(db, member_id, hours is not None, hours or EARLY)
        working.on_shift(db, member_id, True, hours or LATE, day=1)
    db.execute("update members set skills = skills || '{review}'")
    working.on_shift(db, working.add_agent(db, "max", role="manager"), False)
    db.execute(
        """with s as (insert into shops (code, name, platform, stock_pool_id)
             select 'away', '别处', 'own', id from stock_pools where name = '公平' returning id),
           m as (insert into members (user_id, staff_no, display_name, role, state, skills)
             values (%s, 'zed', 'zed', 'agent', 'active', '{review}') returning id)
           insert into member_shops select m.id, s.id from m, s""",
        (desk.user_id("zed"),),
    )


@pytest.fixture
def floor(db: Connection) -> Connection:
    make_floor(db)
    return db


def ticket(db: Connection, owner: str, due: datetime | None, state: str = "dispatched") -> int:
    """A ticket of somebody with this deadline."""
    [item] = working.new_items(db, 1)
    working.own(db, item, working.member(db, owner))
    db.execute(
        "update tickets set due_at = %s, due_sort = coalesce(%s::timestamptz, 'infinity') where id = %s",
        (due, due, item),
    )
    if state == "in_progress":
        db.execute("update tickets set state = 'in_progress' where id = %s", (item,))
    return item


def lead(db: Connection, owner: str, due: datetime) -> int:
    """A lead of somebody with this deadline."""
    query = """insert into leads (shop_id, state, source, via, needs, graded_at, buyer_account, owner_id, owned_since,
            free_at, captured_at, asked_at, due_at, due_sort)
        select %s, 'following', 'chat', 'manual', '{}', n, 'b', %s, n, n, n, n, d, d from (values (%s, %s)) v (n, d) returning id"""
    return int(one(db, query, working.shop(db), working.member(db, owner), NOON, due))


def exception(db: Connection, owner: str, number: str = "O-1", until: datetime = FOUR) -> int:
    """An odd order that somebody holds."""
    order_id = desk.add_order(db, number, ["remote"], shop="fair")
    db.execute(
        "update order_reviews set owner_id = %s, claim_until = %s where order_id = %s",
        (working.member(db, owner), until + timedelta(minutes=20), order_id),
    )
    return order_id


OWNER = {
    "exception": "select m.staff_no from order_reviews r join members m on m.id = r.owner_id where r.order_id = %s",
    "ticket": "select m.staff_no from tickets t join members m on m.id = t.owner_id where t.id = %s",
    "lead": "select m.staff_no from leads l join members m on m.id = l.owner_id where l.id = %s",
}


def promise(db: Connection, who: str, item: int, due: datetime) -> None:
    """Something that the customer of a ticket was told."""
    db.execute(
        """insert into promises (shop_id, entity, entity_id, kind, what, due_at, state, made_by, made_at)
           values (%s, 'ticket', %s, 'callback', '回电', %s, 'open', %s, %s)""",
        (working.shop(db), item, due, working.member(db, who), NOON),
    )


def owner(db: Connection, area: str, entity: int) -> str | None:
    """Who has an item now, by the area's own row."""
    name = one(db, OWNER[area], entity)
    return None if name is None else str(name)


def send(db: Connection, who: str, function: str, *args: Any) -> Any:
    return desk.ask(db, who, function, *args, uuid.uuid4())


def mine(db: Connection, who: str) -> dict[tuple[str, int], dict[str, Any]]:
    """The items of somebody's handover by their record."""
    shown = desk.ask(db, who, "handover_screen")["mine"]
    return {(item["area"], item["entity_id"]): item for item in shown["items"]}


def tick(db: Connection) -> Any:
    with desk.as_role(db, "service_role"):
        return one(db, "select public.tick_work()")


def told(db: Connection, who: str) -> list[Any]:
    """Open messages about handovers: kind, who, count."""
    query = """select kind, params ->> 'who', (params ->> 'count')::int from notifications
        where member_id = %s and kind like 'handover%%' and closed_at is null order by id"""
    return db.execute(query, (working.member(db, who),)).fetchall()


def test_when_handing_over_begins_and_ends(floor: Connection) -> None:
    at(floor, FOUR - timedelta(minutes=1))
    with refusal("PT409", "handover.too_early"):
        send(floor, "amy", "open_handover")
    assert one(floor, "select count(*) from handovers") == 0
    with refusal("PT409", "handover.no_shift"):
        send(floor, "dan", "open_handover")
    shift = desk.ask(floor, "amy", "handover_screen")["shift"]
    assert {key: datetime.fromisoformat(value) - NOON for key, value in shift.items()} == {
        "opens_at": timedelta(hours=4), "ends_at": timedelta(hours=4.5), "pool_at": timedelta(hours=4.75),
        "next_starts_at": timedelta(hours=20),
    }  # fmt: skip
    at(floor, NOON + timedelta(hours=11))  # nobody follows the late shift: an hour before its end
    assert datetime.fromisoformat(
        desk.ask(floor, "bob", "handover_screen")["shift"]["opens_at"]
    ) == NOON + timedelta(hours=11)
    assert send(floor, "bob", "open_handover")["items"] == 0
    assert desk.ask(floor, "amy", "handover_screen")["shift"] is None


def test_all_or_some_change_hands(floor: Connection) -> None:
    soon, late = NOON + timedelta(hours=9), NOON + timedelta(days=2)
    first, second, third = (
        ticket(floor, "amy", soon, state) for state in ("dispatched", "in_progress", "dispatched")
    )
    later, promised = ticket(floor, "amy", late), ticket(floor, "amy", None)
    ticket(floor, "amy", None)
    promise(floor, "amy", promised, soon)
    odd, wish = exception(floor, "amy"), lead(floor, "amy", soon)
    at(floor, FOUR)
    for _ in range(2):
        tick(floor)
    assert told(floor, "amy") == [("handover_open", None, 6)]
    assert send(floor, "amy", "open_handover")["items"] == 6
    assert told(floor, "amy") == []
    items = mine(floor, "amy")
    assert {entity for area, entity in items if area == "ticket"} == {first, second, third, promised}
    rows = [{"id": item["id"], "note": f" 请跟进 {item['label']} "} for item in items.values()]
    assert send(floor, "amy", "offer_handover", rows, working.member(floor, "bob"))["done"] == 6
    assert told(floor, "bob") == [("handover", "amy", 6)]
    [offer] = desk.ask(floor, "bob", "handover_screen")["offers"]
    assert (offer["who"], {i["note"] for i in offer["items"]}) == (
        "amy",
        {f"请跟进 {i['label']}" for i in items.values()},
    )
    assert {owner(floor, i["area"], i["entity_id"]) for i in items.values()} == {
        "amy"
    }  # offered is not given

    by_record = {(i["area"], i["entity_id"]): i["id"] for i in offer["items"]}
    taken = [by_record[("ticket", second)], by_record[("exception", odd)], by_record[("lead", wish)]]
    answer = send(floor, "bob", "accept_handover", offer["id"], taken, [by_record[("ticket", third)]])
    assert answer == {"taken": 3, "gone": 0, "declined": 1}
    owners = [
        owner(floor, a, e)
        for a, e in (
            ("ticket", second),
            ("exception", odd),
            ("lead", wish),
            ("ticket", third),
            ("ticket", first),
        )
    ]
    assert owners == ["bob", "bob", "bob", "amy", "amy"]
    assert one(floor, "select state from tickets where id = %s", second) == "dispatched"
    assert one(floor, "select claim_until from order_reviews where order_id = %s", odd) == FOUR + timedelta(
        minutes=20
    )
    assert told(floor, "amy") == [("handover_declined", "bob", 1)]
    assert told(floor, "bob") == [("handover", "amy", 6)]  # two are still offered
    assert send(floor, "bob", "accept_handover", offer["id"], None, None) == {
        "taken": 2,
        "gone": 0,
        "declined": 0,
    }
    assert told(floor, "bob") == []
    assert owner(floor, "ticket", first) == "bob"
    assert [d["source"] for d in desk.ask(floor, "bob", "why_assigned", "ticket", first)] == ["handover"]
    send(floor, "amy", "offer_handover", [{"id": by_record[("ticket", third)]}], working.member(floor, "cat"))
    send(floor, "cat", "accept_handover", offer["id"], None, None)
    assert (owner(floor, "ticket", third), owner(floor, "ticket", later)) == ("cat", "amy")
    shown = desk.ask(floor, "max", "handover_log", 7)
    assert [(h["name"], h["is_left"], h["accepted"], h["waiting"]) for h in shown] == [("amy", False, 6, 0)]


def test_what_may_not_be_handed_over(floor: Connection) -> None:
    item = ticket(floor, "amy", NOON + timedelta(hours=9))
    at(floor, FOUR)
    send(floor, "amy", "open_handover")
    row = mine(floor, "amy")["ticket", item]["id"]
    bob, handover_id = working.member(floor, "bob"), one(floor, "select id from handovers")
    refusals = [
        ("amy", "PT422", "handover.bad_receiver", [{"id": row}], "amy"),
        ("amy", "PT422", "handover.bad_receiver", [{"id": row}], "zed"),
        ("amy", "PT409", "handover.off_duty", [{"id": row}], "dan"),
        ("amy", "PT422", "handover.bad_note", [{"id": row, "note": "打 13812345678"}], "bob"),
        ("amy", "PT422", "handover.bad_note", [{"id": row, "note": "长" * 201}], "bob"),
        ("amy", "PT422", "handover.bad_note", [{"id": row, "note": 5}], "bob"),
        ("amy", "PT409", "handover.stale", [{"id": row}, {"id": row}], "bob"),
        ("bob", "PT409", "handover.stale", [{"id": row}], "cat"),
        ("zed", "PT409", "handover.stale", [{"id": row}], "bob"),
        ("amy", "PT422", "bulk.too_many", [], "bob"),
    ]  # fmt: skip
    for who, code, key, items, receiver in refusals:
        with refusal(code, key):
            send(floor, who, "offer_handover", items, working.member(floor, receiver))
        assert (mine(floor, "amy")["ticket", item]["state"], mine(floor, "amy")["ticket", item]["note"]) == (
            "open",
            "",
        )
    send(floor, "amy", "offer_handover", [{"id": row}], bob)
    for who in ("cat", "zed", "amy", "max"):  # only the one it was offered to takes it
        with refusal("PT409", "handover.nothing_offered"):
            send(floor, who, "accept_handover", handover_id, None, None)
        assert owner(floor, "ticket", item) == "amy"
    with refusal("PT403", "handover.not_lead"):
        desk.ask(floor, "bob", "handover_log", 7)
    with desk.as_member(floor, "zed"):
        assert (
            one(floor, "select count(*) from handover_items") + one(floor, "select count(*) from handovers")
            == 0
        )
    floor.execute("update tickets set state = 'cancelled', closed_at = %s where id = %s", (FOUR, item))
    assert send(floor, "bob", "accept_handover", handover_id, None, None) == {
        "taken": 0,
        "gone": 1,
        "declined": 0,
    }
    assert mine(floor, "amy")["ticket", item]["state"] == "gone"


def test_whoever_hands_over_is_given_nothing_new(floor: Connection) -> None:
    working.on_shift(floor, working.member(floor, "bob"), False)
    working.on_shift(floor, working.member(floor, "cat"), False)
    at(floor, NOON + timedelta(hours=3.6))
    assert working.assign(floor, [{"id": n} for n in working.new_items(floor, 1)], NOON)[0][
        1
    ] == working.member(floor, "amy")
    send(floor, "amy", "open_handover")
    [waiting] = working.new_items(floor, 1)
    assert working.assign(floor, [{"id": waiting}], NOON + timedelta(hours=3.6))[0][1] is None
    why = desk.ask(floor, "max", "why_assigned", "ticket", waiting)[0]
    assert {c["name"]: c["why"] for c in why["considered"]}["amy"] == "away"


def test_what_is_left_goes_to_those_on_duty(floor: Connection) -> None:
    """Amy goes without a word, bob hands over in part; a quarter of an hour after each shift the rest finds an owner."""
    left, later = (
        ticket(floor, "amy", NOON + timedelta(hours=9), "in_progress"),
        ticket(floor, "amy", NOON + timedelta(days=2)),
    )
    odd, wish = (
        exception(floor, "amy", until=FOUR + timedelta(minutes=30)),
        lead(floor, "amy", NOON + timedelta(hours=9)),
    )
    at(floor, NOON + timedelta(hours=4.75) - timedelta(seconds=1))
    assert tick(floor)["left"] == 0
    at(floor, NOON + timedelta(hours=4.75))
    assert tick(floor)["left"] == 3
    assert owner(floor, "ticket", left) is None  # a moment for whoever wants it
    assert owner(floor, "exception", odd) is None  # exceptions are claimed, not given out
    assert owner(floor, "lead", wish) in ("bob", "cat")
    assert owner(floor, "ticket", later) == "amy"
    assert told(floor, "amy") == [("handover_left", None, 3)]
    [gone] = desk.ask(floor, "max", "handover_log", 1)
    assert (gone["name"], gone["is_left"], gone["pooled"], gone["waiting"]) == ("amy", True, 3, 0)
    fresh = ticket(floor, "amy", NOON + timedelta(hours=9))
    at(floor, NOON + timedelta(hours=5))
    assert (tick(floor)["left"], owner(floor, "ticket", fresh)) == (0, "amy")  # of each shift once
    assert owner(floor, "ticket", left) in ("bob", "cat")


def test_at_night_the_rest_waits_for_the_morning(floor: Connection) -> None:
    for name in ("bob", "cat"):
        working.on_shift(floor, working.member(floor, name), True, (5, 12), day=1)
    item, odd = (
        ticket(floor, "bob", NOON + timedelta(hours=21)),
        exception(floor, "bob", until=NOON + timedelta(hours=12)),
    )
    at(floor, NOON + timedelta(hours=12, minutes=19))
    assert (tick(floor)["left"], owner(floor, "ticket", item)) == (1, "bob")
    assert owner(floor, "exception", odd) is None  # its claim would have ended in a minute
    assert [h["waiting"] for h in desk.ask(floor, "max", "handover_log", 1)] == [1]
    for minutes in (0, 3):  # amy begins
        at(floor, NOON + timedelta(hours=20, minutes=minutes))
        assert tick(floor)["left"] == (0 if minutes else 1)
    assert owner(floor, "ticket", item) == "amy"


def test_who_is_back_first_keeps_his(floor: Connection) -> None:
    cat = working.member(floor, "cat")
    for name in ("amy", "bob", "dan"):
        working.on_shift(floor, working.member(floor, name), False, day=1)
    working.on_shift(floor, cat, True, LATE, day=1)
    item = ticket(floor, "cat", NOON + timedelta(hours=21))
    at(floor, NOON + timedelta(hours=13))
    tick(floor)
    at(floor, NOON + timedelta(hours=28))  # nobody came until cat did
    assert (tick(floor)["left"], owner(floor, "ticket", item)) == (0, "cat")
    assert one(floor, "select state from handover_items") == "kept"


def test_taken_or_pooled_never_both(db_url: str) -> None:
    """The receiver accepts at the second in which the tick pools: every item ends with one owner and one verdict."""
    with psycopg.connect(db_url) as conn:
        make_floor(conn)
        items = [ticket(conn, "amy", NOON + timedelta(hours=9)) for _ in range(20)]
        at(conn, FOUR)
        send(conn, "amy", "open_handover")
        rows = [{"id": i["id"]} for i in mine(conn, "amy").values()]
        send(conn, "amy", "offer_handover", rows, working.member(conn, "bob"))
        handover_id = one(conn, "select id from handovers")
        at(conn, NOON + timedelta(hours=4.75))
        conn.commit()
        start = threading.Barrier(2)
        broken: list[Exception] = []

        def run(what: Any) -> None:
            try:
                with psycopg.connect(db_url) as other:
                    start.wait()
                    what(other)
                    other.commit()
            except (psycopg.Error, threading.BrokenBarrierError) as error:
                if getattr(error, "sqlstate", None) != "PT409":
                    broken.append(error)

        threads = [
            threading.Thread(target=run, args=(work,))
            for work in (tick, lambda c: send(c, "bob", "accept_handover", handover_id, None, None))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert broken == []
        states = {row[0] for row in conn.execute("select distinct state from handover_items").fetchall()}
        owners = {owner(conn, "ticket", item) for item in items}
        assert (states, owners) in (({"accepted"}, {"bob"}), ({"pooled"}, {None}))
