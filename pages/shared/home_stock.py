"""The parts of the stock page: search, the list with its refill alerts, the same as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend import exports
from backend.orders import reads
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.importing.ages import age_words

_PAGE = 50
_COLUMNS = ("alert", "sku", "name", "spec", "available", "safety_stock", "at")
Row = dict[str, Any]


def age(ages: Sequence[Mapping[str, Any]]) -> None:
    """How old the stock is: every verdict about shortages stands on it."""
    for row in ages:
        if row["kind"] == "products":
            st.markdown(f":gray[{t('stock.age')}] {age_words(row)}")


def filters() -> tuple[str, bool]:
    """Draws the filter row; what was typed, and whether only refill alerts are wanted."""
    with widgets.filter_row("stock"):
        text = st.text_input(
            t("stock.search"),
            key="stock_q",
            type="search",
            placeholder=plain("stock.search"),
            bind="query-params",
            width=280,
        )
        low_only = st.toggle(t("stock.low_only"), key="stock_low", bind="query-params")
    return (text or "").strip(), bool(low_only)


def place(text: str, low_only: bool) -> Row | None:
    """Where the shown page begins."""
    found: Row | None = widgets.cursor("stock", text, low_only)
    return found


def table(found: Mapping[str, Any], *, text: str, low_only: bool) -> None:
    """The page of products; refill alerts carry icon and words."""
    rows, count = found["rows"], found["count"]
    if found["low"]:
        st.markdown(f":orange-badge[:material/inventory: {t('stock.alerts', count=found['low'])}]")
    if not rows:
        _empty(bool(text), low_only)
        return
    with widgets.wide("stock"):
        st.dataframe(
            pd.DataFrame([_cells(row) for row in rows], columns=_COLUMNS),
            hide_index=True,
            height="content",
            column_config=_columns(),
            key="stock_table",
            alt=plain("stock.title"),
        )
    with widgets.narrow("stock"):
        for row in rows:
            _card(row)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        _export(text, low_only)
        last = {"sku": rows[-1]["sku"], "id": rows[-1]["id"]}
        widgets.pager(
            "stock",
            next_cursor=last if len(rows) == _PAGE else None,
            shown=len(rows),
            total=min(count, 1000),
            capped=count > 1000,
        )


def _empty(searched: bool, low_only: bool) -> None:
    if searched:
        widgets.empty_state(t("stock.no_match"), t("stock.no_match_hint"), key="stock")
    elif low_only:
        widgets.empty_state(
            t("stock.no_alerts"), t("stock.no_alerts_hint"), icon=":material/task_alt:", key="stock"
        )
    else:
        with widgets.empty_state(t("stock.none"), t("stock.none_hint"), key="stock"):
            home_links.link(t("stock.to_imports"), "imports", icon=":material/upload_file:")


def _cells(row: Row) -> Row:
    return {
        "alert": alert(row),
        "sku": row["sku"],
        "name": row["name"],
        "spec": row["spec"],
        "available": row["available"],
        "safety_stock": row["safety_stock"],
        "at": frame.clock(row["stock_at"]),
    }


def alert(row: Mapping[str, Any]) -> str:
    """`● 缺货`, `◐ 补货 18`: how many pieces bring the product back to its safety stock. Plain text."""
    if not row["is_low"]:
        return ""
    missing = row["safety_stock"] - row["available"]
    return (
        plain("stock.empty", missing=missing)
        if row["available"] == 0
        else plain("stock.low", missing=missing)
    )


def _columns() -> dict[str, Any]:
    column = st.column_config
    found: dict[str, Any] = {
        name: column.TextColumn(plain(f"stock.column.{name}"))
        for name in ("alert", "sku", "name", "spec", "at")
    }
    for name in ("available", "safety_stock"):
        found[name] = column.NumberColumn(plain(f"stock.column.{name}"), format="localized", width=100)
    return found


def _card(row: Row) -> None:
    with st.container(border=True, gap="xxsmall"):
        words = alert(row)
        badge = f" :orange-badge[{md(words)}]" if words else ""
        st.markdown(f"**{md(row['name'])}** {md(row['spec'] or '')}{badge}")
        available, safety = pieces(row["available"]), pieces(row["safety_stock"])
        st.caption(t("stock.card", sku=row["sku"], available=available, safety=safety))


def pieces(count: int | None) -> str:
    """`1,260`; `—` for a product whose stock no file has counted. Plain text."""
    return "—" if count is None else f"{count:,}"


def _export(text: str, low_only: bool) -> None:
    """The filtered products as a file: fetched when asked for."""
    with st.popover(t("stock.export"), icon=":material/download:"):
        if not st.toggle(t("stock.export_ready"), key="stock_export"):
            return
        rows = [_cells(row) for row in everything(text, low_only)]
        columns = [(name, plain(f"stock.column.{name}")) for name in _COLUMNS]
        name = plain("stock.title")
        st.download_button(
            "CSV",
            exports.write_csv(rows, columns),
            f"{name}.csv",
            mime="text/csv",
            key="stock_csv",
            on_click="ignore",
        )
        st.download_button(
            "XLSX",
            exports.write_xlsx(rows, columns, name),
            f"{name}.xlsx",
            mime=exports.XLSX,
            key="stock_xlsx",
            on_click="ignore",
        )


def everything(text: str, low_only: bool) -> list[Row]:
    """All products under the filter, page by page."""
    found: list[Row] = []
    after: Row | None = None
    while True:
        page = reads.products(frame.client(), text=text, low_only=low_only, after=after)["rows"]
        found += page
        if len(page) < _PAGE:
            return found
        after = {"sku": page[-1]["sku"], "id": page[-1]["id"]}
