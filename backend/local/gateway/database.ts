// How the gateway reads the database: PostgREST's own spelling of values, and the rights as they stand.
import { createPostgresConnection, type PostgresConnection } from "@supabase/lite/postgres";
import type postgres from "postgres";
import { tellAtOnce } from "./context.ts";
import { exactNumber, isoInstant } from "./values.ts";

/** Connections the gateway holds at most; the database refuses slow statements by itself (8 s). */
const POOL = 10;

type TextType<Value> = {
  to: number;
  from: number[];
  serialize: (value: Value) => unknown;
  parse: (text: string) => unknown;
};

const types: Record<string, TextType<unknown>> = {
  timestamptz: { to: 1184, from: [1184], serialize: (value) => value, parse: isoInstant },
  numeric: { to: 1700, from: [1700], serialize: (value) => String(value), parse: exactNumber },
};

/** Opens the pool; `url` names the role, so the caller decides what the process may do. */
export function connect(url: string, max: number = POOL): PostgresConnection {
  const postgresOptions: Record<string, unknown> = {
    max,
    types,
    onnotice: () => {},
    connect_timeout: 5,
    backoff: () => 0.2, // seconds; the driver's own grows to 20, long after a restarted database is back
  };
  return tellAtOnce(createPostgresConnection({
    url,
    postgresOptions: postgresOptions as postgres.Options<Record<string, never>>,
  }));
}

/**
 * Every right of every table, column, sequence, function and schema outside the system catalogues, one line
 * each. Two equal answers mean that nobody's rights changed in between.
 */
export async function rights(connection: PostgresConnection): Promise<string[]> {
  const rows = await connection.driver.unsafe(`
    with spaces as (
      select oid, nspname, nspacl from pg_catalog.pg_namespace
      where nspname !~ '^pg_' and nspname <> 'information_schema'
    )
    select 'schema ' || nspname || ' ' || coalesce(nspacl::text, '-') as line from spaces
    union all
    select 'relation ' || s.nspname || '.' || c.relname || ' ' || coalesce(c.relacl::text, '-')
      from pg_catalog.pg_class c join spaces s on s.oid = c.relnamespace where c.relkind in ('r','p','v','m','S','f')
    union all
    select 'column ' || s.nspname || '.' || c.relname || '.' || a.attname || ' ' || a.attacl::text
      from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
      join spaces s on s.oid = c.relnamespace where a.attacl is not null
    union all
    select 'function ' || s.nspname || '.' || p.oid::regprocedure::text || ' ' || coalesce(p.proacl::text, '-')
      from pg_catalog.pg_proc p join spaces s on s.oid = p.pronamespace
    order by 1`);
  return rows.map((row) => String(row.line));
}
