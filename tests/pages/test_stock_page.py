"""商品库存: search, refill alerts, empty states, export."""

from __future__ import annotations

import pytest

from backend.local.stack import Stack
from pages.shared import home_stock
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    made = ShopFloor(stack, "stk1")
    made.load("stock.csv", of_shop=False)
    return made


@pytest.mark.parametrize("role", ["agent", "analyst"])
def test_everybody_reads_the_stock(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    tab = app_as(floor.person(role), "stock", query={"stock_q": "SKU0"})
    assert not tab.exception
    assert "SKU003" in [*tab.dataframe[0].value["sku"]]


def test_a_refill_alert_says_how_much_is_missing(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("warehouse"), "stock", query={"stock_q": "SKU0", "stock_low": "true"})
    table = tab.dataframe[0].value
    low = floor.one(
        "select count(*) from public.products where sku like 'SKU0%%' and available < safety_stock"
    )
    assert len(table) == low > 0
    assert all(table["alert"])


def test_a_search_without_a_match_says_what_to_do(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("operations"), "stock")
    tab.text_input(key="stock_q").set_value("没有这种东西").run()
    assert not tab.dataframe
    assert zh("stock.no_match") in shown(tab)


def test_the_words_of_an_alert() -> None:
    row = {"is_low": True, "safety_stock": 50, "available": 0}
    assert home_stock.alert(row) == zh("stock.empty", missing=50)
    assert home_stock.alert(row | {"available": 18}) == zh("stock.low", missing=32)
    assert home_stock.alert(row | {"is_low": False}) == ""


def test_pieces_read_as_numbers_and_nothing_counted_as_a_dash() -> None:
    assert [home_stock.pieces(count) for count in (1260, 0, None)] == ["1,260", "0", "—"]


def test_the_export_is_offered_for_the_filter(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("warehouse"), "stock", query={"stock_q": "SKU00"})
    tab.toggle(key="stock_export").set_value(True).run()
    assert not tab.exception
    assert {one.proto.label for one in tab.get("download_button")} == {"CSV", "XLSX"}
