"""The word check in a real browser: typed, put right, written as a listing, reviewed; docked and dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Server, enter, press, settled
from tests.pages import texts
from tests.pages.shop_floor import ShopFloor

Open = Callable[..., BrowserContext]
Shoot = Callable[[Page, str], None]
TEXT = "全国销量第一的最佳面霜，国家级认证。"


@pytest.fixture(scope="module")
def floor(desk: Server) -> ShopFloor:
    """A shop without anything in it."""
    return ShopFloor(desk.stack, "words")


def open_page(desk: Server, floor: ShopFloor, context: BrowserContext, path: str, role: str) -> Page:
    page = context.new_page()
    enter(page, desk, floor.stack, floor.person(role), path)
    settled(page)
    return page


def write(page: Page, field: str, text: str) -> None:
    """Types into an editor and waits for the verdict without leaving it."""
    area = page.get_by_role("textbox", name=field, exact=True)
    press(area)
    page.keyboard.type(text)
    expect(area).to_be_focused()


def test_a_text_is_checked_while_it_is_typed_and_put_right(
    desk: Server, floor: ShopFloor, new_browser: Open, shoot: Shoot
) -> None:
    page = open_page(desk, floor, new_browser(), "/words", "agent")
    write(page, "原文", TEXT)
    expect(page.locator("mark.block")).to_have_text(["销量第一", "最佳", "国家级"])
    area = page.get_by_role("textbox", name="原文", exact=True)
    expect(area).to_be_focused()
    shoot(page, "words_light")
    press(page.get_by_role("button", name="采用「合适」"))
    expect(page.locator("mark.block")).to_have_text(["销量第一", "国家级"])
    expect(area).to_have_value(TEXT.replace("最佳", "合适"))
    press(page.get_by_role("button", name="采用全部建议"))
    expect(page.locator("mark.block")).to_have_count(0)
    shoot(page, "words_put_right_light")


def test_a_listing_is_written_submitted_and_approved_by_another(
    desk: Server, floor: ShopFloor, new_browser: Open, shoot: Shoot
) -> None:
    page = open_page(desk, floor, new_browser(), "/listings?id=new", "operations")
    write(page, "标题", "保湿面霜 50g")
    press(page.get_by_role("button", name="保存并检查"))
    submit = page.get_by_role("dialog").get_by_role("button", name="提交审核")
    expect(submit).to_be_enabled()
    shoot(page, "listings_drawer_light")
    press(submit)
    expect(page.get_by_text("已提交 1 条").first).to_be_visible()
    boss = open_page(desk, floor, new_browser(width=420, height=880, dark=True), "/listings", "manager")
    press(boss.get_by_role("button", name="打开").first)
    drawer = boss.get_by_role("dialog")
    expect(drawer.get_by_text("保湿面霜 50g").first).to_be_visible()
    shoot(boss, "listings_docked_dark")
    press(drawer.get_by_role("button", name="通过", exact=True))
    expect(boss.get_by_text("已通过 1 条").first).to_be_visible()
    assert boss.evaluate("document.documentElement.scrollWidth") <= 420
    listing_id = int(floor.one("select max(id) from public.listings"))
    assert texts.detail(floor, listing_id).listing.state == "images"
