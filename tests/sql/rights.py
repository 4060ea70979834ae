"""The matrix of rights as data, and the scene it is tried on: by SQL and through the gateway.

The scene has two shops. Every person with a role works for shop `a` only (an admin sees all). A cell says which rows of
the scene that role reads: `shop` those of shop a, `all` both shops', `none` nothing, `denied` no right to ask at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import psycopg

RPCS = json.loads((Path(__file__).parent / "rpcs.json").read_text("utf-8"))
ROLES = ("agent", "warehouse", "operations", "analyst", "manager", "admin")
OUTSIDERS = ("off", "invited", "stranger", "anon", "service_role")

#                    agent   warehouse operations analyst manager admin   off     invited stranger anon     service_role
TABLES = {
    "shops":           "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "stock_pools":     "all     all       all        all     all     all     none    none    none     denied   denied",
    "members":         "all     all       all        all     all     all     none    none    none     denied   denied",
    "member_shops":    "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "products":        "all     all       all        all     all     all     none    none    none     denied   denied",
    "orders":          "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "order_items":     "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "order_reviews":   "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "order_exceptions": "shop   shop      shop       shop    shop    all     none    none    none     denied   denied",
    "exception_rules": "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "releases":        "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "release_orders":  "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "hold_breaches":   "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "imports":         "none    none      shop       none    shop    all     none    none    none     denied   denied",
    "import_errors":   "none    none      shop       none    shop    all     none    none    none     denied   denied",
    "import_mappings": "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "audit_events":    "none    none      none       none    shop    all     none    none    none     denied   denied",
    "action_batches":  "none    none      none       none    none    none    none    none    none     denied   denied",
    "saved_views":     "all     all       all        all     all     all     none    none    none     denied   denied",
    "sla_policies":    "all     all       all        all     all     all     none    none    none     denied   denied",
    "calendars":       "all     all       all        all     all     all     none    none    none     denied   denied",
    "sla_clocks":      "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "sla_clock_events": "shop   shop      shop       shop    shop    all     none    none    none     denied   denied",
    "calendar_shifts": "all     all       all        all     all     all     none    none    none     denied   denied",
    "calendar_days":   "all     all       all        all     all     all     none    none    none     denied   denied",
    "holiday_years":   "all     all       all        all     all     all     none    none    none     denied   denied",
    "rota_days":       "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "rota_entries":    "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "campaigns":       "all     all       all        all     all     all     none    none    none     denied   denied",
    "campaign_calendars": "all  all       all        all     all     all     none    none    none     denied   denied",
    "channels":        "none    none      none       none    shop    all     none    none    none     denied   denied",
    "deliveries":      "none    none      none       none    shop    all     none    none    none     denied   denied",
    "delivery_log":    "none    none      none       none    shop    all     none    none    none     denied   denied",
    "reminders":       "none    none      none       none    shop    all     none    none    none     denied   denied",
    "reminder_lines":  "none    none      none       none    shop    all     none    none    none     denied   denied",
    "notifications":   "none    none      none       none    none    none    none    none    none     denied   denied",
    "member_reminders": "none   none      none       none    all     all     none    none    none     denied   denied",
    "assignment_members": "none none  none       none    shop    all     none    none    none     denied   denied",
    "assignment_decisions": "shop shop shop      shop    shop    all     none    none    none     denied   denied",
    "handovers":       "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "handover_items":  "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "order_work":      "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "release_log":     "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "import_log":      "none    none      shop       none    shop    all     none    none    none     denied   denied",
    "compliance_words": "all     all       all        all     all     all     none    none    none     denied   denied",
    "word_exceptions": "all     all       all        all     all     all     none    none    none     denied   denied",
    "word_versions":   "all     all       all        all     all     all     none    none    none     denied   denied",
    "word_proposals":  "all     all       all        all     all     all     none    none    none     denied   denied",
    "word_proposal_items": "all     all       all        all     all     all     none    none    none     denied   denied",
    "text_checks":     "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "text_hits":       "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "exemptions":      "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "text_rechecks":   "all     all       all        all     all     all     none    none    none     denied   denied",
    "text_recheck_changes": "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "listings":        "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "listing_revisions": "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "root_causes":     "all     all       all        all     all     all     none    none    none     denied   denied",
    "reason_chips":    "all     all       all        all     all     all     none    none    none     denied   denied",
    "solutions":       "all     all       all        all     all     all     none    none    none     denied   denied",
    "solution_revisions": "all    all       all        all     all     all     none    none    none     denied   denied",
    "solution_uses":   "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "scripts":         "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "script_revisions": "shop   shop      shop       shop    shop    all     none    none    none     denied   denied",
    "script_places":   "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "script_uses":     "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "offer_rules":     "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "order_gifts":     "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "tickets":         "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "ticket_returns":  "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "ticket_messages": "shop    shop      shop       none    shop    all     none    none    none     denied   denied",
    "ticket_money":    "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "approvals":       "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "authority_limits": "shop   shop      shop       shop    shop    all     none    none    none     denied   denied",
    "price_protection_platforms": "all all all all   all     all     none    none    none     denied   denied",
    "ticket_drafts":   "none    none      none       none    none    none    none    none    none     denied   denied",
    "survey_settings": "all     all       all        all     all     all     none    none    none     denied   denied",
    "surveys":         "shop    none      shop       shop    shop    all     none    none    none     denied   denied",
    "score_reviews":   "shop    none      shop       shop    shop    all     none    none    none     denied   denied",
    "ratings":         "shop    none      shop       shop    shop    all     none    none    none     denied   denied",
    "kpi_definitions": "all     all       all        all     all     all     none    none    none     denied   denied",
    "kpis":            "all     all       all        all     all     all     none    none    none     denied   denied",
    "agent_names":     "none    none      shop       shop    shop    all     none    none    none     denied   denied",
    "kpi_alerts":      "none    none      shop       shop    shop    all     none    none    none     denied   denied",
    "tasks":           "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    # Criteria of one person and their measures have a narrower circle: test_tasks.py.
    "task_criteria":   "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "task_measures":   "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "meetings":        "none    none      shop       shop    shop    all     none    none    none     denied   denied",
    "agent_days":      "none    none      shop       shop    shop    all     none    none    none     denied   denied",
    "visitor_days":    "none    none      shop       shop    shop    all     none    none    none     denied   denied",
    "chat_sessions":   "none    none      none       shop    shop    all     none    none    none     denied   denied",
    "chat_messages":   "none    none      none       shop    shop    all     none    none    none     denied   denied",
    "leads":           "shop    none      none       shop    shop    all     none    none    none     denied   denied",
    "lead_owners":     "shop    none      none       shop    shop    all     none    none    none     denied   denied",
    "lead_merges":     "shop    none      none       shop    shop    all     none    none    none     denied   denied",
    "follow_ups":      "shop    none      none       shop    shop    all     none    none    none     denied   denied",
    "promises":        "shop    shop      shop       shop    shop    all     none    none    none     denied   denied",
    "lead_rules":      "all     all       all        all     all     all     none    none    none     denied   denied",
    "lead_forms":      "none    none      none       none    shop    all     none    none    none     denied   denied",
}  # fmt: skip

HIDDEN_COLUMNS = {
    "leads": ("contact_id", "buyer_account", "row_key"),
    "lead_forms": ("token_hash",),
    "orders": ("contact_id", "ip_hash", "facts_hash", "content_hash"),
    "members": ("contact_id",),
    "tickets": ("contact_id",),
    "ticket_money": ("buyer_keys", "order_ids", "ticket_ids", "changed_by"),
    "channels": ("endpoint_cipher", "secret_cipher"),
    "notifications": ("dedupe_key", "audience_ids"),
    "chat_sessions": ("buyer",),
    "chat_messages": ("buyer",),
}

SCENE = """
insert into stock_pools (name, is_default) select '测试库存', not exists (select from stock_pools where is_default);
insert into shops (code, name, platform, stock_pool_id)
select c, '店 ' || c, 'own', (select id from stock_pools where name = '测试库存') from unnest(array['right-a', 'right-b']) c;
insert into products (stock_pool_id, sku, name) select id, 'RIGHT-1', '样品' from stock_pools where name = '测试库存';
insert into imports (kind, shop_id, file_name, file_hash, actor, started_at, touched_at, state, finished_at)
select 'orders', id, 'x.csv', 'x', 'cli', now(), now(), 'done', now() from shops where code like 'right-%';
insert into import_errors (import_id, row_no, reason) select i.id, 2, 'cell.empty' from imports i where file_hash = 'x';
insert into import_mappings (shop_id, kind, signature, mapping, updated_at)
select id, 'orders', 'right', '{}', now() from shops where code like 'right-%';
insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash)
select id, 'RIGHT-' || code, '待发货', 'to_ship', 'f', 'c' from shops where code like 'right-%';
insert into order_items (order_id, shop_id, line_no, sku, quantity) select id, shop_id, 1, 'RIGHT-1', 1 from orders where order_no like 'RIGHT-%';
insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, fingerprint, detected_at)
select id, shop_id, 'remote', true, 'normal', 'f', now() from orders where order_no like 'RIGHT-%';
insert into order_reviews (order_id, shop_id, state, detected_at) select id, shop_id, 'open', now() from orders where order_no like 'RIGHT-%';
insert into exception_rules (shop_id, kind, waived_by) select id, 'remote', 'reviewer' from shops where code like 'right-%';
insert into releases (shop_id, kind, order_count, created_at) select id, 'hold', 1, now() from shops where code like 'right-%';
insert into release_orders select r.id, o.id from releases r join orders o using (shop_id) where o.order_no like 'RIGHT-%';
insert into hold_breaches (order_id, shop_id, kinds, found_at) select id, shop_id, '{remote}', now() from orders where order_no like 'RIGHT-%';
insert into audit_events (at, actor, shop_id, entity, action) select now(), 'cli', id, 'right', 'seen' from shops where code like 'right-%';
insert into calendar_days select id, '2030-01-01', '{}' from calendars where code = 'all';
"""

ROTA = """
insert into rota_days (member_id, day, kind, source, updated_at)
select id, '2030-01-01', 'work', 'edited', now() from members where staff_no in ('R-agent', 'R-invited');
insert into rota_entries (member_id, day, shift_name, starts_at, ends_at)
select member_id, day, '早班', '2030-01-01T00:00Z', '2030-01-01T08:30Z' from rota_days where day = '2030-01-01';
with c as (insert into campaigns (name, starts_at, ends_at) values ('大促', '2030-01-01', '2030-01-02') returning id)
insert into campaign_calendars select c.id, k.id from c, calendars k where k.code = 'all';
"""

ASSIGNMENT = """
insert into assignment_members (member_id, area, capacity) select id, 'lead', 5 from members where staff_no in ('R-off', 'R-invited');
insert into assignment_decisions (at, shop_id, area, entity_id, rule, source)
select now(), id, 'lead', 1, 'nobody', 'arrival' from shops where code like 'right-%';
insert into handovers (member_id, shift_ends_at, created_at) select id, now(), now() from members where staff_no in ('R-off', 'R-invited');
insert into handover_items (handover_id, shop_id, area, entity_id, label, path, due_at)
select h.id, k.shop_id, 'lead', 1, 'L-1', '/leads?id=1', now() from handovers h join member_shops k using (member_id);
"""

REMINDERS = """
insert into channels (id, kind, name, shop_id, host, endpoint_cipher)
select nextval('private.channel_ids'), 'wecom', '群', id, 'qyapi.weixin.qq.com', 'v1.k.AAAABBBBCCCCDDDD.AAAABBBBCCCCDDDDEEEEFF'
from shops where code like 'right-%';
insert into deliveries (channel_id, purpose, next_at, created_at) select id, 'test', now(), now() from channels;
insert into member_reminders (member_id) select id from members where staff_no = 'R-off';
insert into notifications (member_id, kind, created_at) select id, 'daily', now() from members where staff_no = 'R-off';
with c as (select s.id, (private.start_clock('told', s.id, s.id, 'review', 'order_review', private.now())).id as clock_id
    from shops s where s.code like 'right-%'),
r as (insert into reminders (clock_id, shop_id, entity, entity_id, step, due_version, who, action, is_escalation, is_public, step_at,
        due_at, ready_at, state, created_at)
    select clock_id, id, 'told', id, 1, 1, '{owner}', 'notify', false, false, now(), now(), now(), 'sent', now() from c returning id)
insert into reminder_lines (reminder_id, channel_id) select r.id, c.id from r, lateral (select min(id) as id from channels) c;
insert into private.word_bases values (9001, '[]', '[]', now());
insert into word_versions (id, basis, made_at) select coalesce(max(id), 0) + 1, 9001, now() from word_versions;
insert into compliance_words (position, term, category, severity, legal_basis, origin, from_version)
select 90001, '权利测试词', 'absolute', 'block', '广告法第九条', 'own', max(id) from word_versions;
insert into word_exceptions (position, terms, effect, place, pattern, origin, from_version)
select 90001, '{权利测试词}', 'clean', 'phrase', '~样', 'own', max(id) from word_versions;
"""

TICKETS = """
with t as (insert into tickets (shop_id, type, state, registered_at) select id, 'return', 'registered', now() from shops
    where code like 'right-%' returning id, shop_id),
r as (insert into ticket_returns (ticket_id, shop_id, state, applied_at) select id, shop_id, 'applied', now() from t),
d as (insert into ticket_drafts (ticket_id, member_id, body, updated_at)
    select t.id, m.id, '草稿', now() from t, members m where m.staff_no = 'R-off')
insert into ticket_messages (ticket_id, shop_id, direction, channel, at) select id, shop_id, 'in', 'wangwang', now() from t;
"""

MONEY = """
with m as (insert into ticket_money (ticket_id, ticket_ids, shop_id, kind, amount, reason, state, requested_by, changed_by, requested_at, counted_at)
    select t.id, array[t.id], t.shop_id, 'compensation', 1, '测试', 'requested', p.id, array[p.id], now(), now() from tickets t, members p
    where p.staff_no = 'R-off' and t.shop_id in (select id from shops where code like 'right-%') returning *)
insert into approvals (money_id, ticket_id, shop_id, kind, amount, covers, why, judged, excluded_ids, route, requested_by, requested_at)
select id, ticket_id, shop_id, kind, amount, amount, '{complaint}', '{}', changed_by, '{}', requested_by, now() from m;
insert into authority_limits (shop_id, pot, agent_limit) select id, 'refund_only', 1 from shops where code like 'right-%';
"""

SURVEYS = """
with s as (insert into surveys (shop_id, kind, ticket_id, opened_at, due_sort, closes_at)
    select shop_id, 'ticket', id, now(), now(), now() from tickets where shop_id in (select id from shops where code like 'right-%')
    returning id, shop_id, ticket_id),
r as (insert into ratings (shop_id, key, rating, rated_at, created_at) select shop_id, 'right', 5, now(), now() from s)
insert into score_reviews (shop_id, ticket_id, survey_id, score, opened_at) select shop_id, ticket_id, id, 1, now() from s;
"""

LEADS = """
with s as (select id from shops where code like 'right-%'),
m as (select id from members where staff_no = 'R-off'),
l as (insert into leads (shop_id, source, via, needs, graded_at, name_masked, buyer_account, free_at, captured_at, asked_at)
    select s.id, 'other', 'manual', '{样品}', now(), '张**', 'b', now(), now(), now() from s, generate_series(1, 2) returning id, shop_id),
f as (insert into follow_ups (lead_id, shop_id, member_id, at, channel, step, outcome, next_step, next_at)
    select l.id, l.shop_id, m.id, now(), 'phone', 'first_touch', 'no_answer', 'care', now() from l, m),
o as (insert into lead_owners (lead_id, shop_id, member_id, how, since) select l.id, l.shop_id, m.id, 'auto', now() from l, m),
g as (insert into lead_merges (shop_id, lead_id, into_id, matched, created_at)
    select shop_id, max(id), min(id), '{phone}', now() from l group by shop_id),
p as (insert into promises (shop_id, entity, entity_id, kind, what, due_at, state, made_by, made_at)
    select l.shop_id, 'lead', l.id, 'gift', '小样', now(), 'open', m.id, now() from l, m)
insert into lead_forms (shop_id, name, token_hash, needs, created_by)
select s.id, '活动页', repeat(chr(96 + row_number() over ()::int), 64), '{样品}', m.id from s, m;
"""

SOURCES = """
with s as (select id from shops where code like 'right-%'),
d as (insert into agent_days (shop_id, day, agent) select id, '2030-01-01', '客服' from s),
v as (insert into visitor_days (shop_id, day, visitors) select id, '2030-01-01', 1 from s),
c as (insert into chat_sessions (shop_id, session_id) select id, 'S' from s)
insert into chat_messages (shop_id, message_id, session_id, buyer, sender, sent_at) select id, 'M', 'S', 'b', 'buyer', now() from s;
"""

TASKS = """
insert into agent_names (shop_id, agent, member_id, updated_at)
select s.id, '昵称', m.id, now() from shops s, members m where s.code like 'right-%' and m.staff_no = 'R-off';
insert into kpi_alerts (shop_id, code) select id, '平响' from shops where code like 'right-%';
insert into meetings (shop_id, month, created_at) select id, '2030-01-01', now() from shops where code like 'right-%';
with t as (insert into tasks (shop_id, title, source, created_at) select id, '任务', 'suggestion', now() from shops where code like 'right-%'
    returning id, shop_id),
c as (insert into task_criteria (task_id, round, position, kpi_code, kpi_version, comparison, target, window_days, min_sample)
    select id, 1, 1, '平响', 1, '<=', 30, 7, 1 from t returning id, task_id)
insert into task_measures (criterion_id, task_id, day, sample, made_at) select id, task_id, '2030-01-01', 0, now() from c;
"""

LIBRARY = """
insert into solutions (title, steps, case_types, author_id, created_at)
select '补发', '登记补发', '{reship}', id, now() from members where staff_no = 'R-off';
insert into solution_revisions (solution_id, number, facts, created_at) select id, 1, '{}', now() from solutions;
insert into solution_uses (solution_id, ticket_id, shop_id, member_id, at)
select (select min(id) from solutions), s.id, s.id, m.id, now() from shops s, members m where s.code like 'right-%' and m.staff_no = 'R-off';
insert into scripts (shop_id, title, owner_id, author_id, created_at)
select s.id, '话术 ' || s.code, m.id, m.id, now() from shops s, members m where s.code like 'right-%' and m.staff_no = 'R-off';
insert into script_revisions (script_id, number, title, body, area, author_id, created_at)
select id, 1, title, '您好', 'both', author_id, now() from scripts where revision_id is null;
update scripts s set revision_id = r.id from script_revisions r where r.script_id = s.id and s.revision_id is null;
insert into script_places (revision_id, shop_id) select revision_id, shop_id from scripts where title like '话术 right-%';
insert into script_uses (script_id, revision_id, shop_id, member_id, at)
select id, revision_id, shop_id, owner_id, now() from scripts where title like '话术 right-%';
insert into offer_rules (kind, shop_id, name, gift_name, cost, valid_from, created_at)
select 'gift', id, '满赠', '小样', 8, now(), now() from shops where code like 'right-%';
insert into order_gifts (order_id, shop_id, name, quantity, cost, goes_with, source, promised_at)
select id, shop_id, '小样', 1, 8, 'order', 'order', now() from orders where order_no like 'RIGHT-%';
"""

PEOPLE = {role: UUID(int=0xA0 + number) for number, role in enumerate((*ROLES, "off", "invited", "stranger"))}


def make_scene(db: psycopg.Connection) -> None:
    """Two shops with one row of everything, and a person of each role in shop a, written by the owner."""
    db.execute(SCENE)
    for role in (*ROLES, "off"):
        state = "off" if role == "off" else "active"
        db.execute(
            """with m as (insert into members (user_id, staff_no, display_name, role, state, skills)
                 values (%s, %s, %s, %s, %s, '{review,presales}') returning id)
               insert into member_shops select m.id, s.id from m, shops s where s.code = 'right-a'""",
            (PEOPLE[role], f"R-{role}", f"成员 {role}", role if role in ROLES else "manager", state),
        )
    db.execute(
        """with m as (insert into members (staff_no, display_name, role) values ('R-invited', '未接受', 'manager')
             returning id) insert into member_shops select m.id, s.id from m, shops s where s.code = 'right-b'"""
    )
    db.execute("""insert into action_batches (member_id, action, item_count, items, created_at)
        select id, 'test', 1, '[]', now() from members where staff_no = 'R-off'""")
    db.execute("""insert into saved_views (member_id, area, name, params, is_shared)
        select id, 'orders', '共享', '{}', true from members where staff_no = 'R-off'""")
    db.execute("""insert into saved_views (member_id, area, name, params)
        select id, 'orders', '私有', '{}' from members where staff_no = 'R-off'""")
    db.execute(ROTA)
    db.execute(ASSIGNMENT)
    db.execute(REMINDERS)
    db.execute(TICKETS)
    db.execute(MONEY)
    db.execute(SURVEYS)
    db.execute(SOURCES)
    db.execute(LEADS)
    db.execute("""select private.start_clock('right', s.id, s.id, 'review', 'order_review', private.now())
        from shops s where s.code like 'right-%'""")
    db.execute("""insert into word_proposals (title, created_by, created_at)
        select '改词', id, now() from members where staff_no = 'R-off'""")
    db.execute("""insert into word_proposal_items (proposal_id, n, target, action, row_id, reason)
        select p.id, 1, 'word', 'disable', w.id, '测试' from word_proposals p, compliance_words w where w.term = '权利测试词'""")
    db.execute("""insert into listings (shop_id, title, author_id, state_since, created_at)
        select s.id, '标题 ' || s.code, m.id, now(), now() from shops s, members m
        where s.code like 'right-%' and m.staff_no = 'R-off'""")
    db.execute("""insert into listing_revisions (listing_id, number, title, author_id, created_at)
        select l.id, 1, l.title, l.author_id, now() from listings l where l.title like '标题 right-%'""")
    db.execute(
        """update listings l set revision_id = r.id from listing_revisions r where r.listing_id = l.id"""
    )
    db.execute("""insert into text_checks (sha, kind, shop_id, context, entity, entity_id, part, words_version, verdict,
            first_checked_at, checked_at)
        select repeat('a', 64), 'title', l.shop_id, 'general', 'listing_revision', l.revision_id, 'title', v.id, 'warn', now(), now()
        from listings l, (select max(id) as id from word_versions) v where l.title like '标题 right-%'""")
    db.execute("""insert into text_hits (check_id, shop_id, term, category, severity, start_at, end_at, found_at, found_version)
        select c.id, c.shop_id, '权利测试词', 'absolute', 'warn', 0, 1, now(), c.words_version
        from text_checks c where c.sha = repeat('a', 64)""")
    db.execute("""insert into exemptions (shop_id, term, category, reason, note, valid_until, requested_by, requested_at)
        select s.id, '权利测试词', 'absolute', 'award', '证书', current_date, m.id, now() from shops s, members m
        where s.code like 'right-%' and m.staff_no = 'R-off'""")
    db.execute("""insert into text_rechecks (words_version, cause, total, started_at)
        select max(id), 'weekly', 0, now() from word_versions""")
    db.execute("""insert into text_recheck_changes (recheck_id, shop_id, listing_id, part, term, severity, change)
        select r.id, l.shop_id, l.id, 'title', '权利测试词', 'warn', 'new' from text_rechecks r, listings l
        where l.title like '标题 right-%'""")
    db.execute(LIBRARY)
    db.execute(TASKS)


KEYS = {
    "ticket_drafts": "ticket_id",
    "price_protection_platforms": "platform",
    "solution_revisions": "solution_id",
    "script_revisions": "script_id",
    "release_orders": "release_id",
    "import_errors": "import_id",
    "calendar_shifts": "calendar_id",
    "calendar_days": "calendar_id",
    "holiday_years": "year",
    "word_proposal_items": "proposal_id",
    "listing_revisions": "listing_id",
    "deliveries": "channel_id",
    "reminder_lines": "reminder_id",
    "member_reminders": "member_id",
    "rota_days": "member_id",
    "rota_entries": "member_id",
    "campaign_calendars": "campaign_id",
    "assignment_members": "member_id",
    "handovers": "member_id",
    "kpi_definitions": "position",
    "kpis": "position",
    "task_criteria": "task_id",
    "task_measures": "task_id",
}


def key_of(table: str) -> str:
    """The column by which rows of `table` are compared."""
    return KEYS.get(table, "shop_id" if table in SHOP_KEYED else "id")


SHOP_KEYED = {
    "solution_uses", "scripts", "script_places", "script_uses", "offer_rules", "order_gifts",
    "member_shops", "orders", "order_items", "order_reviews", "order_exceptions", "exception_rules", "releases",
    "hold_breaches", "imports", "import_mappings", "audit_events", "sla_clocks", "sla_clock_events",
    "order_work", "release_log", "import_log", "channels", "delivery_log", "reminders",
    "text_checks", "text_hits", "exemptions", "text_recheck_changes", "listings", "assignment_decisions",
    "handover_items", "surveys", "score_reviews", "ratings", "agent_days", "visitor_days", "chat_sessions", "chat_messages",
    "agent_names", "kpi_alerts", "meetings", "tasks",
    "ticket_money", "approvals", "authority_limits",
    "leads", "lead_owners", "lead_merges", "follow_ups", "promises", "lead_forms",
    "tickets", "ticket_returns", "ticket_messages",
}  # fmt: skip


def expected(db: psycopg.Connection, table: str, cell: str) -> set[int]:
    """What the owner finds in the scene for one cell of the table."""
    if cell == "none":
        return set()
    shop = "" if cell == "all" else "where s.code = 'right-a'"
    mine = f"select s.id from shops s {shop}"
    if table in {*SHOP_KEYED, "shops"}:
        return {row[0] for row in db.execute(mine).fetchall()}
    if table in {"release_orders", "import_errors"}:
        parent = "releases" if table == "release_orders" else "imports"
        return {row[0] for row in db.execute(f"select id from {parent} where shop_id in ({mine})").fetchall()}
    if table in {"deliveries", "reminder_lines"}:
        parent = "channels" if table == "deliveries" else "reminders"
        return {row[0] for row in db.execute(f"select id from {parent} where shop_id in ({mine})").fetchall()}
    if table in {"rota_days", "rota_entries", "assignment_members", "handovers"}:
        query = f"select member_id from {table} where member_id in (select member_id from member_shops where shop_id in ({mine}))"
        return {row[0] for row in db.execute(query).fetchall()}
    if table in {"task_criteria", "task_measures"}:
        return {row[0] for row in db.execute(f"select id from tasks where shop_id in ({mine})").fetchall()}
    if table == "listing_revisions":
        return {row[0] for row in db.execute(f"select id from listings where shop_id in ({mine})").fetchall()}
    if table == "script_revisions":
        query = f"select id from scripts where shop_id is null or shop_id in ({mine})"
        return {row[0] for row in db.execute(query).fetchall()}
    hidden = "where is_shared" if table == "saved_views" else ""
    return {row[0] for row in db.execute(f"select {KEYS.get(table, 'id')} from {table} {hidden}").fetchall()}
