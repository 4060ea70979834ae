"""Deliveries: digests within the limits of the platforms, the same id over all attempts, nothing lost, nothing twice."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql import desk
from tests.sql.desk import add_order, ask, at, one, refusal
from tests.sql.reminding import (
    Row,
    channel,
    claim,
    clock_of,
    ids,
    later,
    member,
    own,
    prefer,
    report,
    request,
    rows,
    service,
    steps,
    sweep,
)

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    desk.open_floor(db)
    return db


def overdue(conn: Connection, *numbers: str, owner: str | None = "ann") -> list[int]:
    """Orders that are overdue two hours after noon; the sweep has run."""
    orders = [add_order(conn, number, ["mismatch"]) for number in numbers]
    if owner:
        own(conn, owner, *orders)
    sweep(conn, later(hours=2))
    return orders


def close(conn: Connection, order: int, moment: datetime | None = None) -> None:
    conn.execute(
        "select private.stop_clock(%s, coalesce(%s, private.now()))", (clock_of(conn, order), moment)
    )


def states(conn: Connection) -> list[tuple[str, int]]:
    return conn.execute("select state, attempts from deliveries order by seq").fetchall()


def lines(conn: Connection) -> list[str]:
    return [row[0] for row in conn.execute("select state from reminder_lines order by id").fetchall()]


# --- what goes where ------------------------------------------------------------------------------------------------


def test_a_group_hears_escalations_alone(floor: Connection) -> None:
    channel(floor)
    order = add_order(floor, "A-1", ["mismatch"])
    own(floor, "ann", order)
    sweep(floor, later(hours=1))
    assert claim(floor) == []
    sweep(floor, later(hours=2))
    assert [line["label"] for line in claim(floor)[0]["lines"]] == ["A-1"]


def test_a_message_is_what_the_function_needs_and_nothing_personal(floor: Connection) -> None:
    room = channel(floor, name="客服群")
    prefer(floor, "lea", dingtalk="lea01")
    (order,) = overdue(floor, "A-1")
    (message,) = claim(floor)
    (line,) = message.pop("lines")
    assert uuid.UUID(message.pop("id"))
    assert datetime.fromisoformat(message.pop("at")) == later(hours=2)
    assert message == {
        "attempt": 1, "purpose": "reminders", "channel_id": room, "kind": "dingtalk", "host": "oapi.dingtalk.com",
        "endpoint": desk.BODY, "secret": desk.BODY, "options": {}, "language": "zh-CN", "audience": "group",
        "mentions": ["lea01"], "more": 0, "figures": None,
    }  # fmt: skip
    assert datetime.fromisoformat(line.pop("due_at")) == later(hours=2)
    assert isinstance(line.pop("reminder_id"), int)
    assert line == {
        "area": "order_review", "entity_type": "order_review", "entity_id": order, "target": "review", "label": "A-1",
        "shop": "one", "timezone": "Asia/Shanghai", "policy": "订单异常审核", "step": 2, "action": "notify", "state": "overdue",
        "late_minutes": 0, "path": f"/orders?id={order}",
    }  # fmt: skip


def test_lines_wait_together_until_they_are_claimed(floor: Connection) -> None:
    channel(floor)
    overdue(floor, "A-1")
    at(floor, later(hours=1))
    own(floor, "ann", add_order(floor, "A-2", ["mismatch"]))
    sweep(floor, later(hours=3))
    (message,) = claim(floor)
    assert [line["label"] for line in message["lines"]] == ["A-1", "A-2"]
    assert [line["action"] for line in message["lines"]] == ["to_pool", "notify"]
    assert one(floor, "select line_count from deliveries") == 2


def test_a_person_is_reached_only_with_an_id_of_the_platform(floor: Connection) -> None:
    channel(floor, "wecom", "person", code=None)
    prefer(floor, "ann", wecom="ann.w")
    prefer(floor, "lea", "mentions", wecom="lea.w")
    prefer(floor, "ben", dingtalk="ben.d")
    floor.execute("update members set locale = 'en' where staff_no = 'ann'")
    add_order(floor, "A-1", ["mismatch"])
    sweep(floor, later(hours=1))
    (message,) = claim(floor)
    assert (message["audience"], message["mentions"], message["language"]) == ("person", ["ann.w"], "en")
    assert message["lines"][0]["state"] == "due_soon", "persons hear more than escalations"


def test_mail_goes_to_the_address_of_the_person(floor: Connection) -> None:
    channel(floor, "email", "person")
    floor.execute(
        "insert into private.member_logins (member_id, login_email, auth_email) values (%s, 'ann@shop.example', 'x@y')",
        (member(floor, "ann"),),
    )
    overdue(floor, "A-1")
    assert [message["options"] for message in claim(floor)] == [{"to": "ann@shop.example"}]


def test_a_channel_of_another_shop_hears_nothing(floor: Connection) -> None:
    channel(floor, code="two")
    every = channel(floor, code=None)
    overdue(floor, "A-1")
    assert [message["channel_id"] for message in claim(floor)] == [every]


def test_wecom_lists_twenty_and_counts_the_rest(floor: Connection) -> None:
    channel(floor, "wecom")
    overdue(floor, *(f"A-{n:03}" for n in range(45)))
    (message,) = claim(floor)
    assert len(message["lines"]) == 20
    assert message["more"] == 25
    report(floor, message)
    assert lines(floor) == ["sent"] * 45


# --- over before it was said ----------------------------------------------------------------------------------------


def test_what_stopped_meanwhile_is_left_out(floor: Connection) -> None:
    channel(floor)
    first, _ = overdue(floor, "A-1", "A-2")
    close(floor, first)
    (message,) = claim(floor)
    assert [line["label"] for line in message["lines"]] == ["A-2"]
    assert steps(floor, clock_of(floor, first))[1] == (1, 2, "sent", None), "the people were told in the app"
    assert sorted(lines(floor)) == ["sending", "suppressed"]


def test_a_message_without_lines_is_not_sent(floor: Connection) -> None:
    channel(floor)
    (order,) = overdue(floor, "A-1")
    close(floor, order)
    assert claim(floor) == []
    assert states(floor) == [("suppressed", 0)]


def test_a_failed_message_does_not_come_back_after_the_work_is_done(floor: Connection) -> None:
    channel(floor)
    (order,) = overdue(floor, "A-1")
    (message,) = claim(floor)
    close(floor, order)
    report(floor, message, "failed")
    assert lines(floor) == ["suppressed"]
    assert claim(floor, later(hours=3)) == []
    assert states(floor) == [("suppressed", 1)]


def test_a_channel_that_was_switched_off_sends_nothing(floor: Connection) -> None:
    room = channel(floor)
    (order,) = overdue(floor, "A-1")
    floor.execute("update channels set is_active = false where id = %s", (room,))
    assert claim(floor) == []
    sweep(floor, later(hours=2, minutes=1))
    assert states(floor) == [("suppressed", 0)]
    assert rows(floor, "select state, reason from reminder_lines") == [
        {"state": "suppressed", "reason": "channel_off"}
    ]
    assert steps(floor, clock_of(floor, order))[1] == (1, 2, "sent", None)


def test_a_host_that_is_no_longer_listed_gets_nothing(floor: Connection) -> None:
    channel(floor, "webhook")
    overdue(floor, "A-1")
    floor.execute("update private.settings set value = '[]' where key = 'channel_hosts'")
    assert claim(floor) == []
    floor.execute(
        "update private.settings set value = '[\"hooks.example.com.cn\"]' where key = 'channel_hosts'"
    )
    assert len(claim(floor)) == 1


# --- attempts -------------------------------------------------------------------------------------------------------


def test_a_worker_that_died_hands_the_message_on_under_its_id(floor: Connection) -> None:
    """D4: written, then killed before it was sent."""
    channel(floor)
    overdue(floor, "A-1")
    (first,) = claim(floor)
    assert claim(floor, later(hours=2, seconds=59)) == []
    again = claim(floor, later(hours=2, seconds=60))
    assert again == [], "an abandoned attempt counts as a failure and waits its second"
    (second,) = claim(floor, later(hours=2, seconds=62))
    assert (second["id"], second["attempt"]) == (first["id"], 2)
    assert ids([second]) == ids([first])
    assert report(floor, first) == {"accepted": False, "state": "sending", "attempts": 2}
    assert report(floor, second)["state"] == "sent"
    assert report(floor, second) == {"accepted": False, "state": "sent", "attempts": 2}
    assert claim(floor, later(hours=9)) == []
    outcomes = floor.execute("select outcome from private.delivery_attempts order by attempt").fetchall()
    assert outcomes == [("abandoned",), ("sent",)]


def test_failures_come_back_later_and_later_and_end(floor: Connection) -> None:
    channel(floor)
    (order,) = overdue(floor, "A-1")
    now, waits, seen = later(hours=2), [], set()
    for attempt in range(1, 9):
        (message,) = claim(floor, now)
        assert message["attempt"] == attempt
        seen.add(message["id"])
        answer = report(floor, message, "failed", "http_500")
        if attempt < 8:
            assert steps(floor, clock_of(floor, order))[1][2] == "failed"
            due = datetime.fromisoformat(answer["next_at"])
            waits.append((due - now).total_seconds())
            assert claim(floor, due - timedelta(milliseconds=1)) == []
            now = due
    assert len(seen) == 1
    for wait, base in zip(waits, (1, 5, 25, 120, 600, 3600, 21600), strict=True):
        assert 0.8 * base <= wait <= 1.2 * base
    assert (
        len(
            {
                round(wait / base, 6)
                for wait, base in zip(waits, (1, 5, 25, 120, 600, 3600, 21600), strict=True)
            }
        )
        > 1
    ), "jitter"
    assert states(floor) == [("dead", 8)]
    assert lines(floor) == ["dead"]
    assert claim(floor, now + timedelta(days=2)) == []
    assert one(floor, "select last_error from deliveries") == "http_500"


def test_retry_after_is_honoured_up_to_a_day(floor: Connection) -> None:
    channel(floor)
    overdue(floor, "A-1")
    (message,) = claim(floor)
    answer = report(floor, message, "failed", "rate_limited", 600)
    assert datetime.fromisoformat(answer["next_at"]) == later(hours=2, minutes=10)
    (message,) = claim(floor, later(hours=2, minutes=10))
    answer = report(floor, message, "failed", "rate_limited", 10**9)
    assert datetime.fromisoformat(answer["next_at"]) == later(days=1, hours=2, minutes=10)


def test_a_refused_message_waits_for_a_person(floor: Connection) -> None:
    channel(floor)
    overdue(floor, "A-1")
    (message,) = claim(floor)
    assert report(floor, message, "refused", "bad_credentials")["state"] == "dead"
    assert claim(floor, later(days=1)) == []
    with refusal("PT422", "delivery.bad_outcome"):
        report(floor, message, "perhaps")
    assert states(floor) == [("dead", 1)]


def test_a_manager_sends_again_what_failed_for_good(floor: Connection) -> None:
    channel(floor)
    first, _ = overdue(floor, "A-1", "A-2")
    (message,) = claim(floor)
    with refusal("PT409", "delivery.not_dead"):
        ask(floor, "mgr", "resend_delivery", message["id"], request())
    report(floor, message, "refused", "bad_credentials")
    close(floor, first)
    for who, code, key in (("ann", "PT403", "member.role"), ("ops", "PT403", "member.role")):
        with refusal(code, key):
            ask(floor, who, "resend_delivery", message["id"], request())
    assert states(floor) == [("dead", 1)]
    again = ask(floor, "mgr", "resend_delivery", message["id"], request())
    with refusal("PT409", "delivery.not_dead"):
        ask(floor, "mgr", "resend_delivery", message["id"], request())
    (sent,) = claim(floor)
    assert (sent["id"], sent["attempt"], [line["label"] for line in sent["lines"]]) == (
        again["id"],
        1,
        ["A-2"],
    )
    report(floor, sent)
    assert rows(floor, "select resent_from, requested_by, state from deliveries order by seq")[1] == {
        "resent_from": uuid.UUID(message["id"]), "requested_by": member(floor, "mgr"), "state": "sent",
    }  # fmt: skip


def test_a_manager_of_another_shop_finds_no_delivery(floor: Connection) -> None:
    channel(floor, code="two")
    own(floor, "far", add_order(floor, "B-1", ["mismatch"], shop="two"))
    sweep(floor, later(hours=2))
    (message,) = claim(floor)
    report(floor, message, "refused")
    for name in ("resend_delivery", "delivery_detail"):
        with refusal("PT404", "delivery.none"):
            ask(floor, "mgr", name, message["id"], *([request()] if name == "resend_delivery" else []))
    assert states(floor) == [("dead", 1)]
    assert ask(floor, "adm", "delivery_detail", message["id"])["state"] == "dead"


# --- the limits of the platforms ------------------------------------------------------------------------------------


def crowd(conn: Connection, count: int, kind: str) -> None:
    """Agents who can review and have an id on the platform."""
    for number in range(count):
        name = f"c{number:02}"
        conn.execute(
            """with m as (insert into members (user_id, staff_no, display_name, role, skills, state)
                 values (%s, %s, %s, 'agent', '{review}', 'active') returning id)
               insert into member_shops select m.id, s.id from m, shops s where s.code = 'one'""",
            (desk.user_id(name), name, name),
        )
        prefer(conn, name, **{kind: name})


def breach(conn: Connection, count: int) -> None:
    """So many deadlines of nobody in particular, all over at 14:00."""
    conn.execute(
        "update sla_policies set ladder = %s where code = 'approval'",
        (Jsonb([{"percent": 100, "who": ["on_duty"], "action": "notify"}]),),
    )
    query = "select count(*) from private.start_clocks('order_review', array(select generate_series(1, %s)), %s, 'x', 'approval', %s)"
    shop_id = one(conn, "select id from shops where code = 'one'")
    conn.execute(query, (count, shop_id, later(hours=1)))


def test_more_than_a_minute_takes_are_twenty_messages_a_minute_and_none_is_lost(floor: Connection) -> None:
    """Five hundred breaches, to real robots: tests/contract/test_reminders.py."""
    channel(floor, "dingtalk", "person", name="钉钉")
    channel(floor, "dingtalk", "group", name="钉钉群")
    crowd(floor, 22, "dingtalk")
    breach(floor, 120)
    assert sweep(floor, later(hours=2))["due"] == 120
    seen: list[Row] = []
    minutes: dict[tuple[int, int], int] = {}
    for second in range(0, 200, 10):
        for message in claim(floor, later(hours=2, seconds=second)):
            report(floor, message)
            seen.append(message)
            key = (message["channel_id"], second)
            minutes[key] = minutes.get(key, 0) + 1
    for (room, second), _ in minutes.items():
        window = sum(
            n for (other, when), n in minutes.items() if other == room and second <= when < second + 60
        )
        assert window <= 20
    assert minutes[seen[0]["channel_id"], 0] == 20, "the limit is used, not only kept"
    by_person: dict[tuple[str, ...], set[int]] = {}
    for message in seen:
        by_person.setdefault((message["audience"], *message["mentions"]), set()).update(ids([message]))
    assert len(by_person) == 23
    assert {len(found) for found in by_person.values()} == {120}
    assert len(seen) == 23 * 2, "a hundred lines to a message"
    assert set(lines(floor)) == {"sent"}
    assert rows(floor, "select distinct state from reminders") == [{"state": "sent"}]


def test_a_message_under_way_still_counts_when_its_minute_is_over(floor: Connection) -> None:
    """Twenty claimed and slow: they may arrive any time until their lease ends."""
    channel(floor, "wecom", "person")
    crowd(floor, 30, "wecom")
    breach(floor, 1)
    sweep(floor, later(hours=2))
    first = claim(floor)
    assert len(first) == 20
    assert claim(floor, later(hours=2, seconds=59)) == []
    report(floor, first[0])
    assert claim(floor) == []


def test_feishu_takes_five_a_second(floor: Connection) -> None:
    channel(floor, "feishu", "person")
    crowd(floor, 12, "feishu")
    breach(floor, 1)
    sweep(floor, later(hours=2))
    assert [len(claim(floor, later(hours=2, seconds=second))) for second in (0, 0, 0.9, 1, 2, 3)] == [
        5,
        0,
        0,
        5,
        2,
        0,
    ]


def test_a_full_channel_does_not_hold_up_the_others(floor: Connection) -> None:
    channel(floor, "wecom", "person")
    other = channel(floor, "webhook", name="自建")
    crowd(floor, 60, "wecom")
    breach(floor, 1)
    sweep(floor, later(hours=2))
    assert other in [message["channel_id"] for message in claim(floor, limit=5)]


def test_after_the_clock_was_set_back_messages_still_go_out(floor: Connection) -> None:
    """D14 for the limits: tries from a future that never was do not count."""
    channel(floor, "wecom", "person")
    crowd(floor, 25, "wecom")
    breach(floor, 1)
    sweep(floor, later(hours=3))
    for message in claim(floor, later(hours=3)):
        report(floor, message)
    floor.execute("update deliveries set next_at = %s where state = 'waiting'", (later(hours=2),))
    assert len(claim(floor, later(hours=2))) == 5


def test_fifty_claims_at_once_hand_out_each_message_once(db_url: str) -> None:
    with psycopg.connect(db_url, autocommit=True) as conn:
        desk.open_floor(conn)
        for number in range(12):
            channel(conn, "wecom", name=f"群{number}")
        overdue(conn, *(f"A-{n}" for n in range(6)))

    def grab(_: int) -> list[Row]:
        with psycopg.connect(db_url) as conn:
            return claim(conn, limit=3)

    with ThreadPoolExecutor(50) as pool:
        claimed = [message for found in pool.map(grab, range(50)) for message in found]
    while found := grab(0):  # who found every channel in another's hands came away empty
        claimed += found
    assert len(claimed) == len({message["id"] for message in claimed}) == 12
    assert all(len(message["lines"]) == 6 for message in claimed)


def test_sweeps_claims_and_reports_side_by_side_lose_nothing(db_url: str) -> None:
    with psycopg.connect(db_url, autocommit=True) as conn:
        desk.open_floor(conn)
        channel(conn, "webhook")
        at(conn, later(hours=2))
        orders = [add_order(conn, f"A-{n:02}", ["mismatch"]) for n in range(60)]
        own(conn, "ann", *orders)
        at(conn, later(hours=4))

    def tick(_: int) -> list[int]:
        with psycopg.connect(db_url, autocommit=True) as conn:
            sweep(conn)
            messages = claim(conn, limit=2)
            for message in messages:
                report(conn, message)
            return ids(messages)

    with ThreadPoolExecutor(24) as pool:
        told = [number for found in pool.map(tick, range(48)) for number in found]
    with psycopg.connect(db_url, autocommit=True) as conn:
        told += tick(0)
        assert sorted(told) == sorted(
            row[0] for row in conn.execute("select id from reminders where state = 'sent' and step = 2")
        )
    assert len(told) == 60


# --- the log --------------------------------------------------------------------------------------------------------


def test_the_log_is_read_page_by_page(floor: Connection) -> None:
    for number in range(5):
        channel(floor, name=f"群{number}")
    overdue(floor, "A-1")
    with desk.as_member(floor, "mgr"):
        found = rows(
            floor, "select seq, channel_name, state, line_count from delivery_log order by seq desc limit 2"
        )
        rest = rows(floor, "select seq from delivery_log where seq < %s order by seq desc", found[-1]["seq"])
    assert [row["channel_name"] for row in found] == ["群4", "群3"]
    assert len(rest) == 3
    assert {(row["state"], row["line_count"]) for row in found} == {("waiting", 1)}


def test_the_detail_shows_tries_and_lines(floor: Connection) -> None:
    channel(floor)
    (order,) = overdue(floor, "A-1")
    (message,) = claim(floor)
    report(floor, message, "failed", "timeout")
    detail = ask(floor, "mgr", "delivery_detail", message["id"])
    assert [(one["attempt"], one["outcome"], one["error"]) for one in detail["attempts"]] == [
        (1, "failed", "timeout")
    ]
    assert [(line["label"], line["path"], line["state"]) for line in detail["lines"]] == [
        ("A-1", f"/orders?id={order}", "failed")
    ]


def test_the_service_alone_claims(floor: Connection) -> None:
    for name, args in (("sweep_reminders", 0), ("claim_deliveries", 3), ("report_delivery", 5)):
        nulls = ", ".join(["null"] * args)
        with (
            desk.as_member(floor, "adm"),
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            floor.transaction(),
        ):
            floor.execute(f"select public.{name}({nulls})")
    assert service(floor, "claim_deliveries", "test", 10, 60) == []


def test_a_webhook_names_people_by_their_staff_number(floor: Connection) -> None:
    channel(floor, "webhook", "person", name="自建")
    overdue(floor, "A-1")
    assert sorted(message["mentions"] for message in claim(floor)) == [["ann"], ["lea"]]


def test_nothing_goes_out_to_somebody_who_was_switched_off(floor: Connection) -> None:
    channel(floor, "webhook", "person", name="自建")
    overdue(floor, "A-1")
    floor.execute("update members set state = 'off' where staff_no = 'ann'")
    assert [message["mentions"] for message in claim(floor)] == [["lea"]]
    assert sorted(state for state, _ in states(floor)) == ["sending", "suppressed"]


def test_a_backlog_is_worked_off_in_parts_and_told_once(floor: Connection) -> None:
    channel(floor)
    breach(floor, 5100)
    due = 0
    for minute in range(30):
        due += (part := sweep(floor, later(hours=2, minutes=minute)))["due"]
        if part["due"] == 0:
            break
    assert due == one(floor, "select count(*) from reminders") == 5100
    assert one(floor, "select count(distinct reminder_id) from reminder_lines") == 5100
    assert (
        one(
            floor,
            "select sum((params ->> 'count')::int) from notifications where member_id = %s",
            member(floor, "ann"),
        )
        == 5100
    )
