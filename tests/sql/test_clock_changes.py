"""What changes a deadline afterwards: policies, calendars, holiday lists, merges; and who may ask and change."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.test_clock_commands import Clock, at, call, desk, events, member, rows, shop, start
from tests.support import as_role

__all__ = ["desk"]

Connection = psycopg.Connection[Any]
ROOT = Path(__file__).parents[2]
SEED = (ROOT / "backend/sql/35_clock_seed.sql").read_text("utf-8")
LIST_2027 = {"year": 2027, "holidays": ["2027-01-01"], "makeup_workdays": ["2027-01-02"], "source": "测试"}


def clock(db: Connection, clock_id: int) -> Clock:
    return rows(db, "select * from sla_clocks where id = %s", (clock_id,))[0]


def person(db: Connection, role: str, shop_id: int | None) -> uuid.UUID:
    """An active member of one role, working for one shop."""
    user = uuid.uuid4()
    row = db.execute(
        "insert into members (display_name, role, state, user_id) values ('成员', %s, 'active', %s) returning id",
        (role, user),
    ).fetchone()
    assert row is not None
    if shop_id is not None:
        db.execute("insert into member_shops values (%s, %s)", (row[0], shop_id))
    return user


# --- a policy changes ------------------------------------------------------------------------------------------------


def set_review_minutes(db: Connection, minutes: int) -> None:
    db.execute(
        "update sla_policies set allowance = %s where code = 'order_review' and shop_id is null", (minutes,)
    )


def test_a_running_clock_keeps_its_snapshot_until_told(desk: Connection) -> None:
    running = start(desk, "22 10:00")
    set_review_minutes(desk, 60)
    assert clock(desk, running["id"])["due_at"] == at("22 12:00")
    assert start(desk, "22 10:00", entity_id=2)["due_at"] == at("22 11:00")
    told = call(desk, "retarget_clock", running["id"], at("22 10:20"), member(desk), "新规则")
    assert (told["due_at"], told["used"], told["due_version"]) == (at("22 11:00"), 20, 2)
    assert events(desk, running) == ["started", "retargeted"]


def test_re_targeting_never_makes_a_clock_overdue_before_now(desk: Connection) -> None:
    running = start(desk, "22 10:00")
    set_review_minutes(desk, 30)
    told = call(desk, "retarget_clock", running["id"], at("22 11:00"))
    assert (told["state"], told["due_at"]) == ("running", at("22 11:00"))
    assert call(desk, "stop_clock", running["id"], at("22 11:00"))["state"] == "fulfilled"


def test_re_targeting_a_paused_clock(desk: Connection) -> None:
    running = start(desk, "22 10:00")
    call(desk, "pause_clock", running["id"], "等待客户", at("22 10:30"))
    set_review_minutes(desk, 180)
    told = call(desk, "retarget_clock", running["id"], at("22 12:00"))
    assert (told["state"], told["due_at"]) == ("paused", None)
    assert call(desk, "resume_clock", running["id"], at("22 13:00"))["due_at"] == at("22 15:30")


def test_an_overdue_clock_keeps_its_verdict(desk: Connection) -> None:
    running = start(desk, "22 10:00")
    set_review_minutes(desk, 600)
    told = call(desk, "retarget_clock", running["id"], at("22 12:00:01"))
    assert told["due_at"] == at("22 12:00")
    assert events(desk, running) == ["started"]


def test_a_lead_graded_anew_keeps_the_time_it_used(desk: Connection) -> None:
    lead = start(desk, "20 10:00", "lead_c", target="follow_up")
    told = call(desk, "retarget_clock", lead["id"], at("20 20:00"), None, "改为 A 级", "lead_a")
    assert (told["due_at"], told["policy"]["code"]) == (at("21 10:00"), "lead_a")


def test_minutes_that_become_working_days_keep_their_share(desk: Connection) -> None:
    running = start(desk, "23 10:00", "return_review")
    told = call(desk, "retarget_clock", running["id"], at("23 22:00"), None, None, "refund_arrival")
    assert (told["used"], told["measure"]) == (2, "workdays")  # half of five days, whole days only
    assert told["due_at"] == at("26 24:00")
    back = call(desk, "retarget_clock", running["id"], at("25 12:00"), None, None, "return_review")
    assert back["used"] == 864  # three of five days
    assert back["due_at"] == at("25 21:36")


# --- two become one --------------------------------------------------------------------------------------------------


def test_a_merge_keeps_the_earlier_deadline(desk: Connection) -> None:
    older, newer = start(desk, "22 10:00", entity_id=1), start(desk, "22 11:00", entity_id=2)
    kept = call(desk, "merge_clock", older["id"], newer["id"], at("22 11:10"))
    assert (kept["id"], kept["due_at"], kept["due_version"]) == (newer["id"], at("22 12:00"), 2)
    silent = clock(desk, older["id"])
    assert (silent["state"], silent["next_step_at"]) == ("cancelled", None)
    assert call(desk, "tick_clocks", at("22 12:30"))["tick_clocks"] == 1
    assert (events(desk, older), events(desk, newer)) == (
        ["started", "cancelled"],
        ["started", "merged", "breached"],
    )


def test_a_merge_into_the_earlier_one_changes_no_deadline(desk: Connection) -> None:
    older, newer = start(desk, "22 10:00", entity_id=1), start(desk, "22 11:00", entity_id=2)
    kept = call(desk, "merge_clock", newer["id"], older["id"], at("22 11:10"))
    assert (kept["due_at"], kept["due_version"]) == (at("22 12:00"), 1)


def test_a_merge_of_an_overdue_clock(desk: Connection) -> None:
    older, newer = start(desk, "22 10:00", entity_id=1), start(desk, "22 11:30", entity_id=2)
    kept = call(desk, "merge_clock", older["id"], newer["id"], at("22 12:30"))
    assert (kept["state"], kept["due_at"], kept["breached_at"]) == (
        "breached",
        at("22 12:00"),
        at("22 12:00"),
    )


def test_a_merge_into_a_paused_clock(desk: Connection) -> None:
    older, newer = start(desk, "22 10:00", entity_id=1), start(desk, "22 11:00", entity_id=2)
    call(desk, "pause_clock", newer["id"], "等待客户", at("22 11:30"))
    kept = call(desk, "merge_clock", older["id"], newer["id"], at("22 11:40"))
    assert (kept["state"], kept["due_at"]) == ("paused", None)
    assert call(desk, "resume_clock", newer["id"], at("22 14:00"))["due_at"] == at("22 14:20")


# --- a calendar changes ----------------------------------------------------------------------------------------------


@pytest.fixture
def timed(desk: Connection) -> Connection:
    """The desk, with the clock of the product in the test's hand."""
    desk.execute("""create or replace function private.now() returns timestamptz language sql stable set search_path = ''
        as $$ select current_setting('test.now')::timestamptz $$""")
    return desk


def set_now(db: Connection, text: str) -> None:
    db.execute("select set_config('test.now', %s, true)", (at(text).isoformat(),))


def service(db: Connection, rpc: str, *args: Any) -> Any:
    with as_role(db, "service_role"):
        return rows(db, f"select {rpc}({', '.join(['%s'] * len(args))}) as answer", args)[0]["answer"]


def test_a_closed_date_moves_what_is_open_and_nothing_else(timed: Connection) -> None:
    running, done = start(timed, "22 23:30", entity_id=1), start(timed, "22 23:30", entity_id=2)
    overdue, paused = start(timed, "22 10:00", entity_id=3), start(timed, "22 23:00", entity_id=4)
    call(timed, "stop_clock", done["id"], at("22 23:40"))
    call(timed, "pause_clock", paused["id"], "等待客户", at("22 23:10"))
    set_now(timed, "22 23:45")
    answer = service(timed, "set_calendar_day", "all", "2026-11-23", Jsonb([]), "停业", uuid.uuid4())
    assert answer == {"moved": 1}
    assert clock(timed, running["id"])["due_at"] == at("24 09:30")
    assert clock(timed, done["id"])["due_at"] == at("23 09:30")
    assert clock(timed, overdue["id"])["due_at"] == at("22 12:00")
    assert call(timed, "resume_clock", paused["id"], at("23 10:00"))["due_at"] == at("24 09:50")
    assert events(timed, running) == ["started", "recalculated"]


def test_a_change_of_the_past_does_not_take_back_time(timed: Connection) -> None:
    running = start(timed, "22 10:00")
    set_now(timed, "22 11:00")
    service(timed, "set_calendar_day", "all", "2026-11-22", Jsonb([[720, 1440]]), "晚开门", uuid.uuid4())
    assert clock(timed, running["id"])["due_at"] == at("22 13:00")  # the hour until 11:00 stays used
    set_now(timed, "22 12:30")
    service(timed, "set_calendar_day", "all", "2026-11-22", Jsonb(None), "", uuid.uuid4())
    assert clock(timed, running["id"])["due_at"] == at("22 13:00")


def test_a_change_of_working_days(timed: Connection) -> None:
    running = start(timed, "23 10:00", "refund_arrival")
    set_now(timed, "25 10:00")
    service(timed, "set_calendar_day", "workdays", "2026-11-26", Jsonb([]), "盘点", uuid.uuid4())
    assert clock(timed, running["id"])["due_at"] == at("2026-12-01 24:00")


def test_clocks_wait_for_the_list_of_their_year(timed: Connection) -> None:
    waiting = start(timed, "2026-12-30 10:00", "refund_arrival", entity_id=1)
    assert (waiting["state"], waiting["due_at"], waiting["due_version"]) == ("uncovered", None, 0)
    in_time, open_verdict = (start(timed, "2026-12-30 10:00", "refund_arrival", entity_id=n) for n in (2, 3))
    assert call(timed, "stop_clock", in_time["id"], at("2026-12-31 18:00"))["state"] == "fulfilled"
    stopped = call(timed, "stop_clock", open_verdict["id"], at("2027-01-12 10:00"))
    assert (stopped["state"], stopped["stopped_at"]) == ("uncovered", at("2027-01-12 10:00"))
    paused = start(timed, "2026-12-30 10:00", "refund_arrival", entity_id=4)
    call(timed, "pause_clock", paused["id"], "等待买家", at("2027-01-05 10:00"))
    set_now(timed, "2027-01-12 11:00")
    assert service(timed, "import_holiday_year", Jsonb(LIST_2027), uuid.uuid4()) == {"year": 2027, "moved": 2}
    found = clock(timed, waiting["id"])  # 12-31, 01-02 (make-up), 01-04, 01-05, 01-06
    assert (found["state"], found["due_at"], found["due_version"]) == ("running", at("2027-01-06 24:00"), 1)
    assert clock(timed, open_verdict["id"])["state"] == "fulfilled_late"
    assert clock(timed, open_verdict["id"])["breached_at"] == at("2027-01-06 24:00")
    resumed = call(timed, "resume_clock", paused["id"], at("2027-01-12 12:00"))
    assert resumed["due_at"] == at("2027-01-14 24:00")  # used: 12-31, 01-02, 01-04; then 13, 14
    assert events(timed, waiting) == ["started", "recalculated"]


BAD_LISTS: dict[str, Any] = {
    "no year": {"holidays": [], "makeup_workdays": []},
    "no holidays": {"year": 2027, "makeup_workdays": []},
    "no date": {"year": 2027, "holidays": ["2027-02-30"], "makeup_workdays": []},
    "a date of another year": {"year": 2027, "holidays": ["2029-02-03"], "makeup_workdays": []},
    "closed and worked": {"year": 2027, "holidays": ["2027-01-01"], "makeup_workdays": ["2027-01-01"]},
    "a year that is a word": {"year": "next", "holidays": [], "makeup_workdays": []},
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_a_list_that_is_wrong_changes_nothing(desk: Connection, case: str) -> None:
    with pytest.raises(psycopg.Error, match=r"calendar\.bad_list") as refusal:
        service(desk, "import_holiday_year", Jsonb(BAD_LISTS[case]), uuid.uuid4())
    assert refusal.value.sqlstate == "PT422"
    assert desk.execute("select from holiday_years where year <> 2026").fetchall() == []


@pytest.mark.parametrize("hours", [[[600, 500]], [["a", 1]], 5, [[0, 2881]], [[1500, 1600]], [[None, 5]]])
def test_hours_that_mean_nothing(desk: Connection, hours: Any) -> None:
    with pytest.raises(psycopg.Error, match=r"calendar\.bad_hours"):
        service(desk, "set_calendar_day", "all", "2026-12-12", Jsonb(hours), "", uuid.uuid4())


def test_the_same_request_twice_works_once(desk: Connection) -> None:
    request = uuid.uuid4()
    for _ in range(2):
        service(desk, "set_calendar_day", "all", "2026-12-12", Jsonb([]), "停业", request)
    rows = desk.execute("select version from calendars where code = 'all'").fetchall()
    assert desk.execute("select from audit_events where action = 'day_set'").rowcount == 1
    assert len(rows) == 1


# --- why is this the deadline? -----------------------------------------------------------------------------------------


def test_explained(desk: Connection) -> None:
    running = start(desk, "22 23:30")
    call(desk, "pause_clock", running["id"], "等待客户", at("23 08:10"))
    call(desk, "resume_clock", running["id"], at("23 12:00"))
    told = service(desk, "explain_clock", running["id"])
    assert (told["policy"], told["calendar"], told["timezone"]) == (
        "订单异常审核",
        "早班＋晚班",
        "Asia/Shanghai",
    )
    assert (told["used_before"], told["minutes"], told["windows_count"]) == (0, 120, 3)
    assert [window["minutes"] for window in told["windows"]] == [30, 10, 80]
    (pause,) = told["pauses"]
    assert pause["reason"] == "等待客户"
    assert [datetime.fromisoformat(pause[end]) for end in ("from", "to")] == [at("23 08:10"), at("23 12:00")]


def test_explained_while_paused_by_the_wall_and_uncovered(desk: Connection) -> None:
    paused = start(desk, "22 10:00", "lead_a", target="follow_up")
    call(desk, "pause_clock", paused["id"], "等待客户", at("22 11:00"))
    told = service(desk, "explain_clock", paused["id"])
    assert (told["calendar"], told["minutes"], told["pauses"][0]["to"]) == (None, 60, None)
    uncovered = start(desk, "2027-05-05 10:00", "refund_arrival")
    told = service(desk, "explain_clock", uncovered["id"])
    assert (told["windows"], told["pauses"], told["due_at"]) == ([], [], None)


# --- who may -------------------------------------------------------------------------------------------------------------

CALLS = {
    "preview_deadline": "select preview_deadline('all', now(), 1)",
    "preview_workdays": "select preview_workdays('all', now(), 1)",
    "calendar_zone": "select calendar_zone('all')",
    "import_holiday_year": """select import_holiday_year(
        '{"year": 2030, "holidays": [], "makeup_workdays": []}', gen_random_uuid())""",
    "set_calendar_day": "select set_calendar_day('all', '2030-01-01', '[]', '', gen_random_uuid())",
}
EVERYBODY = ("agent", "warehouse", "operations", "analyst", "manager", "admin")
MAY = {
    "preview_deadline": EVERYBODY,
    "preview_workdays": EVERYBODY,
    "calendar_zone": EVERYBODY,
    "import_holiday_year": ("manager", "admin"),
    "set_calendar_day": ("manager", "admin"),
}


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("rpc", CALLS)
def test_rights_of_members(desk: Connection, rpc: str, role: str) -> None:
    user = person(desk, role, shop(desk))
    if role in MAY[rpc]:
        with as_role(desk, "authenticated", user):
            desk.execute(CALLS[rpc].encode())
        return
    with pytest.raises(psycopg.Error, match=r"member\.role"), as_role(desk, "authenticated", user):
        desk.execute(CALLS[rpc].encode())
    assert desk.execute("select from holiday_years where year = 2030").fetchall() == []
    assert desk.execute("select from calendar_days where day = '2030-01-01'").fetchall() == []


@pytest.mark.parametrize("rpc", [*CALLS, "explain_clock"])
def test_nobody_asks_without_membership(desk: Connection, rpc: str) -> None:
    statement = CALLS.get(rpc, "select explain_clock(1)").encode()
    with pytest.raises(psycopg.Error, match=r"member\.none"), as_role(desk, "authenticated", uuid.uuid4()):
        desk.execute(statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), as_role(desk, "anon"):
        desk.execute(statement)


def test_a_clock_is_explained_to_its_shop_only(desk: Connection) -> None:
    running = start(desk, "22 10:00")
    mine, other = person(desk, "agent", shop(desk)), person(desk, "manager", shop(desk, "clock-b"))
    statement = "select explain_clock(%s) ->> 'id' as id"
    with as_role(desk, "authenticated", mine):
        assert desk.execute(statement, (running["id"],)).fetchone() == (str(running["id"]),)
    with pytest.raises(psycopg.Error, match=r"clock\.none"), as_role(desk, "authenticated", other):
        desk.execute(statement, (running["id"],))


@pytest.mark.parametrize("table", ["sla_clocks", "sla_clock_events"])
def test_clocks_are_read_by_their_shop_and_written_by_nobody(desk: Connection, table: str) -> None:
    start(desk, "22 10:00")
    mine, other = person(desk, "agent", shop(desk)), person(desk, "agent", shop(desk, "clock-b"))
    for user, seen in ((mine, 1), (other, 0)):
        with as_role(desk, "authenticated", user):
            assert len(desk.execute(f"select id from {table} where shop_id is not null").fetchall()) == seen
    for user in (mine, person(desk, "admin", None)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), as_role(desk, "authenticated", user):
            desk.execute(f"update {table} set due_at = null")
    for command in ("pause_clock(1, 'x', now())", "stop_clock(1, now())", "tick_clocks(now())"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), as_role(desk, "authenticated", mine):
            desk.execute(f"select private.{command}")


# --- what is there from the first start --------------------------------------------------------------------------------------


def test_the_seeded_list_is_the_copied_one(db: Connection) -> None:
    copied = json.loads((ROOT / "backend/data/calendar/2026.json").read_text("utf-8"))
    row = db.execute(
        "select holidays::text[], makeup_workdays::text[] from holiday_years where year = 2026"
    ).fetchone()
    assert row == (copied["holidays"], copied["makeup_workdays"])


def test_seeded_deadlines(db: Connection) -> None:
    rows = db.execute("""select p.code, p.allowance::int, p.measure, c.code, jsonb_path_query_array(p.ladder, '$[*].percent'),
            jsonb_path_query_array(p.ladder, '$[*].minutes')
        from sla_policies p left join calendars c on c.id = p.calendar_id where p.shop_id is null""").fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        "order_review": (120, "working", "all", [50, 100, 150], []),
        "ship_promise": (2880, "wall", None, [], [-720, -240]),
        "deliver_promise": (4320, "wall", None, [], [-720, -240]),
        "parcel_contact": (720, "wall", None, [50, 100], []),
        "promise": (4320, "wall", None, [80, 100], []),
        "lead_a": (1440, "wall", None, [80, 100, 150], []),
        "lead_b": (4320, "wall", None, [80, 100, 150], []),
        "lead_c": (10080, "wall", None, [80, 100, 150], []),
        "ticket_first": (60, "working", "all", [80, 100], []),
        "ticket_next": (240, "working", "all", [80, 100], []),
        "ticket_resolve": (1440, "wall", None, [80, 100], []),
        "return_review": (1440, "wall", None, [80, 100], []),
        "reship": (1440, "wall", None, [80, 100], []),
        "refund_arrival": (5, "workdays", "workdays", [60, 100], []),
        "public_complaint": (60, "working", "all", [0, 50, 100], []),
        "low_score": (1440, "wall", None, [100], []),
        "survey": (4320, "wall", None, [100], []),
        "callback": (10080, "wall", None, [100], []),
        "approval": (60, "working", "all", [0, 80, 100], []),
        "task_deliver": (525600, "wall", None, [50, 80, 100], []),
        "kpi_alert": (10080, "wall", None, [0, 100], []),
    }


def test_seeding_again_keeps_what_was_edited(db: Connection) -> None:
    db.execute("update sla_policies set allowance = 45 where code = 'order_review'")
    db.execute("update calendars set name = '营业时间' where code = 'all'")
    db.execute(
        "delete from calendar_shifts s using calendars c where c.id = s.calendar_id and s.opens = 960 and c.code = 'all'"
    )
    db.execute("update holiday_years set holidays = holidays || '{2026-12-25}'::date[]")

    def state() -> list[Any]:
        tables = ("calendars", "calendar_shifts", "holiday_years", "sla_policies")
        return [db.execute(f"select * from {table} order by 1").fetchall() for table in tables]

    before = state()
    db.execute(SEED.encode())
    assert state() == before


# --- in parallel ----------------------------------------------------------------------------------------------------------


def test_ticks_in_parallel_breach_each_clock_once(db_url: str) -> None:
    with psycopg.connect(db_url) as conn:
        conn.execute("""insert into stock_pools (name) values ('时效测试');
            insert into shops (code, name, platform, stock_pool_id) select 'clock-a', 'a', 'own', max(id) from stock_pools""")
        conn.execute(
            "select private.start_clocks('test', array(select generate_series(1, 400)), %s, 'review', 'order_review', %s)",
            (shop(conn), at("22 10:00")),
        )

    def tick(_: int) -> int:
        with psycopg.connect(db_url) as one:
            row = one.execute("select private.tick_clocks(%s, 100)", (at("22 12:01"),)).fetchone()
            assert row is not None
            return int(row[0])

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(tick, range(24))) == 400
    with psycopg.connect(db_url) as conn:
        found = conn.execute(
            "select count(*), count(distinct clock_id) from sla_clock_events where kind = 'breached'"
        )
        assert found.fetchone() == (400, 400)
