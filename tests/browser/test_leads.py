"""A lead in a real browser: imported, graded, handed out, followed up, won by an order file, counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Server, enter, press, settled
from tests.pages.shop_floor import SAMPLES, ShopFloor

Open = Callable[..., BrowserContext]
Shoot = Callable[[Page, str], None]
ORDERS = SAMPLES / "taobao_ExportOrderList.csv"
SHEET = """姓名,手机,旺旺,需求标签,线索来源,意向,预算,咨询时间
孙涛,13800000673,,办公设备,直播留资,高,,2026-11-01 10:00
李静,,li_jing_88,母婴用品,询单未付,中,,2026-11-01 11:00
"""
ON_SHIFT = """
    with d as (
        insert into rota_days (member_id, day, kind, source, updated_at)
        values (%(who)s, (now() at time zone 'Asia/Shanghai')::date, 'work', 'edited', now())
        returning member_id, day)
    insert into rota_entries (member_id, day, shift_name, starts_at, ends_at)
    select member_id, day, '班', now() - interval '1 hour', now() + interval '8 hours' from d"""


@pytest.fixture(scope="module")
def floor(desk: Server) -> ShopFloor:
    """A shop whose agent is on shift, whatever the hour."""
    made = ShopFloor(desk.stack, "leads")
    with psycopg.connect(desk.runtime["db_url"]) as owner:
        owner.execute(ON_SHIFT, {"who": made.person("agent").member_id})
    return made


def open_page(desk: Server, floor: ShopFloor, context: BrowserContext, path: str, role: str) -> Page:
    page = context.new_page()
    enter(page, desk, floor.stack, floor.person(role), path)
    settled(page)
    return page


def bring(page: Page, file: Path) -> None:
    """One file through the page of imports."""
    uploader = page.locator("input[type=file]")
    expect(uploader).to_have_count(1)
    uploader.set_input_files(file)
    card = page.locator("[class*=st-key-imports_card_]").filter(has_text=file.name)
    expect(card).to_be_visible()
    press(card.get_by_role("button", name=f"导入 {file.name}"))
    expect(page.get_by_text("导入完成").first).to_be_visible(timeout=60_000)


def follow_up(page: Page, step: str, note: str) -> None:
    """One contact by the form; the next date is one of the usual ones."""
    press(page.locator(".st-key-lead_step_follow_up button"))
    panel = page.locator(".st-key-lead_panel_follow_up")
    press(panel.get_by_role("radio", name=step, exact=True))
    panel.get_by_label("说明").fill(note)
    press(panel.get_by_text("联系上了", exact=True))
    press(
        panel.get_by_role("button", name="保存跟进"),
        then=lambda patience: expect(panel).to_have_count(0, timeout=patience),
    )
    expect(page.get_by_text(note, exact=True)).to_be_visible()


def test_a_lead_from_the_file_to_the_funnel(
    desk: Server, floor: ShopFloor, new_browser: Open, shoot: Shoot, tmp_path: Path
) -> None:
    sheet = tmp_path / "线索.csv"
    sheet.write_text(SHEET, "utf-8")
    office = open_page(desk, floor, new_browser(), "/imports", "operations")
    bring(office, sheet)
    with psycopg.connect(desk.runtime["db_url"]) as owner:  # what the tick of the minute does
        owner.execute("select private.drain_pool(private.now())")
        found = owner.execute("select id, grade, owner_id from leads order by id").fetchall()
    agent = floor.person("agent")
    assert [(grade, owner_id) for _, grade, owner_id in found] == [
        ("B", agent.member_id),
        ("B", agent.member_id),
    ]
    lead = found[0][0]

    page = open_page(desk, floor, new_browser(), "/leads", "agent")
    expect(page.get_by_role("button", name=f"L-{lead} 孙**").first).to_be_visible()
    shoot(page, "leads_board_light")
    press(page.get_by_role("button", name=f"L-{lead} 孙**").first)
    expect(page.locator(".st-key-lead_head")).to_be_visible()
    for step, note in (("首次触达", "已加微信"), ("需求挖掘", "要二十台"), ("促成", "今晚付款")):
        follow_up(page, step, note)
    shoot(page, "leads_one_light")

    office.goto(f"{desk.url}/imports")
    settled(office)
    bring(office, ORDERS)
    page.reload()
    expect(page.get_by_text("成交").first).to_be_visible()
    with psycopg.connect(desk.runtime["db_url"]) as owner:
        ended = owner.execute("select state, converted_by, follow_up_count from leads order by id").fetchall()
    assert ended == [("converted", "phone", 3), ("assigned", None, 0)]

    manager = open_page(desk, floor, new_browser(dark=True), "/lead_insight", "manager")
    expect(manager.get_by_text("50.0 %").first).to_be_visible()
    shoot(manager, "leads_funnel_dark")
    narrow = open_page(desk, floor, new_browser(width=420, height=860), "/leads", "agent")
    expect(narrow.get_by_text("李**").last).to_be_visible()
    shoot(narrow, "leads_board_420")
