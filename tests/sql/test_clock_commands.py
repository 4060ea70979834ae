"""One deadline from start to stop: the rules, the verdicts, and what the history says about them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.conftest import Hosted

Connection = psycopg.Connection[Any]
Clock = dict[str, Any]
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    """A time of November 2026 in Shanghai, "23 08:30" or "22 24:00"; longer texts are read as they are."""
    ends_day = text.endswith(" 24:00")
    text = text.replace(" 24:00", " 00:00")
    moment = datetime.fromisoformat(text if len(text) > 11 else f"2026-11-{text}").replace(tzinfo=SHANGHAI)
    return moment + timedelta(days=1) if ends_day else moment


@pytest.fixture
def desk(db: Connection) -> Connection:
    """A shop, and a second one with its own review time."""
    db.execute("""insert into stock_pools (name) values ('时效测试');
        insert into shops (code, name, platform, stock_pool_id)
        select c, c, 'own', max(id) from stock_pools, unnest(array['clock-a', 'clock-b']) c group by c;
        insert into sla_policies (code, name, applies_to, target, shop_id, measure, calendar_id, allowance)
        select 'order_review', '快审', 'order_review', 'review', s.id, 'working', c.id, 30
        from shops s, calendars c where s.code = 'clock-b' and c.code = 'all'""")
    return db


def rows(db: Connection, query: str, args: Any = None) -> list[Clock]:
    """What a query answers, by column name."""
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), args).fetchall()


def call(db: Connection, function: str, *args: Any, **named: Any) -> Clock:
    """One command of the clock; answers the clock as it is afterwards."""
    marks = ["%s"] * len(args) + [f"{name} => %s" for name in named]
    (row,) = rows(db, f"select * from private.{function}({', '.join(marks)})", (*args, *named.values()))
    return row


def shop(db: Connection, code: str = "clock-a") -> int:
    return int(rows(db, "select id from shops where code = %s", (code,))[0]["id"])


def start(
    db: Connection,
    when: str,
    policy: str = "order_review",
    entity_id: int = 1,
    target: str = "review",
    **named: Any,
) -> Clock:
    return call(db, "start_clock", "test", entity_id, shop(db), target, policy, at(when), **named)


def member(db: Connection) -> int:
    (row,) = rows(db, "insert into members (display_name, role) values ('客服A', 'agent') returning id")
    return int(row["id"])


def events(db: Connection, clock: Clock) -> list[str]:
    query = "select kind from sla_clock_events where clock_id = %s order by id"
    return [row["kind"] for row in rows(db, query, (clock["id"],))]


# --- start ---------------------------------------------------------------------------------------------------------


def test_start_takes_the_deadline_and_a_snapshot(desk: Connection) -> None:
    clock = start(desk, "22 23:30")
    assert (clock["state"], clock["due_at"], clock["due_version"]) == ("running", at("23 09:30"), 1)
    assert (clock["next_step"], clock["next_step_at"]) == (1, at("23 08:30"))
    assert clock["policy"]["code"] == "order_review"
    assert clock["policy"]["calendar"] == "all"
    assert len(clock["policy"]["ladder"]) == 3
    assert events(desk, clock) == ["started"]


def test_a_shops_own_policy_beats_the_default(desk: Connection) -> None:
    clock = call(
        desk, "start_clock", "test", 1, shop(desk, "clock-b"), "review", "order_review", at("22 23:30")
    )
    assert clock["due_at"] == at("22 24:00")


def test_a_policy_with_conditions_beats_one_without(desk: Connection) -> None:
    desk.execute("""insert into sla_policies (code, name, applies_to, target, conditions, measure, allowance)
        values ('lead_a', '大客户', 'lead', 'follow_up', '{"source": ["vip"], "grade": ["A", "B"]}', 'wall', 60),
               ('lead_a', '直播', 'lead', 'follow_up', '{"source": ["vip"]}', 'wall', 90)""")

    def due(entity_id: int, **facts: str) -> datetime:
        return start(desk, "22 10:00", "lead_a", entity_id, "follow_up", p_facts=Jsonb(facts))["due_at"]

    assert due(1, source="vip", grade="B") == at("22 11:00")
    assert due(2, source="vip", grade="C") == at("22 11:30")
    assert due(3, source="shop") == at("23 10:00")
    assert due(4) == at("23 10:00")


def test_an_unknown_or_inactive_policy_is_refused(desk: Connection) -> None:
    desk.execute("update sla_policies set is_active = false where code = 'reship'")
    for code in ("reship", "nothing"):
        with pytest.raises(psycopg.Error, match=r"policy\.none"), desk.transaction():
            start(desk, "22 10:00", code)


def test_a_second_start_keeps_the_clock_that_runs(desk: Connection) -> None:
    """The customer writes three times: the next response is due from the first unanswered message."""
    first = start(desk, "22 10:00", "ticket_first", target="next")
    start(desk, "22 10:20", "ticket_first", target="next")
    third = start(desk, "22 10:40", "ticket_first", target="next")
    assert (third["id"], third["due_at"]) == (first["id"], at("22 11:00"))
    assert events(desk, first) == ["started"]
    call(desk, "record_reply", "test", 1, "outward", at("22 10:50"), member(desk))
    fourth = start(desk, "22 12:00", "ticket_first", target="next")
    assert (fourth["instance"], fourth["due_at"]) == (2, at("22 13:00"))


def test_many_at_once(desk: Connection) -> None:
    start(desk, "22 09:00", entity_id=7)
    found = rows(
        desk,
        "select * from private.start_clocks('test', %s, %s, 'review', 'order_review', %s)",
        ([5, 6, 7, 7], shop(desk), at("22 10:00")),
    )
    assert {row["entity_id"]: row["due_at"] for row in found} == {
        5: at("22 12:00"), 6: at("22 12:00"), 7: at("22 11:00"),
    }  # fmt: skip
    assert all(events(desk, row) == ["started"] for row in found)


def test_the_platforms_own_deadline_wins_when_it_is_earlier(desk: Connection) -> None:
    early = start(desk, "22 10:00", "ship_promise", 1, "ship", p_latest=at("23 10:00"))
    late = start(desk, "22 10:00", "ship_promise", 2, "ship", p_latest=at("29 10:00"))
    assert early["due_at"] == at("23 10:00")
    assert (early["next_step"], early["next_step_at"]) == (1, at("22 22:00"))
    assert late["due_at"] == at("24 10:00")


def test_a_step_at_once(desk: Connection) -> None:
    clock = start(desk, "22 23:50", "public_complaint")
    assert (clock["due_at"], clock["next_step"], clock["next_step_at"]) == (at("23 08:50"), 1, at("22 23:50"))


def test_working_days(desk: Connection) -> None:
    clock = start(desk, "2026-09-30 12:00", "refund_arrival")
    assert clock["due_at"] == at("2026-10-13 24:00")
    assert clock["next_step_at"] == at("2026-10-10 24:00")  # 60 % of five working days


def test_a_start_that_is_still_to_come(desk: Connection) -> None:
    clock = start(desk, "22 10:00", p_starts_at=at("23 09:00"))
    assert (clock["state"], clock["due_at"]) == ("scheduled", at("23 11:00"))
    assert call(desk, "tick_clocks", at("23 08:59"))["tick_clocks"] == 0
    assert call(desk, "tick_clocks", at("23 09:00"))["tick_clocks"] == 1
    assert call(desk, "tick_clocks", at("23 09:00"))["tick_clocks"] == 0
    assert events(desk, clock) == ["scheduled", "began"]


# --- pause and resume ------------------------------------------------------------------------------------------------


def test_pause_and_resume(desk: Connection) -> None:
    clock = start(desk, "22 23:30")
    paused = call(desk, "pause_clock", clock["id"], "等待客户", at("23 08:10"))
    assert (paused["state"], paused["due_at"], paused["next_step_at"]) == ("paused", None, None)
    assert paused["used"] == 40
    resumed = call(desk, "resume_clock", clock["id"], at("23 12:00"))
    assert (resumed["state"], resumed["due_at"], resumed["due_version"]) == ("running", at("23 13:20"), 2)
    assert (resumed["next_step"], resumed["next_step_at"]) == (1, at("23 12:20"))
    assert events(desk, clock) == ["started", "paused", "resumed"]


def test_a_second_pause_and_a_second_resume_change_nothing(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    call(desk, "pause_clock", clock["id"], "等待客户", at("22 10:30"))
    again = call(desk, "pause_clock", clock["id"], "别的原因", at("22 10:50"))
    assert (again["paused_at"], again["pause_reason"]) == (at("22 10:30"), "等待客户")
    call(desk, "resume_clock", clock["id"], at("22 11:00"))
    once = call(desk, "resume_clock", clock["id"], at("22 11:30"))
    assert once["due_at"] == at("22 12:30")
    assert events(desk, clock) == ["started", "paused", "resumed"]


def test_a_pause_outside_open_hours_is_no_new_deadline(desk: Connection) -> None:
    clock = start(desk, "22 23:30")
    call(desk, "pause_clock", clock["id"], "等待客户", at("23 00:10"))
    resumed = call(desk, "resume_clock", clock["id"], at("23 07:50"))
    assert (resumed["due_at"], resumed["due_version"]) == (at("23 09:30"), 1)
    assert (resumed["next_step"], resumed["next_step_at"]) == (1, at("23 08:30"))


def test_many_pauses_add_up(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    for begin, end in (("22 10:10", "22 10:40"), ("22 10:40", "22 11:00"), ("22 23:00", "23 08:30")):
        call(desk, "pause_clock", clock["id"], "等待客户", at(begin))
        last = call(desk, "resume_clock", clock["id"], at(end))
        if end == "22 11:00":
            assert last["due_at"] == at("22 12:50")
    assert last["state"] == "breached"  # 22 12:50 had passed before the third pause
    assert last["due_at"] == at("22 12:50")


def test_a_pause_needs_a_reason(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    with pytest.raises(psycopg.Error, match=r"clock\.reason_missing"):
        call(desk, "pause_clock", clock["id"], "  ", at("22 10:30"))


def test_steps_behind_are_not_repeated_after_a_resume(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    call(desk, "pause_clock", clock["id"], "等待客户", at("22 11:30"))  # 90 of 120 minutes: 50 % was at 11:00
    resumed = call(desk, "resume_clock", clock["id"], at("22 15:00"))
    assert (resumed["next_step"], resumed["next_step_at"]) == (2, at("22 15:30"))


def test_overdue_paused_resumed_says_so_once_more(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    assert call(desk, "tick_clocks", at("22 12:00"))["tick_clocks"] == 0
    assert call(desk, "tick_clocks", at("22 12:00:01"))["tick_clocks"] == 1
    call(desk, "pause_clock", clock["id"], "等待客户", at("22 12:10"))
    resumed = call(desk, "resume_clock", clock["id"], at("22 12:40"))
    assert (resumed["state"], resumed["due_at"], resumed["due_version"]) == ("breached", at("22 12:00"), 2)
    assert resumed["next_step"] == 2
    assert resumed["next_step_at"] <= at("22 12:40")


def test_a_pause_of_working_days(desk: Connection) -> None:
    clock = start(desk, "23 10:00", "refund_arrival")  # Monday; due on Monday the 30th
    assert clock["due_at"] == at("30 24:00")
    paused = call(desk, "pause_clock", clock["id"], "等待买家", at("25 12:00"))
    assert paused["used"] == 1  # the 24th
    resumed = call(desk, "resume_clock", clock["id"], at("26 09:00"))
    assert resumed["due_at"] == at("2026-12-02 24:00")  # 27, 30, 1, 2: the 25th and 26th stood paused


# --- stop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "state"),
    [("22 11:59:59", "fulfilled"), ("22 12:00", "fulfilled"), ("22 12:00:01", "fulfilled_late")],
)
def test_met_means_done_by_the_deadline(desk: Connection, done: str, state: str) -> None:
    clock = start(desk, "22 10:00")
    stopped = call(desk, "stop_clock", clock["id"], at(done), member(desk))
    assert (stopped["state"], stopped["stopped_at"], stopped["next_step_at"]) == (state, at(done), None)
    assert stopped["breached_at"] == (at("22 12:00") if state == "fulfilled_late" else None)


def test_done_earlier_than_we_learned_of_it(desk: Connection) -> None:
    clock = start(desk, "22 10:00", "ship_promise")
    call(desk, "tick_clocks", at("25 10:00"))
    stopped = call(desk, "stop_clock", clock["id"], at("25 12:00"), p_done_at=at("24 09:00"))
    assert (stopped["state"], stopped["stopped_at"], stopped["breached_at"]) == (
        "fulfilled",
        at("24 09:00"),
        None,
    )


def test_stopped_while_paused(desk: Connection) -> None:
    in_time, late = start(desk, "22 10:00", entity_id=1), start(desk, "22 10:00", entity_id=2)
    call(desk, "pause_clock", in_time["id"], "等待客户", at("22 12:00"))
    call(desk, "pause_clock", late["id"], "等待客户", at("22 12:01"))
    assert call(desk, "stop_clock", in_time["id"], at("25 10:00"))["state"] == "fulfilled"
    assert call(desk, "stop_clock", late["id"], at("25 10:00"))["state"] == "fulfilled_late"


def test_stopped_stays_stopped(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    stopped = call(desk, "stop_clock", clock["id"], at("22 11:00"))
    assert call(desk, "stop_clock", clock["id"], at("22 13:00")) == stopped
    assert call(desk, "cancel_clock", clock["id"], "不再需要", at("22 13:00")) == stopped
    for command, args in (("pause_clock", ("等待客户", at("22 13:00"))), ("resume_clock", (at("22 13:00"),))):
        with pytest.raises(psycopg.Error, match=r"clock\.stopped") as refusal, desk.transaction():
            call(desk, command, clock["id"], *args)
        assert refusal.value.sqlstate == "PT409"
    assert call(desk, "tick_clocks", at("23 10:00"))["tick_clocks"] == 0
    assert events(desk, clock) == ["started", "stopped"]


def test_cancelled_has_no_verdict(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    call(desk, "pause_clock", clock["id"], "等待客户", at("22 10:10"))
    cancelled = call(desk, "cancel_clock", clock["id"], "订单关闭", at("22 10:20"))
    assert (cancelled["state"], cancelled["paused_at"], cancelled["next_step_at"]) == (
        "cancelled",
        None,
        None,
    )
    assert (
        call(desk, "start_clock", "test", 1, shop(desk), "review", "order_review", at("22 11:00"))["instance"]
        == 2
    )


def test_a_clock_that_does_not_exist(desk: Connection) -> None:
    with pytest.raises(psycopg.Error, match=r"clock\.none") as refusal:
        call(desk, "stop_clock", -1, at("22 10:00"))
    assert refusal.value.sqlstate == "PT404"


@pytest.mark.parametrize(
    ("channel", "person"), [("note", True), ("auto", False), ("import", False), ("outward", False)]
)
def test_only_a_persons_outward_reply_is_a_first_response(
    desk: Connection, channel: str, person: bool
) -> None:
    clock = start(desk, "22 10:00", "ticket_first", target="first")
    resolve = start(desk, "22 10:00", "ticket_resolve", target="resolve")
    ignored = call(desk, "record_reply", "test", 1, channel, at("22 10:30"), member(desk) if person else None)
    assert (ignored["state"], ignored["due_at"]) == ("running", at("22 11:00"))
    answered = call(desk, "record_reply", "test", 1, "outward", at("22 11:00"), member(desk))
    assert (answered["id"], answered["state"]) == (clock["id"], "fulfilled")
    assert events(desk, clock) == ["started", "reply_ignored", "stopped"]
    assert events(desk, resolve) == ["started"]


# --- reopen ------------------------------------------------------------------------------------------------------------


def test_reopened_after_thirty_days(desk: Connection) -> None:
    """First response stays met; total resolution goes on with what was left; the first resolution keeps its verdict."""
    first = start(desk, "2026-10-10 10:00", "ticket_first", target="first")
    resolve = start(desk, "2026-10-10 10:00", "ticket_resolve", target="resolve")
    call(desk, "stop_clock", first["id"], at("2026-10-10 10:30"))
    call(desk, "stop_clock", resolve["id"], at("2026-10-10 20:00"))  # 10 of 24 hours
    kept = call(desk, "reopen_clock", first["id"], at("09 09:00"))
    assert (kept["id"], kept["state"]) == (first["id"], "fulfilled")
    total = call(desk, "reopen_clock", resolve["id"], at("09 09:00"), p_reason="买家追问")
    assert (total["instance"], total["state"], total["due_at"]) == (2, "running", at("09 23:00"))
    assert events(desk, total) == ["reopened"]
    verdicts = desk.execute(
        "select instance, state from sla_clocks where target = 'resolve' order by 1"
    ).fetchall()
    assert verdicts == [(1, "fulfilled"), (2, "running")]
    assert call(desk, "reopen_clock", resolve["id"], at("09 10:00"))["id"] == total["id"]


def test_reopened_with_nothing_left_is_due_at_once(desk: Connection) -> None:
    clock = start(desk, "20 10:00", "ticket_resolve", target="resolve")
    call(desk, "stop_clock", clock["id"], at("21 12:00"))
    total = call(desk, "reopen_clock", clock["id"], at("22 09:00"))
    assert (total["state"], total["due_at"]) == ("running", at("22 09:00"))
    assert call(desk, "tick_clocks", at("22 09:01"))["tick_clocks"] == 1


def test_reopened_twice_goes_on_counting(desk: Connection) -> None:
    clock = start(desk, "20 10:00", "ticket_resolve", target="resolve")
    call(desk, "stop_clock", clock["id"], at("20 20:00"))
    second = call(desk, "reopen_clock", clock["id"], at("22 09:00"))
    call(desk, "stop_clock", second["id"], at("22 13:00"))
    assert call(desk, "reopen_clock", clock["id"], at("25 09:00"))["due_at"] == at("25 19:00")


def test_other_targets_start_again_with_the_policy_of_today(desk: Connection) -> None:
    clock = start(desk, "20 10:00")
    call(desk, "stop_clock", clock["id"], at("20 11:00"))
    desk.execute("update sla_policies set allowance = 60 where code = 'order_review' and shop_id is null")
    again = call(desk, "reopen_clock", clock["id"], at("22 09:00"))
    assert (again["instance"], again["due_at"], again["used"]) == (2, at("22 10:00"), 0)


# --- what cannot be stored -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "state = 'paused'",
        "due_at = null",
        "state = 'breached'",
        "breached_at = due_at",
        "state = 'fulfilled'",
        "stopped_at = due_at",
        "state = 'uncovered'",
        "measure = 'wall'",
        "used = -1",
        "instance = 0",
        "pauses = '{[2026-11-22 10:00+08,)}'",
        "pause_reason = 'x'",
    ],
)
def test_illegal_states_cannot_be_stored(desk: Connection, change: str) -> None:
    clock = start(desk, "22 10:00")
    with pytest.raises(psycopg.errors.CheckViolation):
        desk.execute(f"update sla_clocks set {change} where id = %s", (clock["id"],))


def test_one_open_clock_per_target(desk: Connection) -> None:
    clock = start(desk, "22 10:00")
    with pytest.raises(psycopg.errors.UniqueViolation, match="sla_clocks_one_open_idx"):
        desk.execute("""insert into sla_clocks (shop_id, entity, entity_id, target, instance, state, policy_id, policy, measure,
                calendar_id, allowance, started_at, counted_from, due_at, updated_at, created_at)
            select shop_id, entity, entity_id, target, 2, state, policy_id, policy, measure, calendar_id, allowance, started_at,
                counted_from, due_at, updated_at, created_at from sla_clocks where id = %s""", (clock["id"],))  # fmt: skip


@pytest.mark.parametrize(
    "statement", ["update sla_clock_events set reason = 'x'", "delete from sla_clock_events"]
)
def test_events_are_append_only(desk: Connection, statement: str) -> None:
    start(desk, "22 10:00")
    with pytest.raises(psycopg.Error, match=r"history\.append_only"):
        desk.execute(statement.encode())


def test_the_same_on_postgres_17(pg17: Hosted) -> None:
    """Hosted projects run Postgres 17: one deadline from start over a pause to its next instance."""
    with psycopg.connect(pg17.owner_url) as conn:
        conn.execute("""insert into stock_pools (name) values ('时效测试');
            insert into shops (code, name, platform, stock_pool_id) select 'clock-a', 'a', 'own', max(id) from stock_pools""")
        clock = start(conn, "22 23:30", "ticket_resolve", target="resolve")
        call(conn, "pause_clock", clock["id"], "等待客户", at("23 08:10"))
        call(conn, "resume_clock", clock["id"], at("23 12:00"))
        assert call(conn, "stop_clock", clock["id"], at("24 03:20"))["state"] == "fulfilled"
        assert call(conn, "reopen_clock", clock["id"], at("25 10:00"))["due_at"] == at("25 10:00")
        assert call(conn, "tick_clocks", at("25 10:01"))["tick_clocks"] == 1
        conn.rollback()
