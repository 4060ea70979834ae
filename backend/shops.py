"""Shops: read by everybody who works for them, added and changed by an admin."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from supabase import Client

from backend import db

PLATFORMS: Final = ("taobao", "jd", "douyin", "pinduoduo", "youzan", "shopify", "own")
ZONES: Final = (
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Tokyo",
    "Asia/Singapore",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "UTC",
)
SHORT_CODES: Final = {
    "taobao": "tm",
    "jd": "jd",
    "douyin": "dy",
    "pinduoduo": "pdd",
    "youzan": "yz",
    "shopify": "shopify",
    "own": "own",
}


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop as its page shows it.

    `review_limit` in its currency; after `wait_hours` a customer's silence ends 等待客户.
    """

    id: int
    code: str
    name: str
    platform: str
    timezone: str
    currency: str
    review_limit: Decimal
    wait_hours: int
    is_active: bool
    version: int


def list_shops(client: Client) -> list[Shop]:
    """The shops this person may see, active ones first."""
    columns = "id,code,name,platform,timezone,currency,review_limit,wait_hours,is_active,version"
    found = db.rows(client.table("shops").select(columns).order("is_active", desc=True).order("id"))
    return [Shop(**{**row, "review_limit": Decimal(str(row["review_limit"]))}) for row in found]


def add_shop(client: Client, *, code: str, name: str, platform: str, timezone: str, request_id: UUID) -> int:
    """Adds a shop to the default stock pool and returns its id. shop.code_taken, shop.bad_value."""
    shop = {"code": code.strip(), "name": name.strip(), "platform": platform, "timezone": timezone}
    answer = db.command(client, "save_shop", p_id=None, p_version=None, p_shop=shop, request_id=request_id)
    return int(answer["id"])


def change_shop(client: Client, shop: Shop, *, change: dict[str, Any], request_id: UUID) -> None:
    """Changes name, timezone, review_limit, wait_hours or is_active. shop.stale when somebody was faster."""
    db.command(
        client,
        "save_shop",
        p_id=shop.id,
        p_version=shop.version,
        p_shop=change,
        request_id=request_id,
    )


def free_code(platform: str, taken: set[str]) -> str:
    """A short code to propose: `tm`, then `tm2`, `tm3` …"""
    base = SHORT_CODES[platform]
    numbers = (f"{base}{n}" for n in range(2, len(taken) + 3))
    return next(code for code in (base, *numbers) if code not in taken)
