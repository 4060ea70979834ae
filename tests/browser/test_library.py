"""话术库 in a real browser: written under the word check, approved by another on a phone, copied, counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Server, enter, press, settled
from tests.pages.shop_floor import ShopFloor
from tests.support import wait_until

Open = Callable[..., BrowserContext]
Shoot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def floor(desk: Server) -> ShopFloor:
    """A shop whose scripts the worker has not read yet."""
    return ShopFloor(desk.stack, "library")


def open_page(desk: Server, floor: ShopFloor, context: BrowserContext, path: str, role: str) -> Page:
    page = context.new_page()
    enter(page, desk, floor.stack, floor.person(role), path)
    settled(page)
    return page


def test_a_script_is_written_approved_by_another_copied_and_counted(
    desk: Server, floor: ShopFloor, new_browser: Open, shoot: Shoot
) -> None:
    context = new_browser()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_page(desk, floor, context, "/scripts?id=new", "agent")
    drawer = page.get_by_role("dialog")
    press(drawer.get_by_role("textbox", name="标题"))
    page.keyboard.type("面霜推荐")
    text = drawer.get_by_role("textbox", name="正文")
    press(text)
    page.keyboard.type("{顾客称呼}您好，这是最佳面霜。")
    expect(page.locator("mark.block")).to_have_text("最佳")  # underlined while it is typed
    shoot(page, "library_form_light")
    press(drawer.get_by_role("button", name="采用「合适」"))
    expect(page.locator("mark.block")).to_have_count(0)
    press(drawer.get_by_role("button", name="保存", exact=True))
    press(drawer.get_by_role("button", name="提交审核"))
    expect(page.get_by_text("已提交").first).to_be_visible()

    boss = open_page(
        desk, floor, new_browser(width=420, height=880, dark=True), "/scripts?tab=pending", "manager"
    )
    press(boss.get_by_role("button", name="打开").first)
    review = boss.get_by_role("dialog")
    expect(review.get_by_text("这是合适面霜").first).to_be_visible()
    shoot(boss, "library_review_docked_dark")
    press(review.get_by_role("button", name="批准使用"))
    expect(boss.get_by_text("已批准，现在可用").first).to_be_visible()
    assert boss.evaluate("document.documentElement.scrollWidth") <= 420

    page.goto(f"{desk.url}/scripts?q=面霜推荐")
    settled(page)
    press(page.get_by_role("button", name="填变量"))
    page.get_by_role("textbox", name="顾客称呼").fill("王女士")
    page.get_by_role("textbox", name="顾客称呼").press("Enter")
    copy = page.get_by_role("button", name="复制", exact=True)
    expect(copy).to_be_visible()
    page.keyboard.press("Escape")
    press(copy)
    expect(page.get_by_role("button", name="已复制")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "王女士您好，这是合适面霜。"
    wait_until(lambda: floor.one("select count(*) from public.script_uses") == 1)
    page.reload()
    expect(page.get_by_text("90 天用过 1 次").first).to_be_visible()
    shoot(page, "library_usable_light")
    assert floor.one("select count(*) from script_uses") == 1
