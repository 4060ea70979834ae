-- 66 ---------------------------------------------------------------------- survey links: for customers of the private domain alone

create table if not exists private.survey_tokens (
    token_hash text primary key constraint survey_tokens_hash_form check (token_hash ~ '^[a-p]{64}$'),
    survey_id bigint not null references public.surveys,
    created_by bigint references public.members,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index if not exists survey_tokens_survey_id_idx on private.survey_tokens (survey_id);
create index if not exists survey_tokens_expires_idx on private.survey_tokens (expires_at);
create index if not exists survey_tokens_created_by_idx on private.survey_tokens (created_by);
alter table private.survey_tokens enable row level security;
comment on table private.survey_tokens is 'Links of surveys: SHA-256 (letters) of 32 random bytes that only the customer has. Good for one answer, until the survey closes; forgotten 90 days later.';

create table if not exists private.survey_visits (
    caller text not null,
    minute timestamptz not null,
    visits integer not null,
    primary key (caller, minute)
);
create index if not exists survey_visits_minute_idx on private.survey_visits (minute);
alter table private.survey_visits enable row level security;
comment on table private.survey_visits is 'How often an address (keyed hash, another key each day) came to the public survey, by minute; kept an hour.';

create or replace function private.is_private_domain(p_survey public.surveys) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.shops s where s.id = p_survey.shop_id and s.platform in ('youzan', 'shopify', 'own'))
        or exists (select from public.tickets t where t.id = p_survey.ticket_id and t.channel = 'wecom')
        or (p_survey.kind = 'order' and exists (select from public.tickets t where t.order_id = p_survey.order_id and t.channel = 'wecom'))
$$;
comment on function private.is_private_domain(public.surveys) is
    'Whether a link may be sent: own shops, and customers who wrote by 企业微信. Tmall, JD, Douyin and 拼多多 punish foreign links in their chats.';

create or replace function public.survey_link(p_survey_id bigint, p_token_hash text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'survey_link', pg_catalog.jsonb_build_array(p_survey_id, p_token_hash));
    v_survey public.surveys;
begin
    if v_answer is not null then
        return v_answer;
    elsif coalesce(p_token_hash, '') !~ '^[a-p]{64}$' then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    v_survey := private.survey_asked_for(v_me, pg_catalog.jsonb_build_object('survey_id', p_survey_id), v_now);
    if not private.is_private_domain(v_survey) then
        perform private.fail('PT422', 'survey.no_link');
    end if;
    delete from private.survey_tokens where survey_id = v_survey.id and used_at is null;
    insert into private.survey_tokens (token_hash, survey_id, created_by, created_at, expires_at)
    values (p_token_hash, v_survey.id, v_me.member_id, v_now, v_survey.closes_at) on conflict do nothing;
    if not found then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    perform private.mark_asked(v_survey, 'link', v_me, v_now);
    return private.finish_request(p_request_id, private.survey_answer_json(v_survey.id)
        || pg_catalog.jsonb_build_object('expires_at', v_survey.closes_at));
end;
$$;
grant execute on function public.survey_link(bigint, text, uuid) to authenticated;
comment on function public.survey_link(bigint, text, uuid) is
    'Agents, operations, managers, admins: a link to one survey of a customer of the private domain; the hash of its 32 bytes comes from the app, an earlier link is void. Answers {id, version, state, expires_at}. survey.none, survey.over, survey.no_link, request.bad_value.';

-- The public page: the service asks for whoever has the link ------------------------------------------------------------------

create or replace function private.may_visit(p_caller text, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
    v_caller text := case when p_caller ~ '^[a-p]{16,64}$' then p_caller else 'unknown' end;
    v_visits bigint;
begin
    insert into private.survey_visits as v (caller, minute, visits) values (v_caller, pg_catalog.date_trunc('minute', p_now), 1)
    on conflict (caller, minute) do update set visits = least(v.visits + 1, 100000);
    select pg_catalog.sum(v.visits) into v_visits from private.survey_visits v where v.caller = v_caller and v.minute > p_now - interval '10 minutes';
    return v_visits <= 30;
end;
$$;
comment on function private.may_visit(text, timestamptz) is 'Thirty calls in ten minutes from one address (product decision), counted here for all processes of the app.';

create or replace function private.live_token(p_token_hash text, p_now timestamptz) returns private.survey_tokens
language sql stable set search_path = '' as $$
    select t.* from private.survey_tokens t join public.surveys s on s.id = t.survey_id
    where t.token_hash = p_token_hash and t.used_at is null and t.expires_at > p_now and s.state in ('waiting', 'asked')
$$;

create or replace function public.survey_open(p_token text, p_caller text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_token private.survey_tokens;
begin
    if not private.may_visit(p_caller, private.now()) then
        return '{"state": "slow"}';
    end if;
    v_token := private.live_token(p_token, private.now());
    if v_token.token_hash is null then
        return pg_catalog.jsonb_build_object('state', case when exists (
            select from private.survey_tokens t where t.token_hash = p_token and t.used_at is not null) then 'answered' else 'gone' end);
    end if;
    return (select pg_catalog.jsonb_build_object('state', 'open', 'kind', s.kind, 'shop', h.name)
        from public.surveys s join public.shops h on h.id = s.shop_id where s.id = v_token.survey_id);
end;
$$;
grant execute on function public.survey_open(text, text) to service_role;
comment on function public.survey_open(text, text) is
    'Service: what a link (hash of its token) leads to: {state: open, kind, shop}, or {state: answered | gone | slow (too many calls of this caller, a keyed hash)}. Nothing about order or person.';

create or replace function public.survey_answer(p_token text, p_score integer, p_comment text, p_caller text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_survey public.surveys;
begin
    if not private.may_visit(p_caller, v_now) then
        return '{"state": "slow"}';
    elsif p_score is null or p_score not between 1 and 5 or char_length(p_comment) > 500 or private.names_a_phone(p_comment) then
        return '{"state": "bad"}';
    end if;
    v_survey := private.survey_to_change((private.live_token(p_token, v_now)).survey_id);
    if v_survey.id is null or (private.live_token(p_token, v_now)).survey_id is null then
        return pg_catalog.jsonb_build_object('state', case when exists (
            select from private.survey_tokens t where t.token_hash = p_token and t.used_at is not null) then 'answered' else 'gone' end);
    end if;
    update private.survey_tokens set used_at = v_now where token_hash = p_token;
    perform private.take_answer(v_survey, p_score, p_comment, 'link', private.desk_itself(), v_now);
    return '{"state": "thanks"}';
end;
$$;
grant execute on function public.survey_answer(text, integer, text, text) to service_role;
comment on function public.survey_answer(text, integer, text, text) is
    'Service: the answer behind a link, once: {state: thanks | answered | gone | slow | bad (score not 1–5, comment over 500 characters or not masked)}.';
