"""Tickets for tests: made through the functions that the desk uses, on the floor of desk.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg

from tests.sql.desk import ask, one, open_floor, row, user_id

Connection = psycopg.Connection[Any]
SUMMARY = "外壳有划痕"


def open_ticket_floor(conn: Connection) -> None:
    """The floor of desk.py; ann and ben handle after-sales, far is a manager of the other shop."""
    open_floor(conn)
    conn.execute("update members set skills = '{aftersales}' where staff_no in ('ann', 'ben')")
    conn.execute("update members set role = 'manager' where staff_no = 'far'")


def register(conn: Connection, who: str = "ann", *, shop: str = "one", **more: Any) -> int:
    """Registers a ticket as `who` and returns its id."""
    p = {
        "shop_id": shop_id(conn, shop),
        "type": "reship",
        "summary": SUMMARY,
        "channel": "wangwang",
        "force": True,
    }
    return int(call_p(conn, who, "register_ticket", {**p, **more})["id"])


def make(conn: Connection, state: str, *, owner: str = "ann", **more: Any) -> int:
    """A ticket in a state, brought there along the moves that people take."""
    ticket = register(conn, owner, **more)
    for way in WAYS[state].split():
        WAY[way](conn, owner, ticket)
    return ticket


def _classify(conn: Connection, owner: str, ticket: int) -> None:
    step(conn, owner, "classify_ticket", ticket, {"severity": "normal"})


def _dispatch(conn: Connection, owner: str, ticket: int) -> None:
    step(conn, "mgr", "dispatch_ticket", ticket, member(conn, owner))


def _merge(conn: Connection, owner: str, ticket: int) -> None:
    call_p(
        conn, owner, "merge_tickets", item(conn, ticket), item(conn, make(conn, "in_progress", owner=owner))
    )


def _stay_resolved(conn: Connection, _owner: str, ticket: int) -> None:
    conn.execute("update tickets set outcome = 'other', resolved_at = private.now() where id = %s", (ticket,))
    move(conn, ticket, "resolved")


WAY: dict[str, Callable[[Connection, str, int], Any]] = {
    "classify": _classify,
    "dispatch": _dispatch,
    "take": lambda conn, owner, ticket: step(conn, owner, "take_ticket", ticket),
    "wait": lambda conn, owner, ticket: step(
        conn, owner, "wait_ticket", ticket, {"state": "waiting_customer", "reason": "asked_photos"}
    ),
    "await": lambda conn, owner, ticket: step(
        conn, owner, "wait_ticket", ticket, {"state": "waiting_return", "reason": "goods_on_way"}
    ),
    "ask": lambda conn, _, ticket: move(conn, ticket, "pending_approval"),
    "approve": lambda conn, _, ticket: move(conn, ticket, "approved"),
    "stay_resolved": _stay_resolved,
    "resolve": lambda conn, owner, ticket: resolve(conn, owner, ticket),
    "review": lambda conn, _, ticket: move(conn, ticket, "review"),
    "close": lambda conn, _, ticket: move(conn, ticket, "closed"),
    "cancel": lambda conn, owner, ticket: step(conn, owner, "cancel_ticket", ticket, "mistake"),
    "merge": _merge,
}
WAYS = {
    "registered": "",
    "classified": "classify",
    "dispatched": "classify dispatch",
    "in_progress": "classify take",
    "waiting_customer": "classify take wait",
    "waiting_return": "classify take await",
    "pending_approval": "classify take ask",
    "approved": "classify take ask approve",
    "resolved": "classify take stay_resolved",
    "revisit": "classify take resolve",
    "review": "classify take resolve review",
    "closed": "classify take resolve close",
    "merged": "classify take merge",
    "cancelled": "classify take cancel",
}


def resolve(conn: Connection, who: str, ticket: int, **more: Any) -> Any:
    """Resolves a ticket of `who`, who tells the customer by phone."""
    p = {"outcome": "explained", "solution": "已说明", "contact": "phone"}
    return step(conn, who, "resolve_ticket", ticket, {**p, **more})


def move(conn: Connection, ticket: int, state: str) -> None:
    """The system takes a step that another area decides on."""
    conn.execute(
        """select private.move_ticket(row(null, 'system', '{}', false, 0)::private.actor, t, %s, '{}', private.now())
           from tickets t where id = %s""",
        (state, ticket),
    )


def step(conn: Connection, who: str, rpc: str, ticket: int, *args: Any, version: int | None = None) -> Any:
    """Calls an RPC of the form (id, version, …, request id) with the version of now, or the given one."""
    shown = one(conn, "select version from tickets where id = %s", ticket) if version is None else version
    return call_p(conn, who, rpc, ticket, shown, *args)


def call_p(conn: Connection, who: str, rpc: str, *args: Any, request: uuid.UUID | None = None) -> Any:
    """Calls an RPC whose request id comes last."""
    return ask(conn, who, rpc, *args, request or uuid.uuid4())


def item(conn: Connection, ticket: int) -> dict[str, Any]:
    """{id, version} of a ticket, as a page would send it."""
    return {"id": ticket, "version": one(conn, "select version from tickets where id = %s", ticket)}


def state(conn: Connection, ticket: int) -> Any:
    """State of a ticket."""
    return one(conn, "select state from tickets where id = %s", ticket)


def owner(conn: Connection, ticket: int) -> Any:
    """Name of a ticket's owner, None in the pool."""
    return one(
        conn,
        "select m.staff_no from tickets t left join members m on m.id = t.owner_id where t.id = %s",
        ticket,
    )


def clocks(conn: Connection, ticket: int) -> dict[str, Any]:
    """State of the latest clock of each target."""
    found = conn.execute(
        """select distinct on (target) target, state from sla_clocks
           where entity in ('ticket', 'return', 'public_complaint') and entity_id = %s order by target, instance desc""",
        (ticket,),
    ).fetchall()
    return dict(found)


def due(conn: Connection, ticket: int, target: str) -> Any:
    """Deadline of the open clock of a target."""
    return one(
        conn,
        """select due_at from sla_clocks where entity in ('ticket', 'return', 'public_complaint') and entity_id = %s
           and target = %s and stopped_at is null""",
        ticket,
        target,
    )


def member(conn: Connection, name: str) -> int:
    """Id of a person of the floor."""
    return int(one(conn, "select id from members where user_id = %s", user_id(name)))


def shop_id(conn: Connection, code: str = "one") -> int:
    """Id of a shop of the floor."""
    return int(one(conn, "select id from shops where code = %s", code))


def whole_row(conn: Connection, ticket: int) -> Any:
    """The ticket as it is, to prove that a refused step changed nothing."""
    return row(conn, "select t::text from tickets t where id = %s", ticket)
