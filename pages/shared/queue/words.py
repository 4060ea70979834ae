"""What the queue says: kinds, evidence, reasons, owners, refusals and ready texts in this run's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from backend import errors
from backend.checks import wording
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import known, locale, plain, t

KINDS = (
    "duplicate",
    "out_of_stock",
    "same_ip",
    "remote",
    "bad_phone",
    "missing_detail",
    "mismatch",
    "suspicious",
    "refund_stop",
)
CORRECTABLE = ("bad_phone", "missing_detail", "mismatch", "suspicious", "remote")
_CHECKED = ("bad_phone", "missing_detail", "mismatch", "suspicious")
_ADDRESS = ("customer_confirmed", "verified", "known_buyer", "other")
WAIVE_REASONS: Mapping[str, Sequence[str]] = {
    "duplicate": ("both_wanted", "customer_confirmed", "other"),
    "out_of_stock": ("stock_coming", "customer_confirmed", "other"),
    "same_ip": ("known_buyer", "customer_confirmed", "verified", "other"),
    **dict.fromkeys((*_CHECKED, "remote"), _ADDRESS),
}
CANCEL_REASONS = (
    "customer_cancelled",
    "duplicate_order",
    "no_stock",
    "undeliverable",
    "unreachable",
    "fraud",
    "other",
)
WAIT_REASONS = ("asked_chat", "asked_phone", "asked_sms")
REOPEN_REASONS = ("customer_changed", "mistake", "later_proof")
_LIMIT = 1000


def kind(code: str) -> str:
    """地址矛盾; a kind this page does not know yet is shown as it is."""
    return plain(f"orders.kind.{code}") if known(f"orders.kind.{code}") else code


def capped(count: int) -> str:
    """`84`, `1000+`: counts are taken up to 1,001."""
    return f"{_LIMIT}+" if count > _LIMIT else str(count)


def evidence(code: str, facts: Mapping[str, Any]) -> str:
    """Why, in words: `江苏省 ≠ 杭州市`, `与 3920…1412 相隔 4 分`. Plain text."""
    if code in _CHECKED:
        sentence = wording.describe(code, facts, locale())
        return sentence.partition("：" if locale() == "zh-CN" else ": ")[2]
    if code == "duplicate":
        return plain("orders.joiner").join(_twin(other) for other in facts.get("orders", [])[:3])
    if code == "same_ip":
        return plain(
            "orders.why.same_ip", **{name: facts.get(name) for name in ("count", "accounts", "minutes")}
        )
    if code == "out_of_stock":
        return plain("orders.joiner").join(_short(item) for item in facts.get("items") or [])
    if code == "remote":
        return plain("orders.why.remote", province=facts.get("province") or "")
    return plain("orders.why.refund_stop", status=facts.get("status") or "") if code == "refund_stop" else ""


def reason(code: str | None) -> str:
    """The words of a decision's reason."""
    return plain(f"orders.reason.{code}") if code and known(f"orders.reason.{code}") else code or ""


def due(row: Mapping[str, Any]) -> fmt.Due:
    """The deadline of a work row."""
    state = {"open": "running", "waiting_customer": "paused"}.get(row["state"], "stopped")
    waits = plain("orders.waits") if state == "paused" else ""
    return fmt.due(row["due_at"], state=state, lang=locale(), reason=waits)


def done_words(row: Mapping[str, Any]) -> str:
    """When a work row was finished, and whether in time."""
    late = plain("orders.late") if row.get("is_on_time") is False else ""
    return f"{frame.clock(row['done_at'])} {late}".strip()


def owner(row: Mapping[str, Any], me: int) -> str:
    """我, a colleague's name, or 未领取."""
    if row.get("owner_id") is None:
        return plain("orders.nobody")
    return plain("orders.me") if row["owner_id"] == me else str(row.get("owner_name") or "")


def refusal(key: str, params: Mapping[str, Any] | None) -> str:
    """The sentence of a refusal, times and kinds in words. Plain text."""
    shown = {name: _param(key, name, value) for name, value in (params or {}).items()}
    return errors.message(key, locale(), **shown)


def order_no(number: str) -> str:
    """`3920…8909`: long numbers by their ends."""
    return number if len(number) <= 12 else f"{number[:4]}…{number[-4:]}"


def customer_text(code: str, order: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The message to the customer, ready to paste into the platform's chat, in the language of the page."""
    goods = plain("orders.joiner").join(
        str(item.get("name") or item.get("sku") or "") for item in facts.get("items") or []
    )
    return plain(f"orders.ask.{code}", order_no=order["order_no"], goods=goods)


def remark(code: str, what: str, user: frame.User) -> str:
    """The line for the platform's order remark: `【地址矛盾】确认无误 客服A 11-22`."""
    today = datetime.now(ZoneInfo(user.zone))
    return plain("orders.remark", kind=kind(code), what=what, who=user.name, day=f"{today:%m-%d}")


def chips(kinds: Sequence[str], *, high: bool = False) -> str:
    """Markdown of the kinds as small labels; high severity has a mark of its own."""
    labels = [f":gray-badge[{md(kind(code))}]" for code in kinds]
    return " ".join([*labels, f":gray-badge[{t('orders.high')}]"] if high else labels)


def _twin(other: Mapping[str, Any]) -> str:
    return plain("orders.why.duplicate", order_no=other["order_no"], minutes=other["minutes"])


def _short(item: Mapping[str, Any]) -> str:
    name = " ".join(str(item.get(part) or "") for part in ("name", "spec")).strip() or str(item.get("sku"))
    return plain("orders.why.out_of_stock", name=name, need=item["need"], left=item["left"])


def _param(key: str, name: str, value: Any) -> Any:
    if name in ("at", "until"):
        return frame.clock(value)
    if name == "kind":
        return kind(str(value))
    if name == "kinds" and isinstance(value, list):
        return plain("orders.joiner").join(kind(str(code)) for code in value)
    return fmt.money(value) if (key, name) == ("exception.needs_manager", "limit") else value
