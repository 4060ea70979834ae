"""Tickets for tests: made through the functions that the desk uses, on the floor of desk.py."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from tests.sql.desk import call, one, open_floor, row, user_id

Connection = psycopg.Connection[Any]
SUMMARY = "外壳有划痕"


def open_ticket_floor(conn: Connection) -> None:
    """The floor of desk.py; ann and ben handle after-sales, far is a manager of the other shop."""
    open_floor(conn)
    conn.execute("update members set skills = '{aftersales}' where staff_no in ('ann', 'ben')")
    conn.execute("update members set role = 'manager' where staff_no = 'far'")


def register(conn: Connection, who: str = "ann", *, shop: str = "one", **more: Any) -> int:
    """Registers a ticket as `who` and returns its id."""
    p = {"shop_id": shop_id(conn, shop), "type": "reship", "summary": SUMMARY, "channel": "wangwang", "force": True}
    return int(call_p(conn, who, "register_ticket", {**p, **more})["id"])


def make(conn: Connection, state: str, *, owner: str = "ann", **more: Any) -> int:
    """A ticket in a state, brought there along the moves that people take."""
    ticket = register(conn, owner, **more)
    if state == "registered":
        return ticket
    step(conn, owner, "classify_ticket", ticket, {"severity": "normal"})
    if state == "classified":
        return ticket
    if state == "dispatched":
        step(conn, "mgr", "dispatch_ticket", ticket, member(conn, owner))
        return ticket
    step(conn, owner, "take_ticket", ticket)
    if state in ("waiting_customer", "waiting_return"):
        reason = "asked_photos" if state == "waiting_customer" else "goods_on_way"
        step(conn, owner, "wait_ticket", ticket, {"state": state, "reason": reason})
    elif state == "cancelled":
        step(conn, owner, "cancel_ticket", ticket, "mistake")
    elif state == "merged":
        into = make(conn, "in_progress", owner=owner)
        call(conn, owner, "merge_tickets", item(conn, ticket), item(conn, into))
    elif state in ("pending_approval", "approved"):
        move(conn, ticket, "pending_approval")
        if state == "approved":
            move(conn, ticket, "approved")
    elif state != "in_progress":
        resolve(conn, owner, ticket)
        if state == "resolved":
            conn.execute("update tickets set state = 'resolved' where id = %s", (ticket,))
        elif state in ("review", "closed"):
            move(conn, ticket, state)
    return ticket


def resolve(conn: Connection, who: str, ticket: int, **more: Any) -> Any:
    """Resolves a ticket of `who`, who tells the customer by chat."""
    p = {"outcome": "reshipped", "solution": "已补发一件", "contact": "wangwang"}
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
    from tests.sql.desk import ask

    return ask(conn, who, rpc, *args, request or uuid.uuid4())


def item(conn: Connection, ticket: int) -> dict[str, Any]:
    """{id, version} of a ticket, as a page would send it."""
    return {"id": ticket, "version": one(conn, "select version from tickets where id = %s", ticket)}


def state(conn: Connection, ticket: int) -> Any:
    """State of a ticket."""
    return one(conn, "select state from tickets where id = %s", ticket)


def owner(conn: Connection, ticket: int) -> Any:
    """Name of a ticket's owner, None in the pool."""
    return one(conn, "select m.staff_no from tickets t left join members m on m.id = t.owner_id where t.id = %s", ticket)


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
