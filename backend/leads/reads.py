"""What the pages about leads read. One request each; the database shows a person what he may see, masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from supabase import Client

from backend import db
from backend.leads.choices import LeadFilter
from backend.leads.models import (
    AskedOrder,
    Board,
    ClearLead,
    Insight,
    LeadCase,
    LeadForm,
    LeadRow,
    LeadScreen,
    PromisePage,
    Twin,
)
from backend.pii import Keyring

_FORM = (
    "id, version, shop_id, name, needs, per_minute, per_source_hour, is_active, accepted, trapped, limited,"
    " last_at"
)
_SEALED = ("name", "phone", "wechat", "email", "note")


def board(client: Client, wanted: LeadFilter) -> Board:
    """The board, or one page of a column when `wanted.column` is set (`open`: all stages in one list)."""
    return Board.model_validate(db.rpc(client, "lead_board", p=wanted.as_json()))


def screen(client: Client, lead_id: int) -> LeadScreen:
    """Everything about one lead; of a colleague's only how it stands. Raises `lead.none`."""
    return LeadScreen.model_validate(db.rpc(client, "lead_screen", p_id=lead_id))


def makers(client: Client, shop_ids: Iterable[int]) -> dict[int, str]:
    """Who may have promised something in these shops: agents and managers, past ones too; id -> name."""
    people = client.table("members").select("id, display_name").in_("role", ["agent", "manager"])
    rows = db.rows(people.order("display_name"))
    places = client.table("member_shops").select("member_id").in_("shop_id", sorted(set(shop_ids)))
    here = {place["member_id"] for place in db.rows(places)}
    return {row["id"]: row["display_name"] for row in rows if row["id"] in here}


def sellers(client: Client, shop_ids: Iterable[int]) -> dict[int, str]:
    """Who may be given leads of all these shops: managers, and agents with the skill presales; id -> name."""
    wanted = set(shop_ids)
    people = client.table("members").select("id, display_name, role, skills").eq("state", "active")
    rows = db.rows(people.in_("role", ["agent", "manager"]).order("display_name"))
    places = db.rows(client.table("member_shops").select("member_id, shop_id").in_("shop_id", sorted(wanted)))
    shops: dict[int, set[int]] = {}
    for place in places:
        shops.setdefault(place["member_id"], set()).add(place["shop_id"])
    able = [row for row in rows if row["role"] == "manager" or "presales" in row["skills"]]
    return {row["id"]: row["display_name"] for row in able if shops.get(row["id"]) == wanted}


def order(client: Client, order_no: str) -> AskedOrder | None:
    """The order of my shops with this number. By a call: the gateway reads a filter of digits as a number."""
    hits = db.rpc(client, "search_desk", p={"order_nos": [order_no]})["orders"]
    found = next((hit for hit in hits if hit["order_no"] == order_no), None)
    return None if found is None else AskedOrder.model_validate(found)


def cases(client: Client, of: Mapping[str, Any]) -> tuple[LeadCase, ...]:
    """How the leads of a customer stand, whoever has them: {order_id} or {buyer_account} or {hashes}."""
    return tuple(LeadCase.model_validate(row) for row in db.rpc(client, "lead_cases", p=dict(of)))


def twins(client: Client, shop_id: int | None = None) -> tuple[Twin, ...]:
    """Merge proposals of my shops, the oldest first (at most 50)."""
    return tuple(Twin.model_validate(row) for row in db.rpc(client, "merge_list", p_shop_id=shop_id))


def promises(client: Client, wanted: Mapping[str, Any]) -> PromisePage:
    """Who promised what until when: tab (PROMISE_TABS, all), person, mine, kind, shop_id, after."""
    return PromisePage.model_validate(db.rpc(client, "promise_list", p=_given(wanted)))


def exported_promises(
    client: Client, wanted: Mapping[str, Any], after: Mapping[str, Any] | None = None
) -> PromisePage:
    """Promises as they leave the desk, 500 after a cursor; recorded."""
    rows = db.rpc(client, "export_promises", p=_given(wanted), p_after=None if after is None else dict(after))
    return PromisePage.model_validate(rows)


def insight(
    client: Client, since: datetime | None = None, until: datetime | None = None, shop_id: int | None = None
) -> Insight:
    """The funnel of a period (30 days until now unless given, at most 400)."""
    wanted = {
        "from": since and since.isoformat(),
        "to": until and until.isoformat(),
        "shop_id": None if shop_id is None else str(shop_id),
    }
    return Insight.model_validate(db.rpc(client, "lead_insight", p=_given(wanted)))


def rules(client: Client) -> dict[str, Any]:
    """The rules of grading and recycling: {default, shops, changes}."""
    found: dict[str, Any] = db.rpc(client, "lead_rules_screen")
    return found


def preview_rules(client: Client, shop_id: int | None, change: Mapping[str, Any]) -> dict[str, Any]:
    """What changed rules would make of the open leads: {open, moves, sample}; changes nothing."""
    found: dict[str, Any] = db.rpc(client, "preview_lead_rules", p_shop_id=shop_id, p_rules=dict(change))
    return found


def forms(client: Client) -> tuple[LeadForm, ...]:
    """The landing pages that may send leads to my shops; for managers and admins."""
    query = client.table("lead_forms").select(_FORM)
    return tuple(LeadForm.model_validate(row) for row in db.rows(query.order("id")))


def exported(client: Client, wanted: LeadFilter, after: int = 0) -> tuple[LeadRow, ...]:
    """Leads as they leave the desk, masked, 1,000 after an id; recorded."""
    rows = db.rpc(client, "export_leads", p=wanted.as_json(), p_after=after)
    return tuple(LeadRow.model_validate(row) for row in rows)


def reveal(client: Client, keyring: Keyring, lead_id: int, *, reason: str | None = None) -> ClearLead:
    """Open the contact of a lead; recorded. One's own lead needs no reason.

    Raises `lead.contact_hidden` for whoever neither owns nor manages it, `reveal.reason`, `lead.none`.
    """
    row = reveal_row(client, lead_id, reason=reason)
    clear = {
        name: keyring.decrypt("contacts", name, row["contact_id"], row[name]) if row.get(name) else ""
        for name in _SEALED
    }
    return ClearLead(buyer_account=row.get("buyer_account") or "", **clear)


def reveal_row(client: Client, lead_id: int, *, reason: str | None = None) -> dict[str, Any]:
    """The ciphertexts behind `reveal`, contact_id and buyer_account; recorded."""
    row: dict[str, Any] = db.rpc(client, "reveal_contact", p_entity="lead", p_id=lead_id, p_reason=reason)
    return row


def _given(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, False)}
