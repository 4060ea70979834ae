"""A floor for tests of the library: the small dictionary of texts.py, scripts and rules as a page would save them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from backend.compliance import dictionary
from backend.library import checking
from tests.sql.desk import Connection, add_order, ask, call, one
from tests.sql.texts import EXCEPTIONS, WORDS, open_desk, service, shop


def open_library(conn: Connection) -> None:
    """The floor with the small dictionary, without the seeds, and stock for one product."""
    open_desk(conn)
    conn.execute("update scripts set state = 'retired', live_id = null")
    conn.execute(
        "insert into products (stock_pool_id, sku, name) select stock_pool_id, s, '面霜' || s from shops, "
        "unnest(array['A', 'B']) s where code = 'one'"
    )


def new_words(conn: Connection, *words: list[str], basis: int = dictionary.BASIS + 1) -> None:
    """A next version of the dictionary, and the worker has read the scripts with it."""
    service(conn)(
        "service_seed_words",
        p_basis=basis,
        p_words=[list(word) for word in (*WORDS, *words)],
        p_exceptions=[list(row) for row in EXCEPTIONS],
        p_patterns=[],
        p_superlatives=[],
    )
    check_all(conn)


def check_all(conn: Connection) -> None:
    """The worker's part."""
    for rows in checking._chunks(service(conn)):
        checking.compliance.check(service(conn), [s for row in rows for s in checking.subjects_of(row)])


def write(conn: Connection, who: str = "ops", body: str = "您好", **more: Any) -> int:
    """A new script, checked as the app does at once; its id."""
    facts = {"shop_id": shop(conn), "title": "问候", "body": body, "area": "presales"} | more
    made = call(conn, who, "save_script", None, None, facts)
    checking.check_script(service(conn), made["id"])
    return int(made["id"])


def version(conn: Connection, table: str, row_id: int) -> int:
    return int(one(conn, f"select version from {table} where id = %s", row_id))


def edit(conn: Connection, who: str, script_id: int, body: str, **more: Any) -> None:
    """A new text of a script, checked."""
    facts = {"shop_id": shop(conn), "title": "问候", "body": body, "area": "presales"} | more
    call(conn, who, "save_script", script_id, version(conn, "scripts", script_id), facts)
    checking.check_script(service(conn), script_id)


def move(conn: Connection, who: str, script_id: int, step: str, reason: str | None = None) -> str:
    """One step; the state after it."""
    answer = call(conn, who, "move_script", script_id, version(conn, "scripts", script_id), step, reason)
    return str(answer["state"])


def approved(conn: Connection, body: str = "您好", **more: Any) -> int:
    """A script of ops that the manager approved."""
    script_id = write(conn, body=body, **more)
    move(conn, "ops", script_id, "submit", "有出处")
    move(conn, "mgr", script_id, "approve")
    return script_id


def state(conn: Connection, script_id: int) -> str:
    return str(one(conn, "select state from scripts where id = %s", script_id))


def offered(conn: Connection, who: str = "cid", **more: Any) -> list[str]:
    """Texts that a person is offered in shop one now, the best first."""
    found = ask(conn, who, "scripts_for", {"shop_id": shop(conn)} | more)
    return [row["body"] for row in found]


def add_lead(conn: Connection, *, won_at: Any = None, code: str = "one") -> int:
    """A lead of a shop, won by an order if there is a time for it; returns its id."""
    lead_id = one(
        conn,
        """insert into leads (shop_id, source, via, needs, graded_at, buyer_account, free_at, captured_at, asked_at)
           select id, 'chat', 'manual', '{面霜}', private.now(), 'buyer', private.now(), private.now(), private.now()
           from shops where code = %s returning id""",
        code,
    )
    if won_at:
        order_id = add_order(conn, f"lead-{lead_id}", shop=code)
        conn.execute(
            "update leads set state = 'converted', converted_by = 'person', order_id = %s, closed_at = %s where id = %s",
            (order_id, won_at, lead_id),
        )
    return int(lead_id)


def add_ticket(conn: Connection, *, solved_at: Any = None, code: str = "one") -> int:
    """A ticket of a shop, solved if there is a time for it; returns its id."""
    return int(
        one(
            conn,
            """insert into tickets (shop_id, type, state, registered_at, resolved_at, first_resolved_at, outcome)
               select id, 'reship', case when %s::timestamptz is null then 'registered' else 'resolved' end, private.now(), %s, %s,
                   case when %s::timestamptz is null then null else 'reshipped' end from shops where code = %s returning id""",
            solved_at, solved_at, solved_at, solved_at, code,
        )
    )  # fmt: skip


def offer(conn: Connection, who: str = "ops", **facts: Any) -> int:
    """A rule as a page would save it; waiting for a manager."""
    wanted = {
        "kind": "gift",
        "shop_id": shop(conn),
        "name": "满赠",
        "gift_name": "小样",
        "gift_sku": "B",
        "cost": "8",
    } | facts
    made = call(conn, who, "save_offer", None, None, {k: v for k, v in wanted.items() if v is not None})
    return int(made["id"])


def price(conn: Connection, who: str = "ops", **facts: Any) -> int:
    """A line of the price table, waiting for a manager."""
    wanted = {"name": "价格", "sku": "A", "list_price": "200", "agent_price": "180", "manager_price": "160"}
    return offer(
        conn, who, **wanted | {"kind": "price", "gift_name": None, "gift_sku": None, "cost": None} | facts
    )


def decide(conn: Connection, who: str, offer_id: int, step: str = "approve", note: str | None = None) -> str:
    """A step of a rule; the state after it."""
    answer = call(conn, who, "move_offer", offer_id, version(conn, "offer_rules", offer_id), step, note)
    return str(answer["state"])


def actor(conn: Connection, who: str) -> Any:
    """The actor value of a person, for private functions."""
    return one(
        conn,
        "select row(id, role, skills, false, approval_limit)::private.actor from members where user_id = %s",
        uuid5(UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), who),
    )
