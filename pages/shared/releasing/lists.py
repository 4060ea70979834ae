"""Lists as files: for the ERP (CSV, XLSX) and for the shelves (A4 page, XLSX)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from backend import exports
from backend.orders import files
from backend.orders.files import Listed
from backend.orders.models import Release
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.queue.words import kind_name

_FILES = "release_files"
_PICK = "release_pick_open"
RELEASE_COLUMNS = (
    *("order_no", "buyer_account", "name", "phone", "province", "city", "district", "address"),
    *("sku", "goods", "spec", "quantity", "amount", "paid_at", "promise_ship_at", "ship_with", "note"),
)
HOLD_COLUMNS = ("order_no", "why", "sku", "goods", "spec", "quantity")
_STYLE = """
@page { size: A4; margin: 12mm; }
body { margin: 0; color: #000; }
body { font: 10.5pt/1.45 'PingFang SC', 'Microsoft YaHei', 'Noto Sans SC', sans-serif; }
h1 { font-size: 15pt; margin: 0; } h2 { font-size: 12pt; margin: 6mm 0 2mm; } p { margin: 1mm 0 4mm; }
table { width: 100%; border-collapse: collapse; } thead { display: table-header-group; }
tr { break-inside: avoid; } th, td { border: 1px solid #999; padding: 1.2mm 2mm; text-align: left; }
.n { text-align: right; } .box { width: 9mm; }
"""


def download_buttons(one: Release, user: User, key: str) -> None:
    """First the list is fetched (which counts as its download), then it is saved as CSV or XLSX."""
    kept: dict[int, Listed] = st.session_state.setdefault(_FILES, {})
    if one.id not in kept:
        label = t(f"release.fetch.{one.kind}")
        first = one.downloaded_at is None and one.kind == "release"
        if st.button(
            label,
            icon=":material/download:",
            type="primary" if one.downloaded_at is None else "secondary",
            key=f"release_fetch_{key}_{one.id}",
            help=t("release.fetch_help") if first else None,
        ):
            shop = user.shop(one.shop_id)
            with frame.boundary():
                zone = shop.timezone if shop else user.zone
                kept[one.id] = files.listed(frame.client(), frame.keyring(), one.id, zone=zone)
                st.rerun()
        return
    _save_buttons(one, kept[one.id], key)


def _save_buttons(one: Release, found: Listed, key: str) -> None:
    columns = [(name, plain(f"release.file.{name}")) for name in columns_of(one.kind)]
    rows = file_rows(one.kind, found)
    name = plain(f"release.file_name.{one.kind}", number=one.id, shop=one.shop_name)
    st.download_button(
        t("release.save", kind="CSV"),
        exports.write_csv(rows, columns),
        f"{name}.csv",
        mime="text/csv",
        icon=":material/save:",
        type="primary",
        key=f"release_csv_{key}_{one.id}",
        on_click="ignore",
    )
    st.download_button(
        t("release.save", kind="XLSX"),
        exports.write_xlsx(rows, columns, plain(f"release.sheet.{one.kind}")),
        f"{name}.xlsx",
        mime=exports.XLSX,
        icon=":material/save:",
        key=f"release_xlsx_{key}_{one.id}",
        on_click="ignore",
    )
    st.caption(t("release.rows", orders=found.orders, rows=len(rows)), width="content")
    if found.unreadable:
        st.warning(t("release.unreadable", count=found.unreadable), icon=":material/key_off:")


def columns_of(kind: str) -> Sequence[str]:
    """Columns of a list's file: who gets what for a release; only numbers and reasons for a hold list."""
    return RELEASE_COLUMNS if kind == "release" else HOLD_COLUMNS


def file_rows(kind: str, found: Listed) -> list[dict[str, Any]]:
    """The rows of the file, reasons in words."""
    if kind == "release":
        return list(found.rows)
    return [row | {"why": hold_reason(row)} for row in found.rows]


def hold_reason(row: dict[str, Any]) -> str:
    """Why an order must not ship: the hold's reason, its refund and the open kinds. Plain text."""
    reasons = [plain(f"release.reason.{row['held_reason']}")] if row.get("held_reason") else []
    kinds = row.get("kinds") or []
    if row.get("refund") in ("requested", "done") and "refund_stop" not in kinds:
        reasons.append(plain(f"release.reason.refund_{row['refund']}"))
    return ", ".join([*reasons, *(kind_name(kind) for kind in kinds)])


def pick_button(one: Release, key: str) -> None:
    """拣货单: opens the pick list of a release."""
    if st.button(t("release.pick"), icon=":material/shopping_basket:", key=f"release_pick_{key}_{one.id}"):
        st.session_state[_PICK] = (key, one.id)
    if st.session_state.get(_PICK) == (key, one.id):
        _pick_dialog(one)


def _close() -> None:
    st.session_state.pop(_PICK, None)


def _pick_dialog(one: Release) -> None:
    @st.dialog(
        t("release.pick_title", number=one.id),
        width="large",
        icon=":material/shopping_basket:",
        on_dismiss=_close,
    )
    def body() -> None:
        with frame.boundary():
            found = with_gifts_marked(files.pick_list(frame.client(), one.id))
            with st.container(horizontal=True):
                _pick_files(one, found)
            st.markdown(f"**{t('release.by_sku')}**")
            columns = ("sku", "name", "spec", "quantity", "orders")
            st.table(
                [
                    {plain(f"release.pick.{name}"): md(str(row[name])) for name in columns}
                    for row in found["by_sku"]
                ],
                hide_index=True,
                border="horizontal",
            )

    body()


def _pick_files(one: Release, found: dict[str, Any]) -> None:
    name = plain("release.file_name.pick", number=one.id, shop=one.shop_name)
    st.download_button(
        t("release.print"),
        pick_page(one, found),
        f"{name}.html",
        mime="text/html",
        icon=":material/print:",
        type="primary",
        key=f"release_print_{one.id}",
        on_click="ignore",
        help=t("release.print_help"),
    )
    names = ("order_no", "receiver_masked", "place", "sku", "name", "spec", "quantity")
    st.download_button(
        t("release.save", kind="XLSX"),
        exports.write_xlsx(
            pick_rows(found),
            [(one_, plain(f"release.pick.{one_}")) for one_ in names],
            plain("release.sheet.pick"),
        ),
        f"{name}.xlsx",
        mime=exports.XLSX,
        icon=":material/save:",
        key=f"release_pick_xlsx_{one.id}",
        on_click="ignore",
    )


def with_gifts_marked(found: dict[str, Any]) -> dict[str, Any]:
    """Promised gifts stand among the goods; their names say so."""
    by_order = [order | {"items": [_marked(item) for item in order["items"]]} for order in found["by_order"]]
    return {"by_sku": [_marked(row) for row in found["by_sku"]], "by_order": by_order}


def _marked(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"name": f"{files.GIFT_MARK}{row['name']}"} if row.get("is_gift") else row


def pick_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """By order: one row per product."""
    return [
        {**order, **item, "place": f"{order['province'] or ''} {order['city'] or ''}".strip()}
        for order in found["by_order"]
        for item in order["items"]
    ]


def pick_page(one: Release, found: dict[str, Any]) -> str:
    """The printable A4 page: by SKU to fetch, then by order to pack; every value escaped."""
    title = escape(plain("release.pick_title", number=one.id))
    facts = escape(plain("release.pick_facts", shop=one.shop_name, count=len(found["by_order"])))
    when = escape(frame.clock(one.created_at))
    by_sku = _html_table(("box", "sku", "name", "spec", "quantity", "orders"), found["by_sku"])
    packed = ("box", "order_no", "receiver_masked", "sku", "name", "spec", "quantity")
    by_order = _html_table(packed, pick_rows(found))
    head = f"<meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
    body = (
        f"<h1>{title}</h1><p>{facts} · {when}</p><h2>{escape(plain('release.by_sku'))}</h2>{by_sku}"
        f"<h2>{escape(plain('release.by_order'))}</h2>{by_order}"
    )
    return f"<!doctype html><html lang='{locale()}'><head>{head}</head><body>{body}</body></html>"


def _html_table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    def cell(row: dict[str, Any], name: str) -> str:
        kind = {"quantity": "n", "orders": "n", "box": "box"}.get(name, "")
        value = row.get(name)
        return f"<td class='{kind}'>{'' if value is None else escape(str(value))}</td>"

    heads = "".join(
        f"<th>{'' if name == 'box' else escape(plain(f'release.pick.{name}'))}</th>" for name in columns
    )
    lines = "".join(f"<tr>{''.join(cell(row, name) for name in columns)}</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
