-- 73 ----------------------------------------------------------------------------------- words: proposals, trial, approval
--
-- A proposal is written by operations or a manager, tried (a job compiles the dictionary as it would be and reads stored
-- texts with it), submitted, and approved by a manager who is not its author. Only what was tried as it stands can be
-- submitted: a pattern that does not compile never becomes a version.

create or replace function private.proposal_to_change(p_me private.actor, p_id bigint, p_version integer, p_states text[])
returns public.word_proposals
language plpgsql set search_path = '' as $$
declare
    v public.word_proposals;
begin
    select * into v from public.word_proposals where id = p_id for update;
    if not found then
        perform private.fail('PT404', 'words.proposal_none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'words.proposal_stale', jsonb_build_object('at', v.updated_at, 'version', v.version));
    end if;
    if v.state <> all (p_states) then
        perform private.fail('PT409', 'words.proposal_state', jsonb_build_object('state', v.state));
    end if;
    return v;
end;
$$;
comment on function private.proposal_to_change(private.actor, bigint, integer, text[]) is
    'Locks a proposal: words.proposal_none, words.proposal_stale, words.proposal_state.';

create or replace function private.word_problem(p_target text, p_action text, p_facts jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
    v_allowed text[] := case p_target
        when 'word' then array['term', 'category', 'severity', 'legal_basis', 'suggestion', 'match_kind', 'context', 'exceptions', 'platforms']
        else array['terms', 'effect', 'place', 'pattern', 'note', 'platforms'] end;
begin
    if jsonb_typeof(p_facts) <> 'object' or exists (select from jsonb_object_keys(p_facts) k where k <> all (v_allowed)) then
        return 'fields';
    end if;
    if p_action = 'disable' then
        return case when p_facts <> '{}' then 'fields' end;
    end if;
    return case p_target
        when 'word' then case
            when p_action = 'change' and p_facts ? 'term' then 'term_fixed'
            when char_length(btrim(coalesce(p_facts ->> 'term', case when p_action = 'change' then '..' else '' end))) not between 2 and 60 then 'term'
            when coalesce(p_facts ->> 'category', case when p_action = 'change' then 'absolute' end) = any (private.word_categories()) is not true then 'category'
            when coalesce(p_facts ->> 'severity', case when p_action = 'change' then 'warn' end) in ('block', 'warn') is not true then 'severity'
            when char_length(coalesce(p_facts ->> 'legal_basis', case when p_action = 'change' then '.' else '' end)) not between 1 and 300 then 'legal_basis'
            when char_length(coalesce(p_facts ->> 'suggestion', '')) > 300 then 'suggestion'
            when coalesce(p_facts ->> 'match_kind', 'exact') not in ('exact', 'context', 'prefix') then 'match_kind'
            when char_length(coalesce(p_facts ->> 'context', '')) > 1000 or char_length(coalesce(p_facts ->> 'exceptions', '')) > 1000 then 'context'
            else private.platform_problem(p_facts) end
        else case
            when p_action = 'change' and not p_facts ? 'terms' then private.exception_problem('{"terms": ["."]}' || p_facts, true)
            else private.exception_problem(p_facts, p_action = 'change') end
    end;
end;
$$;
comment on function private.word_problem(text, text, jsonb) is 'The first field of an operation that cannot be stored, or null.';

create or replace function private.platform_problem(p_facts jsonb) returns text
language sql immutable set search_path = '' as $$
    select case when p_facts ? 'platforms' and not (jsonb_typeof(p_facts -> 'platforms') = 'array'
        and p_facts -> 'platforms' <@ to_jsonb(private.platforms())) then 'platforms' end
$$;

create or replace function private.exception_problem(p_facts jsonb, p_is_change boolean) returns text
language sql immutable set search_path = '' as $$
    select case
        when jsonb_typeof(p_facts -> 'terms') is distinct from 'array' or jsonb_array_length(p_facts -> 'terms') not between 1 and 200 then 'terms'
        when exists (select from jsonb_array_elements(p_facts -> 'terms') t where jsonb_typeof(t) <> 'string') then 'terms'
        when coalesce(p_facts ->> 'effect', case when p_is_change then 'warn' end) in ('clean', 'warn', 'need') is not true then 'effect'
        when coalesce(p_facts ->> 'place', case when p_is_change then 'phrase' end)
            in ('phrase', 'head', 'tail', 'clause', 'sentence', 'category') is not true then 'place'
        when char_length(coalesce(p_facts ->> 'pattern', case when p_is_change then '.' else '' end)) not between 1 and 4000 then 'pattern'
        when char_length(coalesce(p_facts ->> 'note', '')) > 300 then 'note'
        else private.platform_problem(p_facts) end
$$;

create or replace function private.check_items(p_items jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v record;
begin
    if coalesce(jsonb_typeof(p_items), '') <> 'array' or jsonb_array_length(p_items) = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if jsonb_array_length(p_items) > 5000 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 5000}');
    end if;
    select i.n, i.value, case
        when coalesce(i.value ->> 'target', '') not in ('word', 'exception') then 'target'
        when coalesce(i.value ->> 'action', '') not in ('add', 'change', 'disable') then 'action'
        when char_length(btrim(coalesce(i.value ->> 'reason', ''))) not between 1 and 300 then 'reason'
        when (i.value ->> 'action' = 'add') <> (i.value ->> 'id' is null) then 'id'
        else private.word_problem(i.value ->> 'target', i.value ->> 'action', coalesce(i.value -> 'facts', '{}')) end as problem
    into v
    from jsonb_array_elements(p_items) with ordinality i (value, n)
    where case
        when coalesce(i.value ->> 'target', '') not in ('word', 'exception') or coalesce(i.value ->> 'action', '') not in ('add', 'change', 'disable')
            or char_length(btrim(coalesce(i.value ->> 'reason', ''))) not between 1 and 300
            or (i.value ->> 'action' = 'add') <> (i.value ->> 'id' is null) then true
        else private.word_problem(i.value ->> 'target', i.value ->> 'action', coalesce(i.value -> 'facts', '{}')) is not null end
    order by i.n limit 1;
    if found then
        perform private.fail('PT422', 'words.item_bad', jsonb_build_object('n', v.n, 'field', v.problem));
    end if;
end;
$$;
comment on function private.check_items(jsonb) is 'bulk.empty, bulk.too_many, words.item_bad (n, field) for the first operation that says nothing sensible.';

create or replace function private.check_moved(p_proposal_id bigint) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_n integer;
    v_term text;
begin
    select i.n into v_n from public.word_proposal_items i
    where i.proposal_id = p_proposal_id and i.row_id is not null
      and not exists (select from public.compliance_words w where i.target = 'word' and w.id = i.row_id and w.to_version is null)
      and not exists (select from public.word_exceptions e where i.target = 'exception' and e.id = i.row_id and e.to_version is null)
    order by i.n limit 1;
    if found then
        perform private.fail('PT409', 'words.moved', jsonb_build_object('n', v_n));
    end if;
    select i.facts ->> 'term' into v_term from public.word_proposal_items i
    where i.proposal_id = p_proposal_id and i.target = 'word' and i.action = 'add'
      and (exists (select from public.compliance_words w where w.term = btrim(i.facts ->> 'term') and w.to_version is null)
           or exists (select from public.word_proposal_items o where o.proposal_id = i.proposal_id and o.target = 'word'
                      and o.action = 'add' and o.n < i.n and btrim(o.facts ->> 'term') = btrim(i.facts ->> 'term')))
    order by i.n limit 1;
    if found then
        perform private.fail('PT409', 'words.term_exists', jsonb_build_object('term', v_term));
    end if;
    select min(i.n) into v_n from public.word_proposal_items i where i.proposal_id = p_proposal_id and i.row_id is not null
    group by i.target, i.row_id having count(*) > 1 limit 1;
    if found then
        perform private.fail('PT422', 'words.item_twice', jsonb_build_object('n', v_n));
    end if;
end;
$$;
comment on function private.check_moved(bigint) is 'words.moved: a row was replaced meanwhile; words.term_exists; words.item_twice: two operations on one row.';

create or replace function private.write_items(p_id bigint, p_items jsonb) returns void
language sql set search_path = '' as $$
    delete from public.word_proposal_items where proposal_id = p_id;
    insert into public.word_proposal_items (proposal_id, n, target, action, row_id, facts, reason)
    select p_id, i.n, i.value ->> 'target', i.value ->> 'action', (i.value ->> 'id')::bigint,
        case when i.value -> 'facts' ? 'term' then (i.value -> 'facts') || jsonb_build_object('term', btrim(i.value -> 'facts' ->> 'term'))
             else coalesce(i.value -> 'facts', '{}') end,
        btrim(i.value ->> 'reason')
    from jsonb_array_elements(p_items) with ordinality i (value, n)
$$;

create or replace function public.save_proposal(p_request_id uuid, p_id bigint, p_version integer, p_title text, p_items jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'save_proposal', jsonb_build_array(p_id, p_version, p_title, p_items));
    v_items jsonb := private.as_json(p_items);
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if char_length(btrim(coalesce(p_title, ''))) not between 1 and 120 then
        perform private.fail('PT422', 'words.title_missing');
    end if;
    perform private.check_items(v_items);
    if p_id is null then
        insert into public.word_proposals (title, item_count, created_by, created_at)
        values (btrim(p_title), jsonb_array_length(v_items), v_me.member_id, v_now) returning * into v;
    else
        v := private.proposal_to_change(v_me, p_id, p_version, array['draft']);
        if v.created_by <> v_me.member_id then
            perform private.fail('PT403', 'words.not_yours');
        end if;
        update public.word_proposals set title = btrim(p_title), item_count = jsonb_array_length(v_items),
            items_version = items_version + 1, trial = '{}', tried_version = null where id = p_id returning * into v;
    end if;
    perform private.write_items(v.id, v_items);
    perform private.check_moved(v.id);
    perform private.audit(v_me, null, 'word_proposal', v.id, 'saved', jsonb_build_object('items', v.item_count));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version));
end;
$$;
grant execute on function public.save_proposal(uuid, bigint, integer, text, jsonb) to authenticated;
comment on function public.save_proposal(uuid, bigint, integer, text, jsonb) is
    'Operations, managers: writes a proposal (p_id null: a new one) with at most 5,000 operations {target word|exception, action add|change|disable, id?, facts, reason}. Its author only, while draft. words.item_bad (n, field), words.moved (n), words.term_exists (term), words.item_twice, words.title_missing, words.proposal_stale.';

create or replace function public.try_proposal(p_request_id uuid, p_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'try_proposal', jsonb_build_array(p_id, p_version));
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['draft', 'submitted']);
    perform private.check_moved(p_id);
    update public.word_proposals set trial = '{"state": "waiting", "done": 0}', tried_version = null where id = p_id returning * into v;
    perform private.enqueue('try_words', jsonb_build_object('proposal_id', p_id), 'try_words:' || p_id, v_now);
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version));
end;
$$;
grant execute on function public.try_proposal(uuid, bigint, integer) to authenticated;
comment on function public.try_proposal(uuid, bigint, integer) is
    'Operations, managers: reads the stored texts with the dictionary as it would be; the answer grows in word_proposals.trial. words.proposal_none, words.proposal_stale, words.proposal_state, words.moved.';

create or replace function public.service_proposal(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('id', p.id, 'state', p.state, 'items_version', p.items_version, 'trial', p.trial,
            'words_version', private.words_version())
        from public.word_proposals p where p.id = p_id);
end;
$$;
grant execute on function public.service_proposal(bigint) to service_role;
comment on function public.service_proposal(bigint) is 'Service: what a trial needs to know about a proposal; null when there is none.';

create or replace function public.service_trial(p_id bigint, p_items_version integer, p_trial jsonb) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_trial jsonb := private.as_json(p_trial);
begin
    update public.word_proposals set trial = v_trial,
        tried_version = case when v_trial ->> 'state' = 'done' then items_version end
    where id = p_id and items_version = p_items_version and state in ('draft', 'submitted');
    return found;
end;
$$;
grant execute on function public.service_trial(bigint, integer, jsonb) to service_role;
comment on function public.service_trial(bigint, integer, jsonb) is
    'Service: how far a trial is and what it found; false when the operations changed meanwhile. state done makes the proposal ready to submit.';

create or replace function public.submit_proposal(p_request_id uuid, p_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'submit_proposal', jsonb_build_array(p_id, p_version));
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['draft']);
    if v.created_by <> v_me.member_id then
        perform private.fail('PT403', 'words.not_yours');
    end if;
    if v.tried_version is distinct from v.items_version then
        perform private.fail('PT409', 'words.untried');
    end if;
    perform private.check_moved(p_id);
    update public.word_proposals set state = 'submitted', submitted_at = v_now where id = p_id returning * into v;
    perform private.audit(v_me, null, 'word_proposal', p_id, 'submitted');
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.submit_proposal(uuid, bigint, integer) to authenticated;
comment on function public.submit_proposal(uuid, bigint, integer) is
    'The author hands a proposal to a manager. words.untried until a trial of exactly these operations is done, words.not_yours, words.moved, words.proposal_stale.';

create or replace function public.withdraw_proposal(p_request_id uuid, p_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'withdraw_proposal', jsonb_build_array(p_id, p_version));
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['draft', 'submitted']);
    if v.created_by <> v_me.member_id then
        perform private.fail('PT403', 'words.not_yours');
    end if;
    update public.word_proposals set state = 'withdrawn', decided_at = v_now where id = p_id returning * into v;
    perform private.audit(v_me, null, 'word_proposal', p_id, 'withdrawn');
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.withdraw_proposal(uuid, bigint, integer) to authenticated;
comment on function public.withdraw_proposal(uuid, bigint, integer) is 'The author takes a proposal back. words.not_yours, words.proposal_state, words.proposal_stale.';

-- The decision --------------------------------------------------------------------------------------------------------------------

create or replace function private.apply_proposal(p_me private.actor, p public.word_proposals, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_version integer := private.lock_words();
begin
    perform private.check_moved((p).id);
    insert into public.word_versions (id, basis, proposal_id, note, words_added, words_changed, words_disabled, exceptions_changed, made_by, made_at)
    select v_version + 1, (select basis from public.word_versions where id = v_version), (p).id, (p).title,
        count(*) filter (where i.target = 'word' and i.action = 'add'), count(*) filter (where i.target = 'word' and i.action = 'change'),
        count(*) filter (where i.target = 'word' and i.action = 'disable'), count(*) filter (where i.target = 'exception'),
        (p_me).member_id, p_now
    from public.word_proposal_items i where i.proposal_id = (p).id;
    update public.compliance_words w set to_version = v_version + 1 from public.word_proposal_items i
    where i.proposal_id = (p).id and i.target = 'word' and i.row_id = w.id;
    update public.word_exceptions e set to_version = v_version + 1 from public.word_proposal_items i
    where i.proposal_id = (p).id and i.target = 'exception' and i.row_id = e.id;
    insert into public.compliance_words (position, term, category, severity, legal_basis, suggestion, match_kind, context, exceptions,
        platforms, is_active, origin, reason, from_version)
    select w.position, w.term, w.category, w.severity, w.legal_basis, w.suggestion, w.match_kind, w.context, w.exceptions,
        w.platforms, w.is_active, 'own', w.reason, v_version + 1
    from private.words_proposed(v_version, (p).id) w where w.id = 0 order by w.position;
    insert into public.word_exceptions (root_id, position, terms, effect, place, pattern, note, platforms, is_active, origin, reason, from_version)
    select e.root_id, e.position, e.terms, e.effect, e.place, e.pattern, e.note, e.platforms, e.is_active, 'own', e.reason, v_version + 1
    from private.exceptions_proposed(v_version, (p).id) e where e.id = 0 order by e.position;
    return v_version + 1;
end;
$$;
comment on function private.apply_proposal(private.actor, public.word_proposals, timestamptz) is
    'The next version: rows that are replaced end with it, the proposed ones begin. words.moved, words.term_exists.';

create or replace function public.decide_proposal(p_request_id uuid, p_id bigint, p_version integer, p_approve boolean, p_note text default null)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'decide_proposal', jsonb_build_array(p_id, p_version, p_approve, p_note));
    v public.word_proposals;
    v_made integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['submitted']);
    if v.created_by = v_me.member_id then
        perform private.fail('PT403', 'words.own');
    end if;
    if not p_approve and btrim(coalesce(p_note, '')) = '' then
        perform private.fail('PT422', 'words.note_missing');
    end if;
    if p_approve then
        if v.tried_version is distinct from v.items_version then
            perform private.fail('PT409', 'words.untried');
        end if;
        v_made := private.apply_proposal(v_me, v, v_now);
        perform private.queue_text_recheck('version', v_now);
    end if;
    update public.word_proposals set state = case when p_approve then 'approved' else 'refused' end, decided_by = v_me.member_id,
        decided_at = v_now, decision_note = left(btrim(p_note), 300), made_version = v_made where id = p_id returning * into v;
    perform private.audit(v_me, null, 'word_proposal', p_id, v.state, jsonb_strip_nulls(jsonb_build_object('words_version', v_made)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state, 'words_version', v_made));
end;
$$;
grant execute on function public.decide_proposal(uuid, bigint, integer, boolean, text) to authenticated;
comment on function public.decide_proposal(uuid, bigint, integer, boolean, text) is
    'A manager approves (a new version of the dictionary, and everything published is checked again) or refuses with a note. Never the author: words.own. words.untried, words.note_missing, words.moved, words.term_exists, words.proposal_state, words.proposal_stale.';

create or replace function public.proposal_list(p_state text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id desc), '[]') from (
        select p.id, p.title, p.state, p.item_count, p.items_version, p.tried_version, p.version, p.created_by, a.display_name as author,
            p.created_at, p.submitted_at, d.display_name as decided_by, p.decided_at, p.decision_note, p.made_version,
            p.trial - 'new' - 'released' as trial
        from public.word_proposals p join public.members a on a.id = p.created_by left join public.members d on d.id = p.decided_by
        where p_state is null or p.state = p_state order by p.id desc limit 200) x);
end;
$$;
grant execute on function public.proposal_list(text) to authenticated;
comment on function public.proposal_list(text) is 'Members: the latest 200 proposals (of a state), newest first.';

create or replace function private.of_my_shops(p_rows jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(r), '[]') from jsonb_array_elements(coalesce(p_rows, '[]')) r
    where (r ->> 'shop_id')::bigint in (select private.my_shop_ids())
$$;

create or replace function public.proposal_detail(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select to_jsonb(p) || jsonb_build_object('trial', p.trial || jsonb_build_object(
                'new', private.of_my_shops(p.trial -> 'new'), 'released', private.of_my_shops(p.trial -> 'released')), 'author', a.display_name, 'decided_by', d.display_name,
            'can_decide', v_me.role = 'manager' and p.state = 'submitted' and p.created_by <> v_me.member_id,
            'items', (select coalesce(jsonb_agg(jsonb_build_object('n', i.n, 'target', i.target, 'action', i.action, 'id', i.row_id,
                    'facts', i.facts, 'reason', i.reason, 'before', coalesce(to_jsonb(w), to_jsonb(e))) order by i.n), '[]')
                from public.word_proposal_items i
                left join public.compliance_words w on i.target = 'word' and w.id = i.row_id
                left join public.word_exceptions e on i.target = 'exception' and e.id = i.row_id
                where i.proposal_id = p.id))
        from public.word_proposals p join public.members a on a.id = p.created_by left join public.members d on d.id = p.decided_by
        where p.id = p_id);
end;
$$;
grant execute on function public.proposal_detail(bigint) to authenticated;
comment on function public.proposal_detail(bigint) is 'Members: a proposal, its operations with the rows before them, and the trial; null when there is none.';
