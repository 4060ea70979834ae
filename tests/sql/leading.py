"""Leads on the sales floor of `desk`: captured as a page captures them, worked on, and looked at."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tests.sql.desk import BODY, NOON, at, call, one, row, user_id
from tests.sql.reminding import shop, sweep

Connection = psycopg.Connection[Any]
Item = dict[str, Any]
GOOD_STEP = {"channel": "phone", "step": "discovery", "outcome": "reached", "next_step": "send_offer"}


def open_sales(conn: Connection) -> None:
    """Beside the floor (where `cid` sells in shop one): `sal` of shop one and `sue` of shop two; leads wait for claims."""
    for name, code in (("sal", "one"), ("sue", "two")):
        conn.execute(
            """with m as (insert into members (user_id, staff_no, display_name, role, skills, state)
                 values (%s, %s, %s, 'agent', '{presales}', 'active') returning id)
               insert into member_shops select m.id, s.id from m, shops s where s.code = %s""",
            (user_id(name), name, name, code),
        )
    hand_out(conn, False)


def hand_out(conn: Connection, on: bool) -> None:
    """Whether leads are given to people by themselves."""
    conn.execute("update lead_rules set is_handed_out = %s", (on,))


def index(text: str) -> str:
    """A blind index, as the app makes them: letters a to p."""
    return hashlib.sha256(text.encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))


def contact(conn: Connection, **known: str) -> Item:
    """Ciphertexts of a fresh contact with the indexes of what is known (phone, wechat, email, name)."""
    found: Item = {"id": one(conn, "select nextval('private.contact_ids')")}
    for kind, text in known.items():
        found |= {kind: BODY, f"{kind}_hash": index(text)}
    return found


def facts(conn: Connection, **more: Any) -> Item:
    """A lead as a page sends it: a phone, a need; `phone` and `wechat` may be named, other fields replaced."""
    known = {kind: more.pop(kind) for kind in ("phone", "wechat", "email") if kind in more}
    base = {"name_masked": "张**", "phone_masked": "138****5678", "needs": ["母婴用品"], "source": "live"}
    return base | {"contact": contact(conn, **(known or {"phone": f"{one(conn, 'select random()')}"}))} | more


def capture(conn: Connection, who: str = "cid", *, keep: bool = False, code: str = "one", **more: Any) -> int:
    """A lead captured by a person; its id."""
    answer = call(conn, who, "create_leads", shop(conn, code), [facts(conn, **more)], "manual", keep)
    assert answer["refused"] == []
    return int(answer["leads"][0]["id"])


def item(conn: Connection, lead: int) -> Item:
    """{id, version} of a lead."""
    return {"id": lead, "version": version(conn, lead)}


def version(conn: Connection, lead: int) -> int:
    return int(one(conn, "select version from leads where id = %s", lead))


def held(conn: Connection, lead: int) -> Any:
    """State, owner and grade of a lead."""
    return row(
        conn,
        "select l.state, m.staff_no, l.grade from leads l left join members m on m.id = l.owner_id where l.id = %s",
        lead,
    )


def follow(
    conn: Connection, who: str, lead: int, *, after: timedelta = timedelta(hours=20), **more: Any
) -> Any:
    """Record a follow-up; the next one after a span."""
    step = GOOD_STEP | {"next_at": (now(conn) + after).isoformat()} | more
    return call(conn, who, "follow_up_lead", lead, version(conn, lead), step)


def now(conn: Connection) -> datetime:
    moment: datetime = one(conn, "select private.now()")
    return moment


def tick(conn: Connection, moment: datetime) -> None:
    """A minute's tick at a moment: reminders swept, then the pool handed out."""
    sweep(conn, moment)
    conn.execute("select private.drain_pool(private.now())")


__all__ = [
    "GOOD_STEP", "NOON", "at", "capture", "contact", "facts", "follow", "hand_out", "held", "index", "item", "now", "open_sales",
    "tick", "version",
]  # fmt: skip
