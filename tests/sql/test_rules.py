"""What is an exception: each rule at its edges, what decisions outlive, and what managers change."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from backend import jobs
from backend.errors import AppError
from backend.imports.records import OrderRecord
from backend.job import Worker
from tests.sql.importing import (
    KEYRING,
    TEN,
    Connection,
    Rpc,
    add_member,
    add_shop,
    bring,
    evidence,
    item,
    one,
    opened,
    record,
    shop_of,
    stock,
    undone,
)

MINUTE = timedelta(minutes=1)
SENT = {"status": "shipped", "platform_status": "已发货"}


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    with undone(sql_url) as connection:
        add_shop(connection)
        yield connection


def same(number: int, minutes: float, **changes: Any) -> OrderRecord:
    """An order of one and the same buyer, placed so many minutes after ten."""
    placed = TEN + minutes * MINUTE
    values = {
        "placed_at": placed,
        "paid_at": placed + MINUTE,
        "phone": "13800000000",
        "buyer_account": "same",
    }
    return record(number, **(values | changes))


def kinds_of(conn: Connection, kind: str) -> list[str]:
    """Numbers of the orders with this open exception, as integers of the test."""
    return [no.lstrip("NO0") or "0" for no, kinds in opened(conn).items() if kind in kinds]


# --- the defaults ---


def test_the_ten_defaults(conn: Connection) -> None:
    rows = conn.execute(
        "select kind, waived_by, is_blocking, is_active from exception_rules where shop_id is null"
    ).fetchall()
    waived_by = {kind: by for kind, by, _, _ in rows}
    assert waived_by == {
        "duplicate": "reviewer",
        "remote": "reviewer",
        "bad_phone": "reviewer",
        "missing_detail": "reviewer",
        "mismatch": "reviewer",
        "same_ip": "manager",
        "suspicious": "manager",
        "out_of_stock": "warehouse",
        "unpaid": "never",
        "refund_stop": "never",
    }
    assert all(blocking and active for _, _, blocking, active in rows)


# --- duplicate ---

DUPLICATES: Mapping[str, tuple[Sequence[OrderRecord], list[str]]] = {
    "thirty minutes are inclusive": ([same(1, 0), same(2, 30)], ["1", "2"]),
    "a second more is not": ([same(1, 0), same(2, 30 + 1 / 60)], []),
    "each follows the one before": ([same(1, 0), same(2, 30), same(3, 60)], ["1", "2", "3"]),
    "another product": ([same(1, 0), same(2, 5, items=(item("S2"),))], []),
    "another quantity": ([same(1, 0), same(2, 5, items=(item(quantity=2),))], []),
    "one product more": ([same(1, 0), same(2, 5, items=(item(), item("S2", line_no=2)))], []),
    "the same two products in another order": (
        [
            same(1, 0, items=(item("S1"), item("S2", line_no=2))),
            same(2, 5, items=(item("S2"), item("S1", line_no=2))),
        ],
        ["1", "2"],
    ),
    "another receiver": ([same(1, 0), same(2, 5, receiver="李明")], []),
    "another phone": ([same(1, 0), same(2, 5, phone="13800000001")], []),
    "the same phone written in another way": ([same(1, 0), same(2, 5, phone="+86 138-0000-0000")], ["1", "2"]),
    "one is not paid": ([same(1, 0), same(2, 5, status="unpaid", paid_at=None)], []),
    "history counts but is no exception": ([same(1, 0, **SENT), same(2, 5)], ["2"]),
    "cancelled before payment does not count": ([same(1, 0, status="closed", paid_at=None), same(2, 5)], []),
    "without a code the name and specification decide": (
        [same(1, 0, items=(item(None),)), same(2, 5, items=(item(None),)), same(3, 6, items=(item(None, spec="白"),))],
        ["1", "2"],
    ),
    "masked files fall back to the buyer account": (
        [same(1, 0, phone="138****0000"), same(2, 5, phone="138****0000"), same(3, 6, phone="138****0000", buyer_account="b")],
        ["1", "2"],
    ),
    "files without receiver are not judged": (
        [same(1, 0, receiver_known=False, phone=None, receiver=None), same(2, 5, receiver_known=False, phone=None, receiver=None)],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DUPLICATES)
def test_duplicate(conn: Connection, name: str) -> None:
    records, expected = DUPLICATES[name]
    bring(conn, records)
    assert kinds_of(conn, "duplicate") == expected


def test_the_evidence_of_a_duplicate_names_the_others(conn: Connection) -> None:
    bring(conn, [same(1, 0, **SENT), same(2, 12), same(3, 30)])
    assert evidence(conn, "NO00002", "duplicate") == {
        "orders": [
            {"order_no": "NO00001", "minutes": 12, "status": "shipped"},
            {"order_no": "NO00003", "minutes": 18, "status": "to_ship"},
        ]
    }
    assert one(conn, "select count(distinct group_key) from order_exceptions") == 1


def test_a_later_file_completes_a_group_and_breaks_it_up(conn: Connection) -> None:
    bring(conn, [same(1, 0)])
    assert opened(conn) == {}
    bring(conn, [same(2, 5)])
    assert opened(conn) == {"NO00001": ["duplicate"], "NO00002": ["duplicate"]}
    bring(conn, [same(2, 5, phone="13900000000")])
    assert opened(conn) == {}


def test_other_shops_are_other_buyers(conn: Connection) -> None:
    add_shop(conn, "two")
    bring(conn, [same(1, 0)])
    bring(conn, [same(2, 5)], shop=shop_of(conn, "two"))
    assert opened(conn) == {}


# --- same IP ---


def from_ip(number: int, minutes: float, buyer: str, ip: str = "203.0.113.7", **changes: Any) -> OrderRecord:
    """An order of a buyer of its own contact from an address, minutes after ten."""
    placed = TEN + minutes * MINUTE
    values = {"placed_at": placed, "paid_at": placed, "buyer_account": buyer, "ip": ip}
    return record(number, **(values | changes))


ADDRESSES: Mapping[str, tuple[Sequence[OrderRecord], list[str]]] = {
    "three orders, two accounts, sixty minutes": (
        [from_ip(1, 0, "a"), from_ip(2, 30, "a"), from_ip(3, 60, "b")],
        ["1", "2", "3"],
    ),
    "a second more than sixty minutes": ([from_ip(1, 0, "a"), from_ip(2, 30, "a"), from_ip(3, 60 + 1 / 60, "b")], []),
    "two orders": ([from_ip(1, 0, "a"), from_ip(2, 1, "b")], []),
    "one account": ([from_ip(1, 0, "a"), from_ip(2, 1, "a"), from_ip(3, 2, "a")], []),
    "the same address on different days": ([from_ip(n, n * 1440, f"b{n}") for n in range(1, 5)], []),
    "the window slides": (
        [from_ip(1, 0, "a"), from_ip(2, 50, "a"), from_ip(3, 70, "b"), from_ip(4, 100, "b"), from_ip(5, 200, "c")],
        ["2", "3", "4"],
    ),
    "the second account lies outside the window of the first three": (
        [from_ip(1, 0, "a"), from_ip(2, 1, "a"), from_ip(3, 2, "a"), from_ip(4, 100, "b")],
        [],
    ),
    "history counts but is no exception": (
        [from_ip(1, 0, "a", **SENT), from_ip(2, 1, "b", status="unpaid", paid_at=None), from_ip(3, 2, "c")],
        ["3"],
    ),
    "another address": ([from_ip(1, 0, "a"), from_ip(2, 1, "b"), from_ip(3, 2, "c", ip="203.0.113.8")], []),
}  # fmt: skip


@pytest.mark.parametrize("name", ADDRESSES)
def test_same_ip(conn: Connection, name: str) -> None:
    records, expected = ADDRESSES[name]
    bring(conn, records)
    assert kinds_of(conn, "same_ip") == expected


def test_the_evidence_of_same_ip_has_no_address(conn: Connection) -> None:
    bring(conn, [from_ip(1, 0, "a"), from_ip(2, 5, "b"), from_ip(3, 10, "b")])
    assert evidence(conn, "NO00001", "same_ip") == {
        "count": 3,
        "accounts": 2,
        "minutes": 10,
        "orders": ["NO00002", "NO00003"],
    }


# --- out of stock ---


def test_stock_goes_in_order_of_payment_and_a_shortfall_takes_nothing(conn: Connection) -> None:
    bring(conn, [stock(2, "S1", 3), stock(3, "S2", 1)], kind="products")
    paid = [TEN + n * MINUTE for n in range(6)]
    bring(
        conn,
        [
            record(1, paid_at=paid[3], items=(item(quantity=1),)),
            record(2, paid_at=paid[1], items=(item(quantity=2),)),
            record(3, paid_at=paid[2], items=(item(quantity=2),)),
            record(4, paid_at=paid[4], items=(item("S2"), item("S1", quantity=9, line_no=2))),
            record(5, paid_at=paid[5], items=(item("S2"),)),
        ],
    )
    assert kinds_of(conn, "out_of_stock") == ["3", "4"]
    assert evidence(conn, "NO00004", "out_of_stock") == {
        "items": [{"sku": "S1", "name": "保温杯", "spec": "黑色", "need": 9, "left": 0}]
    }


def test_one_pool_serves_two_shops(conn: Connection) -> None:
    add_shop(conn, "two")
    bring(conn, [stock(2, "S1", 1)], kind="products")
    bring(conn, [record(1, paid_at=TEN + MINUTE)])
    assert opened(conn) == {}
    bring(conn, [record(2, paid_at=TEN)], shop=shop_of(conn, "two"))
    assert opened(conn) == {"NO00001": ["out_of_stock"]}
    bring(conn, [record(2, paid_at=TEN, **SENT)], shop=shop_of(conn, "two"))
    assert opened(conn) == {}


def test_never_counted_and_unknown_products_are_not_short(conn: Connection) -> None:
    bring(conn, [stock(2, "S1", None)], kind="products")
    bring(conn, [record(1), record(2, items=(item("NEW"),))])
    assert opened(conn) == {}


# --- what will not ship takes nothing and doubles nothing ---


FAR = {"province": "新疆维吾尔自治区", "city": "乌鲁木齐市", "district": "天山区"}


def refs(conn: Connection, *numbers_: int) -> list[dict[str, Any]]:
    rows = conn.execute(
        "select id, version from orders where order_no = any (%s) order by id",
        ([f"NO{number:05d}" for number in numbers_],),
    ).fetchall()
    return [{"id": order, "version": version} for order, version in rows]


def work_all(conn: Connection) -> None:
    while jobs.run_once(Worker(Rpc(conn), KEYRING)):
        pass


def test_what_is_held_leaves_its_stock_to_others_until_it_is_lifted(conn: Connection) -> None:
    ops = Rpc(conn, add_member(conn, "operations", shop_of(conn).id))
    bring(conn, [stock(2, "S1", 1)], kind="products")
    bring(conn, [record(1, paid_at=TEN), record(2, paid_at=TEN + MINUTE)])
    assert opened(conn) == {"NO00002": ["out_of_stock"]}
    ops("add_hold", p_request_id=str(uuid.uuid4()), p_items=refs(conn, 1), p_reason="customer_asked")
    work_all(conn)
    assert opened(conn) == {"NO00001": ["out_of_stock"]}
    ops("lift_hold", p_request_id=str(uuid.uuid4()), p_items=refs(conn, 1))
    assert opened(conn) == {"NO00002": ["out_of_stock"]}


def test_what_was_cancelled_or_refunded_needs_no_stock(conn: Connection) -> None:
    ops = Rpc(conn, add_member(conn, "operations", shop_of(conn).id))
    bring(conn, [stock(2, "S1", 1)], kind="products")
    bring(conn, [record(1, paid_at=TEN, **FAR), record(2), record(3, refund="done", paid_at=TEN)])
    assert opened(conn) == {"NO00001": ["remote"], "NO00002": ["out_of_stock"]}
    found = conn.execute("select id, version from order_exceptions where kind = 'remote'").fetchone()
    assert found is not None
    ops(
        "decide_exceptions",
        p_request_id=str(uuid.uuid4()),
        p_items=[{"id": found[0], "version": found[1]}],
        p_decision="cancelled",
        p_reason="undeliverable",
    )
    work_all(conn)
    assert opened(conn) == {}


def test_what_is_held_doubles_nothing_until_it_is_lifted(conn: Connection) -> None:
    ops = Rpc(conn, add_member(conn, "operations", shop_of(conn).id))
    bring(conn, [same(1, 0), same(2, 5)])
    assert kinds_of(conn, "duplicate") == ["1", "2"]
    ops("add_hold", p_request_id=str(uuid.uuid4()), p_items=refs(conn, 2), p_reason="customer_asked")
    work_all(conn)
    assert opened(conn) == {}
    ops("lift_hold", p_request_id=str(uuid.uuid4()), p_items=refs(conn, 2))
    assert kinds_of(conn, "duplicate") == ["1", "2"]


# --- what one order says ---


def test_unpaid_refund_and_remote(conn: Connection) -> None:
    bring(
        conn,
        [
            record(
                1,
                status="unpaid",
                paid_at=None,
                province="新疆维吾尔自治区",
                city="乌鲁木齐市",
                district="天山区",
                phone="1",
            ),
            record(2, refund="requested"),
            record(3, refund="done"),
            record(4, status="shipped", refund="requested"),
            record(5, status="closed", paid_at=None),
            record(6, province="海南省", city="儋州市", district=None, address="那大镇人民路1号"),
            record(
                7,
                province=None,
                city=None,
                district=None,
                address="内蒙古呼和浩特市新城区中山路1号海亮大厦3单元501",
            ),
        ],
    )
    assert opened(conn) == {
        "NO00001": ["unpaid"],
        "NO00002": ["refund_stop"],
        "NO00006": ["remote"],
        "NO00007": ["remote"],
    }
    assert evidence(conn, "NO00007", "remote") == {"province": "内蒙古自治区"}


def test_a_file_without_receivers_is_judged_by_three_rules_only(conn: Connection) -> None:
    bring(conn, [stock(2, "S1", 1)], kind="products")
    bare = {
        "receiver_known": False,
        "phone": None,
        "receiver": None,
        "address": None,
        "province": "新疆维吾尔自治区",
    }
    bring(conn, [record(1, **bare), record(2, **bare), record(3, refund="requested", items=(), **bare)])
    assert opened(conn) == {"NO00002": ["out_of_stock"], "NO00003": ["refund_stop"]}
    assert one(conn, "select bool_and(is_checked) from orders")


def test_a_masked_phone_does_not_block(conn: Connection) -> None:
    bring(conn, [record(1, phone="138****0001"), record(2, phone="123")])
    blocking = "select o.order_no, x.is_blocking from order_exceptions x join orders o on o.id = x.order_id order by 1"
    assert conn.execute(blocking).fetchall() == [("NO00001", False), ("NO00002", True)]
    assert one(conn, "select private.is_releasable(id) from orders where order_no = 'NO00001'")


def test_what_python_judged_counts_only_while_current(conn: Connection) -> None:
    bring(conn, [record(1, phone="123"), record(2)])
    conn.execute("update orders set checked_facts_hash = null")
    conn.execute("select private.evaluate_orders(array(select id from orders), private.now())")
    assert opened(conn) == {"NO00001": ["bad_phone"]}, (
        "nobody has looked at it anew, so nothing is known to be better"
    )
    conn.execute("update orders set status = 'shipped'")
    conn.execute("select private.evaluate_orders(array(select id from orders), private.now())")
    assert opened(conn) == {}


# --- decisions and facts ---


def decide(conn: Connection, order_no: str, state: str) -> None:
    conn.execute(
        """update order_exceptions x set state = %s, decided_at = now(), decided_as = 'manager', reason = 'checked'
           from orders o where o.id = x.order_id and o.order_no = %s""",
        (state, order_no),
    )


def test_a_waiver_holds_for_its_facts_and_no_others(conn: Connection) -> None:
    bring(conn, [record(1, phone="123")])
    decide(conn, "NO00001", "waived")
    bring(conn, [record(1, phone="123", platform_status="已打单")])
    assert opened(conn) == {}
    bring(conn, [record(1, phone="1234", platform_status="已打单")])
    assert opened(conn) == {"NO00001": ["bad_phone"]}
    row = conn.execute("select decided_at, decided_by, decided_as, reason from order_exceptions").fetchone()
    assert row == (None, None, None, None)


def test_a_waiver_of_a_duplicate_ends_when_another_one_comes(conn: Connection) -> None:
    bring(conn, [same(1, 0), same(2, 5)])
    for number in ("NO00001", "NO00002"):
        decide(conn, number, "waived")
    bring(conn, [same(3, 20)])
    assert kinds_of(conn, "duplicate") == ["1", "2", "3"]


def test_a_waiver_of_stock_outlives_a_count_that_changes_nothing(conn: Connection) -> None:
    bring(conn, [stock(2, "S1", 1)], kind="products")
    bring(conn, [record(1, items=(item(quantity=3),))])
    decide(conn, "NO00001", "waived")
    bring(conn, [stock(2, "S1", 2)], kind="products")
    assert opened(conn) == {}


@pytest.mark.parametrize(("state", "again"), [("fixed", True), ("cancelled", False), ("waived", False)])
def test_what_is_true_again_opens_again_unless_a_person_decided(
    conn: Connection, state: str, again: bool
) -> None:
    bring(conn, [record(1, phone="123")])
    decide(conn, "NO00001", state)
    conn.execute("select private.evaluate_orders(array(select id from orders), private.now())")
    assert bool(opened(conn)) is again


def test_waiting_for_the_customer_goes_on_while_the_facts_are_the_same(conn: Connection) -> None:
    bring(conn, [record(1, phone="123")])
    conn.execute("update order_exceptions set state = 'waiting_customer'")
    bring(conn, [record(1, phone="123", platform_status="已打单")])
    assert one(conn, "select state from order_exceptions") == "waiting_customer"
    bring(conn, [record(1)])
    assert conn.execute("select state, decided_as from order_exceptions").fetchone() == ("fixed", "system")


# --- rules as data ---


def manager(conn: Connection) -> Rpc:
    return Rpc(conn, add_member(conn, "manager", shop_of(conn).id))


def save(call: Rpc, kind: str, rule: Mapping[str, Any], version: int, shop_id: int | None = None) -> Any:
    request = str(uuid.uuid4())
    return call(
        "save_rule", p_shop_id=shop_id, p_kind=kind, p_rule=rule, p_version=version, p_request_id=request
    )


def test_a_shop_has_its_own_provinces(conn: Connection) -> None:
    two = add_shop(conn, "two")
    far = {"province": "青海省", "city": "西宁市", "district": "城东区"}
    bring(conn, [record(1, **far), record(2)])
    bring(conn, [record(3, **far)], shop=shop_of(conn, "two"))
    assert kinds_of(conn, "remote") == ["1", "3"]
    call = manager(conn)
    own = {"params": {"provinces": ["浙江"]}}
    assert call("preview_rule", p_shop_id=shop_of(conn).id, p_kind="remote", p_rule=own) == {
        "open": 1,
        "appear": 1,
        "vanish": 1,
        "rechecks": False,
    }
    assert kinds_of(conn, "remote") == ["1", "3"], "a preview changes nothing"
    assert one(conn, "select count(*) from exception_rules where shop_id is not null") == 0
    saved = save(call, "remote", own, 0, shop_of(conn).id)
    assert kinds_of(conn, "remote") == ["2", "3"]
    assert saved["waived_by"] == "reviewer", "what was not said is taken from the default"
    request = str(uuid.uuid4())
    call(
        "reset_rule",
        p_shop_id=shop_of(conn).id,
        p_kind="remote",
        p_version=saved["version"],
        p_request_id=request,
    )
    assert kinds_of(conn, "remote") == ["1", "3"]
    assert one(conn, "select count(*) from audit_events where entity = 'exception_rule'") == 2
    assert two


def test_a_rule_switched_off_finds_nothing(conn: Connection) -> None:
    bring(conn, [stock(2, "S1", 0)], kind="products")
    bring(conn, [record(1)])
    assert kinds_of(conn, "out_of_stock") == ["1"]
    preview = manager(conn)(
        "preview_rule", p_shop_id=None, p_kind="out_of_stock", p_rule={"is_active": False}
    )
    assert (preview["open"], preview["vanish"]) == (1, 1)
    save(manager(conn), "out_of_stock", {"is_active": False}, 1)
    assert opened(conn) == {}


def test_a_wider_window_is_found_at_once(conn: Connection) -> None:
    bring(conn, [same(1, 0), same(2, 45)])
    save(
        manager(conn),
        "duplicate",
        {"params": {"window_minutes": 60}, "severity": "high", "is_blocking": False},
        1,
    )
    rows = conn.execute("select kind, severity, is_blocking from order_exceptions").fetchall()
    assert rows == [("duplicate", "high", False)] * 2


def test_new_words_make_orders_unchecked_until_the_worker_has_read_them(conn: Connection) -> None:
    bring(conn, [record(1, seller_note="放火星仓"), record(2)])
    assert opened(conn) == {}
    save(manager(conn), "suspicious", {"params": {"keywords": ["火星仓"], "allow": []}}, 1)
    assert not one(conn, "select bool_or(private.is_releasable(id)) from orders"), (
        "nobody has judged them by these words"
    )
    worker = Worker(Rpc(conn), KEYRING)
    while jobs.run_once(worker):
        pass
    assert opened(conn) == {"NO00001": ["suspicious"]}
    assert one(conn, "select private.is_releasable(id) from orders where order_no = 'NO00002'")


def test_an_older_replica_does_not_undo_a_newer_version(conn: Connection) -> None:
    service = Rpc(conn)
    bring(conn, [record(1)])
    newer = service("service_announce_checks", p_version=1000)
    assert service("service_announce_checks", p_version=1) == newer
    assert not one(conn, "select private.is_releasable(id) from orders")
    bring(conn, [record(2)])
    assert not one(conn, "select bool_or(private.is_releasable(id)) from orders"), "judged by the old program"
    assert (
        one(conn, "select count(*) from private.jobs where kind = 'recheck_orders' and state = 'queued'") == 1
    )


BAD_RULES = [
    ("duplicate", {"params": {"window_minutes": 0}}, "rule.bad_params"),
    ("duplicate", {"params": {"window_minutes": "30"}}, "rule.bad_params"),
    ("duplicate", {"params": {}}, "rule.bad_params"),
    ("same_ip", {"params": {"orders": 1, "minutes": 60, "accounts": 2}}, "rule.bad_params"),
    ("remote", {"params": {"provinces": [""]}}, "rule.bad_params"),
    ("suspicious", {"params": {"keywords": ["x" * 41], "allow": []}}, "rule.bad_params"),
    ("bad_phone", {"params": {"x": 1}}, "rule.bad_params"),
    ("unpaid", {"waived_by": "reviewer"}, "rule.bad_value"),
    ("refund_stop", {"waived_by": "manager"}, "rule.bad_value"),
    ("remote", {"waived_by": "anybody"}, "rule.bad_value"),
    ("remote", {"severity": "extreme"}, "rule.bad_value"),
    ("nothing", {}, "rule.none"),
]


def test_rules_out_of_range_are_refused(conn: Connection) -> None:
    call = manager(conn)
    before = conn.execute("select * from exception_rules order by id").fetchall()
    for kind, rule, key in BAD_RULES:
        for attempt in (
            lambda kind=kind, rule=rule: save(call, kind, rule, 1),
            lambda kind=kind, rule=rule: call("preview_rule", p_shop_id=None, p_kind=kind, p_rule=rule),
        ):
            with pytest.raises(AppError) as refused:
                attempt()
            assert refused.value.key == key, (kind, rule)
    assert conn.execute("select * from exception_rules order by id").fetchall() == before


def test_of_two_editors_the_second_is_refused(conn: Connection) -> None:
    call = manager(conn)
    save(call, "remote", {"severity": "high"}, 1)
    with pytest.raises(AppError, match=r"rule\.stale"):
        save(call, "remote", {"severity": "normal"}, 1)
    assert one(conn, "select severity from exception_rules where kind = 'remote'") == "high"


@pytest.mark.parametrize("role", ["agent", "warehouse", "operations", "analyst", "admin"])
def test_only_managers_change_rules(conn: Connection, role: str) -> None:
    shop = shop_of(conn).id
    save(manager(conn), "remote", {}, 0, shop)
    call = Rpc(conn, add_member(conn, role, shop))
    before = conn.execute("select id, version, is_active from exception_rules order by id").fetchall()
    request = str(uuid.uuid4())
    attempts = [
        (
            "save_rule",
            {"p_shop_id": None, "p_rule": {"is_active": False}, "p_version": 1, "p_request_id": request},
        ),
        ("preview_rule", {"p_shop_id": None, "p_rule": {"is_active": False}}),
        ("reset_rule", {"p_shop_id": shop, "p_version": 1, "p_request_id": request}),
    ]
    for name, params in attempts:
        with pytest.raises(AppError, match=r"member\.role"):
            call(name, p_kind="remote", **params)
    assert conn.execute("select id, version, is_active from exception_rules order by id").fetchall() == before


def test_a_manager_changes_no_rule_of_another_shop(conn: Connection) -> None:
    two = add_shop(conn, "two")
    with pytest.raises(AppError, match=r"shop\.none"):
        save(manager(conn), "remote", {"is_active": False}, 0, two)
    assert one(conn, "select count(*) from exception_rules where shop_id is not null") == 0
