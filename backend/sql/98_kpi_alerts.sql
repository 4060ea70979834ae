-- 98 ---------------------------------------------------------------------------------- KPIs: alerts when a target is missed
--
-- A missed target starts a deadline of the policy kpi_alert: its ladder says who hears of it, when and how often, through the
-- outbox of all reminders. It is checked whenever its newest day was counted (sheets of yesterday come in during the morning)
-- and told only when it begins (and as the ladder says), ends when the figure is back with a margin, and may then begin again.

create table if not exists public.kpi_alerts (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    code text not null,
    is_active boolean not null default true,
    min_sample integer not null default 20 constraint kpi_alerts_sample_range check (min_sample between 1 and 1000000),
    margin numeric not null default 2 constraint kpi_alerts_margin_range check (margin between 0 and 50),
    state text not null default 'ok' constraint kpi_alerts_state_known check (state in ('ok', 'raised')),
    value numeric,
    target numeric,
    sample bigint,
    day date,
    since date,
    judged_at timestamptz,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint kpi_alerts_once unique (shop_id, code),
    constraint kpi_alerts_raised_has_day check ((state = 'raised') = (since is not null))
);
create index if not exists kpi_alerts_raised_idx on public.kpi_alerts (shop_id, since) where state = 'raised';
alter table public.kpi_alerts enable row level security;
create or replace trigger t10_touch before update of is_active, min_sample, margin on public.kpi_alerts
    for each row execute function private.touch_version();
comment on table public.kpi_alerts is
    '指标预警: the target of a KPI watched for one shop. min_sample: days with fewer cases say nothing. margin: percent of the target by which the figure must be back before the alert ends.';
drop policy if exists "those who answer for figures read the alerts of their shops" on public.kpi_alerts;
create policy "those who answer for figures read the alerts of their shops" on public.kpi_alerts for select to authenticated
    using ((select private.my_role()) in ('operations', 'analyst', 'manager', 'admin') and shop_id in (select private.my_shop_ids()));
grant select on public.kpi_alerts to authenticated;

create or replace function private.kpi_alert_subjects(p_ids bigint[])
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select a.id, null::bigint, a.code, '/kpi?alert=' || a.id from public.kpi_alerts a where a.id = any (p_ids)
$$;

create or replace function private.judge_alert(p_alert public.kpi_alerts, p_direction text) returns text
language sql immutable set search_path = '' as $$
    select case
        when (p_alert).value is null or (p_alert).target is null or (p_alert).sample < (p_alert).min_sample then (p_alert).state
        when not private.meets((p_alert).value, case p_direction when 'up' then '>=' else '<=' end, (p_alert).target) then 'raised'
        when (p_alert).state = 'raised' and not private.meets((p_alert).value, case p_direction when 'up' then '>=' else '<=' end,
            least((p_alert).target * (1 + (p_alert).margin / 100 * case p_direction when 'up' then 1 else -1 end),
                case when p_direction = 'up' and (p_alert).target <= 100 then 100 end)) then 'raised'
        else 'ok' end
$$;
comment on function private.judge_alert(public.kpi_alerts, text) is
    'raised when the target is missed; back to ok only with the margin (at most 100 for shares); with too few cases as it was.';

create or replace function private.check_alert(p_alert public.kpi_alerts, p_day date, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v public.kpi_alerts := p_alert;
    v_kpi public.kpis;
    v_state text;
begin
    select * into v_kpi from public.kpis where code = v.code;
    select private.kpi_value(v_kpi.unit, sum(s.numerator), sum(s.denominator)), sum(s.sample) into v.value, v.sample
    from private.kpi_snapshots s where s.shop_id = v.shop_id and s.code = v.code and s.day = p_day;
    v.target := private.kpi_target(v_kpi, array[v.shop_id]);
    v_state := case when p_day is null then 'ok' else private.judge_alert(v, v_kpi.direction) end;
    update public.kpi_alerts set (value, target, sample, day, judged_at, state, since) = (v.value, v.target, v.sample, p_day, p_now, v_state,
        case when v_state = 'raised' then coalesce(v.since, p_day) end) where id = v.id;
    if v_state = 'raised' and v.state = 'ok' then
        perform private.start_clock('kpi_alert', v.id, v.shop_id, 'recover', 'kpi_alert', p_now);
    elsif v_state = 'ok' and v.state = 'raised' then
        perform private.stop_clock(c.id, p_now) from public.sla_clocks c
        where c.entity = 'kpi_alert' and c.entity_id = v.id and c.target = 'recover' and c.stopped_at is null;
    end if;
end;
$$;
comment on function private.check_alert(public.kpi_alerts, date, timestamptz) is 'Judges one alert by the figure of a day; null: the day it was judged by has too few cases now, and no other has more.';

create or replace function private.check_alerts(p_now timestamptz, p_limit integer default 50) returns integer
language plpgsql set search_path = '' as $$
declare
    v record;
    v_count integer := 0;
begin
    insert into public.kpi_alerts (shop_id, code, min_sample)
    select s.id, k.code, case when k.area = 'improvement' or k.code = '在线时长' then 1 when k.area = 'aftersales' then 5 else 20 end
    from public.shops s cross join public.kpis k
    where s.is_active and k.is_additive and private.kpi_target(k, array[s.id]) is not null on conflict do nothing;
    for v in
        select a as alert, y.day from public.kpi_alerts a join public.shops s on s.id = a.shop_id
        left join lateral (select k.day, max(r.made_at) as made_at from private.kpi_snapshots k
            join private.kpi_runs r on r.shop_id = k.shop_id and r.day = k.day and (r.made_at at time zone s.timezone)::date > k.day
            where k.shop_id = a.shop_id and k.code = a.code
              and k.day between (p_now at time zone s.timezone)::date - 7 and (p_now at time zone s.timezone)::date - 1
            group by k.day having sum(k.sample) >= a.min_sample and (count(k.denominator) = 0 or sum(k.denominator) <> 0)
            order by k.day desc limit 1) y on true
        where a.is_active and case when y.day is not null then a.day is distinct from y.day or y.made_at > a.judged_at
            else a.day >= (p_now at time zone s.timezone)::date - 7 and not exists (select from private.kpi_runs r
                where r.shop_id = a.shop_id and r.day = a.day and r.made_at is null) end
        order by a.id limit p_limit for update of a skip locked
    loop
        perform private.check_alert(v.alert, v.day, p_now);
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function private.check_alerts(timestamptz, integer) is 'Judges each alert by the newest day of the last seven that has cases enough, once the whole day was counted, and again when it was counted anew; what was said of a day that has too few since is taken back. How many it were. An alert begins with a least sample of 20; of 5 for cases and 1 for tasks and people online, of which a day has fewer.';

create or replace function public.set_alert(p_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'set_alert', jsonb_build_array(p_id, p_version, v));
    v_alert public.kpi_alerts;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_alert from public.kpi_alerts where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'kpi.no_alert');
    elsif v_alert.version is distinct from p_version then
        perform private.fail('PT409', 'kpi.alert_stale');
    end if;
    update public.kpi_alerts set is_active = coalesce((v ->> 'is_active')::boolean, is_active),
        min_sample = coalesce((v ->> 'min_sample')::integer, min_sample), margin = coalesce((v ->> 'margin')::numeric, margin)
    where id = p_id returning * into v_alert;
    if not v_alert.is_active and v_alert.state = 'raised' then
        update public.kpi_alerts set state = 'ok', since = null where id = p_id;
        perform private.cancel_clock(c.id, 'alert_off', private.now(), v_me.member_id) from public.sla_clocks c
        where c.entity = 'kpi_alert' and c.entity_id = p_id and c.stopped_at is null;
    end if;
    perform private.audit(v_me, v_alert.shop_id, 'kpi_alert', p_id, 'set', v);
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id, 'version', v_alert.version));
exception when check_violation or data_exception then
    perform private.fail('PT422', 'kpi.alert_form');
end;
$$;
grant execute on function public.set_alert(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.set_alert(bigint, integer, jsonb, uuid) is
    'Managers, admins: {is_active, min_sample, margin} of an alert; switched off it ends. kpi.no_alert, kpi.alert_stale, kpi.alert_form.';

create or replace function private.check_kpi_change(p_kpi public.kpi_definitions, p jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_platform text;
begin
    if p - array['threshold', 'platform_thresholds', 'params'] <> '{}' or not coalesce(p -> 'platform_thresholds', '{}') @> '{}'
        or coalesce(p ->> 'threshold', '0') !~ '^[0-9]{1,9}(\.[0-9]{1,4})?$'
        or exists (select from jsonb_each_text(coalesce(p -> 'params', '{}')) e where not p_kpi.params ? e.key or e.value !~ '^[0-9]{1,5}$')
        or exists (select from jsonb_each_text(coalesce(p -> 'platform_thresholds', '{}')) e where e.value !~ '^[0-9]{1,9}(\.[0-9]{1,4})?$') then
        perform private.fail('PT422', 'kpi.form');
    end if;
    v_platform := (select min(k) from jsonb_object_keys(coalesce(p -> 'platform_thresholds', '{}')) k where k <> all (private.platforms()));
    if v_platform is not null then
        perform private.fail('PT422', 'kpi.platform', jsonb_build_object('platform', left(v_platform, 40)));
    end if;
end;
$$;
comment on function private.check_kpi_change(public.kpi_definitions, jsonb) is
    'Targets and timing parameters of a KPI, all of them numbers, for platforms that exist: kpi.form, kpi.platform (platform).';

create or replace function public.change_kpi(p_code text, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['analyst', 'manager', 'admin']);
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'change_kpi', jsonb_build_array(p_code, p_version, v));
    v_kpi public.kpi_definitions;
    v_old public.kpi_definitions;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_kpi from public.kpi_definitions where code = p_code order by version desc limit 1 for update;
    if not found then
        perform private.fail('PT422', 'kpi.unknown', jsonb_build_object('code', left(coalesce(p_code, ''), 40)));
    elsif v_kpi.version is distinct from p_version then
        perform private.fail('PT409', 'kpi.stale', jsonb_build_object('version', v_kpi.version));
    end if;
    perform private.check_kpi_change(v_kpi, v);
    v_old := v_kpi;
    v_kpi.threshold := case when v ? 'threshold' then (v ->> 'threshold')::numeric else v_kpi.threshold end;
    v_kpi.platform_thresholds := coalesce(v -> 'platform_thresholds', v_kpi.platform_thresholds);
    v_kpi.params := v_kpi.params || coalesce(v -> 'params', '{}');
    if (v_kpi.threshold, v_kpi.platform_thresholds, v_kpi.params) is not distinct from (v_old.threshold, v_old.platform_thresholds, v_old.params) then
        perform private.fail('PT422', 'kpi.no_change');
    end if;
    v_kpi.version := v_kpi.version + 1;
    v_kpi.valid_from := private.now();
    v_kpi.made_by := v_me.member_id;
    insert into public.kpi_definitions select (v_kpi).*;
    perform private.audit(v_me, null, 'kpi', null, 'changed', jsonb_build_object('code', p_code, 'version', v_kpi.version) || v);
    return private.finish_request(p_request_id, jsonb_build_object('code', p_code, 'version', v_kpi.version));
exception when data_exception then
    perform private.fail('PT422', 'kpi.form');
end;
$$;
grant execute on function public.change_kpi(text, integer, jsonb, uuid) to authenticated;
comment on function public.change_kpi(text, integer, jsonb, uuid) is
    'Analysts, managers, admins: a new version of a KPI with other {threshold, platform_thresholds, params}; figures and criteria name the version they were made by. kpi.unknown, kpi.stale, kpi.form, kpi.platform (platform), kpi.no_change.';

-- The tick ------------------------------------------------------------------------------------------------------------

create or replace function public.tick_figures() returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_kept integer;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(private.figures_lock()) then
        return '{"kept": 0, "checked": 0, "judged": 0, "busy": true}';
    end if;
    v_kept := private.keep_kpis(v_now, 10);
    return jsonb_build_object('kept', v_kept, 'checked', private.check_alerts(v_now), 'judged', private.check_tasks(v_now));
end;
$$;
grant execute on function public.tick_figures() to service_role;
comment on function public.tick_figures() is
    'Service, each minute, last: counts days that are due, judges alerts by them, and measures delivered tasks. {kept, checked, judged}, or {busy: true} while another works.';
