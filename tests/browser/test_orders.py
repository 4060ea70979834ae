"""The queue in a real browser: claim, waive and undo by keys; a deep link; the docked window; both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Server, downloaded, enter, press, settled
from tests.pages.floor import Floor, open_floor

Open = Callable[..., BrowserContext]
Shoot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def floor(desk: Server) -> Floor:
    """A shop with the Taobao sample."""
    return open_floor(desk.stack)


def open_page(desk: Server, floor: Floor, context: BrowserContext, path: str, role: str = "agent") -> Page:
    page = context.new_page()
    enter(page, desk, floor.stack, floor.member(role), path)
    settled(page)
    return page


def drawer(page: Page) -> Locator:
    return page.get_by_role("dialog")


def test_claim_waive_and_undo_with_the_keyboard(
    desk: Server, floor: Floor, new_browser: Open, shoot: Shoot
) -> None:
    page = open_page(desk, floor, new_browser(), "/orders?kind=remote")
    expect(page.get_by_text("符合筛选的 7 单可以一起决定")).to_be_visible()
    shoot(page, "orders_light")
    page.keyboard.press("Alt+l")
    expect(drawer(page).get_by_text("归你处理")).to_be_visible()
    page.keyboard.press("Alt+2")
    press(drawer(page).get_by_role("button", name="已核对无误"))
    expect(drawer(page).get_by_text("这一单处理完了，可以放行。")).to_be_visible()
    shoot(page, "orders_drawer_light")
    assert len(floor.orders("remote")) == 6
    page.keyboard.press("Alt+z")
    expect(page.get_by_text("已撤销 1 项")).to_be_visible()
    assert len(floor.orders("remote")) == 7


def test_a_link_opens_its_order_and_closing_leaves_the_list(
    desk: Server, floor: Floor, new_browser: Open
) -> None:
    order = floor.orders("mismatch")[0]
    ((number,),) = floor.ask("select order_no from public.orders where id = %s", order)
    page = open_page(desk, floor, new_browser(), f"/orders?id={order}", role="manager")
    expect(drawer(page).get_by_text(number)).to_be_visible()
    expect(drawer(page).get_by_text("≠")).to_be_visible()
    press(page.get_by_role("button", name="Close"))
    expect(drawer(page)).to_have_count(0)
    expect(page).to_have_url(f"{desk.url}/orders")


def test_docked_beside_the_chat_tool_the_queue_is_cards(
    desk: Server, floor: Floor, new_browser: Open, shoot: Shoot
) -> None:
    page = open_page(desk, floor, new_browser(width=420, height=880, dark=True), "/orders?kind=suspicious")
    card = page.locator("[class*=st-key-orders_card_]").first
    expect(card).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_hidden()
    shoot(page, "orders_docked_dark")
    press(card.get_by_role("button", name="处理"))
    expect(drawer(page).get_by_role("button", name="确认无误…")).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 420
    shoot(page, "orders_docked_drawer_dark")


def test_the_queue_in_english_and_dark(desk: Server, floor: Floor, new_browser: Open, shoot: Shoot) -> None:
    page = open_page(desk, floor, new_browser(dark=True), "/orders?view=same", role="operations")
    press(page.get_by_role("button", name="EN", exact=True))
    expect(page.get_by_text("Orders with the same exception and evidence")).to_be_visible()
    shoot(page, "orders_same_en_dark")


def test_the_filtered_rows_are_downloaded(desk: Server, floor: Floor, new_browser: Open) -> None:
    page = open_page(desk, floor, new_browser(), "/orders?kind=mismatch", role="manager")
    press(page.locator(".st-key-orders_export button").first)
    text = downloaded(page.get_by_role("button", name="导出 CSV")).read_text("utf-8-sig")
    assert len(text.splitlines()) == 1 + len(floor.orders("mismatch"))
