-- 34 ----------------------------------------------------------------------------------------- the clock: what members call

-- Why is this the deadline? -------------------------------------------------------------------------------------------

create or replace function private.clock_windows(p_clock public.sla_clocks, p_from timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with span as (
        select case when isempty(s.r) then '{}'::tstzmultirange
            when p_clock.calendar_id is null then pg_catalog.tstzmultirange(s.r)
            else private.known_windows(p_clock.calendar_id, lower(s.r), upper(s.r), private.first_unknown_day(p_clock.calendar_id,
                private.first_day_needed(p_clock.calendar_id, lower(s.r)))) end - p_clock.pauses as open
        from (select pg_catalog.tstzrange(p_from, greatest(p_from,
            coalesce(p_clock.due_at, p_clock.paused_at, p_clock.stopped_at, p_now))) as r) s
    )
    select pg_catalog.jsonb_build_object(
        'minutes', pg_catalog.trim_scale(pg_catalog.round(private.seconds_of(open) / 60, 3)),
        'windows', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', lower(w.r), 'to', upper(w.r),
                'minutes', pg_catalog.trim_scale(pg_catalog.round(private.seconds_of(pg_catalog.tstzmultirange(w.r)) / 60, 3)))
                order by w.r)
            from pg_catalog.unnest(open) with ordinality w (r, n) where w.n <= 60), '[]'),
        'windows_count', (select pg_catalog.count(*) from pg_catalog.unnest(open)))
    from span
$$;
comment on function private.clock_windows(public.sla_clocks, timestamptz, timestamptz) is
    'Open time that counted from p_from to the deadline (or to where the clock stands): the first sixty windows, their number, all minutes.';

create or replace function private.clock_pauses(p_clock public.sla_clocks) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', lower(p.r),
        'to', case when pg_catalog.isfinite(upper(p.r)) then upper(p.r) end,
        'reason', coalesce((select pg_catalog.string_agg(distinct e.reason, '; ') from public.sla_clock_events e
            where e.clock_id = p_clock.id and e.kind = 'paused' and p.r @> e.at), '')) order by p.r), '[]')
    from pg_catalog.unnest(p_clock.pauses + case when p_clock.paused_at is null then '{}'::tstzmultirange
        else pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_clock.paused_at, 'infinity')) end) p (r)
$$;
comment on function private.clock_pauses(public.sla_clocks) is 'Pauses with their reasons; a pause that lasts has no end.';

create or replace function public.explain_clock(p_clock_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
    v_now timestamptz := private.now();
    v public.sla_clocks;
    v_from timestamptz;
begin
    select * into v from public.sla_clocks where id = p_clock_id;
    if not found or (v_me.role <> 'system' and v.shop_id not in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'clock.none');
    end if;
    v_from := case when exists (select from public.sla_clock_events where clock_id = v.id
            and kind in ('reopened', 'retargeted', 'recalculated', 'merged')) then v.counted_from else v.started_at end;
    return pg_catalog.jsonb_build_object('id', v.id, 'entity', v.entity, 'entity_id', v.entity_id, 'target', v.target,
        'instance', v.instance, 'state', v.state, 'started_at', v.started_at, 'due_at', v.due_at, 'stopped_at', v.stopped_at,
        'breached_at', v.breached_at, 'policy', v.policy -> 'name', 'measure', v.measure, 'allowance', v.allowance,
        'used_before', case when v_from = v.counted_from then v.used else 0 end,
        'counted_from', v_from,
        'timezone', coalesce((select timezone from public.calendars where id = v.calendar_id),
            (select timezone from public.shops where id = v.shop_id)),
        'calendar', (select name from public.calendars where id = v.calendar_id),
        'pauses', private.clock_pauses(v)) || private.clock_windows(v, v_from, v_now)
        || coalesce((select pg_catalog.jsonb_build_object('label', s.label, 'path', s.path)
            from private.subjects_of(v.entity, array[v.entity_id], v_now) s), '{"label": null, "path": null}');
end;
$$;
grant execute on function public.explain_clock(bigint) to authenticated, service_role;
comment on function public.explain_clock(bigint) is
    'Members of the shop: 为什么是这个时间？ What counted towards a deadline: policy, time used before, windows, pauses with reasons; how the record is called and which page opens it. clock.none.';
