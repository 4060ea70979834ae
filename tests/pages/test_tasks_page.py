"""优化任务 and 复盘会: proposing, planning, the grid with its conflict, the task's own page, the pack."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from backend.local.stack import Stack
from pages.shared.improvement import meeting, printed
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    return ShopFloor(stack, "task1")


def rpc(floor: ShopFloor, role: str, name: str, *args: Any) -> Any:
    """An RPC as a person of the floor."""
    with psycopg.connect(floor.stack.db_url) as owner:
        account = str(floor.person(role).session.user_id)
        claims = json.dumps({"role": "authenticated", "sub": account})
        owner.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        owner.execute("set local role authenticated")
        values = [Jsonb(arg) if isinstance(arg, dict | list) else arg for arg in args]
        places = ", ".join(["%s"] * (len(values) + 1))
        found = owner.execute(f"select public.{name}({places})", (*values, str(uuid.uuid4()))).fetchone()
    assert found is not None
    return found[0]


def planned(floor: ShopFloor, title: str) -> int:
    """A task with an owner, a deadline and a criterion."""
    task = rpc(floor, "agent", "propose_task", {"title": title, "shop_id": floor.shop_id})
    owner = floor.one("select id from members where user_id = %s", floor.person("agent").session.user_id)
    criterion = {"kpi_code": "退货处理时长", "target": 24, "window_days": 7, "min_sample": 5}
    deadline = datetime.now(UTC) + timedelta(days=30)
    p = {"owner_id": owner, "deadline": deadline.isoformat(), "criteria": [criterion]}
    rpc(floor, "manager", "plan_task", task["id"], task["version"], p)
    return int(task["id"])


def test_anybody_proposes_in_two_clicks(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("warehouse"), "tasks")
    assert not tab.exception
    next(one for one in tab.text_input if one.label == zh("tasks.propose_title")).set_value("包装换厚纸箱")
    next(one for one in tab.button if one.label == zh("tasks.propose_send")).click().run()
    assert not tab.exception
    assert floor.one("select count(*) from tasks where title = '包装换厚纸箱' and state = 'proposed'") == 1


def test_a_frequent_cause_becomes_a_task_in_one_click(app_as: AppAs, floor: ShopFloor) -> None:
    """From the analysis of causes, by whoever sees it; the task says where it came from."""
    cause = floor.one(
        """with c as (select id from root_causes where parent_id is not null order by id limit 1),
           t as (insert into tickets (shop_id, type, state, registered_at, summary, root_cause_id)
             select %s, 'reship', 'registered', private.now() - interval '1 hour', '少件', c.id
             from c, generate_series(1, 3))
           select id from c""",
        floor.shop_id,
    )
    made = "select count(*) from tasks where shop_id = %s and source = 'root_cause' and evidence = %s"
    evidence = Jsonb({"root_cause_id": cause, "tickets": 3})
    query = {"shop": str(floor.shop_id), "days": "7"}
    for count, role in enumerate(("manager", "agent")):
        tab = app_as(floor.person(role), "aftersales_insight", query=query)
        assert floor.one(made, floor.shop_id, evidence) == count
        next(one for one in tab.button if one.key == f"aftersales_offer_{cause}").click().run()
        assert not tab.exception
        assert floor.one(made, floor.shop_id, evidence) == count + 1


def test_everybody_reads_the_table_the_board_and_the_timeline(app_as: AppAs, floor: ShopFloor) -> None:
    planned(floor, "退货提速")
    tab = app_as(floor.person("agent"), "tasks", query={"tab": "mine"})
    assert not tab.exception
    drawn = next(one for one in tab.dataframe if "criteria" in one.value)
    table = drawn.value
    assert floor.person("agent").name in [*table["owner"]]
    assert "selectbox" not in drawn.proto.columns, "a choice without options would show nobody"
    assert "退货处理时长 ≤ 24.0 小时" in [*table["criteria"]]
    for view in ("board", "timeline"):
        other = app_as(floor.person("agent"), "tasks", query={"view": view})
        assert not other.exception


def test_the_owner_begins_reports_and_delivers(app_as: AppAs, floor: ShopFloor) -> None:
    task = planned(floor, "当天审核")
    tab = app_as(floor.person("agent"), "task", query={"id": str(task)})
    assert not tab.exception
    next(one for one in tab.button if one.key == "task_start").click().run()
    assert floor.one("select state from tasks where id = %s", task) == "in_progress"
    next(one for one in tab.text_area if one.label == zh("tasks.deliver_note")).set_value("退货当天审核")
    next(one for one in tab.button if one.label == zh("tasks.deliver")).click().run()
    assert not tab.exception
    assert floor.one("select state from tasks where id = %s", task) == "delivered"


def test_a_manager_plans_and_the_criteria_stay_readable(app_as: AppAs, floor: ShopFloor) -> None:
    task = planned(floor, "夜班回访")
    tab = app_as(floor.person("manager"), "task", query={"id": str(task)})
    assert not tab.exception
    text = shown(tab)
    assert "退货处理时长 ≤ 24.0 小时" in text
    assert zh("tasks.nothing_measured") in text
    assert [one for one in tab.button if one.key == "task_plan_send"]


def test_the_review_has_its_three_inputs_and_a_file(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("manager"), "meeting")
    assert not tab.exception
    text = shown(tab)
    for key in ("meeting.anomalies", "meeting.feedback", "meeting.suggestions"):
        assert zh(key) in text
    area = next(one for one in tab.text_area if one.label == zh("meeting.notes"))
    area.set_value("下月主攻退货")
    next(one for one in tab.button if one.label == zh("common.save")).click().run()
    assert not tab.exception
    assert (
        floor.one("select notes from meetings where shop_id = %s order by id desc limit 1", floor.shop_id)
        == "下月主攻退货"
    )
    floor.one("update meetings set notes = '对方的纪要' where shop_id = %s returning id", floor.shop_id)
    area = next(one for one in tab.text_area if one.label == zh("meeting.notes"))
    area.set_value("我的纪要")
    next(one for one in tab.button if one.label == zh("common.save")).click().run()
    assert "对方的纪要" in shown(tab), "what holds now is named"
    area = next(one for one in tab.text_area if one.label == zh("meeting.notes"))
    assert area.value == "我的纪要", "and what was typed is still there"
    next(one for one in tab.button if one.label == zh("common.save")).click().run()
    assert floor.one("select notes from meetings where shop_id = %s", floor.shop_id) == "我的纪要"
    next(one for one in tab.text_input if one.label == zh("meeting.decide")).set_value("仓库设退货专窗")
    next(one for one in tab.button if one.label == zh("meeting.decide_send")).click().run()
    assert floor.one("select source from tasks where title = '仓库设退货专窗'") == "meeting"


def test_the_pack_as_a_sheet_holds_every_part() -> None:
    pack = {
        "figures": [
            {
                "code": "响应超时率",
                "name_en": "Late answers",
                "area": "chat",
                "unit": "%",
                "direction": "down",
                "version": 1,
                "by_person": True,
                "no_shift": None,
                "only_days": False,
                "value": 5.04,
                "before": None,
                "numerator": 126,
                "denominator": 2500,
                "sample": 2500,
                "target": 5,
                "is_met": False,
                "missing": [],
                "points": [],
            }
        ],
        "causes": [{"name": "物流", "tickets": 3}],
        "low_scores": [{"ticket_id": 7, "score": 2, "finding": None}],
        "suggestions": [],
        "tasks": [],
    }
    found = {"pack": pack, "decisions": [], "meeting": {"notes": "纪要"}}
    rows = meeting.pack_rows(found)
    assert [(row["what"], row["value"]) for row in rows] == [
        ("响应超时率", "5.04 %"),
        ("物流", "3 个工单"),
        ("T-7", "2 分"),
        ("纪要", ""),
    ]
    assert zh("meeting.pay_rule_note") in rows[0]["note"], "shown, never applied"


def test_a_task_of_another_shop_is_not_there(app_as: AppAs, floor: ShopFloor, stack: Stack) -> None:
    other = ShopFloor(stack, "task2")
    task = planned(other, "别家的任务")
    tab = app_as(floor.person("manager"), "task", query={"id": str(task)})
    assert "别家的任务" not in shown(tab)
    assert tab.error


def test_the_review_prints_without_scripts_or_addresses() -> None:
    """Whatever people typed is text on the page."""
    row = {
        "part": "优化任务",
        "what": "O-1 <script>alert(1)</script>",
        "value": "48 → 20",
        "target": "≤ 24",
        "note": "&",
    }
    page = printed.page(
        [row, {**row, "part": zh("meeting.part.notes"), "what": "决定\n<b>换箱</b>"}],
        "复盘会 2026-11",
        "店 <一>",
    ).decode()
    assert page.startswith("<!doctype html>")
    assert "@page { size: A4" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "决定\n&lt;b&gt;换箱&lt;/b&gt;" in page
    assert [found for found in ("<script", "<b>", "http", "src=", "url(") if found in page] == []
