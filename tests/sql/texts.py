"""A floor for tests of words, verdicts and listings: a small dictionary, and the service as an RPC."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from backend.compliance import dictionary
from backend.compliance.checking import sha
from backend.errors import AppError
from tests.sql.desk import NOON, Connection, call, one, open_floor, refused
from tests.support import as_role

WORDS = (
    ["最佳", "absolute", "block", "广告法第九条", "删去", "exact", "", ""],
    ["销量第一", "data_citation", "warn", "广告法第十一条", "写明出处", "exact", "", ""],
    ["国旗", "national_symbol", "block", "广告法第九条", "删去", "exact", "", ""],
)
EXCEPTIONS = ([["最佳"], "clean", "phrase", "~食用", "消费提示"],)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

Service = Callable[..., Any]


def service(conn: Connection) -> Service:
    """Calls service RPCs; refusals are AppErrors, as through the gateway."""
    conn.execute("select 1")  # the test's transaction is open: what as_role does inside is a savepoint of it

    def rpc(name: str, **params: Any) -> Any:
        names = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(key)) for key in params)
        query = sql.SQL("select public.{}({})").format(sql.Identifier(name), names)
        values = [Jsonb(v) if isinstance(v, list | dict) else v for v in params.values()]
        try:
            with as_role(conn, "service_role"):
                found = conn.execute(query, values).fetchone()
        except psycopg.Error as error:
            code, key = refused(error)
            raise AppError(key, status=int(code[2:]) if code.startswith("PT") else 500) from error
        return None if found is None else found[0]

    return rpc


def open_desk(conn: Connection, words: tuple[list[str], ...] = WORDS) -> Service:
    """The floor of desk.py with a second manager, the small dictionary as version 1, and an empty job queue."""
    open_floor(conn)
    conn.execute(
        """with m as (insert into members (user_id, staff_no, display_name, role, state)
             values (%s, 'mg2', 'mg2', 'manager', 'active') returning id)
           insert into member_shops select m.id, s.id from m, shops s where s.code = 'one'""",
        (uuid.uuid5(uuid.NAMESPACE_URL, "mg2"),),
    )
    rpc = service(conn)
    rpc(
        "service_seed_words",
        p_basis=dictionary.BASIS,
        p_words=[list(word) for word in words],
        p_exceptions=[list(row) for row in EXCEPTIONS],
        p_patterns=[],
        p_superlatives=[],
    )
    conn.execute("delete from private.jobs")
    return rpc


def later(conn: Connection, **delta: float) -> None:
    """Move the clock on from noon."""
    conn.execute("update private.test_clock set at = %s", (NOON + timedelta(**delta),))


def shop(conn: Connection, code: str = "one") -> int:
    return int(one(conn, "select id from shops where code = %s", code))


def write(conn: Connection, who: str = "ops", title: str = "保湿面霜", **more: Any) -> dict[str, Any]:
    """A new listing as a page would save it: {id, version, state, revision_id}."""
    listing = {"shop_id": shop(conn), "title": title} | more
    answer: dict[str, Any] = call(conn, who, "save_listing", None, None, listing)
    return answer


def item(conn: Connection, listing_id: int) -> dict[str, int]:
    """{id, version} as the screen shows them."""
    return {"id": listing_id, "version": one(conn, "select version from listings where id = %s", listing_id)}


def state(conn: Connection, listing_id: int) -> str:
    return str(one(conn, "select state from listings where id = %s", listing_id))


def step(conn: Connection, who: str, name: str, listing_id: int, reason: str | None = None) -> dict[str, Any]:
    """One step for one listing; its answer with the batch."""
    answer = call(conn, who, name, [item(conn, listing_id)], reason)
    row: dict[str, Any] = answer["items"][0] | {"batch_id": answer["batch_id"]}
    return row


def verdict_row(text: str, shop_id: int, **more: Any) -> dict[str, Any]:
    """A clean verdict as the service stores it."""
    return {
        "sha": sha(text), "kind": "title", "shop_id": shop_id, "category": "general", "licences": [],
        "entity": "script", "entity_id": 1, "part": "body", "author_id": None, "notices": [], "hits": [],
    } | more  # fmt: skip


def hit(term: str, severity: str = "block", start: int = 0, category: str = "absolute") -> dict[str, Any]:
    return {
        "start": start, "end": start + len(term), "term": term, "category": category, "severity": severity,
        "disguised": False,
    }  # fmt: skip
