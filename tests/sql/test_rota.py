"""排班: who is on duty, who leads, what planning refuses, and what a campaign changes."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

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


STAFF = {"ann", "ben", "cid", "lea", "ops", "mgr", "whs"}  # the analyst reads, and is called by nobody


def test_without_a_rota_everybody_counts_while_the_shop_is_open(floor: Connection) -> None:
    assert on_duty(floor, NOON) == STAFF
    assert on_duty(floor, NOON, None) == STAFF | {"far"}
    assert on_duty(floor, NOON.replace(hour=7, minute=59)) == set()
    assert on_duty(floor, NOON.replace(hour=8)) == STAFF
    assert is_on_duty(floor, "whs", NOON)
    assert not is_on_duty(floor, "whs", NOON.replace(hour=3))
    assert is_on_duty(floor, "adm", NOON)


def cell(
    db: Connection, name: str, *shifts: dict[str, Any], day: str = "2026-11-18", kind: str = "", **more: Any
) -> dict[str, Any]:
    return {
        "member_id": member(db, name), "day": day, "version": 0, "kind": kind or ("work" if shifts else "rest"),
        "note": "", "shifts": list(shifts), **more,
    }  # fmt: skip


def send(db: Connection, who: str, function: str, *args: Any, request: uuid.UUID | None = None) -> Any:
    return desk.ask(db, who, function, *args, request or uuid.uuid4())


def plan(db: Connection, *cells: dict[str, Any], who: str = "mgr", source: str = "edited") -> Any:
    return send(db, who, "save_rota", list(cells), source)


def lead(shift_id: int, **more: Any) -> dict[str, Any]:
    return {"id": shift_id, "is_lead": True, **more}


@pytest.fixture
def planned(floor: Connection) -> Connection:
    """Ann leads the early shift with ben as deputy, lea works late, cid rests."""
    early, late = shift(floor), shift(floor, "晚班")
    plan(
        floor,
        cell(floor, "ann", lead(early)),
        cell(floor, "ben", {"id": early, "is_deputy": True}),
        cell(floor, "lea", {"id": late}),
        cell(floor, "cid"),
    )
    floor.execute("update members set duty_lead_until = null")
    return floor


def test_with_a_rota_those_on_shift_are_on_duty(planned: Connection) -> None:
    assert on_duty(planned, NOON) == {"ann", "ben"}
    assert on_duty(planned, NOON.replace(hour=16, minute=15)) == {"ann", "ben", "lea"}  # handing over
    assert on_duty(planned, NOON.replace(hour=16, minute=30)) == {"lea"}
    assert on_duty(planned, NOON.replace(hour=23, minute=59)) == {"lea"}
    assert on_duty(planned, NOON + timedelta(hours=12)) == set()  # 24:00 is over
    assert on_duty(planned, NOON, "two") == {"far"}  # nobody plans there


def test_the_role_nobody_plans_counts_while_the_shop_is_open(planned: Connection) -> None:
    assert is_on_duty(planned, "whs", NOON)
    assert not is_on_duty(planned, "cid", NOON)
    assert not is_on_duty(planned, "lea", NOON)
    assert is_on_duty(planned, "lea", NOON.replace(hour=20))
    assert not is_on_duty(planned, "whs", NOON.replace(hour=2))


def test_leave_of_one_is_no_plan_for_the_others(floor: Connection) -> None:
    plan(floor, cell(floor, "ann", kind="leave"))
    assert on_duty(floor, NOON) == STAFF - {"ann"}
    assert not is_on_duty(floor, "ann", NOON)
    assert is_on_duty(floor, "ben", NOON)


def test_somebody_switched_off_is_not_on_duty(planned: Connection) -> None:
    planned.execute("update members set state = 'off' where staff_no = 'ann'")
    assert on_duty(planned, NOON) == {"ben"}
    assert leads(planned, NOON) == {"ben"}  # the deputy steps in
    assert not is_on_duty(planned, "ann", NOON)


def test_who_leads(planned: Connection) -> None:
    assert leads(planned, NOON) == {"ann"}
    assert leads(planned, NOON.replace(hour=20)) == {"mgr"}  # late has no lead: the managers
    assert leads(planned, NOON, "two") == {"adm"}  # no manager either
    planned.execute(
        "update members set duty_lead_until = %s where staff_no = 'ops'", (NOON + timedelta(hours=9),)
    )
    assert leads(planned, NOON.replace(hour=20)) == {"ops"}
    assert leads(planned, NOON) == {"ann", "ops"}


def test_a_lead_may_answer_through_the_night(floor: Connection) -> None:
    late = shift(floor, "晚班")
    until = datetime.fromisoformat("2026-11-19T08:00+08:00")
    plan(floor, cell(floor, "lea", lead(late, lead_until=until.isoformat())))
    assert leads(floor, until - timedelta(minutes=1)) == {"lea"}
    assert leads(floor, until) == {"mgr"}
    assert on_duty(floor, until - timedelta(hours=3)) == set()  # on call, not on shift


def test_a_lead_may_end_before_the_shift(floor: Connection) -> None:
    early = shift(floor)
    plan(
        floor, cell(floor, "ann", lead(early, lead_until=NOON.isoformat())), cell(floor, "ben", {"id": early})
    )
    query = "select is_lead from private.on_duty(%s, %s) where member_id = %s"
    before = one(floor, query, shop(floor), NOON - timedelta(minutes=1), member(floor, "ann"))
    assert (before, one(floor, query, shop(floor), NOON, member(floor, "ann"))) == (True, False)


@pytest.mark.parametrize(("name", "allowed"), [("ann", True), ("ben", False), ("ops", False)])
def test_the_lead_of_the_shift_waives_what_needs_a_manager(
    planned: Connection, name: str, allowed: bool
) -> None:
    order = desk.add_order(planned, f"L-{name}", ["suspicious"])
    items = [desk.item(planned, order)]
    answer = desk.call(planned, name, "decide_exceptions", items, "waived", "customer_confirmed")
    assert (desk.state(planned, order) == "waived") is allowed, answer


def test_the_deputy_waives_where_the_lead_is_away(planned: Connection) -> None:
    plan(planned, cell(planned, "ann", kind="leave", version=1))
    assert one(planned, "select private.leads_now(%s, %s)", member(planned, "ben"), NOON)
    assert not one(planned, "select private.leads_now(%s, %s)", member(planned, "lea"), NOON)


# --- planning ----------------------------------------------------------------------------------------------------------


def refused(
    db: Connection, key: str, *cells: dict[str, Any], who: str = "mgr", source: str = "edited"
) -> Any:
    before = db.execute("select * from rota_days order by 1, 2").fetchall()
    with pytest.raises(psycopg.Error) as caught:
        plan(db, *cells, who=who, source=source)
    assert caught.value.diag.message_primary == key
    assert db.execute("select * from rota_days order by 1, 2").fetchall() == before
    return json.loads(caught.value.diag.message_detail or "{}")


@pytest.mark.parametrize("who", ["ann", "ops", "whs", "ana"])
def test_only_managers_and_admins_plan(floor: Connection, who: str) -> None:
    refused(floor, "member.role", cell(floor, "ann"), who=who)


def test_managers_plan_people_of_their_shops(floor: Connection) -> None:
    told = refused(floor, "rota.not_my_member", cell(floor, "ann"), cell(floor, "far"))
    assert told == {"name": "far", "day": "2026-11-18"}
    plan(floor, cell(floor, "far"), who="adm")
    assert one(floor, "select kind from rota_days where member_id = %s", member(floor, "far")) == "rest"


def test_the_second_of_two_editors_is_refused_with_who_and_when(planned: Connection) -> None:
    told = refused(
        planned,
        "rota.stale",
        cell(planned, "ann", kind="leave"),
        cell(planned, "ben", version=1),
        cell(planned, "cid", kind="leave"),
        who="adm",
    )
    assert (told["who"], told["name"], told["count"]) == ("mgr", "ann", 2)
    assert datetime.fromisoformat(told["at"]) == NOON


def test_a_day_planned_anew_forgets_its_old_shifts(planned: Connection) -> None:
    late = shift(planned, "晚班")
    plan(planned, cell(planned, "ann", {"id": late}, version=1, note="换班"), source="imported")
    rows = planned.execute(
        "select shift_name, is_lead, note, d.version, source from rota_entries e join rota_days d using (member_id, day)"
        " where member_id = %s", (member(planned, "ann"),)
    ).fetchall()  # fmt: skip
    assert rows == [("晚班", False, "换班", 2, "imported")]
    audit = desk.row(
        planned, "select action, detail from audit_events where entity = 'rota' order by id desc limit 1"
    )
    assert audit[0] == "imported"
    assert (audit[1]["days"], audit[1]["from"]) == (1, "2026-11-18")


def test_a_day_taken_back_is_not_planned(planned: Connection) -> None:
    names = ("ann", "ben", "lea", "cid")
    plan(planned, *(cell(planned, name, kind="open", version=1) for name in names))
    assert on_duty(planned, NOON) == STAFF


BAD = {
    "work without a shift": ("rota.bad_cell", {"kind": "work"}),
    "rest with a shift": ("rota.bad_cell", {"kind": "rest", "shifts": [{"id": 1}]}),
    "an unknown kind": ("rota.bad_cell", {"kind": "party"}),
    "no kind": ("rota.bad_cell", {"kind": None}),
    "a long note": ("rota.bad_cell", {"note": "字" * 201}),
    "an unknown shift": ("rota.bad_shift", {"kind": "work", "shifts": [{"id": 999999}]}),
    "a shift of whole days": ("rota.bad_shift", {"kind": "work", "shifts": ["workdays"]}),
    "shifts that are no list": ("rota.bad_cell", {"kind": "work", "shifts": 5}),
    "a shift that is a word": ("rota.bad_cell", {"kind": "work", "shifts": [{"id": "x"}]}),
    "a day that is a word": ("rota.bad_cell", {"day": "soon"}),
    "no day": ("rota.bad_day", {"day": None}),
    "long ago": ("rota.bad_day", {"day": "2020-01-01"}),
    "far ahead": ("rota.bad_day", {"day": "2029-01-01"}),
    "nobody": ("rota.not_my_member", {"member_id": 999999}),
    "no member": ("rota.not_my_member", {"member_id": None}),
    "a member that is a word": ("rota.bad_cell", {"member_id": "ann"}),
    "lead and deputy": ("rota.bad_cell", {"kind": "work", "shifts": [{"is_lead": True, "is_deputy": True}]}),
    "a lead who never ends": ("rota.bad_lead_until", {"kind": "work", "shifts": [{"is_lead": True, "lead_until": "2026-12-18T08:00Z"}]}),
    "an end without a lead": ("rota.bad_lead_until", {"kind": "work", "shifts": [{"lead_until": "2026-11-18T10:00Z"}]}),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_days_that_mean_nothing(floor: Connection, case: str) -> None:
    key, more = BAD[case]
    wanted = cell(floor, "ann") | more
    if isinstance(wanted["shifts"], list):
        wanted["shifts"] = [
            {"id": shift(floor, "全天", "workdays")} if one_ == "workdays" else {"id": shift(floor), **one_}
            for one_ in wanted["shifts"]
        ]
    refused(floor, key, wanted)


@pytest.mark.parametrize("cells", [5, {"a": 1}, [1], ["x"]])
def test_requests_that_are_no_list_of_days(floor: Connection, cells: Any) -> None:
    with pytest.raises(psycopg.Error, match=r"rota\.bad_cell"):
        send(floor, "mgr", "save_rota", Jsonb(cells), "edited")


def test_the_same_day_twice_and_too_many(floor: Connection) -> None:
    refused(floor, "rota.bad_cell", cell(floor, "ann"), cell(floor, "ann"))
    refused(floor, "bulk.too_many", *[cell(floor, "ann")] * 2501)
    refused(floor, "rota.bad_cell", cell(floor, "ann"), source="guessed")


def test_analysts_lead_no_shift_and_who_left_works_none(floor: Connection) -> None:
    refused(floor, "rota.bad_lead", cell(floor, "ana", lead(shift(floor))))
    floor.execute("update members set state = 'off' where staff_no = 'ann'")
    refused(floor, "rota.member_off", cell(floor, "ann", {"id": shift(floor)}))


def test_the_same_request_twice_plans_once(floor: Connection) -> None:
    request = uuid.uuid4()
    for _ in range(2):
        send(floor, "mgr", "save_rota", [cell(floor, "ann")], "edited", request=request)
    assert one(floor, "select version from rota_days") == 1


# --- screens -----------------------------------------------------------------------------------------------------------


def test_everybody_sees_the_rota_of_his_shops(planned: Connection) -> None:
    plan(planned, cell(planned, "far"), who="adm")
    for name in ("cid", "ana", "whs"):
        screen = desk.ask(planned, name, "rota_screen", TODAY, 7)
        assert {person["name"] for person in screen["people"]} == STAFF
        assert len(screen["days"]) == 4
    assert len(desk.ask(planned, "adm", "rota_screen", TODAY, 7)["days"]) == 5
    assert len(desk.ask(planned, "far", "rota_screen", TODAY, 7)["days"]) == 1
    with pytest.raises(psycopg.Error, match=r"shop\.none"):
        desk.ask(planned, "far", "rota_screen", TODAY, 7, shop(planned))


def test_what_the_screen_tells_of_a_day(planned: Connection) -> None:
    screen = desk.ask(planned, "cid", "rota_screen", TODAY, 1)
    (found,) = [day for day in screen["days"] if day["member_id"] == member(planned, "ann")]
    (entry,) = found["shifts"]
    assert (found["kind"], found["version"], entry["name"], entry["is_lead"]) == ("work", 1, "早班", True)
    assert datetime.fromisoformat(entry["starts_at"]) == NOON.replace(hour=8)
    of_shops = [s["name"] for s in screen["shifts"] if s["is_of_shops"]]
    assert of_shops == ["早班", "晚班"]


def test_on_duty_now(planned: Connection) -> None:
    told = desk.ask(planned, "cid", "on_duty")
    assert [(p["name"], p["shift"], p["is_lead"], p["is_deputy"]) for p in told["people"]] == [
        ("ann", "早班", True, False),
        ("ben", "早班", False, True),
    ]
    assert datetime.fromisoformat(told["people"][0]["until"]) == NOON.replace(hour=16, minute=30)
    assert (told["leads"], told["is_planned"]) == (
        [{"id": member(planned, "ann"), "name": "ann", "is_by_rota": True}],
        True,
    )
    told = desk.ask(planned, "far", "on_duty")
    assert ([p["name"] for p in told["people"]], told["is_planned"]) == (["far"], False)
    with pytest.raises(psycopg.Error, match=r"shop\.none"):
        desk.ask(planned, "far", "on_duty", shop(planned))


# --- shifts that change, campaigns ---------------------------------------------------------------------------------------


def calendar(db: Connection, code: str = "all") -> dict[str, Any]:
    screen = desk.ask(db, "mgr", "calendars_screen")
    found: dict[str, Any] = next(c for c in screen["calendars"] if c["code"] == code)
    return found


def test_a_shift_that_changes_moves_the_days_to_come_alone(planned: Connection) -> None:
    late = shift(planned, "晚班")
    plan(
        planned,
        cell(planned, "ben", {"id": late}, day="2026-11-10"),
        cell(planned, "ben", {"id": late}, day="2026-11-30"),
    )
    changed = calendar(planned)
    next(s for s in changed["shifts"] if s["id"] == late).update(name="夜班", closes=1560)
    send(planned, "mgr", "save_calendar", changed)
    rows = planned.execute(
        "select day::text, shift_name, ends_at from rota_entries where shift_id = %s order by day", (late,)
    ).fetchall()
    ends = {day: (name, end.astimezone(NOON.tzinfo).isoformat()[:16]) for day, name, end in rows}
    assert ends == {
        "2026-11-10": ("晚班", "2026-11-11T00:00"),
        "2026-11-18": ("夜班", "2026-11-19T02:00"),
        "2026-11-30": ("夜班", "2026-12-01T02:00"),
    }
    assert on_duty(planned, NOON + timedelta(hours=13)) == {"lea"}  # across midnight


def test_a_shift_with_people_on_it_is_not_taken_away(planned: Connection) -> None:
    early = shift(planned)
    changed = calendar(planned)
    changed["shifts"] = [s for s in changed["shifts"] if s["id"] != early]
    with pytest.raises(psycopg.Error, match=r"calendar\.shift_planned"):
        send(planned, "mgr", "save_calendar", changed)
    assert shift(planned) == early
    at(planned, NOON + timedelta(days=2))
    send(planned, "mgr", "save_calendar", changed)
    rows = planned.execute("select shift_id, shift_name from rota_entries where is_lead").fetchall()
    assert rows == [(None, "早班")]  # who was on duty stays known


def test_a_campaign_calls_all_hands_opens_the_night_and_ends_by_itself(planned: Connection) -> None:
    plan(planned, cell(planned, "cid", kind="leave", day="2026-11-19"))
    start, end = NOON + timedelta(hours=12), NOON + timedelta(hours=16)
    query = "select private.start_clock('right', 1, id, 'review', 'order_review', %s) from shops where code = 'one'"
    planned.execute(query, (NOON.replace(hour=23, minute=30),))
    change = {
        "name": "双12", "starts_at": start.isoformat(), "ends_at": end.isoformat(), "is_all_hands": True,
        "calendars": [calendar(planned)["id"]],
    }  # fmt: skip
    seen = desk.ask(planned, "mgr", "preview_calendar_change", "campaign", change)
    assert (seen["moved"], seen["earlier"], seen["later"]) == (1, 1, 0)
    assert one(planned, "select count(*) from campaigns") == 0
    saved = send(planned, "mgr", "save_campaign", change)
    assert saved["moved"] == 1
    assert one(planned, "select due_at from sla_clocks") == NOON + timedelta(hours=13, minutes=30)
    night = NOON + timedelta(hours=13)
    assert on_duty(planned, night) == STAFF - {"cid"}
    assert is_on_duty(planned, "whs", night)
    assert not is_on_duty(planned, "cid", night)
    assert on_duty(planned, end) == set()
    send(planned, "mgr", "end_campaign", saved["id"], saved["version"])
    assert one(planned, "select due_at from sla_clocks") == NOON + timedelta(hours=21, minutes=30)
    assert on_duty(planned, night) == set()


WRONG: dict[str, tuple[str, str, Any]] = {
    "a campaign of calendars that are no list": ("save_campaign", "campaign.bad_value", {"calendars": 5}),
    "a campaign of an unknown calendar": ("save_campaign", "campaign.bad_calendar", {"calendars": [999999]}),
    "a campaign of words": ("save_campaign", "campaign.bad_value", {"calendars": ["x"]}),
    "a campaign without an end": ("save_campaign", "campaign.bad_value", {"calendars": [], "name": "大促"}),
    "a campaign of a year": (
        "save_campaign",
        "campaign.bad_value",
        {"calendars": [], "name": "大促", "starts_at": "2026-12-01T00:00Z", "ends_at": "2027-12-01T00:00Z"},
    ),
    "a campaign nobody knows": (
        "save_campaign",
        "campaign.none",
        {"calendars": [], "id": 999999, "version": 1},
    ),
    "no calendar": ("save_calendar", "shop.bad_timezone", {}),
    "a calendar that is a word": ("save_calendar", "calendar.bad_value", {"id": "x"}),
    "a calendar nobody knows": ("save_calendar", "calendar.none", {"id": 999999}),
    "a code of capitals": (
        "save_calendar",
        "calendar.bad_value",
        {"code": "ABC", "name": "x", "timezone": "UTC", "shifts": []},
    ),
    "no shifts": (
        "save_calendar",
        "calendar.no_shift",
        {"code": "abc", "name": "x", "timezone": "UTC", "shifts": []},
    ),
    "shifts that are a word": (
        "save_calendar",
        "calendar.bad_shift",
        {"code": "abc", "name": "x", "timezone": "UTC", "shifts": "x"},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_calendars_and_campaigns_that_mean_nothing(floor: Connection, case: str) -> None:
    function, key, change = WRONG[case]
    counts = "select (select count(*) from calendars) + (select count(*) from campaigns)"
    before = one(floor, counts)
    with pytest.raises(psycopg.Error) as caught:
        send(floor, "mgr", function, change)
    assert caught.value.diag.message_primary == key
    assert one(floor, counts) == before
