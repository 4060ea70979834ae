-- 67 ----------------------------------------------------------------------------- attachments: photos and files of a ticket
--
-- Bytes lie in the database, hosted and embedded alike, and only the functions below hand them out: each asks who it is.
-- What a customer photographs may show his address, so opening a file is written down like opening a contact.

create or replace function private.attachment_type(p_content bytea) returns text
language sql immutable set search_path = '' as $$
    select coalesce(private.mime_of(p_content),
        case when pg_catalog.substr(p_content, 1, 4) = '\x52494646' and pg_catalog.substr(p_content, 9, 4) = '\x57454250' then 'image/webp' end)
$$;
comment on function private.attachment_type(bytea) is 'What a file is by its first bytes: PDF, PNG, JPEG, WebP; null for anything else, whatever its name says.';

create table if not exists private.attachments (
    id bigint generated always as identity primary key,
    ticket_id bigint not null references public.tickets on delete cascade,
    shop_id bigint not null references public.shops,
    name text not null constraint attachments_name_length check (char_length(name) between 1 and 120),
    media_type text not null constraint attachments_type_known
        check (media_type in ('image/jpeg', 'image/png', 'image/webp', 'application/pdf')),
    size integer not null generated always as (octet_length(content)) stored,
    sha256 text not null constraint attachments_sha_form check (sha256 ~ '^[a-p]{64}$'),
    content bytea not null constraint attachments_size check (octet_length(content) between 1 and 5242880),
    preview bytea constraint attachments_preview_size check (octet_length(preview) between 1 and 65536),
    uploaded_by bigint references public.members,
    uploaded_at timestamptz not null,
    constraint attachments_once unique (ticket_id, sha256),
    constraint attachments_is_what_it_says check (private.attachment_type(content) = media_type),
    constraint attachments_preview_is_a_picture check (preview is null or coalesce(private.attachment_type(preview), '') in ('image/jpeg', 'image/png')),
    constraint attachments_name_masked check (not private.names_a_phone(name))
);
alter table private.attachments alter column content set storage external; -- photos do not compress
create index if not exists attachments_shop_id_idx on private.attachments (shop_id);
create index if not exists attachments_uploaded_by_idx on private.attachments (uploaded_by) where uploaded_by is not null;
alter table private.attachments enable row level security;
comment on table private.attachments is
    '附件: at most 5 MB each and twenty a ticket, told apart by SHA-256 (letters); kept and deleted with their ticket. Read through public.attachment alone.';
comment on column private.attachments.preview is 'Small picture made by the app, for images.';

create or replace function private.may_attach(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select private.ticket_who(p_me, p_ticket, p_now) && array['owner', 'registrar', 'warehouse', 'lead', 'system']
        or (p_me).role in ('operations', 'manager', 'admin')
$$;
comment on function private.may_attach(private.actor, public.tickets, timestamptz) is
    'Who adds and opens files: who owns or registered the case, the warehouse, operations, leads, admins. Another agent takes the case over first; analysts read no personal data.';

create or replace function private.ticket_attachments(p_ticket_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', a.id, 'name', a.name, 'media_type', a.media_type,
        'size', a.size, 'who', m.display_name, 'at', a.uploaded_at, 'ticket_id', a.ticket_id) order by a.id), '[]')
    from private.attachments a left join public.members m on m.id = a.uploaded_by
    where a.ticket_id = any (private.ticket_family(p_ticket_id))
$$;
comment on function private.ticket_attachments(bigint) is
    'Files of a ticket and of those merged into it, without their content: [{id, name, media_type, size, who, at, ticket_id}].';

create or replace function private.attachment_bytes(p_text text, p_most integer) returns bytea
language plpgsql immutable set search_path = '' as $$
declare
    v bytea;
begin
    if char_length(coalesce(p_text, '')) <= p_most / 3 * 4 + 8 then
        v := pg_catalog.decode(p_text, 'base64');
    end if;
    if v is null or octet_length(v) > p_most then
        perform private.fail('PT422', 'attachment.too_large', pg_catalog.jsonb_build_object('limit', p_most / 1048576));
    end if;
    return v;
exception when invalid_parameter_value then
    perform private.fail('PT422', 'attachment.type');
end;
$$;
comment on function private.attachment_bytes(text, integer) is 'The bytes behind base64, at most p_most. attachment.too_large (limit in MB), attachment.type.';

create or replace function private.ticket_to_attach(p_me private.actor, p_ticket_id bigint, p_now timestamptz) returns public.tickets
language plpgsql volatile set search_path = '' as $$
declare
    v public.tickets;
begin
    select * into v from public.tickets t where t.id = p_ticket_id and t.shop_id in (select private.my_shop_ids()) for no key update;
    if v.id is null then
        perform private.fail('PT404', 'ticket.none');
    elsif not private.may_attach(p_me, v, p_now) then
        perform private.fail('PT403', 'attachment.not_yours');
    elsif v.stage = 'done' then
        perform private.fail('PT409', 'attachment.closed', pg_catalog.jsonb_build_object('state', v.state));
    elsif (select count(*) from private.attachments a where a.ticket_id = v.id) >= 20 then
        perform private.fail('PT422', 'attachment.too_many', '{"limit": 20}');
    end if;
    return v;
end;
$$;

create or replace function public.add_attachment(p_ticket_id bigint, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_in jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'add_attachment', pg_catalog.jsonb_build_array(p_ticket_id, v_in ->> 'name',
        private.sha256(coalesce(v_in ->> 'content', ''))));
    v_ticket public.tickets;
    v private.attachments;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_ticket := private.ticket_to_attach(v_me, p_ticket_id, v_now);
    v.content := private.attachment_bytes(v_in ->> 'content', 5242880);
    v.preview := case when v_in ->> 'preview' is not null then private.attachment_bytes(v_in ->> 'preview', 65536) end;
    v.media_type := private.attachment_type(v.content);
    if v.media_type is null or (v.preview is not null and coalesce(private.attachment_type(v.preview), '') not in ('image/jpeg', 'image/png')) then
        perform private.fail('PT422', 'attachment.type');
    end if;
    v.name := pg_catalog.left(pg_catalog.regexp_replace(coalesce(nullif(btrim(v_in ->> 'name'), ''), 'file'), '[[:cntrl:]/\\]', '_', 'g'), 120);
    if private.names_a_phone(v.name) then
        v.name := 'file';
    end if;
    v.sha256 := pg_catalog.translate(pg_catalog.encode(pg_catalog.sha256(v.content), 'hex'), '0123456789', 'ghijklmnop');
    insert into private.attachments as a (ticket_id, shop_id, name, media_type, sha256, content, preview, uploaded_by, uploaded_at)
    values (v_ticket.id, v_ticket.shop_id, v.name, v.media_type, v.sha256, v.content, v.preview, v_me.member_id, v_now)
    on conflict on constraint attachments_once do nothing returning a.id into v.id;
    if v.id is not null then
        perform private.audit(v_me, v_ticket.shop_id, 'ticket', v_ticket.id, 'attachment_added', pg_catalog.jsonb_build_object(
            'attachment_id', v.id, 'media_type', v.media_type, 'size', octet_length(v.content), 'sha256', v.sha256));
    end if;
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('media_type', v.media_type, 'id', coalesce(v.id,
        (select a.id from private.attachments a where a.ticket_id = v_ticket.id and a.sha256 = v.sha256))));
end;
$$;
grant execute on function public.add_attachment(bigint, jsonb, uuid) to authenticated;
comment on function public.add_attachment(bigint, jsonb, uuid) is
    'Who owns or registered the case, the warehouse, operations, leads, admins: adds a file {name, content (base64, at most 5 MB; PDF, PNG, JPEG, WebP by its bytes), preview (base64 picture, at most 64 KB)}; the same file again is the same attachment. Answers {id, media_type}. ticket.none, attachment.not_yours, attachment.closed, attachment.too_large, attachment.type, attachment.too_many, request.bad_value.';

create or replace function private.ticket_it_became(p_id bigint) returns public.tickets
language sql stable set search_path = '' as $$
    with recursive way as (
        select t.id, t.merged_into_id from public.tickets t where t.id = p_id
        union
        select t.id, t.merged_into_id from public.tickets t join way w on t.id = w.merged_into_id
    )
    select t.* from way w join public.tickets t on t.id = w.id where w.merged_into_id is null
$$;
comment on function private.ticket_it_became(bigint) is 'The ticket that a merged one is part of now, however often it was merged; itself when it was not.';

create or replace function private.attachment_for(p_me private.actor, p_id bigint, p_mine_too boolean, p_now timestamptz) returns private.attachments
language plpgsql stable set search_path = '' as $$
declare
    v private.attachments;
    v_ticket public.tickets;
begin
    select * into v from private.attachments a where a.id = p_id and a.shop_id in (select private.my_shop_ids());
    v_ticket := private.ticket_it_became(v.ticket_id);
    if v.id is null then
        perform private.fail('PT404', 'attachment.none');
    elsif not (p_mine_too and v.uploaded_by is not distinct from (p_me).member_id) and not private.may_attach(p_me, v_ticket, p_now) then
        perform private.fail('PT403', 'attachment.not_yours');
    end if;
    return v;
end;
$$;
comment on function private.attachment_for(private.actor, bigint, boolean, timestamptz) is
    'A file of his shop that is this person''s by private.may_attach (a merged case counts as the one it went into); p_mine_too: or that he uploaded himself. attachment.none, attachment.not_yours.';

create or replace function public.attachment(p_id bigint, p_preview boolean default false) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v private.attachments := private.attachment_for(v_me, p_id, false, private.now());
    v_small boolean := coalesce(p_preview, false) and v.preview is not null;
begin
    if v.uploaded_by is distinct from v_me.member_id then
        perform private.audit(v_me, v.shop_id, 'ticket', v.ticket_id, 'attachment_opened',
            pg_catalog.jsonb_build_object('attachment_id', v.id, 'preview', v_small))
        where not exists (select from public.audit_events e where e.entity = 'ticket' and e.entity_id = v.ticket_id
            and e.action = 'attachment_opened' and e.member_id = v_me.member_id and e.detail ->> 'attachment_id' = v.id::text
            and e.at > private.now() - interval '10 minutes');
    end if;
    return pg_catalog.jsonb_build_object('id', v.id, 'name', v.name, 'sha256', v.sha256,
        'media_type', case when v_small then private.attachment_type(v.preview) else v.media_type end,
        'content', pg_catalog.replace(pg_catalog.encode(case when v_small then v.preview else v.content end, 'base64'), e'\n', ''));
end;
$$;
grant execute on function public.attachment(bigint, boolean) to authenticated;
comment on function public.attachment(bigint, boolean) is
    'Who may add files to the case, also of what he uploaded before he gave it away (what a customer sent opens with the claim): its content, or (p_preview) its small picture where it has one: {id, name, media_type, sha256, content (base64)}. Opening somebody else''s file is audited, once in ten minutes. attachment.none, attachment.not_yours.';

create or replace function public.remove_attachment(p_id bigint, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'remove_attachment', pg_catalog.jsonb_build_array(p_id, p_reason));
    v private.attachments;
begin
    if v_answer is not null then
        return v_answer;
    elsif coalesce(p_reason, '') not in ('wrong_file', 'personal_data', 'customer_asked', 'duplicate') then
        perform private.fail('PT422', 'attachment.reason');
    end if;
    v := private.attachment_for(v_me, p_id, true, v_now);
    if not private.is_ticket_lead(v_me, v.shop_id, v_now)
        and (v.uploaded_by is distinct from v_me.member_id or v.uploaded_at <= v_now - interval '10 minutes') then
        perform private.fail('PT403', 'attachment.kept');
    end if;
    delete from private.attachments where id = v.id;
    perform private.audit(v_me, v.shop_id, 'ticket', v.ticket_id, 'attachment_removed', pg_catalog.jsonb_build_object(
        'attachment_id', v.id, 'reason', p_reason, 'size', v.size, 'sha256', v.sha256));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v.id));
end;
$$;
grant execute on function public.remove_attachment(bigint, text, uuid) to authenticated;
comment on function public.remove_attachment(bigint, text, uuid) is
    'Who uploaded a file, for ten minutes, and leads at any time: deletes it (p_reason wrong_file, personal_data, customer_asked, duplicate); size and SHA-256 stay in the history. Answers {id}. attachment.none, attachment.not_yours, attachment.kept, attachment.reason.';
