"""派单: leaders see who may be given what and change it; why somebody has an item is told in words."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from backend.assignment import Considered, Decision
from backend.errors import message
from backend.local.stack import Stack
from pages.shared.assignment import change, why
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor


@pytest.fixture
def floor(stack: Stack, request: pytest.FixtureRequest) -> ShopFloor:
    """A shop of this test's own."""
    return ShopFloor(stack, f"give-{abs(hash(request.node.name)) % 10**8}")


def test_a_leader_sets_what_an_agent_is_given(app_as: AppAs, floor: ShopFloor) -> None:
    agent = floor.person("agent")
    tab = app_as(floor.person("manager"), "assignment")
    assert not tab.exception
    tab.selectbox(key="assignment_member").select(agent.member_id).run()
    key = f"assignment_ticket_{agent.member_id}_0"
    tab.number_input(key=f"{key}_capacity").set_value(12)
    tab.number_input(key=f"{key}_weight").set_value(0.5)
    tab.checkbox(key=f"{key}_pause").check()
    tab.button(key=f"{key}_save").click().run()
    assert message("assignment.bad_value", "zh-CN") in shown(tab)  # a pause needs its reason
    tab.text_input(key=f"{key}_reason").set_value("培训")
    tab.button(key=f"{key}_save").click().run()
    assert not tab.exception
    stored = "select concat_ws(' ', capacity, weight, frozen_reason, version) from assignment_members"
    assert floor.one(f"{stored} where member_id = %s", agent.member_id) == "12 0.50 培训 2"
    [row] = tab.dataframe[0].value.to_dict("records")
    assert row[zh("assignment.column.open")] == "0 / 12"
    assert row[zh("assignment.column.state")] == zh("assignment.state.no_skill")  # presales: no tickets
    tab.segmented_control(key="assignment_area").set_value("lead").run()
    [row] = tab.dataframe[0].value.to_dict("records")
    assert row[zh("assignment.column.open")] == "0 / 60"
    assert row[zh("assignment.column.state")] != zh("assignment.state.no_skill")


def decision(rule: str, source: str = "arrival", **more: object) -> Decision:
    facts = {
        "id": 1,
        "at": datetime(2026, 11, 22, tzinfo=UTC),
        "member_id": None,
        "name": None,
        "reasons": {},
    }
    return Decision.model_validate({**facts, "rule": rule, "source": source, "considered": (), **more})


def test_a_decision_in_words() -> None:
    eve = Considered(member_id=1, name="客服E", is_eligible=True, why=None, load=3, room=5, credit=0.5)
    full = eve.model_copy(update={"name": "客服F", "is_eligible": False, "why": "full"})
    said = {
        "2 人能接，轮到 客服E": decision("credit", name="客服E", considered=(eve, eve, full)),
        "只有 客服E 能接": decision("only", name="客服E"),
        "没有人能接：2 人不当班，1 人已到上限": decision("nobody", reasons={"off_duty": 2, "full": 1}),
        "没有人能接：店铺没有客服": decision("nobody"),
        "在领取池，现在 1 人能接": decision("waiting", id=None, considered=(eve, full)),
        "客服E 自己领取": decision("chosen", "claim", name="客服E"),
        "交接给 客服E": decision("chosen", "handover", name="客服E"),
        "退回领取池": decision("returned", "recycle"),
    }
    assert [why.sentence(one) for one in said.values()] == list(said)
    assert [why.line(one) for one in (eve, full)] == [
        "客服E · 手上 3 件 · 能接",
        "客服F · 手上 3 件 · 已到上限",
    ]


def test_a_pause_includes_its_last_day() -> None:
    found = change.pause(date(2026, 11, 22), " 培训 ", "Asia/Shanghai")
    assert found == {"frozen_until": "2026-11-23T00:00:00+08:00", "frozen_reason": "培训"}
