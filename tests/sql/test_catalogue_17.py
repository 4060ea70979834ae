"""Hosted projects run Postgres 17, the embedded stack 18: the schema is the same thing on both."""

from __future__ import annotations

import psycopg
import pytest

from backend.sql import build
from tests.conftest import Hosted

SPACES = "('public'::regnamespace, 'private'::regnamespace)"
CATALOGUE = {
    "columns": f"""
        select c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attgenerated, pg_get_expr(d.adbin, d.adrelid)
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace in {SPACES} and c.relkind in ('r', 'v')""",
    "constraints": f"""
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where connamespace in {SPACES} and contype <> 'n'""",
    "indexes": "select indexname, indexdef from pg_indexes where schemaname in ('public', 'private')",
    "policies": "select tablename, policyname, cmd, roles::text, qual from pg_policies where schemaname = 'public'",
    "functions": f"""
        select oid::regprocedure::text, pg_get_function_result(oid), prosecdef, provolatile, proconfig::text,
            md5(prosrc), obj_description(oid, 'pg_proc') from pg_proc where pronamespace in {SPACES}""",
    "rights to call": f"""
        select p.oid::regprocedure::text, r from pg_proc p, unnest(array['anon', 'authenticated', 'service_role']) r
        where pronamespace in {SPACES} and has_function_privilege(r, p.oid, 'execute')""",
    "rights to read and write": f"""
        select c.oid::regclass::text, a.attname, r, p from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
            unnest(array['anon', 'authenticated', 'service_role']) r, unnest(array['select', 'insert', 'update']) p
        where c.relnamespace in {SPACES} and c.relkind in ('r', 'v') and has_column_privilege(r, c.oid, a.attnum, p)""",
    "triggers": f"""
        select pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where c.relnamespace in {SPACES} and not t.tgisinternal""",
    "views": "select viewname, definition from pg_views where schemaname = 'public'",
    "seeds": "select code, measure, allowance::text, ladder::text from public.sla_policies",
}  # fmt: skip


def read(conn: psycopg.Connection, query: str) -> set[tuple[object, ...]]:
    """The rows, without what only the test stack of Postgres 18 has: its clock that can be stopped."""
    return {row for row in conn.execute(query.encode()).fetchall() if not is_test_clock(row)}


def is_test_clock(row: tuple[object, ...]) -> bool:
    return any(str(value).startswith(("private.test_clock", "private.now(", "test_clock")) for value in row)


@pytest.mark.parametrize("part", CATALOGUE)
def test_the_catalogue_of_17_is_that_of_18(db: psycopg.Connection, pg17: Hosted, part: str) -> None:
    with psycopg.connect(pg17.owner_url) as hosted:
        assert hosted.info.server_version // 10000 == 17
        ours, theirs = read(db, CATALOGUE[part]), read(hosted, CATALOGUE[part])
    assert ours
    assert ours ^ theirs == set()


def test_applying_once_more_changes_nothing(pg17: Hosted) -> None:
    with psycopg.connect(pg17.owner_url, autocommit=True) as hosted:
        before = {part: read(hosted, query) for part, query in CATALOGUE.items()}
        hosted.execute(build.assemble().encode())
        assert {part: read(hosted, query) for part, query in CATALOGUE.items()} == before
