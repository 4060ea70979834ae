"""What may stand in braces in a script, and filling it in from the case at hand.

The word check reads the text with its braces; what is filled in stays on the screen of the person who copies
it and
is stored nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    "顾客称呼": ("customer", "亲"),
    "订单号": ("order number", "3920148816048909"),
    "商品": ("product", "保湿面霜"),
    "规格": ("specification", "50 g"),
    "数量": ("quantity", "2"),
    "金额": ("amount", "¥50.00"),
    "快递公司": ("carrier", "顺丰速运"),
    "快递单号": ("tracking number", "SF1029384756"),
    "工单号": ("ticket number", "T-1042"),
    "客服": ("my name", "客服A"),
    "店铺": ("shop", "示例旗舰店"),
    "日期": ("date", "11 月 25 日"),
    "赠品": ("gift", "试用装"),
}
"""Name in the text → English name and an example. The database knows the same names
(private.script_variables)."""

_PLACE: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with its variables filled in. `missing`: those without a value, which still stand in braces."""

    text: str
    missing: tuple[str, ...] = ()


def names_in(body: str) -> tuple[str, ...]:
    """The names in braces, each once, in their order."""
    return tuple(dict.fromkeys(_PLACE.findall(body)))


def unknown(body: str) -> tuple[str, ...]:
    """Names in braces that nothing fills in."""
    return tuple(name for name in names_in(body) if name not in VARIABLES)


def has_lone_brace(body: str) -> bool:
    """Whether a brace has lost its other half."""
    return bool(re.search(r"[{}]", _PLACE.sub("", body)))


def fill(body: str, values: Mapping[str, str]) -> Filled:
    """Put values in place of the braces, in one pass: what is filled in is never read as a variable again."""
    given = {name: value.strip() for name, value in values.items() if value and value.strip()}
    text = _PLACE.sub(lambda found: given.get(found.group(1), found.group(0)), body)
    return Filled(text, tuple(name for name in names_in(body) if name not in given))


def speaking(me: str, shop: str) -> dict[str, str]:
    """What is known without a case: who speaks, for which shop. Not the date: scripts name the day when
    something arrives, and nobody promises a customer today by default.
    """
    return {"客服": me, "店铺": shop}


def goods(items: Sequence[tuple[str, str, int]]) -> dict[str, str]:
    """`商品`, `规格` and `数量` of an order's lines (name, specification, pieces); several lines are named
    together."""
    if not items:
        return {}
    if len(items) == 1:
        name, spec, pieces = items[0]
        return {"商品": name, "规格": spec, "数量": str(pieces)}
    total = sum(pieces for _, _, pieces in items)
    return {"商品": f"{items[0][0]}等 {len(items)} 种商品", "数量": str(total)}
