-- One row per object of the schemas that are ours: its name, and a digest of everything that makes it what it is.
with spaces as (
    select oid, nspname from pg_catalog.pg_namespace where nspname in ('public', 'private')
), api (oid, name) as (
    select 0::oid, 'everybody ' union all
    select oid, rolname || ' ' from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role')
)
select kind || ' ' || name, pg_catalog.md5(definition) from (
    select case c.relkind when 'v' then 'view' else 'table' end, s.nspname || '.' || c.relname,
        pg_catalog.concat_ws('|', c.relrowsecurity, c.reloptions::text,
            (select pg_catalog.string_agg(r.name || x.privilege_type, ',' order by r.name, x.privilege_type)
             from pg_catalog.aclexplode(c.relacl) x join api r on r.oid = x.grantee),
            case when c.relkind = 'v' then pg_catalog.pg_get_viewdef(c.oid) end,
            (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
                a.attnotnull,
                (select pg_catalog.string_agg(r.name || x.privilege_type, ',' order by r.name, x.privilege_type)
                 from pg_catalog.aclexplode(a.attacl) x join api r on r.oid = x.grantee),
                pg_catalog.pg_get_expr(d.adbin, d.adrelid)), ',' order by a.attname)
             from pg_catalog.pg_attribute a
             left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
    from pg_catalog.pg_class c join spaces s on s.oid = c.relnamespace where c.relkind in ('r', 'v')
    union all
    select 'constraint', s.nspname || '.' || r.relname || '.' || c.conname,
        pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(c.oid), '[()]', '', 'g') -- a restored one has other brackets
    from pg_catalog.pg_constraint c join pg_catalog.pg_class r on r.oid = c.conrelid join spaces s on s.oid = r.relnamespace
    where c.contype <> 'n'
    union all
    select 'index', i.schemaname || '.' || i.indexname, i.indexdef
    from pg_catalog.pg_indexes i join spaces s on s.nspname = i.schemaname
    union all
    select 'policy', p.tablename || '.' || p.policyname,
        pg_catalog.concat_ws('|', p.cmd, p.roles::text, p.qual, p.with_check)
    from pg_catalog.pg_policies p join spaces s on s.nspname = p.schemaname
    union all
    select 'function', s.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
        pg_catalog.concat_ws('|', p.prosrc, p.prosecdef, p.provolatile, p.proconfig::text,
            (select pg_catalog.string_agg(r.name, ',' order by r.name)
             from pg_catalog.aclexplode(p.proacl) x join api r on r.oid = x.grantee),
            pg_catalog.pg_get_function_result(p.oid))
    from pg_catalog.pg_proc p join spaces s on s.oid = p.pronamespace
    union all
    select 'trigger', r.relname || '.' || t.tgname, pg_catalog.pg_get_triggerdef(t.oid)
    from pg_catalog.pg_trigger t join pg_catalog.pg_class r on r.oid = t.tgrelid
    join pg_catalog.pg_proc p on p.oid = t.tgfoid join spaces s on s.oid = p.pronamespace
    where not t.tgisinternal
) found (kind, name, definition)
