"""纠纷处理权限表: who may grant which money of a ticket, and every way round it."""

from __future__ import annotations

import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.desk import BODY, NOON, Connection, as_member, ask, one, open_floor, refusal, refused, row
from tests.sql.desk import user_id as account
from tests.support import as_role


@pytest.fixture
def desk(db: Connection) -> Connection:
    floor(db)
    return db


def floor(conn: Connection) -> None:
    """The small sales floor; sup (800) leads the shift, mgr (2,000) is a manager, adm the admin."""
    open_floor(conn)
    for name, limit in (("sup", 800), ("boss", 5000)):
        conn.execute(
            """with m as (insert into members (user_id, staff_no, display_name, role, state, approval_limit)
                 values (%s, %s, %s, 'manager', 'active', %s) returning id)
               insert into member_shops select m.id, s.id from m, shops s where s.code = 'one'""",
            (account(name), name, name, limit),
        )
    conn.execute("update members set approval_limit = 2000 where staff_no = 'mgr'")
    conn.execute("update members set skills = '{aftersales}' where staff_no in ('ann', 'ben')")
    lead(conn, "sup")


def lead(conn: Connection, *names: str) -> None:
    """These people are 当班主管 now, nobody else."""
    conn.execute("update members set duty_lead_until = null")
    conn.execute(
        "update members set duty_lead_until = private.now() + interval '4 hours' where staff_no = any(%s)",
        (list(names),),
    )


def order(
    conn: Connection,
    number: str,
    *,
    amount: int = 300,
    buyer: str | None = "buyer_1",
    phone: str | None = None,
) -> int:
    """An order that was signed for yesterday."""
    contact = None
    if phone:
        contact = one(conn, "select nextval('private.contact_ids')")
        conn.execute(
            "insert into private.contacts (id, kind, phone_cipher, phone_hash) values (%s, 'order', %s, %s)",
            (contact, BODY, phone * 64),
        )
    return int(
        one(
            conn,
            """insert into orders (shop_id, order_no, platform_status, status, amount, facts_hash, content_hash, buyer_account,
                   contact_id, placed_at, paid_at, shipped_at, signed_at)
               select id, %s, '交易成功', 'completed', %s, 'f', 'c', %s, %s, private.now() - interval '3 days',
                   private.now() - interval '3 days', private.now() - interval '2 days', private.now() - interval '1 day'
               from shops where code = 'one' returning id""",
            number, amount, buyer, contact,
        )
    )  # fmt: skip


def ticket(conn: Connection, order_id: int | None = None, *, owner: str = "ann", kind: str = "quality", complaint: bool = False,
           buyer: str | None = None) -> int:  # fmt: skip
    """A ticket in progress."""
    return int(
        one(
            conn,
            """insert into tickets (shop_id, type, state, order_id, buyer_account, owner_id, is_complaint, registered_at)
               select s.id, %s, 'in_progress', o.id, coalesce(%s, o.buyer_account), m.id, %s, private.now()
               from shops s left join orders o on o.id = %s, members m where s.code = 'one' and m.staff_no = %s returning id""",
            kind, buyer, complaint, order_id, owner,
        )
    )  # fmt: skip


def request(
    conn: Connection,
    ticket_id: int,
    amount: Any = None,
    *,
    who: str = "ann",
    kind: str = "compensation",
    **more: Any,
) -> Any:
    """Ask for money as a page would; answers with the answer."""
    version = one(conn, "select version from tickets where id = %s", ticket_id)
    p = {"kind": kind, "reason": "屏幕划痕", **({} if amount is None else {"amount": str(amount)}), **more}
    return ask(conn, who, "request_money", ticket_id, version, p, uuid.uuid4())


def decide(
    conn: Connection, approval_id: int, who: str, approve: bool = True, reason: str | None = None
) -> Any:
    """Decide an approval with the version it has."""
    version = one(conn, "select version from approvals where id = %s", approval_id)
    return ask(
        conn,
        who,
        "decide_approval",
        approval_id,
        version,
        approve,
        reason or (None if approve else "金额过高"),
        uuid.uuid4(),
    )


def change(conn: Connection, money_id: int, who: str = "ann", **p: Any) -> Any:
    """Change money with the version it has."""
    return ask(
        conn,
        who,
        "change_money",
        money_id,
        one(conn, "select version from ticket_money where id = %s", money_id),
        p,
        uuid.uuid4(),
    )


def cancel(conn: Connection, money_id: int, who: str = "ann") -> Any:
    """Take money back."""
    version = one(conn, "select version from ticket_money where id = %s", money_id)
    return ask(conn, who, "cancel_money", money_id, version, "客户不要了", uuid.uuid4())


def pay(conn: Connection, money_id: int, who: str = "ann") -> Any:
    """Note that money was paid."""
    version = one(conn, "select version from ticket_money where id = %s", money_id)
    return ask(conn, who, "mark_paid", money_id, version, "支付宝 1", uuid.uuid4())


def money(conn: Connection, money_id: int) -> Any:
    """State, amount and approved amount."""
    return row(
        conn, "select state, amount::float, approved_amount::float from ticket_money where id = %s", money_id
    )


def version_of(conn: Connection, ticket_id: int) -> dict[str, int]:
    """A ticket as a page names it."""
    return {"id": ticket_id, "version": one(conn, "select version from tickets where id = %s", ticket_id)}


def events(conn: Connection, ticket_id: int) -> list[str]:
    """What the history of a ticket says, money only."""
    return [
        r[0]
        for r in conn.execute(
            "select action from audit_events where entity = 'ticket' and entity_id = %s and (action like 'money%%' or action like 'approval%%') order by id",
            (ticket_id,),
        ).fetchall()
    ]


# --- the limits ---


def test_the_limits_are_inclusive_and_of_their_kind(desk: Connection) -> None:
    cases: list[tuple[str, str, int, Any, list[str]]] = [
        ("500 are mine", "compensation", 300, 500, []),
        ("a cent more is not", "compensation", 300, "500.01", ["over_order", "over_customer"]),
        ("refund only 500", "refund_only", 600, 500, []),
        ("refund only above", "refund_only", 600, "500.01", ["over_order"]),
        ("all that was paid goes back", "refund_only", 300, 300, []),
        ("more than was paid", "refund_only", 300, "300.01", ["over_value"]),
        ("reship up to the order", "reship", 300, 300, []),
        ("reship above the order", "reship", 300, "300.01", ["over_order"]),
        ("return refund without goods", "return_refund", 300, 10, ["goods_not_received"]),
    ]
    wrong = []
    for n, (name, kind, worth, amount, why) in enumerate(cases):
        o = order(desk, f"L{n}", amount=worth, buyer=f"b{n}")
        answer = request(desk, ticket(desk, o), amount, kind=kind)
        if (answer["why"], answer["state"]) != (why, "requested" if why else "granted"):
            wrong.append((name, answer["why"], answer["state"]))
    assert wrong == []


def test_a_return_with_goods_goes_to_2000(desk: Connection) -> None:
    for n, (amount, why) in enumerate(((2000, []), ("2000.01", ["over_order"]))):
        t = ticket(desk, order(desk, f"R{n}", amount=3000, buyer=f"r{n}"), kind="return")
        desk.execute(
            """insert into ticket_returns (ticket_id, shop_id, state, applied_at, received_at, quality)
               select id, shop_id, 'received', private.now(), private.now(), 'good' from tickets where id = %s""",
            (t,),
        )
        assert request(desk, t, amount, kind="return_refund")["why"] == why
    # what went back without the goods counts: 3,000 were paid, 2,000 are back for them
    back = ticket(desk, one(desk, "select order_id from tickets where id = %s", t))
    assert request(desk, back, 400, kind="refund_only")["why"] == []
    assert request(desk, back, 100, kind="refund_only")["why"] == []
    assert request(desk, back, 1001, kind="refund_only")["why"] == ["over_order", "over_value"]


def test_a_complaint_goes_to_the_lead_at_any_amount(desk: Connection) -> None:
    t = ticket(desk, order(desk, "C1"), complaint=True)
    answer = request(desk, t, 0)
    assert (answer["why"], answer["ticket_state"]) == (["complaint"], "pending_approval")
    assert answer["approvers"][0]["name"] == "sup"
    calm = ticket(desk, order(desk, "C2", buyer="b2"))
    with refusal("PT422", "money.amount"):
        request(desk, calm, 0)
    # taking the flag away again does not take the money away from the lead; a manager may
    desk.execute("update tickets set type = 'public_complaint' where id = %s", (calm,))
    desk.execute("update tickets set type = 'service' where id = %s", (calm,))
    assert request(desk, calm, 5)["why"] == ["complaint"]


def test_a_gift_counts_at_its_cost_and_is_packed(desk: Connection) -> None:
    desk.execute(
        "insert into products (stock_pool_id, sku, name) select id, 'GIFT', '杯子' from stock_pools where name = '仓'"
    )
    desk.execute(
        """insert into offer_rules (kind, name, gift_sku, gift_name, cost, valid_from, state, author_id, decided_by, decided_at, created_at)
           select 'gift', '杯子', 'GIFT', '杯子', 15, private.now() - interval '1 day', 'approved', a.id, b.id,
               private.now() - interval '1 day', private.now() - interval '1 day'
           from members a, members b where a.staff_no = 'ops' and b.staff_no = 'mgr'"""
    )
    o = order(desk, "G1")
    t = ticket(desk, o)
    answer = request(desk, t, kind="gift", gift_sku="GIFT", gift_quantity=2)
    assert (answer["amount"], answer["state"]) == (30, "granted")
    assert one(desk, "select quantity from order_gifts where order_id = %s and cancelled_at is null", o) == 2
    assert request(desk, t, "470.01")["why"] == ["over_order", "over_customer"]
    cancel(desk, answer["id"])
    assert one(desk, "select count(*) from order_gifts where cancelled_at is null") == 0
    with refusal("PT422", "money.gift"):
        request(desk, t, kind="gift", gift_sku="NONE")
    # the right order is named: the promise goes with it, once; packed it stays what it was, whatever is merged
    t = ticket(desk, order(desk, "G2", buyer="g2"))
    kept = request(desk, t, kind="gift", gift_sku="GIFT", gift_quantity=1)
    other = order(desk, "G3")
    ask(desk, "mgr", "link_ticket", t, version_of(desk, t)["version"], other, uuid.uuid4())
    promised = "select order_id, packed_at is not null from order_gifts where cancelled_at is null"
    assert (money(desk, kept["id"])[0], desk.execute(promised).fetchall()) == ("granted", [(other, False)])
    desk.execute("update order_gifts set packed_at = private.now() where cancelled_at is null")
    dear = ticket(desk, order(desk, "G4"))
    request(desk, dear, 490, who="ann")
    merge(desk, t, dear)
    assert (money(desk, kept["id"])[0], desk.execute(promised).fetchall()) == ("granted", [(other, True)])


# --- ways round it ---


def test_every_way_to_split_is_added_up(desk: Connection) -> None:
    """Each: 300 stand already; the next 300 must be asked, whatever is done in between."""
    o = order(desk, "S1", phone="k")
    first = ticket(desk, o)
    assert request(desk, first, 300)["state"] == "granted"
    other_order = order(desk, "S2", buyer="buyer_1")
    other_account = order(desk, "S3", buyer="another_account", phone="k")
    ways = {
        "again on the same ticket": first,
        "another ticket of the order": ticket(desk, o),
        "another handler": ticket(desk, o, owner="ben"),
        "another order of the account": ticket(desk, other_order),
        "another account with the same phone": ticket(desk, other_account),
        "a ticket with the account alone": ticket(desk, buyer="buyer_1"),
        "a ticket with the other account alone": ticket(desk, buyer="another_account"),
    }
    wrong = {}
    for name, t in ways.items():
        answer = request(desk, t, 300, who="ben" if name == "another handler" else "ann")
        if answer["state"] != "requested" or "over_customer" not in answer["why"]:
            wrong[name] = answer["why"]
        if events(desk, t)[-1] != "money_requested":
            wrong[name] = events(desk, t)
        cancel(desk, answer["id"], "ben" if name == "another handler" else "ann")
    assert wrong == {}
    # a kind that counts per order counts per customer where no order is linked
    for n in (1, 2):
        answer = request(desk, ticket(desk, buyer="buyer_1"), 300, kind="refund_only")
        assert answer["why"] == ([] if n == 1 else ["over_customer"])
    # nobody known: nothing can be added up, so somebody else looks
    assert request(desk, ticket(desk, buyer="never_seen"), 5)["why"] == ["no_order"]


def test_ninety_days_of_a_customer_and_an_order_for_ever(desk: Connection) -> None:
    o = order(desk, "N1")
    request(desk, ticket(desk, o), 300)
    desk.execute("update ticket_money set counted_at = private.now() - interval '90 days'")
    assert request(desk, ticket(desk, order(desk, "N2")), 300)["why"] == ["over_customer"]
    desk.execute("update ticket_money set state = 'cancelled' where state = 'requested'")
    desk.execute("update approvals set state = 'withdrawn', decided_at = private.now()")
    desk.execute("update ticket_money set counted_at = private.now() - interval '90 days 1 second'")
    assert request(desk, ticket(desk, order(desk, "N3")), 300)["state"] == "granted"
    assert request(desk, ticket(desk, o), 300)["why"][0] == "over_order"


def test_pending_counts_cancelled_and_rejected_do_not(desk: Connection) -> None:
    o = order(desk, "P1")
    pending = request(desk, ticket(desk, o), 600)
    assert request(desk, ticket(desk, o), 10)["why"] == ["over_order", "over_customer"]
    cancel(desk, pending["id"])
    assert one(desk, "select state from approvals where money_id = %s", pending["id"]) == "withdrawn"
    t = ticket(desk, o)
    assert request(desk, t, 490)["state"] == "granted"  # 10 are still asked for
    assert request(desk, t, "0.01")["state"] == "requested"


def test_a_rejected_amount_does_not_come_back_smaller(desk: Connection) -> None:
    o = order(desk, "J1")
    t = ticket(desk, o)
    decide(desk, request(desk, t, 600)["approval_id"], "sup", approve=False)
    assert one(desk, "select state from tickets where id = %s", t) == "in_progress"
    assert request(desk, t, 500)["why"] == ["rejected_before"]
    assert request(desk, ticket(desk, o, owner="ben"), 1, who="ben")["why"][-1] == "rejected_before"


def test_editing_afterwards_is_judged_anew(desk: Connection) -> None:
    t = ticket(desk, order(desk, "E1"))
    small = request(desk, t, 400)
    raised = change(desk, small["id"], amount="600")
    assert (raised["state"], raised["why"], raised["ticket_state"]) == (
        "requested",
        ["over_order", "over_customer"],
        "pending_approval",
    )
    decide(desk, raised["approval_id"], "sup")
    assert money(desk, small["id"]) == ("approved", 600, 600)
    for amount in ("601", "599", "100"):  # approved for one amount: any other is asked again
        again = change(desk, small["id"], amount=amount)
        assert (again["state"], "changed_after_approval" in again["why"]) == ("requested", True)
        assert money(desk, small["id"])[2] is None
        refused_payment = pay(desk, small["id"])
        assert refused_payment["refused"]["key"] == "money.not_approved"
        decide(desk, again["approval_id"], "sup")
    assert pay(desk, small["id"])["state"] == "paid"
    assert change(desk, small["id"], amount="900")["refused"]["key"] == "money.paid"
    assert money(desk, small["id"]) == ("paid", 100, 100)
    assert events(desk, t)[-2:] == ["money_paid", "money_change_refused"]
    with pytest.raises(psycopg.errors.CheckViolation):
        desk.execute("update ticket_money set amount = 5000 where id = %s", (small["id"],))


def test_a_merge_and_another_order_count_with_what_they_bring(desk: Connection) -> None:
    one_order, other = order(desk, "M1", buyer="m1"), order(desk, "M2", buyer="m2")
    a, b = ticket(desk, one_order), ticket(desk, other)
    first, second = request(desk, a, 300), request(desk, b, 300)
    assert (first["state"], second["state"]) == ("granted", "granted")
    with refusal(
        "PT409", "ticket.merge_buyer"
    ):  # two accounts: only who leads says that they are one customer
        ask(desk, "ann", "merge_tickets", version_of(desk, b), version_of(desk, a), uuid.uuid4())
    assert row(desk, "select state, merged_into_id from tickets where id = %s", b)[1] is None
    assert money(desk, second["id"])[0] == "granted"
    ask(desk, "mgr", "merge_tickets", version_of(desk, b), version_of(desk, a), uuid.uuid4())
    assert row(desk, "select ticket_id, state from ticket_money where id = %s", second["id"]) == (
        a,
        "requested",
    )
    assert "money_judged_anew" in events(desk, a)
    # the order is taken off the ticket, or exchanged: the old one still counts
    o, dear = order(desk, "M3", buyer="m3"), order(desk, "M4", amount=9000, buyer="m4")
    c = ticket(desk, o)
    request(desk, c, 300)
    desk.execute("update tickets set order_id = null, buyer_account = 'm9' where id = %s", (c,))
    assert "over_order" in request(desk, c, 300)["why"]
    d = ticket(desk, o)
    assert "over_order" in request(desk, d, 300)["why"]
    # a dearer order raises the limit of a reshipment for what is asked after it, and what was approved is asked again
    e = ticket(desk, dear)
    approved = request(desk, e, 600)
    decide(desk, approved["approval_id"], "sup")
    cheap = order(desk, "M5", buyer="m5")
    with refusal("PT403", "ticket.order_fixed"):
        ask(desk, "ann", "link_ticket", e, version_of(desk, e)["version"], cheap, uuid.uuid4())
    assert money(desk, approved["id"])[0] == "approved"
    ask(desk, "mgr", "link_ticket", e, version_of(desk, e)["version"], cheap, uuid.uuid4())
    assert money(desk, approved["id"])[0] == "requested"


def received(conn: Connection, ticket_id: int, state: str = "received", refund: float | None = None) -> None:
    """The goods of a ticket came."""
    conn.execute(
        """insert into ticket_returns (ticket_id, shop_id, state, applied_at, received_at, quality, refund_amount, ended_at)
           select id, shop_id, %s, private.now(), private.now(), 'good', %s, case when %s = 'done' then private.now() end
           from tickets where id = %s""",
        (state, refund, state, ticket_id),
    )


def merge(conn: Connection, source: int, target: int) -> None:
    ask(conn, "mgr", "merge_tickets", version_of(conn, source), version_of(conn, target), uuid.uuid4())


def test_a_refund_that_is_over_is_neither_asked_nor_paid_again_by_a_merge(desk: Connection) -> None:
    def return_step(name: str, ticket_id: int, **p: Any) -> Any:
        known = one(desk, "select version from tickets where id = %s", ticket_id)
        return ask(desk, "ann", name, ticket_id, known, p, uuid.uuid4())

    o = order(desk, "MR", amount=2500, buyer="mr")
    done, into = ticket(desk, o, kind="return"), ticket(desk, o, kind="return")
    received(desk, done)
    refund = request(desk, done, 1500, kind="return_refund")
    assert refund["state"] == "granted"
    return_step("start_refund", done, amount="1500")
    return_step("finish_return", done)
    assert money(desk, refund["id"])[0] == "paid"  # arrived is paid: nobody notes it a second time
    merge(desk, done, into)
    kept = row(desk, "select ticket_id, state from ticket_money where id = %s", refund["id"])
    assert kept == (into, "paid")
    assert one(desk, "select state from tickets where id = %s", into) == "in_progress"
    # what went back once is no money for the goods of the second case, which has to ask for its own
    received(desk, into)
    with refusal("PT409", "return.not_granted"):
        return_step("start_refund", into, amount="1500")
    second = request(desk, into, 501, kind="return_refund")
    assert second["why"] == ["over_order"]  # 2,001 of 2,000 on the order
    # granted with the goods here, not paid yet: the goods that came for it are not asked for again
    o = order(desk, "MG", amount=2500, buyer="mg")
    half, into = ticket(desk, o, kind="return"), ticket(desk, o)
    received(desk, half, "done", 100)
    granted = request(desk, half, 300, kind="return_refund")
    merge(desk, half, into)
    assert money(desk, granted["id"])[0] == "granted"
    assert request(desk, into, 10, kind="return_refund")["why"] == [
        "goods_not_received"
    ]  # for others they did not come


def test_gifts_promised_past_the_table_count(desk: Connection) -> None:
    o = order(desk, "GP")
    desk.execute(
        """insert into order_gifts (order_id, shop_id, name, quantity, cost, goes_with, source, promised_at)
           select id, shop_id, '杯子', 1, 450, 'later', 'order', private.now() from orders where id = %s""",
        (o,),
    )
    assert request(desk, ticket(desk, o), 51)["why"] == ["over_order", "over_customer"]


# --- how a case ends ---


def end(conn: Connection, ticket_id: int, outcome: str, who: str = "ann") -> str:
    """Resolve a ticket as a page would: its state, or the key of the refusal, after which nothing has changed."""
    before = row(conn, "select t::text from tickets t where id = %s", ticket_id)
    p = {"outcome": outcome, "solution": "已处理", "contact": "phone"}
    shown = version_of(conn, ticket_id)["version"]
    try:
        ask(conn, who, "resolve_ticket", ticket_id, shown, p, uuid.uuid4())
    except psycopg.Error as error:
        assert row(conn, "select t::text from tickets t where id = %s", ticket_id) == before
        return refused(error)[1]
    return str(one(conn, "select state from tickets where id = %s", ticket_id))


OUTCOMES = {
    "refunded": ("refund_only", "compensation"),
    "return_refunded": ("return_refund", "refund_only"),
    "compensated": ("compensation", "refund_only"),
    "reshipped": ("reship", "compensation"),
}


def test_an_outcome_that_costs_money_needs_money_of_its_kind(desk: Connection) -> None:
    wrong = []
    for outcome, (kind, other) in OUTCOMES.items():
        t = ticket(desk, order(desk, outcome, buyer=outcome))
        found = [end(desk, t, outcome)]
        request(desk, t, 20, kind=other)
        found.append(end(desk, t, outcome))
        given = request(desk, t, 600, kind=kind)
        found.append(end(desk, t, outcome))
        decide(desk, given["approval_id"], "sup", approve=False)
        found.append(end(desk, t, outcome))
        again = request(desk, t, 600, kind=kind)
        decide(desk, again["approval_id"], "sup")
        found.append(end(desk, t, outcome))
        missing = "ticket.money_missing"
        if found != [missing, missing, "ticket.wrong_state", missing, "revisit"]:
            wrong.append((outcome, found))
    for outcome in ("exchanged", "repaired", "explained", "refused", "withdrawn", "invoiced", "other"):
        if (ended := end(desk, ticket(desk, order(desk, outcome, buyer=outcome)), outcome)) != "revisit":
            wrong.append((outcome, [ended]))
    assert wrong == []
    t = ticket(desk, order(desk, "PP", buyer="pp"), kind="price_protection")
    assert end(desk, t, "price_protected") == "ticket.money_missing"
    uncovered = ask(desk, "ann", "ticket_screen", t)["resolving"]["uncovered"]
    assert sorted(uncovered) == sorted([*OUTCOMES, "price_protected"])
    given = request(desk, t, 20)
    assert "compensated" not in ask(desk, "ann", "ticket_screen", t)["resolving"]["uncovered"]
    cancel(desk, given["id"])
    assert end(desk, t, "compensated") == "ticket.money_missing"


def test_what_the_platform_refunded_itself_ends_without_our_money(desk: Connection) -> None:
    """Only a file says so, and only of a case it brought: a done exchange, or a case of our own, is none."""
    for source, line, ended in (
        ("import", {"stage": "done", "status": "退款成功"}, "revisit"),
        ("import", {"stage": "done", "status": "已换货"}, "ticket.money_missing"),
        ("import", {"stage": "done", "status": "已完成", "type": "exchange"}, "ticket.money_missing"),
        ("import", {"stage": "agreed", "status": "退款中"}, "ticket.money_missing"),
        ("customer", {"stage": "done", "status": "退款成功"}, "ticket.money_missing"),
    ):
        t = ticket(desk, order(desk, f"{source}{line}"[:40], buyer=str(line)[:40]), kind="refund_only")
        desk.execute("update tickets set source = %s where id = %s", (source, t))
        desk.execute(
            """select private.update_case(row(null, 'system', '{}', false, 0)::private.actor, t, %s, private.now())
               from tickets t where id = %s""",
            (Jsonb(line), t),
        )
        assert end(desk, t, "compensated") == "ticket.money_missing"
        assert (line, end(desk, t, "refunded")) == (line, ended)


def test_a_complaint_without_money_passes_the_lead_too(desk: Connection) -> None:
    o = order(desk, "CL")
    t = ticket(desk, o, complaint=True)
    assert end(desk, t, "explained") == "ticket.complaint_lead"
    assert ask(desk, "ann", "ticket_screen", t)["resolving"]["waits_for"].startswith("sup")
    desk.execute(
        "update tickets set is_complaint = false where id = %s", (t,)
    )  # once a complaint, always one
    assert end(desk, t, "explained") == "ticket.complaint_lead"
    asked = request(desk, t, 0)
    assert end(desk, t, "explained") == "ticket.wrong_state"  # it waits for the answer
    assert decide(desk, asked["approval_id"], "ann")["refused"]["key"] == "approval.self"
    decide(desk, asked["approval_id"], "sup", approve=False)
    assert end(desk, t, "explained") == "ticket.complaint_lead"
    decide(desk, request(desk, t, 0)["approval_id"], "sup")
    assert end(desk, t, "compensated") == "ticket.money_missing"  # 0 yuan are no compensation
    assert end(desk, t, "explained") == "revisit"
    # the customer is back: what was approved was how it ended then
    ask(desk, "ann", "reopen_ticket", t, version_of(desk, t)["version"], "unsatisfied", uuid.uuid4())
    assert end(desk, t, "explained") == "ticket.complaint_lead"


def test_what_was_approved_before_it_was_a_complaint_does_not_end_it(desk: Connection) -> None:
    t = ticket(desk, order(desk, "CB"))
    decide(desk, request(desk, t, 600)["approval_id"], "sup")
    desk.execute("update tickets set is_complaint = true where id = %s", (t,))
    assert end(desk, t, "compensated") == "ticket.complaint_lead"
    decide(desk, request(desk, t, 0)["approval_id"], "sup")
    assert end(desk, t, "compensated") == "revisit"


def test_a_lead_ends_a_complaint_himself_unless_it_is_about_him(desk: Connection) -> None:
    for who, ended in (("sup", "revisit"), ("mgr", "revisit"), ("ann", "ticket.complaint_lead")):
        t = ticket(desk, order(desk, f"L{who}", buyer=who), owner=who, complaint=True)
        assert (who, end(desk, t, "explained", who)) == (who, ended)
    o = order(desk, "LE", buyer="le")
    desk.execute(
        "update tickets set registered_at = registered_at - interval '1 day' where id = %s",
        (ticket(desk, o, owner="sup"),),
    )
    t = ticket(desk, o, owner="sup", complaint=True)  # about how he handled the first case
    assert end(desk, t, "explained", "sup") == "ticket.complaint_lead"
    assert ask(desk, "sup", "ticket_screen", t)["resolving"]["waits_for"] == "mgr、boss"
    with desk.transaction(force_rollback=True):
        desk.execute("update members set state = 'off' where staff_no in ('mgr', 'boss')")
        others = one(
            desk,
            "select count(*) from members where role = 'manager' and state = 'active' and staff_no not in ('sup', 'far')",
        )
        assert (others, end(desk, t, "explained", "sup")) == (0, "revisit")  # nobody else is there
    decide(desk, request(desk, t, 0, who="sup")["approval_id"], "mgr")
    assert end(desk, t, "explained", "sup") == "revisit"


# --- two at the same moment ---


@pytest.mark.parametrize(
    "way", ["same ticket twice", "two tickets of an order", "two orders of a customer", "request and edit"]
)
def test_two_at_the_same_moment_do_not_slip_through(db_url: str, way: str) -> None:
    with psycopg.connect(db_url) as conn:
        floor(conn)
        o = order(conn, "T1")
        a = ticket(conn, o)
        b = {
            "same ticket twice": a,
            "two tickets of an order": ticket(conn, o, owner="ben"),
            "request and edit": ticket(conn, o, owner="ben"),
        }.get(way) or ticket(conn, order(conn, "T2"), owner="ben")
        small = request(conn, a, 100)["id"] if way == "request and edit" else None
        conn.commit()
        first = psycopg.connect(db_url)
        second = psycopg.connect(db_url)
        answers: dict[str, Any] = {}

        def later() -> None:
            try:
                who = "ann" if b == a else "ben"
                answers["second"] = request(second, b, 300, who=who)["state"]
                second.commit()
            except psycopg.Error as error:
                second.rollback()
                answers["second"] = str(error.diag.message_primary)

        answers["first"] = (
            change(first, small, amount="300")["state"] if small else request(first, a, 300)["state"]
        )
        thread = threading.Thread(target=later)
        thread.start()
        waiting(conn, second.info.backend_pid)
        first.commit()
        thread.join(20)
        assert answers["first"] == "granted"
        assert answers["second"] == "requested"
        total = one(conn, "select sum(amount) from ticket_money where state = 'granted'")
        assert total == 300
        first.close()
        second.close()


def test_two_approvers_at_once_decide_once(db_url: str) -> None:
    with psycopg.connect(db_url) as conn:
        floor(conn)
        asked = request(conn, ticket(conn, order(conn, "B1")), 600)["approval_id"]
        conn.commit()
        first, second = psycopg.connect(db_url), psycopg.connect(db_url)
        found: list[str] = []

        def late() -> None:
            try:
                decide(second, asked, "mgr", approve=False)
            except psycopg.Error as error:
                found.append(str(error.diag.message_primary))
            second.rollback()

        decide(first, asked, "sup")
        thread = threading.Thread(target=late)
        thread.start()
        waiting(conn, second.info.backend_pid)
        first.commit()
        thread.join(20)
        assert found == ["approval.decided"]
        assert one(conn, "select state from approvals where id = %s", asked) == "approved"
        first.close()
        second.close()


def waiting(conn: Connection, pid: int) -> None:
    """Until the other connection waits for a lock."""
    conn.rollback()
    for _ in range(100_000):
        found = one(conn, "select wait_event_type from pg_stat_activity where pid = %s", pid)
        conn.rollback()
        if found == "Lock":
            return
    raise AssertionError("the second request did not wait for the first")


# --- who approves ---


def test_who_may_approve(desk: Connection) -> None:
    t = ticket(desk, order(desk, "W1"))
    asked = request(desk, t, 600)
    tries = {
        "ann": "approval.self",  # asked for it
        "ben": "approval.not_lead",
        "lea": "approval.not_lead",
        "adm": "approval.not_missing",
    }
    for who, key in tries.items():
        answer = decide(desk, asked["approval_id"], who)
        assert answer["refused"]["key"] == key, who
        assert money(desk, asked["id"])[0] == "requested"
    assert events(desk, t)[-4:] == ["approval_refused"] * 4
    for who in ("whs", "ana"):
        with refusal("PT403", "member.role"):
            decide(desk, asked["approval_id"], who)
    with refusal("PT404", "approval.none"):
        decide(desk, asked["approval_id"], "far")
    with refusal("PT422", "approval.reason"):
        decide(desk, asked["approval_id"], "sup", approve=False, reason=" ")
    assert decide(desk, asked["approval_id"], "sup")["ticket_state"] == "approved"
    with refusal("PT409", "approval.decided"):
        decide(desk, asked["approval_id"], "mgr")


def test_the_limit_must_cover_all_that_adds_up(desk: Connection) -> None:
    o = order(desk, "W2")
    request(desk, ticket(desk, o), 500)
    asked = request(desk, ticket(desk, o), 400)  # 900 on the order: more than the 800 of the lead
    assert [a["name"] for a in asked["approvers"]] == ["mgr", "boss"]
    answer = decide(desk, asked["approval_id"], "sup")
    assert answer["refused"]["key"] == "approval.limit"
    route = one(desk, "select route from approvals where id = %s", asked["approval_id"])
    ids = dict(desk.execute("select id, staff_no from members").fetchall())
    assert {(ids[p["member_id"]], p["why"]) for p in route["passed"]} >= {("sup", "limit")}
    assert [(ids[p["member_id"]], p["why"]) for p in route["asked"]] == [
        ("mgr", "covers"),
        ("boss", "covers"),
    ]
    assert decide(desk, asked["approval_id"], "mgr")["state"] == "approved"


def test_nobody_approves_an_amount_that_he_set(desk: Connection) -> None:
    t = ticket(desk, order(desk, "W3"), owner="mgr")
    asked = request(desk, t, 600, who="mgr")
    assert decide(desk, asked["approval_id"], "mgr")["refused"]["key"] == "approval.self"
    desk.execute(
        "update tickets set owner_id = (select id from members where staff_no = 'sup') where id = %s", (t,)
    )
    changed = change(desk, asked["id"], "sup", amount="700")
    assert decide(desk, changed["approval_id"], "sup")["refused"]["key"] == "approval.self"
    assert decide(desk, changed["approval_id"], "mgr")["refused"]["key"] == "approval.own_amount"
    assert decide(desk, changed["approval_id"], "boss")["state"] == "approved"


def test_deputy_at_night_then_who_covers_then_the_admin(desk: Connection) -> None:
    """The supervisor asks himself: the deputy decides; without one the managers; without any the admin."""
    t = ticket(desk, order(desk, "W4"), owner="sup")
    desk.execute("update members set approval_limit = 600 where staff_no = 'lea'")
    desk.execute(
        """with d as (insert into rota_days (member_id, day, kind, source, updated_at)
             select id, '2026-11-18', 'work', 'edited', now() from members where staff_no = 'lea' returning *)
           insert into rota_entries (member_id, day, shift_name, starts_at, ends_at, is_deputy)
           select member_id, day, '夜', private.now() - interval '1 hour', private.now() + interval '6 hours', true from d"""
    )
    asked = request(desk, t, 600, who="sup")
    assert (asked["approvers"][0]["name"], asked["approvers"][0]["why"]) == ("lea", "deputy")
    with as_member(desk, "lea"):
        assert one(
            desk, "select (public.approval_screen(%s) ->> 'can_decide')::boolean", asked["approval_id"]
        )
    lead(desk, "boss")  # a lead who covers is there again: the deputy stands in no longer
    assert decide(desk, asked["approval_id"], "lea")["refused"]["key"] == "approval.not_lead"
    lead(desk)
    desk.execute("update members set state = 'off' where role = 'manager' and staff_no <> 'sup'")
    desk.execute("update members set approval_limit = 0 where staff_no = 'lea'")
    assert decide(desk, asked["approval_id"], "lea")["refused"]["key"] == "approval.nobody"
    before = row(
        desk,
        "select a::text, m::text from approvals a join ticket_money m on m.id = a.money_id where a.id = %s",
        asked["approval_id"],
    )
    for limit in (0, 599.99):  # who sets limits has one himself: 0 approves no money
        desk.execute("update members set approval_limit = %s where staff_no = 'adm'", (limit,))
        assert decide(desk, asked["approval_id"], "adm")["refused"]["key"] == "approval.nobody"
        assert (
            row(
                desk,
                "select a::text, m::text from approvals a join ticket_money m on m.id = a.money_id where a.id = %s",
                asked["approval_id"],
            )
            == before
        )
    subject = "select m.staff_no from private.subjects_of('approval', array[%s::bigint], private.now()) s join members m on m.id = s.owner_id"
    assert one(desk, subject, asked["approval_id"]) == "adm"  # he is told, since he can raise a limit
    desk.execute("update members set approval_limit = 600 where staff_no = 'adm'")
    done = decide(desk, asked["approval_id"], "adm")
    assert done["state"] == "approved"
    assert (
        one(desk, "select decided_as from approvals where id = %s", asked["approval_id"]) == "missing_second"
    )


def test_nobody_there_is_kept(desk: Connection) -> None:
    desk.execute("update members set state = 'off' where role in ('manager', 'admin')")
    lead(desk)
    asked = request(desk, ticket(desk, order(desk, "W5")), 600)
    assert asked["approvers"] == []
    assert one(desk, "select route -> 'asked' from approvals where id = %s", asked["approval_id"]) == []


# --- the clock and the screens ---


def test_an_approval_has_an_hour_and_tells_who_is_to_decide(desk: Connection) -> None:
    t = ticket(desk, order(desk, "K1"))
    asked = request(desk, t, 600)
    clock = row(
        desk,
        "select c.entity, c.target, c.due_at, c.stopped_at, c.policy ->> 'code' from sla_clocks c join approvals a on a.clock_id = c.id where a.id = %s",
        asked["approval_id"],
    )
    assert clock == ("approval", "decide", NOON + timedelta(hours=1), None, "approval")
    names = dict(desk.execute("select id, staff_no from members").fetchall())
    subject = (
        "select owner_id, label, path from private.subjects_of('approval', array[%s::bigint], private.now())"
    )
    owner, label, path = row(desk, subject, asked["approval_id"])
    assert (names[owner], label, path) == ("sup", f"T-{t}", f"/approvals?id={asked['approval_id']}")
    with as_role(desk, "service_role"):
        desk.execute("select public.sweep_reminders()")
    told = desk.execute(
        "select m.staff_no from notifications n join members m on m.id = n.member_id join reminders r on r.id = n.reminder_id where r.entity = 'approval'"
    ).fetchall()
    assert told == [("sup",)]
    lead(desk, "mgr")  # with the shift he who is to decide changes
    assert names[row(desk, subject, asked["approval_id"])[0]] == "mgr"
    decide(desk, asked["approval_id"], "mgr")
    assert (
        one(
            desk,
            "select state from sla_clocks where entity = 'approval' and entity_id = %s",
            asked["approval_id"],
        )
        == "fulfilled"
    )


def test_what_the_pages_read(desk: Connection) -> None:
    t = ticket(desk, order(desk, "V1"))
    kept = request(desk, t, 120)
    table = {p["pot"]: p for p in ask(desk, "ann", "authority_of", t)}
    assert (table["compensation"]["used"], table["compensation"]["left"], table["reship"]["limit"]) == (
        120,
        380,
        300,
    )
    assert table["price_protection"]["limit"] is None
    tried = ask(desk, "ann", "preview_money", t, {"kind": "compensation", "amount": "600"})
    assert (tried["needs_approval"], tried["after"], tried["approvers"][0]["name"]) == (True, 720, "sup")
    assert datetime.fromisoformat(tried["due_at"]) == NOON + timedelta(hours=1)
    assert one(desk, "select count(*) from ticket_money") == 1
    asked = request(desk, t, 600)
    screen = ask(desk, "sup", "approval_screen", asked["approval_id"])
    assert (screen["can_decide"], screen["covers"], [n["id"] for n in screen["nearby"]]) == (
        True,
        720,
        [kept["id"]],
    )
    listed = ask(desk, "sup", "approval_list", {})
    assert [(r["id"], r["can_decide"]) for r in listed["rows"]] == [(asked["approval_id"], True)]
    assert ask(desk, "far", "approval_list", {})["rows"] == []
    assert [r["id"] for r in ask(desk, "ann", "approval_list", {"tab": "mine"})["rows"]] == [
        asked["approval_id"]
    ]
    with refusal("PT404", "ticket.none"):
        ask(desk, "far", "authority_of", t)


# --- the table itself ---


def test_managers_change_the_table(desk: Connection) -> None:
    shop = one(desk, "select id from shops where code = 'one'")
    o = order(desk, "A1")
    request(desk, ticket(desk, o), 200)
    request(desk, ticket(desk, order(desk, "A2", buyer="a2")), 400)
    seen = ask(
        desk, "mgr", "preview_authority", shop, "compensation", {"agent_limit": "300", "customer_days": "30"}
    )
    assert (seen["requests"], seen["asked_now"], seen["asked_then"], seen["covered_by"]) == (
        2,
        0,
        1,
        ["sup", "mgr", "boss"],
    )
    ask(
        desk,
        "mgr",
        "save_authority",
        shop,
        "compensation",
        {"agent_limit": "300", "customer_days": "30"},
        0,
        uuid.uuid4(),
    )
    everywhere = ask(desk, "mgr", "preview_authority", None, "compensation", {"agent_limit": "300"})
    assert everywhere["requests"] == 0  # the shop has figures of its own
    with refusal("PT409", "authority.stale"):
        ask(desk, "mgr", "save_authority", shop, "compensation", {"agent_limit": "900"}, 0, uuid.uuid4())
    assert request(desk, ticket(desk, order(desk, "A3", buyer="a3")), 301)["why"] == [
        "over_order",
        "over_customer",
    ]
    for who in ("ann", "ops", "adm", "whs", "ana"):
        with refusal("PT403", "member.role"):
            ask(desk, who, "save_authority", None, "compensation", {"agent_limit": "9000"}, 1, uuid.uuid4())
    assert (
        one(desk, "select agent_limit from authority_limits where shop_id is null and pot = 'compensation'")
        == 500
    )
    bad: list[tuple[str, Any, str]] = [
        ("compensation", {"agent_limit": None}, "authority.bad_value"),
        ("compensation", {"agent_limit": "-1"}, "authority.bad_value"),
        ("reship", {"customer_days": "9"}, "authority.bad_value"),
        ("compensation", [], "authority.bad_value"),
        ("gift", {"agent_limit": "1"}, "authority.none"),
    ]
    for pot, rule, key in bad:
        with pytest.raises(psycopg.Error) as caught:
            ask(desk, "mgr", "save_authority", None, pot, rule, 1, uuid.uuid4())
        assert caught.value.diag.message_primary == key, (pot, rule)
    changes = ask(desk, "mgr", "authority_screen", shop)["changes"]
    assert [(c["action"], c["name"], c["who"]) for c in changes] == [("saved", "compensation", "mgr")]
    ask(desk, "mgr", "reset_authority", shop, "compensation", 1, uuid.uuid4())
    assert [x["own"] for x in ask(desk, "ann", "authority_screen", shop)["limits"]] == [False] * 5


def test_a_good_review_is_no_condition(desk: Connection) -> None:
    t = ticket(desk, order(desk, "Q1"))
    for reason in (
        "给五星好评后退差价",
        "请先给好 评再给您补偿",
        "好评返现 20",
        "改评 就送赠品",
        "先删差评，再退款",
    ):
        with refusal("PT422", "money.good_review"):
            request(desk, t, 20, reason=reason)
    assert request(desk, t, 20, reason="客户威胁给差评，屏幕确有划痕")["state"] == "granted"
    with refusal("PT422", "money.reason"):
        request(desk, t, 20, reason="联系 13812345678")
