"""The frame around the pages: who gets in, what the menu is worth, how failures read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from backend import auth, demo, search
from backend.config import ConfigError, Settings
from backend.errors import AppError
from backend.local.stack import Stack
from pages.shared import frame, navigation, session
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.people import PASSWORD, Account, hire, invite, sign_up

ROLES = navigation.EVERYBODY


def sign_in(tab: AppTest, login: str, password: str) -> AppTest:
    tab.text_input(key="desk_login").set_value(login)
    tab.text_input(key="desk_password").set_value(password)
    return tab.button(key="desk_sign_in_send").click().run()


# Who gets in -----------------------------------------------------------------------------------------------


def test_signing_in_opens_the_desk_and_fetches_a_cookie(
    browser_tab: Callable[[], AppTest], stack: Stack
) -> None:
    account = sign_up(stack, "manager", name="经理A")
    tab = sign_in(browser_tab().run(), account.staff_no, PASSWORD)
    assert not tab.exception
    assert "经理A" in shown(tab)
    assert session._TICKET in tab.session_state


def test_a_wrong_password_says_so_and_keeps_the_form(
    browser_tab: Callable[[], AppTest], stack: Stack
) -> None:
    account = sign_up(stack, "agent")
    tab = sign_in(browser_tab().run(), account.staff_no, "certainly wrong")
    assert [error.value for error in tab.error] == [AppError("sign_in.wrong").message("zh-CN")]
    assert tab.text_input(key="desk_login").value == account.staff_no
    assert "desk_sid" not in tab.session_state


def test_after_five_failures_the_page_says_how_long_to_wait(
    browser_tab: Callable[[], AppTest], stack: Stack
) -> None:
    account = sign_up(stack, "agent")
    tab = browser_tab().run()
    for _ in range(5):
        tab = sign_in(tab, account.staff_no, "certainly wrong")
    tab = sign_in(tab, account.staff_no, PASSWORD)
    assert "秒后再试" in tab.error[0].value
    assert "desk_sid" not in tab.session_state


def test_a_link_with_a_code_opens_the_account(browser_tab: Callable[[], AppTest], stack: Stack) -> None:
    _, staff_no, code = invite(stack, "agent", name="客服N")
    tab = browser_tab()
    tab.query_params["invite"] = code
    tab.run()
    assert "客服N" in shown(tab)
    assert "invite" not in tab.query_params
    tab.text_input(key="desk_new_password").set_value("one phrase of mine")
    tab.text_input(key="desk_new_again").set_value("another phrase")
    tab.button(key="desk_sign_up_send").click().run()
    assert [error.value for error in tab.error] == [zh("auth.passwords_differ")]
    tab.text_input(key="desk_new_again").set_value("one phrase of mine")
    tab.button(key="desk_sign_up_send").click().run()
    assert "客服N" in shown(tab)
    assert "desk_sid" in tab.session_state
    assert sign_in(browser_tab().run(), staff_no, "one phrase of mine").session_state["desk_sid"]


def test_a_used_code_leads_back_to_signing_in(browser_tab: Callable[[], AppTest], desk: Settings) -> None:
    tab = browser_tab()
    tab.query_params["invite"] = auth.new_code()
    tab.run()
    assert [error.value for error in tab.error] == [AppError("invitation.invalid").message("zh-CN")]
    tab.button(key="desk_gate_back").click().run()
    assert tab.text_input(key="desk_login").value == ""


def test_demo_accounts_sign_in_with_one_click_and_only_where_the_demo_is(
    browser_tab: Callable[[], AppTest], stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sign_up(stack, "analyst", name="数据D")
    assert not [button for button in browser_tab().run().button if "desk_demo" in str(button.key)]
    offered = demo.Account(account.staff_no, account.name, account.role, PASSWORD)
    monkeypatch.setattr(demo, "demo_accounts", lambda _: [offered])
    tab = browser_tab().run()
    tab.button(key=f"desk_demo_{account.staff_no}").click().run()
    assert "数据D" in shown(tab)


def test_a_cookie_brings_the_session_back(
    browser_tab: Callable[[], AppTest], stack: Stack, desk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = hire(stack, "agent", name="客服C")
    monkeypatch.setattr(session, "cookies", lambda: {auth.cookie_name(desk): account.session.sid})
    assert "客服C" in shown(browser_tab().run())
    monkeypatch.setattr(session, "cookies", lambda: {auth.cookie_name(desk): "made-up"})
    assert browser_tab().run().text_input(key="desk_login").value == ""


def test_signing_out_leaves_nothing_of_the_person_in_the_tab(
    app_as: AppAs, stack: Stack, desk: Settings
) -> None:
    account = sign_up(stack, "admin", name="管理员C")
    tab = app_as(account, "members")
    tab.text_input(key="members_q").set_value("经理").run()
    tab.button(key="desk_sign_out").click().run()
    assert tab.text_input(key="desk_login").value == ""
    kept = {
        name for name in tab.session_state.to_dict() if not name.startswith(("desk_gate", "FormSubmitter"))
    }
    assert not {"members_q", "desk_user", "desk_session", "desk_sid"} & kept
    assert "管理员C" not in str(tab.session_state.to_dict())
    assert zh_message("session.signed_out") in shown(tab)
    with pytest.raises(AppError, match=r"session\.ended"):
        auth.read_session(desk, account.session.sid)


def zh_message(key: str) -> str:
    return AppError(key).message("zh-CN")


def test_signing_out_everywhere_ends_the_other_tab(app_as: AppAs, stack: Stack, desk: Settings) -> None:
    account = sign_up(stack, "manager")
    elsewhere = auth.sign_in(desk, account.staff_no, PASSWORD, source="x")
    there = app_as(Account(account.member_id, account.name, account.staff_no, "manager", elsewhere))
    here = app_as(account)
    here.button(key="desk_sign_out_all").click().run()
    there.run()
    assert zh_message("session.ended") in shown(there)
    assert there.text_input(key="desk_login").value == ""


def test_a_member_switched_off_is_out_at_the_next_click(app_as: AppAs, stack: Stack) -> None:
    account = hire(stack, "manager")
    tab = app_as(account)
    with psycopg.connect(stack.db_url) as owner:
        owner.execute("update public.members set state = 'off' where id = %s", (account.member_id,))
    tab.run()
    assert tab.text_input(key="desk_login").value == ""


def test_two_people_on_one_server_see_their_own_names(app_as: AppAs, stack: Stack) -> None:
    first = app_as(hire(stack, "agent", name="客服甲"))
    second = app_as(hire(stack, "agent", name="客服乙"))
    for _ in range(2):
        first.run()
        second.run()
        assert "客服甲" in shown(first)
        assert "客服乙" not in shown(first)
        assert "客服乙" in shown(second)


# Pages and roles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_each_page_opens_for_its_roles_and_refuses_the_others(app_as: AppAs, role: str) -> None:
    wrong: dict[str, list[str]] = {}
    for spec in navigation.PAGES:
        tab = app_as(role, spec.name)
        broken = [str(one.value) for one in (*tab.exception, *tab.error)]
        warned = [one.value for one in tab.warning]
        if broken or (warned == [zh("common.no_access")]) == (role in spec.roles):
            wrong[spec.name] = [*broken, *warned]
        elif role not in spec.roles and (tab.dataframe or tab.file_uploader):
            wrong[spec.name] = ["something is drawn below the refusal"]
    assert wrong == {}


@pytest.mark.parametrize("page", ["assignment", "channels", "deliveries", "jobs"])
def test_some_pages_are_for_those_who_lead(page: str) -> None:
    (spec,) = [one for one in navigation.PAGES if one.name == page]
    assert set(spec.roles) == {"manager", "admin"}


def test_nobody_signed_in_means_no_page(browser_tab: Callable[[], AppTest]) -> None:
    for spec in navigation.PAGES:
        tab = browser_tab().switch_page(f"{spec.name}.py").run()
        assert not tab.exception
        assert tab.text_input(key="desk_login").value == ""
        assert not tab.dataframe
        assert not tab.header


def test_each_script_in_the_folder_is_a_registered_page() -> None:
    scripts = {path.stem for path in navigation.PAGES_DIR.glob("*.py")} - {"main", "missing"}
    assert scripts == {spec.name for spec in navigation.specs()}


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://desk/orders?id=3", None),
        ("http://desk/", None),
        (None, None),
        ("http://desk/nowhere?x=1", "nowhere"),
        ("http://desk/old/%E8%AE%A2%E5%8D%95", "订单"),
        ("http://desk/<script>", None),
    ],
)
def test_an_address_that_no_page_has_is_known_as_such(url: str | None, asked: str | None) -> None:
    assert navigation.unknown_address(url) == asked


def test_an_unknown_address_is_told_in_the_frame(app_as: AppAs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "unknown_address", lambda _: "nowhere")
    tab = app_as("agent", "missing")
    assert not tab.exception
    assert zh("missing.title") in shown(tab)
    assert tab.button(key="desk_language")


def test_the_address_of_the_start_page_leads_to_it(app_as: AppAs) -> None:
    tab = app_as("agent", "home", query={"shop": "1"})
    assert not tab.exception
    assert tab.header[0].value == app_as("agent").header[0].value
    assert tab.query_params["shop"] in ("1", ["1"])


def test_the_uploaders_speak_the_language_of_the_person(app_as: AppAs) -> None:
    years = app_as("manager", "calendars", query={"view": "years"})
    years.segmented_control(key="calendars_import_way").set_value("file").run()
    tabs = (app_as("operations", "imports"), app_as("manager", "rota", query={"view": "import"}), years)
    for tab in tabs:
        assert tab.file_uploader
        assert zh("common.upload") in "".join(str(part.proto.body) for part in tab.get("html"))


def test_no_page_can_be_opened_around_the_frame() -> None:
    """Streamlit serves a folder `pages` beside the main script without the frame: there must be none."""
    assert not (navigation.PAGES_DIR / "pages").exists()
    with pytest.raises(ValueError, match="page"):
        AppTest.from_file(str(navigation.PAGES_DIR / "main.py")).switch_page("pages/members.py")


# Language, failures, hostile text --------------------------------------------------------------------------


def test_the_language_is_kept_in_the_profile(app_as: AppAs, stack: Stack) -> None:
    account = hire(stack, "manager")
    tab = app_as(account, "members")
    assert tab.header[0].value == zh("members.title")
    tab.button(key="desk_language").click().run()
    assert tab.header[0].value == en("members.title")
    again = app_as(account, "members")
    assert again.header[0].value == en("members.title")


def test_before_signing_in_the_language_can_be_chosen(browser_tab: Callable[[], AppTest]) -> None:
    tab = browser_tab().run()
    tab.button(key="desk_gate_language").click().run()
    assert tab.text_input(key="desk_login").label == en("auth.login")


def test_a_refusal_is_a_sentence_and_a_defect_is_an_id_in_the_log(
    app_as: AppAs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tab = app_as("admin", "shops")

    def refuse(*_: object) -> None:
        raise AppError("service.slow", status=504)

    def fail(*_: object) -> None:
        raise ValueError("a secret detail")

    monkeypatch.setattr("backend.shops.list_shops", refuse)
    tab.run()
    assert [error.value for error in tab.error] == [zh_message("service.slow")]

    def break_down(*_: object) -> None:
        raise AppError("error.unexpected", status=500, params={"code": "XX000"})

    monkeypatch.setattr("backend.shops.list_shops", break_down)
    tab.run()
    assert f"unexpected error {tab.error[0].value.split('编号 ')[1][:8]}" in caplog.text
    monkeypatch.setattr("backend.shops.list_shops", fail)
    tab.run()
    mark = tab.error[0].value.split("编号 ")[1][:8]
    assert "a secret detail" not in shown(tab)
    assert f"unexpected error {mark}" in caplog.text
    assert "a secret detail" in caplog.text


def test_a_session_that_ends_while_working_leads_to_the_sign_in_page(
    app_as: AppAs, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = app_as(hire(stack, "admin"), "shops")

    def refuse(*_: object) -> None:
        raise AppError("session.ended", status=401)

    monkeypatch.setattr("backend.shops.list_shops", refuse)
    tab.run()
    assert zh_message("session.ended") in shown(tab)
    assert tab.text_input(key="desk_login").value == ""


def test_an_outage_signs_nobody_out(app_as: AppAs, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    tab = app_as(hire(stack, "manager", name="经理丙"))

    def away(*_: object, **__: object) -> None:
        raise AppError("service.unreachable", status=503)

    with monkeypatch.context() as broken:
        broken.setattr(auth, "read_session", away)
        tab.run()
        assert [error.value for error in tab.error] == [zh_message("service.unreachable")]
    tab.run()
    assert "经理丙" in shown(tab)


def test_hostile_names_stay_text(app_as: AppAs, stack: Stack) -> None:
    name = "**x** ![i](http://x.io/p) :red[y]<b>"
    tab = app_as(hire(stack, "manager", name=name), "members")
    assert name not in shown(tab)
    assert frame.fmt.md(name) in shown(tab)


# Connection ------------------------------------------------------------------------------------------------


def test_without_a_database_the_set_up_page_says_what_is_missing(
    browser_tab: Callable[[], AppTest], desk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "connection", lambda: replace(desk, supabase_url=""))
    tab = browser_tab().run()
    assert not tab.exception
    assert tab.subheader[0].value == zh("setup.connect_title")
    assert "DESK_PII_KEY" in tab.code[0].value
    assert not tab.text_input

    def contradict() -> Settings:
        raise ConfigError("SUPABASE_URL is set, but not: DESK_PII_KEY", missing=("DESK_PII_KEY",))

    monkeypatch.setattr(session, "connection", contradict)
    tab = browser_tab().run()
    assert "DESK_PII_KEY" in tab.error[0].value


@pytest.mark.parametrize(
    ("address", "demo", "allowed"),
    [
        ("127.0.0.1", None, True),
        ("localhost", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        (None, None, False),
        ("192.168.1.5", None, False),
        ("desk.example", None, False),
        ("0.0.0.0", True, True),
        ("127.0.0.1", False, True),
    ],
)
def test_the_embedded_stack_serves_this_machine_only(
    desk: Settings, address: str | None, demo: bool | None, allowed: bool
) -> None:
    assert session.embedded_allowed(replace(desk, demo=demo), address) is allowed


# Search ----------------------------------------------------------------------------------------------------


def test_the_search_box_finds_a_colleague_from_any_page_and_closes(app_as: AppAs, stack: Stack) -> None:
    colleague = hire(stack, "warehouse", name="仓储寻", shops=["tm"])
    tab = app_as("agent", "home")
    tab.text_input(key="desk_search_text").set_value("仓储寻").run()
    assert not tab.exception
    assert zh("search.found", count=1) in shown(tab)
    assert colleague.staff_no in shown(tab).replace("\\", "")
    tab.button(key="desk_found_close").click().run()
    assert tab.text_input(key="desk_search_text").value == ""
    assert zh("search.found", count=1) not in shown(tab)


def test_a_search_without_a_match_says_what_to_try(app_as: AppAs) -> None:
    tab = app_as("agent", "home")
    tab.text_input(key="desk_search_text").set_value("no-such-9999999999").run()
    assert zh("search.nothing") in shown(tab)


def test_an_order_found_opens_beside_the_queue(app_as: AppAs, monkeypatch: pytest.MonkeyPatch) -> None:
    hit = search.Hit(
        id=7,
        order_no="A-1",
        shop_id=1,
        shop_name="x",
        platform="own",
        status="to_ship",
        platform_status="",
        how="order_no",
    )
    monkeypatch.setattr(search, "search", lambda *_: search.Found(orders=(hit,)))
    tab = app_as("agent", "home")
    tab.text_input(key="desk_search_text").set_value("A-1").run()
    tab.button(key="desk_hit_open_7").click().run()
    assert tab.query_params["id"] == "7"
    assert tab.header[0].value == zh("orders.title")
