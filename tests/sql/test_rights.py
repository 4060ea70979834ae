"""Who may read and do what, tried in Postgres: each cell of the matrix as allowed and as denied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.sql.rights import (
    HIDDEN_COLUMNS,
    OUTSIDERS,
    PEOPLE,
    ROLES,
    RPCS,
    TABLES,
    expected,
    key_of,
    make_scene,
)


@pytest.fixture(scope="module")
def laid_out(sql_url: str) -> Iterator[psycopg.Connection]:
    """Two shops with one row of everything, and a person of each role in shop a."""
    with psycopg.connect(sql_url) as conn:
        make_scene(conn)
        yield conn
        conn.rollback()


@pytest.fixture
def scene(laid_out: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The scene for one test, which leaves it as it was."""
    with laid_out.transaction(force_rollback=True):
        yield laid_out


@contextmanager
def acting(db: psycopg.Connection, who: str) -> Iterator[None]:
    """The rest of the block runs as `who`, as PostgREST would set it up; whatever it did is rolled back."""
    api_role = who if who in ("anon", "service_role") else "authenticated"
    claims = {"role": api_role} | ({"sub": str(PEOPLE[who])} if who in PEOPLE else {})
    with db.transaction(force_rollback=True):
        db.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
        db.execute(f"set local role {api_role}")
        yield


def visible(db: psycopg.Connection, who: str, table: str) -> str | set[int]:
    """Ids (or shop ids) of the scene that `who` reads in `table`, or "denied"."""
    key = key_of(table)
    try:
        with acting(db, who):
            return {
                row[0]
                for row in db.execute(f"select {key} from public.{table}").fetchall()
                if row[0] is not None
            }
    except psycopg.errors.InsufficientPrivilege:
        return "denied"


@pytest.mark.parametrize("table", TABLES)
def test_who_reads_what(scene: psycopg.Connection, table: str) -> None:
    cells = dict(zip((*ROLES, *OUTSIDERS), TABLES[table].split(), strict=True))
    assert table == "action_batches" or expected(scene, table, "all")  # there is something to hide
    found = {who: visible(scene, who, table) for who in cells}
    assert found == {
        who: "denied" if c == "denied" else expected(scene, table, c) for who, c in cells.items()
    }


def test_every_public_table_is_in_the_matrix(db: psycopg.Connection) -> None:
    query = """select relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"""
    assert {row[0] for row in db.execute(query).fetchall()} == set(TABLES)


@pytest.mark.parametrize("who", ROLES)
def test_keys_to_personal_data_stay_hidden(scene: psycopg.Connection, who: str) -> None:
    for table, columns in HIDDEN_COLUMNS.items():
        for column in columns:
            with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(scene, who):
                scene.execute(f"select {column} from public.{table}")


def outcome(db: psycopg.Connection, who: str, name: str) -> str:
    """How RPC `name`, called without any arguments' values, answers `who`: denied, no member, or let through."""
    types = db.execute(
        "select array(select format_type(t, null) from unnest(proargtypes) t) from pg_proc"
        " where proname = %s and pronamespace = 'public'::regnamespace",
        (name,),
    ).fetchone()
    assert types is not None
    # Sub-selects: a strict function of a constant null is answered by the planner, which asks for no right.
    nulls = ", ".join(f"(select null::{kind})" for kind in types[0])
    try:
        with acting(db, who):
            db.execute(f"select public.{name}({nulls})")
    except psycopg.Error as error:
        if error.sqlstate in ("42501", "PT401", "PT403"):
            return "denied"
    return "let through"


@pytest.mark.parametrize("name", RPCS)
def test_who_may_call_what(scene: psycopg.Connection, name: str) -> None:
    allowed = set(RPCS[name]["roles"]) | ({"service_role"} & set(RPCS[name]["granted"]))
    if runs_as_reader(name):
        # Nobody is refused: whoever is no member is answered with nothing, as tried below.
        allowed |= {"off", "invited", "stranger"}
    found = {who: outcome(scene, who, name) for who in (*ROLES, *OUTSIDERS)}
    assert found == {who: "let through" if who in allowed else "denied" for who in (*ROLES, *OUTSIDERS)}


@pytest.mark.parametrize("name", ["import_begin", "import_preview", "save_mapping"])
def test_the_warehouse_imports_no_orders(scene: psycopg.Connection, name: str) -> None:
    count = scene.execute("select pronargs - 1 from pg_proc where proname = %s", (name,)).fetchone()
    assert count is not None
    kind_first = name != "save_mapping"  # its first argument is the shop
    nulls = ["null"] * int(count[0])
    nulls.insert(0 if kind_first else 1, "'orders'")
    with pytest.raises(psycopg.Error) as caught, acting(scene, "warehouse"):
        scene.execute(f"select public.{name}({', '.join(nulls)})")
    assert caught.value.sqlstate == "PT403"


# --- functions that run with the rights of their reader ---

READERS = {
    "order_detail": "select concat(order_detail(%(order_a)s), order_detail(%(order_b)s))",
    "order_facts": "select concat(order_facts(%(order_a)s), order_facts(%(order_b)s))",
    "order_queue": "select order_queue('{}')",
    "queue_page": "select string_agg(concat('right-', order_id = %(order_a)s), '') from queue_page('{}', %(shops)s, null, false, 50)",
    "queue_count": "select repeat('right-', queue_count('{}', %(shops)s))",
    "queue_tabs": "select repeat('right-', (queue_tabs(%(shops)s) ->> 'open')::integer)",
    "queue_groups": "select repeat('right-', (queue_groups() -> 0 ->> 'count')::integer / 2)",
    "payment_nudge": "select payment_nudge('{}')",
    "hold_screen": "select hold_screen('{}')",
    "pick_list": "select concat(pick_list(%(list_a)s), pick_list(%(list_b)s))",
    "product_list": "select replace(product_list('{}')::text, 'RIGHT-1', 'right-')",
}  # fmt: skip
MORE = """
insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash, amount)
select id, 'UNPAID-' || code, '待付款', 'unpaid', 'f', 'c', 10 from shops where code like 'right-%';
insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash, checked_facts_hash, checked_version)
select id, 'READY-' || code, '待发货', 'to_ship', 'f', 'c', 'f', private.current_check_version() from shops where code like 'right-%';
insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash)
select id, 'TWIN-' || code, '待发货', 'to_ship', 'f', 'c' from shops where code like 'right-%';
insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, fingerprint, detected_at)
select id, shop_id, 'remote', true, 'normal', 'f', now() from orders where order_no like 'TWIN-%';
insert into order_items (order_id, shop_id, line_no, sku, quantity) select id, shop_id, 1, 'RIGHT-1', 1 from orders where order_no like 'READY-%';
insert into releases (shop_id, kind, order_count, created_at) select id, 'release', 1, now() from shops where code like 'right-%';
insert into release_orders select r.id, o.id from releases r join orders o using (shop_id) where r.kind = 'release' and o.order_no like 'READY-%';
update orders o set released_at = now(), release_id = l.release_id from release_orders l join releases r on r.id = l.release_id
where l.order_id = o.id and r.kind = 'release';
"""


def runs_as_reader(name: str) -> bool:
    """Whether RPC `name` stands on the policies alone instead of checking its caller."""
    return bool(RPCS[name].get("runs_as") == "reader")


def test_every_function_that_runs_as_its_reader_is_tried(db: psycopg.Connection) -> None:
    query = """select proname, provolatile = 'i' from pg_proc where pronamespace = 'public'::regnamespace and not prosecdef"""
    kinds = dict(db.execute(query).fetchall())
    assert {name for name in RPCS if runs_as_reader(name)} == set(kinds)
    assert {name for name, reads_nothing in kinds.items() if not reads_nothing} == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_what_a_function_that_runs_as_its_reader_tells(scene: psycopg.Connection, name: str) -> None:
    scene.execute(MORE)
    ids = dict(scene.execute("select order_no, id from orders where order_no like 'RIGHT-%'").fetchall())
    lists = [
        row[0]
        for row in scene.execute("select id from releases where kind = 'release' order by shop_id").fetchall()
    ]
    shops = [
        row[0]
        for row in scene.execute("select id from shops where code like 'right-%' order by code").fetchall()
    ]
    params = {
        "order_a": ids["RIGHT-right-a"],
        "order_b": ids["RIGHT-right-b"],
        "shops": shops,
        "list_a": lists[0],
        "list_b": lists[1],
    }
    told = {
        who: bare(scene, who, READERS[name], params).count("right-")
        for who in (*ROLES, "off", "invited", "stranger")
    }
    members = {told[role] for role in ROLES if role != "admin"}
    assert len(members) == 1
    assert members.pop() > 0
    assert told["admin"] > told["agent"] or name == "product_list"  # stock belongs to the pool, not to a shop
    assert [told[who] for who in ("off", "invited", "stranger")] == [0, 0, 0]


def bare(db: psycopg.Connection, who: str, query: str, params: dict[str, object]) -> str:
    """The text that `who` is answered, without the other shop's code when nothing of it may show."""
    with acting(db, who):
        db.execute("set local search_path = public")
        row = db.execute(query, params).fetchone()
    text = str((row or [""])[0] or "")
    assert who == "admin" or "right-b" not in text
    return text
