"""Returns: every step in every state for everybody, the two deadlines, what the goods mean for the ticket."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.sql.desk import NOON, add_order, at, one, refusal, refused, row
from tests.sql.ticketing import (
    clocks,
    due,
    make,
    member,
    open_ticket_floor,
    register,
    resolve,
    state,
    step,
    whole_row,
)

Connection = psycopg.Connection[Any]
ZONE = ZoneInfo("Asia/Shanghai")

STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "agree_return": ("owner lead", {}),
    "refuse_return": ("owner lead", {"reason": "超过七天"}),
    "send_return_goods": ("worker warehouse", {"carrier": "顺丰", "tracking_no": "sf100200"}),
    "receive_return": ("warehouse lead", {"quality": "good"}),
    "refuse_return_goods": ("warehouse lead", {"reason": "面单不符"}),
    "start_refund": ("owner lead", {"amount": "80.00"}),
    "finish_return": ("owner lead", {}),
    "cancel_return": ("owner lead", {}),
}
MOVES = {
    "applied": {"agree_return": "agreed", "refuse_return": "refused", "cancel_return": "buyer_cancelled"},
    "agreed": {
        "send_return_goods": "goods_sent",
        "receive_return": "received",
        "refuse_return_goods": "goods_refused",
        "cancel_return": "buyer_cancelled",
    },
    "goods_sent": {
        "receive_return": "received",
        "refuse_return_goods": "goods_refused",
        "cancel_return": "buyer_cancelled",
    },
    "received": {"start_refund": "refunding"},
    "refunding": {"finish_return": "done"},
    "done": {},
    "refused": {},
    "goods_refused": {},
    "buyer_cancelled": {},
}
WAY = {
    "applied": (),
    "agreed": ("agree_return",),
    "goods_sent": ("agree_return", "send_return_goods"),
    "received": ("agree_return", "receive_return"),
    "refunding": ("agree_return", "receive_return", "start_refund"),
    "done": ("agree_return", "receive_return", "start_refund", "finish_return"),
    "refused": ("refuse_return",),
    "goods_refused": ("agree_return", "refuse_return_goods"),
    "buyer_cancelled": ("cancel_return",),
}
STANDS = {
    "ann": {"worker", "owner"},
    "ben": {"worker"},
    "mgr": {"worker", "lead"},
    "whs": {"warehouse"},
    "ana": set(),
    "far": set(),
}


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor with after-sales agents, at noon of a working day."""
    open_ticket_floor(db)
    return db


def grant(conn: Connection, ticket: int, amount: int = 100) -> None:
    """A refund that somebody's authority covers."""
    conn.execute(
        """insert into ticket_money (ticket_id, shop_id, kind, amount, state, reason, requested_by, changed_by, requested_at,
               counted_at, ticket_ids)
           select id, shop_id, 'return_refund', %s, 'granted', '退货', owner_id, array[owner_id], private.now(), private.now(), array[id]
           from tickets where id = %s""",
        (amount, ticket),
    )


def go(conn: Connection, who: str, rpc: str, ticket: int, p: dict[str, Any] | None = None) -> Any:
    return step(conn, who, rpc, ticket, STEPS[rpc][1] if p is None else p)


def returned(conn: Connection, where: str, *, kind: str = "return") -> int:
    """A ticket of ann's, in progress, whose return stands there."""
    ticket = make(conn, "in_progress", type=kind)
    grant(conn, ticket)
    for rpc in WAY[where]:
        go(conn, "mgr" if "lead" in STEPS[rpc][0] else "ann", rpc, ticket)
    assert one(conn, "select state from ticket_returns where ticket_id = %s", ticket) == where
    return ticket


def test_every_step_of_a_return_for_everybody_in_every_state(floor: Connection) -> None:
    wrong = []
    tried = 0
    for where, allowed in MOVES.items():
        ticket = returned(floor, where)
        before = (
            whole_row(floor, ticket),
            row(floor, "select r::text from ticket_returns r where ticket_id = %s", ticket),
        )
        for rpc, (who_may, _) in STEPS.items():
            for person, stands in STANDS.items():
                may = bool(stands & set(who_may.split()))
                expected = allowed.get(rpc) if may else None
                tried += 1
                try:
                    with floor.transaction(force_rollback=True):
                        found = go(floor, person, rpc, ticket)["return_state"]
                except psycopg.Error as error:
                    found = None if refused(error)[0] in ("PT403", "PT404", "PT409") else refused(error)
                after = (
                    whole_row(floor, ticket),
                    row(floor, "select r::text from ticket_returns r where ticket_id = %s", ticket),
                )
                if found != expected or after != before:
                    wrong.append((where, rpc, person, found, expected))
    assert wrong == []
    assert tried == len(MOVES) * len(STEPS) * len(STANDS)


def test_the_review_has_a_day_the_refund_five_working_days_from_the_goods(floor: Connection) -> None:
    ticket = make(floor, "in_progress", type="return", order_id=add_order(floor, "A-1", amount=100))
    assert due(floor, ticket, "review") == NOON + timedelta(hours=24)
    at(floor, NOON + timedelta(hours=2))
    go(floor, "ann", "agree_return", ticket)
    assert clocks(floor, ticket)["review"] == "fulfilled"
    step(floor, "ann", "wait_ticket", ticket, {"state": "waiting_return", "reason": "goods_on_way"})
    go(floor, "ben", "send_return_goods", ticket)
    assert state(floor, ticket) == "waiting_return"
    go(floor, "whs", "receive_return", ticket)
    assert state(floor, ticket) == "in_progress"
    assert clocks(floor, ticket)["resolve"] == "running"
    # Wednesday 18 November: Thursday, Friday, Monday, Tuesday, Wednesday 25 to its end
    assert due(floor, ticket, "refund") == datetime(2026, 11, 26, tzinfo=ZONE)
    money = {"kind": "return_refund", "amount": "80.00", "reason": "七天无理由"}
    assert step(floor, "ann", "request_money", ticket, money)["state"] == "granted"
    go(floor, "ann", "start_refund", ticket)
    with refusal("PT409", "ticket.return_open"):
        resolve(floor, "ann", ticket, outcome="return_refunded")
    go(floor, "ann", "finish_return", ticket)
    assert clocks(floor, ticket)["refund"] == "fulfilled"
    resolve(floor, "ann", ticket, outcome="return_refunded")
    assert state(floor, ticket) == "revisit"


def test_no_more_goes_back_than_was_granted(floor: Connection) -> None:
    ticket = returned(floor, "received")
    for amount in ("100.01", "1e9", "-1", "", "100.001"):
        with pytest.raises(psycopg.Error) as caught:
            go(floor, "ann", "start_refund", ticket, {"amount": amount})
        assert refused(caught.value)[1] == ("return.not_granted" if amount == "100.01" else "ticket.form")
    assert one(floor, "select refund_amount from ticket_returns where ticket_id = %s", ticket) is None
    go(floor, "ann", "start_refund", ticket, {"amount": "100.00"})


def test_goods_that_are_here_belong_to_a_case_whose_owner_is_gone(floor: Connection) -> None:
    ticket = returned(floor, "agreed")
    step(floor, "ann", "wait_ticket", ticket, {"state": "waiting_return", "reason": "goods_on_way"})
    step(floor, "ann", "give_back_ticket", ticket, "off_shift")
    go(floor, "whs", "receive_return", ticket, {"quality": "bad"})
    assert state(floor, ticket) == "classified"
    assert row(floor, "select quality, received_by from ticket_returns where ticket_id = %s", ticket) == (
        "bad",
        member(floor, "whs"),
    )


def test_an_exchange_ends_without_money_and_has_a_day_to_ship(floor: Connection) -> None:
    ticket = returned(floor, "received", kind="exchange")
    assert "refund" not in clocks(floor, ticket)
    assert due(floor, ticket, "reship") == NOON + timedelta(hours=24)
    go(floor, "ann", "finish_return", ticket)
    assert row(floor, "select state, refunded_at from ticket_returns where ticket_id = %s", ticket) == (
        "done",
        None,
    )
    refund = returned(floor, "received")
    with refusal("PT409", "return.wrong_state"):  # goods that came back are paid back
        go(floor, "ann", "finish_return", refund)


def test_a_wrong_type_takes_the_return_along_only_while_nobody_decided(floor: Connection) -> None:
    ticket = register(floor, type="return")
    step(floor, "ann", "classify_ticket", ticket, {"type": "service"})
    assert one(floor, "select count(*) from ticket_returns") == 0
    assert clocks(floor, ticket)["review"] == "cancelled"
    step(floor, "ann", "classify_ticket", ticket, {"type": "exchange"})
    assert due(floor, ticket, "review") == NOON + timedelta(hours=24)
    decided = returned(floor, "agreed")
    step(floor, "ann", "classify_ticket", decided, {"type": "service"})
    assert one(floor, "select state from ticket_returns where ticket_id = %s", decided) == "agreed"


def test_a_case_with_goods_on_their_way_is_not_cancelled(floor: Connection) -> None:
    ticket = returned(floor, "goods_sent")
    with refusal("PT409", "ticket.return_open"):
        step(floor, "ann", "cancel_ticket", ticket, "customer_withdrew")
    early = returned(floor, "agreed")
    step(floor, "ann", "cancel_ticket", early, "customer_withdrew")
    assert one(floor, "select state from ticket_returns where ticket_id = %s", early) == "buyer_cancelled"


def test_a_refusal_says_why_and_holds_no_number(floor: Connection) -> None:
    ticket = make(floor, "in_progress", type="return")
    for reason, key in ((" ", "ticket.form"), ("电话 13812345678", "ticket.personal")):
        with refusal("PT422", key):
            go(floor, "ann", "refuse_return", ticket, {"reason": reason})
    go(floor, "ann", "refuse_return", ticket)
    assert row(
        floor, "select refuse_reason, decided_by from ticket_returns where ticket_id = %s", ticket
    ) == (
        "超过七天",
        member(floor, "ann"),
    )
