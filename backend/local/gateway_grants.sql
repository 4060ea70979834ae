-- On its first request Supabase Lite grants everything to the API roles in each schema that holds a table with
-- row level security. Run by authenticator, who may pass nothing on, those grants have no effect; but the command
-- fails unless authenticator holds at least one right on each object. Applied after every schema apply.

do $$
declare
  v_schema text;
begin
  for v_schema in
    select distinct n.nspname
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relrowsecurity and n.nspname <> 'auth'
  loop
    execute format('grant usage on schema %I to authenticator', v_schema);
    execute format('grant references on all tables in schema %I to authenticator', v_schema);
    execute format('grant usage on all sequences in schema %I to authenticator', v_schema);
  end loop;
end
$$;
