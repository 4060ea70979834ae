"""What the pages about tickets read. One request each; the database shows a person the shops he works for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from supabase import Client

from backend import db
from backend.orders import reads as orders
from backend.orders.models import ClearContact
from backend.pii import Keyring
from backend.tickets.choices import TicketFilter
from backend.tickets.models import Case, Parcel, TicketPage, TicketScreen

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


def people(client: Client, ids: Iterable[int]) -> dict[int, str]:
    """Names of members: id -> name."""
    found = db.rows(client.table("members").select("id, display_name").in_("id", sorted(ids)))
    return {row["id"]: row["display_name"] for row in found}


def parcels(client: Client, tracking_no: str | None = None) -> tuple[Parcel, ...]:
    """Returns that have not arrived yet, the oldest first (at most 100); of one parcel if given."""
    goods = client.table("ticket_returns").select(_OF_RETURN)
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
