-- 78 ------------------------------------------------------------------------------------- listings: what the pages read

create or replace function private.listing_where(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select 'true'
        || case when p ->> 'state' is not null then ' and l.state = $1 ->> ''state''' else ' and l.state <> ''withdrawn''' end
        || case when p ->> 'verdict' = 'unchecked'
                then ' and (l.verdict = ''unchecked'' or l.checked_version is distinct from $4)'
                when p ->> 'verdict' is not null then ' and l.verdict = $1 ->> ''verdict'' and l.checked_version = $4' else '' end
        || case when p ->> 'live_verdict' is not null then ' and l.live_verdict = $1 ->> ''live_verdict''' else '' end
        || case when p ->> 'author' = 'me' then ' and l.author_id = $3' when p ->> 'author' is not null then ' and l.author_id = ($1 ->> ''author'')::bigint' else '' end
        || case when p ->> 'product_id' is not null then ' and l.product_id = ($1 ->> ''product_id'')::bigint' else '' end
        || case when char_length(btrim(p ->> 'q')) > 1 then ' and l.grams @> private.grams(private.gram_query($1 ->> ''q''))'
            || ' and strpos(lower(l.title || '' '' || l.sku), lower(btrim($1 ->> ''q''))) > 0' else '' end
        || case when p ->> 'todo' = 'true' then ' and (l.state in (''text_review'', ''final_review'') and l.author_id <> $3 or l.state = ''images'' or l.state = ''suspended'')' else '' end
$$;
comment on function private.listing_where(jsonb) is
    'Condition of the list as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $3 me, $4 version of the dictionary).';

create or replace function private.gram_query(p_text text) returns text
language sql immutable set search_path = '' as $$ select left(btrim(p_text), 60) $$;

create or replace function private.listing_ids(p jsonb, p_shops bigint[], p_me bigint, p_after bigint, p_limit integer) returns setof bigint
language plpgsql stable set search_path = '' as $$
begin
    return query execute format('
        select x.id from unnest($2) s (id) cross join lateral (
            select l.id from public.listings l where l.shop_id = s.id and %1$s %2$s order by l.id desc limit $6) x
        order by x.id desc limit $6', private.listing_where(p), case when p_after is not null then 'and l.id < $5' else '' end)
    using p, p_shops, p_me, private.words_version(), p_after, p_limit;
end;
$$;
comment on function private.listing_ids(jsonb, bigint[], bigint, bigint, integer) is 'One page by keyset, newest first, each shop from its own index range.';

create or replace function private.listing_row(p public.listings) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', (p).id, 'shop_id', (p).shop_id, 'shop_name', s.name, 'platform', s.platform, 'product_id', (p).product_id,
        'sku', (p).sku, 'title', (p).title, 'state', (p).state, 'state_since', (p).state_since, 'author_id', (p).author_id,
        'author', a.display_name, 'revision_id', (p).revision_id, 'revision', r.number, 'category', r.category,
        'is_published', (p).published_id is not null, 'is_newest_published', (p).published_id is not distinct from (p).revision_id,
        'verdict', case when (p).checked_version is distinct from private.words_version() then 'unchecked' else (p).verdict end,
        'live_verdict', (p).live_verdict, 'hits', (select count(*) from public.text_checks c join public.text_hits h on h.check_id = c.id
            where c.entity = 'listing_revision' and c.entity_id = (p).revision_id and h.gone_at is null),
        'images', cardinality((p).images), 'published_at', (p).published_at, 'updated_at', (p).updated_at, 'version', (p).version)
    from public.shops s, public.members a, public.listing_revisions r
    where s.id = (p).shop_id and a.id = (p).author_id and r.id = (p).revision_id
$$;

create or replace function public.listing_page(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_shops bigint[];
    v_limit integer;
    v_ids bigint[];
    v_count integer;
begin
    p := coalesce(private.as_json(p), '{}');
    v_limit := least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 500);
    v_shops := array(select s.id from public.shops s where s.id in (select private.my_shop_ids())
        and (p ->> 'shop_id' is null or s.id = (p ->> 'shop_id')::bigint) and (p ->> 'platform' is null or s.platform = p ->> 'platform'));
    v_ids := array(select private.listing_ids(p, v_shops, v_me.member_id, (p ->> 'after')::bigint, v_limit + 1));
    v_count := (select count(*) from private.listing_ids(p, v_shops, v_me.member_id, null, 1001));
    return jsonb_build_object('count', v_count,
        'rows', (select coalesce(jsonb_agg(private.listing_row(l) order by l.id desc), '[]') from public.listings l where l.id = any (v_ids[1:v_limit])),
        'next', case when cardinality(v_ids) > v_limit then v_ids[v_limit] end,
        'tabs', (select jsonb_object_agg(t, (select count(*) from private.listing_ids(jsonb_build_object('state', t), v_shops, v_me.member_id, null, 1001)))
            from unnest(array['draft', 'text_review', 'images', 'final_review', 'ready', 'published', 'suspended']) t));
exception when invalid_text_representation or numeric_value_out_of_range then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.listing_page(jsonb) to authenticated;
comment on function public.listing_page(jsonb) is
    'Members: a page of the listings of my shops, newest first: {rows, count (to 1,001), next (an id), tabs: {state: count to 1,001}}. p: state (none: all but withdrawn), verdict, live_verdict, shop_id, platform, author me|id, product_id, q (two signs or more of title or SKU), todo true, after, limit. filter.bad.';

create or replace function private.revision_json(p_revision_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(r) || jsonb_build_object('author', a.display_name, 'checks', (
        select coalesce(jsonb_agg(jsonb_build_object('part', c.part, 'verdict', c.verdict, 'words_version', c.words_version,
                'is_current', c.words_version = private.words_version(), 'checked_at', c.checked_at, 'notices', c.notices,
                'hits', (select coalesce(jsonb_agg(jsonb_build_object('start', h.start_at, 'end', h.end_at, 'term', h.term, 'category', h.category,
                        'severity', h.severity, 'found_at', h.found_at,
                        'is_exempt', private.is_exempt(h.term, h.shop_id, l.product_id, private.now())) order by h.start_at), '[]')
                    from public.text_hits h where h.check_id = c.id and h.gone_at is null)) order by c.part), '[]')
        from public.text_checks c where c.entity = 'listing_revision' and c.entity_id = r.id and c.is_current))
    from public.listing_revisions r join public.members a on a.id = r.author_id join public.listings l on l.id = r.listing_id
    where r.id = p_revision_id
$$;

create or replace function public.listing_detail(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v public.listings;
begin
    select * into v from public.listings where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        return null;
    end if;
    return jsonb_build_object('listing', private.listing_row(v) || jsonb_build_object('images', to_jsonb(v.images), 'reason', v.reason,
            'text_by', (select display_name from public.members where id = v.text_by),
            'final_by', (select display_name from public.members where id = v.final_by)),
        'revision', private.revision_json(v.revision_id),
        'published', case when v.published_id is distinct from v.revision_id then private.revision_json(v.published_id) end,
        'revisions', (select jsonb_agg(jsonb_build_object('id', r.id, 'number', r.number, 'author', a.display_name, 'created_at', r.created_at)
            order by r.number desc) from public.listing_revisions r join public.members a on a.id = r.author_id where r.listing_id = v.id),
        'rights', (select jsonb_object_agg(a, case when v_me.role in ('operations', 'manager')
                then coalesce(private.listing_refusal(v_me, v, a, '-', v_now), '{"key": null}') else '{"key": "member.role", "params": {}}' end)
            from unnest(array['submit', 'approve', 'return', 'publish', 'withdraw']) a),
        'timeline', (select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'action', e.action, 'who', m.display_name, 'actor', e.actor,
                'detail', e.detail) order by e.id desc), '[]')
            from public.audit_events e left join public.members m on m.id = e.member_id where e.entity = 'listing' and e.entity_id = v.id));
end;
$$;
grant execute on function public.listing_detail(bigint) to authenticated;
comment on function public.listing_detail(bigint) is
    'Members: {listing, revision (texts and checks with hits), published (if another revision is live), revisions, rights (step -> {key null or why not, params}; a reason counted as given), timeline}; null for a listing I do not see.';

create or replace function public.listing_revision(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select private.revision_json(r.id) from public.listing_revisions r join public.listings l on l.id = r.listing_id
        where r.id = p_id and l.shop_id in (select private.my_shop_ids()));
end;
$$;
grant execute on function public.listing_revision(bigint) to authenticated;
comment on function public.listing_revision(bigint) is 'Members: one revision with its checks, to compare; null for one I do not see.';
