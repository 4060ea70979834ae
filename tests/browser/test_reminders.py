"""Reminders really arrive: a manager shortens the policy, orders come in, time passes; bell, inbox and a
robot on this machine have the message, and its link opens the order.

The product's clock is the test clock, and the minute's tick rings when asked; everything else is the product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from backend import config
from backend.local.stack import Stack
from tests.browser.conftest import Server, enter, press, settled
from tests.conftest import Installation
from tests.contract.robots import Place, Robots
from tests.pages.shop_floor import ShopFloor
from tests.sql.desk import NOON

Open = Callable[..., BrowserContext]
Shoot = Callable[[Page, str], None]
PUBLIC = "https://desk.example.com"


@dataclass
class Desk:
    """The app on a stack with a test clock, and what stands in for a WeCom group."""

    server: Server
    stack: Stack
    robots: Robots

    def at(self, moment: datetime) -> None:
        """Set the product's clock."""
        with psycopg.connect(self.stack.db_url) as owner:
            owner.execute("update private.test_clock set at = %s", (moment,))

    def ring(self) -> dict[str, Any]:
        """The tick of the minute."""
        url = f"{self.stack.api_url}/functions/v1/sla-reminders"
        answer = httpx.post(url, headers={"apikey": self.stack.secret_key}, timeout=60)
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report

    def one(self, query: str, *values: object) -> Any:
        """One value, read as the owner of the schema."""
        with psycopg.connect(self.stack.db_url) as owner:
            row = owner.execute(query.encode(), values).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def desk(
    data_folder: Callable[[str], Path], installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setenv(config.LOOPBACK_CHANNELS, "1")
    monkeypatch.setenv("DESK_PUBLIC_URL", PUBLIC)
    with Stack(installation("reminding", test_clock=True), test_clock=True, fsync=False) as stack:
        settings = {
            "SUPABASE_URL": stack.api_url,
            "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
            "SUPABASE_SECRET_KEY": stack.secret_key,
            "DESK_COOKIE_SECRET": stack.secrets.cookie_secret,
            "DESK_PII_KEY": stack.pii_key,
            config.LOOPBACK_CHANNELS: "1",
        }
        made = Desk(Server(data_folder("reminding_app"), environment=settings), stack, Robots())
        made.at(NOON)
        made.server.start()
        yield made
        made.server.stop()
        made.robots.close()


def shorten(page: Page, desk: Desk) -> None:
    """The manager gives order reviews ten minutes instead of two hours."""
    page.goto(f"{desk.server.url}/policies?code=order_review")
    settled(page)
    drawer = page.get_by_role("dialog")
    drawer.get_by_role("spinbutton", name="时限").fill("10")
    drawer.get_by_role("spinbutton", name="时限").press("Enter")
    settled(page)
    press(drawer.get_by_role("radio", name="分钟"))
    settled(page)
    press(drawer.get_by_role("button", name="看看影响"))
    press(drawer.get_by_role("button", name="保存规则"))
    expect(page.get_by_text("10 分钟").first).to_be_visible()
    assert desk.one("select allowance from public.sla_policies where code = 'order_review'") == 10


def add_robot(page: Page, desk: Desk) -> Place:
    """The manager adds the group's robot."""
    address = desk.robots.open("wecom", "group")
    page.goto(f"{desk.server.url}/channels")
    press(page.locator(".st-key-channels_add summary"))
    page.locator(".st-key-channels_add_0_wecom_name input").fill("客服群")
    page.locator(".st-key-channels_add_0_wecom_endpoint input").fill(address)
    press(page.locator(".st-key-channels_add_0_wecom_send button"))
    expect(page.get_by_text("客服群").first).to_be_visible()
    return desk.robots.places["group"]


def test_reminders_arrive_in_the_running_product(desk: Desk, new_browser: Open, shoot: Shoot) -> None:
    floor = ShopFloor(desk.stack, "arrive")
    page = new_browser().new_page()
    enter(page, desk.server, desk.stack, floor.person("manager"), "/")
    shorten(page, desk)
    robot = add_robot(page, desk)
    agent = new_browser(width=420).new_page()
    enter(agent, desk.server, desk.stack, floor.person("agent"), "/inbox")
    floor.load("taobao_ExportOrderList.csv")

    desk.at(NOON + timedelta(minutes=4, seconds=59))
    desk.ring()
    assert desk.one("select count(*) from public.reminders") == 0, "not a second too early"
    desk.at(NOON + timedelta(minutes=5))
    desk.ring()
    agent.goto(f"{desk.server.url}/inbox")
    expect(agent.get_by_text("合并提醒")).to_be_visible()
    expect(agent.locator(".st-key-desk_bell button").first).to_contain_text("1")
    assert robot.accepted == [], "half of the time is the reviewers' business"

    desk.at(NOON + timedelta(minutes=10))
    assert desk.ring()["sent"] == 1
    assert robot.complaints == []
    (message,) = robot.accepted
    agent.goto(f"{desk.server.url}/inbox")
    expect(agent.get_by_text("已超时").or_(agent.get_by_text("合并提醒")).first).to_be_visible()
    shoot(agent, "reminders_inbox_420")
    link = re.search(re.escape(PUBLIC) + r"(/orders\?id=(\d+))", message.text)
    assert link is not None
    number = desk.one("select order_no from public.orders where id = %s", int(link[2]))
    assert number in message.text
    agent.goto(desk.server.url + link[1])
    expect(agent.get_by_role("dialog").get_by_text(number).first).to_be_visible()
    shoot(agent, "reminders_link_420")
    page.goto(f"{desk.server.url}/deliveries")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    assert desk.one("select array_agg(state) from public.deliveries") == ["sent"]
    shoot(page, "reminders_deliveries")

    desk.at(NOON + timedelta(minutes=11))
    assert (desk.ring()["sent"], len(robot.accepted)) == (0, 1), "said once"
