"""指标 for each role: figures from what is kept, one KPI in depth, alerts, targets."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from backend.imports.runner import Importer, Shop, import_file
from backend.local.stack import Stack
from backend.pii import Keyring
from backend.service import Service
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import settings_of

YESTERDAY = date.today() - timedelta(days=1)
HEAD = "消息ID,会话ID,客服,买家,咨询类型,发送方,发送时间"


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    """A shop whose two talks of yesterday were answered after 10 and 50 seconds."""
    made = ShopFloor(stack, "kpi1")
    settings = settings_of(stack)
    service = Service(settings)
    lines = [
        HEAD,
        f"1,S1,客服甲,b1,售前,买家,{YESTERDAY} 10:00:00",
        f"2,S1,客服甲,b1,售前,客服,{YESTERDAY} 10:00:10",
        f"3,S2,客服乙,b2,售前,买家,{YESTERDAY} 11:00:00",
        f"4,S2,客服乙,b2,售前,客服,{YESTERDAY} 11:00:50",
    ]
    importer = Importer(call=service.rpc, service=service.rpc, keyring=Keyring.parse(settings.pii_key))
    shop = Shop(made.shop_id, "kpi1", "own")
    import_file(importer, "\n".join(lines).encode(), name="聊天.csv", kind="chats", shop=shop)
    made.one("select count(private.snapshot_day(%s, %s, private.now()))", made.shop_id, YESTERDAY)
    return made


def test_figures_say_their_target_their_sample_and_what_is_missing(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("manager"), "kpi", query={"days": "7"})
    assert not tab.exception
    values = {one.label: one.value for one in tab.metric}
    assert values["首响"] == "30.0 秒"
    assert values["平响"] == "30.0 秒"
    text = shown(tab)
    assert zh("kpi.sample", count="2") in text
    assert zh("imports.kind.traffic") in text
    assert "流量转化率" not in values


def test_one_kpi_by_person_and_the_address_keeps_it(app_as: AppAs, floor: ShopFloor) -> None:
    month = f"{YESTERDAY:%Y-%m}"  # as the review meeting of any month links to it
    tab = app_as(floor.person("analyst"), "kpi", query={"days": month, "code": "首响"})
    assert not tab.exception
    assert tab.selectbox(key="kpi_days").value == month
    table = next(one.value for one in tab.dataframe if "scope" in one.value)
    assert dict(zip(table["scope"], table["value"], strict=True)) == {
        "客服甲": "10.0 秒",
        "客服乙": "50.0 秒",
    }


def test_an_agent_sees_himself_alone(app_as: AppAs, floor: ShopFloor) -> None:
    agent = floor.person("agent")
    floor.one(
        "with n as (insert into agent_names (shop_id, agent, member_id, updated_at)"
        " select %s, '客服甲', id, now() from members where user_id = %s returning 1) select count(*) from n",
        floor.shop_id,
        agent.session.user_id,
    )
    tab = app_as(agent, "kpi", query={"days": "7"})
    assert {one.label: one.value for one in tab.metric}["首响"] == "10.0 秒"
    assert not [one for one in tab.selectbox if one.key == "kpi_agent"]


def test_a_new_target_is_a_new_version(app_as: AppAs, floor: ShopFloor) -> None:
    before = floor.one("select version from kpis where code = '流量转化率'")
    tab = app_as(floor.person("manager"), "kpi", query={"tab": "definitions"})
    assert not tab.exception
    field = next(one for one in tab.number_input if one.label == zh("kpi.new_target", unit="%"))
    field.set_value(7.0)
    next(one for one in tab.button if one.label == zh("common.save")).click().run()
    assert not tab.exception
    assert floor.one("select version from kpis where code = '流量转化率'") == before + 1
    assert floor.one("select threshold from kpis where code = '流量转化率'") == 7


def test_alerts_are_listed_and_set(app_as: AppAs, floor: ShopFloor) -> None:
    floor.one("select private.check_alerts(private.now())")
    tab = app_as(floor.person("manager"), "kpi", query={"tab": "alerts"})
    assert not tab.exception
    assert "平响" in shown(tab)
    assert [one for one in tab.toggle if one.label == zh("kpi.alert_on")]


def test_one_person_with_his_tasks_and_who_he_is(app_as: AppAs, floor: ShopFloor) -> None:
    """客服甲 is the agent since the test before; a manager sees whose figures they are and what is open."""
    agent = floor.person("agent")
    floor.one(
        "with t as (insert into tasks (shop_id, title, source, owner_id, created_at)"
        " select %s, '开场白改两段', 'suggestion', id, now() from members where user_id = %s returning 1)"
        " select count(*) from t",
        floor.shop_id,
        agent.session.user_id,
    )
    text = shown(app_as(floor.person("manager"), "kpi", query={"days": "7", "agent": "客服甲"}))
    assert zh("kpi.of_person", name="客服甲") in text
    assert zh("kpi.person_tasks") in text
    assert zh("kpi.person_no_tasks") not in text
    mine = shown(app_as(agent, "kpi", query={"days": "7", "agent": "客服乙"}))
    assert zh("kpi.person_no_tasks") not in mine
    assert "客服乙" not in mine
    other = shown(app_as(floor.person("manager"), "kpi", query={"days": "7", "agent": "客服乙"}))
    assert zh("kpi.person_tasks") not in other, "a name without a member has no tasks"


def test_the_age_of_the_data_by_source(app_as: AppAs, floor: ShopFloor) -> None:
    text = shown(app_as(floor.person("analyst"), "kpi", query={"days": "7"}))
    assert f"{zh('imports.kind.performance')} {zh('kpi.never')}" in text
    assert f"{zh('imports.kind.chats')} {zh('kpi.never')}" not in text


def test_a_missed_target_becomes_a_task_in_one_click(app_as: AppAs, floor: ShopFloor) -> None:
    floor.one("select count(private.snapshot_day(%s, %s, private.now()))", floor.shop_id, YESTERDAY)
    tab = app_as(floor.person("manager"), "kpi", query={"days": "7", "code": "响应超时率"})
    next(one for one in tab.button if one.key == "kpi_offer").click().run()
    assert not tab.exception
    found = "select count(*) from tasks where source = 'anomaly' and evidence ->> 'kpi' = %s"
    assert floor.one(found, "响应超时率") == 1
    met = app_as(floor.person("manager"), "kpi", query={"days": "7", "code": "首响"})
    assert [one for one in met.button if one.key == "kpi_offer"] == [], "its target is met"
