"""放行: releasing, lists, undo, holds, and who may only look."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend import exports
from backend.local.stack import Stack
from backend.orders import files
from pages.shared.releasing import lists
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor


@pytest.fixture
def floor(stack: Stack, request: pytest.FixtureRequest) -> ShopFloor:
    """A shop of the test's own with the sample in it."""
    made = ShopFloor(stack, f"rel{abs(hash(request.node.name)) % 10**6}")
    made.load("stock.csv", of_shop=False)
    made.load("taobao_ExportOrderList.csv")
    return made


def ready(floor: ShopFloor) -> int:
    return int(
        floor.one(
            "select count(*) from public.orders o where o.shop_id = %s and private.is_releasable(o.id)",
            floor.shop_id,
        )
    )


def released(floor: ShopFloor) -> int:
    return floor.count("released_at is not null")


def release_all(tab: AppTest) -> AppTest:
    tab.button(key="release_all").click().run()
    tab.button(key="release_do_all").click().run()
    assert not tab.exception
    return tab


def button(tab: AppTest, start: str) -> Any:
    return next((one for one in tab.button if (one.key or "").startswith(start)), None)


def test_an_agent_and_an_analyst_have_no_access_and_an_admin_only_looks(
    app_as: AppAs, floor: ShopFloor
) -> None:
    for role in ("agent", "analyst"):
        assert zh("common.no_access") in shown(app_as(floor.person(role), "release"))
    tab = app_as(floor.person("admin"), "release")
    assert not tab.exception
    assert button(tab, "release_all") is None
    assert zh("release.read_only") in shown(tab)


@pytest.mark.parametrize("role", ["warehouse", "operations", "manager"])
def test_all_that_is_ready_is_released_after_a_preview(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    count = ready(floor)
    assert count > 0
    tab = app_as(floor.person(role), "release")
    tab.button(key="release_all").click().run()
    assert zh("release.preview_all", count=count, where=zh("release.all_shops")) in shown(tab)
    assert released(floor) == 0
    tab.button(key="release_do_all").click().run()
    assert not tab.error, shown(tab)
    assert released(floor) == count
    assert zh("release.none_ready") in shown(tab)


def test_in_a_narrow_window_cards_are_ticked(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("warehouse"), "release")
    cards = [box for box in tab.checkbox if (box.key or "").endswith("_tick")]
    for box in cards[:2]:
        box.check().run()
    tab.button(key="release_selected").click().run()
    tab.button(key="release_do_selected").click().run()
    assert not tab.error, shown(tab)
    assert released(floor) == 2


def test_in_a_narrow_window_holds_are_ticked(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("operations"), "release")
    tab.get_by_key("release_view").set_value("holds").run()
    next(box for box in tab.checkbox if (box.key or "").endswith("_tick")).check().run()
    tab.radio(key="release_hold_reason").set_value("fraud").run()
    tab.button(key="release_hold_do").click().run()
    assert not tab.error, shown(tab)
    assert floor.count("held_at is not null") == 1


def test_getting_started_counts_what_the_start_page_counts(app_as: AppAs, floor: ShopFloor) -> None:
    release_all(app_as(floor.person("manager"), "release"))
    admin = floor.person("admin")
    today = next(one.value for one in app_as(admin, "home").metric if one.label == zh("home.released"))
    assert int(today) > 0
    assert zh("setup.now.work", count=today) in shown(app_as(admin, "setup"))


def test_a_release_is_undone_until_its_list_was_fetched(app_as: AppAs, floor: ShopFloor) -> None:
    count = ready(floor)
    tab = release_all(app_as(floor.person("operations"), "release"))
    button(tab, "release_undo_fresh_").click().run()
    assert released(floor) == 0
    release_all(tab)
    button(tab, "release_fetch_fresh_").click().run()
    assert not tab.exception
    assert button(tab, "release_undo_fresh_") is None
    assert zh("release.after_download") in shown(tab)
    assert released(floor) == count
    downloads = [one for one in tab.get("download_button") if "CSV" in one.proto.label]
    assert downloads


def test_the_list_holds_clear_contacts_and_all_digits(
    app_as: AppAs, floor: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[files.Listed] = []
    real = files.listed

    def kept(*args: Any, **options: Any) -> files.Listed:
        found.append(real(*args, **options))
        return found[-1]

    monkeypatch.setattr(files, "listed", kept)
    tab = release_all(app_as(floor.person("warehouse"), "release"))
    button(tab, "release_fetch_fresh_").click().run()
    columns = [(name, name) for name in lists.RELEASE_COLUMNS]
    text = exports.write_csv(lists.file_rows("release", found[0]), columns).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert found[0].unreadable == 0
    assert {len(row["order_no"]) for row in rows} == {19}
    assert all("*" not in row["name"] + row["phone"] and row["address"] for row in rows)
    assert not any("\t" in row["address"] for row in rows)
    assert sum(float(row["amount"] or 0) for row in rows) == float(
        floor.one(
            "select sum(amount) from public.orders where shop_id = %s and released_at is not null",
            floor.shop_id,
        )
    )


def test_a_hold_list_names_orders_and_reasons_but_nobody(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("warehouse"), "release")
    tab.get_by_key("release_view").set_value("holds").run()
    stopped = floor.one(
        "select count(distinct o.id) from public.orders o join public.order_exceptions e on e.order_id = o.id"
        " where o.shop_id = %s and o.status = 'to_ship' and e.is_blocking and e.state = 'open'",
        floor.shop_id,
    )
    table = next(one.value for one in tab.dataframe if "why" in one.value)
    assert len(table) == stopped
    tab.button(key="release_hold_list").click().run()
    assert not tab.error, shown(tab)
    assert zh("release.title.hold", number=_last(floor), count=stopped) in shown(tab)
    assert not {"name", "phone", "address", "note"} & set(lists.HOLD_COLUMNS)


def test_orders_on_a_fetched_list_that_must_stop_are_loud(app_as: AppAs, floor: ShopFloor) -> None:
    tab = release_all(app_as(floor.person("manager"), "release"))
    button(tab, "release_fetch_fresh_").click().run()
    floor.one(
        "with chosen as (select id from public.orders where shop_id = %s and released_at is not null limit 1)"
        " update public.orders o set held_at = now(), held_reason = 'customer_asked', released_at = null,"
        " release_id = null from chosen where chosen.id = o.id returning o.id",
        floor.shop_id,
    )
    tab = app_as(floor.person("warehouse"), "release")
    tab.get_by_key("release_view").set_value("holds").run()
    assert zh("release.in_erp", count=1) in [one.value for one in tab.error]
    table = next(one.value for one in tab.dataframe if "why" in one.value)
    assert next(iter(table["where"])) == zh("release.where.erp")


def test_the_log_lists_who_made_what(app_as: AppAs, floor: ShopFloor) -> None:
    person = floor.person("operations")
    tab = app_as(person, "release")
    tab.get_by_key("release_view").set_value("log").run()
    assert zh("release.no_lists") in shown(tab)
    tab.get_by_key("release_view").set_value("ready").run()
    release_all(tab)
    tab.get_by_key("release_view").set_value("log").run()
    assert person.name in shown(tab)
    assert zh("release.not_downloaded") in shown(tab)


def test_the_pick_list_counts_pieces_and_escapes_names(app_as: AppAs, floor: ShopFloor) -> None:
    count = ready(floor)
    tab = release_all(app_as(floor.person("warehouse"), "release"))
    button(tab, "release_pick_fresh_").click().run()
    assert not tab.exception
    assert zh("release.by_sku") in shown(tab)
    assert len(tab.table[0].value) > 0
    assert count > 0
    hostile = {"sku": "<script>", "name": "&", "spec": "", "quantity": 2, "orders": 1}
    order = {"order_no": "1", "receiver_masked": "<b>", "province": None, "city": None, "items": [hostile]}
    one = SimpleNamespace(id=7, shop_name="<i>", created_at=None)
    page = lists.pick_page(one, {"by_sku": [hostile], "by_order": [order]})  # type: ignore[arg-type]
    assert "<script>" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;" in page


def _last(floor: ShopFloor) -> int:
    return int(floor.one("select max(id) from public.releases where shop_id = %s", floor.shop_id))
