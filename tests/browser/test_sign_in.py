"""From an empty installation to a signed-in team, in a real browser, as people do it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, StorageState, expect

from tests.browser.conftest import Browsers, Server, downloaded, press, settled, sign_in
from tests.conftest import Installation

Shoot = Callable[[Page, str], None]
NewBrowser = Callable[..., BrowserContext]
PASSWORD = "one phrase of mine"
WINDOW = {"width": 1440, "height": 900, "dark": False}
DARK, LIGHT = "rgb(20, 24, 26)", "rgb(255, 255, 255)"  # backgroundColor of the two themes
TEAM = (
    "姓名\t工号\t角色\t店铺\t技能\t手机\n"
    "经理A\t8001\t经理\t全部\n"
    "**客服A**\t1001\t客服\ttm\t售前\t13800001111\n"
)


@pytest.fixture(scope="module")
def desk(installation: Installation) -> Iterator[Server]:
    """An installation of this file's own: two shops, and nobody in it."""
    server = Server(installation("sign-in"), environment={"DESK_DEMO": "0"})
    server.start()
    with psycopg.connect(server.runtime["db_url"]) as owner:
        for code, name, platform in (("tm", "示例旗舰店", "taobao"), ("jd", "示例京东店", "jd")):
            owner.execute("select private.ensure_shop(%s, %s, %s)", (code, name, platform))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def admin(desk: Server, browsers: Browsers) -> str:
    """The staff number of the first admin, made by hand in the first test that needs one."""
    context = browsers.take(**WINDOW)
    page = context.new_page()
    page.goto(f"{desk.url}/shops?first={desk.console_code}")
    page.get_by_role("textbox", name="姓名").fill("管理员A")
    page.get_by_role("textbox", name="工号").fill("9001")
    page.get_by_role("textbox", name="新密码").fill(PASSWORD)
    page.get_by_role("textbox", name="再输一次").fill(PASSWORD)
    press(page.get_by_role("button", name="建立管理员账号"))
    page.locator(".st-key-desk_bar").wait_for()
    expect(page.get_by_role("heading", name="店铺", exact=True)).to_be_visible()
    browsers.give_back(context, **WINDOW)
    return "9001"


@pytest.fixture(scope="module")
def signed_in(desk: Server, admin: str, browsers: Browsers) -> StorageState:
    """The cookies of a browser in which the admin is signed in."""
    context = browsers.take(**WINDOW)
    page = context.new_page()
    page.goto(f"{desk.url}/setup")
    sign_in(page, admin, PASSWORD)
    state = context.storage_state()
    browsers.give_back(context, **WINDOW)
    return state


@pytest.fixture
def page(new_browser: NewBrowser) -> Page:
    return new_browser().new_page()


def cookie_of(context: BrowserContext) -> dict[str, object] | None:
    """The session's; `desk_width`, which the page writes about its window, is no secret."""
    names = {str(one["name"]): dict(one) for one in context.cookies()}
    return next(
        (one for name, one in names.items() if name.startswith("desk_") and name != "desk_width"), None
    )


def test_the_session_survives_reload_new_tab_restart_and_an_expiring_token(
    desk: Server, admin: str, page: Page, new_browser: NewBrowser
) -> None:
    page.goto(f"{desk.url}/shops")
    with page.expect_response("**/api/session") as answer:
        sign_in(page, admin, PASSWORD)
    assert answer.value.status == 204
    expect(page.get_by_role("heading", name="店铺", exact=True)).to_be_visible()

    cookie = cookie_of(page.context)
    assert cookie is not None
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Lax"
    assert str(cookie["value"]) not in page.evaluate("document.cookie + JSON.stringify(localStorage)")

    page.reload()
    expect(page.get_by_role("heading", name="店铺", exact=True)).to_be_visible()
    tab = page.context.new_page()
    tab.goto(f"{desk.url}/shops")
    expect(tab.get_by_role("heading", name="店铺", exact=True)).to_be_visible()

    desk.restart()
    no_page_without_the_frame(desk, new_browser().new_page())
    tab.goto(f"{desk.url}/shops")
    expect(tab.get_by_role("heading", name="店铺", exact=True)).to_be_visible()

    with psycopg.connect(desk.runtime["db_url"]) as owner:
        owner.execute("update private.web_sessions set access_expires_at = now() - interval '1 minute'")
    tab.reload()
    expect(tab.get_by_role("heading", name="店铺", exact=True)).to_be_visible()


def no_page_without_the_frame(desk: Server, stranger: Page) -> None:
    """The first visitors of a fresh process: whatever the address, they see the sign-in page and no more."""
    for address in ("/members", "/shared", "/main"):
        stranger.goto(f"{desk.url}{address}")
        expect(stranger.get_by_role("button", name="登录", exact=True)).to_be_attached()
        assert stranger.get_by_text("管理员A").count() == 0
        assert stranger.locator("[data-testid=stSidebarNavLink]").count() == 0


def test_signing_out_ends_the_cookie_and_the_other_tab(desk: Server, admin: str, page: Page) -> None:
    page.goto(f"{desk.url}/shops")
    sign_in(page, admin, PASSWORD)
    settled(page)
    other = page.context.new_page()
    other.goto(f"{desk.url}/shops")
    expect(other.get_by_role("heading", name="店铺", exact=True)).to_be_visible()
    press(page.locator(".st-key-desk_person button:visible"))
    with page.expect_response("**/api/session") as answer:
        press(page.get_by_role("button", name="退出登录"))
    assert answer.value.status == 204
    expect(page.get_by_text("已退出登录。")).to_be_visible()
    assert cookie_of(page.context) is None
    page.reload()
    expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    other.reload()
    expect(other.get_by_role("button", name="登录", exact=True)).to_be_visible()


def test_a_team_is_pasted_and_each_person_opens_an_account(
    desk: Server, admin: str, page: Page, new_browser: NewBrowser, shoot: Shoot
) -> None:
    page.goto(f"{desk.url}/members")
    sign_in(page, admin, PASSWORD)
    press(page.get_by_role("radio", name="粘贴整个团队"))
    box = page.get_by_role("textbox", name="粘贴表格")
    box.fill(TEAM.replace("经理\t", "经里\t"))
    press(page.get_by_role("button", name="预览", exact=True))
    expect(page.get_by_text("1 行要先改")).to_be_visible()
    shoot(page, "members_preview_light")
    box.fill(TEAM)
    press(page.get_by_role("button", name="预览", exact=True))
    press(page.get_by_role("button", name="生成 2 个邀请码"))
    expect(page.get_by_text("2 个邀请码，只显示这一次")).to_be_visible()
    shoot(page, "members_codes_light")
    slips = downloaded(page.get_by_role("button", name="打印用纸条")).read_text("utf-8")
    assert "**客服A**" in slips
    code = slips.split("<code>")[2].split("</code>")[0]

    agent = new_browser(width=420, height=860).new_page()
    agent.goto(f"{desk.url}/?invite={code}")
    expect(agent.get_by_text("**客服A**，你好")).to_be_visible()
    assert agent.locator("strong", has_text="客服A").count() == 1  # our own emphasis, not the name's stars
    shoot(agent, "sign_up_light_420")
    agent.get_by_role("textbox", name="新密码").fill(PASSWORD)
    agent.get_by_role("textbox", name="再输一次").fill(PASSWORD)
    press(agent.get_by_role("button", name="设好密码并登录"))
    agent.locator(".st-key-desk_bar").wait_for()
    agent.goto(f"{desk.url}/members")
    expect(agent.get_by_text("你的角色不能使用这个页面")).to_be_visible()

    with psycopg.connect(desk.runtime["db_url"]) as owner:
        stored = owner.execute("select string_agg(c::text, ' ') from private.contacts c").fetchone()
    assert stored is not None
    assert "v1." in stored[0]
    assert "13800001111" not in stored[0]


def test_an_abandoned_shared_machine_locks_itself(desk: Server, admin: str, new_browser: NewBrowser) -> None:
    page = new_browser(spent=True).new_page()
    page.clock.install()
    page.goto(f"{desk.url}/shops")
    sign_in(page, admin, PASSWORD)
    settled(page)
    page.clock.fast_forward("59:00")
    expect(page.get_by_role("heading", name="店铺", exact=True)).to_be_visible()
    page.clock.fast_forward("02:00")
    expect(page.get_by_text("已自动锁定")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()


def test_the_plain_script_signs_in_for_as_long_as_the_tab_lives(
    desk: Server, admin: str, page: Page, data_folder: Callable[[str], Path]
) -> None:
    facts = desk.runtime
    secret = json.loads((desk.data_dir / "secrets.json").read_text("utf-8"))
    plain = Server(
        data_folder("plain"),
        script="pages/main.py",
        environment={
            "SUPABASE_URL": facts["api_url"],
            "SUPABASE_PUBLISHABLE_KEY": facts["publishable_key"],
            "SUPABASE_SECRET_KEY": facts["secret_key"],
            "DESK_COOKIE_SECRET": secret["cookie_secret"],
            "DESK_PII_KEY": secret["pii_key"],
        },
    )
    plain.start()
    try:
        page.goto(f"{plain.url}/shops")
        sign_in(page, admin, PASSWORD)
        press(page.get_by_role("link", name="成员"))
        expect(page.get_by_role("heading", name="成员", exact=True)).to_be_visible()
        assert cookie_of(page.context) is None
        page.reload()
        expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
        assert not (plain.data_dir / "postgres").exists()
    finally:
        plain.stop()


def test_a_desk_open_to_the_network_starts_no_stack_of_its_own(
    page: Page, data_folder: Callable[[str], Path], shoot: Shoot
) -> None:
    server = Server(data_folder("network"), address="0.0.0.0")
    server.start()
    try:
        page.goto(server.url)
        expect(page.get_by_role("heading", name="还没有连上数据库")).to_be_visible()
        expect(page.get_by_text("DESK_COOKIE_SECRET=")).to_be_visible()
        shoot(page, "not_connected_light_1440")
        assert "one-time code" not in server.output
        assert not (server.data_dir / "postgres").exists()
        assert page.request.get(f"{server.url}/api/health").status == 503
    finally:
        server.stop()


def test_how_it_looks(
    desk: Server, admin: str, signed_in: StorageState, new_browser: NewBrowser, shoot: Shoot
) -> None:
    gate = new_browser().new_page()
    gate.goto(f"{desk.url}/members")
    expect(gate.get_by_role("button", name="登录", exact=True)).to_be_visible()
    both_themes(gate, "sign_in", shoot)
    no_english_hint(gate, admin)
    page = new_browser(state=signed_in).new_page()
    page.goto(f"{desk.url}/members")
    page.locator(".st-key-desk_bar").wait_for()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    both_themes(page, "members", shoot)
    press(page.locator(".st-key-desk_person button:visible"))
    expect(page.get_by_role("button", name="切换用户")).to_be_visible()
    both_themes(page, "person", shoot)


def both_themes(page: Page, name: str, shoot: Shoot) -> None:
    """Screenshots in dark at 420 and in light at 1440 px; at neither width does the page scroll sideways."""
    for width, theme, background in ((420, "dark", DARK), (1440, "light", LIGHT)):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        expect(page.locator(".stApp")).to_have_css("background-color", background)
        shoot(page, f"{name}_{theme}_{width}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def no_english_hint(gate: Page, login: str) -> None:
    """Typing brings no English words into a Chinese form."""
    gate.get_by_role("textbox", name="工号或邮箱").fill(login)
    hint = gate.locator("[data-testid=InputInstructions]").first
    expect(hint).to_have_text("Press Enter to submit form")
    expect(hint).to_be_hidden()


def test_theme_and_language_are_switched_and_kept(
    desk: Server, signed_in: StorageState, new_browser: NewBrowser, shoot: Shoot
) -> None:
    page = new_browser(state=signed_in).new_page()
    page.goto(f"{desk.url}/shops")
    press(page.locator(".st-key-desk_theme_button button:visible"))
    expect(page.locator(".stApp")).to_have_css("background-color", DARK)
    page.goto(f"{desk.url}/members")
    expect(page.locator(".stApp")).to_have_css("background-color", DARK)
    press(page.locator(".st-key-desk_language button:visible"))
    expect(page.get_by_role("heading", name="Members", exact=True)).to_be_visible()
    shoot(page, "members_dark_en_1440")
    page.reload()
    expect(page.get_by_role("heading", name="Members", exact=True)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    press(page.locator(".st-key-desk_language button:visible"))
    expect(page.get_by_role("heading", name="成员", exact=True)).to_be_visible()


def test_filters_are_part_of_the_address(
    desk: Server, signed_in: StorageState, new_browser: NewBrowser
) -> None:
    page = new_browser(width=420, state=signed_in).new_page()
    page.goto(f"{desk.url}/members?members_q=nobody-of-that-name")
    expect(page.get_by_text("没有符合条件的成员")).to_be_visible()
    page.get_by_role("searchbox", name="姓名或工号").fill("9001")
    page.keyboard.press("Enter")
    expect(page.get_by_text("9001 · 在用")).to_be_visible()
    expect(page).to_have_url(f"{desk.url}/members?members_q=9001")
