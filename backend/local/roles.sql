-- The roles of a hosted Supabase project, and the two that hosted calls `postgres` (owner of the schema) and
-- `authenticator` (login of the API). Belongs to the whole server; applied repeatedly by the superuser.

do $$
begin
  if to_regrole('anon') is null then create role anon nologin noinherit; end if;
  if to_regrole('authenticated') is null then create role authenticated nologin noinherit; end if;
  if to_regrole('service_role') is null then create role service_role nologin noinherit bypassrls; end if;
  if to_regrole('authenticator') is null then create role authenticator login noinherit; end if;
  if to_regrole('desk_owner') is null then create role desk_owner login createrole bypassrls; end if;
end
$$;

-- The gateway logs in as authenticator and becomes the role of each request. A slow statement or a forgotten
-- transaction must not hold one of its few connections.
grant anon, authenticated, service_role to authenticator with inherit false, set true;
alter role authenticator set statement_timeout = '8s';
alter role authenticator set idle_in_transaction_session_timeout = '15s';

-- The owner of the schema may act as an API role (as `postgres` may on a hosted project), never by inheritance.
grant anon, authenticated, service_role to desk_owner with inherit false, set true;
