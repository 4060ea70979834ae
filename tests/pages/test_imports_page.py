"""导入 as operations, the warehouse and readers use it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from backend.imports.reasons import reason
from backend.local.stack import Stack
from pages.shared.importing import uploads
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import SAMPLES, ShopFloor

STOCK = "商品编码,商品名称,规格,可用库存,安全库存\nIP-1,杯子,黑,9,50\nIP-2,盘子,白,x,50\n".encode()
UNKNOWN = "单据号,客户,件,货名,当前,日期\nU-1,buyer_1,2,杯子,待发货,2026-11-20 10:00:00\n".encode()


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    return ShopFloor(stack, "imp1")


def drop(app_as: AppAs, floor: ShopFloor, role: str, *files: tuple[str, bytes]) -> AppTest:
    tab = app_as(floor.person(role), "imports")
    tab.file_uploader[0].set_value([(name, content, "text/csv") for name, content in files])
    tab.run()
    assert not tab.exception
    return tab


def press(tab: AppTest, start: str) -> AppTest:
    tab.button(key=next(one.key for one in tab.button if (one.key or "").startswith(start))).click().run()
    if uploads.TODO in tab.session_state:
        tab.run()
    assert not tab.exception
    return tab


@pytest.mark.parametrize("role", ["warehouse", "analyst"])
def test_who_imports_sees_ages_and_the_drop_zone(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    tab = app_as(floor.person(role), "imports")
    assert not tab.exception
    assert len(tab.file_uploader) == 1
    assert f"**{zh('imports.kind.orders')}** · 店铺 imp1" in shown(tab)


def test_an_order_file_is_previewed_imported_and_then_changes_nothing(app_as: AppAs, stack: Stack) -> None:
    floor = ShopFloor(stack, "imp2")
    name = "taobao_ExportOrderList.csv"
    tab = drop(app_as, floor, "operations", (name, (SAMPLES / name).read_bytes()))
    words = shown(tab)
    assert zh("imports.goes_to", shop="店铺 imp2") in words
    assert zh("imports.counts.orders", total="64", new="64", updated="0", same="0") in words
    assert floor.count("true") == 0  # a preview stores nothing
    press(tab, "imports_go_")
    assert floor.count("true") == 64
    assert "64" in tab.success[0].value
    assert "地址矛盾" in shown(tab)
    again = drop(app_as, floor, "operations", (name, (SAMPLES / name).read_bytes()))
    assert zh("imports.counts.orders", total="64", new="0", updated="0", same="64") in shown(again)


def test_refused_rows_are_listed_and_strict_keeps_everything_out(app_as: AppAs, floor: ShopFloor) -> None:
    tab = drop(app_as, floor, "warehouse", ("库存.csv", STOCK))
    table = next(one.value for one in tab.dataframe if "reason" in one.value)
    assert [*table["row"]] == [3]
    assert [*table["reason"]] == [reason("count", {})]
    tab.toggle(key="imports_strict").set_value(True).run()
    assert zh("imports.strict_refuses", count=1) in [one.value for one in tab.warning]
    button = next(one for one in tab.button if (one.key or "").startswith("imports_go_"))
    assert button.disabled
    tab.toggle(key="imports_strict").set_value(False).run()
    press(tab, "imports_go_")
    assert floor.one("select count(*) from public.products where sku in ('IP-1', 'IP-2')") == 1


def test_files_that_are_no_tables_say_so(app_as: AppAs, floor: ShopFloor) -> None:
    tab = drop(app_as, floor, "operations", ("空.csv", b""), ("图.csv", b"\x89PNG\r\n\x1a\n" + bytes(64)))
    assert tab.error[0].value == reason("file_empty", {})
    assert len(tab.error) == 2
    assert not [one for one in tab.button if (one.key or "").startswith("imports_go_")]


def test_the_warehouse_may_not_import_orders(app_as: AppAs, floor: ShopFloor) -> None:
    name = "taobao_ExportOrderList.csv"
    tab = drop(app_as, floor, "warehouse", (name, (SAMPLES / name).read_bytes()))
    refused = zh("imports.not_yours", kind=zh("imports.kind.orders"))
    assert refused in [one.value for one in tab.warning]


def test_a_platform_without_a_shop_of_mine_is_refused(app_as: AppAs, floor: ShopFloor) -> None:
    tab = drop(app_as, floor, "operations", ("jd.csv", (SAMPLES / "jd_orders.csv").read_bytes()))
    assert zh("imports.no_fitting_shop", platform=zh("platform.jd")) in [one.value for one in tab.warning]


def test_of_two_shops_one_has_to_be_chosen(app_as: AppAs, stack: Stack) -> None:
    floor = ShopFloor(stack, "imp3", more_shops=["imp4"])
    name = "taobao_ExportOrderList.csv"
    tab = drop(app_as, floor, "operations", (name, (SAMPLES / name).read_bytes()))
    box = next(one for one in tab.selectbox if (one.key or "").startswith("imports_shop_"))
    assert box.value is None
    assert not [one for one in tab.button if (one.key or "").startswith("imports_go_")]
    box.set_value(floor.shop_id).run()
    press(tab, "imports_go_")
    assert floor.count("true") == 64


def test_unknown_headers_are_mapped_once_and_remembered(app_as: AppAs, stack: Stack) -> None:
    floor = ShopFloor(stack, "imp5")
    tab = drop(app_as, floor, "operations", ("某工具.csv", UNKNOWN))
    assert zh("imports.map_text", count=6) in [one.value for one in tab.info]
    send = next(one for one in tab.button if (one.key or "").endswith("_orders_send"))
    send.click().run()
    assert tab.error  # required fields without a column are named, nothing is saved
    fields = {"order_no": "单据号", "status": "当前", "placed_at": "日期", "name": "货名", "quantity": "件"}
    for field, header in fields.items():
        box = next(one for one in tab.selectbox if (one.key or "").endswith(f"_orders_{field}"))
        box.set_value(header)
    next(one for one in tab.button if (one.key or "").endswith("_orders_send")).click().run()
    assert not tab.exception
    assert zh("imports.counts.orders", total="1", new="1", updated="0", same="0") in shown(tab)
    again = drop(app_as, floor, "operations", ("明天.csv", UNKNOWN.replace(b"U-1", b"U-2")))
    assert zh("imports.mapping_used", shop="店铺 imp5", count=5) in shown(again)
    press(again, "imports_go_")
    assert floor.count("order_no = 'U-2'") == 1


def test_the_log_shows_what_was_imported(app_as: AppAs, floor: ShopFloor) -> None:
    floor.load("taobao_ExportOrderList.csv")
    tab = app_as(floor.person("manager"), "imports")
    table = next(one.value for one in tab.dataframe if "counts" in one.value)
    assert "taobao_ExportOrderList.csv" in [*table["file"]]
    assert zh("imports.state.done") in [*table["state"]]


def test_templates_have_the_columns_that_the_parser_knows() -> None:
    assert {kind: len(names) for kind, names in uploads.TEMPLATES.items()} == {
        "orders": 21,
        "products": 5,
        "shipments": 7,
        "leads": 11,
        "aftersales": 14,
        "performance": 18,
        "reviews": 7,
        "traffic": 3,
        "chats": 7,
    }
