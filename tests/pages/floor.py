"""A shop with the orders of a real export in it, for the pages of the queue."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from backend.imports.runner import Importer, Shop, import_file
from backend.local.stack import Stack
from backend.pii import Keyring
from backend.service import Service
from tests.people import Account, add_shop, hire, settings_of

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Floor:
    """A shop (`code`) on the stack; `member` makes somebody who works for it alone."""

    stack: Stack
    code: str

    def member(self, role: str, *, skills: Sequence[str] = ("review",)) -> Account:
        """A member of this shop; agents are reviewers unless told otherwise."""
        return hire(self.stack, role, shops=[self.code], skills=skills if role == "agent" else ())

    def orders(self, kind: str) -> list[int]:
        """Orders whose exception of this kind is open, in the order of their ids."""
        return [
            order_id
            for (order_id,) in self.ask(
                "select e.order_id from public.order_exceptions e join public.shops s on s.id = e.shop_id"
                " where s.code = %s and e.kind = %s and e.state = 'open' order by e.order_id",
                self.code,
                kind,
            )
        ]

    def exception(self, order_id: int, kind: str) -> int:
        """The id of an order's exception of a kind."""
        query = "select id from public.order_exceptions where order_id = %s and kind = %s"
        return int(self.ask(query, order_id, kind)[0][0])

    def states(self, order_id: int) -> dict[str, str]:
        """The state of each exception of an order."""
        return dict(self.ask("select kind, state from public.order_exceptions where order_id = %s", order_id))

    def ask(self, query: str, *values: object) -> list[tuple]:
        """Rows as the owner sees them."""
        with psycopg.connect(self.stack.db_url) as owner:
            return owner.execute(query, values).fetchall()


def empty_floor(stack: Stack) -> Floor:
    """A shop of its own without orders."""
    return Floor(stack, add_shop(stack, f"floor{next(_numbers)}"))


def open_floor(stack: Stack) -> Floor:
    """A shop of its own with the orders of the Taobao sample, as the importer takes them."""
    floor = empty_floor(stack)
    settings = settings_of(stack)
    service = Service(settings)
    shop = service.rpc("service_ensure_shop", p_platform="taobao", p_code=floor.code, p_create=False)
    importer = Importer(
        call=service.rpc, service=service.rpc, keyring=Keyring.parse(settings.pii_key), lang="zh-CN"
    )
    path = SAMPLES / "taobao_ExportOrderList.csv"
    import_file(importer, path, name=path.name, kind="orders", shop=Shop(**shop))
    return floor
