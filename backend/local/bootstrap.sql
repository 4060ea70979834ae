-- The ground a hosted Supabase project already has besides the roles: rights on the schemas public and auth, and
-- the helpers of schema auth. Applied by the superuser of the embedded database, repeatedly, after roles.sql, after
-- Supabase Lite made schema auth, and before schema.sql. Never sent to a hosted project.

revoke create on schema public from public;
grant usage on schema public to anon, authenticated, service_role;
grant all on schema public to desk_owner;

-- schema auth: the gateway keeps accounts there; the schema reads them and puts its trigger on auth.users.
grant usage on schema auth to anon, authenticated, service_role, authenticator, desk_owner;
grant select, insert, update, delete on all tables in schema auth to authenticator;
grant usage, select, update on all sequences in schema auth to authenticator;
grant select, insert, update, delete, references, trigger on all tables in schema auth to desk_owner;

-- As on a hosted project: the claims may come one by one or as one JSON document.
create or replace function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;

create or replace function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;

create or replace function auth.email() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;

create or replace function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb
$$;

grant execute on function auth.uid(), auth.role(), auth.email(), auth.jwt()
  to anon, authenticated, service_role, desk_owner;

-- What was applied to this database, so that a second start need not do it again.
create schema if not exists stack;
create table if not exists stack.applied (
  part text primary key,
  hash text not null,
  applied_at timestamptz not null default clock_timestamp()
);
revoke all on schema stack from public;
