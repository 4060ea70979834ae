"""时效规则: who changes what, what a change does to clocks (D11), which policy wins and why, and what is remembered."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.desk import add_order, ask, at, one, open_floor, refusal, row
from tests.sql.test_clock_commands import at as clock_at
from tests.sql.test_clock_commands import rows

Connection = psycopg.Connection[Any]
NOON = clock_at("18 12:00")
EDITORS = ("mgr", "adm")
OTHERS = ("ann", "whs", "ops", "ana")


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py at noon."""
    open_floor(db)
    return db


def policy(conn: Connection, code: str = "order_review", shop: str | None = None) -> Any:
    query = "select id, version from sla_policies where code = %s and shop_id is not distinct from %s and conditions = '{}'"
    return row(conn, query, code, shop_id(conn, shop) if shop else None)


def shop_id(conn: Connection, code: str) -> int:
    return int(one(conn, "select id from shops where code = %s", code))


def save(
    conn: Connection, change: dict[str, Any], *, who: str = "mgr", code: str = "order_review", **more: Any
) -> Any:
    found = policy(conn, code)
    with_ids = (more.get("id", found[0]), change, more.get("version", found[1]))
    return call_last(conn, who, "save_policy", *with_ids)


def call_last(conn: Connection, who: str, function: str, *args: Any, request: uuid.UUID | None = None) -> Any:
    """The RPCs of policies take the request id last."""
    return ask(conn, who, function, *args, request or uuid.uuid4())


def start(
    conn: Connection,
    when: datetime,
    entity_id: int = 1,
    *,
    shop: str = "one",
    facts: str = "{}",
    **named: Any,
) -> Any:
    marks = "".join(f", {name} => %s" for name in named)
    return rows(
        conn,
        f"select * from private.start_clock('test', %s, %s, 'review', 'order_review', %s, p_facts => %s{marks})",
        (entity_id, shop_id(conn, shop), when, facts, *named.values()),
    )[0]


def clock(conn: Connection, clock_id: int) -> Any:
    return rows(conn, "select * from sla_clocks where id = %s", (clock_id,))[0]


def stored(conn: Connection, code: str = "order_review") -> Any:
    return rows(conn, "select * from sla_policies where code = %s order by id", (code,))


# --- who may ---


@pytest.mark.parametrize("who", EDITORS)
def test_managers_and_admins_change_a_policy(floor: Connection, who: str) -> None:
    answer = save(floor, {"allowance": 90, "name": "快审"}, who=who)
    assert (answer["version"], stored(floor)[0]["allowance"], stored(floor)[0]["name"]) == (2, 90, "快审")
    assert stored(floor)[0]["ladder"][0]["percent"] == 50  # what was not named stays


@pytest.mark.parametrize("who", OTHERS)
def test_nobody_else_changes_anything(floor: Connection, who: str) -> None:
    before = stored(floor)
    found = policy(floor)
    for function, args in {
        "save_policy": (found[0], {"allowance": 1}, found[1]),
        "reset_policy": found,
        "recalculate_policy": ("order_review", one(floor, "select private.policy_stamp('order_review')")),
    }.items():
        with refusal("PT403", "member.role"):
            call_last(floor, who, function, *args)
    for function, args in {
        "preview_policy": (found[0], {}, found[1]),
        "preview_recalculation": ("order_review",),
    }.items():
        with refusal("PT403", "member.role"):
            ask(floor, who, function, *args)
    assert stored(floor) == before


def test_a_shop_of_others_is_nobodys_business(floor: Connection) -> None:
    with refusal("PT404", "shop.none"):
        save(
            floor,
            {"code": "order_review", "shop_id": shop_id(floor, "two"), "allowance": 5},
            id=None,
            version=None,
        )
    save(
        floor,
        {"code": "order_review", "shop_id": shop_id(floor, "two"), "allowance": 5},
        who="adm",
        id=None,
        version=None,
    )
    theirs = policy(floor, shop="two")
    with refusal("PT404", "shop.none"):
        save(floor, {"allowance": 6}, id=theirs[0], version=theirs[1])
    assert [p["allowance"] for p in stored(floor)] == [120, 5]
    with refusal("PT404", "shop.none"):
        ask(floor, "ann", "explain_policy", "order_review", shop_id(floor, "two"), {})


# --- two editors ---


def test_the_second_of_two_editors_is_refused_and_told_by_whom(floor: Connection) -> None:
    save(floor, {"allowance": 90})
    with pytest.raises(psycopg.Error) as caught:
        save(floor, {"allowance": 60}, version=1)
    assert caught.value.diag.message_primary == "policy.stale"
    assert '"who": "mgr"' in str(caught.value.diag.message_detail)
    assert stored(floor)[0]["allowance"] == 90


def test_the_same_request_twice_works_once(floor: Connection) -> None:
    request, found = uuid.uuid4(), policy(floor)
    first = call_last(floor, "mgr", "save_policy", found[0], {"allowance": 90}, found[1], request=request)
    assert (
        call_last(floor, "mgr", "save_policy", found[0], {"allowance": 90}, found[1], request=request)
        == first
    )
    assert stored(floor)[0]["version"] == 2
    with refusal("PT409", "request.reused"):
        call_last(floor, "mgr", "save_policy", found[0], {"allowance": 91}, found[1], request=request)


# --- what is typed ---

STEP = {"percent": 50, "who": ["owner"], "action": "notify"}
BAD: dict[str, tuple[dict[str, Any], str, int | None]] = {
    "no name": ({"name": "  "}, "name", None),
    "a long name": ({"name": "长" * 61}, "name", None),
    "a clock nobody knows": ({"measure": "lunar"}, "measure", None),
    "no calendar": ({"measure": "working", "calendar": None}, "calendar", None),
    "the wall is no calendar of shifts": ({"measure": "working", "calendar": "wall"}, "calendar", None),
    "a calendar that does not exist": ({"calendar": "nope"}, "calendar", None),
    "reminders by a calendar that does not exist": ({"remind_calendar": "nope"}, "remind_calendar", None),
    "less than nothing": ({"allowance": -1}, "allowance", None),
    "more than ten years": ({"allowance": 5_256_001}, "allowance", None),
    "a number that is a word": ({"allowance": "soon"}, "allowance", None),
    "nothing at all": ({"allowance": None}, "allowance", None),
    "half a working day": ({"measure": "workdays", "calendar": "workdays", "allowance": 1.5}, "allowance", None),
    "neither on nor off": ({"is_active": "perhaps"}, "is_active", None),
    "no ladder": ({"ladder": {"a": 1}}, "ladder", None),
    "too many steps": ({"ladder": [{**STEP, "percent": n} for n in range(11)]}, "ladder", None),
    "a step that is no step": ({"ladder": [STEP, 7]}, "at", 2),
    "both percent and minutes": ({"ladder": [{**STEP, "minutes": 5}]}, "at", 1),
    "a percent beyond all bounds": ({"ladder": [{**STEP, "percent": 1001}]}, "at", 1),
    "a percent with a fraction": ({"ladder": [{**STEP, "percent": 50.5}]}, "at", 1),
    "minutes beyond all bounds": ({"ladder": [{"minutes": -5256001, "who": ["owner"], "action": "notify"}]}, "at", 1),
    "nobody to tell": ({"ladder": [STEP, {**STEP, "percent": 60, "who": []}]}, "who", 2),
    "somebody unknown": ({"ladder": [{**STEP, "who": ["boss"]}]}, "who", 1),
    "an action unknown": ({"ladder": [{**STEP, "action": "shout"}]}, "action", 1),
    "a cell unknown": ({"ladder": [{**STEP, "sql": "drop"}]}, "action", 1),
    "the same step twice": ({"ladder": [STEP, {**STEP, "who": ["manager"]}]}, "twice", 2),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_cell_is_named_and_nothing_is_saved(floor: Connection, case: str) -> None:
    change, field, line = BAD[case]
    before = stored(floor)
    for function in ("save_policy", "preview_policy"):
        found = policy(floor)
        last = (uuid.uuid4(),) if function == "save_policy" else ()
        with pytest.raises(psycopg.Error) as caught:
            ask(floor, "mgr", function, found[0], change, found[1], *last)
        told = (caught.value.diag.message_primary, caught.value.diag.message_detail)
        assert told[0] == "policy.bad_field"
        assert f'"field": "{field}"' in str(told[1])
        assert (f'"row": {line}' in str(told[1])) is (line is not None)
    assert stored(floor) == before


@pytest.mark.parametrize("value", [[], "text", 7, None])
def test_a_change_that_is_no_object(floor: Connection, value: Any) -> None:
    found = policy(floor)
    with pytest.raises(psycopg.Error) as caught:
        call_last(floor, "mgr", "save_policy", found[0], [value], found[1])
    assert str(caught.value.sqlstate).startswith("PT4")
    assert stored(floor)[0]["version"] == 1


def test_a_calendar_without_hours_is_refused(floor: Connection) -> None:
    floor.execute("insert into calendars (code, name) values ('never', '从不')")
    with refusal("PT422", "calendar.never_open"):
        save(floor, {"calendar": "never"})


def test_a_wall_clock_forgets_its_calendar(floor: Connection) -> None:
    save(floor, {"measure": "wall", "allowance": 60})
    assert stored(floor)[0]["calendar_id"] is None


# --- variants ---


def add(
    conn: Connection, conditions: dict[str, list[str]], allowance: int, shop: str | None = None, **terms: Any
) -> int:
    change = {
        "code": "order_review",
        "shop_id": shop_id(conn, shop) if shop else None,
        "conditions": conditions,
    }
    return int(save(conn, change | {"allowance": allowance} | terms, id=None, version=None)["id"])


def test_the_most_specific_policy_wins_and_says_why(floor: Connection) -> None:
    default = policy(floor)[0]
    high = add(floor, {"priority": ["high"]}, 30)
    mine = add(floor, {}, 100, "one")
    mine_kind = add(floor, {"kind": ["suspicious", "mismatch"]}, 20, "one")

    def told(facts: dict[str, Any]) -> dict[int, str]:
        answer = ask(floor, "ann", "explain_policy", "order_review", shop_id(floor, "one"), facts)
        return {line["id"]: line["verdict"] for line in answer}

    assert told({"kind": "mismatch", "priority": "high"}) == {
        mine_kind: "wins", mine: "less_specific", high: "less_specific", default: "less_specific",
    }  # fmt: skip
    assert told({"kind": "remote", "priority": "normal"}) == {
        mine: "wins", default: "less_specific", high: "conditions", mine_kind: "conditions",
    }  # fmt: skip
    assert next(iter(told({"kind": "remote"}))) == mine
    version = one(floor, "select version from sla_policies where id = %s", mine)
    save(floor, {"is_active": False}, id=mine, version=version)
    assert told({"priority": "high"}) == {
        high: "wins",
        default: "less_specific",
        mine: "off",
        mine_kind: "conditions",
    }
    assert start(floor, NOON, 1, facts='{"priority": "high"}')["allowance"] == 30
    assert (
        start(floor, NOON, 2, facts='{"kind": ["remote", "mismatch"]}')["allowance"] == 20
    )  # one of several is enough
    assert start(floor, NOON, 3, shop="two", facts='{"kind": ["mismatch"]}')["allowance"] == 120


def test_orders_bring_their_facts(floor: Connection) -> None:
    add(floor, {"kind": ["mismatch"]}, 15)
    add(floor, {"priority": ["high"], "kind": ["remote"]}, 10)
    due = "select due_at - detected_at from order_reviews where order_id = %s"
    assert one(floor, due, add_order(floor, "1", ["mismatch"])) == timedelta(minutes=15)
    assert one(floor, due, add_order(floor, "2", ["remote"])) == timedelta(minutes=120)
    assert one(floor, due, add_order(floor, "3", ["remote"], severity="high")) == timedelta(minutes=10)


def test_an_area_whose_policy_is_off_has_no_clocks(floor: Connection) -> None:
    save(floor, {"is_active": False})
    add(floor, {"kind": ["mismatch"]}, 15)
    with_clock = "select clock_id is not null from order_reviews where order_id = %s"
    assert one(floor, with_clock, add_order(floor, "1", ["remote"])) is False
    assert one(floor, with_clock, add_order(floor, "2", ["mismatch"])) is True


@pytest.mark.parametrize(
    "conditions", [{"kind": []}, {"kind": "remote"}, {"shoe": ["1"]}, {"kind": ["a b"]}, {"kind": [1]}, {"grade": ["A"] * 21}]
)  # fmt: skip
def test_conditions_that_mean_nothing(floor: Connection, conditions: Any) -> None:
    with refusal("PT422", "policy.bad_field"):
        save(floor, {"code": "order_review", "conditions": conditions}, id=None, version=None)
    assert len(stored(floor)) == 1


def test_a_variant_exists_once(floor: Connection) -> None:
    add(floor, {"kind": ["remote", "mismatch"]}, 30)
    for again in ({"kind": ["mismatch", "remote", "mismatch"]}, {}):
        with refusal("PT409", "policy.exists"):
            save(floor, {"code": "order_review", "conditions": again, "allowance": 5}, id=None, version=None)
    with refusal("PT404", "policy.unknown"):
        save(floor, {"code": "no_such", "conditions": {"kind": ["x"]}}, id=None, version=None)


def test_a_variant_keeps_its_place(floor: Connection) -> None:
    mine = add(floor, {}, 100, "one")
    save(
        floor,
        {"shop_id": shop_id(floor, "two"), "conditions": {"kind": ["x"]}, "code": "lead_a", "allowance": 7},
        id=mine,
        version=1,
    )
    kept = row(floor, "select code, shop_id, conditions, allowance from sla_policies where id = %s", mine)
    assert kept == ("order_review", shop_id(floor, "one"), {}, 7)


# --- back to the default ---


def test_restoring_brings_back_what_a_new_installation_has(floor: Connection) -> None:
    before = row(
        floor,
        "select name, measure, calendar_id, allowance, ladder, is_active from sla_policies where code = 'order_review'",
    )
    save(floor, {"name": "别的", "measure": "wall", "allowance": 5, "ladder": [], "is_active": False})
    call_last(floor, "mgr", "reset_policy", *policy(floor))
    after = row(
        floor,
        "select name, measure, calendar_id, allowance, ladder, is_active from sla_policies where code = 'order_review'",
    )
    assert after == before
    mine = add(floor, {}, 100, "one")
    with refusal("PT422", "policy.no_default"):
        call_last(floor, "mgr", "reset_policy", mine, 1)
    with refusal("PT409", "policy.stale"):
        call_last(floor, "mgr", "reset_policy", policy(floor)[0], 1)


# --- D11: new clocks at once, running ones only when told ---


def test_a_saved_policy_holds_for_new_clocks_alone(floor: Connection) -> None:
    running = start(floor, NOON)
    save(floor, {"allowance": 60})
    assert clock(floor, running["id"])["due_at"] == NOON + timedelta(minutes=120)
    assert start(floor, NOON, 2)["due_at"] == NOON + timedelta(minutes=60)


def test_the_preview_shows_when_running_ones_would_be_due_and_changes_nothing(floor: Connection) -> None:
    fresh, halfway, used_up = (
        start(floor, NOON - timedelta(minutes=m), n) for n, m in ((1, 0), (2, 10), (3, 45))
    )
    paused = start(floor, NOON, 4)
    overdue = start(floor, NOON - timedelta(hours=3), 5)
    start(floor, NOON, 6, shop="two")
    floor.execute("select private.pause_clock(%s, '等待客户', %s)", (paused["id"], NOON))
    before, found = rows(floor, "select * from sla_clocks order by id"), stored(floor)
    told = ask(floor, "mgr", "preview_policy", policy(floor)[0], {"allowance": 30}, 1)
    due = {line["clock_id"]: datetime.fromisoformat(line["due_after"]) for line in told.pop("rows")}
    assert due == {
        fresh["id"]: NOON + timedelta(minutes=30),
        halfway["id"]: NOON + timedelta(minutes=20),
        used_up["id"]: NOON,  # never overdue before now
    }
    assert overdue["id"] not in due
    assert told == {"open": 4, "is_all": True, "earlier": 3, "later": 0, "same": 1, "at_once": 1, "soon": 2}
    assert (rows(floor, "select * from sla_clocks order by id"), stored(floor)) == (before, found)
    assert one(floor, "select count(*) from audit_events where entity = 'sla_policy'") == 0


def test_a_preview_of_a_variant_counts_only_what_it_takes_over(floor: Connection) -> None:
    taken = start(floor, NOON, 1, facts='{"kind": ["mismatch"]}')
    start(floor, NOON, 2, facts='{"kind": ["remote"]}')
    change = {"code": "order_review", "conditions": {"kind": ["mismatch"]}, "allowance": 240}
    told = ask(floor, "mgr", "preview_policy", None, change, None)
    assert ([line["clock_id"] for line in told["rows"]], told["open"], told["later"]) == ([taken["id"]], 1, 1)
    assert len(stored(floor)) == 1


def test_recalculating_does_what_the_preview_said(floor: Connection) -> None:
    clocks = [start(floor, NOON - timedelta(minutes=10 * n), n) for n in range(4)]
    done, overdue = start(floor, NOON, 10), start(floor, NOON - timedelta(hours=3), 11)
    elsewhere = start(floor, NOON, 12, shop="two")
    floor.execute("select private.stop_clock(%s, %s)", (done["id"], NOON))
    save(floor, {"allowance": 15})
    told = ask(floor, "mgr", "preview_recalculation", "order_review")
    answer = call_last(floor, "mgr", "recalculate_policy", "order_review", told["stamp"])
    assert (answer, told["open"]) == ({"changed": 4, "left": False}, 4)
    after = {line["clock_id"]: datetime.fromisoformat(line["due_after"]) for line in told["rows"]}
    assert {c["id"]: clock(floor, c["id"])["due_at"] for c in clocks} == after
    for other, due in ((done, 120), (overdue, -60), (elsewhere, 120)):
        assert clock(floor, other["id"])["due_at"] == NOON + timedelta(minutes=due)
    assert clock(floor, done["id"])["state"] == "fulfilled"
    kept = row(
        floor,
        "select kind, reason, m.display_name from sla_clock_events e join members m on m.id = e.actor_id where clock_id = %s",
        clocks[0]["id"],
    )
    assert kept == ("retargeted", "recalculated", "mgr")
    assert one(floor, "select detail -> 'changed' from audit_events where action = 'recalculated'") == 4
    assert ask(floor, "mgr", "preview_recalculation", "order_review")["open"] == 0


def test_what_was_previewed_is_what_is_applied(floor: Connection) -> None:
    running = start(floor, NOON)
    save(floor, {"allowance": 60})
    stamp = ask(floor, "mgr", "preview_recalculation", "order_review")["stamp"]
    save(floor, {"allowance": 5})
    with refusal("PT409", "policy.stale"):
        call_last(floor, "mgr", "recalculate_policy", "order_review", stamp)
    assert clock(floor, running["id"])["due_at"] == NOON + timedelta(minutes=120)


def test_many_are_recalculated_two_hundred_at_a_time(floor: Connection) -> None:
    floor.execute(
        "select private.start_clocks('test', array(select generate_series(1, 250)), %s, 'review', 'lead_a', %s)",
        (shop_id(floor, "one"), NOON),
    )
    save(floor, {"allowance": 60}, code="lead_a")
    stamp = ask(floor, "mgr", "preview_recalculation", "lead_a")["stamp"]
    answers = [call_last(floor, "mgr", "recalculate_policy", "lead_a", stamp) for _ in range(3)]
    assert answers == [
        {"changed": 200, "left": True},
        {"changed": 50, "left": False},
        {"changed": 0, "left": False},
    ]
    assert one(floor, "select count(*) from sla_clocks where due_at = %s", NOON + timedelta(hours=1)) == 250


def test_the_platforms_own_deadline_still_wins_after_a_recalculation(floor: Connection) -> None:
    platform = NOON + timedelta(minutes=40)
    capped = start(floor, NOON, p_latest=platform)
    assert capped["due_at"] == platform
    save(floor, {"allowance": 240})
    told = ask(floor, "mgr", "preview_recalculation", "order_review")
    assert told["same"] == 1
    call_last(floor, "mgr", "recalculate_policy", "order_review", told["stamp"])
    assert (clock(floor, capped["id"])["due_at"], clock(floor, capped["id"])["policy"]["allowance"]) == (
        platform,
        240,
    )


def test_a_policy_switched_off_leaves_running_clocks_alone(floor: Connection) -> None:
    running = start(floor, NOON)
    told = ask(floor, "mgr", "preview_policy", policy(floor)[0], {"is_active": False}, 1)
    assert told["open"] == 0
    save(floor, {"is_active": False})
    stamp = ask(floor, "mgr", "preview_recalculation", "order_review")["stamp"]
    assert call_last(floor, "mgr", "recalculate_policy", "order_review", stamp) == {
        "changed": 0,
        "left": False,
    }
    assert clock(floor, running["id"])["state"] == "running"


# --- D10: a holiday afterwards ---


def test_a_holiday_added_afterwards_moves_open_deadlines_and_no_verdict(floor: Connection) -> None:
    at(floor, clock_at("23 10:00"))
    make = "select * from private.start_clock('test', %s, %s, 'refund', 'refund_arrival', %s)"
    begun, mine = clock_at("18 10:00"), shop_id(floor, "one")
    running, in_time, late = (
        rows(floor, make, (n, mine, when))[0]
        for n, when in ((1, begun), (2, begun), (3, clock_at("02 10:00")))
    )
    floor.execute("select private.stop_clock(%s, %s)", (in_time["id"], clock_at("20 10:00")))
    floor.execute("select private.stop_clock(%s, %s)", (late["id"], clock_at("20 10:00")))
    verdicts = (
        "select id, state, due_at, breached_at from sla_clocks where stopped_at is not null order by id"
    )
    before = rows(floor, verdicts)
    assert [line["state"] for line in before] == ["fulfilled", "fulfilled_late"]
    floor.execute(
        "insert into calendar_days select id, '2026-11-24', '{}' from calendars where code = 'workdays'"
    )
    floor.execute(
        "select private.recalculate_clocks(id, %s, '{running,scheduled,uncovered}', %s) from calendars where code = 'workdays'",
        (clock_at("24 00:00"), clock_at("23 10:00")),
    )
    assert clock(floor, running["id"])["due_at"] == running["due_at"] + timedelta(days=1)
    assert rows(floor, verdicts) == before


# --- what is remembered ---


def test_the_history_tells_who_changed_what(floor: Connection) -> None:
    save(floor, {"allowance": 90})
    mine = add(floor, {"kind": ["mismatch"]}, 30, "one")
    save(floor, {"is_active": False}, who="adm", id=mine, version=1)
    call_last(floor, "mgr", "reset_policy", *policy(floor))
    told = ask(floor, "ana", "policy_history", "order_review")
    assert [(line["action"], line["who"], line["policy_id"] == mine) for line in told] == [
        ("reset", "mgr", False), ("saved", "adm", True), ("added", "mgr", True), ("saved", "mgr", False),
    ]  # fmt: skip
    assert told[-1]["detail"]["changes"] == {"allowance": {"from": 120, "to": 90}}
    assert told[1]["detail"]["changes"] == {"is_active": {"from": True, "to": False}}
    assert ask(floor, "mgr", "policy_history", "lead_a") == []
    with refusal("PT403", "member.role"):
        ask(floor, "ann", "policy_history", "order_review")


def test_the_history_of_another_shop_stays_there(floor: Connection) -> None:
    change = {"code": "order_review", "shop_id": shop_id(floor, "two"), "allowance": 5}
    save(floor, change, who="adm", id=None, version=None)
    assert ask(floor, "mgr", "policy_history", "order_review") == []
    assert len(ask(floor, "far", "policy_history", "order_review")) == 1
