-- 66 --------------------------------------------------------------------------------- surveys: texts, settings, the screens

create or replace function public.survey_text(p_ticket_id bigint default null, p_order_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_survey public.surveys;
    v_rules public.survey_settings;
begin
    select * into v_survey from public.surveys s
    where s.shop_id in (select private.my_shop_ids())
      and ((s.kind = 'ticket' and s.ticket_id = p_ticket_id) or (s.kind = 'order' and s.order_id = p_order_id))
    order by s.id desc limit 1;
    if v_survey.id is null then
        perform private.fail('PT404', 'survey.none');
    end if;
    v_rules := private.survey_rules(v_survey.shop_id);
    return (select pg_catalog.jsonb_build_object('id', v_survey.id, 'version', v_survey.version, 'kind', v_survey.kind,
            'state', v_survey.state, 'score', v_survey.score, 'closes_at', v_survey.closes_at, 'low_score', v_rules.low_score,
            'can_link', private.is_private_domain(v_survey), 'text',
            replace(replace(replace(case v_survey.kind when 'order' then v_rules.order_text else v_rules.ticket_text end,
                '{shop}', s.name), '{order}', coalesce(o.order_no, '')), '{ticket}', coalesce('T-' || v_survey.ticket_id, '')))
        from public.shops s left join public.orders o on o.id = v_survey.order_id where s.id = v_survey.shop_id);
end;
$$;
grant execute on function public.survey_text(bigint, bigint) to authenticated;
comment on function public.survey_text(bigint, bigint) is
    'Agents, operations, managers, admins: the text to copy for the latest survey of a ticket, or of an order: {id, version, kind, state, score, closes_at, low_score, can_link, text}. survey.none.';

-- Settings ------------------------------------------------------------------------------------------------------------

create or replace function private.setting_effect(p_shop_id bigint, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('days', 30, 'signed', (
            select count(*) from public.orders o where o.signed_at > p_now - interval '30 days' and o.signed_at <= p_now
              and (p_shop_id is null or o.shop_id = p_shop_id) and o.shop_id in (select private.my_shop_ids())),
        'scores', (select coalesce(pg_catalog.jsonb_object_agg(x.score, x.n), '{}') from (
            select s.score, count(*) as n from public.surveys s where s.state = 'answered' and s.answered_at > p_now - interval '30 days'
              and (p_shop_id is null or s.shop_id = p_shop_id) and s.shop_id in (select private.my_shop_ids()) group by s.score) x))
$$;
comment on function private.setting_effect(bigint, timestamptz) is 'What settings work on: orders signed and scores given in 30 days.';

create or replace function public.survey_settings_screen(p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v_rules public.survey_settings := private.survey_rules(p_shop_id);
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    return pg_catalog.to_jsonb(v_rules) || pg_catalog.jsonb_build_object('is_own', v_rules.shop_id is not distinct from p_shop_id,
        'version', case when v_rules.shop_id is not distinct from p_shop_id then v_rules.version end,
        'effect', private.setting_effect(p_shop_id, private.now()));
end;
$$;
grant execute on function public.survey_settings_screen(bigint) to authenticated;
comment on function public.survey_settings_screen(bigint) is
    'Everybody but the warehouse: the settings that hold for a shop (null: the default), whether they are its own (version null: not), and what they work on in 30 days: {…, is_own, version, effect: {days, signed, scores}}. shop.none.';

create or replace function private.check_survey_settings(p jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if exists (select from (values ('order_share', 0, 100), ('callback_share', 0, 100), ('low_score', 1, 4), ('answer_days', 1, 30)) f (name, least, most)
        where coalesce(p ->> f.name, '') !~ '^[0-9]{1,3}$' or (p ->> f.name)::integer not between f.least and f.most) then
        perform private.fail('PT422', 'survey.bad_setting');
    elsif private.is_inducement(p ->> 'order_text') or private.is_inducement(p ->> 'ticket_text') then
        perform private.fail('PT422', 'survey.inducement');
    elsif char_length(btrim(coalesce(p ->> 'order_text', ''))) not between 10 and 300
        or char_length(btrim(coalesce(p ->> 'ticket_text', ''))) not between 10 and 300
        or private.names_a_phone(p ->> 'order_text') or private.names_a_phone(p ->> 'ticket_text') then
        perform private.fail('PT422', 'survey.text');
    end if;
end;
$$;
comment on function private.check_survey_settings(jsonb) is 'survey.bad_setting, survey.inducement, survey.text.';

create or replace function public.save_survey_settings(p_shop_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_in jsonb := private.as_json(p);
    v_answer jsonb := private.begin_request(p_request_id, 'save_survey_settings', pg_catalog.jsonb_build_array(p_shop_id, p_version, v_in));
    v_had public.survey_settings;
    v_new public.survey_settings;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    perform private.check_survey_settings(v_in);
    select * into v_had from public.survey_settings s where s.shop_id is not distinct from p_shop_id for update;
    if v_had.version is distinct from p_version then
        perform private.fail('PT409', 'survey.settings_stale');
    end if;
    insert into public.survey_settings as s (shop_id, order_share, callback_share, low_score, answer_days, order_text, ticket_text)
    values (p_shop_id, (v_in ->> 'order_share')::smallint, (v_in ->> 'callback_share')::smallint, (v_in ->> 'low_score')::smallint,
        (v_in ->> 'answer_days')::smallint, btrim(v_in ->> 'order_text'), btrim(v_in ->> 'ticket_text'))
    on conflict on constraint survey_settings_once do update set order_share = excluded.order_share, callback_share = excluded.callback_share,
        low_score = excluded.low_score, answer_days = excluded.answer_days, order_text = excluded.order_text, ticket_text = excluded.ticket_text
    returning * into v_new;
    perform private.audit(v_me, p_shop_id, 'survey_settings', v_new.id, 'survey_settings_saved', pg_catalog.jsonb_build_object(
        'before', case when v_had.id is not null then pg_catalog.to_jsonb(v_had) - 'updated_at' end, 'after', pg_catalog.to_jsonb(v_new) - 'updated_at'));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('version', v_new.version));
end;
$$;
grant execute on function public.save_survey_settings(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.save_survey_settings(bigint, integer, jsonb, uuid) is
    'Managers: settings of a shop, or (null) of all that have none of their own: {order_share, callback_share, low_score 1–4, answer_days, order_text, ticket_text}; p_version null for a shop''s first own ones. They hold for invitations and answers to come. Answers {version}. shop.none, survey.bad_setting, survey.text, survey.inducement, survey.settings_stale.';

-- The lists -------------------------------------------------------------------------------------------------------------

create or replace function private.list_filter(p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := private.as_filter(p);
begin
    if coalesce(v ->> 'limit', '50') !~ '^[0-9]{1,4}$' or (v ? 'after' and (not private.is_id(v -> 'after' ->> 'id') or v -> 'after' ->> 'at' is null)) then
        raise data_exception;
    end if;
    perform (v -> 'after' ->> 'at')::timestamptz;
    return v || pg_catalog.jsonb_build_object('limit', least(greatest(coalesce((v ->> 'limit')::integer, 50), 1), 200));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
comment on function private.list_filter(jsonb) is 'Filter of a list by time: {shop_id, after: {at, id}, limit ≤ 200, …}. filter.bad.';

create or replace function private.filter_shops(p jsonb) returns bigint[]
language sql stable set search_path = '' as $$
    select array(select s from private.my_shop_ids() s where p ->> 'shop_id' is null or s = (p ->> 'shop_id')::bigint)
$$;

create or replace function private.survey_page(p jsonb, p_shops bigint[], p_limit integer) returns table (id bigint, at timestamptz)
language plpgsql stable set search_path = '' as $$
begin
    if p ->> 'survey_id' is not null then
        return query select s.id, s.due_sort from public.surveys s
            where s.id = case when private.is_id(p ->> 'survey_id') then (p ->> 'survey_id')::bigint end and s.shop_id = any (p_shops);
    elsif p ->> 'tab' = 'answers' then
        return query select s.id, s.answered_at from pg_catalog.unnest(p_shops) h (id) cross join lateral (
                select s.id, s.answered_at from public.surveys s where s.shop_id = h.id and s.state = 'answered'
                  and (p ->> 'kind' is null or s.kind = p ->> 'kind') and (p ->> 'score' is null or s.score::text = p ->> 'score')
                  and (p -> 'after' is null or (s.answered_at, s.id) < ((p -> 'after' ->> 'at')::timestamptz, (p -> 'after' ->> 'id')::bigint))
                order by s.answered_at desc, s.id desc limit p_limit) s
            order by s.answered_at desc, s.id desc limit p_limit;
    else
        return query select s.id, s.due_sort from pg_catalog.unnest(p_shops) h (id) cross join lateral (
                select s.id, s.due_sort from public.surveys s where s.shop_id = h.id and s.state in ('waiting', 'asked')
                  and (p ->> 'kind' is null or s.kind = p ->> 'kind') and (p ->> 'state' is null or s.state = p ->> 'state')
                  and (p -> 'after' is null or (s.due_sort, s.id) > ((p -> 'after' ->> 'at')::timestamptz, (p -> 'after' ->> 'id')::bigint))
                order by s.due_sort, s.id limit p_limit) s
            order by s.due_sort, s.id limit p_limit;
    end if;
end;
$$;
comment on function private.survey_page(jsonb, bigint[], integer) is 'A page by keyset, each shop from its own index range: what is to be asked (soonest first), what was answered (latest first), or one survey by its id.';

create or replace function private.survey_rows(p_me private.actor, p_ids bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'version', s.version, 'shop_id', s.shop_id,
        'shop_name', h.name, 'kind', s.kind, 'order_id', s.order_id, 'order_no', o.order_no, 'ticket_id', s.ticket_id, 'case_id', s.case_id,
        'instance', s.instance, 'state', s.state, 'is_sampled', s.is_sampled, 'is_called', coalesce(s.asked_as = 'call' or s.answered_as = 'call', false),
        'due_at', s.due_sort, 'closes_at', s.closes_at, 'asked_at', s.asked_at, 'asked_by', a.display_name, 'asked_as', s.asked_as,
        'score', s.score, 'comment', s.comment, 'answered_at', s.answered_at, 'answered_by', b.display_name, 'answered_as', s.answered_as,
        'handler', w.display_name, 'is_own', coalesce(s.answered_by = s.handler_id, false), 'receiver_masked', o.receiver_masked,
        'buyer_account', o.buyer_account, 'can_link', private.is_private_domain(s), 'holder', k.display_name,
        'can_record', s.state in ('waiting', 'asked') and (p_me).role <> 'analyst' and private.score_refusal(p_me, s, p_now) is null,
        'first_score', s.first_score, 'corrected_by', c.display_name, 'can_correct', s.state = 'answered' and (p_me).role = 'manager'
            and s.answered_as <> 'link' and s.handler_id is distinct from (p_me).member_id) order by u.n), '[]')
    from pg_catalog.unnest(p_ids) with ordinality u (id, n)
    join public.surveys s on s.id = u.id
    join public.shops h on h.id = s.shop_id
    left join public.orders o on o.id = s.order_id
    left join public.members a on a.id = s.asked_by
    left join public.members b on b.id = s.answered_by
    left join public.members w on w.id = s.handler_id
    left join public.members k on k.id = s.claimed_by and s.claimed_until > p_now
    left join public.members c on c.id = s.corrected_by
$$;

create or replace function public.survey_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v jsonb := private.list_filter(p);
    v_shops bigint[] := private.filter_shops(v);
    v_limit integer := (v ->> 'limit')::integer;
    v_ids bigint[];
    v_ats timestamptz[];
begin
    select array_agg(l.id), array_agg(l.at) into v_ids, v_ats from private.survey_page(v, v_shops, v_limit + 1) l;
    return pg_catalog.jsonb_build_object('rows', private.survey_rows(v_me, v_ids[1:v_limit], private.now()),
        'next', case when cardinality(v_ids) > v_limit then pg_catalog.jsonb_build_object('at', v_ats[v_limit], 'id', v_ids[v_limit]) end,
        'counts', pg_catalog.jsonb_build_object(
            'ask', (select count(*) from (select from public.surveys s where s.shop_id = any (v_shops) and s.state in ('waiting', 'asked') limit 1001) x),
            'low', (select count(*) from (select from public.score_reviews r where r.shop_id = any (v_shops) and r.state = 'open' limit 1001) x)));
end;
$$;
grant execute on function public.survey_list(jsonb) to authenticated;
comment on function public.survey_list(jsonb) is
    'Everybody but the warehouse: surveys of my shops {tab: ask (open ones, soonest first) | answers (latest first), or survey_id: one; shop_id, kind, state, score, after: {at, id}, limit}: {rows, next, counts: {ask, low} up to 1,001}. filter.bad.';

create or replace function public.rating_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v jsonb := private.list_filter(p);
    v_limit integer := (v ->> 'limit')::integer;
    v_rows jsonb;
begin
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r) order by r.rated_at desc, r.id desc), '[]') into v_rows from (
        select r.id, r.shop_id, s.name as shop_name, r.order_id, r.order_no, r.rating, r.level, r.score, r.text, r.rated_at, r.agent,
            (select t.id from public.tickets t where t.order_id = r.order_id and t.stage <> 'done' order by t.id desc limit 1) as ticket_id
        from pg_catalog.unnest(private.filter_shops(v)) h (id) cross join lateral (
            select r.* from public.ratings r where r.shop_id = h.id
              and ((v -> 'low') is distinct from 'true' or r.score <= (private.survey_rules(h.id)).low_score)
              and (v -> 'after' is null or (r.rated_at, r.id) < ((v -> 'after' ->> 'at')::timestamptz, (v -> 'after' ->> 'id')::bigint))
            order by r.rated_at desc, r.id desc limit v_limit + 1) r
        join public.shops s on s.id = r.shop_id
        order by r.rated_at desc, r.id desc limit v_limit + 1) r;
    return pg_catalog.jsonb_build_object('rows', case when pg_catalog.jsonb_array_length(v_rows) > v_limit then v_rows - -1 else v_rows end,
        'next', case when pg_catalog.jsonb_array_length(v_rows) > v_limit then pg_catalog.jsonb_build_object(
            'at', v_rows -> (v_limit - 1) -> 'rated_at', 'id', v_rows -> (v_limit - 1) -> 'id') end);
end;
$$;
grant execute on function public.rating_list(jsonb) to authenticated;
comment on function public.rating_list(jsonb) is
    'Everybody but the warehouse: platform ratings of my shops, latest first {shop_id, low: true, after: {at, id}, limit}: {rows (with the open ticket of the order), next}. filter.bad.';

create or replace function private.review_page(p jsonb, p_shops bigint[], p_limit integer) returns table (id bigint, at timestamptz)
language plpgsql stable set search_path = '' as $$
begin
    if p ->> 'state' = 'done' then
        return query select r.id, r.opened_at from pg_catalog.unnest(p_shops) h (id) cross join lateral (
                select r.id, r.opened_at from public.score_reviews r where r.shop_id = h.id and r.state = 'done'
                  and (p -> 'after' is null or (r.opened_at, r.id) < ((p -> 'after' ->> 'at')::timestamptz, (p -> 'after' ->> 'id')::bigint))
                order by r.opened_at desc, r.id desc limit p_limit) r
            order by r.opened_at desc, r.id desc limit p_limit;
    else
        return query select r.id, r.opened_at from pg_catalog.unnest(p_shops) h (id) cross join lateral (
                select r.id, r.opened_at from public.score_reviews r where r.shop_id = h.id and r.state = 'open'
                  and (p -> 'after' is null or (r.opened_at, r.id) > ((p -> 'after' ->> 'at')::timestamptz, (p -> 'after' ->> 'id')::bigint))
                order by r.opened_at, r.id limit p_limit) r
            order by r.opened_at, r.id limit p_limit;
    end if;
end;
$$;
comment on function private.review_page(jsonb, bigint[], integer) is 'A page of reviews by keyset, each shop from its own index range: open ones oldest first, done ones latest first.';

create or replace function private.review_rows(p_me private.actor, p_ids bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', r.id, 'shop_id', r.shop_id, 'shop_name', s.name,
        'ticket_id', r.ticket_id, 'ticket_version', t.version, 'ticket_state', t.state, 'type', t.type, 'summary', t.summary,
        'score', r.score, 'kind', q.kind, 'comment', q.comment, 'owner', o.display_name, 'handler', w.display_name,
        'opened_at', r.opened_at, 'due_at', c.due_at, 'state', r.state, 'finding', r.finding, 'root_cause', u.name, 'outcome', r.outcome,
        'done_at', r.done_at, 'done_by', d.display_name, 'can_finish', private.is_ticket_lead(p_me, r.shop_id, p_now)) order by n.n), '[]')
    from pg_catalog.unnest(p_ids) with ordinality n (id, n)
    join public.score_reviews r on r.id = n.id
    join public.shops s on s.id = r.shop_id
    join public.tickets t on t.id = r.ticket_id
    left join public.surveys q on q.id = r.survey_id
    left join public.members o on o.id = r.owner_id
    left join public.members w on w.id = r.handler_id
    left join public.members d on d.id = r.done_by
    left join public.root_causes u on u.id = r.root_cause_id
    left join public.sla_clocks c on c.entity = 'ticket' and c.entity_id = r.ticket_id and c.target = 'low_score' and c.stopped_at is null
$$;

create or replace function public.review_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v jsonb := private.list_filter(p);
    v_limit integer := (v ->> 'limit')::integer;
    v_ids bigint[];
    v_ats timestamptz[];
begin
    select array_agg(l.id), array_agg(l.at) into v_ids, v_ats from private.review_page(v, private.filter_shops(v), v_limit + 1) l;
    return pg_catalog.jsonb_build_object('rows', private.review_rows(v_me, v_ids[1:v_limit], private.now()),
        'next', case when cardinality(v_ids) > v_limit then pg_catalog.jsonb_build_object('at', v_ats[v_limit], 'id', v_ids[v_limit]) end);
end;
$$;
grant execute on function public.review_list(jsonb) to authenticated;
comment on function public.review_list(jsonb) is
    'Everybody but the warehouse: low-score reviews of my shops {state: open (oldest first) | done (latest first), shop_id, after: {at, id}, limit}: {rows (with whether I may finish them), next}. filter.bad.';
