-- 43 -------------------------------------------------------------------- causes and reasons: why something goes wrong or ends
--
-- The tree of root causes that tickets are tagged with, and the reasons people tick instead of typing. Managers edit both; what
-- is switched off stays where it was used. A new installation has 质量, 物流, 服务, 描述 with four leaves each.

-- Root causes -------------------------------------------------------------------------------------------------------------

create table if not exists public.root_causes (
    id bigint generated always as identity primary key,
    parent_id bigint references public.root_causes,
    code text not null constraint root_causes_code_unique unique
        constraint root_causes_code_form check (code ~ '^[a-z][a-z0-9_]{1,39}$'),
    name text not null constraint root_causes_name_length check (char_length(btrim(name)) between 1 and 20),
    is_active boolean not null default true,
    position integer not null default 0,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint root_causes_name_unique unique nulls not distinct (parent_id, name),
    constraint root_causes_not_itself check (parent_id <> id)
);
alter table public.root_causes enable row level security;
create or replace trigger t10_touch before update on public.root_causes for each row execute function private.touch_version();
comment on table public.root_causes is '问题原因: a tree of at most three levels; what is switched off stays on old tickets and is not offered any more.';
drop policy if exists "members read the root causes" on public.root_causes;
create policy "members read the root causes" on public.root_causes for select to authenticated using ((select private.my_role()) is not null);
grant select on public.root_causes to authenticated;

insert into public.root_causes (code, name, position) values
    ('quality', '质量', 10), ('logistics', '物流', 20), ('service', '服务', 30), ('description', '描述', 40)
on conflict (code) do nothing;
insert into public.root_causes (parent_id, code, name, position)
select p.id, w.code, w.name, w.position from (values
    ('quality', 'quality_surface', '外观瑕疵', 10), ('quality', 'quality_function', '功能故障', 20),
    ('quality', 'quality_material', '做工材质', 30), ('quality', 'quality_shelf_life', '临期变质', 40),
    ('logistics', 'logistics_packaging', '包装不足', 10), ('logistics', 'logistics_damage', '运输破损', 20),
    ('logistics', 'logistics_delay', '滞留延误', 30), ('logistics', 'logistics_lost', '丢件错派', 40),
    ('service', 'service_slow', '回复太慢', 10), ('service', 'service_promise', '承诺未兑现', 20),
    ('service', 'service_wrong_goods', '发错漏发', 30), ('service', 'service_explanation', '说明不清', 40),
    ('description', 'description_size', '尺码规格不符', 10), ('description', 'description_picture', '图片色差', 20),
    ('description', 'description_function', '功能描述不符', 30), ('description', 'description_price', '价格活动不清', 40)
) w (parent, code, name, position) join public.root_causes p on p.code = w.parent
on conflict do nothing;

create or replace function private.cause_path(p_id bigint) returns bigint[]
language sql stable set search_path = '' as $$
    with recursive up as (
        select c.id, c.parent_id, 1 as step from public.root_causes c where c.id = p_id
        union all
        select c.id, c.parent_id, up.step + 1 from public.root_causes c join up on c.id = up.parent_id where up.step < 10
    )
    select coalesce(array_agg(id order by step desc), '{}') from up
$$;
comment on function private.cause_path(bigint) is 'The cause and those above it, the highest first; empty for none.';

create or replace function private.cause_name(p_id bigint) returns text
language sql stable set search_path = '' as $$
    select string_agg(c.name, ' / ' order by p.n) from unnest(private.cause_path(p_id)) with ordinality p (id, n) join public.root_causes c using (id)
$$;
comment on function private.cause_name(bigint) is '质量 / 外观瑕疵; null for none.';

create or replace function private.require_cause_place(p_id bigint, p_parent_id bigint) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_path bigint[] := private.cause_path(p_parent_id);
begin
    if p_parent_id is not null and cardinality(v_path) = 0 then
        perform private.fail('PT404', 'cause.none');
    end if;
    if p_id = any (v_path) or cardinality(v_path) > 2 or (cardinality(v_path) > 1
        and exists (select from public.root_causes where parent_id = p_id)) then
        perform private.fail('PT422', 'cause.place');
    end if;
end;
$$;
comment on function private.require_cause_place(bigint, bigint) is 'cause.none for an unknown parent; cause.place below itself or below the third level.';

create or replace function public.save_root_cause(p_request_id uuid, p_id bigint, p_version integer, p_cause jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'admin']);
    v_in jsonb := private.as_json(p_cause);
    v_answer jsonb := private.begin_request(p_request_id, 'save_root_cause', jsonb_build_array(p_id, p_version, v_in));
    v public.root_causes;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_cause_place(p_id, (v_in ->> 'parent_id')::bigint);
    if exists (select from public.root_causes c where c.parent_id is not distinct from (v_in ->> 'parent_id')::bigint
        and c.name = btrim(v_in ->> 'name') and c.id is distinct from p_id) then
        perform private.fail('PT409', 'cause.name_taken');
    end if;
    if p_id is null then
        insert into public.root_causes (parent_id, code, name, position)
        values ((v_in ->> 'parent_id')::bigint, 'own_' || nextval(pg_get_serial_sequence('public.root_causes', 'id')), btrim(v_in ->> 'name'),
            coalesce((v_in ->> 'position')::integer, 100)) returning * into v;
    else
        update public.root_causes set parent_id = (v_in ->> 'parent_id')::bigint, name = btrim(v_in ->> 'name'),
            position = coalesce((v_in ->> 'position')::integer, position), is_active = coalesce((v_in ->> 'is_active')::boolean, is_active)
        where id = p_id and version = p_version returning * into v;
        if v.id is null then
            perform private.fail('PT409', 'cause.stale');
        end if;
    end if;
    perform private.audit(v_me, null, 'root_cause', v.id, case when p_id is null then 'created' else 'changed' end,
        jsonb_build_object('name', v.name, 'is_active', v.is_active));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version));
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'cause.bad_value');
end;
$$;
grant execute on function public.save_root_cause(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_root_cause(uuid, bigint, integer, jsonb) is
    'Operations, managers, admins: adds a cause (p_id null) or changes one {parent_id, name (1 to 20), position, is_active}. cause.none, cause.place, cause.name_taken, cause.stale, cause.bad_value. {id, version}.';

create or replace function public.root_cause_tree() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'parent_id', c.parent_id, 'code', c.code, 'name', c.name,
            'path', private.cause_name(c.id), 'is_active', c.is_active, 'position', c.position, 'version', c.version,
            'solutions', (select count(*) from public.solutions s where s.root_cause_id = c.id and s.state = 'published'))
            order by private.cause_order(c.id)), '[]') from public.root_causes c);
end;
$$;
grant execute on function public.root_cause_tree() to authenticated;
comment on function public.root_cause_tree() is 'Members: every root cause, parents before their children: [{id, parent_id, code, name, path, is_active, position, version, solutions}].';

create or replace function private.cause_order(p_id bigint) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(to_char(c.position, 'FM000000') || to_char(c.id, 'FM000000000000') order by p.n), '{}')
    from unnest(private.cause_path(p_id)) with ordinality p (id, n) join public.root_causes c using (id)
$$;
comment on function private.cause_order(bigint) is 'Sorts the tree: by position on each level.';

-- Reasons: chips instead of typing ------------------------------------------------------------------------------------------

create table if not exists public.reason_chips (
    id bigint generated always as identity primary key,
    purpose text not null constraint reason_chips_purpose_known check (purpose in ('waive', 'close', 'lost', 'remark')),
    text text not null constraint reason_chips_text_length check (char_length(btrim(text)) between 1 and 30),
    is_active boolean not null default true,
    position integer not null default 0,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint reason_chips_once unique (purpose, text)
);
alter table public.reason_chips enable row level security;
create or replace trigger t10_touch before update on public.reason_chips for each row execute function private.touch_version();
comment on table public.reason_chips is '理由: short texts to tick: waive (确认无误), close (关闭工单), lost (线索流失), remark (订单备注).';
drop policy if exists "members read the reasons" on public.reason_chips;
create policy "members read the reasons" on public.reason_chips for select to authenticated using ((select private.my_role()) is not null);
grant select on public.reason_chips to authenticated;

insert into public.reason_chips (purpose, text, position) values
    ('waive', '客户已确认', 10), ('waive', '已核对无误', 20), ('waive', '确实要多单', 30), ('waive', '老客户', 40), ('waive', '已调货在途', 50),
    ('close', '客户接受方案', 10), ('close', '退款已到账', 20), ('close', '补发已签收', 30), ('close', '客户自行解决', 40),
    ('close', '客户撤回申请', 50), ('close', '三次联系未回复', 60),
    ('lost', '价格超出预算', 10), ('lost', '买了别家', 20), ('lost', '暂不需要', 30), ('lost', '联系不上', 40), ('lost', '缺货等不及', 50),
    ('remark', '补发', 10), ('remark', '赠品', 20), ('remark', '改地址', 30), ('remark', '加急', 40), ('remark', '价保', 50), ('remark', '勿发', 60)
on conflict do nothing;

create or replace function public.save_reason(p_request_id uuid, p_id bigint, p_version integer, p_reason jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'admin']);
    v_in jsonb := private.as_json(p_reason);
    v_answer jsonb := private.begin_request(p_request_id, 'save_reason', jsonb_build_array(p_id, p_version, v_in));
    v public.reason_chips;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_id is null then
        insert into public.reason_chips (purpose, text, position)
        values (v_in ->> 'purpose', btrim(v_in ->> 'text'), coalesce((v_in ->> 'position')::integer, 100))
        on conflict (purpose, text) do update set is_active = true returning * into v;
    else
        update public.reason_chips set text = coalesce(btrim(v_in ->> 'text'), text), position = coalesce((v_in ->> 'position')::integer, position),
            is_active = coalesce((v_in ->> 'is_active')::boolean, is_active)
        where id = p_id and version = p_version returning * into v;
        if v.id is null then
            perform private.fail('PT409', 'reason.stale');
        end if;
    end if;
    perform private.audit(v_me, null, 'reason_chip', v.id, case when p_id is null then 'created' else 'changed' end,
        jsonb_build_object('purpose', v.purpose, 'text', v.text, 'is_active', v.is_active));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version));
exception when check_violation or not_null_violation or unique_violation or data_exception then
    perform private.fail('PT422', 'reason.bad_value');
end;
$$;
grant execute on function public.save_reason(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_reason(uuid, bigint, integer, jsonb) is
    'Operations, managers, admins: adds a reason {purpose, text, position} or changes one {text, position, is_active}; adding one that was switched off brings it back. reason.stale, reason.bad_value. {id, version}.';

create or replace function public.reasons(p_purpose text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'purpose', r.purpose, 'text', r.text, 'is_active', r.is_active,
            'position', r.position, 'version', r.version) order by r.purpose, r.position, r.id), '[]')
        from public.reason_chips r where p_purpose is null or (r.purpose = p_purpose and r.is_active));
end;
$$;
grant execute on function public.reasons(text) to authenticated;
comment on function public.reasons(text) is 'Members: the active reasons of a purpose in their order; without one, all of them, switched off ones too.';
