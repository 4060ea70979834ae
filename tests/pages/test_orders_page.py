"""订单异常: what each role may do there, decisions and undo, filters, groups, many at once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backend import db
from backend.errors import AppError
from backend.local.stack import Stack
from backend.orders import commands
from backend.orders.models import ItemRef
from pages.shared import session
from pages.shared.queue import filters
from tests.pages.conftest import AppAs
from tests.pages.floor import Floor, empty_floor, open_floor
from tests.pages.reading import shown, zh
from tests.people import Account, settings_of


@pytest.fixture(scope="module")
def full(stack: Stack) -> Floor:
    """A shop with the Taobao sample; each test works on orders of its own kind."""
    return open_floor(stack)


@pytest.fixture(scope="module")
def reviewer(full: Floor) -> Account:
    return full.member("agent")


def toasts(tab: AppTest) -> list[str]:
    return [toast.value for toast in tab.toast]


def click(tab: AppTest, key: str) -> AppTest:
    return tab.button(key=key).click().run()


def param(tab: AppTest, name: str) -> str:
    """A parameter of the address: as the page set it, or as it was opened with."""
    value = tab.query_params[name]
    return value if isinstance(value, str) else value[-1]


def shown_orders(tab: AppTest) -> list[str]:
    """The order numbers in the table."""
    return list(tab.dataframe[0].value["order_no"]) if tab.dataframe else []


def as_person(stack: Stack, account: Account) -> db.Client:
    return db.user_client(settings_of(stack), account.session.access_token)


# Who sees and may do what ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("agent", True),
        ("operations", True),
        ("manager", True),
        ("warehouse", True),
        ("analyst", False),
        ("admin", False),
    ],
)
def test_every_role_reads_the_queue_and_reviewers_claim(
    app_as: AppAs, full: Floor, role: str, may: bool
) -> None:
    tab = app_as(full.member(role), "orders")
    assert not tab.exception
    assert len(shown_orders(tab)) > 10
    assert tab.button(key="orders_claim_next").disabled is not may


def test_an_agent_without_the_skill_reads_and_decides_nothing(app_as: AppAs, full: Floor) -> None:
    order = full.orders("remote")[0]
    tab = app_as(full.member("agent", skills=("presales",)), "orders", query={"id": str(order)})
    exception = full.exception(order, "remote")
    for action in ("fixed", "waived", "waiting_customer", "cancelled"):
        assert tab.button(key=f"orders_{action}_{exception}").disabled
    assert AppError("review.not_reviewer").message() in shown(tab).replace("\\", "")


def test_an_empty_queue_says_what_to_do(app_as: AppAs, stack: Stack) -> None:
    member = empty_floor(stack).member("agent")
    tab = app_as(member, "orders")
    assert zh("orders.none.open") in shown(tab)
    assert zh("orders.none.open_hint") in shown(tab)
    assert toasts(click(tab, "orders_claim_next")) == [zh("orders.none_free")]


@pytest.mark.parametrize("tab_name", filters.TABS)
def test_every_tab_of_an_empty_queue_has_words(app_as: AppAs, stack: Stack, tab_name: str) -> None:
    tab = app_as(empty_floor(stack).member("operations"), "orders")
    tab.segmented_control(key="orders_tab").set_value(tab_name).run()
    assert not tab.exception
    assert zh(f"orders.none.{tab_name}") in shown(tab)


def test_the_page_speaks_english(app_as: AppAs, full: Floor) -> None:
    order = full.orders("mismatch")[0]
    tab = app_as(full.member("manager"), "orders", query={"id": str(order)})
    click(tab, "desk_language")
    assert not tab.exception
    assert "Address mismatch" in shown(tab)
    assert "Claim" in tab.button(key="orders_claim_next").label


# Claim, decide, undo --------------------------------------------------------------------------------------


def test_claim_waive_undo(app_as: AppAs, full: Floor) -> None:
    tab = app_as(full.member("agent"), "orders", query={"kind": "remote"})
    click(tab, "orders_claim_next")
    order = int(param(tab, "id"))
    exception = full.exception(order, "remote")
    assert full.ask("select owner_id is not null from public.order_reviews where order_id = %s", order) == [
        (True,)
    ]
    click(tab, f"orders_waived_{exception}")
    click(tab, f"orders_send_waived_verified_{exception}")
    assert toasts(tab) == [zh("orders.did_one.waived", kind="偏远地区")]
    assert full.states(order)["remote"] == "waived"
    click(tab, "orders_drawer_undo")
    assert full.states(order)["remote"] == "open"
    assert tab.button(key=f"orders_waived_{exception}")


def test_a_reloaded_page_still_undoes_and_shows_how_long_a_waiver_holds(app_as: AppAs, full: Floor) -> None:
    member = full.member("agent")
    order = full.orders("remote")[-1]
    exception = full.exception(order, "remote")
    tab = app_as(member, "orders", query={"id": str(order)})
    click(tab, f"orders_waived_{exception}")
    tab.button_group(key=f"orders_until_{exception}").set_value(3).run()
    click(tab, f"orders_send_waived_verified_{exception}")
    ((until,),) = full.ask("select holds_until from public.order_exceptions where id = %s", exception)
    assert timedelta(days=2) < until - datetime.now(UTC) <= timedelta(days=3)
    again = app_as(member, "orders", query={"id": str(order)})
    assert zh("orders.holds.waived", when="").strip() in shown(again)
    assert zh("orders.undo_of", words=zh("orders.did.waived", count=1)) in shown(again)
    click(again, "orders_drawer_undo")
    assert full.states(order)["remote"] == "open"
    third = app_as(member, "orders", query={"id": str(order)})
    assert "orders_drawer_undo" not in {button.key for button in third.button}


def test_a_note_is_needed_for_another_reason_and_kept_encrypted(
    app_as: AppAs, full: Floor, reviewer: Account
) -> None:
    order = full.orders("remote")[1]
    exception = full.exception(order, "remote")
    tab = app_as(reviewer, "orders", query={"id": str(order)})
    click(tab, f"orders_waived_{exception}")
    click(tab, f"orders_send_waived_other_{exception}")
    assert full.states(order)["remote"] == "open"
    tab.text_input(key=f"orders_note_waived_{exception}").set_value("walked there myself")
    click(tab, f"orders_send_waived_other_{exception}")
    assert full.states(order)["remote"] == "waived"
    ((note,),) = full.ask("select note_cipher from public.order_exceptions where id = %s", exception)
    assert note.startswith("v1.")
    assert "walked" not in note


def test_asking_the_customer_pauses_and_gives_the_text(app_as: AppAs, full: Floor, reviewer: Account) -> None:
    order = full.orders("missing_detail")[0]
    exception = full.exception(order, "missing_detail")
    tab = app_as(reviewer, "orders", query={"id": str(order)})
    click(tab, f"orders_waiting_customer_{exception}")
    ((number,),) = full.ask("select order_no from public.orders where id = %s", order)
    assert f"> 您好，订单 {number}" in shown(tab)
    click(tab, f"orders_send_waiting_customer_asked_chat_{exception}")
    assert full.states(order)["missing_detail"] == "waiting_customer"
    assert "暂停" in shown(tab)
    click(tab, f"orders_resume_{exception}")
    click(tab, f"orders_send_resume_{exception}")
    assert full.states(order)["missing_detail"] == "open"


def test_what_a_colleague_decided_meanwhile_is_refused_with_words(
    app_as: AppAs, stack: Stack, full: Floor, reviewer: Account
) -> None:
    order = full.orders("suspicious")[0]
    exception = full.exception(order, "suspicious")
    tab = app_as(reviewer, "orders", query={"id": str(order)})
    click(tab, f"orders_cancelled_{exception}")
    ((version,),) = full.ask("select version from public.order_exceptions where id = %s", exception)
    done = commands.decide(
        as_person(stack, full.member("manager")),
        [ItemRef(id=exception, version=version, order_id=order)],
        "waiting_customer",
        request_id=uuid.uuid4(),
        reason="asked_chat",
    )
    assert done.done == 1
    click(tab, f"orders_send_cancelled_fraud_{exception}")
    assert full.states(order)["suspicious"] == "waiting_customer"


def test_a_missing_phone_is_never_waived_but_corrected(app_as: AppAs, full: Floor, reviewer: Account) -> None:
    order = next(
        found
        for found in full.orders("bad_phone")
        if full.ask(
            "select 1 from public.order_exceptions where order_id = %s and evidence ->> 'problem' = 'empty'",
            found,
        )
    )
    exception = full.exception(order, "bad_phone")
    tab = app_as(reviewer, "orders", query={"id": str(order)})
    assert tab.button(key=f"orders_waived_{exception}").disabled
    assert AppError("exception.never_waived").message() in shown(tab).replace("\\", "")
    click(tab, f"orders_fixed_{exception}")
    tab.text_input(key=f"orders_correct_{order}_phone").set_value("13812345678")
    click(tab, f"orders_correct_{order}_send")
    assert full.states(order)["bad_phone"] == "fixed"
    assert full.ask("select phone_masked from public.orders where id = %s", order) == [("138****5678",)]


def test_a_contact_is_open_for_one_run_and_leaves_a_trace(
    app_as: AppAs, full: Floor, reviewer: Account
) -> None:
    order = full.orders("mismatch")[0]
    tab = app_as(reviewer, "orders", query={"id": str(order)})
    assert tab.button(key=f"orders_reveal_{order}").disabled
    tab.selectbox(key=f"orders_reveal_{order}_reason").set_value("courier").run()
    label = f":gray[{zh('orders.cell.address')}]"
    assert label not in shown(tab)
    click(tab, f"orders_reveal_{order}")
    assert label in shown(tab)
    assert label not in shown(tab.run())
    trail = full.ask(
        "select member_id, detail ->> 'reason' from public.audit_events"
        " where entity = 'order' and entity_id = %s and action = 'contact_revealed'",
        order,
    )
    assert trail == [(reviewer.member_id, "courier")]


def test_analysts_open_no_contact(app_as: AppAs, full: Floor) -> None:
    order = full.orders("mismatch")[0]
    tab = app_as(full.member("analyst"), "orders", query={"id": str(order)})
    assert zh("orders.contact_masked_only") in shown(tab)
    assert not [button for button in tab.button if button.key == f"orders_reveal_{order}"]


def test_a_colleagues_order_is_taken_over(
    app_as: AppAs, stack: Stack, full: Floor, reviewer: Account
) -> None:
    order = full.orders("mismatch")[-1]
    other = full.member("agent")
    commands.claim(as_person(stack, other), order, request_id=uuid.uuid4())
    tab = app_as(reviewer, "orders", query={"id": str(order)})
    exception = full.exception(order, "mismatch")
    assert other.name in shown(tab).replace("\\", "")
    assert tab.button(key=f"orders_waived_{exception}").disabled
    click(tab, "orders_take_over")
    assert not tab.button(key=f"orders_waived_{exception}").disabled
    click(tab, "orders_give_back")
    assert full.ask("select owner_id from public.order_reviews where order_id = %s", order) == [(None,)]
    assert "id" not in tab.query_params


def test_an_order_of_another_shop_is_not_found(app_as: AppAs, stack: Stack, full: Floor) -> None:
    order = full.orders("mismatch")[0]
    tab = app_as(empty_floor(stack).member("manager"), "orders", query={"id": str(order)})
    assert zh("orders.not_found") in shown(tab)


# Groups and many at once ----------------------------------------------------------------------------------


def test_a_duplicate_group_is_decided_as_one(app_as: AppAs, full: Floor, reviewer: Account) -> None:
    first = full.orders("duplicate")[0]
    ((key,),) = full.ask("select group_key from public.order_reviews where order_id = %s", first)
    members = [
        row[0] for row in full.ask("select order_id from public.order_reviews where group_key = %s", key)
    ]
    tab = app_as(reviewer, "orders", query={"id": str(first)})
    tab.radio(key=f"orders_group_keep_{key}").set_value(members[1]).run()
    click(tab, "orders_group_keep_one")
    assert full.states(members[1])["duplicate"] == "waived"
    assert full.states(members[0])["duplicate"] == "cancelled"
    assert full.ask("select held_reason from public.orders where id = %s", members[0]) == [("cancelled",)]
    click(tab, "orders_drawer_undo")
    assert {full.states(order)["duplicate"] for order in members} == {"open"}


def test_many_of_one_kind_are_previewed_decided_and_undone(app_as: AppAs, stack: Stack) -> None:
    floor = open_floor(stack)
    orders = floor.orders("remote")
    tab = app_as(floor.member("operations"), "orders", query={"kind": "remote"})
    click(tab, "orders_bulk_matching_waived")
    assert f"**{len(orders)}**" in shown(tab)
    assert tab.button(key="orders_bulk_send").disabled
    tab.pills(key="orders_bulk_reason_waived").set_value("verified").run()
    click(tab, "orders_bulk_send")
    assert toasts(tab) == [zh("orders.did.waived", count=len(orders))]
    assert floor.orders("remote") == []
    assert zh("orders.none_match") in shown(tab)
    click(tab, "orders_undo")
    assert floor.orders("remote") == orders


def test_what_the_person_may_not_waive_is_counted_before(app_as: AppAs, full: Floor) -> None:
    """An empty phone is waived by nobody."""
    tab = app_as(full.member("manager"), "orders", query={"kind": "bad_phone"})
    click(tab, "orders_bulk_matching_waived")
    assert AppError("exception.never_waived").message() in shown(tab).replace("\\", "")


def test_the_same_evidence_is_one_line(app_as: AppAs, full: Floor) -> None:
    tab = app_as(full.member("operations"), "orders", query={"view": "same"})
    assert zh("orders.same_text") in shown(tab)
    click(tab, "orders_bulk_same_0_cancelled")
    assert tab.button(key="orders_bulk_send").disabled
    tab.pills(key="orders_bulk_reason_cancelled")


# Filters and views ----------------------------------------------------------------------------------------


def test_the_address_filters_the_list(app_as: AppAs, full: Floor) -> None:
    tab = app_as(full.member("manager"), "orders", query={"kind": "mismatch", "amount_min": "1"})
    found = full.ask(
        "select o.id from public.orders o join public.shops s on s.id = o.shop_id"
        " where s.code = %s and o.order_no = any (%s)",
        full.code,
        shown_orders(tab),
    )
    assert {order for (order,) in found} == set(full.orders("mismatch"))
    assert tab.selectbox(key="orders_kind").value == "mismatch"
    assert tab.number_input(key="orders_min").value == 1.0


def test_nonsense_in_the_address_is_left_out(app_as: AppAs, full: Floor) -> None:
    nonsense = {"kind": "x", "shop_id": "999999", "amount_min": "-1", "state": "gone", "id": "abc"}
    tab = app_as(full.member("manager"), "orders", query=nonsense)
    assert not tab.exception
    assert not tab.error
    assert len(shown_orders(tab)) > 10


def test_choosing_a_filter_writes_the_address_and_clearing_takes_it_back(app_as: AppAs, full: Floor) -> None:
    tab = app_as(full.member("manager"), "orders")
    tab.selectbox(key="orders_kind").set_value("remote").run()
    assert param(tab, "kind") == "remote"
    tab.segmented_control(key="orders_tab").set_value("mine").run()
    assert param(tab, "owner") == "me"
    click(tab, "orders_clear")
    assert "kind" not in tab.query_params
    assert param(tab, "owner") == "me"


def test_the_next_page_goes_on_where_the_first_ended(
    app_as: AppAs, full: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "PAGE", 8)
    tab = app_as(full.member("manager"), "orders")
    first = shown_orders(tab)
    click(tab, "orders_next")
    second = shown_orders(tab)
    assert len(first) == len(second) == 8
    assert not set(first) & set(second)
    click(tab, "orders_previous")
    assert shown_orders(tab) == first


@pytest.mark.parametrize(
    ("width", "table", "cards"), [(None, 1, True), ("wide", 1, False), ("narrow", 0, True), ("x", 1, True)]
)
def test_only_the_layout_that_the_window_shows_is_drawn(
    app_as: AppAs, full: Floor, monkeypatch: pytest.MonkeyPatch, width: str | None, table: int, cards: bool
) -> None:
    monkeypatch.setattr(session, "cookies", lambda: {"desk_width": width} if width else {})
    tab = app_as(full.member("manager"), "orders")
    opened = [button for button in tab.button if (button.key or "").startswith("orders_open_")]
    assert len(tab.dataframe) == table
    assert bool(opened) is cards


def test_filters_are_kept_as_a_view(app_as: AppAs, full: Floor) -> None:
    person = full.member("operations")
    tab = app_as(person, "orders", query={"kind": "mismatch"})
    tab.text_input(key="orders_view_name").set_value("矛盾")
    click(tab, "orders_view_save")
    again = app_as(person, "orders")
    ((view_id,),) = full.ask("select id from public.saved_views where member_id = %s", person.member_id)
    click(again, f"orders_view_{view_id}")
    assert param(again, "kind") == "mismatch"
    assert again.selectbox(key="orders_kind").value == "mismatch"
    click(again, f"orders_view_forget_{view_id}")
    assert full.ask("select 1 from public.saved_views where id = %s", view_id) == []
