-- 75 --------------------------------------------------------------------------- re-checks: everything published, once more
--
-- A new version of the dictionary, and every week, makes a job read all texts again. A run remembers how far it is and what
-- differs from what was known: newly found, no longer found, suspended.

create table if not exists public.text_rechecks (
    id bigint generated always as identity primary key,
    words_version integer not null references public.word_versions,
    cause text not null constraint text_rechecks_cause_known check (cause in ('version', 'weekly', 'person')),
    state text not null default 'running' constraint text_rechecks_state_known check (state in ('running', 'done')),
    total integer not null,
    done integer not null default 0,
    new_hits integer not null default 0,
    released_hits integer not null default 0,
    suspended integer not null default 0,
    started_at timestamptz not null,
    finished_at timestamptz
);
create index if not exists text_rechecks_version_idx on public.text_rechecks (words_version);
alter table public.text_rechecks enable row level security;
comment on table public.text_rechecks is 'A run over all texts: progress (listings) and the difference it made.';
drop policy if exists "members read the re-checks" on public.text_rechecks;
create policy "members read the re-checks" on public.text_rechecks for select to authenticated using ((select private.my_role()) is not null);
grant select on public.text_rechecks to authenticated;

create table if not exists public.text_recheck_changes (
    id bigint generated always as identity primary key,
    recheck_id bigint not null references public.text_rechecks,
    shop_id bigint not null references public.shops,
    listing_id bigint not null references public.listings,
    part text not null,
    term text not null,
    severity text not null,
    change text not null constraint text_recheck_changes_known check (change in ('new', 'released'))
);
create index if not exists text_recheck_changes_run_idx on public.text_recheck_changes (recheck_id, id);
create index if not exists text_recheck_changes_shop_id_idx on public.text_recheck_changes (shop_id);
create index if not exists text_recheck_changes_listing_id_idx on public.text_recheck_changes (listing_id);
alter table public.text_recheck_changes enable row level security;
comment on table public.text_recheck_changes is 'One difference that a re-check found.';
drop policy if exists "members read the differences of their shops" on public.text_recheck_changes;
create policy "members read the differences of their shops" on public.text_recheck_changes
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.text_recheck_changes to authenticated;

create or replace function private.queue_text_recheck(p_cause text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.enqueue('recheck_texts', jsonb_build_object('cause', p_cause), 'recheck_texts:' || p_cause, p_now);
    select private.enqueue('check_scripts', '{}', 'check_scripts:' || p_cause, p_now)
$$;

create or replace function private.live_revisions(p_after bigint, p_limit integer) returns table (listing_id bigint, revision_id bigint)
language sql stable rows 1000 set search_path = '' as $$
    select l.id, r.id
    from (select k.id, k.revision_id, k.published_id from public.listings k
        where k.id > p_after and k.state <> 'withdrawn' order by k.id limit p_limit) l
    cross join lateral (select distinct v.id from (values (l.revision_id), (l.published_id)) v (id) where v.id is not null) r
    order by l.id, r.id
$$;
comment on function private.live_revisions(bigint, integer) is 'The texts that count, of the next listings: the current revision and, if another, the published one.';

create or replace function public.service_texts(p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('listing_id', v.listing_id, 'entity', 'listing_revision', 'entity_id', v.revision_id,
            'shop_id', l.shop_id, 'platform', s.platform, 'category', r.category, 'licences', to_jsonb(r.licences), 'author_id', r.author_id,
            'is_live', v.revision_id = l.published_id,
            'parts', (select jsonb_agg(jsonb_build_object('part', p.part, 'kind', p.kind, 'text', p.body)) from private.revision_parts(r.id) p))
            order by v.listing_id, v.revision_id), '[]')
        from private.live_revisions(coalesce(p_after, 0), least(greatest(coalesce(p_limit, 200), 1), 500)) v
        join public.listings l on l.id = v.listing_id join public.shops s on s.id = l.shop_id
        join public.listing_revisions r on r.id = v.revision_id);
end;
$$;
grant execute on function public.service_texts(bigint, integer) to service_role;
comment on function public.service_texts(bigint, integer) is
    'Service: the texts that count of the next listings (p_after: the last listing_id): [{listing_id, entity, entity_id, shop_id, platform, category, licences, author_id, is_live, parts: [{part, kind, text}]}].';

create or replace function public.service_revision(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('listing_id', l.id, 'entity', 'listing_revision', 'entity_id', r.id, 'shop_id', l.shop_id,
            'platform', s.platform, 'category', r.category, 'licences', to_jsonb(r.licences), 'author_id', r.author_id,
            'is_live', r.id = l.published_id,
            'parts', (select jsonb_agg(jsonb_build_object('part', p.part, 'kind', p.kind, 'text', p.body)) from private.revision_parts(r.id) p))
        from public.listing_revisions r join public.listings l on l.id = r.listing_id join public.shops s on s.id = l.shop_id where r.id = p_id);
end;
$$;
grant execute on function public.service_revision(bigint) to service_role;
comment on function public.service_revision(bigint) is 'Service: the texts of one revision, as service_texts gives them; null when there is none.';

create or replace function public.service_recheck_begin(p_cause text, p_words_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_id bigint;
begin
    if p_words_version is distinct from private.words_version() then
        perform private.fail('PT409', 'text.version', jsonb_build_object('version', private.words_version()));
    end if;
    insert into public.text_rechecks (words_version, cause, total, started_at)
    values (p_words_version, p_cause, (select count(*) from public.listings where state <> 'withdrawn'), v_now) returning id into v_id;
    return jsonb_build_object('id', v_id, 'started_at', v_now);
end;
$$;
grant execute on function public.service_recheck_begin(text, integer) to service_role;
comment on function public.service_recheck_begin(text, integer) is 'Service: opens a run under the version that holds, else text.version. {id, started_at}.';

create or replace function public.service_recheck_step(p_id bigint, p_after bigint, p_upto bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v public.text_rechecks;
begin
    select * into v from public.text_rechecks where id = p_id and state = 'running' for update;
    if not found then
        return null;
    end if;
    insert into public.text_recheck_changes (recheck_id, shop_id, listing_id, part, term, severity, change)
    select p_id, h.shop_id, r.listing_id, c.part, h.term, h.severity, case when h.gone_at is null then 'new' else 'released' end
    from public.listing_revisions r join public.text_checks c on c.entity = 'listing_revision' and c.entity_id = r.id
    join public.text_hits h on h.check_id = c.id
    where r.listing_id > p_after and r.listing_id <= p_upto and c.first_checked_at < v.started_at
      and ((h.gone_at is null and h.found_at >= v.started_at) or (h.gone_as = 'released' and h.gone_at >= v.started_at))
      and not exists (select from public.text_recheck_changes k where k.recheck_id = p_id and k.listing_id = r.listing_id);
    update public.text_rechecks k set
        done = (select count(*) from public.listings where id <= p_upto and state <> 'withdrawn'),
        new_hits = (select count(*) from public.text_recheck_changes x where x.recheck_id = p_id and x.change = 'new'),
        released_hits = (select count(*) from public.text_recheck_changes x where x.recheck_id = p_id and x.change = 'released'),
        suspended = (select count(distinct x.listing_id) from public.text_recheck_changes x join public.listings l on l.id = x.listing_id
            where x.recheck_id = p_id and l.state = 'suspended')
    where k.id = p_id returning * into v;
    return to_jsonb(v);
end;
$$;
grant execute on function public.service_recheck_step(bigint, bigint, bigint) to service_role;
comment on function public.service_recheck_step(bigint, bigint, bigint) is
    'Service: a run has stored its verdicts on the listings after p_after up to p_upto; notes what differs. Null when the run is over.';

create or replace function public.service_recheck_end(p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v public.text_rechecks;
begin
    update public.text_rechecks set state = 'done', done = total, finished_at = v_now where id = p_id and state = 'running' returning * into v;
    if v.id is not null then
        perform private.queue_text_recheck('weekly', v_now + interval '7 days');
    end if;
    return to_jsonb(v);
end;
$$;
grant execute on function public.service_recheck_end(bigint) to service_role;
comment on function public.service_recheck_end(bigint) is 'Service: a run is over; the next weekly one is queued.';

create or replace function public.start_recheck(p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'start_recheck', '{}');
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.queue_text_recheck('person', private.now());
    perform private.audit(v_me, null, 'words', private.words_version(), 'recheck_asked');
    return private.finish_request(p_request_id, jsonb_build_object('queued', true));
end;
$$;
grant execute on function public.start_recheck(uuid) to authenticated;
comment on function public.start_recheck(uuid) is 'Operations, managers: all texts are read again by the worker, now.';

create or replace function public.recheck_list() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id desc), '[]') from (
        select * from public.text_rechecks order by id desc limit 50) x);
end;
$$;
grant execute on function public.recheck_list() to authenticated;
comment on function public.recheck_list() is 'Members: the latest 50 runs with progress (done of total listings) and difference, newest first.';

create or replace function public.recheck_changes(p_id bigint, p_after bigint default 0) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id), '[]') from (
        select c.id, c.shop_id, s.name as shop_name, c.listing_id, l.title, l.state, c.part, c.term, c.severity, c.change
        from public.text_recheck_changes c join public.listings l on l.id = c.listing_id join public.shops s on s.id = c.shop_id
        where c.recheck_id = p_id and c.id > coalesce(p_after, 0) and c.shop_id in (select private.my_shop_ids())
        order by c.id limit 200) x);
end;
$$;
grant execute on function public.recheck_changes(bigint, bigint) to authenticated;
comment on function public.recheck_changes(bigint, bigint) is 'Members: what a run found differently in my shops, 200 at a time (p_after: the last id).';
