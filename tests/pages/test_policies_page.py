"""时效规则: managers change a policy after a look at the effect; running work follows only when told."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.errors import AppError
from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.pages.shop_floor import ShopFloor


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    return ShopFloor(stack, "pol1", more_shops=["pol2"])


@pytest.fixture
def code(floor: ShopFloor) -> str:
    """A policy of this test's own, wall clock, two hours, one step."""
    name = f"t_{uuid.uuid4().hex[:10]}"
    floor.one(
        "insert into public.sla_policies (code, name, applies_to, target, measure, allowance, ladder)"
        """ values (%s, '测试规则', 'lead', 'follow_up', 'wall', 120,
            '[{"percent": 50, "who": ["owner"], "action": "notify"}]') returning id""",
        name,
    )
    return name


def stored(floor: ShopFloor, code: str, shop_id: int | None = None) -> Any:
    query = (
        "select to_jsonb(p) from public.sla_policies p where code = %s and shop_id is not distinct from %s"
    )
    return floor.one(query, code, shop_id)


def clock(floor: ShopFloor, code: str, minutes_ago: int = 0) -> int:
    """A clock of this policy that began so many minutes ago; returns its id."""
    return int(
        floor.one(
            "select id from private.start_clock('test', nextval('private.contact_ids'), %s, 'follow_up', %s,"
            " private.now() - make_interval(mins => %s))",
            floor.shop_id,
            code,
            minutes_ago,
        )
    )


def minutes_left(floor: ShopFloor, clock_id: int) -> int:
    query = (
        "select round(extract(epoch from due_at - private.now()) / 60) from public.sla_clocks where id = %s"
    )
    return int(floor.one(query, clock_id))


def opened(
    app_as: AppAs, floor: ShopFloor, code: str, role: str = "manager", section: str | None = None
) -> AppTest:
    tab = app_as(floor.person(role), "policies", query={"code": code})
    assert not tab.exception
    if section:
        # AppTest runs no dialog twice by itself: the section is chosen as a person does
        tab.segmented_control(key=f"policies_{code}_section").set_value(section).run()
        assert not tab.exception
    return tab


def mark(floor: ShopFloor, code: str) -> str:
    row = stored(floor, code)
    return f"policies_{code}_{row['id']}_{row['version']}"


def has_button(tab: AppTest, key: str) -> bool:
    return key in [one.key for one in tab.button]


@pytest.mark.parametrize("role", ["operations", "analyst"])
def test_who_may_only_read_sees_the_rules_and_no_form(
    app_as: AppAs, floor: ShopFloor, code: str, role: str
) -> None:
    tab = opened(app_as, floor, code, role)
    words = shown(tab)
    assert zh("policies.read_only") in words
    assert "**订单异常审核**" in words
    sections = tab.segmented_control(key=f"policies_{code}_section").options
    assert sections == [zh("policies.section.which"), zh("policies.section.history")]
    assert not has_button(tab, f"{mark(floor, code)}_preview")


def test_a_change_is_previewed_then_saved_for_new_work(app_as: AppAs, floor: ShopFloor, code: str) -> None:
    running = clock(floor, code, 30)
    tab = opened(app_as, floor, code, "admin")
    key = mark(floor, code)
    assert zh("policies.nothing_changed") in shown(tab)
    tab.number_input(key=f"{key}_amount").set_value(1.0).run()  # hours
    assert not has_button(tab, f"{key}_save")  # first the effect
    tab.button(key=f"{key}_preview").click().run()
    assert zh("policies.effect.earlier", count=1) in shown(tab)
    assert stored(floor, code)["allowance"] == 120
    tab.button(key=f"{key}_save").click().run()
    assert not tab.exception
    assert (stored(floor, code)["allowance"], stored(floor, code)["version"]) == (60, 2)
    assert minutes_left(floor, running) == 90
    assert minutes_left(floor, clock(floor, code)) == 60


def test_another_value_asks_for_another_look(app_as: AppAs, floor: ShopFloor, code: str) -> None:
    tab = opened(app_as, floor, code)
    key = mark(floor, code)
    tab.number_input(key=f"{key}_amount").set_value(3.0).run()
    tab.button(key=f"{key}_preview").click().run()
    assert has_button(tab, f"{key}_save")
    tab.number_input(key=f"{key}_amount").set_value(4.0).run()
    assert not has_button(tab, f"{key}_save")


def test_the_grid_adds_takes_away_and_checks_each_cell(app_as: AppAs, floor: ShopFloor, code: str) -> None:
    tab = opened(app_as, floor, code)
    key = mark(floor, code)
    tab.button(key=f"{key}_add_step").click().run()
    line = f"{key}_step_1"
    tab.multiselect(key=f"{line}_who").set_value([]).run()
    assert zh("policies.wrong.choose", field=zh("policies.field.who")) in shown(tab)
    assert zh("policies.correct_first", count=1) in shown(tab)
    assert not has_button(tab, f"{key}_preview")
    tab.multiselect(key=f"{line}_who").set_value(["manager"]).run()
    tab.number_input(key=f"{line}_amount").set_value(50).run()
    assert zh("policies.wrong.twice") in shown(tab)
    tab.number_input(key=f"{line}_amount").set_value(2000).run()
    assert zh("policies.wrong.range", field=zh("policies.field.at")) in shown(tab)
    tab.selectbox(key=f"{line}_anchor").set_value("before").run()
    tab.selectbox(key=f"{line}_action").set_value("raise_priority").run()
    tab.button(key=f"{key}_step_0_remove").click().run()
    tab.button(key=f"{key}_preview").click().run()
    tab.button(key=f"{key}_save").click().run()
    step = {"minutes": -2000, "who": ["manager"], "action": "raise_priority"}
    assert stored(floor, code)["ladder"] == [step]


def test_a_shop_gets_terms_of_its_own(app_as: AppAs, floor: ShopFloor, code: str) -> None:
    tab = opened(app_as, floor, code, section="add")
    assert zh("policies.add_first") in shown(tab)
    tab.selectbox(key=f"policies_{code}_add_shop").set_value(floor.shop_id).run()
    tab.number_input(key=f"policies_{code}_add_amount").set_value(5.0).run()
    tab.button(key=f"policies_{code}_add_preview").click().run()
    tab.button(key=f"policies_{code}_add_save").click().run()
    assert not tab.exception
    assert (stored(floor, code, floor.shop_id)["allowance"], stored(floor, code)["allowance"]) == (300, 120)
    tab = opened(app_as, floor, code, section="add")
    tab.selectbox(key=f"policies_{code}_add_shop").set_value(floor.shop_id).run()
    assert zh("policies.add_twice") in shown(tab)
    tab = opened(app_as, floor, code, "analyst", section="which")
    tab.selectbox(key=f"policies_{code}_which_shop").set_value(floor.shop_id).run()
    words = shown(tab)
    assert zh("policies.verdict.wins") in words
    assert zh("policies.verdict.less_specific") in words


def test_the_second_of_two_editors_is_told_and_sees_the_new_values(
    app_as: AppAs, floor: ShopFloor, code: str
) -> None:
    tab = opened(app_as, floor, code)
    key = mark(floor, code)
    tab.number_input(key=f"{key}_amount").set_value(1.0).run()
    tab.button(key=f"{key}_preview").click().run()
    other = opened(app_as, floor, code, "admin")
    other.number_input(key=f"{key}_amount").set_value(8.0).run()
    other.button(key=f"{key}_preview").click().run()
    other.button(key=f"{key}_save").click().run()
    tab.button(key=f"{key}_save").click().run()
    assert stored(floor, code)["allowance"] == 480
    words = [one.value for one in tab.toast]
    assert any(
        AppError("policy.stale", params={"name": "测试规则"}).message().split("」")[0] in one for one in words
    )
    assert tab.number_input(key=f"{mark(floor, code)}_amount").value == 8.0


def test_running_work_follows_only_when_told(app_as: AppAs, floor: ShopFloor, code: str) -> None:
    running = clock(floor, code, 30)
    floor.one("update public.sla_policies set allowance = 60 where code = %s returning id", code)
    tab = opened(app_as, floor, code, section="running")
    assert zh("policies.effect.earlier", count=1) in shown(tab)
    assert minutes_left(floor, running) == 90
    tab.button(key=f"policies_{code}_recalculate").click().run()
    assert not tab.exception
    assert minutes_left(floor, running) == 30
    tab = opened(app_as, floor, code, section="running")
    assert zh("policies.running_none") in shown(tab)
    history = shown(opened(app_as, floor, code, section="history"))
    assert zh("policies.did.recalculated", count=1) in history


def test_the_history_says_what_changed(app_as: AppAs, floor: ShopFloor, code: str) -> None:
    assert zh("policies.no_history") in shown(opened(app_as, floor, code, section="history"))
    tab = opened(app_as, floor, code)
    key = mark(floor, code)
    tab.toggle(key=f"{key}_active").set_value(False).run()
    tab.button(key=f"{key}_preview").click().run()
    tab.button(key=f"{key}_save").click().run()
    words = shown(opened(app_as, floor, code, "analyst", section="history"))
    assert zh("policies.did.saved") in words
    assert f"{zh('policies.field.is_active')}：{zh('policies.on')} → {zh('policies.off')}" in words


def test_a_default_comes_back(app_as: AppAs, floor: ShopFloor) -> None:
    floor.one("update public.sla_policies set allowance = 7 where code = 'survey' returning id")
    tab = opened(app_as, floor, "survey")
    tab.button(key=f"{mark(floor, 'survey')}_restore").click().run()
    assert not tab.exception
    assert stored(floor, "survey")["allowance"] == 4320


def test_in_english(app_as: AppAs, floor: ShopFloor, code: str) -> None:
    manager = floor.person("manager").member_id
    floor.one("update public.members set locale = 'en' where id = %s returning id", manager)
    try:
        assert en("policies.nothing_changed") in shown(opened(app_as, floor, code))
    finally:
        floor.one("update public.members set locale = 'zh-CN' where id = %s returning id", manager)
