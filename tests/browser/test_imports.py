"""Files go in through the page and give exactly the expected exceptions, in a real browser.

The other samples go in by the command: tests/contract/test_import.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Server, enter, press
from tests.people import add_shop, hire
from tests.support import forget_imports

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
TAOBAO = SAMPLES / "taobao_ExportOrderList.csv"


@pytest.fixture(autouse=True)
def nothing_else_there(desk: Server) -> Iterator[None]:
    """An installation without shops and orders; what a test imports is gone afterwards."""
    forget_imports(desk.runtime["admin_url"])
    yield
    forget_imports(desk.runtime["admin_url"])


def open_imports(desk: Server, page: Page) -> None:
    """The page as a member of operations of a new shop sees it."""
    add_shop(desk.stack, "one")
    enter(page, desk, desk.stack, hire(desk.stack, "operations", shops=["one"]), "/imports")


def drop(page: Page, *files: Path) -> None:
    uploader = page.locator("input[type=file]")
    expect(uploader).to_have_count(1, timeout=30_000)  # a spent one fades late
    uploader.set_input_files(files)


def test_stock_and_orders_in_one_drop_give_exactly_the_expected_exceptions(
    desk: Server,
    new_browser: Callable[..., BrowserContext],
    shoot: Callable[[Page, str], None],
) -> None:
    page = new_browser().new_page()
    open_imports(desk, page)
    drop(page, TAOBAO, SAMPLES / "stock.csv")
    expect(page.get_by_text("64 单：新 64 / 更新 0 / 不变 0")).to_be_visible()
    shoot(page, "imports_preview_light")
    press(page.get_by_role("button", name="全部导入（2 个文件）"))
    expect(page.get_by_text("导入完成：64 单")).to_be_visible(timeout=60_000)
    shoot(page, "imports_done_light")

    expected = Counter(
        kind
        for kinds in json.loads((SAMPLES / "taobao_expected.json").read_text("utf-8")).values()
        for kind in kinds
    )
    with psycopg.connect(desk.runtime["db_url"]) as owner:
        found = owner.execute(
            "select kind, count(*) from public.order_exceptions where state = 'open' group by kind"
        ).fetchall()
    assert dict(found) == dict(expected)
    card = page.locator("[class*=st-key-imports_card_]").filter(has_text=TAOBAO.name)
    for kind, count in (("偏远地区", 7), ("缺货", 6), ("重复下单", 4)):
        expect(card.get_by_text(f"{kind} {count}", exact=True)).to_be_visible()

    press(page.get_by_role("button", name="收起，导入下一批"))
    expect(card).to_have_count(0)
    drop(page, TAOBAO)
    expect(page.get_by_text("64 单：新 0 / 更新 0 / 不变 64")).to_be_visible()
