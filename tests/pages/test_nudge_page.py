"""催付: unpaid orders with the message at hand."""

from __future__ import annotations

import pytest

from backend import db
from backend.local.stack import Stack
from pages.shared.queue import nudging
from tests.pages.conftest import AppAs
from tests.pages.floor import Floor, empty_floor, open_floor
from tests.pages.reading import shown, zh
from tests.people import settings_of


@pytest.fixture(scope="module")
def full(stack: Stack) -> Floor:
    """A shop with the Taobao sample."""
    return open_floor(stack)


def unpaid(floor: Floor) -> list[str]:
    rows = floor.ask(
        "select o.order_no from public.orders o join public.shops s on s.id = o.shop_id"
        " where s.code = %s and o.status = 'unpaid' order by o.placed_at desc, o.id desc",
        floor.code,
    )
    return [number for (number,) in rows]


def shop_id(floor: Floor) -> int:
    return int(floor.ask("select id from public.shops where code = %s", floor.code)[0][0])


@pytest.mark.parametrize("role", ["agent", "analyst"])
def test_unpaid_orders_are_listed_newest_first(app_as: AppAs, full: Floor, role: str) -> None:
    tab = app_as(full.member(role), "nudge", query={"shop": str(shop_id(full))})
    assert not tab.exception
    assert list(tab.dataframe[0].value["order_no"]) == unpaid(full)
    assert len(unpaid(full)) == 5


def test_the_message_names_the_order_and_is_ready_to_copy(app_as: AppAs, full: Floor) -> None:
    tab = app_as(full.member("agent", skills=("presales",)), "nudge")
    ((order_id, number),) = full.ask(
        "select id, order_no from public.orders where order_no = %s and shop_id ="
        " (select id from public.shops where code = %s)",
        unpaid(full)[0],
        full.code,
    )
    tab.button(key=f"nudge_open_{order_id}").click().run()
    assert f"> 您好，您的订单 {number}" in shown(tab)


def test_nothing_unpaid_says_what_will_come(app_as: AppAs, stack: Stack) -> None:
    tab = app_as(empty_floor(stack).member("agent"), "nudge")
    assert zh("nudge.none") in shown(tab)
    assert zh("nudge.none_hint") in shown(tab)


def test_the_shop_in_the_address_is_chosen(app_as: AppAs, full: Floor) -> None:
    tab = app_as(full.member("manager"), "nudge", query={"shop": str(shop_id(full))})
    assert tab.selectbox(key="nudge_shop").value == shop_id(full)
    tab = app_as(full.member("manager"), "nudge", query={"shop": "0"})
    assert tab.selectbox(key="nudge_shop").value is None


def test_the_file_holds_every_row_masked_with_its_message(full: Floor) -> None:
    member = full.member("operations")
    client = db.user_client(settings_of(full.stack), member.session.access_token)
    heads = [(name, name) for name in ("order_no", "phone", "text")]
    text = nudging._content(client, None, "csv", heads, "x", "zh-CN").decode("utf-8-sig")
    for number in unpaid(full):
        assert number in text
    assert text.count("****") == 5
    noted = full.ask(
        "select detail from public.audit_events where action = 'exported' and member_id = %s",
        member.member_id,
    )
    assert [(row["area"], row["count"]) for (row,) in noted] == [("payment_nudge", 5)]
