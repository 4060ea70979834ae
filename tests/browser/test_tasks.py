"""Two managers edit the same tasks in two browsers: the second is told who was faster, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Server, enter, press, settled
from tests.people import Account, add_shop, hire

Open = Callable[..., BrowserContext]
Shoot = Callable[[Page, str], None]
TASKS = """
with s as (select id from public.shops where code = 'twins')
insert into public.tasks (shop_id, title, source, created_at)
select s.id, t, 'suggestion', now() from s, unnest(array['第一件', '第二件']) t
"""
TITLE_X, FIRST_ROW_Y, ROW = 210, 47, 31  # pixels in the grid: middle of the column 任务, of the first line


def rename(page: Page, line: int, title: str) -> None:
    """Types a title over a cell, as in a spreadsheet; lines from below: Enter selects the next one."""
    table = page.locator("[data-testid=stDataFrame] .dvn-scroller").first
    table.click(position={"x": TITLE_X, "y": FIRST_ROW_Y + line * ROW})
    page.keyboard.press("Enter")
    page.locator("textarea.gdg-input").fill(title)
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-tasks_difference")).to_contain_text(title)


def save(page: Page) -> None:
    press(page.get_by_role("button", name="保存").first)
    settled(page)


def test_the_second_of_two_managers_is_told_and_nothing_is_lost(
    desk: Server, new_browser: Open, shoot: Shoot
) -> None:
    stack = desk.stack
    add_shop(stack, "twins")
    first, second = (hire(stack, "manager", shops=["twins"]) for _ in range(2))
    with psycopg.connect(stack.db_url) as owner:
        owner.execute(TASKS)
    one, other = (opened(desk, stack, who, new_browser()) for who in (first, second))
    rename(one, 0, "主管一改的标题")
    rename(other, 1, "主管二的另一行")
    rename(other, 0, "主管二改的标题")
    shoot(one, "tasks_difference_light")
    save(one)
    expect(one.get_by_text("已保存 1 行")).to_be_visible()
    save(other)
    expect(other.get_by_text("你的改动没有保存")).to_be_visible()
    expect(other.get_by_text("对方改了：标题")).to_be_visible()
    shoot(other, "tasks_conflict_light")
    with psycopg.connect(stack.db_url) as owner:
        found = owner.execute("select title from public.tasks order by id").fetchall()
    assert [title for (title,) in found] == ["主管二的另一行", "主管一改的标题"]


def opened(desk: Server, stack: object, who: Account, context: BrowserContext) -> Page:
    page = context.new_page()
    enter(page, desk, stack, who, "/tasks")
    settled(page)
    return page
