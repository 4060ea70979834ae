-- 57 ------------------------------------------------------------------------------------ who changed which rule, and how

create or replace function public.rule_changes() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'admin']);
begin
    return (select coalesce(jsonb_agg(to_jsonb(c) order by c.id desc), '[]') from (
        select a.id, a.at, m.display_name as who, a.shop_id, a.detail ->> 'kind' as kind, a.action, a.detail - 'kind' as after,
            lag(a.detail - 'kind') over (partition by a.shop_id, a.detail ->> 'kind' order by a.id) as before
        from public.audit_events a left join public.members m on m.id = a.member_id
        where a.entity = 'exception_rule' and (a.shop_id is null or a.shop_id in (select private.my_shop_ids()))
        order by a.id desc limit 30) c);
end;
$$;
grant execute on function public.rule_changes() to authenticated;
comment on function public.rule_changes() is
    'Operations, managers, admins: the latest 30 changes of the defaults and of my shops'' rules, newest first: [{id, at, who, shop_id, kind, action saved|reset, after, before (values of the change before it, null for the first)}].';
