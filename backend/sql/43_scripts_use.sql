-- 43 ------------------------------------------------------------------- scripts in use: offered, copied, and what came of it
--
-- Which scripts may be used where and when is decided in one place, private.offered_places. A copy is a use; a use belongs to
-- a lead, ticket or order if there is one, and what became of those is the outcome.

-- Offering and using -----------------------------------------------------------------------------------------------------------------

create or replace function private.offered_places(p_script_ids bigint[], p_shop_ids bigint[], p_now timestamptz)
returns table (script_id bigint, revision_id bigint, shop_id bigint)
language sql stable set search_path = '' as $$
    select s.id, r.id, x.shop_id
    from public.scripts s join public.script_revisions r on r.id = s.live_id join public.script_places x on x.revision_id = r.id
    where s.id = any (p_script_ids) and x.shop_id = any (p_shop_ids) and (s.shop_id is null or s.shop_id = x.shop_id)
      and (r.campaign_from is null or r.campaign_from <= p_now) and coalesce(least(r.campaign_until, r.expires_at) > p_now, true)
      and (x.verdict = 'clean' or (x.verdict = 'warn' and btrim(coalesce(s.reason, '')) <> ''))
$$;
comment on function private.offered_places(bigint[], bigint[], timestamptz) is
    'Where scripts may be used now, decided here alone: the text in use, inside its window, not expired, passed the word check in that shop.';

create or replace function private.script_row(p public.scripts, p_revision_id bigint, p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(r) - 'script_id' - 'author_id' || jsonb_build_object('id', (p).id, 'revision_id', r.id, 'scope', (p).scope, 'shop_id', (p).shop_id,
        'shop_name', (select name from public.shops where id = (p).shop_id), 'state', (p).state, 'is_live', coalesce((p).live_id = r.id, false),
        'has_live', (p).live_id is not null, 'owner_id', (p).owner_id, 'author_id', r.author_id, 'revision', r.number,
        'author', (select display_name from public.members where id = r.author_id),
        'approved_by', (select display_name from public.members where id = r.approved_by),
        'root_cause', private.cause_name(r.root_cause_id), 'reason', (p).reason, 'version', (p).version, 'updated_at', (p).updated_at,
        'is_over', coalesce(least(r.campaign_until, r.expires_at) <= p_now, false), 'is_ahead', coalesce(r.campaign_from > p_now, false),
        'offered_in', (select count(*) from private.offered_places(array[(p).id], p_shops, p_now) o where o.revision_id = r.id),
        'verdict', coalesce((select x.verdict from public.script_places x where x.revision_id = r.id and x.shop_id = any (p_shops)
            order by array_position(array['block', 'unchecked', 'warn', 'clean'], x.verdict) limit 1), 'unchecked'),
        'uses', (select count(*) from public.script_uses u where u.script_id = (p).id and u.at > p_now - interval '90 days'))
    from public.script_revisions r where r.id = p_revision_id
$$;

create or replace function public.scripts_for(p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_in jsonb := private.as_filter(p);
    v_shop bigint := (v_in ->> 'shop_id')::bigint;
    v_q text := lower(btrim(coalesce(v_in ->> 'q', '')));
    v_skus text[] := array(select jsonb_array_elements_text(coalesce(v_in -> 'skus', '[]')));
    v_path bigint[] := private.cause_path((v_in ->> 'root_cause_id')::bigint);
begin
    perform private.require_shop(v_me, v_shop);
    return (select coalesce(jsonb_agg(private.script_row(x.s, x.revision_id, array[v_shop], v_now) || jsonb_build_object('score', x.score)
            order by x.score desc, x.uses desc nulls last, x.revision_id desc), '[]') from (
        select s, r.id as revision_id, u.uses,
            case when r.stage = v_in ->> 'stage' then 8 else 0 end + case when r.sku = any (v_skus) then 4 else 0 end
            + case when r.root_cause_id = any (v_path) then 4 else 0 end + case when r.objection <> '' and r.objection = v_in ->> 'objection' then 4 else 0 end
            + case when r.campaign_from is not null then 1 else 0 end + case when s.scope = 'personal' then 1 else 0 end as score
        from private.offered_places(array(select y.id from public.scripts y where y.live_id is not null), array[v_shop], v_now) o
        join public.scripts s on s.id = o.script_id join public.script_revisions r on r.id = o.revision_id
        left join (select y.script_id, count(*) as uses from public.script_uses y where y.at > v_now - interval '90 days' group by y.script_id) u
            on u.script_id = s.id
        where (s.scope = 'team' or s.owner_id = v_me.member_id)
          and (v_in ->> 'area' is null or r.area in (v_in ->> 'area', 'both'))
          and (v_in ->> 'stage' is null or r.stage is null or r.stage = v_in ->> 'stage')
          and (r.sku = '' or r.sku = any (v_skus)) and (r.root_cause_id is null or v_path = '{}' or r.root_cause_id = any (v_path))
          and (v_q = '' or strpos(lower(r.title || ' ' || r.body || ' ' || r.objection), v_q) > 0)
        order by 4 desc, 3 desc nulls last, 2 desc limit least(greatest(coalesce((v_in ->> 'limit')::integer, 20), 1), 50)) x);
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.scripts_for(jsonb) to authenticated;
comment on function public.scripts_for(jsonb) is
    'Members: team scripts and my own that may be used in a shop now, the best fitting first: p {shop_id, area, stage, root_cause_id, skus: [text], objection, q, limit to 50}. What fits no stage or product in particular fits all; an expired one never comes. shop.none, filter.bad.';

create or replace function public.use_script(p_request_id uuid, p_id bigint, p_shop_id bigint, p_entity text default null, p_entity_id bigint default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'warehouse']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'use_script', jsonb_build_array(p_id, p_shop_id, p_entity, p_entity_id));
    v public.scripts;
    v_use bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    select s.* into v from public.scripts s join private.offered_places(array[p_id], array[p_shop_id], v_now) o on o.script_id = s.id
    where s.scope = 'team' or s.owner_id = v_me.member_id;
    if not found then
        perform private.fail('PT409', 'script.not_offered');
    end if;
    if p_entity is not null and private.case_shop(p_entity, p_entity_id) <> p_shop_id then
        perform private.fail('PT404', 'library.case_none');
    end if;
    insert into public.script_uses (script_id, revision_id, shop_id, member_id, entity, entity_id, at)
    values (p_id, v.live_id, p_shop_id, v_me.member_id, p_entity, p_entity_id, v_now) returning id into v_use;
    return private.finish_request(p_request_id, jsonb_build_object('id', v_use));
end;
$$;
grant execute on function public.use_script(uuid, bigint, bigint, text, bigint) to authenticated;
comment on function public.use_script(uuid, bigint, bigint, text, bigint) is
    'Agents, warehouse, operations, managers: I copied a script in a shop, for a lead, ticket or order of it if given. script.not_offered, library.case_none, shop.none. {id}.';

-- Use → outcome -------------------------------------------------------------------------------------------------------------------------

create or replace function private.won_leads(p_ids bigint[]) returns table (id bigint, won_at timestamptz)
language plpgsql stable set search_path = '' as $$
begin
    return query select l.id, l.closed_at from public.leads l where l.id = any (p_ids) and l.state = 'converted';
end;
$$;
comment on function private.won_leads(bigint[]) is 'Those leads that became customers, and when.';

create or replace function private.ended_tickets(p_ids bigint[]) returns table (id bigint, solved_at timestamptz)
language plpgsql stable set search_path = '' as $$
begin
    return query select t.id, t.resolved_at from public.tickets t where t.id = any (p_ids) and t.resolved_at is not null;
end;
$$;
comment on function private.ended_tickets(bigint[]) is 'Those tickets that were solved, and when.';

create or replace function private.script_outcomes(p_from timestamptz, p_to timestamptz, p_shop_ids bigint[], p_script_id bigint default null)
returns table (script_id bigint, uses bigint, members bigint, leads bigint, won bigint, tickets bigint, solved bigint)
language plpgsql stable set search_path = '' as $$
begin
    return query
    with used as materialized (
        select u.script_id, u.member_id, u.entity, u.entity_id, u.at from public.script_uses u
        where u.at >= p_from and u.at < p_to and u.shop_id = any (p_shop_ids) and (p_script_id is null or u.script_id = p_script_id)
    ), won as materialized (
        select w.id, w.won_at from private.won_leads(array(select distinct u.entity_id from used u where u.entity = 'lead')) w
    ), solved as materialized (
        select e.id, e.solved_at from private.ended_tickets(array(select distinct u.entity_id from used u where u.entity = 'ticket')) e
    )
    select u.script_id, count(*), count(distinct u.member_id),
        count(distinct u.entity_id) filter (where u.entity = 'lead'), count(distinct w.id) filter (where w.won_at >= u.at),
        count(distinct u.entity_id) filter (where u.entity = 'ticket'), count(distinct e.id) filter (where e.solved_at >= u.at)
    from used u left join won w on u.entity = 'lead' and w.id = u.entity_id left join solved e on u.entity = 'ticket' and e.id = u.entity_id
    group by u.script_id;
end;
$$;
comment on function private.script_outcomes(timestamptz, timestamptz, bigint[], bigint) is
    'Per script: uses from p_from to before p_to, by how many people, for how many leads and tickets, and how many of those were won or solved after the use. A case counts once per script.';

create or replace function public.script_figures(p_from timestamptz, p_to timestamptz, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_shops bigint[] := array(select s from private.my_shop_ids() s where p_shop_id is null or s = p_shop_id);
begin
    if p_from is null or p_to is null or p_to <= p_from or p_to > p_from + interval '400 days' then
        perform private.fail('PT422', 'filter.bad');
    end if;
    return (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'title', s.title, 'scope', s.scope, 'state', s.state, 'area', r.area,
            'uses', o.uses, 'members', o.members, 'leads', o.leads, 'won', o.won, 'tickets', o.tickets, 'solved', o.solved)
            order by o.uses desc, s.id), '[]')
        from private.script_outcomes(p_from, p_to, v_shops) o join public.scripts s on s.id = o.script_id
        join public.script_revisions r on r.id = s.revision_id
        where s.scope = 'team' or s.owner_id = v_me.member_id or v_me.role in ('manager', 'admin'));
end;
$$;
grant execute on function public.script_figures(timestamptz, timestamptz, bigint) to authenticated;
comment on function public.script_figures(timestamptz, timestamptz, bigint) is
    'Members: use and outcome of scripts in a period (at most 400 days) of my shops or one: [{id, title, scope, state, area, uses, members, leads, won, tickets, solved}], most used first. filter.bad.';

-- What the page reads -------------------------------------------------------------------------------------------------------------------

create or replace function private.script_tab(p public.scripts, p_revision public.script_revisions, p_offered boolean, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
    select case when (p).state in ('pending', 'retired') then (p).state
        when (p).state = 'draft' then 'draft'
        when coalesce(least((p_revision).campaign_until, (p_revision).expires_at) <= p_now, false) then 'over'
        when p_offered or coalesce((p_revision).campaign_from > p_now, false) then 'approved'
        else 'stopped' end
$$;
comment on function private.script_tab(public.scripts, public.script_revisions, boolean, timestamptz) is
    'Where the page lists the current revision: draft, pending, retired, over (expired), approved (in use, or ahead of its campaign), stopped (the word check objects everywhere, or has not read it yet).';

create or replace function public.script_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_in jsonb := private.as_filter(p);
    v_shops bigint[] := array(select s from private.my_shop_ids() s where v_in ->> 'shop_id' is null or s = (v_in ->> 'shop_id')::bigint);
    v_q text := lower(btrim(coalesce(v_in ->> 'q', '')));
    v_tab text := coalesce(v_in ->> 'tab', 'usable');
begin
    return (with offered as materialized (
        select distinct o.script_id from private.offered_places(array(select y.id from public.scripts y where y.live_id is not null), v_shops, v_now) o
    ), seen as materialized (
        select s, s.id as id, private.script_tab(s, r, o.script_id is not null, v_now) as tab, o.script_id is not null as is_usable,
            case when v_tab = 'usable' then l else r end as shown
        from public.scripts s join public.script_revisions r on r.id = s.revision_id left join public.script_revisions l on l.id = s.live_id
        left join offered o on o.script_id = s.id
        where (s.shop_id is null or s.shop_id in (select private.my_shop_ids()))
          and (s.scope = 'team' or s.owner_id = v_me.member_id or v_me.role in ('manager', 'admin'))
          and (v_in ->> 'shop_id' is null or s.shop_id is null or s.shop_id = (v_in ->> 'shop_id')::bigint)
    ), found as (
        select * from seen where (v_q = '' or strpos(lower((shown).title || ' ' || (shown).body || ' ' || (shown).objection || ' ' || (shown).sku), v_q) > 0)
          and (v_in ->> 'area' is null or (shown).area in (v_in ->> 'area', 'both')) and (v_in ->> 'stage' is null or (shown).stage = v_in ->> 'stage')
          and (v_in ->> 'scope' is null or (s).scope = v_in ->> 'scope') and (v_in ->> 'author' is distinct from 'me' or (s).owner_id = v_me.member_id)
          and ((s).scope = 'team' or (s).owner_id = v_me.member_id or v_in ->> 'scope' = 'personal')
    ), page as (
        select f.s, f.id, (f.shown).id as shown_id from found f
        where case v_tab when 'usable' then f.is_usable else f.tab = v_tab end and f.id < coalesce((v_in ->> 'after')::bigint, 9e18::bigint)
        order by f.id desc limit 26)
    select jsonb_build_object(
        'rows', (select coalesce(jsonb_agg(private.script_row(x.s, x.shown_id, v_shops, v_now) order by x.id desc), '[]') from (select * from page order by id desc limit 25) x),
        'next', (select case when count(*) > 25 then (array_agg(id order by id desc))[25] end from page),
        'tabs', (select jsonb_build_object('usable', count(*) filter (where f.is_usable)) from found f)
            || (select jsonb_object_agg(t, (select count(*) from found f where f.tab = t)) from unnest(array['pending', 'draft', 'stopped', 'over', 'retired']) t)));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.script_list(jsonb) to authenticated;
comment on function public.script_list(jsonb) is
    'Members: scripts that I see, newest first, 25 a page: {rows, next, tabs}. p: tab usable (the text in use) | pending | draft | stopped | over | retired, shop_id, area, stage, scope, author me, q, after. filter.bad.';

create or replace function public.script_detail(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
    v public.scripts;
begin
    select * into v from public.scripts where id = p_id;
    if not found or not private.sees_script(v_me, v) then
        return null;
    end if;
    return jsonb_build_object('script', private.script_row(v, v.revision_id, v_shops, v_now),
        'live', case when v.live_id is distinct from v.revision_id then private.script_row(v, v.live_id, v_shops, v_now) end,
        'places', private.script_places_json(v, v_shops, v_now),
        'may_edit', v_me.role in ('agent', 'operations', 'manager') and private.may_edit_script(v_me, v),
        'rights', (select jsonb_object_agg(a, case when v_me.role in ('agent', 'operations', 'manager', 'admin')
                then coalesce(private.script_refusal(v_me, v, a, '-', v_now), '{"key": null}') else '{"key": "member.role", "params": {}}' end)
            from unnest(array['submit', 'approve', 'return', 'discard', 'retire', 'restore']) a),
        'revisions', (select jsonb_agg(to_jsonb(r) || jsonb_build_object('author', (select display_name from public.members where id = r.author_id))
            order by r.number desc) from public.script_revisions r where r.script_id = p_id),
        'outcome', (select to_jsonb(o) from private.script_outcomes(v_now - interval '90 days', v_now + interval '1 second', v_shops, p_id) o),
        'timeline', private.library_timeline('script', p_id));
end;
$$;
grant execute on function public.script_detail(bigint) to authenticated;
comment on function public.script_detail(bigint) is
    'Members: {script (current revision), live (if another one is in use), places (shop, verdict, hits), may_edit, rights (step -> {key null or why not, params}; a reason counted as given), revisions, outcome of 90 days, timeline}; null for a script I do not see.';

create or replace function private.script_places_json(p public.scripts, p_shops bigint[], p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('shop_id', s.id, 'shop_name', s.name, 'platform', s.platform, 'revision_id', x.revision_id,
            'verdict', x.verdict, 'is_current', x.words_version is not distinct from private.words_version(), 'notices', to_jsonb(c.notices),
            'hits', (select coalesce(jsonb_agg(jsonb_build_object('start', h.start_at, 'end', h.end_at, 'term', h.term, 'category', h.category,
                    'severity', h.severity, 'is_exempt', private.is_exempt(h.term, s.id, private.script_product(r.sku, s.id), p_now)) order by h.start_at), '[]')
                from public.text_hits h where h.check_id = c.id and h.gone_at is null)) order by s.id), '[]')
        from public.script_places x join public.shops s on s.id = x.shop_id and s.id = any (p_shops) and s.is_active
        join public.script_revisions r on r.id = x.revision_id
        left join public.text_checks c on c.entity = 'script_place' and c.entity_id = x.id and c.is_current
        where x.revision_id in ((p).revision_id, (p).live_id));
end;
$$;
