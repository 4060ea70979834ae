"""The filtered rows as a file: masked as on the screen, no cell can run."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import streamlit as st

from backend import exports
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import gateway, words

MOST = 5000
_COLUMNS = (
    *("order_no", "shop", "platform", "state", "kinds", "why", "amount", "due", "owner", "buyer"),
    *("receiver", "phone", "province", "city", "placed_at", "paid_at", "promise_ship_at"),
)
_TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


def draw(wanted: Mapping[str, Any]) -> None:
    """The two files of what the filters leave; they are made when somebody asks for them."""
    with st.popover("", icon=":material/download:", help=t("orders.export"), key="orders_export"):
        st.caption(t("orders.export_text", most=MOST))
        for kind, mime in _TYPES.items():
            st.download_button(
                t(f"orders.export_{kind}"),
                partial(_file, kind, dict(wanted), frame.client(), frame.require_user()),
                file_name=f"shopdesk-orders.{kind}",
                mime=mime,
                key=f"orders_export_{kind}",
                on_click="ignore",
                width="stretch",
            )


def _file(kind: str, wanted: Mapping[str, Any], client: Any, user: User) -> bytes:
    found = gateway.every_row(client, wanted, most=MOST)
    rows = [line(row, user) for row in found]
    columns = [(name, plain(f"orders.column.{name}")) for name in _COLUMNS]
    if kind == "csv":
        return exports.write_csv(rows, columns)
    return exports.write_xlsx(rows, columns, plain("orders.title"))


def line(row: gateway.Row, user: User) -> dict[str, Any]:
    """A row of the file."""
    zone = user.zone
    times = {
        name: fmt.exact_time(row[name], zone=zone) for name in ("placed_at", "paid_at", "promise_ship_at")
    }
    open_ones = [e for e in row["exceptions"] if e["kind"] in row["kinds"]]
    joiner = plain("orders.joiner")
    return times | {
        "order_no": row["order_no"],
        "shop": row["shop_name"],
        "platform": plain(f"platform.{row['platform']}"),
        "state": plain(f"orders.state.{row['state']}"),
        "kinds": joiner.join(words.kind(code) for code in row["kinds"]),
        "why": joiner.join(words.evidence(e["kind"], e["evidence"]) for e in open_ones),
        "amount": None if row["amount"] is None else Decimal(str(row["amount"])),
        "due": fmt.exact_time(row["due_at"], zone=zone),
        "owner": words.owner(row, user.id),
        "buyer": row["buyer_account"],
        "receiver": row["receiver_masked"],
        "phone": row["phone_masked"],
        "province": row["province"],
        "city": row["city"],
    }
