-- 36 -------------------------------------------------------------------------------------------------- 大促模式: campaigns
--
-- From when to when calendars stay open and all hands are called; it ends by itself.

create table if not exists public.campaigns (
    id bigint generated always as identity primary key,
    name text not null constraint campaigns_name_length check (char_length(name) between 1 and 60),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    is_all_hands boolean not null default false,
    changed_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint campaigns_length check (ends_at >= starts_at and ends_at <= starts_at + interval '31 days')
);
create index if not exists campaigns_ends_at_idx on public.campaigns (ends_at);
create index if not exists campaigns_changed_by_idx on public.campaigns (changed_by) where changed_by is not null;
alter table public.campaigns enable row level security;
create or replace trigger t10_touch before update on public.campaigns
    for each row execute function private.touch_version();
comment on table public.campaigns is
    '大促模式: from starts_at to ends_at its calendars are open all the time, and with is_all_hands everybody who is not on leave is on duty. It ends by itself.';

create table if not exists public.campaign_calendars (
    campaign_id bigint not null references public.campaigns,
    calendar_id bigint not null references public.calendars,
    primary key (campaign_id, calendar_id)
);
create index if not exists campaign_calendars_calendar_id_idx on public.campaign_calendars (calendar_id);
alter table public.campaign_calendars enable row level security;
comment on table public.campaign_calendars is 'The calendars that a campaign keeps open.';

drop policy if exists "members read the campaigns" on public.campaigns;
create policy "members read the campaigns" on public.campaigns
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the calendars of campaigns" on public.campaign_calendars;
create policy "members read the calendars of campaigns" on public.campaign_calendars
    for select to authenticated using ((select private.my_role()) is not null);
grant select on public.campaigns, public.campaign_calendars to authenticated;

create or replace function private.campaign_for_change(p_id bigint, p_version integer, p_now timestamptz) returns public.campaigns
language plpgsql set search_path = '' as $$
declare
    v public.campaigns;
begin
    select * into v from public.campaigns where id = p_id for update;
    if not found then
        perform private.fail('PT404', 'campaign.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'campaign.stale', pg_catalog.jsonb_build_object('name', v.name,
            'who', private.who_changed('campaign', v.id)));
    elsif v.ends_at <= p_now then
        perform private.fail('PT409', 'campaign.over', pg_catalog.jsonb_build_object('name', v.name));
    end if;
    return v;
end;
$$;
comment on function private.campaign_for_change(bigint, integer, timestamptz) is 'A campaign that is not over, locked. campaign.none, campaign.stale, campaign.over.';

create or replace function private.campaign_calendar_ids(p_change jsonb) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
    v_ids bigint[] := array(select distinct i::bigint from pg_catalog.jsonb_array_elements_text(p_change -> 'calendars') i);
begin
    if exists (select from pg_catalog.unnest(v_ids) i where not exists (
        select from public.calendars c where c.id = i and c.kind = 'working' and c.is_active)) then
        perform private.fail('PT422', 'campaign.bad_calendar');
    end if;
    return v_ids;
end;
$$;
comment on function private.campaign_calendar_ids(jsonb) is 'The calendars of hours that a campaign opens; campaign.bad_calendar.';

create or replace function private.store_campaign(p_id bigint, p_change jsonb, p_calendars bigint[], p_actor bigint) returns public.campaigns
language plpgsql set search_path = '' as $$
declare
    v public.campaigns;
begin
    if p_id is null then
        insert into public.campaigns (name, starts_at, ends_at) values (p_change ->> 'name', '2000-01-01', '2000-01-01') returning * into v;
    end if;
    update public.campaigns set name = pg_catalog.btrim(p_change ->> 'name'),
        starts_at = pg_catalog.date_trunc('minute', (p_change ->> 'starts_at')::timestamptz),
        ends_at = pg_catalog.date_trunc('minute', (p_change ->> 'ends_at')::timestamptz),
        is_all_hands = coalesce((p_change ->> 'is_all_hands')::boolean, false), changed_by = p_actor
    where id = coalesce(p_id, v.id) returning * into v;
    delete from public.campaign_calendars where campaign_id = v.id and calendar_id <> all (p_calendars);
    insert into public.campaign_calendars select v.id, i from pg_catalog.unnest(p_calendars) i on conflict do nothing;
    return v;
end;
$$;
comment on function private.store_campaign(bigint, jsonb, bigint[], bigint) is 'A campaign, new or changed, with its calendars.';

create or replace function private.change_campaign(p_me private.actor, p_change jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_old public.campaigns;
    v public.campaigns;
    v_calendars bigint[];
    v_touched bigint[];
    v_since timestamptz;
    v_moved integer;
begin
    v_calendars := private.campaign_calendar_ids(p_change);
    if p_change ->> 'id' is not null then
        v_old := private.campaign_for_change((p_change ->> 'id')::bigint, (p_change ->> 'version')::integer, p_now);
    end if;
    if not coalesce((p_change ->> 'ends_at')::timestamptz > greatest(p_now, (p_change ->> 'starts_at')::timestamptz), false) then
        perform private.fail('PT422', 'campaign.bad_value');
    end if;
    v_since := least(v_old.starts_at, (p_change ->> 'starts_at')::timestamptz);
    v_touched := v_calendars || array(select calendar_id from public.campaign_calendars
        where campaign_id = v_old.id and calendar_id <> all (v_calendars));
    perform private.settle_calendars(v_touched, v_since, p_now);
    v := private.store_campaign(v_old.id, p_change, v_calendars, (p_me).member_id);
    v_moved := private.recalculate_calendars(v_touched, v_since, p_now, (p_me).member_id);
    perform private.audit(p_me, null, 'campaign', v.id, case when v_old.id is null then 'created' else 'changed' end, p_change);
    return pg_catalog.jsonb_build_object('id', v.id, 'version', v.version, 'moved', v_moved);
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'campaign.bad_value');
end;
$$;
comment on function private.change_campaign(private.actor, jsonb, timestamptz) is 'What save_campaign does, without the request.';

create or replace function public.save_campaign(p_campaign jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_change jsonb := private.as_json(p_campaign);
    v_answer jsonb := private.begin_request(p_request_id, 'save_campaign', v_change);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_campaign(v_me, v_change, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.save_campaign(jsonb, uuid) to authenticated, service_role;
comment on function public.save_campaign(jsonb, uuid) is
    'Manager, admin: 大促模式 {id, version, name, starts_at, ends_at, is_all_hands, calendars: [id]}; without id a new one. Its calendars are open from begin to end, and it ends by itself. Answers {id, version, moved}. campaign.none, campaign.stale, campaign.over, campaign.bad_calendar, campaign.bad_value.';

create or replace function public.end_campaign(p_id bigint, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'end_campaign', pg_catalog.jsonb_build_array(p_id, p_version));
    v public.campaigns;
    v_calendars bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.campaign_for_change(p_id, p_version, v_now);
    v_calendars := array(select calendar_id from public.campaign_calendars where campaign_id = v.id);
    perform private.settle_calendars(v_calendars, v.starts_at, v_now);
    update public.campaigns set ends_at = greatest(starts_at, pg_catalog.date_trunc('minute', v_now)), changed_by = v_me.member_id
    where id = v.id;
    v_answer := pg_catalog.jsonb_build_object('moved',
        private.recalculate_calendars(v_calendars, v.starts_at, v_now, v_me.member_id));
    perform private.audit(v_me, null, 'campaign', v.id, 'ended');
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.end_campaign(bigint, integer, uuid) to authenticated, service_role;
comment on function public.end_campaign(bigint, integer, uuid) is
    'Manager, admin: ends a campaign now (before its begin: it never was). Answers {moved}. campaign.none, campaign.stale, campaign.over.';
