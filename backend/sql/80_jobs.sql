-- 80 --------------------------------------------------------------------------------------------- jobs of the worker
--
-- Work that is too long for a request, done by `python -m backend work` in any number of replicas: a lease picks one, the
-- cursor lets the next one go on. A job runs at least once; every kind is safe to run twice. Payloads hold ids alone.

create table if not exists private.jobs (
    id bigint generated always as identity primary key,
    kind text not null constraint jobs_kind_form check (kind ~ '^[a-z][a-z_]{1,39}$'),
    payload jsonb not null default '{}',
    dedupe_key text not null,
    state text not null default 'queued' constraint jobs_state_known check (state in ('queued', 'running', 'done', 'dead')),
    run_at timestamptz not null,
    lease_id uuid,
    lease_until timestamptz,
    attempts integer not null default 0,
    cursor jsonb not null default '{}',
    progress jsonb not null default '{}',
    last_error text,
    created_at timestamptz not null,
    finished_at timestamptz,
    constraint jobs_running_has_lease check ((state = 'running') = (lease_id is not null) and (lease_id is null) = (lease_until is null)),
    constraint jobs_ended_has_time check ((state in ('done', 'dead')) = (finished_at is not null))
);
create unique index if not exists jobs_queued_once_idx on private.jobs (dedupe_key) where state = 'queued';
create index if not exists jobs_due_idx on private.jobs (run_at, id) where state = 'queued';
create index if not exists jobs_running_idx on private.jobs (dedupe_key, lease_until) where state = 'running';
create index if not exists jobs_finished_at_idx on private.jobs (finished_at) where finished_at is not null;
alter table private.jobs enable row level security;
comment on table private.jobs is 'Background work: what, how far (cursor), who has it (lease), how often it failed. Never holds personal data.';
comment on column private.jobs.dedupe_key is 'One waiting job per key; while one runs, one more may wait for what changed meanwhile.';

create or replace function private.enqueue(p_kind text, p_payload jsonb, p_dedupe_key text, p_run_at timestamptz) returns void
language sql set search_path = '' as $$
    insert into private.jobs as j (kind, payload, dedupe_key, run_at, created_at)
    values (p_kind, coalesce(p_payload, '{}'), coalesce(p_dedupe_key, p_kind), p_run_at, private.now())
    on conflict (dedupe_key) where state = 'queued' do update
    set payload = excluded.payload, run_at = least(j.run_at, excluded.run_at)
$$;
comment on function private.enqueue(text, jsonb, text, timestamptz) is 'Adds a job, or brings the waiting one of the same key forward.';

create or replace function private.return_expired_jobs(p_now timestamptz) returns void
language sql set search_path = '' as $$
    update private.jobs j set lease_id = null, lease_until = null,
        state = case when n.is_replaced then 'done' when j.attempts >= 8 then 'dead' else 'queued' end,
        finished_at = case when n.is_replaced or j.attempts >= 8 then p_now end,
        last_error = case when j.attempts >= 8 then 'job.abandoned' else j.last_error end
    from (select r.id, exists (select from private.jobs q where q.dedupe_key = r.dedupe_key and q.state = 'queued') as is_replaced
        from private.jobs r where r.state = 'running' and r.lease_until <= p_now for update skip locked) n
    where n.id = j.id
$$;
comment on function private.return_expired_jobs(timestamptz) is
    'Jobs whose worker vanished are due again; one that took eight workers with it is dead; one with a newer job of its key is over.';

create or replace function public.job_claim(p_kinds jsonb, p_lease_seconds integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_job private.jobs;
begin
    perform private.return_expired_jobs(private.now());
    update private.jobs j
    set state = 'running', attempts = j.attempts + 1, lease_id = gen_random_uuid(),
        lease_until = private.now() + make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 5), 600))
    where j.id = (select q.id from private.jobs q
        where q.state = 'queued' and q.run_at <= private.now()
          and q.kind in (select jsonb_array_elements_text(private.as_json(p_kinds)))
          and not exists (select from private.jobs r where r.dedupe_key = q.dedupe_key and r.state = 'running')
        order by q.run_at, q.id limit 1 for update skip locked)
    returning * into v_job;
    return case when v_job.id is not null then jsonb_build_object('id', v_job.id, 'kind', v_job.kind, 'payload', v_job.payload,
        'cursor', private.as_json(v_job.cursor), 'progress', private.as_json(v_job.progress), 'attempts', v_job.attempts, 'lease_id', v_job.lease_id) end;
end;
$$;
grant execute on function public.job_claim(jsonb, integer) to service_role;
comment on function public.job_claim(jsonb, integer) is
    'Service: the next due job of these kinds under a lease, or null. A job whose lease ran out is due again; two jobs of one key never run at once.';

create or replace function public.job_progress(p_id bigint, p_lease_id uuid, p_cursor jsonb, p_progress jsonb, p_lease_seconds integer) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    update private.jobs set cursor = coalesce(private.as_json(p_cursor), cursor), progress = coalesce(private.as_json(p_progress), progress), attempts = 1,
        lease_until = private.now() + make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 5), 600))
    where id = p_id and lease_id = p_lease_id and state = 'running';
    return found;
end;
$$;
grant execute on function public.job_progress(bigint, uuid, jsonb, jsonb, integer) to service_role;
comment on function public.job_progress(bigint, uuid, jsonb, jsonb, integer) is 'Service: remembers how far a job is and keeps its lease; false when the lease was lost: stop.';

create or replace function public.job_finish(p_id bigint, p_lease_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    update private.jobs set state = 'done', finished_at = private.now(), lease_id = null, lease_until = null, last_error = null
    where id = p_id and lease_id = p_lease_id and state = 'running';
    return found;
end;
$$;
grant execute on function public.job_finish(bigint, uuid) to service_role;
comment on function public.job_finish(bigint, uuid) is 'Service: the job is done; false when its lease was lost.';

create or replace function private.requeue(p_job private.jobs, p_run_at timestamptz, p_error text) returns void
language plpgsql set search_path = '' as $$
begin
    if exists (select from private.jobs q where q.dedupe_key = (p_job).dedupe_key and q.state = 'queued') then
        update private.jobs set state = 'done', finished_at = private.now(), lease_id = null, lease_until = null, last_error = p_error
        where id = (p_job).id;
    else
        update private.jobs set state = 'queued', run_at = p_run_at, lease_id = null, lease_until = null, last_error = p_error
        where id = (p_job).id;
    end if;
end;
$$;
comment on function private.requeue(private.jobs, timestamptz, text) is 'Back to the queue; where a newer job of the key already waits, that one does the work.';

create or replace function public.job_snooze(p_id bigint, p_lease_id uuid, p_seconds integer) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_job private.jobs;
begin
    select * into v_job from private.jobs where id = p_id and lease_id = p_lease_id and state = 'running' for update;
    if v_job.id is null then
        return false;
    end if;
    update private.jobs set attempts = 0 where id = p_id;
    perform private.requeue(v_job, private.now() + make_interval(secs => greatest(p_seconds, 1)), null);
    return true;
end;
$$;
grant execute on function public.job_snooze(bigint, uuid, integer) to service_role;
comment on function public.job_snooze(bigint, uuid, integer) is 'Service: there is nothing to do yet; look again in p_seconds. Counts as no failure.';

create or replace function public.job_fail(p_id bigint, p_lease_id uuid, p_error text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_job private.jobs;
begin
    select * into v_job from private.jobs where id = p_id and lease_id = p_lease_id and state = 'running' for update;
    if v_job.id is null then
        return jsonb_build_object('state', 'lost');
    end if;
    if v_job.attempts >= 8 then
        update private.jobs set state = 'dead', finished_at = private.now(), lease_id = null, lease_until = null,
            last_error = left(p_error, 200) where id = p_id;
    else
        perform private.requeue(v_job, private.now() + (array['1 second', '5 seconds', '25 seconds', '2 minutes', '10 minutes',
            '1 hour', '6 hours'])[greatest(v_job.attempts, 1)]::interval, left(p_error, 200));
    end if;
    return (select jsonb_build_object('state', state, 'run_at', run_at) from private.jobs where id = p_id);
end;
$$;
grant execute on function public.job_fail(bigint, uuid, text) to service_role;
comment on function public.job_fail(bigint, uuid, text) is
    'Service: the job failed (an error key, never data); again after 1, 5, 25 s, 2, 10, 60 min, 6 h; dead after eight tries without progress.';

create or replace function private.job_shop(p_job private.jobs) returns bigint
language sql stable set search_path = '' as $$
    select coalesce(((p_job).payload ->> 'shop_id')::bigint,
        (select i.shop_id from public.imports i where i.id = ((p_job).payload ->> 'import_id')::bigint))
$$;
comment on function private.job_shop(private.jobs) is 'The shop whose data a job works on; null for one of the whole installation.';

create or replace function private.routine_jobs() returns text[]
language sql immutable set search_path = '' as $$ select array['retention', 'end_decisions'] $$;
comment on function private.routine_jobs() is 'Kinds that always wait for their next turn: shown to people only when something is wrong.';

create or replace function private.dead_jobs() returns integer
language sql stable set search_path = '' as $$
    select count(*)::integer from private.jobs j where j.state = 'dead'
        and (private.job_shop(j) is null or private.job_shop(j) in (select private.my_shop_ids()))
$$;
comment on function private.dead_jobs() is 'How many jobs of my shops failed for good and wait for somebody to retry them.';

create or replace function public.list_jobs() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('id', j.id, 'kind', j.kind, 'state', j.state, 'run_at', j.run_at,
            'attempts', j.attempts, 'progress', private.as_json(j.progress), 'last_error', j.last_error, 'finished_at', j.finished_at,
            'created_at', j.created_at, 'shop_id', j.shop_id, 'file_name', j.file_name, 'total', j.total)
            order by j.state = 'dead' desc, j.id desc), '[]')
        from (select q.*, private.job_shop(q) as shop_id, i.file_name, i.rows_total as total
            from private.jobs q left join public.imports i on i.id = (q.payload ->> 'import_id')::bigint
            where (q.state <> 'done' or q.finished_at > private.now() - interval '1 day')
              and (q.kind <> all (private.routine_jobs()) or q.state = 'dead' or q.last_error is not null)
            order by q.state = 'dead' desc, q.id desc limit 200) j
        where j.shop_id is null or j.shop_id in (select private.my_shop_ids()));
end;
$$;
grant execute on function public.list_jobs() to authenticated;
comment on function public.list_jobs() is 'Manager and admin: background work of their shops: failed for good (first), waiting, running, done today; routine work only when it failed.';

create or replace function public.retry_job(p_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'retry_job', to_jsonb(p_id));
    v_job private.jobs;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_job from private.jobs where id = p_id and state = 'dead' for update;
    if v_job.id is null then
        perform private.fail('PT404', 'job.not_dead');
    end if;
    if private.job_shop(v_job) is not null then
        perform private.require_shop(v_me, private.job_shop(v_job));
    end if;
    perform private.enqueue(v_job.kind, v_job.payload, v_job.dedupe_key, private.now());
    update private.jobs set state = 'done' where id = p_id;
    perform private.audit(v_me, private.job_shop(v_job), 'job', p_id, 'retried', jsonb_build_object('kind', v_job.kind));
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.retry_job(bigint, uuid) to authenticated;
comment on function public.retry_job(bigint, uuid) is 'Manager and admin: lets a job that failed for good run again. job.not_dead, shop.none.';

-- What the kinds of this installation need from the database ----------------------------------------------------------

create or replace function public.service_import_state(p_import_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('state', i.state, 'kind', i.kind, 'quiet_seconds',
            greatest(0, extract(epoch from private.now() - i.touched_at))::integer, 'shop_id', i.shop_id)
        from public.imports i where i.id = p_import_id);
end;
$$;
grant execute on function public.service_import_state(bigint) to service_role;
comment on function public.service_import_state(bigint) is 'Service: state of an import and for how many seconds nobody has worked on it; null when unknown.';

create or replace function public.service_retention(p_limit integer) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_limit integer := least(greatest(coalesce(p_limit, 5000), 1), 20000);
    v_count integer;
    v_total integer := 0;
begin
    delete from private.requests where ctid = any (array(
        select r.ctid from private.requests r where r.created_at < private.now() - interval '7 days' limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from private.jobs where id = any (array(
        select j.id from private.jobs j where j.finished_at < private.now() - interval '30 days' limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from private.import_rows where ctid = any (array(
        select r.ctid from private.import_rows r join public.imports i on i.id = r.import_id
        where i.finished_at is not null limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from public.audit_events where id = any (array(
        select a.id from public.audit_events a where a.at < private.now() - interval '3 years' - interval '1 day' limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count + private.forget_sources(private.now() - interval '3 years', v_limit)
        + private.forget_reminders(private.now() - interval '1 year', v_limit)
        + private.forget_lead_contacts(private.now() - interval '1 year', private.now(), v_limit);
    if v_total = 0 then
        perform private.enqueue('retention', '{}', 'retention', private.now() + interval '1 day');
    end if;
    return v_total;
end;
$$;
grant execute on function public.service_retention(integer) to service_role;
comment on function public.service_retention(integer) is
    'Service: forgets the next answers of requests older than 7 days, ended jobs older than 30, staged rows of ended imports, history, chats and performance sheets older than three years, reminders and messages older than one, who the leads were that ended a year ago without a sale. 0 = nothing left; then it comes back tomorrow.';

select private.enqueue('retention', '{}', 'retention', private.now())
where not exists (select from private.jobs where dedupe_key = 'retention' and state in ('queued', 'running'));

select private.enqueue('end_decisions', '{}', 'end_decisions', private.now())
where not exists (select from private.jobs where dedupe_key = 'end_decisions' and state in ('queued', 'running'));
