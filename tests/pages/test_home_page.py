"""我的工作台 for each role: what needs me, today, since last time, and the day's imports."""

from __future__ import annotations

import pytest

from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.pages.shop_floor import ROLES, ShopFloor


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    made = ShopFloor(stack, "hom1")
    made.load("stock.csv", of_shop=False)
    made.load("taobao_ExportOrderList.csv")
    return made


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_a_desk(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    tab = app_as(floor.person(role), "home")
    assert not tab.exception
    assert not tab.error
    assert zh("home.title", name=floor.person(role).name) in [one.value for one in tab.header]
    checklist = f"**{zh('home.checklist')}**" in shown(tab)
    assert checklist == (role in ("operations", "analyst", "manager", "admin"))


def test_the_figures_are_those_of_my_shop(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("operations"), "home")
    figures = {one.label: one.value for one in tab.metric}
    open_ones = floor.one(
        "select count(*) from public.order_reviews where shop_id = %s and state = 'open'", floor.shop_id
    )
    assert figures[zh("home.open")] == str(open_ones)
    assert figures[zh("home.overdue")] == "0"
    assert figures[zh("home.on_time")] == zh("home.no_sample")
    assert all(one.help for one in tab.metric)


def test_what_needs_me_is_the_most_urgent_of_the_pool(app_as: AppAs, floor: ShopFloor) -> None:
    words = shown(app_as(floor.person("operations"), "home"))
    assert zh("home.pool") in words
    assert "地址矛盾" in words or "偏远地区" in words


def test_a_warehouse_sees_refill_alerts_and_presales_the_unpaid(app_as: AppAs, floor: ShopFloor) -> None:
    low = floor.one("select count(*) from public.products where available < safety_stock")
    unpaid = floor.count("status = 'unpaid'")
    assert low > 0
    assert unpaid == 5
    warehouse = shown(app_as(floor.person("warehouse"), "home")) + _links(app_as, floor, "warehouse")
    assert zh("home.also.refill", count=low) in warehouse
    agent = shown(app_as(floor.person("agent"), "home")) + _links(app_as, floor, "agent")
    assert zh("home.also.unpaid", count=unpaid) in agent
    assert zh("home.also.refill", count=low) not in agent


def _links(app_as: AppAs, floor: ShopFloor, role: str) -> str:
    tab = app_as(floor.person(role), "home")
    return "\n".join(one.proto.label for one in tab.get("page_link"))


def test_a_second_look_in_the_same_visit_keeps_what_changed(app_as: AppAs, stack: Stack) -> None:
    floor = ShopFloor(stack, "hom2")
    floor.load("taobao_ExportOrderList.csv")
    tab = app_as(floor.person("operations"), "home")
    found = zh("home.changed.imports", count=1)
    assert found in shown(tab)
    tab.run()
    assert found in shown(tab)
    later = app_as(floor.person("operations"), "home")  # the next visit
    assert found not in shown(later)


def test_a_calm_desk_says_so_in_both_languages(app_as: AppAs, stack: Stack) -> None:
    person = ShopFloor(stack, "hom3").person("agent")
    tab = app_as(person, "home")
    assert zh("home.calm") in shown(tab)
    tab.button(key="desk_language").click().run()
    assert en("home.calm") in shown(tab)
