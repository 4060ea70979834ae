-- 99 ------------------------------------------------------------------------------------------------------------ reload

-- A function that an earlier version had and this one has not: gone. What was made or replaced above carries this
-- transaction's number and a later command's than the line drawn by 00; what belongs to an extension stays.
do $$
declare
    v_old regprocedure;
begin
    for v_old in
        select p.oid from pg_catalog.pg_proc p
        join pg_catalog.pg_class line on line.oid = 'pg_temp.desk_apply'::regclass
        where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)
            and (p.xmin <> line.xmin or p.cmin::text::bigint <= line.cmin::text::bigint)
            and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass
                and d.objid = p.oid and d.deptype = 'e')
    loop
        execute format('drop routine %s', v_old);
    end loop;
end;
$$;

notify pgrst, 'reload schema';
commit;
