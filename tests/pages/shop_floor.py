"""A shop of a test's own, with people who work there and samples that go in as the command imports them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from backend.imports.runner import Importer, Report, Shop, import_file
from backend.local.stack import Stack
from backend.pii import Keyring
from backend.service import Service
from tests.people import Account, add_shop, hire, settings_of

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
ROLES = ("agent", "warehouse", "operations", "analyst", "manager", "admin")


class ShopFloor:
    """One shop (or several), with members made when they are first asked for."""

    def __init__(self, stack: Stack, code: str, *, more_shops: Sequence[str] = ()) -> None:
        self.stack = stack
        self.code = add_shop(stack, code)
        self.shops = [code, *(add_shop(stack, other) for other in more_shops)]
        self.shop_id = int(self.one("select id from public.shops where code = %s", code))
        self._people: dict[str, Account] = {}

    def person(self, role: str) -> Account:
        """The member with a role; the agent is presales and reviews."""
        if role not in self._people:
            skills = ("presales", "review") if role == "agent" else ()
            self._people[role] = hire(self.stack, role, shops=self.shops, skills=skills)
        return self._people[role]

    def one(self, query: str, *params: object) -> Any:
        """One value, read as the schema's owner."""
        with psycopg.connect(self.stack.db_url) as owner:
            found = owner.execute(query, params).fetchone()
        assert found is not None
        return found[0]

    def count(self, condition: str) -> int:
        """How many orders of this shop meet a condition."""
        return int(
            self.one(f"select count(*) from public.orders where shop_id = {self.shop_id} and {condition}")
        )

    def open(self, kind: str) -> int:
        """How many orders of this shop have an open exception of this kind."""
        return int(
            self.one(
                "select count(*) from public.order_exceptions"
                " where shop_id = %s and kind = %s and state = 'open'",
                self.shop_id,
                kind,
            )
        )

    def load(self, file: str, *, of_shop: bool = True) -> Report:
        """Imports a sample: orders into this shop, stock into the pool."""
        settings = settings_of(self.stack)
        service = Service(settings)
        shop = Shop(id=self.shop_id, code=self.code, platform="taobao") if of_shop else None
        keys = Keyring.parse(settings.pii_key)
        importer = Importer(call=service.rpc, service=service.rpc, keyring=keys)
        return import_file(importer, SAMPLES / file, name=file, shop=shop)
