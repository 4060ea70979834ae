"""What the pages about tickets read. One request each; the database shows a person the shops he works for."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from supabase import Client

from backend import db
from backend.orders import reads as orders
from backend.orders.models import ClearContact
from backend.pii import Keyring
from backend.tickets.models import (
    Case,
    Parcel,
    Solution,
    Ticket,
    TicketFilter,
    TicketPage,
    TicketScreen,
)

_WORKERS = ("agent", "operations", "manager")
_MOST_PARCELS = 100
_OF_RETURN = "ticket_id, state, carrier, tracking_no, sent_at, applied_at"
_OF_PARCEL = "id, version, shop_id, type, summary, sku, quantity, buyer_account, receiver_masked, order_id"


def tickets(client: Client, wanted: TicketFilter) -> TicketPage:
    """A page of the list with counts beside the tabs, the soonest deadline first."""
    return TicketPage.model_validate(db.rpc(client, "ticket_list", p=wanted.as_json()))


def screen(client: Client, ticket_id: int) -> TicketScreen | None:
    """Everything about one ticket; None when it does not exist for this person."""
    found = db.rpc(client, "ticket_screen", p_id=ticket_id)
    return TicketScreen.model_validate(found) if found else None


def cases(client: Client, of: Mapping[str, Any]) -> tuple[Case, ...]:
    """The tickets of a buyer or an order, masked: {order_id} or {buyer_account}; the newest first."""
    found = db.rpc(client, "buyer_cases", p=dict(of))
    return tuple(Case.model_validate(row) for row in found.get("tickets", ()))


def exported(client: Client, wanted: TicketFilter, *, limit: int) -> TicketPage:
    """A page of the list as it leaves the desk; recorded."""
    facts = wanted.as_json()
    after = facts.pop("after", None)
    return TicketPage.model_validate(
        db.rpc(client, "ticket_export", p_filter=facts, p_after=after, p_limit=limit)
    )


def root_causes(client: Client) -> list[dict[str, Any]]:
    """The active root causes, branches first: {id, parent_id, code, name}."""
    query = client.table("root_causes").select("id, parent_id, code, name").eq("is_active", True)
    return db.rows(query.order("position").order("id"))


def colleagues(client: Client, shop_ids: Iterable[int]) -> dict[int, str]:
    """Who could work on cases of all these shops: id -> name, by name."""
    wanted = set(shop_ids)
    people = client.table("members").select("id, display_name").eq("state", "active")
    names = db.rows(people.in_("role", _WORKERS).order("display_name"))
    places = db.rows(client.table("member_shops").select("member_id, shop_id").in_("shop_id", sorted(wanted)))
    shops: dict[int, set[int]] = {}
    for place in places:
        shops.setdefault(place["member_id"], set()).add(place["shop_id"])
    return {row["id"]: row["display_name"] for row in names if shops.get(row["id"]) == wanted}


def parcels(client: Client, tracking_no: str | None = None) -> tuple[Parcel, ...]:
    """Returns that have not arrived yet, the longest under way first (at most 100); of one parcel if given."""
    goods = client.table("ticket_returns").select(
        "ticket_id, state, carrier, tracking_no, sent_at, applied_at"
    )
    goods = goods.in_("state", ["agreed", "goods_sent"])
    if tracking_no is not None:
        goods = goods.eq("tracking_no", tracking_no)
    found = {row["ticket_id"]: row for row in db.rows(goods.order("applied_at").limit(_MOST_PARCELS))}
    if not found:
        return ()
    cases = client.table("tickets").select(_OF_PARCEL).in_("id", list(found))
    rows = {row["id"]: row for row in db.rows(cases)}
    return tuple(Parcel.model_validate(rows[key] | found[key]) for key in found if key in rows)


def reveal(client: Client, keyring: Keyring, ticket_id: int, *, reason: str | None = None) -> ClearContact:
    """Open the contact of a ticket (its own, else its order's); recorded. One's own ticket needs no reason.

    Raises `reveal.reason`, `ticket.none`, and `member.role` for analysts.
    """
    row = db.rpc(client, "reveal_contact", p_entity="ticket", p_id=ticket_id, p_reason=reason)
    return orders.clear(keyring, row)


def survey_text(client: Client, ticket_id: int) -> str:
    """The question to copy into the customer's chat after a solution."""
    return str(db.rpc(client, "survey_text", p={"ticket_id": ticket_id})["text"])


def solutions(client: Client, ticket: Ticket) -> tuple[Solution, ...]:
    """Solutions of the knowledge base for a case, the best first (at most ten)."""
    found = db.rpc(
        client,
        "suggest_solutions",
        p_root_cause_id=ticket.root_cause_id,
        p_type=ticket.type,
        p_product_ids=[ticket.product_id] if ticket.product_id else None,
    )
    return tuple(Solution.model_validate(row) for row in found)


def attachment(client: Client, attachment_id: int) -> bytes:
    """The content of a photo or file. Raises `attachment.none`."""
    return base64.b64decode(db.rpc(client, "attachment", p_id=attachment_id)["content"])
