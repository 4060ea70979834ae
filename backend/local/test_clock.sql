-- Only in databases started with a test clock, after every schema apply: private.now() answers private.test_clock
-- when a test has set it. No API role may write the row; a hosted project and a working installation never have it.

create table if not exists private.test_clock (
  only_row boolean primary key default true check (only_row),
  at timestamptz
);
alter table private.test_clock enable row level security;
revoke all on private.test_clock from public, anon, authenticated, service_role;
insert into private.test_clock (at) values (null) on conflict do nothing;

create or replace function private.now() returns timestamptz
language sql stable security definer set search_path = '' as $$
  select coalesce((select at from private.test_clock), pg_catalog.now())
$$;
