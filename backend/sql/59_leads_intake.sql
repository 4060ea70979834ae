-- 59 ------------------------------------------------------------------------------ leads: from landing pages, and from files
--
-- A landing page sends to the edge function lead-intake with the token of a form; what reaches the database is already
-- encrypted. Limits are counted here, because a limit counted in a process is exceeded by the second process.

create table if not exists public.lead_forms (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    name text not null constraint lead_forms_name_length check (char_length(name) between 1 and 60),
    token_hash text not null constraint lead_forms_token_unique unique constraint lead_forms_token_form check (token_hash ~ '^[a-p]{64}$'),
    source text not null default 'form' constraint lead_forms_source_known
        check (source in ('live', 'enterprise', 'form', 'campaign', 'other')),
    needs text[] not null constraint lead_forms_needs_are_tags check (private.are_tags(needs) and cardinality(needs) > 0),
    per_minute integer not null default 30 constraint lead_forms_per_minute_range check (per_minute between 1 and 600),
    per_source_hour integer not null default 5 constraint lead_forms_per_source_range check (per_source_hour between 1 and 100),
    is_active boolean not null default true,
    expires_at timestamptz,
    accepted integer not null default 0,
    trapped integer not null default 0,
    limited integer not null default 0,
    last_at timestamptz,
    created_by bigint not null references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now()
);
create index if not exists lead_forms_shop_id_idx on public.lead_forms (shop_id);
create index if not exists lead_forms_created_by_idx on public.lead_forms (created_by);
alter table public.lead_forms enable row level security;
create or replace trigger t10_touch before update of name, token_hash, source, needs, per_minute, per_source_hour, is_active, expires_at on public.lead_forms
    for each row execute function private.touch_version();
comment on table public.lead_forms is '线索表单: a landing page that may send leads to a shop. Only a digest of its token is kept; trapped counts robots that filled the field nobody sees.';
drop policy if exists "managers and admins read the forms of their shops" on public.lead_forms;
create policy "managers and admins read the forms of their shops" on public.lead_forms
    for select to authenticated using ((select private.my_role()) in ('manager', 'admin') and shop_id in (select private.my_shop_ids()));
grant select (id, shop_id, name, source, needs, per_minute, per_source_hour, is_active, expires_at, accepted, trapped, limited, last_at, created_by,
    version, updated_at) on public.lead_forms to authenticated;

create table if not exists private.intake_hits (
    form_id bigint not null references public.lead_forms,
    source_hash text not null,
    minute timestamptz not null,
    hits integer not null,
    primary key (form_id, source_hash, minute)
);
create index if not exists intake_hits_minute_idx on private.intake_hits (minute);
alter table private.intake_hits enable row level security;
comment on table private.intake_hits is 'Submissions by form, sender (keyed digest of his address; empty: all) and minute, for a day.';

create or replace function public.save_lead_form(p_request_id uuid, p_id bigint, p_version integer, p_form jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_form jsonb := private.as_json(p_form);
    v_answer jsonb := private.begin_request(p_request_id, 'save_lead_form', pg_catalog.jsonb_build_array(p_id, p_version, v_form));
    v public.lead_forms;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_id is null then
        perform private.require_shop(v_me, (v_form ->> 'shop_id')::bigint);
        insert into public.lead_forms (shop_id, name, token_hash, source, needs, per_minute, per_source_hour, expires_at, created_by)
        values ((v_form ->> 'shop_id')::bigint, v_form ->> 'name', v_form ->> 'token_hash', coalesce(v_form ->> 'source', 'form'),
            array(select pg_catalog.jsonb_array_elements_text(v_form -> 'needs')), coalesce((v_form ->> 'per_minute')::integer, 30),
            coalesce((v_form ->> 'per_source_hour')::integer, 5), (v_form ->> 'expires_at')::timestamptz, v_me.member_id) returning * into v;
    else
        update public.lead_forms set name = coalesce(v_form ->> 'name', name), token_hash = coalesce(v_form ->> 'token_hash', token_hash),
            source = coalesce(v_form ->> 'source', source), per_minute = coalesce((v_form ->> 'per_minute')::integer, per_minute),
            needs = case when v_form ? 'needs' then array(select pg_catalog.jsonb_array_elements_text(v_form -> 'needs')) else needs end,
            per_source_hour = coalesce((v_form ->> 'per_source_hour')::integer, per_source_hour),
            is_active = coalesce((v_form ->> 'is_active')::boolean, is_active),
            expires_at = case when v_form ? 'expires_at' then (v_form ->> 'expires_at')::timestamptz else expires_at end
        where id = p_id and version = p_version and shop_id in (select private.my_shop_ids()) returning * into v;
        if not found then
            perform private.fail('PT409', 'lead_form.stale');
        end if;
    end if;
    perform private.audit(v_me, v.shop_id, 'lead_form', v.id, case when p_id is null then 'created' else 'changed' end, v_form - 'token_hash');
    return private.finish_request(p_request_id, pg_catalog.to_jsonb(v) - 'token_hash');
exception when check_violation or not_null_violation or data_exception or unique_violation then
    perform private.fail('PT422', 'lead_form.bad_value');
end;
$$;
grant execute on function public.save_lead_form(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_lead_form(uuid, bigint, integer, jsonb) is
    'Manager: adds a form (p_id null) or changes one: {shop_id, name, token_hash (SHA-256 of a fresh token, in letters; sent again: the old one ends), source, needs, per_minute, per_source_hour, expires_at, is_active}. shop.none, lead_form.stale, lead_form.bad_value.';

create or replace function private.count_intake(p_form public.lead_forms, p_source_hash text, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_minute timestamptz := pg_catalog.date_trunc('minute', p_now);
    v_all integer;
    v_mine integer;
begin
    insert into private.intake_hits as h (form_id, source_hash, minute, hits) values ((p_form).id, '', v_minute, 1)
    on conflict (form_id, source_hash, minute) do update set hits = h.hits + 1 returning h.hits into v_all;
    insert into private.intake_hits as h (form_id, source_hash, minute, hits) values ((p_form).id, p_source_hash, v_minute, 1)
    on conflict (form_id, source_hash, minute) do update set hits = h.hits + 1;
    select pg_catalog.sum(h.hits) into v_mine from private.intake_hits h
    where h.form_id = (p_form).id and h.source_hash = p_source_hash and h.minute > p_now - interval '1 hour';
    return case when v_mine > (p_form).per_source_hour then 3600 when v_all > (p_form).per_minute then 60 else 0 end;
end;
$$;
comment on function private.count_intake(public.lead_forms, text, timestamptz) is
    'Counts a submission; 0 when it may pass, else after how many seconds to try again. The row of the minute is the lock: parallel submissions count one after the other.';

create or replace function private.note_intake(p_form_id bigint, p_outcome text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.lead_forms set accepted = accepted + (p_outcome = 'accepted')::integer, trapped = trapped + (p_outcome = 'trapped')::integer,
        limited = limited + (p_outcome = 'limited')::integer, last_at = p_now where id = p_form_id
$$;

create or replace function private.take_intake(p_form public.lead_forms, p_lead jsonb, p_row_key text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_row jsonb := pg_catalog.jsonb_build_object('needs', pg_catalog.to_jsonb((p_form).needs)) || p_lead
        || pg_catalog.jsonb_build_object('source', (p_form).source, 'row_key', p_row_key);
    v_refusal text := private.lead_refusal(v_row);
    v_me private.actor;
begin
    if exists (select from public.leads l where l.shop_id = (p_form).shop_id and l.row_key = p_row_key) then
        return '{"outcome": "repeated"}';
    elsif v_refusal is not null then
        return pg_catalog.jsonb_build_object('outcome', 'refused', 'refusal', v_refusal);
    end if;
    v_me.role := 'system';
    perform private.add_leads(v_me, (p_form).shop_id, pg_catalog.jsonb_build_array(v_row), 'form', p_now);
    return '{"outcome": "accepted"}';
end;
$$;

create or replace function public.service_lead_intake(
    p_token_hash text, p_source_hash text, p_submission text, p_lead jsonb, p_is_trapped boolean default false
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_form public.lead_forms;
    v_wait integer;
    v_answer jsonb;
begin
    select * into v_form from public.lead_forms where token_hash = p_token_hash and is_active and coalesce(expires_at > v_now, true);
    if not found then
        return '{"outcome": "unknown"}';
    elsif coalesce(p_source_hash, '') !~ '^[a-p]{16,64}$' or coalesce(p_submission, '') !~ '^[A-Za-z0-9-]{16,64}$' then
        return '{"outcome": "refused", "refusal": "request.bad_value"}';
    end if;
    v_wait := private.count_intake(v_form, p_source_hash, v_now);
    if v_wait > 0 then
        v_answer := pg_catalog.jsonb_build_object('outcome', 'limited', 'retry_after', v_wait);
    elsif p_is_trapped then
        v_answer := '{"outcome": "trapped"}';
    else
        v_answer := private.take_intake(v_form, coalesce(private.as_json(p_lead), '{}'), 'form:' || v_form.id || ':' || private.sha256(p_submission), v_now);
    end if;
    perform private.note_intake(v_form.id, v_answer ->> 'outcome', v_now);
    return v_answer;
end;
$$;
grant execute on function public.service_lead_intake(text, text, text, jsonb, boolean) to service_role;
comment on function public.service_lead_intake(text, text, text, jsonb, boolean) is
    'Service (edge function lead-intake): one submission of a form: digest of its token, keyed digest of the sender''s address, id of the submission (the same one makes no second lead), the lead as create_leads takes it, and whether the hidden field was filled. {outcome accepted|repeated|limited (retry_after, seconds)|trapped|refused (refusal)|unknown (no such form, or switched off)}.';

create or replace function private.forget_lead_counts(p_now timestamptz) returns void
language sql set search_path = '' as $$
    delete from private.intake_hits where minute < p_now - interval '1 day';
    delete from private.lead_claims where day < (p_now - interval '40 days')::date
$$;
comment on function private.forget_lead_counts(timestamptz) is 'Counters of yesterday''s submissions and of claims long ago.';

create or replace function private.forget_lead_contacts(p_before timestamptz, p_now timestamptz, p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(select l.id from public.leads l
        where l.state in ('lost', 'merged') and l.forgotten_at is null and l.closed_at < p_before order by l.closed_at limit p_limit for update skip locked);
    v_contacts bigint[] := array(select l.contact_id from public.leads l where l.id = any (v_ids) and l.contact_id is not null);
begin
    update public.leads set name_masked = null, phone_masked = null, wechat_masked = null, email_masked = null, buyer_masked = null,
        buyer_account = null, contact_id = null, forgotten_at = p_now where id = any (v_ids);
    delete from private.contacts c where c.id = any (v_contacts)
        and not exists (select from public.tickets t where t.contact_id = c.id) and not exists (select from public.leads l where l.contact_id = c.id);
    return pg_catalog.cardinality(v_ids);
end;
$$;
comment on function private.forget_lead_contacts(timestamptz, timestamptz, integer) is
    'Leads lost or merged before p_before forget who it was; what they counted stays. A ticket that a lead became keeps its contact. Answers how many.';

-- Files ---------------------------------------------------------------------------------------------------------------

create or replace function private.reject_bad_leads(p_import_id bigint, p_rows jsonb) returns void
language sql volatile set search_path = '' as $$
    insert into public.import_errors (import_id, row_no, reason)
    select p_import_id, x.row_no, x.refusal from (
        select (r ->> 'row')::integer as row_no, coalesce(private.lead_refusal(r), case when coalesce(r ->> 'row_key', '') = '' then 'lead.bad_value' end) as refusal
        from pg_catalog.jsonb_array_elements(p_rows) r) x
    where x.refusal is not null
      and not exists (select from public.import_errors e where e.import_id = p_import_id and e.row_no = x.row_no and e.reason = x.refusal)
$$;
comment on function private.reject_bad_leads(bigint, jsonb) is
    'Staged lines that are no lead are refused before the first of the file comes in, so that they are counted, shown, and end a strict import. Chunk by chunk: a whole file would outlast the limit of a statement.';

create or replace function private.apply_leads(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_me private.actor;
    v_rows jsonb;
begin
    v_me.role := (p_import).actor;
    v_me.member_id := (p_import).member_id;
    select pg_catalog.jsonb_agg(n.payload order by n.row_no) into v_rows from (
        select distinct on (r.payload ->> 'row_key') r.row_no, r.payload from private.import_rows r
        where r.import_id = (p_import).id and r.row_no > (p_import).applied_to and r.row_no <= p_to
          and not exists (select from public.import_errors e where e.import_id = r.import_id and e.row_no = r.row_no)
          and not exists (select from public.leads l where l.shop_id = (p_import).shop_id and l.row_key = r.payload ->> 'row_key')
        order by r.payload ->> 'row_key', r.row_no) n;
    if v_rows is not null then
        perform private.add_leads(v_me, (p_import).shop_id, v_rows, 'import', p_now, p_import_id => (p_import).id);
    end if;
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select (p_import).id, r.row_no, l.id, case when l.import_id = (p_import).id and pg_catalog.row_number() over (partition by l.id order by r.row_no) = 1
        and not exists (select from private.import_results x where x.import_id = (p_import).id and x.entity_id = l.id) then 'accepted' else 'unchanged' end
    from private.import_rows r join public.leads l on l.shop_id = (p_import).shop_id and l.row_key = r.payload ->> 'row_key'
    where r.import_id = (p_import).id and r.row_no > (p_import).applied_to and r.row_no <= p_to;
end;
$$;
comment on function private.apply_leads(public.imports, integer, timestamptz) is
    'One chunk of a lead file: rows as create_leads takes them, each with its row_key (digest of what the row says). A row that was imported before makes no second lead; one that is no lead was refused before (reject_bad_leads). They are handed out by the next tick.';
