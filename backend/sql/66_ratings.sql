-- 66 ------------------------------------------------------------------------------- ratings: what customers said on the platforms

create table if not exists public.ratings (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    key text not null constraint ratings_key_length check (char_length(key) between 1 and 200),
    order_id bigint references public.orders,
    order_no text,
    rating smallint constraint ratings_rating_range check (rating between 1 and 5),
    level text constraint ratings_level_known
        check (level in ('very_satisfied', 'satisfied', 'neutral', 'dissatisfied', 'very_dissatisfied')),
    text text constraint ratings_text_length check (char_length(text) <= 2000),
    rated_at timestamptz not null,
    agent text constraint ratings_agent_length check (char_length(agent) <= 60),
    score smallint not null generated always as (coalesce(rating, case level when 'very_satisfied' then 5 when 'satisfied' then 4
        when 'neutral' then 3 when 'dissatisfied' then 2 when 'very_dissatisfied' then 1 end)) stored,
    import_id bigint references public.imports,
    created_at timestamptz not null,
    constraint ratings_once unique (shop_id, key),
    constraint ratings_say_something check (rating is not null or level is not null),
    constraint ratings_text_masked check (not private.names_a_phone(text))
);
create index if not exists ratings_rated_idx on public.ratings (shop_id, rated_at desc, id desc) include (score, level);
create index if not exists ratings_order_id_idx on public.ratings (order_id) where order_id is not null;
create index if not exists ratings_import_id_idx on public.ratings (import_id);
alter table public.ratings enable row level security;
comment on table public.ratings is '平台评价: stars of an order (rating) or contentment with the service (level), imported from platform files; the text masked by the app.';
comment on column public.ratings.key is 'Number of the review on the platform, or what the file has instead: the same review imported twice is one row.';
comment on column public.ratings.level is 'Five grades: 非常满意 满意 一般 不满意 非常不满意.';
comment on column public.ratings.agent is 'Nick of the agent as the platform writes it.';
drop policy if exists "members read the ratings of their shops" on public.ratings;
create policy "members read the ratings of their shops" on public.ratings
    for select to authenticated using (
        (select private.my_role()) <> 'warehouse' and shop_id in (select private.my_shop_ids()));
grant select on public.ratings to authenticated;

create or replace function private.staged_ratings(p_import public.imports, p_to integer) returns table (
    row_no integer, key text, order_no text, order_id bigint, rating smallint, level text, text text, rated_at timestamptz, agent text
)
language sql stable rows 2000 set search_path = '' as $$
    select r.row_no, r.key, p.order_no, o.id, p.rating, p.level, p.text, p.rated_at, p.agent
    from private.import_rows r
    cross join lateral pg_catalog.jsonb_to_record(r.payload) as p(order_no text, rating smallint, level text, text text,
        rated_at timestamptz, agent text)
    left join public.orders o on o.shop_id = p_import.shop_id and o.order_no = p.order_no
    where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
$$;
comment on function private.staged_ratings(public.imports, integer) is 'A chunk of staged reviews {order_no, rating | level, text, rated_at, agent}, with the order if we know it.';

create or replace function private.tell_low_ratings(p_import public.imports, p_count bigint, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    insert into public.notifications as n (member_id, kind, params, path, is_urgent, dedupe_key, created_at)
    select m.id, 'low_ratings', pg_catalog.jsonb_build_object('count', p_count, 'shop', s.name), '/satisfaction?tab=ratings&low=1', true,
        'low_ratings ' || p_import.id, p_now
    from public.shops s join public.member_shops k on k.shop_id = s.id
    join public.members m on m.id = k.member_id and m.state = 'active' and m.role = 'operations'
    left join public.member_reminders r on r.member_id = m.id
    where s.id = p_import.shop_id and p_count > 0 and coalesce(r.preset, 'all') <> 'mentions'
    on conflict (member_id, dedupe_key) do update
    set params = n.params || pg_catalog.jsonb_build_object('count', (n.params ->> 'count')::bigint + p_count)
$$;
comment on function private.tell_low_ratings(public.imports, bigint, timestamptz) is 'Operations of the shop hear of fresh low ratings, once a file.';

create or replace function private.apply_ratings(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_low bigint;
begin
    with staged as materialized (
        select * from private.staged_ratings(p_import, p_to)
    ), known as materialized (
        select s.key, r.id, r.rating is not distinct from s.rating and r.level is not distinct from s.level and r.text is not distinct from s.text
            and r.rated_at = s.rated_at and r.agent is not distinct from s.agent and r.order_no is not distinct from s.order_no as is_same
        from staged s join public.ratings r on r.shop_id = p_import.shop_id and r.key = s.key
    ), written as (
        insert into public.ratings as r (shop_id, key, order_id, order_no, rating, level, text, rated_at, agent, import_id, created_at)
        select p_import.shop_id, s.key, s.order_id, s.order_no, s.rating, s.level, s.text, s.rated_at, s.agent, p_import.id, p_now
        from staged s left join known k using (key) where k.is_same is not true
        on conflict (shop_id, key) do update set order_id = excluded.order_id, order_no = excluded.order_no, rating = excluded.rating,
            level = excluded.level, text = excluded.text, rated_at = excluded.rated_at, agent = excluded.agent, import_id = excluded.import_id
        returning r.id, r.key, r.score, r.rated_at
    ), noted as (
        insert into private.import_results (import_id, row_no, entity_id, outcome)
        select p_import.id, s.row_no, coalesce(w.id, k.id), case when k.id is null then 'accepted' when k.is_same then 'unchanged' else 'updated' end
        from staged s left join known k using (key) left join written w using (key)
    )
    select pg_catalog.count(*) into v_low from written w left join known k using (key)
    where k.id is null and w.score <= (private.survey_rules(p_import.shop_id)).low_score and w.rated_at > p_now - interval '7 days';
    perform private.tell_low_ratings(p_import, v_low, p_now);
end;
$$;
comment on function private.apply_ratings(public.imports, integer, timestamptz) is
    'Takes over the staged reviews after applied_to up to line p_to: new, changed, or as they were; fresh low ones are told to operations.';
