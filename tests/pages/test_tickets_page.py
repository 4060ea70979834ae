"""工单: registering from a pasted line, the list, one ticket from the first word to its closure, returns."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

import pytest
from streamlit.elements.lib import policies
from streamlit.runtime.state import get_session_state
from streamlit.testing.v1 import AppTest

from backend import db
from backend.local.stack import Stack
from pages.shared.tickets import reply
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import Account, settings_of


@pytest.fixture(scope="module")
def shop(stack: Stack) -> ShopFloor:
    """A shop with the Taobao sample."""
    floor = ShopFloor(stack, "cases")
    floor.load("taobao_ExportOrderList.csv")
    return floor


@pytest.fixture(scope="module")
def order_no(shop: ShopFloor) -> str:
    query = (
        "select order_no from public.orders where shop_id = %s and buyer_account <> '' order by id limit 1"
    )
    return str(shop.one(query, shop.shop_id))


def ask(shop: ShopFloor, who: Account, name: str, **params: Any) -> Any:
    """An RPC as a person calls it."""
    client = db.user_client(settings_of(shop.stack), who.session.access_token)
    return db.rpc(client, name, **params, p_request_id=str(uuid.uuid4()))


def register(shop: ShopFloor, who: Account, **facts: Any) -> int:
    p = {"shop_id": shop.shop_id, "type": "reship", "summary": "外壳有划痕", "force": True} | facts
    return int(ask(shop, who, "register_ticket", p=p)["id"])


def fact(shop: ShopFloor, ticket: int, column: str) -> Any:
    return shop.one(f"select {column} from public.tickets where id = %s", ticket)


def click(tab: AppTest, key: str) -> AppTest:
    """Clicks a button; a step of these tests is refused only where the test says so."""
    tab.button(key=key).click().run()
    assert [error.value for error in tab.error] == []
    return tab


def keys(tab: AppTest) -> set[str]:
    return {str(button.key) for button in tab.button}


def typed(tab: AppTest, field: str, text: str) -> AppTest:
    """Text in a field that is checked while somebody types (a component of ours, so by its memory)."""
    tab.session_state[field] = text
    return tab.run()


def test_a_pasted_line_becomes_a_ticket_in_three_clicks(
    app_as: AppAs, shop: ShopFloor, order_no: str
) -> None:
    tab = app_as(shop.person("agent"), "rota")
    click(tab, "desk_register_button")
    typed(tab, "desk_register_text", f"买家：杯子有划痕，订单 {order_no}，能补发吗")
    assert order_no in shown(tab)
    assert tab.pills(key="desk_register_type").value == "reship"
    assert zh("tickets.proposed", words="「补发」") in shown(tab)
    click(tab, "desk_register_send")
    assert not tab.error
    ticket = int(shop.one("select max(id) from public.tickets where shop_id = %s", shop.shop_id))
    assert f"【补发】T-{ticket}" in shown(tab)
    assert fact(shop, ticket, "order_id") is not None
    assert fact(shop, ticket, "state") == "registered"


def test_what_may_be_registered_already_is_shown_before_it_is_registered_twice(
    app_as: AppAs, shop: ShopFloor
) -> None:
    agent = shop.person("agent")
    number = str(shop.one("select max(order_no) from public.orders where shop_id = %s", shop.shop_id))
    order = int(
        shop.one("select id from public.orders where order_no = %s and shop_id = %s", number, shop.shop_id)
    )
    first = register(shop, agent, order_id=order)
    tab = click(app_as(agent, "rota"), "desk_register_button")
    typed(tab, "desk_register_text", f"{number} 少发一个杯盖")
    click(tab, "desk_register_take")
    assert zh("tickets.twins", count=1) in shown(tab)
    count = "select count(*) from public.tickets where order_id = %s"
    assert shop.one(count, order) == 1
    click(tab, "desk_register_force")
    assert shop.one(count, order) == 2
    newest = int(shop.one("select max(id) from public.tickets where order_id = %s", order))
    assert newest != first
    assert fact(shop, newest, "owner_id") == agent.member_id


def both_defaults_and_state(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Fills up with widgets drawn with a default beside a value of ours: Streamlit warns of them."""
    found: list[str | None] = []

    def watch(default_value: Any, key: str | None, writes_allowed: bool = True) -> None:
        if default_value is not None and key and get_session_state().is_new_state_value(key):
            found.append(key)

    monkeypatch.setattr(policies, "check_session_state_rules", watch)
    return found


def test_the_list_has_its_tabs_filters_and_rights(
    app_as: AppAs, shop: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubled = both_defaults_and_state(monkeypatch)
    agent = shop.person("agent")
    mine = register(shop, agent, type="logistics", summary="快递三天不动", take=True)
    pool = register(shop, agent, type="invoice", summary="要开发票", severity="normal")
    tab = app_as(agent, "tickets")
    numbers = list(tab.dataframe[0].value["number"])
    assert f"T-{mine}" in numbers
    assert f"T-{pool}" not in numbers
    tab = app_as(agent, "tickets", query={"tab": "pool", "type": "invoice"})
    assert list(tab.dataframe[0].value["number"]) == [f"T-{pool}"]
    assert "tickets_export" not in {str(one.key) for one in tab.get("popover")}
    assert "tickets_bulk_reassign_none" in keys(tab)
    tab = app_as(agent, "tickets", query={"tab": "all", "q": f"T-{mine}"})
    assert list(tab.dataframe[0].value["number"]) == [f"T-{mine}"]
    tab = app_as(agent, "tickets", query={"tab": "mine", "q": f"T-{pool}"})
    tab.button(key="tickets_everywhere").click().run()
    assert list(tab.dataframe[0].value["number"]) == [f"T-{pool}"]
    tab = app_as(shop.person("analyst"), "tickets", query={"tab": "pool"})
    assert "tickets_bulk_reassign_none" not in keys(tab)
    tab = app_as(agent, "tickets", query={"tab": "review"})
    assert zh("tickets.none.review") in shown(tab)
    tab = app_as(agent, "tickets", query={"tab": "all", "since": "2026-11-01", "until": "2026-11-02"})
    assert tab.date_input(key="tickets_days").value == (date(2026, 11, 1), date(2026, 11, 2))
    assert click(tab, "tickets_clear").date_input(key="tickets_days").value == ()
    assert doubled == []


def test_a_case_from_the_first_word_to_its_closure(app_as: AppAs, shop: ShopFloor, order_no: str) -> None:
    agent, manager = shop.person("agent"), shop.person("manager")
    order = int(
        shop.one("select id from public.orders where order_no = %s and shop_id = %s", order_no, shop.shop_id)
    )
    ticket = register(shop, agent, order_id=order, summary="杯身有划痕，请补发")
    page = {"id": str(ticket)}
    tab = app_as(agent, "ticket", query=page)
    click(tab, "ticket_step_classify")
    insured = next(box for box in tab.selectbox if str(box.key).endswith("_insured"))
    insured.set_value("shop").run()
    click(tab, "ticket_classify_send")
    assert fact(shop, ticket, "state") == "classified"
    assert "运费险：店铺赠送" in shown(tab)
    assert fact(shop, ticket, "department") == "supplier"
    click(tab, "ticket_step_take")
    assert fact(shop, ticket, "owner_id") == agent.member_id
    tab.session_state["ticket_solutions"] = True  # the box is open
    tab.run()
    known = int(shop.one("select id from public.solutions where title like '划痕%%' and %s > 0", ticket))
    assert "请顾客发正面、划痕特写" in shown(tab)
    click(tab, f"ticket_solution_by_{known}")
    typed(tab, reply.field(ticket), "亲，{快递单号} 已寄出")
    assert tab.button(key="ticket_send").disabled  # a place that nobody filled in
    assert "还要手工填" in shown(tab)
    typed(tab, reply.field(ticket), "亲，这是全网最低价的最佳面霜")
    assert tab.button(key="ticket_send").disabled
    assert "ticket_reply_copy" not in keys(tab)  # what must not be sent is not copied from here either
    typed(tab, reply.field(ticket), "亲，已为您安排补发，请留意物流")
    click(tab, "ticket_send")
    assert shop.one("select body from public.ticket_messages where ticket_id = %s", ticket).startswith("亲")
    click(tab, "ticket_step_money")
    tab.pills(key=f"ticket_money_kind_{ticket}").set_value("compensation").run()
    tab.number_input(key=f"ticket_money_amount_compensation_{ticket}").set_value(600.0).run()
    assert zh("tickets.money_ask", amount="¥600.00") in [button.label for button in tab.button]
    tab.number_input(key=f"ticket_money_amount_compensation_{ticket}").set_value(15.0).run()
    assert zh("tickets.money_within", limit="¥500", used="¥0") in shown(tab)
    tab.text_input(key=f"ticket_money_reason_{ticket}").set_value("杯身划痕").run()
    click(tab, "ticket_money_send")
    assert shop.one("select state from public.ticket_money where ticket_id = %s", ticket) == "granted"
    click(tab, "ticket_step_resolve")
    assert "已补发" not in tab.pills(key=f"ticket_outcome_{ticket}").options
    assert "已补发、已退款：先在「补偿 / 补发…」里登记款项" in shown(tab)
    assert tab.button(key="ticket_resolve_send").disabled
    assert tab.radio(key=f"ticket_solution_used_{ticket}").value == known
    click(tab, "ticket_step_money")
    tab.pills(key=f"ticket_money_kind_{ticket}").set_value("reship").run()
    tab.text_input(key=f"ticket_money_reason_{ticket}").set_value("杯身划痕").run()
    click(tab, "ticket_money_send")
    click(tab, "ticket_step_resolve")
    tab.text_area(key=f"ticket_solution_{ticket}").set_value("补发一件").run()
    tab.checkbox(key=f"ticket_told_{ticket}").set_value(True).run()
    assert tab.button(key="ticket_resolve_send").disabled  # a tick says nothing
    tab.text_area(key=f"ticket_told_words_{ticket}").set_value("亲，补发已寄出，请留意签收").run()
    click(tab, "ticket_resolve_send")
    assert fact(shop, ticket, "state") == "revisit"
    promised = "from public.ticket_money where ticket_id = %s and kind = 'compensation'"
    click(tab, f"ticket_paid_{shop.one(f'select id {promised}', ticket)}")  # money may leave after the case
    assert shop.one(f"select state {promised}", ticket) == "paid"
    used = "select array_agg((solution_id, helpful)::text) from public.solution_uses where ticket_id = %s"
    assert shop.one(used, ticket) == [f"({known},t)"]
    said = "select channel || body from public.ticket_messages where ticket_id = %s order by id desc"
    assert shop.one(said, ticket) == "wangwang亲，补发已寄出，请留意签收"
    assert f"【补发】【补偿】T-{ticket} {agent.name}" in shown(tab)
    assert "：补发一件；补偿 ¥15.00；补发 ¥" in shown(tab)
    click(tab, "ticket_step_score")
    click(tab, "ticket_score_2")
    assert fact(shop, ticket, "state") == "review"
    assert "ticket_step_review" not in keys(app_as(agent, "ticket", query=page))
    tab = app_as(manager, "ticket", query=page)
    click(tab, "ticket_step_review")
    cause = tab.selectbox(key=f"ticket_review_cause_{ticket}")
    packaging = int(shop.one("select id from public.root_causes where code = 'logistics_packaging'"))
    cause.set_value(packaging).run()
    tab.text_area(key=f"ticket_finding_{ticket}").set_value("内包装不足").run()
    click(tab, "ticket_review_close")
    assert (fact(shop, ticket, "state"), fact(shop, ticket, "root_cause_id")) == ("closed", packaging)


def test_a_complaint_asks_the_lead_before_it_is_solved(app_as: AppAs, shop: ShopFloor) -> None:
    agent = shop.person("agent")
    ticket = register(shop, agent, type="public_complaint", summary="微博投诉无人理", take=True)
    tab = app_as(agent, "ticket", query={"id": str(ticket)})
    click(tab, "ticket_step_resolve")
    assert "ticket_resolve_send" not in keys(tab)
    tab.text_input(key=f"ticket_complaint_how_{ticket}").set_value("已致歉，客户接受").run()
    click(tab, "ticket_complaint_ask")
    asked = "select state || ' ' || amount || ' ' || kind from public.approvals where ticket_id = %s"
    assert shop.one(asked, ticket) == "open 0.00 compensation"
    assert fact(shop, ticket, "state") == "pending_approval"
    waits = app_as(agent, "ticket", query={"id": str(ticket)})
    assert "前答复；批准前不能解决" in shown(waits)
    assert "没有改动" not in shown(waits)  # nothing was tried
    row = shop.one("select id from public.ticket_money where ticket_id = %s", ticket)
    other = app_as(shop.person("operations"), "ticket", query={"id": str(ticket)})
    assert not {f"ticket_withdraw_{row}", f"ticket_change_send_{row}"} & keys(other)
    version = shop.one("select version from public.ticket_money where id = %s", row)
    waits.number_input(key=f"ticket_change_amount_{row}_{version}").set_value(20.0).run()
    click(waits, f"ticket_change_send_{row}")
    state = "select string_agg(state, ' ' order by id) from public.approvals where ticket_id = %s"
    assert shop.one(state, ticket) == "withdrawn open"
    click(waits, f"ticket_withdraw_{row}")
    assert shop.one(state, ticket) == "withdrawn withdrawn"
    assert fact(shop, ticket, "state") == "in_progress"


def test_who_may_not_is_told_why_and_nothing_changes(app_as: AppAs, shop: ShopFloor) -> None:
    ticket = register(shop, shop.person("agent"), take=True)
    before = shop.one("select t::text from public.tickets t where id = %s", ticket)
    tab = app_as(shop.person("analyst"), "ticket", query={"id": f"T-{ticket}"})
    assert not {key for key in keys(tab) if key.startswith("ticket_step")}
    assert "ticket_send" not in keys(tab)
    assert shop.one("select t::text from public.tickets t where id = %s", ticket) == before
    tab = app_as("manager", "ticket", query={"id": str(ticket)})  # of another shop
    assert zh("tickets.not_found") in shown(tab)


def test_a_case_without_an_order_gets_its_contact_then_its_order(
    app_as: AppAs, shop: ShopFloor, order_no: str
) -> None:
    agent = shop.person("agent")
    ticket = register(shop, agent, take=True)
    tab = app_as(agent, "ticket", query={"id": str(ticket)})
    tab.text_input(key=f"ticket_contact_phone_{ticket}").set_value("13812345678")
    tab.text_input(key=f"ticket_contact_receiver_{ticket}").set_value("张三")
    click(tab, "ticket_contact_send")
    assert (fact(shop, ticket, "phone_masked"), fact(shop, ticket, "receiver_masked")) == (
        "138****5678",
        "张**",
    )
    assert "13812345678" not in shown(tab)
    click(tab, "ticket_reveal")
    assert "13812345678" in shown(tab)
    click(tab, "ticket_step_link")
    tab.text_input(key=f"ticket_link_text_{ticket}").set_value(order_no).run()
    order = shop.one(
        "select id from public.orders where order_no = %s and shop_id = %s", order_no, shop.shop_id
    )
    click(tab, f"ticket_link_order_{order}")
    assert fact(shop, ticket, "order_id") == order
    assert f"ticket_contact_phone_{ticket}" not in {field.key for field in tab.text_input}


def test_the_start_page_and_the_search_box_lead_to_a_ticket(app_as: AppAs, shop: ShopFloor) -> None:
    agent = shop.person("agent")
    ticket = register(shop, agent, take=True, summary="水壶不通电")
    tab = app_as(agent, "home")
    assert f"T-{ticket}" in shown(tab)
    tab.text_input(key="desk_search_text").set_value(f"T-{ticket}").run()
    click(tab, f"desk_case_open_{ticket}")
    assert tab.query_params["id"] in (str(ticket), [str(ticket)])
    assert "水壶不通电" in shown(tab)


def test_a_draft_outlives_the_tab(app_as: AppAs, shop: ShopFloor) -> None:
    agent = shop.person("agent")
    ticket = register(shop, agent, take=True)
    page = {"id": str(ticket)}
    typed(app_as(agent, "ticket", query=page), reply.field(ticket), "写了一半，电话 13812345678")
    tab = app_as(agent, "ticket", query=page)
    assert tab.session_state[reply.field(ticket)] == "写了一半，电话 138****5678"


def test_the_warehouse_receives_a_return_by_its_parcel_and_its_owner_ends_it(
    app_as: AppAs, shop: ShopFloor
) -> None:
    agent = shop.person("agent")
    ticket = register(shop, agent, type="return", summary="不想要了", take=True)
    for step, p in (
        ("agree_return", {}),
        ("send_return_goods", {"carrier": "顺丰", "tracking_no": "SF7788"}),
    ):
        version = fact(shop, ticket, "version")
        ask(shop, agent, step, p_ticket_id=ticket, p_version=version, p=p)
    tab = app_as(agent, "receiving")
    assert zh("common.no_access") in shown(tab)
    tab = app_as(shop.person("warehouse"), "receiving")
    tab.text_input(key="receiving_number").set_value("sf0000").run()
    assert zh("receiving.unknown", number="SF0000") in shown(tab)
    tab.text_input(key="receiving_number").set_value("sf7788").run()
    click(tab, f"receiving_bad_{ticket}")
    state = "select state || ' ' || quality from public.ticket_returns where ticket_id = %s"
    assert shop.one(state, ticket) == "received bad"
    tab = app_as(agent, "ticket", query={"id": str(ticket)})
    assert {"ticket_start_refund", "ticket_finish_return"} & keys(tab) == {"ticket_start_refund"}
    swap = register(shop, agent, type="exchange", summary="换大一码", take=True)
    lead = shop.person("manager")
    for who, step, p in ((agent, "agree_return", {}), (lead, "receive_return", {"quality": "good"})):
        ask(shop, who, step, p_ticket_id=swap, p_version=fact(shop, swap, "version"), p=p)
    tab = app_as(agent, "ticket", query={"id": str(swap)})
    assert tab.button(key="ticket_finish_return").label == "换货寄出，不退款"
    click(tab, "ticket_finish_return")
    assert shop.one(state, swap) == "done good"
