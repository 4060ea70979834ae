-- Shopdesk: the whole database in one file.
--
-- Contents   00 guard · 10 private helpers · 20 people, sign-in, members · 30 clock · 36 calendars, rota · 37 channels, inbox
--            · 38 reminders · 39 policies · 40 stock · 42 assignment · 43 library · 50 orders · 51 imports · 52 rules
--            · 53 review · 54 release · 58 leads · 60 search · 61 tickets · 63 returns · 64 authority, money, approvals
--            · 65 price protection · 66 surveys · 67 attachments · 69 handover · 70 words · 72 listings · 80 jobs · 85 keys
--            · 90 screens · 91 deadlines · 93 sources · 94 KPIs · 97 tasks · 98 alerts · 99 reload
-- Apply      paste into the Supabase SQL editor; the embedded stack applies it itself. Runs as a non-superuser owner, on
--            Postgres 17 and 18 without extensions, as often as you like: functions, views, policies and grants are
--            replaced, tables change by numbered steps (private.schema_steps), each run once.
-- Schemas    `public` is the API: tables and views to read, functions (RPCs) to act. `private` is never exposed.
-- Rights     Nobody writes to a table through the API. anon may do nothing at all. `authenticated` reads what a policy
--            allows and calls RPCs; `service_role` calls the few RPCs named for it and reads no table.
-- Errors     PT4xx with a stable key as message and jsonb parameters as detail (backend/errors.py lists every key).
-- Time       Public RPCs use private.now(); private functions take p_now.

begin;
set local lock_timeout = '3s';
set local client_min_messages = 'warning';
set local check_function_bodies = off; -- a function may call one of a later section

do $$
begin
    if (select count(*) from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role')) < 3 then
        raise exception 'schema.sql needs the roles anon, authenticated and service_role: apply it to a Supabase project, or start the embedded stack with "python -m backend local"';
    end if;
    if to_regclass('auth.users') is null then
        raise exception 'schema.sql needs the table auth.users of Supabase Auth';
    end if;
end;
$$;

create schema if not exists private;
revoke all on schema private from public, anon;
grant usage on schema private to authenticated; -- policies call helpers there; every other function stays without EXECUTE

-- From here on a new function or table belongs to nobody but its owner until a grant says otherwise.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke execute on functions from anon, authenticated, service_role;
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
revoke all on all tables in schema public from anon, authenticated, service_role;
revoke all on all sequences in schema public from anon, authenticated, service_role;
revoke execute on all functions in schema public from public, anon, authenticated, service_role;
revoke execute on all functions in schema private from public, anon, authenticated, service_role;

-- Whatever is older than this line when the end is reached belongs to an earlier version (99).
create temporary table desk_apply (line integer) on commit drop;
