-- 43 ---------------------------------------------------------------------- scripts: what is said to customers, once for all
--
-- 话术库, one for presales and after-sales. Texts live in revisions that never change. Team scripts go draft → pending →
-- approved and are approved by a manager who did not write them; a personal script is its owner's own and needs only the word
-- check. An edit makes a new draft and leaves what is in use as it is. A script is offered in a shop while its text there
-- passed the word check (a place), inside its campaign window and before its expiry: nothing else decides.

create or replace function private.script_variables() returns text[]
language sql immutable set search_path = '' as $$
    select array['顾客称呼', '订单号', '商品', '规格', '数量', '金额', '快递公司', '快递单号', '工单号', '客服', '店铺', '日期', '赠品']
$$;
comment on function private.script_variables() is 'What may stand in braces in a script: {顾客称呼}. The app fills it in from the case at hand; the text that is checked has the braces.';

create or replace function private.script_stages(p_area text) returns text[]
language sql immutable set search_path = '' as $$
    select case when p_area = 'aftersales' then '{}' else array['first_touch', 'needs', 'objection', 'closing', 'won'] end
        || case when p_area = 'presales' then '{}' else private.case_types() end
$$;
comment on function private.script_stages(text) is '首次触达, 需求挖掘, 异议处理, 促成, 成交 before the sale; the kind of ticket after it.';

create or replace function private.script_kind(p_area text) returns text
language sql immutable set search_path = '' as $$ select case when p_area = 'aftersales' then 'reply' else 'script' end $$;
comment on function private.script_kind(text) is 'As what the word check reads a script of this area.';

create table if not exists public.scripts (
    id bigint generated always as identity primary key,
    code text constraint scripts_code_unique unique,
    shop_id bigint references public.shops,
    scope text not null default 'team' constraint scripts_scope_known check (scope in ('team', 'personal')),
    owner_id bigint references public.members,
    title text not null,
    state text not null default 'draft' constraint scripts_state_known check (state in ('draft', 'pending', 'approved', 'retired')),
    revision_id bigint,
    live_id bigint,
    author_id bigint references public.members,
    reason text constraint scripts_reason_length check (char_length(reason) <= 300),
    created_at timestamptz not null,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint scripts_approved_is_live check (state <> 'approved' or live_id = revision_id),
    constraint scripts_retired_is_not check (state <> 'retired' or live_id is null),
    constraint scripts_personal_has_owner check (scope = 'team' or owner_id is not null)
);
create index if not exists scripts_shop_id_idx on public.scripts (shop_id);
create index if not exists scripts_owner_id_idx on public.scripts (owner_id);
create index if not exists scripts_author_id_idx on public.scripts (author_id);
alter table public.scripts enable row level security;
create or replace trigger t10_touch before update on public.scripts for each row execute function private.touch_version();
comment on table public.scripts is '话术: a script and where it stands. shop_id null: every shop. author_id wrote the current revision; null: the program brought it.';
comment on column public.scripts.live_id is 'The revision in use; another one than revision_id while an edit waits for approval.';
comment on column public.scripts.reason is 'Why a warning of the word check may stay, given at submission or approval.';

create table if not exists public.script_revisions (
    id bigint generated always as identity primary key,
    script_id bigint not null references public.scripts,
    number integer not null,
    title text not null constraint script_revisions_title_length check (char_length(btrim(title)) between 1 and 60),
    body text not null constraint script_revisions_body_length check (char_length(btrim(body)) between 1 and 2000),
    area text not null constraint script_revisions_area_known check (area in ('presales', 'aftersales', 'both')),
    stage text,
    root_cause_id bigint references public.root_causes,
    objection text not null default '' constraint script_revisions_objection_length check (char_length(objection) <= 30),
    sku text not null default '' constraint script_revisions_sku_length check (char_length(sku) <= 64),
    category text not null default 'general',
    campaign_from timestamptz,
    campaign_until timestamptz,
    expires_at timestamptz,
    author_id bigint references public.members,
    approved_by bigint references public.members,
    approved_at timestamptz,
    created_at timestamptz not null,
    constraint script_revisions_approved_by_another check (approved_by <> author_id),
    constraint script_revisions_once unique (script_id, number),
    constraint script_revisions_stage_fits check (stage = any (private.script_stages(area))),
    constraint script_revisions_campaign check (campaign_until > campaign_from)
);
create index if not exists script_revisions_root_cause_id_idx on public.script_revisions (root_cause_id);
create index if not exists script_revisions_author_id_idx on public.script_revisions (author_id);
create index if not exists script_revisions_approved_by_idx on public.script_revisions (approved_by);
alter table public.script_revisions enable row level security;
comment on table public.script_revisions is 'The text of a script and what it fits, as somebody wrote it; never changed but for its approval. stage null: any. approved_by null with approved_at: a personal one, or the program''s.';

do $$
begin
    if not exists (select from pg_catalog.pg_constraint where conname = 'scripts_revision_known') then
        alter table public.scripts
            add constraint scripts_revision_known foreign key (revision_id) references public.script_revisions,
            add constraint scripts_live_known foreign key (live_id) references public.script_revisions;
    end if;
end;
$$;
create index if not exists scripts_revision_id_idx on public.scripts (revision_id);
create index if not exists scripts_live_id_idx on public.scripts (live_id);

create table if not exists public.script_places (
    id bigint generated always as identity primary key,
    revision_id bigint not null references public.script_revisions,
    shop_id bigint not null references public.shops,
    verdict text not null default 'unchecked' constraint script_places_verdict_known check (verdict in ('unchecked', 'block', 'warn', 'clean')),
    words_version integer,
    constraint script_places_once unique (revision_id, shop_id)
);
create index if not exists script_places_shop_id_idx on public.script_places (shop_id);
alter table public.script_places enable row level security;
comment on table public.script_places is 'What the word check says about a script''s text in a shop, under words_version; evidence counted in. The shop''s platform has words of its own.';

create table if not exists public.script_uses (
    id bigint generated always as identity primary key,
    script_id bigint not null references public.scripts,
    revision_id bigint not null references public.script_revisions,
    shop_id bigint not null references public.shops,
    member_id bigint not null references public.members,
    entity text constraint script_uses_entity_known check (entity in ('lead', 'ticket', 'order')),
    entity_id bigint,
    at timestamptz not null,
    constraint script_uses_case check ((entity is null) = (entity_id is null))
);
create index if not exists script_uses_script_idx on public.script_uses (script_id, at);
create index if not exists script_uses_revision_id_idx on public.script_uses (revision_id);
create index if not exists script_uses_shop_idx on public.script_uses (shop_id, at);
create index if not exists script_uses_member_id_idx on public.script_uses (member_id, at);
create index if not exists script_uses_case_idx on public.script_uses (entity, entity_id);
alter table public.script_uses enable row level security;
comment on table public.script_uses is 'Somebody copied a script, for a case if entity says so. Holds no text: what was filled in may name a customer.';

drop policy if exists "members read team scripts of their shops and their own" on public.scripts;
create policy "members read team scripts of their shops and their own" on public.scripts for select to authenticated using (
    (shop_id is null and (select private.my_role()) is not null or shop_id in (select private.my_shop_ids()))
    and (scope = 'team' or owner_id = (select private.my_member_id()) or (select private.my_role()) in ('manager', 'admin')));
grant select on public.scripts to authenticated;
drop policy if exists "members read the texts of scripts they see" on public.script_revisions;
create policy "members read the texts of scripts they see" on public.script_revisions
    for select to authenticated using (script_id in (select s.id from public.scripts s));
grant select on public.script_revisions to authenticated;
drop policy if exists "members read the verdicts of their shops" on public.script_places;
create policy "members read the verdicts of their shops" on public.script_places
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.script_places to authenticated;
drop policy if exists "members read the uses of their shops" on public.script_uses;
create policy "members read the uses of their shops" on public.script_uses
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.script_uses to authenticated;

-- What the word check says ----------------------------------------------------------------------------------------------------

create or replace function private.script_shops(p public.scripts) returns setof bigint
language sql stable set search_path = '' as $$
    select s.id from public.shops s where s.is_active and (s.id = (p).shop_id or (p).shop_id is null)
$$;
comment on function private.script_shops(public.scripts) is 'Where a script is meant to be used.';

create or replace function private.script_product(p_sku text, p_shop_id bigint) returns bigint
language sql stable set search_path = '' as $$
    select x.id from public.products x join public.shops s on s.stock_pool_id = x.stock_pool_id where s.id = p_shop_id and x.sku = p_sku and p_sku <> ''
$$;

create or replace function private.script_text_refusal(p public.scripts, p_revision_id bigint, p_reason text, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select x.refusal from (
        select private.text_refusal(r.body, private.script_kind(r.area), s.id, r.category, '{}', p_reason, private.script_product(r.sku, s.id), p_now)
            || jsonb_build_object('shop_id', s.id) as refusal
        from public.script_revisions r cross join private.script_shops(p) s (id) where r.id = p_revision_id) x
    where x.refusal is not null
    order by array_position(array['text.blocked', 'text.unchecked', 'text.reason_missing'], x.refusal ->> 'key') limit 1);
end;
$$;
comment on function private.script_text_refusal(public.scripts, bigint, text, timestamptz) is
    'Why a text of a script must not be used, or null: the gravest of what private.text_refusal says in the shops it is for. {key, params, shop_id}.';

create or replace function private.settle_scripts(p_place_ids bigint[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_me private.actor;
    v_words integer := private.words_version();
    v record;
begin
    v_me.role := 'system';
    for v in with judged as materialized (
            select p.id, p.verdict as before, case private.text_refusal(r.body, private.script_kind(r.area), p.shop_id, r.category, '{}', null,
                    private.script_product(r.sku, p.shop_id), p_now) ->> 'key'
                when 'text.blocked' then 'block' when 'text.unchecked' then p.verdict when 'text.reason_missing' then 'warn' else 'clean' end as verdict
            from public.script_places p join public.script_revisions r on r.id = p.revision_id where p.id = any (p_place_ids)
        ), written as (
            update public.script_places p set verdict = j.verdict, words_version = v_words from judged j
            where p.id = j.id and (p.verdict, p.words_version) is distinct from (j.verdict, v_words)
            returning p.revision_id, p.shop_id, j.before, j.verdict
        )
        select s.id, w.shop_id, w.verdict from written w join public.scripts s on s.live_id = w.revision_id
        where 'block' in (w.before, w.verdict) and w.before <> w.verdict and w.before <> 'unchecked'
    loop
        perform private.audit(v_me, v.shop_id, 'script', v.id, case v.verdict when 'block' then 'suspended' else 'cleared' end,
            jsonb_build_object('words_version', v_words, 'shop_id', v.shop_id));
    end loop;
end;
$$;
comment on function private.settle_scripts(bigint[], timestamptz) is
    'Brings the verdicts of places in line with checks and evidence. A script in use whose text became 不可发布 in a shop is not offered there any more, and its history says so.';

create or replace function private.settle_script_term(p_shop_id bigint, p_term text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.settle_scripts(array(select distinct c.entity_id from public.text_checks c join public.text_hits h on h.check_id = c.id
        where h.shop_id = p_shop_id and h.term = p_term and h.gone_at is null and c.entity = 'script_place'), p_now);
end;
$$;
comment on function private.settle_script_term(bigint, text, timestamptz) is 'Scripts of a shop that use a word, after what allows it came or went.';

create or replace function private.queue_script_checks(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.enqueue('check_scripts', '{}', 'check_scripts', p_now);
end;
$$;
comment on function private.queue_script_checks(timestamptz) is 'Has the worker read the scripts: a shop is new.';

create or replace function private.make_script_places(p_script_ids bigint[]) returns void
language sql set search_path = '' as $$
    insert into public.script_places (revision_id, shop_id)
    select v.id, shop.id from public.scripts s cross join lateral (select distinct x.id from (values (s.revision_id), (s.live_id)) x (id) where x.id is not null) v
    cross join lateral private.script_shops(s) shop (id)
    where s.state <> 'retired' and (p_script_ids is null or s.id = any (p_script_ids))
    on conflict do nothing
$$;
comment on function private.make_script_places(bigint[]) is 'A place for each text that counts in each shop it is for; null: of all scripts.';

create or replace function public.service_script_texts(p_after bigint, p_limit integer, p_script_id bigint default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    if coalesce(p_after, 0) = 0 then
        perform private.make_script_places(case when p_script_id is not null then array[p_script_id] end);
    end if;
    return (select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'entity', 'script_place', 'entity_id', x.id, 'shop_id', x.shop_id,
            'platform', x.platform, 'category', x.category, 'licences', '[]'::jsonb, 'author_id', x.author_id, 'script_id', x.script_id,
            'is_current', x.is_current, 'parts', jsonb_build_array(jsonb_build_object('part', 'body', 'kind', private.script_kind(x.area), 'text', x.body)))
            order by x.id), '[]')
        from (select p.id, p.shop_id, h.platform, r.category, r.author_id, r.script_id, r.area, r.body, r.id = s.revision_id as is_current
            from public.script_places p join public.script_revisions r on r.id = p.revision_id
            join public.scripts s on s.id = r.script_id and r.id in (s.revision_id, s.live_id) and s.state <> 'retired'
            join public.shops h on h.id = p.shop_id
            where p.id > coalesce(p_after, 0) and (p_script_id is null or s.id = p_script_id)
            order by p.id limit least(greatest(coalesce(p_limit, 200), 1), 500)) x);
end;
$$;
grant execute on function public.service_script_texts(bigint, integer, bigint) to service_role;
comment on function public.service_script_texts(bigint, integer, bigint) is
    'Service: the texts that count of all scripts, or of one, a row for each shop (p_after: the last id), as service_texts gives those of listings.';

-- Writing -----------------------------------------------------------------------------------------------------------------------

create or replace function private.check_script(p jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_body text := coalesce(p ->> 'body', '');
    v_name text;
begin
    for v_name in select m[1] from regexp_matches(v_body, '\{([^{}]*)\}', 'g') m loop
        if v_name <> all (private.script_variables()) then
            perform private.fail('PT422', 'script.variable', jsonb_build_object('name', left(v_name, 20)));
        end if;
    end loop;
    if regexp_replace(v_body, '\{[^{}]*\}', '', 'g') ~ '[{}]' then
        perform private.fail('PT422', 'script.brace');
    end if;
    if coalesce(p ->> 'category', 'general') <> all (private.product_categories()) then
        perform private.fail('PT422', 'script.bad_value');
    end if;
    if p ->> 'sku' <> '' and not exists (select from public.products x where x.sku = p ->> 'sku') then
        perform private.fail('PT404', 'script.product');
    end if;
    if p ->> 'stage' is not null and coalesce(p ->> 'stage' = any (private.script_stages(p ->> 'area')), false) is false then
        perform private.fail('PT422', 'script.stage');
    end if;
end;
$$;
comment on function private.check_script(jsonb) is 'script.variable {name}: nothing fills it in; script.brace: a brace without its other half; script.stage, script.product, script.bad_value.';

create or replace function private.new_script_revision(p_me private.actor, p_script_id bigint, p jsonb, p_now timestamptz) returns bigint
language sql set search_path = '' as $$
    insert into public.script_revisions (script_id, number, title, body, area, stage, root_cause_id, objection, sku, category,
        campaign_from, campaign_until, expires_at, author_id, created_at)
    values (p_script_id, (select coalesce(max(number), 0) + 1 from public.script_revisions where script_id = p_script_id), p ->> 'title', p ->> 'body',
        p ->> 'area', p ->> 'stage', (p ->> 'root_cause_id')::bigint, btrim(coalesce(p ->> 'objection', '')), coalesce(p ->> 'sku', ''),
        coalesce(p ->> 'category', 'general'), (p ->> 'campaign_from')::timestamptz, (p ->> 'campaign_until')::timestamptz,
        (p ->> 'expires_at')::timestamptz, (p_me).member_id, p_now)
    returning id
$$;

create or replace function private.may_edit_script(p_me private.actor, p public.scripts) returns boolean
language sql stable set search_path = '' as $$
    select case when (p).scope = 'personal' then (p).owner_id = (p_me).member_id
        else (p_me).role in ('operations', 'manager') or ((p_me).role = 'agent' and (p).owner_id = (p_me).member_id) end
$$;
comment on function private.may_edit_script(private.actor, public.scripts) is 'A personal script: its owner. A team script: operations, managers, and the agent who proposed it.';

create or replace function private.sees_script(p_me private.actor, p public.scripts) returns boolean
language sql stable set search_path = '' as $$
    select ((p).shop_id is null or (p).shop_id in (select private.my_shop_ids()))
        and ((p).scope = 'team' or (p).owner_id = (p_me).member_id or (p_me).role in ('manager', 'admin'))
$$;

create or replace function private.script_to_change(p_me private.actor, p_id bigint, p_version integer) returns public.scripts
language plpgsql set search_path = '' as $$
declare
    v public.scripts;
begin
    select * into v from public.scripts where id = p_id for no key update;
    if not found or not private.sees_script(p_me, v) then
        perform private.fail('PT404', 'script.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'script.stale', jsonb_build_object('at', v.updated_at));
    end if;
    return v;
end;
$$;
comment on function private.script_to_change(private.actor, bigint, integer) is 'Locks a script that I see: script.none, script.stale.';

create or replace function private.change_script(p_me private.actor, p_id bigint, p_version integer, p jsonb, p_now timestamptz) returns public.scripts
language plpgsql set search_path = '' as $$
declare
    v public.scripts := private.script_to_change(p_me, p_id, p_version);
begin
    if not private.may_edit_script(p_me, v) or (v.scope = 'team' and p ->> 'scope' = 'personal') then
        perform private.fail('PT403', 'script.not_yours');
    end if;
    update public.scripts set revision_id = private.new_script_revision(p_me, p_id, p, p_now), title = p ->> 'title', state = 'draft',
        author_id = (p_me).member_id, reason = null, scope = coalesce(p ->> 'scope', scope),
        live_id = case when scope = coalesce(p ->> 'scope', scope) and shop_id is not distinct from (p ->> 'shop_id')::bigint then live_id end,
        shop_id = (p ->> 'shop_id')::bigint
    where id = p_id returning * into v;
    return v;
end;
$$;
comment on function private.change_script(private.actor, bigint, integer, jsonb, timestamptz) is
    'An edit: new revision, back to draft; what is in use stays until the new text is approved, unless it moves to another shop or scope. script.not_yours.';

create or replace function public.save_script(p_request_id uuid, p_id bigint, p_version integer, p_script jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_in jsonb := private.as_json(p_script);
    v_answer jsonb := private.begin_request(p_request_id, 'save_script', jsonb_build_array(p_id, p_version, v_in));
    v public.scripts;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_script(v_in);
    if v_in ->> 'shop_id' is not null then
        perform private.require_shop(v_me, (v_in ->> 'shop_id')::bigint);
    end if;
    if p_id is null then
        insert into public.scripts (shop_id, scope, owner_id, title, author_id, created_at)
        values ((v_in ->> 'shop_id')::bigint, coalesce(v_in ->> 'scope', 'team'), v_me.member_id, v_in ->> 'title', v_me.member_id, v_now) returning * into v;
        update public.scripts set revision_id = private.new_script_revision(v_me, v.id, v_in, v_now) where id = v.id returning * into v;
    else
        v := private.change_script(v_me, p_id, p_version, v_in, v_now);
    end if;
    perform private.audit(v_me, v.shop_id, 'script', v.id, case when p_id is null then 'created' else 'edited' end,
        jsonb_build_object('revision', (select number from public.script_revisions where id = v.revision_id)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
exception when check_violation or not_null_violation or foreign_key_violation or data_exception then
    perform private.fail('PT422', 'script.bad_value');
end;
$$;
grant execute on function public.save_script(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_script(uuid, bigint, integer, jsonb) is
    'Agents, operations, managers: writes a script {shop_id null for all, scope team|personal, title, body, area, stage, root_cause_id, objection, sku, category, campaign_from, campaign_until, expires_at}; a draft that still has to be checked. script.variable, script.brace, script.stage, script.product, script.none, script.stale, script.not_yours, script.bad_value, shop.none. {id, version, state}.';

-- The flow ------------------------------------------------------------------------------------------------------------------------

create or replace function private.script_target(p_action text, p public.scripts) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_action = 'submit' and (p).state = 'draft' then case when (p).scope = 'personal' then 'approved' else 'pending' end
        when p_action = 'approve' and (p).state = 'pending' then 'approved'
        when p_action = 'return' and (p).state = 'pending' then 'draft'
        when p_action = 'discard' and (p).state = 'draft' and (p).live_id is not null then 'approved'
        when p_action = 'retire' and (p).state <> 'retired' then 'retired'
        when p_action = 'restore' and (p).state = 'retired' then 'draft' end
$$;
comment on function private.script_target(text, public.scripts) is 'Where a step leads; null: not possible there.';

create or replace function private.script_refusal(p_me private.actor, p public.scripts, p_action text, p_reason text, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return case
        when p_action = 'approve' and (p_me).role not in ('manager', 'admin') then '{"key": "script.manager", "params": {}}'::jsonb
        when p_action <> 'approve' and not private.may_edit_script(p_me, p) and not (p_action = 'return' and (p_me).role = 'admin')
            then '{"key": "script.not_yours", "params": {}}'::jsonb
        when private.script_target(p_action, p) is null then jsonb_build_object('key', 'script.state', 'params', jsonb_build_object('state', (p).state))
        when p_action = 'approve' and (p).author_id = (p_me).member_id then '{"key": "script.own", "params": {}}'::jsonb
        when ((p_action = 'return' and (p).author_id is distinct from (p_me).member_id) or (p_action = 'retire' and (p).live_id is not null and (p).scope = 'team'))
            and btrim(coalesce(p_reason, '')) = '' then '{"key": "script.reason_missing", "params": {}}'::jsonb
        when p_action in ('submit', 'approve') then coalesce(
            (select '{"key": "script.over", "params": {}}'::jsonb from public.script_revisions r where r.id = (p).revision_id
                and least(r.expires_at, r.campaign_until) <= p_now),
            private.script_text_refusal(p, (p).revision_id, coalesce(nullif(btrim(p_reason), ''), (p).reason), p_now)) end;
end;
$$;
comment on function private.script_refusal(private.actor, public.scripts, text, text, timestamptz) is
    'Why a step is refused, or null: script.manager, script.not_yours, script.state, script.own (nobody approves his own text), script.reason_missing, script.over (expired already), text.unchecked, text.blocked, text.reason_missing.';

create or replace function public.move_script(p_request_id uuid, p_id bigint, p_version integer, p_action text, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'move_script', jsonb_build_array(p_id, p_version, p_action, p_reason));
    v public.scripts;
    v_refusal jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.script_to_change(v_me, p_id, p_version);
    v_refusal := private.script_refusal(v_me, v, p_action, p_reason, v_now);
    if v_refusal is not null then
        perform private.fail('PT409', v_refusal ->> 'key', v_refusal -> 'params');
    end if;
    v := private.write_script_move(v_me, v, p_action, p_reason, v_now);
    perform private.audit(v_me, v.shop_id, 'script', v.id, p_action, jsonb_strip_nulls(jsonb_build_object('to', v.state, 'reason', nullif(btrim(p_reason), ''))));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
exception when check_violation then
    perform private.fail('PT422', 'script.bad_value');
end;
$$;
grant execute on function public.move_script(uuid, bigint, integer, text, text) to authenticated;
comment on function public.move_script(uuid, bigint, integer, text, text) is
    'A step of a script: submit (a personal one is in use then), approve (a manager or admin who did not write it), return, discard (back to what is in use), retire, restore. Refusals of private.script_refusal; script.none, script.stale. {id, version, state}.';

create or replace function private.write_script_move(p_me private.actor, p public.scripts, p_action text, p_reason text, p_now timestamptz)
returns public.scripts
language plpgsql set search_path = '' as $$
declare
    v public.scripts;
    v_to text := private.script_target(p_action, p);
    v_revision bigint := case when p_action = 'discard' then (p).live_id else (p).revision_id end;
begin
    perform private.make_script_places(array[(p).id]);
    update public.scripts s set state = v_to, revision_id = v_revision,
        title = (select r.title from public.script_revisions r where r.id = v_revision),
        reason = case when p_action in ('submit', 'approve') then coalesce(left(nullif(btrim(p_reason), ''), 300), s.reason) else s.reason end,
        author_id = (select r.author_id from public.script_revisions r where r.id = v_revision),
        live_id = case v_to when 'approved' then v_revision when 'retired' then null else s.live_id end
    where s.id = (p).id returning * into v;
    if p_action <> 'discard' and v_to = 'approved' then
        update public.script_revisions set approved_by = case p_action when 'approve' then (p_me).member_id end, approved_at = p_now where id = v_revision;
    end if;
    perform private.settle_scripts(array(select x.id from public.script_places x where x.revision_id = v.live_id), p_now);
    return v;
end;
$$;
