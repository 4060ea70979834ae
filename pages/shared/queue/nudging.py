"""The parts of 催付: the unpaid orders, the message for one of them, and the list as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st
from supabase import Client

from backend import exports
from backend.orders import commands, reads, wording
from pages.shared import address, frame, widgets
from pages.shared import format as fmt
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.queue import words

MOST = 1000
_PAGE = 50
_ROUND = "nudge_round"
_TYPES: tuple[tuple[Literal["csv", "xlsx"], str], ...] = (
    ("xlsx", exports.XLSX),
    ("csv", "text/csv"),
)
_FILE = ("order_no", "shop", "amount", "placed_at", "buyer", "receiver", "phone", "text")
Row = dict[str, Any]


def shop_filter(user: User) -> int | None:
    """Draws the shop filter, which the address knows as `?shop=`, and returns the shop."""
    if "nudge_shop" not in st.session_state:
        st.session_state["nudge_shop"] = address.shop(user)
    names = {shop.id: shop.name for shop in user.shops}
    chosen: int | None = widgets.choice(
        t("nudge.shop"),
        list(names),
        names.__getitem__,
        key="nudge_shop",
        on_change=_to_address,
        width=220,
    )
    return chosen


def _to_address() -> None:
    chosen = st.session_state["nudge_shop"]
    if chosen is None:
        st.query_params.pop("shop", None)
    else:
        st.query_params["shop"] = str(chosen)


def show(user: User, shop_id: int | None) -> None:
    """The page of the list with its pager; a row opens its message."""
    after = widgets.cursor("nudge", shop_id)
    found = reads.payment_nudge(frame.client(), shop_id=shop_id, after=after)
    rows: list[Row] = found["rows"]
    if not rows:
        widgets.empty_state(t("nudge.none"), t("nudge.none_hint"), icon=":material/paid:", key="nudge")
        return
    count = words.capped(found["count"])
    st.markdown(t("nudge.summary", count=count, amount=fmt.money(found["amount"])))
    with widgets.wide("nudge"):
        _table(user, rows)
    with widgets.narrow("nudge"):
        for row in rows:
            _card(user, row)
    following = _place(rows[-1]) if len(rows) == _PAGE else None
    total = min(found["count"], 1000)
    widgets.pager("nudge", next_cursor=following, shown=len(rows), total=total, capped=found["count"] > 1000)


def _table(user: User, rows: Sequence[Row]) -> None:
    key = f"nudge_table_{st.session_state.setdefault(_ROUND, 0)}"
    event = st.dataframe(
        pd.DataFrame([_cells(row) for row in rows]),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        column_config=_columns(),
        height="content",
        alt=plain("nudge.title"),
    )
    st.caption(t("nudge.open_hint"))
    cells = event["selection"]["cells"]
    if cells:
        st.session_state[_ROUND] += 1
        dialog(user, rows[cells[0][0]])


def _card(user: User, row: Row) -> None:
    with st.container(border=True, gap="xxsmall", key=f"nudge_card_{row['id']}"):
        facts = (row["buyer_account"] or wording.short_number(row["order_no"]), fmt.money(row["amount"]))
        st.markdown(md(" · ".join(facts)))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(md(f"{row['shop_name']} · {frame.clock(row['placed_at'])}"), width="stretch")
            if st.button(t("nudge.text"), key=f"nudge_open_{row['id']}"):
                dialog(user, row)


def _cells(row: Row) -> Row:
    return {
        "order_no": row["order_no"],
        "placed_at": frame.clock(row["placed_at"]),
        "buyer": row["buyer_account"] or "",
        "receiver": row["receiver_masked"] or "",
        "phone": row["phone_masked"] or "",
        "shop": row["shop_name"],
        "amount": fmt.money(row["amount"]),
    }


def _columns() -> dict[str, Any]:
    names = ("order_no", "placed_at", "buyer", "receiver", "phone", "shop")
    text = st.column_config.TextColumn
    return {name: text(plain(f"nudge.column.{name}")) for name in names} | {
        "amount": text(plain("nudge.column.amount"), alignment="right")
    }


def dialog(user: User, row: Row) -> None:
    """The message for one order, and everything that has to be copied with it."""
    st.dialog(t("nudge.drawer"), position="right", width="small")(_message)(user, row)


def _message(user: User, row: Row) -> None:
    text = message(row)
    st.markdown(f"**{md(row['order_no'])}** · {md(fmt.money(row['amount']))} · {md(row['shop_name'])}")
    with st.container(horizontal=True, gap="small"):
        widgets.copy_button(row["order_no"], key="nudge_copy_order", label=plain("nudge.copy_order"))
        if row["buyer_account"]:
            widgets.copy_button(row["buyer_account"], key="nudge_copy_buyer", label=plain("nudge.copy_buyer"))
    told = t("nudge.buyer", buyer=row["buyer_account"]) if row["buyer_account"] else t("nudge.no_buyer")
    st.caption(told)
    st.markdown(f"> {md(text)}")
    with st.container(horizontal=True, gap="small"):
        widgets.copy_button(text, key="nudge_copy_text", label=plain("nudge.copy_text"))
        widgets.copy_button(
            words.remark("unpaid", user), key="nudge_copy_remark", label=plain("nudge.copy_remark")
        )


def message(row: Row) -> str:
    """The ready message for an unpaid order."""
    return wording.customer_text("unpaid", {}, row["order_no"], locale())


def export(shop_id: int | None) -> None:
    """The whole list as a file, masked, with the messages; made when somebody asks for it.

    Drawn anew every few minutes: the button holds a token that lives for fifteen.
    """
    st.fragment(_export, run_every=300, key="nudge_export_part")(shop_id)


def _export(shop_id: int | None) -> None:
    with st.popover("", icon=":material/download:", help=t("nudge.export"), key="nudge_export"):
        st.caption(t("nudge.export_text", most=MOST))
        heads = [(name, plain(f"nudge.column.{name}")) for name in _FILE]
        for kind, mime in _TYPES:
            make = partial(_content, frame.client(), shop_id, kind, heads, plain("nudge.title"), locale())
            st.download_button(
                t(f"nudge.export_{kind}"),
                make,
                file_name=f"shopdesk-unpaid.{kind}",
                mime=mime,
                key=f"nudge_export_{kind}",
                on_click="ignore",
                width="stretch",
            )


def _content(
    client: Client, shop_id: int | None, kind: str, heads: exports.Columns, sheet: str, lang: str
) -> bytes:
    rows = [_line(row, lang) for row in _every(client, shop_id)]
    commands.note_export(client, "payment_nudge", len(rows), shop_id=shop_id)
    return exports.write_csv(rows, heads) if kind == "csv" else exports.write_xlsx(rows, heads, sheet)


def _every(client: Client, shop_id: int | None) -> Iterator[Row]:
    """All rows, page by page, at most MOST."""
    after: Row | None = None
    for _ in range(MOST // _PAGE):
        rows = reads.payment_nudge(client, shop_id=shop_id, after=after)["rows"]
        yield from rows
        if len(rows) < _PAGE:
            return
        after = _place(rows[-1])


def _place(row: Row) -> Row:
    return {"placed_at": row["placed_at"], "id": row["id"]}


def _line(row: Row, lang: str) -> Row:
    return {
        "order_no": row["order_no"],
        "shop": row["shop_name"],
        "amount": None if row["amount"] is None else Decimal(str(row["amount"])),
        "placed_at": fmt.exact_time(row["placed_at"]),
        "buyer": row["buyer_account"],
        "receiver": row["receiver_masked"],
        "phone": row["phone_masked"],
        "text": wording.customer_text("unpaid", {}, row["order_no"], lang),
    }
