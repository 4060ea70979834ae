-- 77 ----------------------------------------------------------------------------------- insight: what the checks found

create or replace function public.compliance_insight(p_from timestamptz, p_to timestamptz, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
        v_shops := array[p_shop_id];
    end if;
    if p_from is null or p_to is null or p_to <= p_from or p_to > p_from + interval '400 days' then
        perform private.fail('PT422', 'filter.bad');
    end if;
    return (with found as materialized (
            select h.term, h.category, h.severity, h.shop_id, h.author_id, h.found_at, h.gone_at, h.gone_as, c.entity
            from public.text_hits h join public.text_checks c on c.id = h.check_id
            where h.shop_id = any (v_shops) and h.found_at >= p_from and h.found_at < p_to
        ), unresolved as materialized (
            select h.found_at from public.text_hits h join public.text_checks c on c.id = h.check_id
            join public.shops s on s.id = h.shop_id
            left join public.listing_revisions r on c.entity = 'listing_revision' and r.id = c.entity_id
            left join public.listings l on l.id = r.listing_id
            where h.shop_id = any (v_shops) and h.severity = 'block' and h.gone_at is null
              and not private.is_exempt(h.term, h.shop_id, l.product_id, v_now)
        )
        select jsonb_build_object(
            'total', (select count(*) from found), 'block', (select count(*) from found where severity = 'block'),
            'replaced', (select count(*) from found where gone_as = 'replaced'), 'released', (select count(*) from found where gone_as = 'released'),
            'by_category', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.category), '[]') from (
                select category, count(*) as count, count(*) filter (where severity = 'block') as block from found group by category) x),
            'by_shop', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.shop_id), '[]') from (
                select f.shop_id, s.name as shop_name, count(*) as count, count(*) filter (where f.severity = 'block') as block
                from found f join public.shops s on s.id = f.shop_id group by 1, 2) x),
            'by_author', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.author_id), '[]') from (
                select f.author_id, m.display_name as author, count(*) as count, count(*) filter (where f.severity = 'block') as block
                from found f left join public.members m on m.id = f.author_id group by 1, 2 order by 3 desc limit 50) x),
            'by_entity', (select coalesce(jsonb_object_agg(x.entity, x.count), '{}') from (select entity, count(*) from found group by entity) x),
            'top_terms', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.term), '[]') from (
                select term, category, count(*) as count, count(*) filter (where gone_as = 'replaced') as replaced
                from found group by 1, 2 order by 3 desc, 1 limit 20) x),
            'trend', (select coalesce(jsonb_agg(to_jsonb(x) order by x.day), '[]') from (
                select (f.found_at at time zone s.timezone)::date as day, count(*) as count, count(*) filter (where f.severity = 'block') as block
                from found f join public.shops s on s.id = f.shop_id group by 1) x),
            'exemption_reasons', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.reason), '[]') from (
                select e.reason, e.state, count(*) as count from public.exemptions e
                where e.shop_id = any (v_shops) and e.requested_at >= p_from and e.requested_at < p_to group by 1, 2) x),
            'unresolved', (select jsonb_build_object('count', count(*), 'oldest', min(found_at),
                'day', count(*) filter (where found_at > v_now - interval '1 day'),
                'three_days', count(*) filter (where found_at <= v_now - interval '1 day' and found_at > v_now - interval '3 days'),
                'week', count(*) filter (where found_at <= v_now - interval '3 days' and found_at > v_now - interval '7 days'),
                'older', count(*) filter (where found_at <= v_now - interval '7 days')) from unresolved)));
end;
$$;
grant execute on function public.compliance_insight(timestamptz, timestamptz, bigint) to authenticated;
comment on function public.compliance_insight(timestamptz, timestamptz, bigint) is
    'Operations, analysts, managers, admins: hits found from p_from to before p_to (at most 400 days) in my shops or one: {total, block, replaced, released, by_category, by_shop, by_author, by_entity, top_terms, trend (days of the shop''s zone), exemption_reasons, unresolved (blocks open now by age: day, three_days, week, older, oldest)}. filter.bad.';
