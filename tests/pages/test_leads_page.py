"""线索: captured, on the board, followed up, promised, won; a colleague's lead; possible duplicates."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.errors import message
from backend.leads import pasting
from backend.local.stack import Stack
from pages.shared.format import md
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import sign_up


@pytest.fixture(scope="module")
def shop(stack: Stack) -> ShopFloor:
    """A shop with the Taobao sample."""
    floor = ShopFloor(stack, "leads")
    floor.load("taobao_ExportOrderList.csv")
    return floor


def click(tab: AppTest, key: str) -> AppTest:
    tab.button(key=key).click().run()
    assert [error.value for error in tab.error] == []
    return tab


def keys(tab: AppTest) -> set[str]:
    return {str(button.key) for button in tab.button}


def fact(shop: ShopFloor, lead: int, column: str) -> Any:
    return shop.one(f"select {column} from public.leads where id = %s", lead)


def newest(shop: ShopFloor) -> int:
    return int(shop.one("select max(id) from public.leads where shop_id = %s", shop.shop_id))


def captured(app_as: AppAs, shop: ShopFloor, who: Any, phone: str, **more: str) -> int:
    """A lead typed into the form and kept; its id."""
    tab = click(app_as(who, "leads"), "leads_capture")
    for field, text in ({"name": "李小明", "phone": phone} | more).items():
        tab.text_input(key=f"leads_new_{field}").input(text)
    tab.multiselect(key="leads_new_needs").set_value(["办公设备"])
    tab.selectbox(key="leads_new_intent").set_value("high")
    click(tab, "leads_new_send")
    assert zh("leads.captured", count=1) in shown(tab)
    return newest(shop)


def test_what_was_typed_and_is_no_lead_stays_to_be_completed(app_as: AppAs, shop: ShopFloor) -> None:
    form = click(app_as(shop.person("agent"), "leads"), "leads_capture")
    form.text_input(key="leads_new_name").input("李小明")
    form.button(key="leads_new_send").click().run()
    assert form.text_input(key="leads_new_name").value == "李小明"
    assert [error.value for error in form.error] == [md(message("lead.contact_missing"))]
    form.text_input(key="leads_new_phone").input("12345")
    form.multiselect(key="leads_new_needs").set_value(["办公设备"])
    form.button(key="leads_new_send").click().run()
    assert [error.value for error in form.error] == [md(message("lead.bad_phone"))]
    pasted = "昵称\t手机号\t需求\n\n李女士 13812340021 母婴用品\n13812340022\n赵四 微信:赵小四 数码"
    form.text_area(key="leads_new_paste").set_value(pasted).run()
    form.multiselect(key="leads_new_paste_needs").set_value(["数码"]).run()
    form.button(key="leads_paste_send").click().run()
    assert form.text_area(key="leads_new_paste").value == "13812340022\n赵四 微信:赵小四 数码"
    assert zh("leads.captured", count=1) in shown(form)
    whys = (message("lead.name_missing"), message("lead.bad_wechat"))
    assert [error.value for error in form.error] == [
        zh("leads.row_refused", row=n, why=why) for n, why in enumerate(whys, start=1)
    ]
    form.text_area(key="leads_new_paste").set_value("王姐 13812340022").run()
    click(form, "leads_paste_send")
    assert (fact(shop, newest(shop), "needs"), "leads_captured_next" in keys(form)) == (["数码"], True)


def test_a_lead_from_the_form_to_the_sale(app_as: AppAs, shop: ShopFloor) -> None:
    agent = shop.person("agent")
    lead = captured(app_as, shop, agent, "13812340001")
    assert (fact(shop, lead, "owner_id"), fact(shop, lead, "grade")) == (agent.member_id, "B")
    board = app_as(agent, "leads")
    assert f"leads_open_wide_{lead}" in keys(board)
    page = app_as(agent, "leads", query={"id": str(lead)})
    assert md("138****0001") in shown(page)
    assert "13812340001" not in shown(page)
    click(page, "lead_reveal")
    assert "13812340001" in shown(page)
    click(page, "lead_step_follow_up")
    assert "13812340001" in shown(page)  # still to be read while the follow-up is written
    page.text_area(key=f"lead_follow_{lead}_note").input("要 20 台，电话 13812340001").run()
    assert page.button(key="lead_follow_send").disabled
    page.pills(key=f"lead_follow_{lead}_outcome").set_value("reached").run()
    click(page, "lead_follow_send")
    note = shop.one("select note from public.follow_ups where lead_id = %s", lead)
    assert note == "要 20 台，电话 138****0001"
    assert fact(shop, lead, "state") == "following"
    assert "13812340001" not in shown(page)
    click(page, "lead_step_promise")
    page.text_input(key=f"lead_promise_{lead}_what").input("包邮").run()
    click(page, "lead_promise_send")
    assert "包邮" in shown(page)
    promise = shop.one("select id from public.promises where entity_id = %s", lead)
    assert "包邮" in list(app_as(agent, "promises").dataframe[0].value["what"])
    click(page, f"promise_kept_{promise}")
    assert shop.one("select state from public.promises where id = %s", promise) == "kept"
    kept = app_as(agent, "promises", query={"tab": "kept", "person": str(agent.member_id)})
    assert list(kept.dataframe[0].value["what"]) == ["包邮"]
    order = shop.one(
        "select order_no from public.orders where shop_id = %s and status = 'to_ship' limit 1", shop.shop_id
    )
    click(page, "lead_step_convert")
    page.text_input(key=f"lead_convert_{lead}").input(order).run()
    click(page, "lead_convert_send")
    assert fact(shop, lead, "state") == "converted"
    assert "lead_step_follow_up" not in keys(page)


def test_a_colleague_sees_how_a_lead_stands_and_a_manager_opens_it_on_the_record(
    app_as: AppAs, shop: ShopFloor, stack: Stack
) -> None:
    lead = captured(app_as, shop, shop.person("agent"), "13812340002")
    other = sign_up(stack, "agent", shops=shop.shops, skills=("presales",))
    page = app_as(other, "leads", query={"id": str(lead)})
    assert md("138****0002") not in shown(page)
    assert {"lead_reveal", "lead_step_follow_up"} & keys(page) == set()
    assert f"leads_open_wide_{lead}" not in keys(app_as(other, "leads"))
    manager = shop.person("manager")
    page = app_as(manager, "leads", query={"id": str(lead)})
    assert page.button(key="lead_reveal").disabled
    page.selectbox(key="lead_reveal_reason").set_value("complaint").run()
    click(page, "lead_reveal")
    assert "13812340002" in shown(page)
    told = """select count(*) from public.audit_events
        where entity = 'lead' and entity_id = %s and action = 'contact_revealed'"""
    assert shop.one(told, lead) == 1
    page = app_as("warehouse", "leads")
    assert zh("common.no_access") in shown(page)


def test_possible_duplicates_are_merged_with_the_fields_that_were_chosen(
    app_as: AppAs, shop: ShopFloor
) -> None:
    agent = shop.person("agent")
    older = captured(app_as, shop, agent, "13812340003")
    newer = captured(app_as, shop, agent, "13812340003", name="张大明", wechat="xiaoming88")
    merge = shop.one("select id from public.lead_merges where lead_id = %s", newer)
    board = click(app_as(agent, "leads"), "leads_twins_button")
    name = board.radio(key=f"leads_twin_take_{merge}_name")
    assert (name.value, name.options) == ("older", [md("较早：李**"), md("较新：张**")])
    assert board.radio(key=f"leads_twin_take_{merge}_wechat").value == "newer"
    click(board, f"leads_twin_merge_{merge}")
    assert zh("leads.twin_merged", number=f"L-{older}") in [toast.value for toast in board.toast]
    assert fact(shop, older, "name_masked") == "李**"
    assert (fact(shop, newer, "state"), fact(shop, older, "wechat_masked")) == ("merged", "x***8")
    page = click(app_as(agent, "leads", query={"id": str(older)}), "lead_reveal")
    assert "xiaoming88" in shown(page)


def test_the_list_filters_moves_and_says_why_not(app_as: AppAs, shop: ShopFloor) -> None:
    agent = shop.person("agent")
    lead = captured(app_as, shop, agent, "13812340004")
    page = app_as(agent, "leads", query={"view": "list", "grade": "B"})
    assert f"L-{lead}" in list(page.dataframe[0].value["number"])
    order = shop.one("select order_no from public.orders where shop_id = %s limit 1", shop.shop_id)
    form = click(app_as(agent, "leads"), "leads_capture")
    form.text_input(key="leads_new_order").input(order).run()
    form.multiselect(key="leads_new_order_needs").set_value(["数码"]).run()
    click(form, "leads_order_send")
    made = newest(shop)
    assert (fact(shop, made, "via"), fact(shop, made, "needs")) == ("order", ["数码"])
    same = "select buyer_account from public.orders where order_no = %s"
    assert fact(shop, made, "buyer_account") == shop.one(same, order)
    page = app_as(agent, "leads", query={"view": "list", "source": "enterprise"})
    assert zh("leads.none_match") in shown(page)
    page = app_as(agent, "leads", query={"id": str(lead)})
    click(page, "lead_step_give_back")
    click(page, "lead_give_back_leave")
    assert fact(shop, lead, "owner_id") is None
    page = app_as(agent, "leads", query={"scope": "pool"})
    page.button(key=f"leads_claim_wide_{lead}").click().run()
    assert any("L-" in error.value for error in page.error)  # it was given back just now


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("李女士\t13812345678\t母婴用品、童装", ("李女士", "13812345678", "", "", ("母婴用品", "童装"))),
        ("王先生，wang@example.com，办公设备", ("王先生", "", "wang@example.com", "", ("办公设备",))),
        ("tb_8899  数码", ("tb_8899", "", "", "tb_8899", ("数码",))),
        (
            "王姐，微信：wj_8899，我要两台 电话１３９１２３４５６７８",
            ("王姐", "13912345678", "", "", ("我要两台",)),
        ),
        ("旺旺：tb_1234\t数码", ("", "", "", "tb_1234", ("数码",))),
        ("138 1234 5678，李", ("李", "13812345678", "", "", ())),
        ("微信：zhangsan_88 张姐 想要电饭煲", ("张姐", "", "", "", ("电饭煲",))),
        (
            "[抖音] 大熊 手机号：+86-139-2222-4444 需求: 送礼 预算3000",
            ("大熊", "13922224444", "", "", ("送礼",)),
        ),
        ("王总|wang@corp.com|团购", ("王总", "", "wang@corp.com", "", ("团购",))),
        ("13812345678 李女士 母婴用品", ("李女士", "13812345678", "", "", ("母婴用品",))),
        ("赵 86１３７６６６６５５５５ 厨房小电", ("赵", "13766665555", "", "", ("厨房小电",))),
        ("周先生 13511112222/13511113333 净水器", ("周先生", "13511112222", "", "", ("净水器",))),
        ("Ms Li  13812345678  baby goods", ("Ms Li", "13812345678", "", "", ("baby goods",))),
    ],
)
def test_a_pasted_line_is_read(line: str, found: tuple[object, ...]) -> None:
    draft = pasting.parsed(line, "live")
    assert draft is not None
    assert (draft.name, draft.phone, draft.email, draft.buyer_account, draft.needs) == found
    assert [pasting.parsed(empty, "live") for empty in ("  ", "昵称\t手机号\t需求")] == [None, None]


def test_the_funnel_counts_and_the_rules_show_their_effect_before_they_are_saved(
    app_as: AppAs, shop: ShopFloor
) -> None:
    lead = captured(app_as, shop, shop.person("agent"), "13812340005")
    manager = shop.person("manager")
    page = app_as(manager, "lead_insight")
    count = shop.one(
        "select count(*) from public.leads where shop_id = %s and state <> 'merged'", shop.shop_id
    )
    assert {metric.label: metric.value for metric in page.metric}[zh("leads.insight.captured")] == str(count)
    targets = dict(page.dataframe[0].value[["grade", "target"]].itertuples(index=False))
    assert targets
    assert targets.items() <= {"A": "24 小时", "B": "3 天", "C": "7 天"}.items()
    page = app_as(manager, "lead_rules")
    page.segmented_control(key="lead_rules_shop").set_value(shop.shop_id).run()
    assert page.button(key="lead_rules_save").disabled
    page.multiselect(key=f"lead_rule_{shop.shop_id}_0_0_intent").set_value(["high", "medium"])
    page.multiselect(key=f"lead_rule_{shop.shop_id}_0_0_budget").set_value([]).run()
    click(page, "lead_rules_preview")
    assert "B → A" in shown(page)
    click(page, "lead_rules_save")
    click(page, "lead_rules_apply")
    assert fact(shop, lead, "grade") == "A"
    office = shop.person("operations")
    page = app_as(office, "lead_rules")
    assert zh("rules.read_only") in shown(page)
    assert "lead_rules_save" not in keys(page)
    page = app_as(office, "leads")  # they capture and see no board: the page says where leads go
    assert zh("leads.elsewhere") in shown(page)
    assert "leads_capture" in keys(page)


def test_a_landing_page_gets_a_token_that_is_shown_once_and_search_finds_leads(
    app_as: AppAs, shop: ShopFloor
) -> None:
    manager = shop.person("manager")
    page = app_as(manager, "lead_rules")
    page.text_input(key="leads_form_name").input("双十一页")
    page.multiselect(key="leads_form_needs").set_value(["样品"])
    click(page, "leads_form_add")
    token = page.code[0].value
    stored = shop.one("select token_hash from public.lead_forms where shop_id = %s", shop.shop_id)
    assert stored == shop.one("select private.sha256(%s)", token)
    assert not app_as(manager, "lead_rules").code
    form = shop.one("select id from public.lead_forms where shop_id = %s", shop.shop_id)
    click(page, f"leads_form_switch_{form}")
    assert shop.one("select is_active from public.lead_forms where id = %s", form) is False
    lead = captured(app_as, shop, shop.person("agent"), "13812340006")
    tab = app_as(shop.person("agent"), "rota")
    tab.text_input(key="desk_search_text").input(f"L-{lead}").run()
    assert f"desk_lead_open_{lead}" in keys(tab)


def test_a_manager_sees_the_list_before_anything_is_ticked(app_as: AppAs, shop: ShopFloor) -> None:
    agent = shop.person("agent")
    lead = captured(app_as, shop, agent, "13812340011")
    wanted = {"view": "list", "owner": str(agent.member_id), "column": "first_touch"}
    page = app_as(shop.person("manager"), "leads", query=wanted)
    assert not page.error
    assert f"L-{lead}" in list(page.dataframe[0].value["number"])
    assert len(set(page.dataframe[0].value["owner"])) == 1
    page.selectbox(key="leads_column").set_value("lost").run()
    assert (page.query_params["column"], zh("leads.none_match") in shown(page)) == ("lost", True)
