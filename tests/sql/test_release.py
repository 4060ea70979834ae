"""Release: what may ship, who may say so, what comes out, and that no path leads around the guard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.desk import (
    BODY,
    NOON,
    PEOPLE,
    add_order,
    ask,
    at,
    call,
    item,
    one,
    open_floor,
    order_item,
    refusal,
    row,
    state,
    user_id,
)
from tests.support import as_role

Connection = psycopg.Connection[Any]
RELEASERS = ("ops", "mgr", "whs")


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py inside a transaction that is rolled back."""
    open_floor(db)
    return db


def release(conn: Connection, who: str, *orders: int) -> Any:
    return call(conn, who, "release_orders", [order_item(conn, order) for order in orders])


def is_released(conn: Connection, order: int) -> bool:
    return bool(one(conn, "select released_at is not null from orders where id = %s", order))


def running_import(conn: Connection, state_: str, pool: bool = False) -> None:
    conn.execute(
        """insert into imports (kind, shop_id, stock_pool_id, file_name, file_hash, state, actor, started_at, touched_at)
           select %s, case when %s then null else id end, stock_pool_id, 'f', 'h', %s, 'cli', private.now(), private.now()
           from shops where code = 'one'""",
        ("products" if pool else "orders", pool, state_),
    )


def spoil_status(conn: Connection, order: int) -> None:
    conn.execute("update orders set status = 'shipped' where id = %s", (order,))


def spoil_refund(conn: Connection, order: int) -> None:
    conn.execute("update orders set refund = 'requested' where id = %s", (order,))


def spoil_facts(conn: Connection, order: int) -> None:
    conn.execute("update orders set facts_hash = 'other' where id = %s", (order,))


def spoil_version(conn: Connection, order: int) -> None:
    conn.execute("update orders set checked_version = 'old' where id = %s", (order,))


def spoil_hold(conn: Connection, order: int) -> None:
    conn.execute("update orders set held_at = private.now(), held_reason = 'other' where id = %s", (order,))


def spoil_exception(conn: Connection, order: int) -> None:
    conn.execute(
        """insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, fingerprint, detected_at)
           select id, shop_id, 'remote', true, 'normal', 'f', private.now() from orders where id = %s""",
        (order,),
    )


def spoil_waiting(conn: Connection, order: int) -> None:
    spoil_exception(conn, order)
    conn.execute("update order_exceptions set state = 'waiting_customer' where order_id = %s", (order,))


def spoil_import(conn: Connection, order: int) -> None:
    running_import(conn, "staging")


def spoil_stock_import(conn: Connection, order: int) -> None:
    running_import(conn, "applying", pool=True)


SPOILERS: dict[str, tuple[Callable[[Connection, int], None], str]] = {
    "shipped": (spoil_status, "order.not_waiting"),
    "refund asked": (spoil_refund, "order.refund"),
    "other facts than were checked": (spoil_facts, "order.unchecked"),
    "checked by an old version": (spoil_version, "order.unchecked"),
    "held": (spoil_hold, "order.held"),
    "open exception": (spoil_exception, "order.blocked"),
    "waiting for the customer": (spoil_waiting, "order.blocked"),
    "its shop is importing": (spoil_import, "order.importing"),
    "its stock is importing": (spoil_stock_import, "order.importing"),
}


@pytest.mark.parametrize("reason", SPOILERS)
def test_what_must_not_ship_is_released_by_nobody(floor: Connection, reason: str) -> None:
    spoil, key = SPOILERS[reason]
    order = add_order(floor, "1")
    good = add_order(floor, "2", shop="two")
    spoil(floor, order)
    for who in RELEASERS:
        answer = release(floor, who, order)
        assert (answer["done"], [r["key"] for r in answer["refused"]]) == (0, [key])
    for who in set(PEOPLE) - {*RELEASERS, "far"}:
        with pytest.raises(psycopg.Error) as denied:
            release(floor, who, order)
        assert denied.value.sqlstate == "PT403"
    with pytest.raises(psycopg.errors.InsufficientPrivilege), as_role(floor, "service_role"):
        floor.execute("select public.release_orders(gen_random_uuid(), '[]', null, null)")
    with refusal("PT409", key), floor.transaction():
        floor.execute("update orders set released_at = now(), release_id = 1 where id = %s", (order,))
    assert not is_released(floor, order)
    assert order not in [r["id"] for r in ask(floor, "ops", "ready_list", {}, 50)["rows"]]
    assert not one(floor, "select private.is_releasable(%s)", order)
    if key != "order.importing":
        assert release(floor, "far", good)["done"] == 1


def test_an_order_cannot_be_inserted_as_released(floor: Connection) -> None:
    with refusal("PT409", "order.unchecked"), floor.transaction():
        floor.execute(
            """insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash, released_at, release_id)
               select id, 'x', 'x', 'to_ship', 'f', 'c', now(), 1 from shops where code = 'one'"""
        )


@pytest.mark.parametrize("who", RELEASERS)
def test_what_may_ship_is_released_with_one_list_per_shop(floor: Connection, who: str) -> None:
    orders = [add_order(floor, "1"), add_order(floor, "2")]
    blocked = add_order(floor, "3", ["remote"])
    foreign = add_order(floor, "4", shop="two")
    answer = release(floor, who, *orders, blocked, foreign)
    assert (answer["done"], [r["count"] for r in answer["releases"]]) == (2, [2])
    assert sorted(r["key"] for r in answer["refused"]) == ["order.blocked", "order.none"]
    assert [is_released(floor, o) for o in (*orders, blocked, foreign)] == [True, True, False, False]
    assert one(floor, "select count(*) from audit_events where action = 'released'") == 2
    again = release(floor, who, *orders)
    assert [r["key"] for r in again["refused"]] == ["order.released"] * 2


def test_a_stale_version_is_refused(floor: Connection) -> None:
    order = add_order(floor, "1")
    answer = call(floor, "ops", "release_orders", [{"id": order, "version": 77}])
    assert [r["key"] for r in answer["refused"]] == ["order.stale"]
    assert not is_released(floor, order)


def test_everything_ready_is_released_if_it_is_as_much_as_was_shown(floor: Connection) -> None:
    orders = [add_order(floor, str(n)) for n in range(3)]
    add_order(floor, "b", ["remote"])
    add_order(floor, "two", shop="two")
    shown = ask(floor, "ops", "ready_list", {}, 2)
    assert (shown["count"], [r["id"] for r in shown["rows"]]) == (3, orders[:2])
    with refusal("PT409", "bulk.count_changed"):
        call(floor, "ops", "release_orders", None, {}, 2)
    assert call(floor, "ops", "release_orders", None, {}, 3)["done"] == 3
    with refusal("PT422", "bulk.empty"):
        call(floor, "ops", "release_orders", None, {}, 0)


def test_the_preview_changes_nothing(floor: Connection) -> None:
    orders = [add_order(floor, "1"), add_order(floor, "2", ["remote"])]
    answer = ask(floor, "ops", "preview_release", [order_item(floor, o) for o in orders])
    assert (answer["count"], answer["ok"], answer["refused"][0]["params"]["kinds"]) == (2, 1, ["remote"])
    assert not is_released(floor, orders[0])


# The list -----------------------------------------------------------------------------------------------------------------


def released(conn: Connection, who: str = "ops", count: int = 2) -> tuple[list[int], int]:
    orders = [add_order(conn, f"r{n}", contact=True) for n in range(count)]
    for order in orders:
        conn.execute(
            "insert into order_items (order_id, shop_id, line_no, sku, name, quantity)"
            " select id, shop_id, 1, 'S1', '杯', 2 from orders where id = %s",
            (order,),
        )
    return orders, release(conn, who, *orders)["releases"][0]["id"]


@pytest.mark.parametrize("who", RELEASERS)
def test_the_list_names_the_orders_and_is_recorded(floor: Connection, who: str) -> None:
    orders, list_id = released(floor)
    answer = ask(floor, who, "release_list", list_id)
    assert [r["order_id"] for r in answer["rows"]] == orders
    assert (answer["rows"][0]["phone"], answer["rows"][0]["items"][0]["quantity"]) == (BODY, 2)
    assert row(
        floor, "select downloaded_at, m.display_name from releases r join members m on m.id = r.downloaded_by"
    ) == (NOON, who)
    assert one(floor, "select detail from audit_events where action = 'release_downloaded'") == {"count": 2}


@pytest.mark.parametrize("who", ["ann", "cid", "ana", "adm", "far"])
def test_nobody_else_gets_the_list(floor: Connection, who: str) -> None:
    _, list_id = released(floor)
    with pytest.raises(psycopg.Error) as denied:
        ask(floor, who, "release_list", list_id)
    assert denied.value.sqlstate in ("PT403", "PT404")
    assert one(floor, "select downloaded_at from releases") is None


def test_the_pick_list_sums_by_sku_and_shows_no_other_shop(floor: Connection) -> None:
    _, list_id = released(floor)
    answer = ask(floor, "whs", "pick_list", list_id)
    assert [(s["sku"], s["quantity"], s["orders"]) for s in answer["by_sku"]] == [("S1", 4, 2)]
    assert [o["order_no"] for o in answer["by_order"]] == ["r0", "r1"]
    assert ask(floor, "far", "pick_list", list_id) == {"by_sku": [], "by_order": []}


def test_a_release_is_undone_until_it_was_downloaded(floor: Connection) -> None:
    orders, list_id = released(floor)
    assert call(floor, "ops", "undo_release", list_id) == {"done": 2}
    assert not is_released(floor, orders[0])
    with refusal("PT409", "release.undone"):
        call(floor, "ops", "undo_release", list_id)
    orders, list_id = release_again(floor, orders)
    ask(floor, "whs", "release_list", list_id)
    with refusal("PT409", "release.downloaded"):
        call(floor, "ops", "undo_release", list_id)
    assert is_released(floor, orders[0])


def release_again(conn: Connection, orders: list[int]) -> tuple[list[int], int]:
    return orders, release(conn, "ops", *orders)["releases"][0]["id"]


def test_who_may_undo_a_release(floor: Connection) -> None:
    orders, list_id = released(floor)
    with refusal("PT403", "release.undo_right"):
        call(floor, "whs", "undo_release", list_id)
    with refusal("PT403", "member.role"):
        call(floor, "ann", "undo_release", list_id)
    with refusal("PT404", "release.none"):
        call(floor, "far", "undo_release", list_id)
    at(floor, NOON + timedelta(minutes=11))
    with refusal("PT403", "release.undo_right"):
        call(floor, "ops", "undo_release", list_id)
    assert is_released(floor, orders[0])
    call(floor, "mgr", "undo_release", list_id)
    assert not is_released(floor, orders[0])


# Holds ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["ann", "ops", "mgr", "whs"])
def test_an_order_is_stopped_after_the_download(floor: Connection, who: str) -> None:
    orders, list_id = released(floor)
    ask(floor, "whs", "release_list", list_id)
    answer = call(floor, who, "add_hold", [order_item(floor, orders[0])], "customer_asked")
    assert (answer["done"], answer["releases"][0]["count"]) == (1, 1)
    assert not is_released(floor, orders[0])
    assert [r["order_id"] for r in ask(floor, "whs", "release_list", list_id)["rows"]] == [orders[1]]
    held = ask(floor, "whs", "hold_screen", {})["rows"]
    assert [(r["id"], r["is_in_erp"], r["held_reason"]) for r in held] == [
        (orders[0], True, "customer_asked")
    ]
    hold_list = ask(floor, "whs", "release_list", answer["releases"][0]["id"])
    assert [r["order_id"] for r in hold_list["rows"]] == [orders[0]]
    assert [r["key"] for r in release(floor, "ops", orders[0])["refused"]] == ["order.held"]


@pytest.mark.parametrize("who", ["cid", "ana", "adm"])
def test_who_may_not_stop_orders(floor: Connection, who: str) -> None:
    order = add_order(floor, "1")
    with pytest.raises(psycopg.Error) as denied:
        call(floor, who, "add_hold", [order_item(floor, order)], "customer_asked")
    assert denied.value.sqlstate == "PT403"
    assert one(floor, "select held_at from orders where id = %s", order) is None


def test_a_hold_needs_a_reason_and_an_order_that_waits(floor: Connection) -> None:
    order = add_order(floor, "1", status="shipped")
    with refusal("PT422", "hold.reason"):
        call(floor, "ops", "add_hold", [order_item(floor, order)], "cancelled")
    answer = call(floor, "ops", "add_hold", [order_item(floor, order)], "fraud")
    assert [r["key"] for r in answer["refused"]] == ["order.not_waiting"]


def test_lifting_a_hold_is_for_operations_and_managers(floor: Connection) -> None:
    order = add_order(floor, "1")
    call(floor, "ops", "add_hold", [order_item(floor, order)], "price")
    for who in ("ann", "whs", "adm"):
        with refusal("PT403", "member.role"):
            call(floor, who, "lift_hold", [order_item(floor, order)])
    assert call(floor, "mgr", "lift_hold", [order_item(floor, order)])["done"] == 1
    assert release(floor, "ops", order)["done"] == 1


def test_what_was_cancelled_in_review_is_not_lifted(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    call(floor, "ann", "decide_exceptions", [item(floor, order)], "cancelled", "fraud")
    answer = call(floor, "mgr", "lift_hold", [order_item(floor, order)])
    assert [r["key"] for r in answer["refused"]] == ["order.not_held"]
    assert [r["key"] for r in release(floor, "ops", order)["refused"]] == ["order.held"]


def test_an_order_that_was_on_hold_when_it_was_cancelled_is_not_lifted(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    call(floor, "ops", "add_hold", [order_item(floor, order)], "customer_asked")
    call(floor, "ann", "decide_exceptions", [item(floor, order)], "cancelled", "customer_cancelled")
    answer = call(floor, "mgr", "lift_hold", [order_item(floor, order)])
    assert [r["key"] for r in answer["refused"]] == ["order.not_held"]
    assert [r["key"] for r in release(floor, "ops", order)["refused"]] == ["order.held"]
    assert not is_released(floor, order)
    call(floor, "mgr", "decide_exceptions", [item(floor, order)], "reopened", "mistake")
    assert call(floor, "mgr", "lift_hold", [order_item(floor, order)])["done"] == 1


def test_the_hold_list_names_everything_that_waits_and_must_not_ship(floor: Connection) -> None:
    with refusal("PT422", "hold.none"):
        call(floor, "ops", "make_hold_list")
    blocked = add_order(floor, "1", ["remote"])
    held = add_order(floor, "2")
    call(floor, "ops", "add_hold", [order_item(floor, held)], "fraud")
    add_order(floor, "3")
    add_order(floor, "4", ["remote"], shop="two")
    answer = call(floor, "whs", "make_hold_list")
    rows = ask(floor, "whs", "release_list", answer["releases"][0]["id"])["rows"]
    assert [(r["order_id"], r["kinds"], r["held_reason"]) for r in rows] == [
        (blocked, ["remote"], None),
        (held, None, "fraud"),
    ]


def test_a_refunded_order_is_on_the_lists_of_what_must_not_ship(floor: Connection) -> None:
    order = add_order(floor, "1")
    floor.execute("update orders set refund = 'done' where id = %s", (order,))
    assert [r["key"] for r in release(floor, "ops", order)["refused"]] == ["order.refund"]
    screen = ask(floor, "ops", "hold_screen", {})
    assert [(r["id"], r["refund"]) for r in screen["rows"]] == [(order, "done")]
    answer = call(floor, "whs", "make_hold_list")
    rows = ask(floor, "whs", "release_list", answer["releases"][0]["id"])["rows"]
    assert [(r["order_id"], r["refund"]) for r in rows] == [(order, "done")]


def test_an_order_shipped_in_spite_of_a_hold_is_an_incident_once(floor: Connection) -> None:
    blocked = add_order(floor, "1", ["remote", "mismatch"])
    held = add_order(floor, "2")
    call(floor, "ops", "add_hold", [order_item(floor, held)], "fraud")
    free = add_order(floor, "3")
    unpaid = add_order(floor, "4", ["unpaid"], status="unpaid")
    waived = add_order(floor, "5", ["remote"])
    call(floor, "ann", "decide_exceptions", [item(floor, waived)], "waived", "verified")
    for _ in range(2):
        floor.execute(
            "select private.note_shipped(%s, null, private.now())", ([blocked, held, free, unpaid, waived],)
        )
    found = floor.execute("select order_id, kinds from hold_breaches order by order_id").fetchall()
    assert found == [(blocked, ["mismatch", "remote"]), (held, ["held"])]
    assert one(floor, "select count(*) from audit_events where action = 'hold_breach'") == 2
    assert state(floor, waived) == "waived"
    with as_role(floor, "authenticated", user_id("ops")):
        assert one(floor, "select count(*) from public.hold_breaches") == 2
