"""House rules of the schema, each as one query over the catalogue: what is not listed here is not allowed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from backend import errors

RPCS = json.loads((Path(__file__).parent / "rpcs.json").read_text("utf-8"))
SQL = Path(__file__).parents[2] / "backend" / "sql"
OURS = "n.nspname in ('public', 'private')"
API_ROLES = ("anon", "authenticated", "service_role")


def names(db: psycopg.Connection, query: str) -> list[str]:
    """The first column of `query`, for rules of the form "no row may come back"."""
    return [row[0] for row in db.execute(query).fetchall()]


RULES = {
    "every table has row level security": f"""
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {OURS} and c.relkind in ('r', 'p') and not c.relrowsecurity and c.relname <> 'test_clock'""",
    "every table has a primary key": f"""
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {OURS} and c.relkind = 'r'
          and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p')""",
    "every table and view is commented": f"""
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {OURS} and c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null
          and c.relname <> 'test_clock'""",
    "every public function is commented": """
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') is null""",
    "every function fixes its search path": f"""
        select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where {OURS} and not coalesce(p.proconfig @> array['search_path=""'], false)""",
    "every foreign key is indexed": f"""
        select k.conrelid::regclass::text || ' ' || k.conname from pg_constraint k
        join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
        where {OURS} and k.contype = 'f' and not exists (
            select from pg_index i where i.indrelid = k.conrelid
            and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)""",
    "every policy is for select, to authenticated": """
        select schemaname || '.' || tablename || ': ' || policyname from pg_policies
        where schemaname in ('public', 'private') and (cmd <> 'SELECT' or roles <> array['authenticated']::name[])""",
    "no policy calls a helper once per row": """
        select tablename || ': ' || policyname from pg_policies where schemaname in ('public', 'private')
        and regexp_replace(qual, '\\( ?SELECT (private|auth)\\.[a-z_]+\\([^)]*\\)', '', 'g') ~ '(private|auth)\\.[a-z_]+\\('""",
    "one policy per table and command": """
        select tablename from pg_policies where schemaname in ('public', 'private')
        group by schemaname, tablename, cmd having count(*) > 1""",
    "every view runs with the rights of its reader": """
        select c.oid::regclass::text from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
          and not coalesce(c.reloptions @> array['security_invoker=true'], false)
          and not coalesce(c.reloptions @> array['security_invoker=on'], false)""",
    "nothing but functions is reachable in schema private": """
        select c.oid::regclass::text || ' ' || r from pg_class c, unnest(array['anon', 'authenticated', 'service_role']) r
        where c.relnamespace = 'private'::regnamespace and c.relkind in ('r', 'v', 'S')
          and has_table_privilege(r, c.oid, 'select')""",
    "no two indexes are the same": f"""
        select min(i.indexrelid::regclass::text) from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace where {OURS}
        group by i.indrelid, i.indkey, i.indclass, i.indpred::text, i.indexprs::text having count(*) > 1""",
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_of_the_schema(db: psycopg.Connection, rule: str) -> None:
    assert names(db, RULES[rule]) == []


@pytest.mark.parametrize("role", API_ROLES)
def test_no_api_role_writes_to_a_table(db: psycopg.Connection, role: str) -> None:
    query = f"""
        select c.oid::regclass::text || ' ' || p from pg_class c join pg_namespace n on n.oid = c.relnamespace,
            unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p
        where {OURS} and c.relkind in ('r', 'p', 'v') and has_table_privilege('{role}', c.oid, p)
        union all
        select c.oid::regclass::text || '.' || a.attname || ' ' || p from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
            unnest(array['insert', 'update']) p
        where {OURS} and c.relkind in ('r', 'p', 'v') and has_column_privilege('{role}', c.oid, a.attnum, p)"""
    assert names(db, query) == []


@pytest.mark.parametrize("role", ["anon", "service_role"])
def test_role_without_people_reads_no_table(db: psycopg.Connection, role: str) -> None:
    query = f"""
        select c.oid::regclass::text || '.' || a.attname from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where {OURS} and c.relkind in ('r', 'p', 'v') and has_column_privilege('{role}', c.oid, a.attnum, 'select')"""
    assert names(db, query) == []


def granted(db: psycopg.Connection) -> dict[str, list[str]]:
    """Every function of schema public with the API roles that may call it."""
    query = """
        select p.proname, array(select r from unnest(array['anon', 'authenticated', 'service_role']) r
            where has_function_privilege(r, p.oid, 'execute')) from pg_proc p
        where p.pronamespace = 'public'::regnamespace order by p.proname"""
    return dict(db.execute(query).fetchall())


def test_listed_is_granted(db: psycopg.Connection) -> None:
    assert granted(db) == {name: sorted(entry["granted"]) for name, entry in RPCS.items()}


def test_no_function_has_two_signatures(db: psycopg.Connection) -> None:
    query = """select proname from pg_proc where pronamespace in ('public'::regnamespace, 'private'::regnamespace)
        group by pronamespace, proname having count(*) > 1"""
    assert names(db, query) == []


def test_only_policy_helpers_of_private_are_callable(db: psycopg.Connection) -> None:
    query = """
        select distinct p.proname from pg_proc p, unnest(array['anon', 'authenticated', 'service_role']) r
        where p.pronamespace = 'private'::regnamespace and has_function_privilege(r, p.oid, 'execute')
          and p.proname <> 'now' order by 1"""
    assert names(db, query) == RPCS_PRIVATE


RPCS_PRIVATE = ["my_member_id", "my_person_criteria", "my_role", "my_shop_ids", "sees_every_shop"]


def test_every_definer_of_members_checks_its_caller_first(db: psycopg.Connection) -> None:
    query = """
        select p.proname, p.prosrc from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef
          and has_function_privilege('authenticated', p.oid, 'execute')"""
    careless = []
    for name, source in db.execute(query).fetchall():
        first_call = re.search(r"private\.(?!actor\b)[a-z_]+", source)
        if not first_call or not first_call.group().startswith("private.require_"):
            careless.append(name)
    assert careless == []


def test_every_key_raised_has_a_sentence_in_both_languages() -> None:
    raised: set[str] = set()
    for path in SQL.glob("*.sql"):
        raised |= set(re.findall(r"fail\('PT4\d\d', '([a-z_.]+)'", path.read_text("utf-8")))
        raised |= set(re.findall(r"message = '([a-z_.]+)'", path.read_text("utf-8")))
    sentences = errors.catalogue()
    assert sorted(raised - sentences.keys()) == []
    assert [key for key, entry in sentences.items() if set(entry) != set(errors.LANGUAGES)] == []
