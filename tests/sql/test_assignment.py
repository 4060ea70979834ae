"""Work is given out: who may set what, what is told about a decision, and that two callers at once exceed nothing."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql import desk, working
from tests.sql.desk import NOON, at, one, refusal

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    """Three agents on shift, a manager, and a stranger of another shop."""
    make_floor(db)
    return db


def make_floor(db: Connection) -> None:
    working.open_shop(db)
    for name in ("amy", "bob", "cat"):
        working.add_agent(db, name)
    working.add_agent(db, "max", role="manager")
    db.execute(
        """with s as (insert into shops (code, name, platform, stock_pool_id)
             select 'away', '别处', 'own', id from stock_pools where name = '公平' returning id),
           m as (insert into members (user_id, staff_no, display_name, role, state)
             values (%s, 'zed', 'zed', 'manager', 'active') returning id)
           insert into member_shops select m.id, s.id from m, s""",
        (desk.user_id("zed"),),
    )


def set_assignment(db: Connection, who: str, name: str, change: Any, version: int | None = None) -> Any:
    return desk.ask(
        db, who, "set_assignment", working.member(db, name), "ticket", change, version, uuid.uuid4()
    )  # fmt: skip


def settings_of(db: Connection, name: str) -> Any:
    query = "select capacity, weight::float, frozen_until, frozen_reason, version from assignment_members where member_id = %s"
    return desk.row(db, query, working.member(db, name))


def test_leaders_set_how_much_somebody_gets(floor: Connection) -> None:
    until = NOON + timedelta(hours=3)
    assert set_assignment(floor, "max", "amy", {"capacity": 2, "weight": 0.5}) == {"version": 2}
    freeze = {"frozen_until": until.isoformat(), "frozen_reason": " 培训 "}
    assert set_assignment(floor, "max", "amy", freeze, 2) == {"version": 3}
    assert settings_of(floor, "amy") == (2, 0.5, until, "培训", 3)
    assert set_assignment(floor, "max", "amy", {"frozen_until": None}, 3) == {"version": 4}
    assert settings_of(floor, "amy") == (2, 0.5, None, None, 4)
    with refusal("PT409", "assignment.stale"):
        set_assignment(floor, "max", "amy", {"capacity": 9}, 3)
    with refusal("PT409", "assignment.stale"):
        set_assignment(floor, "max", "amy", {"capacity": 9})  # as if there were no settings yet
    assert settings_of(floor, "amy") == (2, 0.5, None, None, 4)


BAD = {
    "capacity": [{"capacity": -1}, {"capacity": 1001}, {"capacity": "many"}, {"capacity": 1.5}, {"capacity": None}],
    "weight": [{"weight": 0}, {"weight": 10.01}, {"weight": "NaN"}, {"weight": None}],
    "frozen_until": [
        {"frozen_until": "2026-11-18T03:59:00Z", "frozen_reason": "x"},
        {"frozen_until": "2030-01-01", "frozen_reason": "x"},
        {"frozen_until": "soon", "frozen_reason": "x"},
        {"frozen_reason": "x"},
    ],
    "frozen_reason": [
        {"frozen_until": "2026-11-19", "frozen_reason": " "},
        {"frozen_until": "2026-11-19"},
        {"frozen_until": "2026-11-19", "frozen_reason": "长" * 201},
    ],
    "change": [[], "{}", {"version": 1}, {"capacity": 1, "member_id": 1}],
}  # fmt: skip


def test_settings_that_make_no_sense_are_refused(floor: Connection) -> None:
    wrong = []
    for field, changes in BAD.items():
        for change in changes:
            try:
                set_assignment(floor, "max", "amy", Jsonb(change))
            except psycopg.Error as error:
                said = (error.sqlstate, error.diag.message_primary, error.diag.message_detail)
                if said == ("PT422", "assignment.bad_value", f'{{"field": "{field}"}}'):
                    continue
            wrong.append((field, change))
    assert wrong in ([], [("change", "{}")])  # a text that holds {} changes nothing
    with refusal("PT422", "assignment.bad_area"):
        desk.ask(
            floor, "max", "set_assignment", working.member(floor, "amy"), "order", {}, None, uuid.uuid4()
        )


def test_who_may_set_and_look(floor: Connection) -> None:
    """Agents set nothing; leaders of other shops neither; a duty lead looks and does not set."""
    set_assignment(floor, "max", "amy", {"capacity": 2})
    before = settings_of(floor, "amy")
    for who, code, key in (
        ("amy", "PT403", "member.role"), ("bob", "PT403", "member.role"), ("zed", "PT404", "assignment.no_agent"),
    ):  # fmt: skip
        with refusal(code, key):
            set_assignment(floor, who, "amy", {"capacity": 99}, 2)
        assert settings_of(floor, "amy") == before
    with refusal("PT404", "assignment.no_agent"):
        set_assignment(floor, "max", "max", {"capacity": 99})  # a manager is given no work
    shop_id = working.shop(floor)
    with refusal("PT403", "assignment.not_lead"):
        desk.ask(floor, "bob", "assignment_screen", "ticket", shop_id)
    with refusal("PT404", "shop.none"):
        desk.ask(floor, "zed", "assignment_screen", "ticket", shop_id)
    floor.execute("update members set duty_lead_until = %s where staff_no = 'bob'", (NOON.replace(hour=23),))
    shown = desk.ask(floor, "bob", "assignment_screen", "ticket", shop_id)
    assert (shown["can_change"], [m["name"] for m in shown["members"]]) == (False, ["amy", "bob", "cat"])
    with refusal("PT403", "member.role"):
        set_assignment(floor, "bob", "amy", {"capacity": 99}, 2)
    own = "select capacity from assignment_members"
    seen = {}
    for who in ("amy", "bob", "max", "zed"):
        with desk.as_member(floor, who):
            seen[who] = one(floor, own)
    assert seen == {"amy": 2, "bob": None, "max": 2, "zed": None}


def give(db: Connection, count: int = 1, *, source: str = "arrival", **more: Any) -> list[Any]:
    """Items given out and owned; (item, member, decision) of each."""
    given = working.assign(db, [{"id": n, **more} for n in working.new_items(db, count)], NOON, source)
    for item, chosen, _ in given:
        working.own(db, item, chosen)
    return given


def test_why_this_person_and_why_nobody(floor: Connection) -> None:
    amy, bob, cat = (working.member(floor, name) for name in ("amy", "bob", "cat"))
    working.on_shift(floor, bob, False, kind="leave")
    working.on_shift(floor, cat, False)
    [(item, chosen, _)] = give(floor, skill="presales")
    assert chosen == amy
    [told] = desk.ask(floor, "amy", "why_assigned", "ticket", item)
    assert (told["name"], told["rule"], told["source"]) == ("amy", "only", "arrival")
    assert told["reasons"] == {"away": 1, "off_duty": 1}
    assert [(c["name"], c["why"]) for c in told["considered"]] == [
        ("amy", None),
        ("bob", "away"),
        ("cat", "off_duty"),
    ]
    working.settle(floor, amy, capacity=1)
    [(waiting, nobody, decision)] = give(floor, skill="presales")
    again = working.assign(
        floor, [{"id": waiting, "skill": "presales"}], NOON + timedelta(minutes=1), "on_duty"
    )
    assert (nobody, again) == (None, [(waiting, None, decision)])  # the same reasons are told once
    working.settle(floor, amy, capacity=5, frozen_until=NOON + timedelta(hours=1))
    [(_, _, other)] = working.assign(floor, [{"id": waiting, "skill": "presales"}], NOON, "on_duty")
    assert [(d["id"], d["reasons"]) for d in desk.ask(floor, "max", "why_assigned", "ticket", waiting)] == [
        (None, {"away": 1, "off_duty": 1, "frozen": 1}),
        (other, {"away": 1, "off_duty": 1, "frozen": 1}), (decision, {"away": 1, "off_duty": 1, "full": 1}),
    ]  # fmt: skip
    assert other != decision
    assert desk.ask(floor, "zed", "why_assigned", "ticket", waiting) == []
    with desk.as_member(floor, "zed"):
        assert one(floor, "select count(*) from assignment_decisions") == 0


def test_what_people_chose_is_told_and_costs_no_credit(floor: Connection) -> None:
    amy = working.member(floor, "amy")
    [item] = working.new_items(floor, 1)
    for member_id, source in ((amy, "claim"), (None, "recycle"), (amy, "manual")):
        query = "select private.note_assignment('ticket', %s, %s, %s, %s, %s)"
        floor.execute(query, (working.shop(floor), item, member_id, source, NOON))
    working.own(floor, item, amy)
    told = desk.ask(floor, "bob", "why_assigned", "ticket", item)
    assert [(d["name"], d["rule"], d["source"]) for d in told] == [
        ("amy", "chosen", "manual"), (None, "returned", "recycle"), ("amy", "chosen", "claim"),
    ]  # fmt: skip
    assert one(floor, "select count(*) from private.assignment_credits") == 0
    with refusal("PT403", "history.append_only"), floor.transaction():
        floor.execute("update assignment_decisions set member_id = null, rule = 'returned'")


def test_the_screen_counts_the_day(floor: Connection) -> None:
    set_assignment(floor, "max", "cat", {"capacity": 7, "weight": 2})
    give(floor, 8)
    shown = desk.ask(floor, "max", "assignment_screen", "ticket", working.shop(floor))
    found = {m["name"]: (m["load"], m["given_today"], m["capacity"], m["version"]) for m in shown["members"]}
    assert found == {"amy": (2, 2, 30, None), "bob": (2, 2, 30, None), "cat": (4, 4, 7, 2)}
    assert sum(m["credit"] for m in shown["members"]) == pytest.approx(0, abs=0.01)
    at(floor, NOON + timedelta(days=1))
    shown = desk.ask(floor, "max", "assignment_screen", "ticket", working.shop(floor))
    assert {m["given_today"] for m in shown["members"]} == {0}
    assert {m["is_on_duty"] for m in shown["members"]} == {True}  # nothing is planned for tomorrow


def test_free_places_are_those_of_people_on_duty(floor: Connection) -> None:
    amy, bob, cat = (working.member(floor, name) for name in ("amy", "bob", "cat"))
    working.settle(floor, amy, capacity=3)
    working.settle(floor, bob, capacity=3, frozen_until=NOON + timedelta(hours=1))
    working.on_shift(floor, cat, False)
    give(floor, 1)
    places = "select private.free_places('ticket', %s, %s)"
    assert one(floor, places, working.shop(floor), NOON) == 2
    assert one(floor, places, working.shop(floor), NOON + timedelta(hours=1)) == 5
    assert one(floor, places, working.shop(floor), NOON + timedelta(hours=12)) == 0
    campaign = "insert into campaigns (name, starts_at, ends_at) values ('大促', %s, %s)"
    floor.execute(campaign, (NOON, NOON + timedelta(hours=1)))
    assert one(floor, places, working.shop(floor), NOON) == 5  # twice the capacity, until it is over
    assert one(floor, places, working.shop(floor), NOON + timedelta(hours=1)) == 5
    floor.execute("update members set skills = '{presales}' where id = %s", (amy,))
    skills = "select skills from private.assignment_staff('ticket', %s, %s) s where s.member_id = %s"
    assert one(floor, skills, working.shop(floor), NOON, amy) == ["presales"]
    floor.execute("update campaigns set is_all_hands = true")
    assert one(floor, skills, working.shop(floor), NOON, amy) == ["presales", "aftersales"]
    assert one(floor, skills, working.shop(floor), NOON + timedelta(hours=1), amy) == ["presales"]


def test_two_callers_at_once_exceed_no_capacity(db_url: str) -> None:
    """Sixty items over eight callers for twenty places: each caller reads the loads that the one before has written."""
    with psycopg.connect(db_url) as owner:
        make_floor(owner)
        for name, capacity in (("amy", 8), ("bob", 7), ("cat", 5)):
            working.settle(owner, working.member(owner, name), capacity=capacity)
        waiting = working.new_items(owner, 64)
        owner.commit()
        start = threading.Barrier(8)
        broken: list[Exception] = []

        def caller(mine: list[int]) -> None:
            try:
                with psycopg.connect(db_url) as conn:
                    start.wait()
                    for item in mine:
                        for entity, chosen, _ in working.assign(conn, [{"id": item}], NOON):
                            working.own(conn, entity, chosen)
                        conn.commit()
            except (psycopg.Error, threading.BrokenBarrierError) as error:
                broken.append(error)

        threads = [threading.Thread(target=caller, args=(waiting[n::8],)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert broken == []
        query = "select m.staff_no, count(*) from tickets t join members m on m.id = t.owner_id group by 1 order by 1"
        assert owner.execute(query).fetchall() == [("amy", 8), ("bob", 7), ("cat", 5)]
        decided = "select count(*) filter (where member_id is null), count(distinct entity_id) from assignment_decisions"
        assert owner.execute(decided).fetchone() == (44, 64)


def test_a_long_file_is_given_out_within_a_chunk(floor: Connection) -> None:
    """900 items among 30 agents stay far below the eight seconds of a request, and are shared out to the item."""
    for n in range(27):
        working.add_agent(floor, f"m{n}")
    floor.execute("set local statement_timeout = '5s'")
    given = working.assign(floor, [{"id": n} for n in working.new_items(floor, 900)], NOON)
    counts: dict[int, int] = {}
    for _, chosen, _ in given:
        counts[chosen] = counts.get(chosen, 0) + 1
    assert set(counts.values()) == {30}


def test_the_oldest_go_first_when_somebody_comes_on_duty(floor: Connection) -> None:
    """Nobody is there: why is told; amy comes with room for three, then has room for one more; nothing is said twice."""
    amy = working.member(floor, "amy")
    for name, works in (("amy", True), ("bob", False), ("cat", False)):
        working.on_shift(floor, working.member(floor, name), works, (1, 12))
    working.settle(floor, amy, capacity=3)
    waiting = working.new_items(floor, 5)
    floor.execute(
        "update tickets set source = 'import', registered_at = registered_at - id * interval '1 minute'"
    )
    with desk.as_role(floor, "service_role"):
        floor.execute("select public.tick_work()")
    assert held(floor, amy) == []
    [now] = desk.ask(floor, "bob", "why_assigned", "ticket", waiting[0])
    assert (now["id"], now["rule"], now["reasons"]) == (None, "nobody", {"off_duty": 3})
    assert desk.ask(floor, "zed", "why_assigned", "ticket", waiting[0]) == []
    at(floor, NOON + timedelta(hours=1))
    [now] = desk.ask(floor, "bob", "why_assigned", "ticket", waiting[0])
    assert (now["rule"], now["reasons"]) == ("waiting", {"off_duty": 2})
    for _ in range(2):
        with desk.as_role(floor, "service_role"):
            floor.execute("select public.tick_work()")
    assert held(floor, amy) == waiting[2:]  # registered earlier the higher their number
    working.finish(floor, amy, 1)
    with desk.as_role(floor, "service_role"):
        assert one(floor, "select public.tick_work()") == {"left": 0, "given": 1}
    assert held(floor, amy) == [waiting[1], *waiting[3:]]
    assert one(floor, "select count(*) from assignment_decisions where member_id is not null") == 4


def held(db: Connection, member_id: int) -> list[int]:
    """The open tickets of somebody."""
    rows = db.execute(
        "select id from tickets where owner_id = %s and stage = 'open' order by id", (member_id,)
    )
    return [row[0] for row in rows.fetchall()]
