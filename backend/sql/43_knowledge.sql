-- 43 ------------------------------------------------------------------------------------ knowledge: solutions that worked
--
-- 知识库: solutions suggested while a ticket is handled, by root cause (43_causes), kind and product. What was used is counted:
-- reuse is a figure of the team. What is said to the customer is a script (43_scripts).

create or replace function private.case_types() returns text[]
language sql immutable set search_path = '' as $$
    select array['return', 'exchange', 'reship', 'repair', 'refund_only', 'price_protection', 'logistics', 'quality', 'service',
        'invoice', 'public_complaint']
$$;
comment on function private.case_types() is 'Kinds of after-sales tickets that a solution or a script can fit.';

-- Solutions -----------------------------------------------------------------------------------------------------------------

create table if not exists public.solutions (
    id bigint generated always as identity primary key,
    title text not null constraint solutions_title_length check (char_length(btrim(title)) between 1 and 60),
    steps text not null constraint solutions_steps_length check (char_length(btrim(steps)) between 1 and 4000),
    root_cause_id bigint references public.root_causes,
    case_types text[] not null default '{}' constraint solutions_types_known check (case_types <@ private.case_types()),
    sku text not null default '' constraint solutions_sku_length check (char_length(sku) <= 64),
    state text not null default 'draft' constraint solutions_state_known check (state in ('draft', 'published', 'retired')),
    expires_at timestamptz,
    author_id bigint references public.members,
    published_by bigint references public.members,
    published_at timestamptz,
    created_at timestamptz not null,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint solutions_findable check (root_cause_id is not null or case_types <> '{}' or sku <> ''),
    constraint solutions_published_has_time check (state <> 'published' or published_at is not null)
);
create index if not exists solutions_root_cause_id_idx on public.solutions (root_cause_id);
create index if not exists solutions_author_id_idx on public.solutions (author_id);
create index if not exists solutions_published_by_idx on public.solutions (published_by);
alter table public.solutions enable row level security;
create or replace trigger t10_touch before update on public.solutions for each row execute function private.touch_version();
comment on table public.solutions is '解决方案: steps that solved a kind of case, for colleagues (what is said to the customer is a script). Published by operations or managers; offered until expires_at.';
drop policy if exists "members read the solutions" on public.solutions;
create policy "members read the solutions" on public.solutions for select to authenticated using ((select private.my_role()) is not null);
grant select on public.solutions to authenticated;

create table if not exists public.solution_revisions (
    solution_id bigint not null references public.solutions,
    number integer not null,
    facts jsonb not null,
    author_id bigint references public.members,
    created_at timestamptz not null,
    primary key (solution_id, number)
);
create index if not exists solution_revisions_author_id_idx on public.solution_revisions (author_id);
alter table public.solution_revisions enable row level security;
comment on table public.solution_revisions is 'What a solution said each time it was saved; never changed.';
drop policy if exists "members read how solutions changed" on public.solution_revisions;
create policy "members read how solutions changed" on public.solution_revisions for select to authenticated using ((select private.my_role()) is not null);
grant select on public.solution_revisions to authenticated;

create table if not exists public.solution_uses (
    id bigint generated always as identity primary key,
    solution_id bigint not null references public.solutions,
    ticket_id bigint not null,
    shop_id bigint not null references public.shops,
    member_id bigint not null references public.members,
    helpful boolean,
    at timestamptz not null,
    constraint solution_uses_once unique (solution_id, ticket_id, member_id)
);
create index if not exists solution_uses_ticket_idx on public.solution_uses (ticket_id);
create index if not exists solution_uses_shop_id_idx on public.solution_uses (shop_id, at);
create index if not exists solution_uses_member_id_idx on public.solution_uses (member_id);
alter table public.solution_uses enable row level security;
comment on table public.solution_uses is 'A solution was used for a ticket; helpful null: not said yet.';
drop policy if exists "members read the uses of their shops" on public.solution_uses;
create policy "members read the uses of their shops" on public.solution_uses
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.solution_uses to authenticated;

create or replace function private.note_solution(p_me private.actor, p public.solutions, p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.solution_revisions (solution_id, number, facts, author_id, created_at)
    values ((p).id, (select coalesce(max(number), 0) + 1 from public.solution_revisions where solution_id = (p).id),
        jsonb_build_object('title', (p).title, 'steps', (p).steps, 'root_cause_id', (p).root_cause_id, 'case_types', to_jsonb((p).case_types),
            'sku', (p).sku, 'expires_at', (p).expires_at), (p_me).member_id, p_now)
$$;

create or replace function private.may_edit_solution(p_me private.actor, p public.solutions) returns boolean
language sql stable set search_path = '' as $$
    select (p_me).role in ('operations', 'manager')
        or ((p_me).role = 'agent' and (p).state = 'draft' and (p).author_id = (p_me).member_id)
$$;
comment on function private.may_edit_solution(private.actor, public.solutions) is 'Operations and managers; an agent his own draft.';

create or replace function public.save_solution(p_request_id uuid, p_id bigint, p_version integer, p_solution jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_in jsonb := private.as_json(p_solution);
    v_answer jsonb := private.begin_request(p_request_id, 'save_solution', jsonb_build_array(p_id, p_version, v_in));
    v_types text[] := array(select jsonb_array_elements_text(coalesce(v_in -> 'case_types', '[]')));
    v public.solutions;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_id is null then
        insert into public.solutions (title, steps, root_cause_id, case_types, sku, expires_at, author_id, created_at)
        values (v_in ->> 'title', v_in ->> 'steps', (v_in ->> 'root_cause_id')::bigint, v_types, coalesce(v_in ->> 'sku', ''),
            (v_in ->> 'expires_at')::timestamptz, v_me.member_id, v_now) returning * into v;
    else
        v := private.solution_to_edit(v_me, p_id, p_version);
        update public.solutions set title = v_in ->> 'title', steps = v_in ->> 'steps', root_cause_id = (v_in ->> 'root_cause_id')::bigint,
            case_types = v_types, sku = coalesce(v_in ->> 'sku', ''), expires_at = (v_in ->> 'expires_at')::timestamptz
        where id = p_id returning * into v;
    end if;
    perform private.note_solution(v_me, v, v_now);
    perform private.audit(v_me, null, 'solution', v.id, case when p_id is null then 'created' else 'edited' end);
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
exception when check_violation or not_null_violation or foreign_key_violation or data_exception then
    perform private.fail('PT422', 'solution.bad_value');
end;
$$;
grant execute on function public.save_solution(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_solution(uuid, bigint, integer, jsonb) is
    'Agents (own drafts), operations, managers: writes a solution {title, steps, root_cause_id, case_types, sku, expires_at}; one of cause, type and SKU must be given. solution.none, solution.stale, solution.not_yours, solution.bad_value. {id, version, state}.';

create or replace function private.solution_to_edit(p_me private.actor, p_id bigint, p_version integer) returns public.solutions
language plpgsql set search_path = '' as $$
declare
    v public.solutions;
begin
    select * into v from public.solutions where id = p_id for no key update;
    if not found then
        perform private.fail('PT404', 'solution.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'solution.stale');
    elsif not private.may_edit_solution(p_me, v) then
        perform private.fail('PT403', 'solution.not_yours');
    end if;
    return v;
end;
$$;
comment on function private.solution_to_edit(private.actor, bigint, integer) is 'Locks a solution: solution.none, solution.stale, solution.not_yours.';

create or replace function public.set_solution_state(p_request_id uuid, p_id bigint, p_version integer, p_state text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'set_solution_state', jsonb_build_array(p_id, p_version, p_state));
    v public.solutions;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.solution_to_edit(v_me, p_id, p_version);
    if coalesce(p_state, '') not in ('draft', 'published', 'retired') or p_state = v.state or (p_state = 'draft' and v.state <> 'retired') then
        perform private.fail('PT409', 'solution.state');
    elsif p_state = 'published' and v.expires_at <= v_now then
        perform private.fail('PT422', 'solution.expired');
    end if;
    update public.solutions set state = p_state, published_by = case when p_state = 'published' then v_me.member_id else published_by end,
        published_at = case when p_state = 'published' then v_now else published_at end
    where id = p_id returning * into v;
    perform private.audit(v_me, null, 'solution', v.id, p_state);
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.set_solution_state(uuid, bigint, integer, text) to authenticated;
comment on function public.set_solution_state(uuid, bigint, integer, text) is
    'Operations, managers: published, retired, or from retired back to draft. solution.none, solution.stale, solution.state, solution.expired. {id, version, state}.';

-- Suggesting and counting ------------------------------------------------------------------------------------------------------

create or replace function private.suggest_solutions(p_root_cause_id bigint, p_type text, p_product_ids bigint[], p_now timestamptz)
returns table (id bigint, score integer, uses bigint, helpful bigint, unhelpful bigint)
language sql stable rows 10 set search_path = '' as $$
    with asked as materialized (
        select private.cause_path(p_root_cause_id) as path,
            coalesce(array(select distinct x.sku from public.products x where x.id = any (p_product_ids)), '{}') as skus
    ), fit as (
        select s.id, s.published_at,
            case when s.root_cause_id = p_root_cause_id then 8 when s.root_cause_id = any (a.path) then 4 else 0 end
            + case when p_type = any (s.case_types) then 2 else 0 end + case when s.sku = any (a.skus) then 4 else 0 end as score
        from public.solutions s cross join asked a
        where s.state = 'published' and (s.expires_at is null or s.expires_at > p_now) and (s.sku = '' or s.sku = any (a.skus))
    )
    select f.id, f.score, count(u.id), count(*) filter (where u.helpful), count(*) filter (where not u.helpful)
    from fit f left join public.solution_uses u on u.solution_id = f.id
    where f.score > 0
    group by f.id, f.score, f.published_at
    order by f.score desc, count(*) filter (where u.helpful) - count(*) filter (where not u.helpful) desc, f.published_at desc limit 10
$$;
comment on function private.suggest_solutions(bigint, text, bigint[], timestamptz) is
    'Published, unexpired solutions that fit a case, the best ten: same cause 8, a cause above it 4, product 4, type 2; then what helped most. One for another product never fits.';

create or replace function private.solution_row(p public.solutions, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', (p).id, 'title', (p).title, 'steps', (p).steps, 'root_cause_id', (p).root_cause_id,
        'root_cause', private.cause_name((p).root_cause_id), 'case_types', to_jsonb((p).case_types), 'sku', (p).sku, 'state', (p).state,
        'expires_at', (p).expires_at, 'is_expired', coalesce((p).expires_at <= p_now, false), 'author_id', (p).author_id,
        'author', (select display_name from public.members where id = (p).author_id), 'published_at', (p).published_at,
        'version', (p).version, 'updated_at', (p).updated_at, 'uses', u.uses, 'helpful', u.helpful, 'unhelpful', u.unhelpful)
    from (select count(*) as uses, count(*) filter (where x.helpful) as helpful, count(*) filter (where not x.helpful) as unhelpful
        from public.solution_uses x where x.solution_id = (p).id) u
$$;

create or replace function public.suggest_solutions(p_root_cause_id bigint, p_type text, p_product_ids jsonb default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_products bigint[] := case when p_product_ids is null then '{}'::bigint[] else private.as_ids(p_product_ids) end;
begin
    return (select coalesce(jsonb_agg(private.solution_row(s, v_now) || jsonb_build_object('score', f.score)
            order by f.score desc, f.helpful - f.unhelpful desc, f.id desc), '[]')
        from private.suggest_solutions(p_root_cause_id, p_type, v_products, v_now) f join public.solutions s on s.id = f.id);
end;
$$;
grant execute on function public.suggest_solutions(bigint, text, jsonb) to authenticated;
comment on function public.suggest_solutions(bigint, text, jsonb) is
    'Members: at most ten solutions for a case by root cause, kind and products [id], the best first, with uses and helpful votes; each may be left out.';

create or replace function private.case_shop(p_entity text, p_id bigint) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_table text := case p_entity when 'lead' then 'public.leads' when 'ticket' then 'public.tickets' when 'order' then 'public.orders' end;
    v_shop bigint;
begin
    if v_table is null then
        perform private.fail('PT404', 'library.case_none');
    end if;
    execute format('select shop_id from %s where id = $1', v_table) into v_shop using p_id;
    if v_shop is null or v_shop not in (select private.my_shop_ids()) then
        perform private.fail('PT404', 'library.case_none');
    end if;
    return v_shop;
end;
$$;
comment on function private.case_shop(text, bigint) is 'The shop of a lead, ticket or order of mine: library.case_none.';

create or replace function private.note_solution_use(
    p_me private.actor, p_id bigint, p_ticket_id bigint, p_shop_id bigint, p_helpful boolean, p_now timestamptz
) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_use bigint;
begin
    if not exists (select from public.solutions s where s.id = p_id and s.state = 'published' and (s.expires_at is null or s.expires_at > p_now)) then
        perform private.fail('PT409', 'solution.not_offered');
    end if;
    insert into public.solution_uses as u (solution_id, ticket_id, shop_id, member_id, helpful, at)
    values (p_id, p_ticket_id, p_shop_id, (p_me).member_id, p_helpful, p_now)
    on conflict (solution_id, ticket_id, member_id) do update set helpful = coalesce(excluded.helpful, u.helpful)
    returning u.id into v_use;
    return v_use;
end;
$$;
comment on function private.note_solution_use(private.actor, bigint, bigint, bigint, boolean, timestamptz) is
    'A published solution was used for a ticket (resolving with it counts as helpful): solution.not_offered. The id.';

create or replace function public.use_solution(p_request_id uuid, p_id bigint, p_ticket_id bigint, p_helpful boolean default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'warehouse']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'use_solution', jsonb_build_array(p_id, p_ticket_id, p_helpful));
    v_shop bigint;
    v_use bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_shop := private.case_shop('ticket', p_ticket_id);
    v_use := private.note_solution_use(v_me, p_id, p_ticket_id, v_shop, p_helpful, v_now);
    perform private.audit(v_me, v_shop, 'ticket', p_ticket_id, 'solution_used', jsonb_build_object('solution_id', p_id, 'helpful', p_helpful));
    return private.finish_request(p_request_id, jsonb_build_object('id', v_use));
end;
$$;
grant execute on function public.use_solution(uuid, bigint, bigint, boolean) to authenticated;
comment on function public.use_solution(uuid, bigint, bigint, boolean) is
    'Agents, warehouse, operations, managers: a solution was used for a ticket of my shops; said again, only whether it helped changes. library.case_none, solution.not_offered. {id}.';

create or replace function private.solved_tickets(p_from timestamptz, p_to timestamptz, p_shop_ids bigint[]) returns setof bigint
language plpgsql stable set search_path = '' as $$
begin
    return query select t.id from public.tickets t
    where t.shop_id = any (p_shop_ids) and t.resolved_at >= p_from and t.resolved_at < p_to;
end;
$$;
comment on function private.solved_tickets(timestamptz, timestamptz, bigint[]) is 'Tickets of the shops solved from p_from to before p_to.';

create or replace function private.knowledge_reuse(p_from timestamptz, p_to timestamptz, p_shop_ids bigint[])
returns table (solved bigint, reused bigint)
language plpgsql stable rows 1 set search_path = '' as $$
begin
    return query select count(*), count(*) filter (where exists (select from public.solution_uses u where u.ticket_id = t.id))
        from private.solved_tickets(p_from, p_to, p_shop_ids) t (id);
end;
$$;
comment on function private.knowledge_reuse(timestamptz, timestamptz, bigint[]) is
    '知识库复用率: tickets solved from p_from to before p_to, and those of them where a solution was used; target 80 % (product decision of the floor).';

create or replace function public.knowledge_figures(p_from timestamptz, p_to timestamptz, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_shops bigint[] := array(select s from private.my_shop_ids() s where p_shop_id is null or s = p_shop_id);
begin
    if p_from is null or p_to is null or p_to <= p_from or p_to > p_from + interval '400 days' then
        perform private.fail('PT422', 'filter.bad');
    end if;
    return (select jsonb_build_object('solved', k.solved, 'reused', k.reused,
            'rate', case when k.solved > 0 then round(k.reused::numeric / k.solved, 4) end, 'target', 0.8,
            'top', (select coalesce(jsonb_agg(to_jsonb(x) order by x.uses desc, x.id), '[]') from (
                select s.id, s.title, count(*) as uses, count(*) filter (where u.helpful) as helpful, count(*) filter (where not u.helpful) as unhelpful
                from public.solution_uses u join public.solutions s on s.id = u.solution_id
                where u.at >= p_from and u.at < p_to and u.shop_id = any (v_shops) group by s.id, s.title order by count(*) desc, s.id limit 10) x),
            'without', (select count(*) from public.root_causes c where c.is_active and not exists (select from public.root_causes d where d.parent_id = c.id)
                and not exists (select from public.solutions s where s.root_cause_id = c.id and s.state = 'published')))
        from private.knowledge_reuse(p_from, p_to, v_shops) k);
end;
$$;
grant execute on function public.knowledge_figures(timestamptz, timestamptz, bigint) to authenticated;
comment on function public.knowledge_figures(timestamptz, timestamptz, bigint) is
    'Members: reuse of the knowledge base in a period (at most 400 days) of my shops or one: {solved, reused, rate (null without solved tickets), target, top: [{id, title, uses, helpful, unhelpful}], without: causes that have no solution}. filter.bad.';

-- What the page reads -----------------------------------------------------------------------------------------------------------

create or replace function public.solution_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_in jsonb := private.as_filter(p);
    v_q text := lower(btrim(coalesce(v_in ->> 'q', '')));
begin
    return (with found as (
        select s, s.id, case when s.state = 'published' and s.expires_at <= v_now then 'expired' else s.state end as tab from public.solutions s
        where (v_q = '' or strpos(lower(s.title || ' ' || s.steps || ' ' || s.sku), v_q) > 0)
          and (v_in ->> 'root_cause_id' is null or (v_in ->> 'root_cause_id')::bigint = any (private.cause_path(s.root_cause_id)))
          and (v_in ->> 'type' is null or v_in ->> 'type' = any (s.case_types))
          and (v_in ->> 'author' is distinct from 'me' or s.author_id = v_me.member_id)
    ), page as (
        select f.s, f.id from found f where f.tab = coalesce(v_in ->> 'tab', 'published') and f.id < coalesce((v_in ->> 'after')::bigint, 9e18::bigint)
        order by f.id desc limit 51)
    select jsonb_build_object(
        'rows', (select coalesce(jsonb_agg(private.solution_row(x.s, v_now) order by x.id desc), '[]') from (select * from page order by id desc limit 50) x),
        'next', (select case when count(*) > 50 then (array_agg(id order by id desc))[50] end from page),
        'tabs', (select jsonb_object_agg(t, (select count(*) from found f where f.tab = t)) from unnest(array['published', 'draft', 'expired', 'retired']) t)));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.solution_list(jsonb) to authenticated;
comment on function public.solution_list(jsonb) is
    'Members: solutions, newest first, 50 a page: {rows, next, tabs: {published, draft, expired, retired}}. p: tab, q, root_cause_id (with those below), type, author me, after. filter.bad.';

create or replace function public.solution_detail(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v public.solutions;
begin
    select * into v from public.solutions where id = p_id;
    if not found then
        return null;
    end if;
    return jsonb_build_object('solution', private.solution_row(v, private.now()), 'may_edit', private.may_edit_solution(v_me, v),
        'may_publish', v_me.role in ('operations', 'manager'),
        'revisions', (select coalesce(jsonb_agg(r.facts || jsonb_build_object('number', r.number, 'created_at', r.created_at,
                'author', (select display_name from public.members where id = r.author_id)) order by r.number desc), '[]')
            from public.solution_revisions r where r.solution_id = p_id),
        'timeline', private.library_timeline('solution', p_id));
end;
$$;
grant execute on function public.solution_detail(bigint) to authenticated;
comment on function public.solution_detail(bigint) is 'Members: {solution, may_edit, may_publish, revisions (newest first), timeline}; null for none.';

create or replace function private.library_timeline(p_entity text, p_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'action', e.action, 'who', m.display_name, 'actor', e.actor, 'detail', e.detail)
        order by e.id desc), '[]')
    from (select * from public.audit_events a where a.entity = p_entity and a.entity_id = p_id order by a.id desc limit 60) e
    left join public.members m on m.id = e.member_id
$$;
comment on function private.library_timeline(text, bigint) is 'The latest 60 events of a record, newest first.';
