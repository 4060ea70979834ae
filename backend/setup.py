"""What a new installation still needs, read from what is there: nothing is ticked by hand."""

from __future__ import annotations

from dataclasses import dataclass

from supabase import Client

from backend import db, members, shops


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the first run: the page that does it, how much is there, whether that is enough."""

    name: str
    page: str
    count: int
    is_done: bool


def steps(client: Client) -> list[Step]:
    """The steps in the order in which they are done (five requests). Counts are those of the start page."""
    my_shops = [shop for shop in shops.list_shops(client) if shop.is_active]
    people = [member for member in members.list_members(client) if member.state != "off"]
    data = db.rpc(client, "data_ages")
    stocked = sum(1 for entry in data if entry["kind"] == "products" and entry["at"])
    with_orders = sum(1 for entry in data if entry["kind"] == "orders" and entry["at"])
    released = sum(figure["released"] for figure in db.rpc(client, "home_screen")["figures"])
    ever = db.rows(client.table("release_log").select("id").eq("kind", "release").limit(1))
    return [
        Step("shops", "shops", len(my_shops), bool(my_shops)),
        Step("people", "members", len(people), len(people) > 1),
        Step("stock", "imports", stocked, stocked > 0),
        Step("orders", "imports", with_orders, 0 < len(my_shops) <= with_orders),
        Step("work", "release", released, bool(ever)),
    ]
