"""A landing page's form through the edge function into the database, and opened by its owner alone."""

from __future__ import annotations

import uuid

import httpx
import psycopg

from backend import db
from backend.leads import commands, reads
from backend.leads.models import LeadRef
from backend.local.stack import Stack
from backend.pii import Keyring
from tests.people import add_shop, hire, settings_of

FIELDS = {"name": "李小明", "phone": "138 1234 5678", "needs": "办公设备", "message": "要二十台"}


def test_a_submission_becomes_one_lead_that_names_nobody_in_the_database(stack: Stack) -> None:
    add_shop(stack, "landing")
    manager = hire(stack, "manager", shops=["landing"])
    client = db.user_client(settings_of(stack), manager.session.access_token)
    with psycopg.connect(stack.db_url) as owner:
        shop_id = owner.execute("select id from shops where code = 'landing'").fetchall()[0][0]
    token, digest = commands.new_form_token()
    form = {"shop_id": shop_id, "name": "双十一页", "token_hash": digest, "needs": ["样品"]}
    commands.save_form(client, None, None, form, request_id=uuid.uuid4())
    url = f"{stack.api_url}/functions/v1/lead-intake"
    answers = [httpx.post(url, data={"token": token, **FIELDS}, timeout=30) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"ok": True})] * 2
    assert httpx.post(url, json={"token": "other", **FIELDS}, timeout=30).status_code == 404
    assert httpx.post(url, json={"token": token, "website": "x", **FIELDS}, timeout=30).status_code == 200
    with psycopg.connect(stack.db_url) as owner:
        found = owner.execute(
            "select id, version, name_masked, phone_masked, needs, via from leads where shop_id = %s",
            (shop_id,),
        ).fetchall()
        counted = owner.execute("select accepted, trapped from lead_forms where shop_id = %s", (shop_id,))
        assert counted.fetchall() == [(1, 1)]
    assert [row[2:] for row in found] == [("李**", "138****5678", ["办公设备"], "form")]
    lead, version = found[0][:2]
    keyring = Keyring.parse(settings_of(stack).pii_key)
    opened = reads.reveal(client, keyring, lead, reason="contact_customer")
    assert (opened.name, opened.phone, opened.note) == ("李小明", "138 1234 5678", "要二十台")
    commands.assign(client, [LeadRef(lead, version)], manager.member_id, request_id=uuid.uuid4())
    assert reads.screen(client, lead).is_mine
