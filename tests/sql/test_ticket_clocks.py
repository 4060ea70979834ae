"""Deadlines of tickets: what starts, answers, pauses, shortens, merges and reopens them, and who hears of a complaint."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.desk import NOON, ask, at, one, refusal, row
from tests.sql.ticketing import (
    call_p,
    clocks,
    due,
    item,
    make,
    open_ticket_floor,
    register,
    resolve,
    state,
    step,
)
from tests.support import as_role

Connection = psycopg.Connection[Any]
HOUR = timedelta(hours=1)


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor with after-sales agents, at noon of a working day."""
    open_ticket_floor(db)
    return db


def say(conn: Connection, ticket: int, direction: str, *, who: str = "ann", body: str = "") -> None:
    """Something said; outward without words it is a call."""
    text = body or ("" if direction == "out" else "一句话")
    channel = "wangwang" if text else "phone"
    call_p(conn, who, "add_message", ticket, {"direction": direction, "channel": channel, "body": text})


def sweep(conn: Connection, moment: datetime) -> Any:
    """The minute tick at a moment."""
    at(conn, moment)
    with as_role(conn, "service_role"):
        return one(conn, "select public.sweep_reminders()")


def shown(conn: Connection, ticket: int) -> Any:
    """The deadline that the ticket shows, and by which the list sorts it (None: after all others)."""
    return row(conn, "select due_at, nullif(due_sort, 'infinity') from tickets where id = %s", ticket)


def test_first_response_one_hour_resolution_one_day_the_nearest_is_shown(floor: Connection) -> None:
    ticket = register(floor)
    assert due(floor, ticket, "first") == NOON + HOUR
    assert due(floor, ticket, "resolve") == NOON + 24 * HOUR
    assert shown(floor, ticket) == (NOON + HOUR, NOON + HOUR)
    night = NOON.replace(hour=23, minute=50)
    at(floor, night)
    assert due(floor, register(floor), "first") == night + 9 * HOUR  # 10 minutes today, 50 from 08:00 on


def test_only_a_person_s_outward_word_answers(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    say(floor, ticket, "note")
    say(floor, ticket, "in")
    floor.execute(
        """select private.said(row(null, 'system', '{}', false, 0)::private.actor, t, 'out', 'platform', '自动回复', private.now())
           from tickets t where id = %s""",
        (ticket,),
    )
    assert clocks(floor, ticket)["first"] == "running"
    assert "next" not in clocks(floor, ticket)
    say(floor, ticket, "out")
    assert clocks(floor, ticket)["first"] == "fulfilled"
    assert shown(floor, ticket) == (NOON + 24 * HOUR,) * 2


def test_the_next_response_runs_from_the_first_unanswered_word(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    say(floor, ticket, "out")
    for minutes in (10, 20, 30):
        at(floor, NOON + timedelta(minutes=minutes))
        say(floor, ticket, "in")
    assert due(floor, ticket, "next") == NOON + timedelta(minutes=10) + 4 * HOUR
    say(floor, ticket, "out")
    assert clocks(floor, ticket)["next"] == "fulfilled"
    at(floor, NOON + HOUR)
    say(floor, ticket, "in")
    assert due(floor, ticket, "next") == NOON + 5 * HOUR


def test_a_public_complaint_has_its_hour_and_the_duty_lead_hears_at_once(floor: Connection) -> None:
    ticket = register(floor, type="public_complaint", channel="review")
    assert one(floor, "select is_complaint from tickets where id = %s", ticket)
    assert due(floor, ticket, "answer") == NOON + HOUR
    assert "first" not in clocks(floor, ticket)
    sweep(floor, NOON)
    told = floor.execute(
        "select m.staff_no from notifications n join members m on m.id = n.member_id where n.path = %s",
        (f"/ticket?id={ticket}",),
    ).fetchall()
    assert told == [("lea",)]
    say(floor, ticket, "out")
    assert clocks(floor, ticket)["answer"] == "fulfilled"


def test_a_case_that_turns_out_to_be_a_public_complaint_has_its_hour_from_registration(
    floor: Connection,
) -> None:
    ticket = register(floor)
    at(floor, NOON + timedelta(minutes=40))
    step(floor, "ann", "classify_ticket", ticket, {"type": "public_complaint"})
    assert due(floor, ticket, "answer") == NOON + HOUR
    assert clocks(floor, ticket)["first"] == "cancelled"
    step(floor, "ann", "classify_ticket", ticket, {"type": "service"})
    assert clocks(floor, ticket)["answer"] == "cancelled"
    assert due(floor, ticket, "first") == NOON + HOUR


def test_the_policy_of_the_new_facts_counts_the_time_already_used(floor: Connection) -> None:
    floor.execute(
        """insert into sla_policies (code, name, applies_to, target, conditions, measure, allowance, on_reopen)
           values ('ticket_resolve', '紧急', 'ticket', 'resolve', '{"severity": ["urgent"]}', 'wall', 120, 'continue')"""
    )
    ticket = register(floor)
    at(floor, NOON + HOUR)
    step(floor, "ann", "classify_ticket", ticket, {"severity": "urgent"})
    assert due(floor, ticket, "resolve") == NOON + 2 * HOUR


def test_the_platform_s_countdown_shortens_and_never_lengthens(floor: Connection) -> None:
    sooner, later = NOON + 3 * HOUR, NOON + 90 * HOUR
    ticket = register(floor, type="return", platform_due_at=sooner.isoformat())
    assert (due(floor, ticket, "resolve"), due(floor, ticket, "review")) == (sooner, sooner)
    ticket = register(floor, platform_due_at=later.isoformat())
    assert due(floor, ticket, "resolve") == NOON + 24 * HOUR
    floor.execute("update tickets set platform_due_at = %s where id = %s", (sooner, ticket))
    floor.execute("select private.shorten_ticket(t, %s, null) from tickets t where id = %s", (NOON, ticket))
    assert due(floor, ticket, "resolve") == sooner
    ticket = register(floor, platform_due_at=(NOON - HOUR).isoformat())
    assert (
        due(floor, ticket, "resolve") == NOON
    )  # over already: due at once, and nothing is late before it was there


def test_a_file_that_tells_of_an_old_case_makes_nobody_late(floor: Connection) -> None:
    ticket = one(
        floor,
        """select private.add_ticket(row(null, 'system', '{}', false, 0)::private.actor, jsonb_build_object('shop_id', id, 'type', 'return',
               'source', 'import', 'platform_ref', 'R-1', 'registered_at', private.now() - interval '20 hours'), private.now())
           from shops where code = 'one'""",
    )
    assert (due(floor, ticket, "first"), due(floor, ticket, "resolve")) == (NOON + HOUR, NOON + 24 * HOUR)
    assert (
        due(floor, ticket, "review") == NOON + 4 * HOUR
    )  # the customer has waited for that since he applied


def test_a_solved_case_waits_for_no_word(floor: Connection) -> None:
    ticket = make(floor, "revisit")
    say(floor, ticket, "in")
    assert "next" not in clocks(floor, ticket)
    assert state(floor, ticket) == "revisit"


def test_a_wait_pauses_the_resolution_and_nothing_else(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    say(floor, ticket, "out")
    step(floor, "ann", "wait_ticket", ticket, {"state": "waiting_customer", "reason": "asked_photos"})
    assert clocks(floor, ticket) == {"first": "fulfilled", "resolve": "paused", "reship": "paused"}
    assert shown(floor, ticket) == (None, None)
    at(floor, NOON + 5 * HOUR)
    say(floor, ticket, "in", who="ben")
    assert state(floor, ticket) == "in_progress"
    assert due(floor, ticket, "resolve") == NOON + 29 * HOUR
    assert due(floor, ticket, "next") == NOON + 9 * HOUR


REFUSED_WAITS = {
    "no reason": {"state": "waiting_customer"},
    "a reason of the other wait": {"state": "waiting_customer", "reason": "goods_on_way"},
    "another state": {"state": "closed", "reason": "asked_photos"},
    "too long": {
        "state": "waiting_customer",
        "reason": "asked_photos",
        "until": (NOON + 73 * HOUR).isoformat(),
    },
    "in the past": {"state": "waiting_customer", "reason": "asked_photos", "until": NOON.isoformat()},
    "no time": {"state": "waiting_customer", "reason": "asked_photos", "until": "soon"},
}


def test_waits_have_reasons_and_an_end(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    keys = []
    for p in REFUSED_WAITS.values():
        with pytest.raises(psycopg.Error) as caught:
            step(floor, "ann", "wait_ticket", ticket, p)
        keys.append(caught.value.diag.message_primary)
    assert keys == [
        "ticket.reason",
        "ticket.reason",
        "ticket.form",
        "ticket.until",
        "ticket.until",
        "ticket.form",
    ]
    assert state(floor, ticket) == "in_progress"


def test_nobody_waits_longer_than_the_cap_and_the_deadline_runs_on(floor: Connection) -> None:
    ticket = make(floor, "waiting_customer")
    pooled = make(floor, "waiting_customer")
    step(floor, "ann", "give_back_ticket", pooled, "off_shift")
    sweep(floor, NOON + 72 * HOUR - timedelta(seconds=1))
    assert state(floor, ticket) == "waiting_customer"
    sweep(floor, NOON + 72 * HOUR)
    assert (state(floor, ticket), state(floor, pooled)) == ("in_progress", "classified")
    assert due(floor, ticket, "resolve") == NOON + 96 * HOUR
    event = one(
        floor, "select actor from audit_events where entity_id = %s and action = 'ticket_wait_ended'", ticket
    )
    assert event == "system"


def test_reopening_goes_on_with_what_was_left_and_the_first_response_stays(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    at(floor, NOON + 10 * HOUR)
    resolve(floor, "ann", ticket)
    assert clocks(floor, ticket)["first"] == "fulfilled_late"
    first = one(floor, "select first_resolved_at from tickets where id = %s", ticket)
    at(floor, NOON + 48 * HOUR)
    step(floor, "ben", "reopen_ticket", ticket, "unsatisfied")
    assert due(floor, ticket, "resolve") == NOON + 62 * HOUR
    assert due(floor, ticket, "next") == NOON + 52 * HOUR
    assert clocks(floor, ticket)["first"] == "fulfilled_late"
    at(floor, NOON + 50 * HOUR)
    resolve(floor, "ann", ticket)
    verdicts = floor.execute(
        "select instance, state from sla_clocks where entity_id = %s and target = 'resolve' order by instance",
        (ticket,),
    ).fetchall()
    assert verdicts == [(1, "fulfilled"), (2, "fulfilled")]
    assert row(
        floor, "select first_resolved_at, resolved_at, instance from tickets where id = %s", ticket
    ) == (
        first,
        NOON + 50 * HOUR,
        2,
    )


def test_of_two_merged_cases_the_earlier_deadline_stays(floor: Connection) -> None:
    early = make(floor, "in_progress")
    at(floor, NOON + 2 * HOUR)
    late = make(floor, "in_progress", owner="ben")
    call_p(floor, "ben", "merge_tickets", item(floor, early), item(floor, late))
    assert due(floor, late, "resolve") == NOON + 24 * HOUR
    assert set(clocks(floor, early).values()) == {"cancelled"}
    assert shown(floor, early)[0] is None
    assert sweep(floor, NOON + 30 * HOUR)["due"] > 0
    assert one(floor, "select count(*) from reminders where entity_id = %s and entity = 'ticket'", early) == 0


def test_a_customer_who_waits_in_the_merged_case_goes_on_waiting(floor: Connection) -> None:
    into = make(floor, "in_progress", owner="ben")
    say(floor, into, "out", who="ben")
    waits = make(floor, "in_progress")
    call_p(floor, "ben", "merge_tickets", item(floor, waits), item(floor, into))
    assert due(floor, into, "next") == NOON + 4 * HOUR


def test_whatever_ends_a_case_silences_it(floor: Connection) -> None:
    for ending in ("cancelled", "closed"):
        ticket = make(floor, ending)
        assert not one(
            floor,
            "select count(*) from sla_clocks where entity in ('ticket', 'return', 'public_complaint') and entity_id = %s and stopped_at is null",
            ticket,
        )
        assert shown(floor, ticket) == (None, NOON)


def test_an_overdue_case_is_raised_and_goes_to_the_pool_as_its_ladder_says(floor: Connection) -> None:
    floor.execute(
        """update sla_policies set ladder = '[{"percent": 100, "who": ["owner"], "action": "raise_priority"},
           {"percent": 150, "who": ["on_duty"], "action": "to_pool"}]' where code = 'ticket_resolve'"""
    )
    ticket = make(floor, "in_progress")
    say(floor, ticket, "out")
    sweep(floor, NOON + 24 * HOUR)
    assert row(floor, "select severity, is_raised, state from tickets where id = %s", ticket) == (
        "urgent",
        True,
        "in_progress",
    )
    sweep(floor, NOON + 36 * HOUR)
    assert row(floor, "select owner_id, state from tickets where id = %s", ticket) == (None, "classified")
    assert ask(floor, "ben", "ticket_list", {"tab": "pool"})["rows"][0]["id"] == ticket


def test_a_reminder_follows_the_owner(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    sweep(floor, NOON + timedelta(minutes=48))

    def told() -> list[str]:
        found = floor.execute(
            """select m.staff_no from notifications n join members m on m.id = n.member_id
               where n.closed_at is null and n.kind in ('due_soon', 'overdue') and n.path = %s""",
            (f"/ticket?id={ticket}",),
        ).fetchall()
        return [name for (name,) in found]

    assert told() == ["ann"]
    step(floor, "ben", "take_ticket", ticket)
    assert told() == ["ben"]
    say(floor, ticket, "out", who="ben")
    assert told() == []


def test_the_overview_knows_the_owners_of_cases(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    free = register(floor)
    open_now = ask(floor, "mgr", "deadline_overview")["open"]
    owners = {(o["target"], o["owner_name"]) for o in open_now if o["entity"] == "ticket"}
    assert {("resolve", "ann"), ("resolve", None)} <= owners
    rows = ask(floor, "mgr", "deadline_list", {"area": "ticket.resolve"})["rows"]
    assert {(r["label"], r["owner_name"]) for r in rows} == {(f"T-{ticket}", "ann"), (f"T-{free}", None)}


def test_a_wait_is_not_prolonged_by_waiting_again_without_a_word(floor: Connection) -> None:
    """Going on and waiting again is possible, but the resolution has counted the time in between."""
    ticket = make(floor, "waiting_customer")
    at(floor, NOON + HOUR)
    step(floor, "ann", "resume_ticket", ticket)
    at(floor, NOON + 2 * HOUR)
    step(floor, "ann", "wait_ticket", ticket, {"state": "waiting_customer", "reason": "no_answer"})
    with refusal("PT409", "ticket.wrong_state"):
        step(floor, "ann", "wait_ticket", ticket, {"state": "waiting_customer", "reason": "no_answer"})
    at(floor, NOON + 3 * HOUR)
    step(floor, "ann", "resume_ticket", ticket)
    assert due(floor, ticket, "resolve") == NOON + 26 * HOUR
