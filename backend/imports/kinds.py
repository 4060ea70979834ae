"""The kinds of file as pages and commands offer them; who may import what is decided by the database."""

from collections.abc import Mapping
from typing import Final, get_args

from backend.imports.records import Kind

# In the order in which files are imported: cases and ratings need the orders, orders and parcels the stock.
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
OF_POOL: Final = ("products", "shipments")  # belong to all shops of a stock pool; the others to one shop
_LEADERS: Final = ("operations", "manager", "admin")
_ALSO: Final[Mapping[str, str]] = {
    **dict.fromkeys(OF_POOL, "warehouse"),
    **dict.fromkeys(("performance", "reviews", "traffic", "chats"), "analyst"),
}


def offered(role: str) -> tuple[str, ...]:
    """The kinds that a role may import, as `private.import_roles` has them."""
    return tuple(kind for kind in KINDS if role in _LEADERS or _ALSO.get(kind) == role)
