"""Orders in words: labels, evidence as sentences, texts to copy for the buyer and for the platform's remark.

The words lie in words.json. Texts for buyers ask and offer; they promise no date, no reward and no result
(Advertising Law of the PRC art. 9; E-Commerce Law art. 17) and name of the address its region alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from backend.checks import wording as checks
from backend.checks.models import Evidence

Table = Mapping[str, Mapping[str, str]]
"""key -> language -> word"""

_WORDS: Final[Mapping[str, Table]] = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
KINDS: Final = _WORDS["kinds"]
STATES: Final = _WORDS["states"]
STATUSES: Final = _WORDS["statuses"]
DECISIONS: Final = _WORDS["decisions"]
REASONS: Final = _WORDS["reasons"]
ACTIONS: Final = _WORDS["actions"]
_ASKS: Final = _WORDS["asks"]
_REMARKS: Final = _WORDS["remarks"]

_REGIONAL: Final = frozenset({"bad_phone", "missing_detail", "mismatch", "suspicious"})


def label(table: Table, key: str, lang: str = "zh-CN") -> str:
    """The word for a key; an unknown key stands for itself."""
    return table[key][_language(lang)] if key in table else key


def evidence(kind: str, facts: Mapping[str, Any], lang: str = "zh-CN") -> str:
    """One sentence for an exception: what is wrong, with what proves it."""
    if kind in _REGIONAL:
        return checks.describe(kind, _plain(facts), lang)
    colon = "：" if _at(lang) == 0 else ": "
    said = _SAID[kind](facts, _at(lang)) if kind in _SAID else ""
    return label(KINDS, kind, lang) + (colon + said if said else "")


def short_number(order_no: str) -> str:
    """A long order number as lists show it: 3920…8909."""
    return order_no if len(order_no) <= 10 else f"{order_no[:4]}…{order_no[-4:]}"


def customer_text(kind: str, facts: Mapping[str, Any], order_no: str, lang: str = "zh-CN") -> str:
    """A message for the buyer, ready to copy; '' where the buyer is not the one to ask (same IP)."""
    if kind not in _ASKS:
        return ""
    ask = _ASKS[kind][_language(lang)]
    values = {"order": order_no} | {
        name: _first(kind, facts, name) for name in ("left", "right", "province", "goods")
    }
    return ask.format_map(values)


def remark(what: str, who: str, when: datetime, lang: str = "zh-CN") -> str:
    """For the platform's own note field: 「【地址待确认】客服A 11-22」. `what` is a kind or a decision."""
    tag = label(_REMARKS, what, lang)
    return f"【{tag}】{who} {when:%m-%d}"


def _language(lang: str) -> str:
    return "zh-CN" if lang.startswith("zh") else "en"


def _at(lang: str) -> int:
    return 0 if lang.startswith("zh") else 1


def _plain(facts: Mapping[str, Any]) -> Evidence:
    return {name: value for name, value in facts.items() if isinstance(value, str | int)}


def _duplicate(facts: Mapping[str, Any], at: int) -> str:
    others = facts.get("orders") or []
    if not others:
        return ""
    if at == 0:
        named = "、".join(f"{short_number(o['order_no'])}（相隔 {o['minutes']} 分钟）" for o in others[:3])
        return f"与 {named}" + (f" 等 {len(others)} 单" if len(others) > 3 else "")
    named = ", ".join(f"{short_number(o['order_no'])} ({o['minutes']} min apart)" for o in others[:3])
    return f"with {named}" + (f" and {len(others) - 3} more" if len(others) > 3 else "")


def _out_of_stock(facts: Mapping[str, Any], at: int) -> str:
    template = ("{what} 需 {need}，可用 {left}", "{what} needs {need}, {left} left")[at]
    lines = (
        template.format(
            what=item.get("name") or item.get("sku") or "", need=item.get("need"), left=item.get("left")
        )
        for item in (facts.get("items") or [])[:3]
    )
    return ("；", "; ")[at].join(lines)


def _same_ip(facts: Mapping[str, Any], at: int) -> str:
    if "count" not in facts:
        return ""
    values = {name: facts.get(name, "…") for name in ("count", "minutes", "accounts")}
    return (
        "{minutes} 分钟内 {count} 单，{accounts} 个买家账号",
        "{count} orders of {accounts} buyer accounts within {minutes} minutes",
    )[at].format_map(values)


def _remote(facts: Mapping[str, Any], at: int) -> str:
    return str(facts.get("province") or "")


def _refund_stop(facts: Mapping[str, Any], at: int) -> str:
    status = facts.get("status")
    return ("平台状态「{}」", "platform says “{}”")[at].format(status) if status else ""


_SAID: Final[Mapping[str, Callable[[Mapping[str, Any], int], str]]] = {
    "duplicate": _duplicate,
    "out_of_stock": _out_of_stock,
    "same_ip": _same_ip,
    "remote": _remote,
    "refund_stop": _refund_stop,
}


def _first(kind: str, facts: Mapping[str, Any], name: str) -> str:
    if name == "goods":
        items = facts.get("items") or [{}]
        return str(items[0].get("name") or items[0].get("sku") or "商品")
    return str(facts.get(name) or "…")
