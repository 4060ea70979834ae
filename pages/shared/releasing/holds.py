"""拦截未发: orders that wait to ship and must not; those already in the ERP first, and loud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend.orders import commands, reads
from backend.orders.models import HOLD_REASONS, OrderRef, Released
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.releasing import lists, ready
from pages.shared.releasing.ready import RELEASERS

_HOLDERS = ("operations", "manager", "warehouse")
_LIFTERS = ("operations", "manager")
_ROUND = "release_hold_round"
Row = Mapping[str, Any]


def draw(user: User) -> None:
    """The orders to stop, the hold list of all of them, and what to do with the selected ones."""
    with widgets.filter_row("release_holds"):
        shop_id = ready.shop_filter(user, "release_holds")
    answer = reads.holds(frame.client(), shop_id=shop_id)
    rows, count = answer["rows"], answer["count"]
    if not rows:
        widgets.empty_state(
            t("release.no_holds"), t("release.no_holds_hint"), icon=":material/verified:", key="holds"
        )
        return
    late = [row for row in rows if row["is_in_erp"]]
    if late:
        st.error(t("release.in_erp", count=len(late)), icon=":material/front_hand:")
    with st.container(horizontal=True, vertical_alignment="center", key="release_hold_head"):
        shown = "1000+" if count > 1000 else str(count)
        title = t("release.hold_count", count=shown)
        st.markdown(f"**{title}** :gray[{t('release.hold_text')}]", width="content")
        buttons = st.container(width="content")
    selected = _table(rows)
    with buttons:
        _buttons(selected, shop_id, user)


def _table(rows: Sequence[Row]) -> list[Row]:
    key = f"release_holds_{st.session_state.setdefault(_ROUND, 0)}"
    with widgets.wide("release_holds"):
        chosen = st.dataframe(
            pd.DataFrame([_cells(row) for row in rows]),
            hide_index=True,
            key=key,
            on_select="rerun",
            selection_mode="multi-row",
            height=560 if len(rows) > 15 else "content",
            column_order=_order(rows),
            column_config=_columns(),
            alt=plain("release.holds_alt"),
        )
        if len(rows) >= 200:
            st.caption(t("release.shown_first", shown=len(rows)))
    with widgets.narrow("release_holds"):
        ticked = [row for row in rows[:40] if _card(row, key=f"{key}_{row['id']}")]
    marked = [rows[place] for place in chosen.selection.rows if place < len(rows)]
    return marked + [row for row in ticked if row not in marked]


def _order(rows: Sequence[Row]) -> list[str]:
    """The columns that say something here."""
    names = ["order_no", "why", "shop", "receiver", "amount"]
    if any(row["is_in_erp"] for row in rows):
        names.insert(0, "where")
    return [*names, "promise"] if any(row["promise_ship_at"] for row in rows) else names


def _cells(row: Row) -> dict[str, object]:
    return {
        "where": plain("release.where.erp") if row["is_in_erp"] else plain("release.where.desk"),
        "order_no": row["order_no"],
        "why": fmt.sentence(lists.hold_reason(dict(row))),
        "shop": row["shop_name"],
        "receiver": f"{row['receiver_masked'] or ''} {row['phone_masked'] or ''}".strip(),
        "amount": fmt.money(row["amount"]),
        "promise": frame.clock(row["promise_ship_at"]),
    }


def _columns() -> dict[str, Any]:
    column = st.column_config
    found: dict[str, Any] = {
        name: column.TextColumn(plain(f"release.column.{name}"))
        for name in ("where", "order_no", "why", "shop", "receiver", "promise")
    }
    found["amount"] = column.TextColumn(plain("release.column.amount"), width=100, alignment="right")
    return found


def _card(row: Row, *, key: str) -> bool:
    """One order in a narrow window; answers whether it is ticked."""
    cells = _cells(row)
    with st.container(border=True, gap="xxsmall"):
        where = f":red-badge[:material/front_hand: {md(cells['where'])}]" if row["is_in_erp"] else ""
        ticked = ready.tick(f"**{md(cells['order_no'])}** · {md(cells['amount'])} {where}", key)
        st.caption(md(f"{cells['shop']} · {cells['why']}"))
    return ticked


def _buttons(selected: Sequence[Row], shop_id: int | None, user: User) -> None:
    free = [OrderRef(row["id"], row["version"]) for row in selected if row["held_at"] is None]
    held = [OrderRef(row["id"], row["version"]) for row in selected if row["held_at"] is not None]
    with st.container(horizontal=True, gap="small"):
        if free and user.has(*_HOLDERS):
            _add(free)
        if (
            held
            and user.has(*_LIFTERS)
            and st.button(t("release.lift", count=len(held)), icon=":material/lock_open:", key="release_lift")
        ):
            with frame.boundary():
                mark = frame.request_id("lift_hold", [(ref.id, ref.version) for ref in held])
                _done(commands.lift_hold(frame.client(), held, request_id=mark), "release.lifted")
        if user.has(*RELEASERS) and st.button(
            t("release.hold_list"), icon=":material/front_hand:", type="primary", key="release_hold_list"
        ):
            with frame.boundary():
                mark = frame.request_id("make_hold_list", shop_id)
                made = commands.make_hold_list(frame.client(), shop_id=shop_id, request_id=mark)
                _done(made, "release.hold_list_made")


def _add(free: Sequence[OrderRef]) -> None:
    with st.popover(t("release.hold", count=len(free)), icon=":material/front_hand:"):
        reason = st.radio(
            t("release.why"),
            HOLD_REASONS,
            index=None,
            format_func=lambda code: t(f"release.reason.{code}"),
            key="release_hold_reason",
        )
        if st.button(t("release.hold_do"), type="primary", disabled=reason is None, key="release_hold_do"):
            with frame.boundary():
                mark = frame.request_id("add_hold", [(ref.id, ref.version) for ref in free], reason)
                made = commands.add_hold(frame.client(), free, str(reason), request_id=mark)
                _done(made, "release.held")


def _done(made: Released, key: str) -> None:
    """Shows the lists that were made and starts with an empty selection."""
    if made.releases:
        st.session_state["release_new"] = [one["id"] for one in made.releases]
    st.session_state["release_refused"] = [
        {"key": one.key, "params": one.params} for one in made.refused if one.key
    ]
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    frame.flash_and_rerun(t(key, count=made.done))
