"""价保: golden cases of the calculation, its refusals to the second, and what a second claim still gets."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.sql.desk import NOON, Connection, ask, at, one, refusal
from tests.sql.test_authority import cancel, decide, floor, request

SKU = "SKU011"
DAY = timedelta(days=1)


@pytest.fixture
def desk(db: Connection) -> Connection:
    floor(db)
    db.execute("update shops set platform = 'taobao' where code = 'one'")
    return db


def bought(
    conn: Connection,
    number: str,
    price: float | None = 200,
    *,
    quantity: int = 1,
    sku: str = SKU,
    placed: datetime = NOON - 4 * DAY,
    signed: datetime | None = NOON - 2 * DAY,
    amount: float | None = None,
    status: str = "completed",
    refund: str = "none",
) -> int:
    """An order of one product."""
    order_id = one(
        conn,
        """insert into orders (shop_id, order_no, platform_status, status, refund, amount, facts_hash, content_hash, buyer_account,
               placed_at, paid_at, shipped_at, signed_at)
           select id, %s, 'x', %s, %s, %s, 'f', 'c', %s, %s, %s, %s, %s from shops where code = 'one' returning id""",
        number, status, refund, amount if amount is not None else (price or 0) * quantity, f"buyer_{number}", placed, placed,
        placed + timedelta(hours=1), signed,
    )  # fmt: skip
    conn.execute(
        "insert into order_items (order_id, shop_id, line_no, sku, name, quantity, unit_price) select id, shop_id, 1, %s, 'x', %s, %s from orders where id = %s",
        (sku, quantity, price, order_id),
    )
    return int(order_id)


def sold_today(
    conn: Connection, price: float, number: str = "TODAY", moment: datetime = NOON - timedelta(hours=1)
) -> None:
    """Somebody buys the product today at this price."""
    bought(conn, number, price, placed=moment, signed=None, status="to_ship")


def claim(
    conn: Connection, order_id: int, *, sku: str | None = SKU, registered: datetime = NOON, owner: str = "ann"
) -> int:
    """A ticket of price protection."""
    return int(
        one(
            conn,
            """insert into tickets (shop_id, type, state, order_id, sku, buyer_account, owner_id, registered_at)
               select o.shop_id, 'price_protection', 'in_progress', o.id, %s, o.buyer_account, m.id, %s
               from orders o, members m where o.id = %s and m.staff_no = %s returning id""",
            sku, registered, order_id, owner,
        )
    )  # fmt: skip


def preview(conn: Connection, order_id: int, **p: Any) -> Any:
    """The calculator."""
    return ask(conn, "ann", "preview_price_protection", {"order_id": order_id, "sku": SKU, **p})


def grant(conn: Connection, ticket_id: int, **p: Any) -> Any:
    """The handler grants what is computed."""
    return request(conn, ticket_id, kind="price_protection", reason="七天内降价", **p)


def test_200_to_150_is_50(desk: Connection) -> None:
    o = bought(desk, "P1")
    sold_today(desk, 150)
    shown = preview(desk, o)
    picked = {
        k: shown.get(k)
        for k in ("old", "new", "new_source", "difference", "paid_before", "payable", "days", "refusal")
    }
    assert picked == {
        "old": 200,
        "new": 150,
        "new_source": "orders",
        "difference": 50,
        "paid_before": 0,
        "payable": 50,
        "days": 2,
        "refusal": None,
    }
    answer = grant(desk, claim(desk, o), amount="9999")  # what is typed does not count
    assert (answer["amount"], answer["state"], answer["limit"]) == (50, "granted", None)


def test_golden_calculations(desk: Connection) -> None:
    """price, quantity, paid for the order, price now -> paid for one, payable."""
    cases: dict[str, tuple[float, int, float, float, float, float]] = {
        "three pieces": (200, 3, 600, 150, 200, 150),
        "a coupon on the order": (200, 1, 180, 150, 180, 30),
        "freight on top is not paid back": (200, 1, 212, 150, 200, 50),
        "above every other limit": (9000, 1, 9000, 7000, 9000, 2000),
        "cents": (19.99, 3, 59.97, 18.88, 19.99, 3.33),
    }
    wrong = {}
    for n, (name, (price, quantity, paid, now, one_piece, payable)) in enumerate(cases.items()):
        sku = f"G{n}"
        o = bought(desk, f"G{n}", price, quantity=quantity, amount=paid, sku=sku)
        bought(desk, f"GT{n}", now, sku=sku, placed=NOON - timedelta(hours=1), signed=None, status="to_ship")
        shown = preview(desk, o, sku=sku)
        answer = grant(desk, claim(desk, o, sku=sku))
        if (shown["old"], shown["payable"], answer["amount"], answer["state"]) != (
            one_piece,
            payable,
            payable,
            "granted",
        ):
            wrong[name] = shown
    assert wrong == {}


def test_seven_times_24_hours_to_the_second(desk: Connection) -> None:
    o = bought(desk, "D1", signed=NOON - 7 * DAY, placed=NOON - 9 * DAY)
    sold_today(desk, 150)
    assert (preview(desk, o)["payable"], preview(desk, o)["days"]) == (50, 7)
    at(desk, NOON + timedelta(seconds=1))
    late = preview(desk, o)
    assert (late["refusal"], late["days"]) == ("price.too_late", 8)
    with refusal("PT422", "price.too_late"):
        grant(desk, claim(desk, o, registered=NOON + timedelta(seconds=1)))
    # who asked in time and is handled later loses nothing, and gains no drop of afterwards
    t = claim(desk, o, registered=NOON)
    at(desk, NOON + 2 * DAY)
    sold_today(desk, 20, "LATER", NOON + 2 * DAY - timedelta(minutes=5))
    assert grant(desk, t)["amount"] == 50


def test_refusals(desk: Connection) -> None:
    sold_today(desk, 150)
    normal = bought(desk, "R0")
    unknown = bought(desk, "R1", sku="LONELY")
    cases = {
        "another product": (preview(desk, normal, sku="SKU012"), "price.other_product"),
        "no product named": (preview(desk, normal, sku=" "), "price.no_sku"),
        "unpaid": (preview(desk, bought(desk, "R2", status="unpaid")), "price.order_state"),
        "refunded": (preview(desk, bought(desk, "R3", refund="done")), "price.order_state"),
        "price not known": (preview(desk, bought(desk, "R4", None)), "price.unknown_paid"),
        "dearer now": (preview(desk, bought(desk, "R5", 140)), "price.not_lower"),
        "same price": (preview(desk, bought(desk, "R6", 150)), "price.not_lower"),
        "sold by nobody today": (preview(desk, unknown, sku="LONELY"), "price.unknown_now"),
        "not signed for": (preview(desk, bought(desk, "R7", signed=None)), "price.not_signed"),
        "typed without proof": (
            preview(desk, bought(desk, "R8", signed=None), signed_at=(NOON - DAY).isoformat()),
            "price.proof_missing",
        ),
        "signed before it was shipped": (
            preview(
                desk, bought(desk, "R9", signed=None), signed_at=(NOON - 5 * DAY).isoformat(), evidence=[1]
            ),
            "price.signed_range",
        ),
        "signed tomorrow": (
            preview(desk, bought(desk, "RA", signed=None), signed_at=(NOON + DAY).isoformat(), evidence=[1]),
            "price.signed_range",
        ),
        "signed on no day": (
            preview(desk, bought(desk, "RB", signed=None), signed_at="gestern", evidence=[1]),
            "price.signed_range",
        ),
        "typed with proof": (
            preview(desk, bought(desk, "RC", signed=None), signed_at=(NOON - DAY).isoformat(), evidence=[1]),
            None,
        ),
        "the shipments know better": (
            preview(
                desk,
                bought(desk, "RD", signed=NOON - 8 * DAY, placed=NOON - 9 * DAY),
                signed_at=(NOON - DAY).isoformat(),
                evidence=[1],
            ),
            "price.too_late",
        ),
    }
    assert {name: shown.get("refusal") for name, (shown, _) in cases.items()} == {
        name: key for name, (_, key) in cases.items()
    }
    desk.execute("update shops set platform = 'douyin' where code = 'one'")
    assert preview(desk, normal)["refusal"] == "price.platform"
    ask(desk, "mgr", "save_price_platform", "douyin", True, 15, 1, uuid.uuid4())
    assert (preview(desk, normal)["payable"], preview(desk, normal)["allowed_days"]) == (50, 15)
    for who in ("ann", "ops", "adm"):
        with refusal("PT403", "member.role"):
            ask(desk, who, "save_price_platform", "douyin", False, 7, 2, uuid.uuid4())
    with refusal("PT409", "authority.stale"):
        ask(desk, "mgr", "save_price_platform", "douyin", False, 7, 1, uuid.uuid4())
    with refusal("PT404", "order.none"):
        ask(desk, "far", "preview_price_protection", {"order_id": normal, "sku": SKU})


def test_the_price_table_says_what_no_order_of_today_does(desk: Connection) -> None:
    o = bought(desk, "T1")
    desk.execute(
        "insert into products (stock_pool_id, sku, name) select id, %s, 'x' from stock_pools where name = '仓'",
        (SKU,),
    )
    desk.execute(
        """insert into offer_rules (kind, name, sku, list_price, agent_price, valid_from, state, author_id, decided_by, decided_at, created_at)
           select 'price', '价', %s, 170, 170, private.now() - interval '1 day', 'approved', a.id, b.id, private.now() - interval '1 day', private.now()
           from members a, members b where a.staff_no = 'ops' and b.staff_no = 'mgr'""",
        (SKU,),
    )
    assert (preview(desk, o)["new"], preview(desk, o)["new_source"]) == (170, "table")
    sold_today(desk, 150)
    sold_today(desk, 160, "NEWER", NOON - timedelta(minutes=1))
    sold_today(desk, 90, "YESTERDAY", NOON - DAY)
    assert (preview(desk, o)["new"], preview(desk, o)["new_source"]) == (160, "orders")


def test_a_second_claim_gets_the_further_drop_alone(desk: Connection) -> None:
    o = bought(desk, "S1", quantity=2)
    sold_today(desk, 150)
    first = grant(desk, claim(desk, o))
    assert first["amount"] == 100
    with refusal("PT422", "price.paid_before"):
        grant(desk, claim(desk, o, owner="ben"), who="ben")
    sold_today(desk, 130, "LOWER", NOON - timedelta(minutes=5))
    second = grant(desk, claim(desk, o, owner="ben"), who="ben")
    assert (second["amount"], second["facts"]["paid_before"]) == (40, 100)
    cancel(desk, first["id"])
    assert preview(desk, o)["payable"] == 100


def test_a_complaint_asks_the_lead_and_nothing_is_asked_in_return(desk: Connection) -> None:
    o = bought(desk, "C1")
    sold_today(desk, 150)
    t = claim(desk, o)
    for reason in ("五星好评后退差价", "客户已给好评", "请先晒图"):
        with refusal("PT422", "money.good_review"):
            request(desk, t, kind="price_protection", reason=reason)
    desk.execute("update tickets set is_complaint = true where id = %s", (t,))
    asked = grant(desk, t)
    assert (asked["why"], asked["state"]) == (["complaint"], "requested")
    assert decide(desk, asked["approval_id"], "sup")["state"] == "approved"
