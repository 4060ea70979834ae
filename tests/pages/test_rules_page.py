"""异常规则: read by operations, changed by managers after a look at the effect."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend import rules
from backend.db import Client
from backend.errors import AppError
from backend.local.stack import Stack
from backend.orders.wording import KINDS
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    made = ShopFloor(stack, "rul1", more_shops=["rul2"])
    made.load("taobao_ExportOrderList.csv")
    return made


def own(floor: ShopFloor, kind: str) -> Any:
    return floor.one(
        "select (select to_jsonb(r) from public.exception_rules r where shop_id = %s and kind = %s)",
        floor.shop_id,
        kind,
    )


def open_drawer(app_as: AppAs, floor: ShopFloor, kind: str) -> AppTest:
    tab = app_as(floor.person("manager"), "rules", query={"shop": str(floor.shop_id)})
    tab.button(key=f"rules_change_{kind}").click().run()
    assert not tab.exception
    return tab


def key(floor: ShopFloor, kind: str, version: int = 0) -> str:
    return f"rules_{kind}_{floor.shop_id}_{version}"


@pytest.mark.parametrize("role", ["operations", "admin"])
def test_who_may_only_read_sees_ten_rules_and_no_way_to_change(
    app_as: AppAs, floor: ShopFloor, role: str
) -> None:
    tab = app_as(floor.person(role), "rules")
    assert not tab.exception
    words = shown(tab)
    assert all(f"**{KINDS[kind]['zh-CN']}**" in words for kind in rules.KINDS)
    assert zh("rules.read_only") in words
    assert not [one for one in tab.button if (one.key or "").startswith("rules_change_")]


def test_a_shop_gets_its_own_version_after_a_look_at_the_effect(app_as: AppAs, floor: ShopFloor) -> None:
    tab = open_drawer(app_as, floor, "remote")
    mark = key(floor, "remote")
    assert floor.open("remote") == 7
    assert zh("rules.nothing_changed") in shown(tab)
    tab.multiselect(key=f"{mark}_provinces").set_value([]).run()
    assert not [one for one in tab.button if one.key == f"{mark}_save"]  # first the effect
    tab.button(key=f"{mark}_preview").click().run()
    assert zh("rules.effect", now=7, appear=0, vanish=7) in [one.value for one in tab.info]
    assert own(floor, "remote") is None
    tab.button(key=f"{mark}_save").click().run()
    assert not tab.exception
    assert own(floor, "remote")["params"] == {"provinces": []}
    assert floor.open("remote") == 0
    tab = app_as(floor.person("operations"), "rules")
    assert zh("rules.log.params") in shown(tab)
    assert "偏远地区" in shown(tab)
    tab = open_drawer(app_as, floor, "remote")
    tab.button(key=f"{key(floor, 'remote', 1)}_reset").click().run()
    assert own(floor, "remote") is None


def test_another_value_asks_for_another_look(app_as: AppAs, floor: ShopFloor) -> None:
    tab = open_drawer(app_as, floor, "duplicate")
    mark = key(floor, "duplicate")
    tab.number_input(key=f"{mark}_window_minutes").set_value(60).run()
    tab.button(key=f"{mark}_preview").click().run()
    assert [one for one in tab.button if one.key == f"{mark}_save"]
    tab.number_input(key=f"{mark}_window_minutes").set_value(90).run()
    assert not [one for one in tab.button if one.key == f"{mark}_save"]


def test_a_stale_form_is_refused_with_a_sentence(
    app_as: AppAs, floor: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = rules.list_rules, {}

    def as_first_seen(client: Client, shop_id: int | None) -> list[rules.Rule]:
        return seen.setdefault(shop_id, real(client, shop_id))

    monkeypatch.setattr(rules, "list_rules", as_first_seen)  # a drawer that stays open does not read again
    tab = open_drawer(app_as, floor, "bad_phone")
    mark = key(floor, "bad_phone")
    tab.toggle(key=f"{mark}_blocking").set_value(False).run()
    tab.button(key=f"{mark}_preview").click().run()
    floor.one(
        "insert into public.exception_rules (shop_id, kind, waived_by) values (%s, 'bad_phone', 'manager')"
        " returning id",
        floor.shop_id,
    )
    tab.button(key=f"{mark}_save").click().run()
    assert AppError("rule.stale").message() in [one.value for one in tab.error]
    assert own(floor, "bad_phone")["waived_by"] == "manager"
    assert own(floor, "bad_phone")["is_blocking"] is True


def test_unpaid_can_never_be_waived(app_as: AppAs, floor: ShopFloor) -> None:
    tab = open_drawer(app_as, floor, "unpaid")
    assert tab.selectbox(key=f"{key(floor, 'unpaid')}_waived").disabled


def test_words_that_stay_built_in_are_not_stored(app_as: AppAs, floor: ShopFloor) -> None:
    tab = open_drawer(app_as, floor, "suspicious")
    mark = key(floor, "suspicious")
    tab.selectbox(key=f"{mark}_waived").set_value("reviewer").run()
    tab.button(key=f"{mark}_preview").click().run()
    tab.button(key=f"{mark}_save").click().run()
    assert own(floor, "suspicious")["params"] == {}


def test_every_province_is_there_once() -> None:
    found = rules.provinces()
    assert len(found) == len(set(found)) == 34
    assert {"内蒙古", "新疆", "香港", "黑龙江"} <= set(found)
