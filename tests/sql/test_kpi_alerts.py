"""Missed targets: told once through the outbox of reminders, ended with a margin, armed again, switched off."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.desk import ask, at, one, open_floor, refusal, row
from tests.sql.reminding import rows, service, shop, sweep

Connection = psycopg.Connection[Any]
CODE = "转化率(客服)"  # at least 65 %; back with two percent of it: from 66.3 % on
FIRST = datetime.fromisoformat("2026-11-02T09:00:00+08:00")


@pytest.fixture
def floor(db: Connection) -> Connection:
    open_floor(db)
    return db


def day(conn: Connection, number: int, paid: int, asked: int = 100) -> tuple[str, Any]:
    """The figure of a day, judged the next morning: state and first missed day of the alert."""
    of = (FIRST + timedelta(days=number)).date()
    conn.execute(
        "insert into agent_days (shop_id, day, agent, inquiries, paid_buyers) values (%s, %s, '客服A', %s, %s)",
        (shop(conn), of, asked, paid),
    )
    at(conn, FIRST + timedelta(days=number + 1))
    while service(conn, "service_keep_kpis", 100):
        pass
    service(conn, "tick_figures")
    found = row(
        conn, "select state, since from kpi_alerts where code = %s and shop_id = %s", CODE, shop(conn)
    )
    return str(found[0]), found[1]


def told(conn: Connection) -> int:
    """Reminders of missed targets that any sweep up to now has made; the second sweep must add none."""
    sweep(conn)
    sweep(conn)
    found = one(
        conn,
        "select count(*) from reminders r join sla_clocks c on c.id = r.clock_id where c.entity = 'kpi_alert'",
    )
    return int(found)


def clocks(conn: Connection) -> list[str]:
    return [
        found["state"]
        for found in rows(conn, "select state from sla_clocks where entity = 'kpi_alert' order by id")
    ]


def switch(conn: Connection, who: str, change: dict[str, Any]) -> Any:
    found = row(conn, "select id, version from kpi_alerts where code = %s and shop_id = %s", CODE, shop(conn))
    return ask(conn, who, "set_alert", *found, change, uuid.uuid4())


def test_a_missed_target_is_told_once_and_ends_with_a_margin(floor: Connection) -> None:
    first = FIRST.date()
    assert day(floor, 0, 70) == ("ok", None)
    assert told(floor) == 0
    assert day(floor, 1, 40) == ("raised", first + timedelta(days=1))
    assert told(floor) == 1
    assert day(floor, 2, 30) == ("raised", first + timedelta(days=1))
    assert day(floor, 3, 66) == ("raised", first + timedelta(days=1)), "met, but not by the margin"
    assert day(floor, 4, 9, asked=10) == ("raised", first + timedelta(days=1)), "ten cases say nothing"
    assert (told(floor), clocks(floor)) == (1, ["running"]), "checked daily, told when it began"
    assert day(floor, 5, 67) == ("ok", None)
    assert clocks(floor) == ["fulfilled"]
    assert day(floor, 6, 1, asked=10) == ("ok", None), "nor do ten cases raise it"
    assert day(floor, 7, 20) == ("raised", first + timedelta(days=7))
    assert (told(floor), clocks(floor)) == (2, ["fulfilled", "running"])
    service(floor, "tick_figures")
    assert (told(floor), len(clocks(floor))) == (2, 2)


#         code, platform -> a day that misses the target, one that just meets it, one back with the margin; and its cases
FLOORS: dict[tuple[str, str], tuple[float, float, float, int]] = {
    ("转化率(客服)", "taobao"): (64.9, 65, 66.3, 1000),
    ("平响", "taobao"): (30.1, 30, 29.4, 1000),
    ("平响", "jd"): (25.1, 25, 24.5, 1000),
    ("首响", "taobao"): (30.1, 30, 29.4, 1000),
    ("答问比", "taobao"): (129.9, 130, 132.6, 1000),
    ("回复率", "taobao"): (98.9, 99, 100, 1000),
    ("满意比", "taobao"): (94.9, 95, 96.9, 1000),
    ("在线时长", "taobao"): (7.9, 8, 8.2, 3),
    ("响应超时率", "taobao"): (5.1, 5, 4.9, 1000),
    ("留言率", "jd"): (50.1, 50, 49, 1000),
    ("履约准时率", "taobao"): (97.9, 98, 100, 1000),
    ("解决率", "taobao"): (94, 95, 97, 100),
    ("退货处理时长", "taobao"): (24.1, 24, 23.5, 6),
    ("知识库复用率", "taobao"): (79, 80, 82, 100),
}


def test_every_floor_of_the_handbook(floor: Connection) -> None:
    """Met to the dot is met, a tenth less is not; back with the margin only; then armed again. Of 27 KPIs those without a
    target, and 留言率 but on JD, are never watched."""
    wrong = []
    for number, wanted in enumerate(((1, "ok"), (0, "raised"), (1, "raised"), (2, "ok"), (0, "raised"))):
        place, expected = wanted
        morning = FIRST + timedelta(days=number + 1)
        at(floor, morning)
        for (code, platform), (*values, cases) in FLOORS.items():
            share = one(floor, "select unit = '%%' from kpis where code = %s", code)
            floor.execute(
                """insert into private.kpi_snapshots (shop_id, code, day, version, numerator, denominator, sample)
                   select id, %s, %s, 1, %s, %s, %s from shops where platform = %s""",
                (code, (morning - timedelta(days=1)).date(), round(values[place] * cases / (100 if share else 1), 4), cases, cases, platform),
            )  # fmt: skip
        floor.execute(
            "insert into private.kpi_runs select id, %s, %s from shops on conflict (shop_id, day) do update set made_at = excluded.made_at",
            ((morning - timedelta(days=1)).date(), morning),
        )
        floor.execute("select private.check_alerts(private.now(), 500)")
        for code, platform in FLOORS:
            query = "select a.state from kpi_alerts a join shops s on s.id = a.shop_id where a.code = %s and s.platform = %s"
            if (got := one(floor, query, code, platform)) != expected:
                wrong.append((number, code, platform, got))
    assert wrong == []
    counted = "select count(*), count(distinct entity_id) from sla_clocks where entity = 'kpi_alert'"
    assert row(floor, counted) == (2 * len(FLOORS), len(FLOORS)), "two periods each, one reminder each begins"
    watched = "select array_agg(a.code) from kpi_alerts a join shops s on s.id = a.shop_id where s.platform = 'taobao'"
    assert set(one(floor, watched)) == {code for code, platform in FLOORS if platform == "taobao"} | {
        "流程优化达标率",
        "验收通过率",
    }


def test_a_sheet_that_comes_in_the_morning_is_judged(floor: Connection) -> None:
    """After midnight there is nothing to say; at ten the sheet of yesterday is there, at eleven a corrected one, and on
    the third day that of the first: each is judged when it was counted."""
    query = "select state, day from kpi_alerts where code = %s and shop_id = %s"

    def judged(moment: datetime, of: int, paid: int | None) -> Any:
        at(floor, moment)
        day = (FIRST + timedelta(days=of)).date()
        if paid is not None:
            floor.execute(
                "insert into agent_days (shop_id, day, agent, inquiries, paid_buyers) values (%s, %s, '客服A', 100, %s)"
                " on conflict (shop_id, day, agent) do update set paid_buyers = excluded.paid_buyers",
                (shop(floor), day, paid),
            )
            floor.execute("select private.forget_kept(%s, array[%s::date])", (shop(floor), day))
        while service(floor, "service_keep_kpis", 100):
            pass
        service(floor, "tick_figures")
        return row(floor, query, CODE, shop(floor))

    morning = FIRST.replace(hour=0, minute=30) + timedelta(days=1)
    assert judged(morning, 0, None) == ("ok", None)
    first = FIRST.date()
    assert judged(morning + timedelta(hours=10), 0, 40) == ("raised", first)
    assert told(floor) == 1
    assert judged(morning + timedelta(hours=11), 0, 70) == ("ok", first)
    assert judged(morning + timedelta(days=2), 1, 20) == ("raised", first + timedelta(days=1))
    assert told(floor) == 2
    floor.execute("update agent_days set inquiries = 3, paid_buyers = 0 where day = '2026-11-03'")
    floor.execute("select private.forget_kept(%s, array['2026-11-03'::date])", (shop(floor),))
    assert judged(morning + timedelta(days=2, hours=1), 0, None) == ("ok", first), (
        "three cases say nothing: the day before does"
    )
    floor.execute("delete from agent_days")
    floor.execute("select private.forget_kept(%s, array['2026-11-02'::date, '2026-11-03'])", (shop(floor),))
    judged(morning + timedelta(days=2, hours=2), 0, None)
    fields = "select state, value, sample, day from kpi_alerts where code = %s and shop_id = %s"
    assert row(floor, fields, CODE, shop(floor)) == ("ok", None, None, None), (
        "nothing is said of a day that is gone"
    )


def test_who_is_told_is_a_manager_of_the_shop(floor: Connection) -> None:
    day(floor, 0, 10)
    told(floor)
    people = rows(floor, "select m.staff_no from notifications n join members m on m.id = n.member_id")
    assert people == [{"staff_no": "mgr"}]


def test_switched_off_it_ends_and_stays_silent(floor: Connection) -> None:
    day(floor, 0, 10)
    switch(floor, "mgr", {"is_active": False})
    state = "select state, is_active from kpi_alerts where code = %s and shop_id = %s"
    assert row(floor, state, CODE, shop(floor)) == ("ok", False)
    assert clocks(floor) == ["cancelled"]
    assert day(floor, 1, 10) == ("ok", None)
    assert told(floor) == 0
    switch(floor, "mgr", {"is_active": True, "min_sample": 500})
    assert day(floor, 2, 10) == ("ok", None)


def test_only_managers_of_the_shop_set_an_alert(floor: Connection) -> None:
    day(floor, 0, 10)
    floor.execute("update members set role = 'manager' where staff_no = 'far'")
    query = "select * from kpi_alerts where code = %s and shop_id = %s"
    before = row(floor, query, CODE, shop(floor))
    for who, code, key in (
        ("ann", "PT403", "member.role"), ("ops", "PT403", "member.role"), ("ana", "PT403", "member.role"),
        ("far", "PT404", "kpi.no_alert"),
    ):  # fmt: skip
        with refusal(code, key):
            switch(floor, who, {"is_active": False})
    for change in (
        {"margin": "NaN"},
        {"margin": 51},
        {"min_sample": 0},
        {"min_sample": "1e9"},
        {"is_active": "x"},
    ):
        with refusal("PT422", "kpi.alert_form"):
            switch(floor, "mgr", change)
    assert row(floor, query, CODE, shop(floor)) == before
