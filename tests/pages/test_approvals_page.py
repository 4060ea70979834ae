"""待审批 and 处理权限表: a reminder's link, two taps, a refusal with its reason; managers change a figure."""

from __future__ import annotations

import base64
import io
import uuid
from typing import Any

import psycopg
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from backend import db
from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import Account, hire, settings_of


@pytest.fixture(scope="module")
def shop(stack: Stack) -> ShopFloor:
    floor = ShopFloor(stack, "yes1")
    with psycopg.connect(stack.db_url) as owner:
        for name in ("agent", "manager"):
            owner.execute(
                "update public.members set approval_limit = %s, skills = %s where id = %s",
                (
                    2000 if name == "manager" else 0,
                    ["aftersales"] if name == "agent" else [],
                    floor.person(name).member_id,
                ),
            )
    return floor


def rpc(shop: ShopFloor, who: Account, name: str, **params: Any) -> Any:
    """An RPC as a person calls it."""
    client = db.user_client(settings_of(shop.stack), who.session.access_token)
    return db.rpc(client, name, **params, p_request_id=str(uuid.uuid4()))


def asked(shop: ShopFloor, amount: str, *, photo: bool = False, buyer: str | None = None) -> int:
    """An approval that the agent asks for; its id."""
    number = f"A{uuid.uuid4().hex[:10]}"
    order = shop.one(
        "insert into public.orders (shop_id, order_no, platform_status, status, amount, facts_hash,"
        " content_hash, buyer_account)"
        " values (%s, %s, '交易成功', 'completed', 300, 'f', 'c', %s) returning id",
        shop.shop_id,
        number,
        buyer or number,
    )
    agent = shop.person("agent")
    p = {
        "order_id": order,
        "type": "quality",
        "summary": "屏幕划痕",
        "severity": "normal",
        "take": True,
        "force": True,
    }
    ticket = rpc(shop, agent, "register_ticket", p=p)
    evidence = []
    if photo:
        picture = io.BytesIO()
        Image.new("RGB", (40, 40), "red").save(picture, "PNG")
        content = base64.b64encode(picture.getvalue()).decode()
        file = {"name": "划痕.png", "content": content, "preview": content}
        evidence = [rpc(shop, agent, "add_attachment", p_ticket_id=ticket["id"], p=file)["id"]]
    version = shop.one("select version from public.tickets where id = %s", ticket["id"])
    facts = {
        "kind": "compensation",
        "amount": amount,
        "reason": "屏幕有划痕，客户要求补偿",
        "evidence": evidence,
    }
    answer = rpc(shop, agent, "request_money", p_ticket_id=ticket["id"], p_version=version, p=facts)
    return int(answer["approval_id"])


def state(shop: ShopFloor, approval_id: int) -> str:
    return str(shop.one("select state from public.approvals where id = %s", approval_id))


def keys(tab: AppTest) -> set[str]:
    return {str(button.key) for button in tab.button}


def opened(app_as: AppAs, who: Account, approval_id: int) -> AppTest:
    """The page as the link of a reminder opens it."""
    tab = app_as(who, "approvals", query={"id": str(approval_id)})
    assert not tab.exception
    return tab


def test_a_link_to_nothing_and_a_file_that_is_no_picture_are_said(app_as: AppAs, shop: ShopFloor) -> None:
    manager = shop.person("manager")
    tab = app_as(manager, "approvals", query={"id": "x"})
    assert zh("approvals.bad_link") in shown(tab)
    approval_id = asked(shop, "600", photo=True)
    filler = b"\x89PNG\r\n\x1a\n" + bytes(99)
    shop.one("update private.attachments set preview = %s returning id", filler)
    assert "不是能显示的图片" in shown(opened(app_as, manager, approval_id))


def test_the_link_and_one_tap_approve(app_as: AppAs, shop: ShopFloor) -> None:
    approval_id = asked(shop, "600", photo=True)
    tab = opened(app_as, shop.person("manager"), approval_id)
    words = shown(tab)
    for said in (
        "¥600.00",
        "屏幕有划痕，客户要求补偿",
        zh("approvals.why.over_order"),
        "经办权限 ¥500",
        "订单 A",
    ):
        assert said in words, said
    assert len([key for key in keys(tab) if key.startswith("approval_photo_")]) == 1
    tab.button(key="approval_approve").click().run()
    assert not tab.exception
    assert state(shop, approval_id) == "approved"
    assert zh("approvals.state.approved") in shown(tab)
    assert "approval_approve" not in keys(tab)


def test_rejecting_wants_a_reason(app_as: AppAs, shop: ShopFloor) -> None:
    approval_id = asked(shop, "700")
    tab = opened(app_as, shop.person("manager"), approval_id)
    tab.button(key="approval_reject").click().run()
    assert [one.value for one in tab.error] == []
    assert tab.button(key="approval_reject_now").disabled
    tab.button(key="approval_reject_cancel").click().run()
    tab.button(key="approval_reject").click().run()
    tab.button_group(key=f"approval_quick_{approval_id}").set_value("no_proof").run()
    tab.button(key="approval_reject_now").click().run()
    assert state(shop, approval_id) == "rejected"
    assert zh("approvals.reason.no_proof") in shown(tab)


def test_who_may_not_decide_reads_why(app_as: AppAs, shop: ShopFloor) -> None:
    approval_id = asked(shop, "2500")
    mine = opened(app_as, shop.person("agent"), approval_id)
    assert "approval_approve" not in keys(mine)
    assert "这是你自己提的，要由别人批" in shown(mine)
    poor = opened(app_as, shop.person("manager"), approval_id)
    assert "累计 ¥2,500 超过所有人的审批额度" in shown(poor)
    assert "approval_approve" not in keys(poor)
    rich = hire(shop.stack, "manager", shops=[shop.code])
    shop.one("update public.members set approval_limit = 5000 where id = %s returning id", rich.member_id)
    assert "approval_approve" in keys(opened(app_as, rich, approval_id))
    assert "累计 ¥2,500，你的审批额度是 ¥2,000" in shown(opened(app_as, shop.person("manager"), approval_id))
    for role in ("warehouse", "analyst"):
        assert zh("common.no_access") in shown(app_as(shop.person(role), "approvals"))


def test_the_list_leads_to_what_waits(app_as: AppAs, shop: ShopFloor) -> None:
    approval_id = asked(shop, "800")
    tab = app_as(shop.person("manager"), "approvals")
    assert f"approvals_open_{approval_id}" in keys(tab)
    tab.button(key=f"approvals_open_{approval_id}").click().run()
    assert "approval_approve" in keys(tab)
    tab.button(key="approvals_back").click().run()
    assert f"approvals_open_{approval_id}" in keys(tab)
    nowhere = opened(app_as, shop.person("manager"), 999_999_999)
    assert [error.value for error in nowhere.error] == ["没有这个审批，或不是你店铺的。没有改动。"]


def test_a_manager_changes_the_table_after_a_look_at_the_effect(app_as: AppAs, shop: ShopFloor) -> None:
    asked(shop, "650")
    agent = app_as(shop.person("agent"), "authority")
    assert zh("authority.read_only") in shown(agent)
    assert not [key for key in keys(agent) if key.startswith("authority_change")]
    tab = app_as(shop.person("manager"), "authority", query={"shop": str(shop.shop_id)})
    assert "≤ ¥500" in shown(tab)
    tab.button(key="authority_change_compensation").click().run()
    mark = f"authority_compensation_{shop.shop_id}_0"
    tab.number_input(key=f"{mark}_limit").set_value(1500.0).run()
    assert f"{mark}_save" not in keys(tab)
    tab.button(key=f"{mark}_preview").click().run()
    assert len(tab.info) == 1
    tab.button(key=f"{mark}_save").click().run()
    assert not tab.exception
    own = "select agent_limit::float from public.authority_limits where shop_id = %s and pot = 'compensation'"
    assert shop.one(own, shop.shop_id) == 1500
    assert "≤ ¥1,500" in shown(tab)
    tab.button(key="authority_platform_douyin").click().run()
    platform = next(key for key in (str(one.key) for one in tab.toggle) if key.startswith("authority_douyin"))
    tab.toggle(key=platform).set_value(True).run()
    tab.button(key=platform.replace("_on", "_save")).click().run()
    active = "select is_active from public.price_protection_platforms where platform = 'douyin'"
    assert shop.one(active) is True
    shop.one(
        "update public.price_protection_platforms set is_active = false where platform = 'douyin' returning 1"
    )


def test_the_calculator_of_price_protection(app_as: AppAs, shop: ShopFloor) -> None:
    """200 → 150 in the money box of a ticket; without a signing time it asks for one with a proof."""
    add = """with o as (insert into public.orders (shop_id, order_no, platform_status, status, amount,
            facts_hash, content_hash, buyer_account, placed_at, shipped_at, signed_at)
        values (%s, %s, 'x', 'completed', %s, 'f', 'c', %s, now() - %s * interval '1 day',
            now() - %s * interval '1 day', %s) returning *)
        insert into public.order_items (order_id, shop_id, line_no, sku, name, quantity, unit_price)
        select id, shop_id, 1, 'PP1', '杯', 1, amount from o returning order_id"""
    mark = uuid.uuid4().hex[:8]
    signed = shop.one("select now() - interval '1 day'")
    old = shop.one(add, shop.shop_id, f"PP-{mark}-1", 200, mark, 3, 2, signed)
    late = shop.one(
        add,
        shop.shop_id,
        f"PP-{mark}-4",
        200,
        f"{mark}4",
        12,
        11,
        shop.one("select now() - interval '9 days'"),
    )
    unsigned = shop.one(add, shop.shop_id, f"PP-{mark}-2", 200, f"{mark}2", 3, 2, None)
    shop.one(add, shop.shop_id, f"PP-{mark}-3", 150, f"{mark}3", 0, 0, None)
    agent = shop.person("agent")

    def box(order: int) -> tuple[AppTest, int]:
        p = {"order_id": order, "type": "price_protection", "severity": "normal", "take": True, "force": True}
        ticket = int(rpc(shop, agent, "register_ticket", p=p)["id"])
        tab = app_as(agent, "ticket", query={"id": str(ticket)})
        return tab.button(key="ticket_step_money").click().run(), ticket

    tab, ticket = box(old)
    assert not tab.exception
    assert "实付 ¥200.00 − 现价 ¥150.00" in shown(tab)
    tab.text_input(key=f"ticket_money_reason_price_{ticket}").set_value("七天内降价").run()
    tab.button(key="ticket_money_send").click().run()
    assert shop.one("select amount::float from public.ticket_money where ticket_id = %s", ticket) == 50
    tab, ticket = box(late)  # nothing will ever be payable: no form that cannot be sent
    assert zh("tickets.money_refused") in shown(tab)
    assert "ticket_money_send" not in {str(one.key) for one in tab.button}
    tab, ticket = box(unsigned)
    assert "没有签收时间" in shown(tab)
    assert f"ticket_price_day_{ticket}" in {str(one.key) for one in tab.date_input}
    assert tab.button(key="ticket_money_send").disabled
