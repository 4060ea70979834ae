"""成员 and 店铺 as an admin and a manager use them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from backend import auth, db, members
from backend.config import Settings
from backend.errors import AppError
from backend.local.stack import Stack
from pages.shared.people import drawer, slips
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.people import PASSWORD, Account, add_shop, sign_up

Row = tuple[object, ...]


@pytest.fixture
def row(stack: Stack) -> Callable[[str, object], Row]:
    """One row of the database, read as the schema's owner."""

    def read(query: str, *params: object) -> Row:
        with psycopg.connect(stack.db_url) as owner:
            found = owner.execute(query, params).fetchone()
        assert found is not None
        return tuple(found)

    return read


def drawer_of(app_as: AppAs, admin: Account | str, member: Account) -> AppTest:
    tab = app_as(admin, "members", query={"member": str(member.member_id)})
    assert not tab.exception
    return tab


def test_the_list_filters_by_words_role_and_state(app_as: AppAs, stack: Stack) -> None:
    account = sign_up(stack, "analyst", name="数据Z")
    tab = app_as("admin", "members")
    tab.text_input(key="members_q").set_value(account.staff_no.lower()).run()
    assert list(tab.dataframe[0].value["name"]) == ["数据Z"]
    tab.text_input(key="members_q").set_value("").run()
    tab.selectbox(key="members_role").set_value("analyst").run()
    assert set(tab.dataframe[0].value["role"]) == {zh("role.analyst")}
    tab.selectbox(key="members_state").set_value("off").run()
    assert not tab.dataframe
    assert zh("members.none") in shown(tab)


def test_an_admin_invites_one_person_who_can_then_sign_up(
    app_as: AppAs, stack: Stack, desk: Settings, row: Callable[..., Row]
) -> None:
    shop = add_shop(stack, "tm")
    tab = app_as("admin", "members")
    tab.get_by_key("members_view").set_value("one").run()
    tab.text_input(key="members_one_0_name").set_value("客服Q")
    tab.text_input(key="members_one_0_no").set_value("Q-1")
    tab.text_input(key="members_one_0_phone").set_value("138")
    tab.button(key="members_one_0_send").click().run()
    assert zh("people.phone") in shown(tab)
    tab.text_input(key="members_one_0_phone").set_value("13800002222")
    tab.multiselect(key="members_one_0_shops").set_value([shop])
    tab.button(key="members_one_0_send").click().run()
    assert not tab.exception
    made = tab.session_state["members_codes"]
    assert [one.name for one in made] == ["客服Q"]
    assert made[0].code in list(tab.dataframe[0].value["code"])
    session = auth.sign_up(desk, made[0].code, PASSWORD)
    assert auth.read_session(desk, session.sid).user_id == session.user_id
    name, phone = row(
        "select m.display_name, c.phone_cipher from public.members m"
        " join private.contacts c on c.id = m.contact_id where m.staff_no = 'Q-1'"
    )
    assert (name, str(phone)[:3]) == ("客服Q", "v1.")
    tab.button(key="members_put_away").click().run()
    assert "members_codes" not in tab.session_state


def test_a_pasted_team_is_previewed_and_invited_as_a_whole(
    app_as: AppAs, stack: Stack, row: Callable[..., Row]
) -> None:
    taken = sign_up(stack, "agent").staff_no
    tab = app_as("admin", "members")
    tab.get_by_key("members_view").set_value("team").run()
    text = f"工号\t姓名\t角色\t店铺\nP-1\t客服P\t客服\ttm\n{taken}\t运营P\t运营\t全部\n"
    tab.text_area(key="members_paste_0").set_value(text).run()
    assert zh("members.fix_first", count=1) in shown(tab)
    preview = tab.dataframe[0].value
    assert list(preview["fix"]) == ["", zh("people.staff_no_taken")]
    assert not [button for button in tab.button if button.key == "members_send_all"]
    assert row("select count(*) from public.members where staff_no = 'P-1'") == (0,)
    tab.text_area(key="members_paste_0").set_value(text.replace(taken, "P-2")).run()
    tab.button(key="members_send_all").click().run()
    assert not tab.exception
    assert row(
        "select count(*) from public.members where staff_no in ('P-1', 'P-2') and state = 'invited'"
    ) == (2,)


def test_a_batch_that_timed_out_is_repeated_not_doubled(
    app_as: AppAs,
    team: Callable[[str], Account],
    desk: Settings,
    monkeypatch: pytest.MonkeyPatch,
    row: Callable[..., Row],
) -> None:
    tab = app_as("admin", "members")
    tab.get_by_key("members_view").set_value("team").run()
    tab.text_area(key="members_paste_0").set_value("客服R\tR-1\t客服").run()
    real = members.invite

    def lost(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)
        raise AppError("service.slow", status=504)

    with monkeypatch.context() as broken:
        broken.setattr(members, "invite", lost)
        tab.button(key="members_send_all").click().run()
    assert AppError("service.slow").message() in shown(tab)
    kept = tab.session_state["members_batch"]
    assert [batch.invited[0].staff_no for batch in kept.values()] == ["R-1"]
    mark, batch = next(iter(kept.items()))
    real(db.user_client(desk, team("admin").session.access_token), batch, request_id=mark)
    assert row("select count(*) from public.members where staff_no = 'R-1'") == (1,)


def test_of_two_admins_the_second_sees_the_change_of_the_first(
    app_as: AppAs, stack: Stack, row: Callable[..., Row]
) -> None:
    account = sign_up(stack, "agent", name="客服S")
    (version,) = row("select version from public.members where id = %s", account.member_id)
    key = f"members_change_{account.member_id}_{version}"
    first, second = drawer_of(app_as, "admin", account), drawer_of(app_as, "admin", account)
    first.text_input(key=f"{key}_name").set_value("客服S2")
    first.selectbox(key=f"{key}_role").set_value("manager")
    first.number_input(key=f"{key}_limit").set_value(2000.0)
    first.button(key=f"{key}_save").click().run()
    assert not first.exception
    facts = "select display_name, role, approval_limit from public.members where id = %s"
    assert row(facts, account.member_id) == ("客服S2", "manager", 2000)
    second.text_input(key=f"{key}_name").set_value("客服S3")
    second.button(key=f"{key}_save").click().run()
    assert row(facts, account.member_id) == ("客服S2", "manager", 2000)
    assert [toast.value for toast in second.toast] == [AppError("member.stale").message()]
    fresh = second.text_input(key=f"members_change_{account.member_id}_{int(str(version)) + 1}_name")
    assert fresh.value == "客服S2"


def test_resetting_a_password_needs_a_tick_and_ends_the_old_one(
    app_as: AppAs, stack: Stack, desk: Settings
) -> None:
    account = sign_up(stack, "agent", name="客服T")
    tab = drawer_of(app_as, "admin", account)
    assert tab.button(key=f"members_reset_{account.member_id}").disabled
    tab.checkbox(key=f"members_sure_{account.member_id}").check().run()
    tab.button(key=f"members_reset_{account.member_id}").click().run()
    code = tab.session_state["members_codes"][0].code
    for attempt in (
        lambda: auth.read_session(desk, account.session.sid),
        lambda: auth.sign_in(desk, account.staff_no, PASSWORD, source="t"),
    ):
        with pytest.raises(AppError):
            attempt()
    auth.sign_up(desk, code, "another phrase of mine")
    assert auth.sign_in(desk, account.staff_no, "another phrase of mine", source="t")


def test_switching_off_and_on_again(
    app_as: AppAs, stack: Stack, desk: Settings, row: Callable[..., Row]
) -> None:
    account = sign_up(stack, "agent", name="客服U")
    tab = drawer_of(app_as, "admin", account)
    tab.checkbox(key=f"members_sure_{account.member_id}").check().run()
    tab.button(key=f"members_off_{account.member_id}").click().run()
    assert row("select state from public.members where id = %s", account.member_id) == ("off",)
    with pytest.raises(AppError, match=r"session\.ended"):
        auth.read_session(desk, account.session.sid)
    tab = drawer_of(app_as, "admin", account)
    tab.button(key=f"members_on_{account.member_id}").click().run()
    assert auth.sign_in(desk, account.staff_no, PASSWORD, source="u")


def test_nobody_switches_himself_off(app_as: AppAs, stack: Stack) -> None:
    admin = sign_up(stack, "admin")
    tab = drawer_of(app_as, admin, admin)
    keys = {button.key for button in tab.button}
    assert f"members_off_{admin.member_id}" not in keys
    assert f"members_reset_{admin.member_id}" in keys


def test_a_manager_names_the_duty_lead_and_changes_nothing_else(
    app_as: AppAs, stack: Stack, row: Callable[..., Row]
) -> None:
    account = sign_up(stack, "agent", name="客服V")
    tab = drawer_of(app_as, "manager", account)
    assert not [one for one in tab.text_input if one.key and one.key.startswith("members_change")]
    assert not [one for one in tab.button if one.key and one.key.startswith(("members_reset", "members_off"))]
    tab.button(key=f"members_make_lead_{account.member_id}").click().run()
    assert not tab.error, shown(tab)
    leads = "select coalesce(duty_lead_until > now(), false) from public.members where id = %s"
    assert row(leads, account.member_id) == (True,)
    tab = drawer_of(app_as, "manager", account)
    tab.button(key=f"members_end_lead_{account.member_id}").click().run()
    assert row(leads, account.member_id) == (False,)


def test_a_duty_ends_at_the_next_such_time_of_day() -> None:
    now = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)  # 14:30 in Shanghai
    for until, ends in ((time(16, 30), datetime(2026, 11, 22, 8, 30)), (time(8, 0), datetime(2026, 11, 23))):
        assert drawer.next_time(until, "Asia/Shanghai", now) == ends.replace(tzinfo=UTC)


def test_slips_escape_what_people_typed(app_as: AppAs) -> None:
    made = [members.Invited("<script>x</script>", "1", "agent", "AAAA-BBBB-CCCC")]
    page = slips.page(made, "http://desk.example")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert slips.link("http://desk.example", made[0]) == "http://desk.example/?invite=AAAA-BBBB-CCCC"


# Shops -----------------------------------------------------------------------------------------------------


def test_a_shop_is_added_and_changed(app_as: AppAs, row: Callable[..., Row]) -> None:
    tab = app_as("admin", "shops")
    tab.selectbox(key="shops_add_0_platform").set_value("pinduoduo").run()
    assert tab.text_input(key="shops_add_0_code_pinduoduo").value == "pdd"
    tab.button(key="shops_add_0_send").click().run()
    assert zh("shops.name_missing") in shown(tab)
    tab.text_input(key="shops_add_0_name").set_value("拼多多店")
    tab.button(key="shops_add_0_send").click().run()
    assert not tab.error, shown(tab)
    number, version = row("select id, version from public.shops where code = 'pdd'")
    key = f"shops_change_{number}_{version}"
    tab.number_input(key=f"{key}_limit").set_value(500.0)
    tab.toggle(key=f"{key}_active").set_value(False)
    tab.button(key=f"{key}_save").click().run()
    assert not tab.error, shown(tab)
    assert row("select review_limit, is_active from public.shops where code = 'pdd'") == (500, False)


def test_a_code_that_is_taken_is_refused_and_the_form_keeps_its_words(app_as: AppAs, stack: Stack) -> None:
    add_shop(stack, "tm")
    tab = app_as("admin", "shops")
    tab.text_input(key="shops_add_0_name").set_value("第二家")
    tab.text_input(key="shops_add_0_code_taobao").set_value("tm")
    tab.button(key="shops_add_0_send").click().run()
    assert [error.value for error in tab.error] == [
        AppError("shop.code_taken", params={"code": "tm"}).message()
    ]
    assert tab.text_input(key="shops_add_0_name").value == "第二家"
