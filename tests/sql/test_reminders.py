"""Reminders: each step said once, to whoever can act, and not a word after the deadline is over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from backend import channels, reminders
from tests.sql import desk
from tests.sql.desk import add_order, ask, at, one, refusal
from tests.sql.reminding import (
    NOON,
    channel,
    claim,
    clock_of,
    later,
    member,
    own,
    plan,
    prefer,
    request,
    rows,
    service,
    shop,
    start,
    steps,
    sweep,
    told,
)

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    desk.open_floor(db)
    return db


# --- who hears of a step --------------------------------------------------------------------------------------------


def test_work_without_an_owner_is_told_to_those_on_duty_who_can_do_it(floor: Connection) -> None:
    order = add_order(floor, "A-1", ["mismatch"])
    assert sweep(floor, later(minutes=59, seconds=59)) == {"due": 0, "queued": 0, "suppressed": 0, "moved": 0}
    assert sweep(floor, later(hours=1)) == {"due": 1, "queued": 1, "suppressed": 0, "moved": 0}
    assert told(floor) == {name: ["A-1"] for name in ("ann", "ben", "lea", "ops")}
    (note,) = rows(
        floor,
        "select kind, path, params, is_urgent from notifications where member_id = %s",
        member(floor, "ann"),
    )
    assert (note["kind"], note["path"], note["is_urgent"]) == ("due_soon", f"/orders?id={order}", False)
    assert note["params"]["entity"] == "order_review"
    assert datetime.fromisoformat(note["params"]["due_at"]) == later(hours=2)


def test_who_could_do_work_in_place_of_its_owner(floor: Connection) -> None:
    """Every kind of work that has a deadline names its people, and work that nobody named is nobody's."""
    people = {"agent", "operations", "warehouse", "manager", "analyst", "admin"}
    able = {
        "order_review": {"operations", "agent with review"},
        "order": {"warehouse"},
        "parcel_exception": {"agent", "operations"},
        "lead": {"agent with presales"},
        "promise": {"agent"},
        "ticket": {"operations", "agent with aftersales"},
        "return": {"operations", "agent with aftersales"},
        "public_complaint": {"operations", "agent with aftersales"},
        "survey": {"agent", "operations"},
        "approval": {"manager"},
        "task": {"manager"},
        "kpi_alert": {"manager"},
        "anything else": set(),
    }
    kinds = {row["applies_to"] for row in rows(floor, "select applies_to from private.seed_policies()")}
    assert kinds <= set(able)
    wrong = []
    for kind, expected in able.items():
        found = set()
        for who in (*people, *(f"agent with {skill}" for skill in ("review", "presales", "aftersales"))):
            role, _, skill = who.partition(" with ")
            if desk.one(floor, "select private.can_work(%s, %s, %s)", kind, role, [skill] if skill else []):
                found.add(who)
        if "agent" in found:  # with or without a skill
            found = {who for who in found if " with " not in who}
        if found != expected:
            wrong.append((kind, found))
    assert not wrong


def test_the_owner_alone_hears_of_his_own_work(floor: Connection) -> None:
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, later(hours=1))
    assert told(floor) == {"ann": ["A-1"]}


def test_the_deadline_itself_goes_to_the_lead_of_the_shift_too(floor: Connection) -> None:
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, later(hours=1))
    sweep(floor, later(hours=2))
    assert told(floor, "overdue") == {"ann": ["A-1"], "lea": ["A-1"]}
    assert told(floor, "due_soon") == {}, "the earlier message is closed"
    assert one(floor, "select bool_and(is_urgent) from notifications where kind = 'overdue'")


def test_the_last_step_puts_the_item_back_and_says_so(floor: Connection) -> None:
    order = add_order(floor, "A-1", ["mismatch"])
    own(floor, "ann", order)
    for hours in (1, 2):
        sweep(floor, later(hours=hours))
    assert sweep(floor, later(hours=3))["moved"] == 1
    assert desk.review(floor, order)[:2] == ("open", None)
    assert told(floor) == {name: ["A-1"] for name in ("ann", "ben", "lea", "ops")}
    assert set(told(floor, "returned")) == {"ann", "ben", "lea", "ops"}
    query = "select actor, action from audit_events where entity = 'order' and entity_id = %s"
    assert floor.execute(query, (order,)).fetchall() == [("system", "returned_overdue")]
    assert sweep(floor, later(hours=9)) == {"due": 0, "queued": 0, "suppressed": 0, "moved": 0}


def test_a_step_can_raise_the_priority(floor: Connection) -> None:
    floor.execute(
        "update sla_policies set ladder = %s where code = 'order_review'",
        (Jsonb([{"percent": 50, "who": ["owner"], "action": "raise_priority"}]),),
    )
    order = add_order(floor, "A-1", ["mismatch"])
    assert sweep(floor, later(hours=1))["moved"] == 1
    assert one(floor, "select is_high from order_reviews where order_id = %s", order)
    floor.execute("select private.refresh_reviews(array[%s::bigint], private.now())", (order,))
    assert one(floor, "select is_high from order_reviews where order_id = %s", order), "a new look keeps it"
    assert set(told(floor, "raised")) == {"ann", "ben", "lea", "ops"}


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("manager", {"mgr"}),
        ("warehouse", {"whs"}),
        ("duty_lead", {"lea"}),
        ("on_duty", {"ann", "ben", "lea", "ops"}),
    ],
)
def test_every_kind_of_reader(floor: Connection, who: str, expected: set[str]) -> None:
    floor.execute(
        "update sla_policies set ladder = %s where code = 'order_review'",
        (Jsonb([{"percent": 50, "who": [who], "action": "notify"}]),),
    )
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, later(hours=1))
    assert set(told(floor)) == expected


def test_at_night_it_goes_to_the_shift_that_is_there(floor: Connection) -> None:
    """D15: 23:58, and the owner's shift ended at 16:30."""
    evening = NOON.replace(hour=22, minute=58)
    plan(floor, "ann", NOON.replace(hour=8))
    plan(floor, "ben", NOON.replace(hour=16), 8, lead=True)
    plan(floor, "ops", NOON.replace(hour=16), 8)
    at(floor, evening)
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, NOON.replace(hour=23, minute=58))
    assert set(told(floor)) == {"ben", "ops"}
    roles = rows(floor, "select distinct role from private.reminder_people")
    assert roles == [{"role": "on_duty"}]


def test_a_deputy_stands_in_for_the_lead(floor: Connection) -> None:
    floor.execute("update members set duty_lead_until = null")
    plan(floor, "ann", NOON.replace(hour=8))
    plan(floor, "ben", NOON.replace(hour=8), deputy=True)
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, later(hours=2))
    assert set(told(floor)) == {"ann", "ben"}


def test_with_nobody_on_duty_the_managers_hear_of_it(floor: Connection) -> None:
    floor.execute("update members set duty_lead_until = null")
    plan(floor, "ann", NOON.replace(hour=8), 1)
    add_order(floor, "A-1", ["mismatch"])
    sweep(floor, later(hours=1))
    assert set(told(floor)) == {"mgr"}


def test_nobody_left_to_tell_is_written_down(floor: Connection) -> None:
    add_order(floor, "A-1", ["mismatch"])
    floor.execute("update members set state = 'off'")
    assert sweep(floor, later(hours=1))["suppressed"] == 1
    assert rows(floor, "select state, reason from reminders") == [{"state": "suppressed", "reason": "nobody"}]


def test_another_shop_is_not_told(floor: Connection) -> None:
    add_order(floor, "B-1", ["mismatch"], shop="two")
    sweep(floor, later(hours=1))
    assert set(told(floor)) == {"far"}


# --- what a person asked for ----------------------------------------------------------------------------------------


def test_urgent_only_leaves_out_what_is_not_due_yet(floor: Connection) -> None:
    prefer(floor, "ann", "urgent")
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    assert sweep(floor, later(hours=1))["suppressed"] == 1
    assert rows(floor, "select state, reason from reminders") == [{"state": "suppressed", "reason": "preset"}]
    sweep(floor, later(hours=2))
    assert told(floor)["ann"] == ["A-1"]


def test_only_at_me_leaves_out_what_is_for_everybody(floor: Connection) -> None:
    for name in ("ann", "lea"):
        prefer(floor, name, "mentions")
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    add_order(floor, "A-2", ["remote"])
    sweep(floor, later(hours=1))
    assert told(floor)["ann"] == ["A-1"]
    assert "lea" not in told(floor)
    assert told(floor)["ben"] == ["A-2"]
    sweep(floor, later(hours=2))
    assert sorted(told(floor)["lea"]) == ["A-1", "A-2"], "he answers for the shift"


# --- once, and in time ----------------------------------------------------------------------------------------------


def test_a_late_sweep_says_it_once_and_marks_it_late(floor: Connection) -> None:
    """D2."""
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, later(hours=1, minutes=17))
    sweep(floor, later(hours=1, minutes=18))
    assert rows(floor, "select late_minutes, state from reminders") == [{"late_minutes": 17, "state": "sent"}]
    assert told(floor) == {"ann": ["A-1"]}


def test_after_six_hours_one_digest_and_no_due_soon(floor: Connection) -> None:
    """D3: down from 12:00 to 18:00 over 40 items."""
    room = channel(floor)
    orders = [add_order(floor, f"A-{n:02}", ["mismatch"]) for n in range(40)]
    own(floor, "ann", *orders)
    assert sweep(floor, later(hours=6)) == {"due": 120, "queued": 40, "suppressed": 80, "moved": 40}
    assert rows(floor, "select distinct step, state, reason from reminders order by step") == [
        {"step": 1, "state": "suppressed", "reason": "overtaken"},
        {"step": 2, "state": "suppressed", "reason": "overtaken"},
        {"step": 3, "state": "queued", "reason": None},
    ]
    per_person = rows(floor, "select member_id, kind, params from notifications where kind <> 'daily'")
    assert len({row["member_id"] for row in per_person}) == len(per_person) == 4
    for row in per_person:
        assert (row["kind"], row["params"]["count"], row["params"]["overdue"]) == ("digest", 40, 40)
        assert {item["state"] for item in row["params"]["items"]} == {"overdue"}
    assert "lea" in told(floor), "named by the step that was overtaken"
    (message,) = claim(floor)
    assert message["channel_id"] == room
    assert len(message["lines"]) == 40
    assert {line["state"] for line in message["lines"]} == {"overdue"}
    assert sweep(floor)["due"] == 0


def test_overdue_paused_resumed_is_said_exactly_once_more(floor: Connection) -> None:
    """D5."""
    order = add_order(floor, "A-1", ["mismatch"])
    own(floor, "ann", order)
    clock = clock_of(floor, order)
    for hours in (1, 2):
        sweep(floor, later(hours=hours))
    floor.execute(
        "select private.pause_clock(%s, 'waiting_customer', %s)", (clock, later(hours=2, minutes=10))
    )
    assert told(floor) == {}
    assert sweep(floor, later(hours=2, minutes=20))["due"] == 0
    floor.execute("select private.resume_clock(%s, %s)", (clock, later(hours=2, minutes=30)))
    for minutes in (30, 31, 40):
        sweep(floor, later(hours=2, minutes=minutes))
    assert [step[:2] for step in steps(floor, clock)] == [(1, 1), (1, 2), (2, 2)]
    assert told(floor) == {"ann": ["A-1"], "lea": ["A-1"]}


def test_a_new_owner_a_minute_before_gets_it(floor: Connection) -> None:
    """D6, before the step."""
    order = add_order(floor, "A-1", ["mismatch"])
    own(floor, "ann", order)
    at(floor, later(minutes=59))
    own(floor, "ben", order)
    sweep(floor, later(hours=1))
    assert told(floor) == {"ben": ["A-1"]}


def test_what_the_old_owner_has_not_read_goes_on_to_the_new_one(floor: Connection) -> None:
    """D6, after the step."""
    order = add_order(floor, "A-1", ["mismatch"])
    own(floor, "ann", order)
    sweep(floor, later(hours=1))
    own(floor, "ben", order)
    assert told(floor) == {"ben": ["A-1"]}
    own(floor, "ann", order)
    own(floor, "ben", order)
    assert one(floor, "select count(*) from notifications where member_id = %s", member(floor, "ben")) == 1


def test_what_was_read_is_not_passed_on(floor: Connection) -> None:
    order = add_order(floor, "A-1", ["mismatch"])
    own(floor, "ann", order)
    sweep(floor, later(hours=1))
    ask(floor, "ann", "read_notifications")
    own(floor, "ben", order)
    assert told(floor) == {}


def test_who_claims_an_item_ends_it_for_the_others(floor: Connection) -> None:
    order = add_order(floor, "A-1", ["mismatch"])
    sweep(floor, later(hours=1))
    assert len(told(floor)) == 4
    desk.call(floor, "ann", "claim_order", order)
    assert told(floor) == {"ann": ["A-1"]}


def test_nothing_is_said_after_the_work_is_done(floor: Connection) -> None:
    """D7: the close commits before the sweep looks."""
    order = add_order(floor, "A-1", ["mismatch"])
    own(floor, "ann", order)
    at(floor, later(hours=1))
    floor.execute("select private.stop_clock(%s, %s)", (clock_of(floor, order), later(hours=1)))
    assert sweep(floor, later(hours=1))["due"] == 0
    assert told(floor) == {}


def test_done_closes_what_was_said(floor: Connection) -> None:
    order = add_order(floor, "A-1", ["mismatch"])
    sweep(floor, later(hours=1))
    floor.execute("select private.stop_clock(%s, %s)", (clock_of(floor, order), later(hours=1, minutes=5)))
    assert told(floor) == {}
    assert ask(floor, "ann", "bell")["unread"] == 0
    assert steps(floor, clock_of(floor, order)) == [(1, 1, "sent", None)], "it was said, and stays so"


def test_a_digest_closes_with_its_last_item(floor: Connection) -> None:
    orders = [add_order(floor, f"A-{n}", ["mismatch"]) for n in range(5)]
    own(floor, "ann", *orders)
    sweep(floor, later(hours=1))
    for left, order in zip((4, 3, 2, 1), orders, strict=False):
        floor.execute("select private.stop_clock(%s, %s)", (clock_of(floor, order), later(hours=1)))
        (note,) = ask(floor, "ann", "bell")["newest"]
        assert (note["kind"], note["params"]["open"]) == ("digest", left)
    floor.execute("select private.stop_clock(%s, %s)", (clock_of(floor, orders[4]), later(hours=1)))
    assert ask(floor, "ann", "bell") == {"unread": 0, "urgent": 0, "newest": []}


def test_the_merged_one_is_silent_for_ever(floor: Connection) -> None:
    """D8, what it means for reminders."""
    first, second = start(floor, "lead_a", NOON), start(floor, "lead_a", later(hours=1), entity_id=2)
    floor.execute("select private.merge_clock(%s, %s, %s)", (first, second, later(hours=2)))
    sweep(floor, later(days=3))
    assert steps(floor, first) == []
    assert [step[1:3] for step in steps(floor, second)] == [(1, "suppressed"), (2, "suppressed"), (3, "sent")]


def test_a_clock_set_back_repeats_nothing(floor: Connection) -> None:
    """D14."""
    room = channel(floor)
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, later(hours=2))
    assert len(claim(floor)) == 1
    before = rows(floor, "select id from notifications order by id")
    for minutes in range(0, 120, 10):
        assert sweep(floor, later(hours=1, minutes=minutes))["due"] == 0
        assert claim(floor) == [] or minutes >= 60
    assert rows(floor, "select id from notifications order by id") == before
    assert one(floor, "select count(*) from deliveries where channel_id = %s", room) == 1


# --- when it may be said --------------------------------------------------------------------------------------------


def test_quiet_hours_hold_a_reminder_until_eight(floor: Connection) -> None:
    night = NOON.replace(hour=4)
    start(floor, "lead_a", night - timedelta(hours=19.2))
    assert sweep(floor, night) == {"due": 1, "queued": 0, "suppressed": 0, "moved": 0}
    assert rows(floor, "select state, ready_at from reminders") == [
        {"state": "due", "ready_at": NOON.replace(hour=8)}
    ]
    assert sweep(floor, NOON.replace(hour=7, minute=59))["queued"] == 0
    assert sweep(floor, NOON.replace(hour=8))["queued"] == 1
    assert set(told(floor)) == {"cid"}  # on duty and able to sell


def test_a_reminder_that_waited_for_the_morning_is_dropped_when_the_work_was_done(floor: Connection) -> None:
    clock = start(floor, "lead_a", NOON.replace(hour=3) - timedelta(hours=19.2))
    sweep(floor, NOON.replace(hour=3))
    floor.execute("select private.stop_clock(%s, %s)", (clock, NOON.replace(hour=7)))
    sweep(floor, NOON.replace(hour=8))
    assert steps(floor, clock) == [(1, 1, "suppressed", "stopped")]
    assert told(floor) == {}


def test_due_soon_that_became_overdue_in_the_night_is_not_said(floor: Connection) -> None:
    clock = start(floor, "lead_a", NOON.replace(hour=7) - timedelta(days=1))
    sweep(floor, NOON.replace(hour=3))
    sweep(floor, NOON.replace(hour=7))
    sweep(floor, NOON.replace(hour=8))
    assert steps(floor, clock) == [(1, 1, "suppressed", "overtaken"), (1, 2, "sent", None)]
    assert set(told(floor, "overdue")) >= {"mgr"}


def test_a_campaign_and_a_public_complaint_know_no_quiet_hours(floor: Connection) -> None:
    night = NOON.replace(hour=3)

    def ready(public: bool) -> Any:
        return one(floor, "select private.ready_at(null, 'Asia/Shanghai', %s, %s)", public, night)

    assert ready(False) == NOON.replace(hour=8)
    assert ready(True) == night
    floor.execute(
        "insert into campaigns (name, starts_at, ends_at) values ('大促', %s, %s)",
        (night, night + timedelta(hours=1)),
    )
    assert ready(False) == night


def test_a_policy_may_remind_only_while_its_calendar_is_open(floor: Connection) -> None:
    night = NOON.replace(hour=2)
    calendar = one(floor, "select id from calendars where code = 'late'")
    ready = one(floor, "select private.ready_at(%s, 'Asia/Shanghai', true, %s)", calendar, night)
    assert ready == NOON.replace(hour=16)
    office = one(floor, "select id from calendars where code = 'office'")
    uncovered = datetime(2031, 3, 1, 12, tzinfo=NOON.tzinfo)
    assert (
        one(floor, "select private.ready_at(%s, 'Asia/Shanghai', true, %s)", office, uncovered) == uncovered
    )


# --- why was I not told? --------------------------------------------------------------------------------------------


def test_why_somebody_was_not_told(floor: Connection) -> None:
    prefer(floor, "ben", "mentions")
    order = add_order(floor, "A-1", ["mismatch"])
    sweep(floor, later(hours=1))
    clock = clock_of(floor, order)
    answer = ask(floor, "ben", "why_reminder", clock)
    assert [(step["step"], step["percent"]) for step in answer["ladder"]] == [(1, 50), (2, 100), (3, 150)]
    assert datetime.fromisoformat(answer["ladder"][2]["at"]) == later(hours=3)
    assert answer["next_step"] == 2
    (reminder,) = answer["reminders"]
    assert reminder["state"] == "sent"
    mine = [line for line in reminder["people"] if line["is_me"]]
    assert [(line["state"], line["reason"]) for line in mine] == [("suppressed", "preset")]
    with refusal("PT404", "clock.none"):
        ask(floor, "far", "why_reminder", clock)


# --- bell, inbox, settings ------------------------------------------------------------------------------------------


def test_bell_counts_and_shows_the_newest_of_mine(floor: Connection) -> None:
    for number in range(3):
        own(floor, "ann", add_order(floor, f"A-{number}", ["mismatch"]))
    sweep(floor, later(hours=1))
    bell = ask(floor, "ann", "bell")
    assert (bell["unread"], bell["urgent"], len(bell["newest"])) == (3, 0, 3)
    assert ask(floor, "ben", "bell") == {"unread": 0, "urgent": 0, "newest": []}
    assert ask(floor, "ann", "read_notifications", [bell["newest"][0]["id"]]) == 1
    assert ask(floor, "ann", "bell")["unread"] == 2
    assert ask(floor, "ben", "read_notifications", [bell["newest"][1]["id"]]) == 0
    assert ask(floor, "ann", "bell")["unread"] == 2
    assert ask(floor, "ann", "read_notifications") == 2


def test_a_message_put_off_comes_back(floor: Connection) -> None:
    own(floor, "ann", add_order(floor, "A-1", ["mismatch"]))
    sweep(floor, later(hours=1))
    (note,) = ask(floor, "ann", "bell")["newest"]
    with refusal("PT404", "notification.none"):
        ask(floor, "ben", "snooze_notification", note["id"], later(hours=1, minutes=10))
    for wrong in (None, later(hours=1), later(days=8)):
        with refusal("PT422", "notification.bad_time"):
            ask(floor, "ann", "snooze_notification", note["id"], wrong)
    assert ask(floor, "ann", "bell")["unread"] == 1
    ask(floor, "ann", "snooze_notification", note["id"], later(hours=1, minutes=10))
    assert ask(floor, "ann", "bell")["unread"] == 0
    at(floor, later(hours=1, minutes=10))
    assert ask(floor, "ann", "bell")["unread"] == 1


def test_settings_are_mine_and_the_managers_business(floor: Connection) -> None:
    ann = member(floor, "ann")
    args = (None, {"preset": "urgent", "wecom_id": "ann.wang"})
    answer = ask(floor, "ann", "save_reminder_settings", ann, *args, request())
    with refusal("PT403", "reminder_settings.not_yours"):
        ask(floor, "ben", "save_reminder_settings", ann, answer["version"], {"preset": "all"}, request())
    with refusal("PT409", "reminder_settings.stale"):
        ask(floor, "mgr", "save_reminder_settings", ann, 1, {"preset": "all"}, request())
    for wrong in ("13900001234", "zwei worte", ""):
        with refusal("PT422", "reminder_settings.bad_id"):
            ask(
                floor, "ann", "save_reminder_settings", ann, answer["version"], {"wecom_id": wrong}, request()
            )
    for handle in ("wecom_id", "dingtalk_id", "feishu_id"):
        with refusal("PT422", "reminder_settings.bad_id"):
            phone = {handle: "13900001234"}
            ask(floor, "ann", "save_reminder_settings", ann, answer["version"], phone, request())
    with refusal("PT422", "reminder_settings.bad_preset"):
        ask(floor, "ann", "save_reminder_settings", ann, answer["version"], {"preset": "nothing"}, request())
    assert desk.row(floor, "select preset, wecom_id from member_reminders") == ("urgent", "ann.wang")
    ask(floor, "mgr", "save_reminder_settings", ann, answer["version"], {"wecom_id": None}, request())
    assert desk.row(floor, "select preset, wecom_id from member_reminders") == ("urgent", None)


def test_the_pages_read_what_the_database_answers(floor: Connection) -> None:
    channel(floor)
    prefer(floor, "ben", "urgent")
    orders = [add_order(floor, f"A-{n}", ["mismatch"]) for n in range(5)]
    sweep(floor, later(hours=1))
    sweep(floor, later(hours=2))
    bell = reminders.Bell.model_validate(ask(floor, "ann", "bell"))
    assert [note.kind for note in bell.newest] == ["digest"]
    why = reminders.Why.model_validate(ask(floor, "ben", "why_reminder", clock_of(floor, orders[0])))
    assert {
        (told.name, told.channel, told.state, told.reason) for told in why.reminders[0].people if told.is_me
    } == {("ben", None, "suppressed", "preset")}
    assert (None, "群", "group", "waiting") in {
        (told.name, told.channel, told.role, told.state) for told in why.reminders[1].people
    }
    (message,) = claim(floor)
    detail = channels.DeliveryDetail.model_validate(ask(floor, "mgr", "delivery_detail", message["id"]))
    assert (len(detail.lines), detail.attempts[0].outcome) == (5, None)
    with desk.as_member(floor, "mgr"):
        logged = [channels.Delivery.model_validate(row) for row in rows(floor, "select * from delivery_log")]
    assert [(row.state, row.line_count, row.member_name) for row in logged] == [("sending", 5, None)]


# --- the digest of the day ------------------------------------------------------------------------------------------


def test_managers_get_the_day_at_five(floor: Connection) -> None:
    channel(floor, "webhook", "person")
    done, late, *_ = [add_order(floor, f"A-{n}", ["mismatch"]) for n in range(4)]
    floor.execute("select private.stop_clock(%s, %s)", (clock_of(floor, done), later(hours=1)))
    floor.execute("select private.stop_clock(%s, %s)", (clock_of(floor, late), later(hours=3)))
    at(floor, NOON.replace(hour=16))
    add_order(floor, "A-9", ["mismatch"])
    sweep(floor, NOON.replace(hour=16, minute=59))
    assert told(floor, "daily") == {}
    for minute in (0, 1, 30):
        sweep(floor, NOON.replace(hour=17, minute=minute))
    assert told(floor, "daily") == {"mgr": ["daily"]}
    (figures,) = [
        row["params"] for row in rows(floor, "select params from notifications where kind = 'daily'")
    ]
    assert figures == {
        "day": "2026-11-18",
        "overdue": 2,
        "approvals": 0,
        "done": 2,
        "on_time": 1,
        "due_tonight": 1,
    }
    daily = [message for message in claim(floor) if message["purpose"] == "daily"]
    assert [message["figures"] for message in daily] == [figures]
    sweep(floor, NOON.replace(hour=17) + timedelta(days=1))
    assert one(floor, "select count(*) from notifications where kind = 'daily'") == 2


def test_a_day_that_was_missed_is_not_made_up_for(floor: Connection) -> None:
    sweep(floor, NOON.replace(hour=3) + timedelta(days=1))
    assert told(floor, "daily") == {}


# --- many at once ---------------------------------------------------------------------------------------------------


def test_fifty_sweeps_at_once_say_each_step_once(db_url: str) -> None:
    """D1: 40 items, and 50 connections that all see them."""
    with psycopg.connect(db_url, autocommit=True) as conn:
        desk.open_floor(conn)
        orders = [add_order(conn, f"A-{n:02}", ["mismatch"]) for n in range(40)]
        own(conn, "ann", *orders)
        at(conn, later(hours=1))

    def tick(_: int) -> int:
        with psycopg.connect(db_url) as conn:
            return int(sweep(conn)["due"])

    with ThreadPoolExecutor(50) as pool:
        due = list(pool.map(tick, range(50)))
    assert sum(due) == 40
    with psycopg.connect(db_url) as conn:
        assert one(conn, "select count(*) from reminders") == 40
        assert rows(conn, "select kind, (params ->> 'count')::int as n from notifications") == [
            {"kind": "digest", "n": 40}
        ]
        assert one(conn, "select count(*) from private.reminder_people") == 1


def test_closing_while_the_sweep_runs_leaves_nothing_unread(db_url: str) -> None:
    """D7: whichever commits first, nothing is left to say after the close."""
    with psycopg.connect(db_url, autocommit=True) as conn:
        desk.open_floor(conn)
        channel(conn)
        clocks = [clock_of(conn, add_order(conn, f"A-{n:02}", ["mismatch"])) for n in range(30)]
        at(conn, later(hours=2))

    def close(clock: int) -> None:
        with psycopg.connect(db_url) as conn:
            conn.execute("select private.stop_clock(%s, %s)", (clock, later(hours=2)))

    def tick(_: int) -> None:
        with psycopg.connect(db_url) as conn:
            sweep(conn)
            conn.commit()
            claim(conn)

    with ThreadPoolExecutor(16) as pool:
        list(
            pool.map(
                lambda job: job(),
                [*(lambda c=c: close(c) for c in clocks), *(lambda n=n: tick(n) for n in range(10))],
            )
        )
    with psycopg.connect(db_url) as conn:
        sweep(conn)
        assert told(conn) == {}
        assert one(conn, "select count(*) from reminder_lines where state in ('waiting', 'failed')") == 0
        assert claim(conn) == []


def test_the_sweep_finds_what_is_due_by_the_index(floor: Connection) -> None:
    """Of many clocks only the due ones are looked at: the plan, not the time."""
    floor.execute(
        """insert into sla_clocks (shop_id, entity, entity_id, target, state, policy_id, policy, measure, allowance,
               started_at, counted_from, due_at, last_due_at, due_version, next_step, next_step_at, step_times, updated_at, created_at)
           select %s, 'bulk', n, 'x', 'running', p.id, jsonb_build_object('code', p.code, 'ladder', p.ladder), 'wall', 1440,
               %s, %s, t.at, t.at, 1, 2, t.at, array[t.at, t.at, t.at], now(), now()
           from generate_series(1, 20000) n, sla_policies p, lateral (select %s + n * interval '1 minute' as at) t
           where p.code = 'lead_a'""",
        (shop(floor), NOON, NOON, NOON),
    )
    floor.execute("analyze sla_clocks")
    plan_text = "\n".join(
        row[0]
        for row in floor.execute(
            "explain select c.id from public.sla_clocks c where c.next_step_at <= %s order by c.next_step_at limit 20000 for update skip locked",
            (later(minutes=200),),
        ).fetchall()
    )
    assert "sla_clocks_next_step_at_idx" in plan_text
    assert "Seq Scan" not in plan_text


def test_a_year_later_it_is_forgotten(floor: Connection) -> None:
    channel(floor)
    add_order(floor, "A-1", ["mismatch"])
    sweep(floor, later(hours=2))
    claim(floor)
    tables = (
        "public.reminder_lines", "public.reminders", "public.notifications", "public.deliveries", "private.reminder_people",
        "private.delivery_attempts",
    )  # fmt: skip

    def kept() -> list[int]:
        return [one(floor, f"select count(*) from {table}") for table in tables]

    before = kept()
    assert min(before) > 0
    at(floor, later(days=365, hours=2))
    service(floor, "service_retention", 5000)
    assert kept() == before
    at(floor, later(days=365, hours=2, seconds=1))
    while service(floor, "service_retention", 5000):
        pass
    assert kept() == [0] * len(tables)
