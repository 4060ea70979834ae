"""What hand-made requests about figures, tasks and meetings may not do: other people's figures, other shops, odd values."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.desk import as_member, ask, at, one, refusal, refused, row
from tests.sql.reminding import rows
from tests.sql.test_tasks import (
    DAY,
    FASTER,
    START,
    Connection,
    days_pass,
    deliver,
    do,
    person,
    plan,
    propose,
    shop,
    state,
)
from tests.sql.ticketing import open_ticket_floor
from tests.support import as_role

SPAN = {"from": "2026-11-01", "to": "2026-11-02"}


@pytest.fixture
def floor(db: Connection) -> Connection:
    open_ticket_floor(db)
    at(db, START)
    return db


def other_shop(conn: Connection) -> int:
    return int(one(conn, "select id from shops where code = 'two'"))


def kept(conn: Connection, shop_id: int, agent: str, answers: int) -> None:
    conn.execute(
        """insert into private.kpi_snapshots (shop_id, code, day, agent, version, numerator, denominator, sample)
           values (%s, '答问比', '2026-11-01', %s, 1, %s, 100, 100)""",
        (shop_id, agent, answers),
    )
    conn.execute(
        """insert into private.kpi_whole_days (shop_id, day, code, numerator, denominator, sample)
           values (%s, '2026-11-01', '答问比', %s, 100, 100) on conflict (shop_id, day, code) do update set
           numerator = kpi_whole_days.numerator + excluded.numerator, denominator = kpi_whole_days.denominator + 100""",
        (shop_id, answers),
    )


def test_an_agent_sees_no_colleague_and_nobody_another_shop(floor: Connection) -> None:
    kept(floor, shop(floor), "ann", 110)
    kept(floor, shop(floor), "ben", 190)
    kept(floor, other_shop(floor), "far", 170)

    def answers(who: str, **more: Any) -> Any:
        screen = ask(floor, who, "kpi_screen", {**SPAN, **more})
        return {tile["code"]: tile["value"] for tile in screen["tiles"]}["答问比"]

    ben = {"agent": "ben", "member_id": person(floor, "ben")}
    assert {answers("ann"), answers("ann", **ben), answers("ann", shop_id=shop(floor), **ben)} == {110}
    assert answers("ann", shop_id=other_shop(floor)) is None
    assert answers("cid", **ben) is None, "nothing of his own is nothing, not all"
    assert ask(floor, "ann", "kpi_screen", {**SPAN, **ben})["agents"] == []
    assert (answers("mgr"), answers("mgr", agent="ben"), answers("mgr", agent="far")) == (150, 190, None)
    assert answers("ana", shop_id=other_shop(floor)) is None
    rows = ask(floor, "ann", "kpi_rows", "答问比", "2026-11-01", "2026-11-02", None, "person", "ben", None)
    assert [(row["scope"], row["value"]) for row in rows] == [("ann", 110)]
    assert ask(floor, "cid", "kpi_rows", "答问比", "2026-11-01", "2026-11-02") == []
    for rpc, *args in (("kpi_rows", "答问比", "2026-11-01", "2026-11-02"), ("kpi_screen", SPAN)):
        with refusal("PT403", "member.role"):
            ask(floor, "whs", rpc, *args)
    for table in ("kpi_definitions", "kpi_alerts", "agent_names", "agent_days", "chat_messages", "meetings"):
        for who in ("ann", "mgr", "adm"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), as_member(floor, who):
                floor.execute(f"delete from {table}")


def test_what_is_of_all_shops_is_decided_by_those_who_see_all(floor: Connection) -> None:
    """mgr has one shop of two, adm all: neither the figures of both nor the pack of both reach mgr."""
    task = propose(floor, "ann", shop_id=None)
    facts = {"owner_id": person(floor, "ann"), "deadline": (START + DAY).isoformat(), "criteria": [FASTER]}
    with refusal("PT403", "task.needs_manager"):
        do(floor, "mgr", "plan_task", task, facts)
    version = one(floor, "select version from tasks where id = %s", task)
    [answer] = ask(
        floor,
        "mgr",
        "save_tasks",
        [{"id": task, "version": version, "change": {"title": "改名"}}],
        uuid.uuid4(),
    )
    assert answer["outcome"] == "task.needs_manager"
    assert row(floor, "select state, title, version from tasks where id = %s", task) == (
        "proposed",
        "退货处理提速",
        version,
    )
    do(floor, "adm", "plan_task", task, facts)

    with refusal("PT404", "shop.none"):
        ask(floor, "mgr", "save_meeting", "2026-11-01", None, None, "我的", True, uuid.uuid4())
    ask(floor, "adm", "save_meeting", "2026-11-01", None, None, "全部店铺的记录", True, uuid.uuid4())
    seen = ask(floor, "mgr", "meeting_screen", "2026-11-01")
    assert (seen["meeting"], seen["is_kept"], seen["may_hold"], seen["decisions"]) == (None, False, False, [])
    assert ask(floor, "adm", "meeting_screen", "2026-11-01")["meeting"]["notes"] == "全部店铺的记录"
    with as_member(floor, "mgr"):
        assert floor.execute("select * from meetings").fetchall() == []


def test_another_shop_is_not_there(floor: Connection) -> None:
    task = propose(floor)
    plan(floor, task, FASTER)
    before = row(floor, "select * from tasks where id = %s", task)
    meeting = ask(
        floor, "mgr", "save_meeting", "2026-11-01", shop(floor), None, "一店的记录", False, uuid.uuid4()
    )["id"]
    [answer] = ask(
        floor,
        "far",
        "save_tasks",
        [{"id": task, "version": before[0], "change": {"title": "x"}}],
        uuid.uuid4(),
    )
    assert answer["outcome"] == "task.none"
    for code, key, call in (
        ("PT404", "task.none", lambda: do(floor, "far", "cancel_task", task, "不是我的")),
        ("PT404", "task.none", lambda: ask(floor, "far", "task_screen", task)),
        ("PT404", "shop.none", lambda: propose(floor, "far", shop_id=shop(floor))),
        ("PT404", "shop.none", lambda: ask(floor, "far", "save_meeting", "2026-11-01", shop(floor), 1, "x", False, uuid.uuid4())),
        ("PT422", "task.form", lambda: propose(floor, "far", shop_id=other_shop(floor), meeting_id=meeting)),
        ("PT422", "task.form", lambda: propose(floor, "ann", meeting_id=meeting)),
    ):  # fmt: skip
        with refusal(code, key):
            call()
    assert ask(floor, "far", "meeting_screen", "2026-11-01", shop(floor))["meeting"] is None
    assert task not in {one["id"] for one in ask(floor, "far", "task_list", {})["rows"]}
    assert row(floor, "select * from tasks where id = %s", task) == before
    assert propose(floor, "mgr", meeting_id=meeting) > 0


def everything(conn: Connection) -> dict[str, set[str]]:
    """Every row of every table of the database, as text."""
    tables = rows(conn, "select c.oid::regclass::text as name from pg_class c where c.relkind in ('r', 'p')"
        " and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace, 'auth'::regnamespace)")  # fmt: skip
    return {
        table["name"]: {
            line["x"] for line in rows(conn, f"select to_jsonb(t)::text as x from {table['name']} t")
        }
        for table in tables
    }


def test_an_anonymous_proposal_leads_to_nobody(floor: Connection) -> None:
    """What it leaves in all tables names neither account, member nor staff number; sent twice it is still one. The same
    proposal under a name does, so this would see it."""
    floor.execute("alter table members alter column id restart with 918273645")
    account = uuid.uuid4()
    floor.execute(
        """with m as (insert into members (user_id, staff_no, display_name, role, state)
             values (%s, 'STAFF-77', '提建议的人', 'agent', 'active') returning id)
           insert into member_shops select m.id, %s from m""",
        (account, shop(floor)),
    )
    known = (str(account), "918273645", "STAFF-77", "提建议的人")

    def left(**more: Any) -> str:
        """What a proposal, sent twice, added or changed anywhere."""
        facts, request = {"title": "匿名的建议", "shop_id": shop(floor), **more}, uuid.uuid4()
        before = everything(floor)
        with as_role(floor, "authenticated", account):
            answers = [one(floor, "select propose_task(%s, %s)", Jsonb(facts), request) for _ in range(2)]
        assert answers[0] == answers[1]
        after = everything(floor)
        assert len(after["tasks"] - before["tasks"]) == 1
        return "\n".join(line for name in after for line in after[name] - before[name])

    for said in (True, "TRUE", 1):
        anonymous = left(is_anonymous=said)
        assert [one for one in known if one in anonymous] == [], said
    assert str(account) in (named := left()), "the record of requests knows who asked"
    assert "918273645" in named

    task = one(floor, "select max(id) from tasks where is_anonymous")
    for who in ("mgr", "adm"):
        seen = repr((ask(floor, who, "task_screen", task), ask(floor, who, "task_list", {"text": f"o-{task}"}),
            ask(floor, who, "meeting_screen", "2026-11-01", shop(floor))["pack"]["suggestions"][:1]))  # fmt: skip
        with as_member(floor, who):
            seen += repr(rows(floor, "select * from tasks where is_anonymous")) + repr(
                rows(floor, f"select * from audit_events where entity = 'task' and entity_id = {task}")
            )
        assert "匿名的建议" in seen
        assert [one for one in known if one in seen] == []
    for query in (
        "select * from private.requests",
        "select * from private.import_rows",
        "select * from auth.users",
    ):
        for who in ("mgr", "adm"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), as_member(floor, who):
                floor.execute(query)


def test_odd_values_are_refused_with_a_reason(floor: Connection) -> None:
    task = propose(floor)
    ann, far = person(floor, "ann"), person(floor, "far")
    soon = (START + DAY).isoformat()
    good = {"owner_id": ann, "deadline": soon, "criteria": [FASTER]}
    plans: list[Any] = [
        [], Jsonb("x"), Jsonb(7), {"criteria": [FASTER]}, good | {"owner_id": [1]}, good | {"owner_id": "9" * 30}, good | {"deadline": "infinity"},
        good | {"deadline": "9999-01-01"}, good | {"deadline": {}}, good | {"criteria": {}}, good | {"criteria": "[1]"},
        *(good | {"criteria": one} for one in (
            [], [FASTER] * 9, [None], ["x"], [[]], [FASTER | {"target": "NaN"}], [FASTER | {"target": "Infinity"}],
            [FASTER | {"target": "1e300"}], [FASTER | {"target": None}], [FASTER | {"window_days": 40000}], [FASTER | {"window_days": 0}],
            [FASTER | {"min_sample": -1}], [FASTER | {"comparison": "="}], [FASTER | {"agent": "x" * 61}], [FASTER | {"text": "两样"}],
            [{"text": "外人验收", "verifier_id": far}], [{"text": "打13800138000", "verifier_id": ann}], [{"text": "x" * 401, "verifier_id": ann}],
        )),
    ]  # fmt: skip
    wrong = _odd(floor, plans, lambda p: do(floor, "mgr", "plan_task", task, p))
    proposals: list[Any] = [
        {"title": ["a"]}, {"title": "x" * 121}, {"title": None}, {"detail": "电话13800138000"}, {"source": "x"}, {"is_anonymous": "perhaps"},
        {"priority": []}, {"evidence": [1]}, {"evidence": {"x": 1}}, {"evidence": {"kpi": "没有"}}, {"evidence": {"tickets": [1]}},
        {"evidence": {"root_cause_id": "9" * 40}}, {"meeting_id": "x"}, {"shop_id": -1}, {"shop_id": "1e3"},
    ]  # fmt: skip
    wrong += _odd(floor, proposals, lambda p: propose(floor, **p))
    reasons = ["客户电话13800138000", " 不 ", None]
    wrong += _odd(floor, reasons, lambda reason: do(floor, "mgr", "cancel_task", task, reason))
    screens: list[Any] = [
        {}, [], Jsonb("x"), {"from": "x", "to": "y"}, {"from": "-infinity", "to": "infinity"}, SPAN | {"to": "2036-01-01"},
        SPAN | {"shop_id": [1]}, SPAN | {"member_id": "x"}, SPAN | {"member_id": "9" * 40},
    ]  # fmt: skip
    wrong += _odd(floor, screens, lambda p: ask(floor, "mgr", "kpi_screen", p))
    calls: list[tuple[Any, ...]] = [
        ("kpi_figures", [["平响"]], "2026-11-01", "2026-11-02"), ("kpi_figures", {"a": 1}, "2026-11-01", "2026-11-02"),
        ("kpi_figures", [], "-infinity", "infinity"), ("kpi_rows", "平响", "-infinity", "infinity"),
        ("kpi_rows", None, "2026-11-01", "2026-11-02"), ("kpi_rows", "平响", "2026-11-01", "2026-11-02", None, "week"),
        ("announcement", "infinity", "infinity"), ("meeting_screen", "infinity"), ("task_list", {"owner_id": {}}), ("task_list", {"after": {}}),
        ("save_meeting", "infinity", shop(floor), None, "x", False, uuid.uuid4()),
        ("save_meeting", "2026-11-01", shop(floor), None, "电话13800138000", False, uuid.uuid4()),
        ("change_kpi", "平响", 1, {"threshold": "NaN"}, uuid.uuid4()), ("change_kpi", "平响", 1, {"formula": "x"}, uuid.uuid4()),
        ("change_kpi", "平响", 1, {"threshold": -1}, uuid.uuid4()), ("change_kpi", "平响", 1, {"params": [1]}, uuid.uuid4()),
        ("change_kpi", "平响", 1, {"platform_thresholds": [1]}, uuid.uuid4()),
        ("save_tasks", {"id": 1}, uuid.uuid4()), ("save_tasks", [1], uuid.uuid4()), ("save_tasks", [], uuid.uuid4()),
        ("set_agent_name", shop(floor), "x" * 61, ann, uuid.uuid4()), ("set_agent_name", shop(floor), "nick", far, uuid.uuid4()),
    ]  # fmt: skip
    wrong += _odd(floor, calls, lambda c: ask(floor, "mgr", *c))
    same = {
        "threshold": one(floor, "select threshold::float from kpi_definitions where code = '平响'"),
        "params": {},
    }
    for change, key in (
        ({"platform_thresholds": {"jd": 25, "amazon": 20}}, "kpi.platform"),
        ({}, "kpi.no_change"),
        (same, "kpi.no_change"),
    ):
        with refusal("PT422", key), floor.transaction():
            ask(floor, "mgr", "change_kpi", "平响", 1, change, uuid.uuid4())
    assert wrong == [], "\n".join(map(repr, wrong))
    assert state(floor, task) == "proposed"
    assert one(floor, "select count(*) from tasks") == 1
    assert one(floor, "select count(*) from task_criteria") == 0
    assert one(floor, "select max(version) from kpi_definitions") == 1


def _odd(conn: Connection, given: Sequence[Any], call: Callable[[Any], Any]) -> list[Any]:
    """Those that are not refused with a key of ours: taken, or an error of the database; and what it was."""
    wrong = []
    for value in given:
        conn.execute("savepoint odd")
        try:
            call(value)
            got: Any = "taken"
        except psycopg.Error as error:
            got = refused(error)
        conn.execute("rollback to savepoint odd")
        if got[0] not in ("PT422", "PT404"):
            wrong.append((value, got))
    return wrong


def test_odd_lines_of_a_grid_change_nothing(floor: Connection) -> None:
    task = propose(floor)
    before = row(floor, "select * from tasks where id = %s", task)
    version = one(floor, "select version from tasks where id = %s", task)
    changes: list[Any] = [
        None, [], "x", {"title": ["a"]}, {"title": "x"}, {"title": "电话13800138000"}, {"priority": "huge"}, {"owner_id": "x"},
        {"owner_id": person(floor, "far")}, {"deadline": "infinity"}, {"deadline": "yesterday-ish"}, {"deadline": "2020-01-01"},
    ]  # fmt: skip
    outcomes = [
        ask(floor, "mgr", "save_tasks", [{"id": task, "version": version, "change": change}], uuid.uuid4())[
            0
        ]["outcome"]
        for change in changes
    ]
    assert set(outcomes) == {"task.form", "task.owner", "task.deadline"}, outcomes
    assert row(floor, "select * from tasks where id = %s", task) == before


def test_a_measure_is_counted_by_the_version_that_was_agreed(floor: Connection) -> None:
    task = propose(floor)
    plan(floor, task, {"kpi_code": "响应超时率", "target": 5, "window_days": 1, "min_sample": 1})
    deliver(floor, task)
    at(floor, START + DAY)
    for number, sender, seconds in ((1, "buyer", 0), (2, "agent", 40)):
        floor.execute(
            "insert into chat_messages (shop_id, message_id, session_id, buyer, sender, sent_at) values (%s, %s, 's', 'b', %s, %s)",
            (shop(floor), str(number), sender, START + DAY + timedelta(seconds=seconds)),
        )
    ask(floor, "mgr", "change_kpi", "响应超时率", 1, {"params": {"reply_seconds": 60}}, uuid.uuid4())
    day = str((START + DAY).date())
    assert ask(floor, "mgr", "kpi_figures", ["响应超时率"], day, day)[0]["value"] == 0
    days_pass(floor, START + DAY, 1)
    assert row(floor, "select kpi_version, value, is_met from task_criteria") == (1, 100, False)
    assert state(floor, task) == "failed"


def test_a_longer_window_after_delivery_is_measured_to_its_end(floor: Connection) -> None:
    task = propose(floor)
    plan(floor, task, FASTER)
    do(floor, "ann", "start_task", task)
    do(floor, "ann", "deliver_task", task, "改好了流程")
    at(floor, START + 5 * DAY)
    do(floor, "mgr", "change_criteria", task, [FASTER | {"window_days": 14}], "七天太短")
    first = START.date() + timedelta(days=1)
    frozen = "select baseline_from, baseline_to from task_criteria where task_id = %s and replaced_at is null"
    was = (START.date() - timedelta(days=14), START.date() - timedelta(days=1))
    assert row(floor, frozen, task) == was, "what it was before the plan, not after the delivery"
    assert row(floor, "select verify_from, verify_until from tasks where id = %s", task) == (
        first,
        first + timedelta(days=13),
    )
