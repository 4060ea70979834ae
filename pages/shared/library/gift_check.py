"""漏发赠品: promised gifts that nobody ticked; what shipped without them stands first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend.library import commands, reads
from backend.library.models import GIFT_TABS, Gift
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import offer_list, state

_ROUND = "gifts_round"
_COLUMNS = ("order_no", "gift", "count", "shop", "promised_by", "promised_at", "when")


def draw(user: User) -> None:
    """The list with its ticks."""
    tab = offer_list.tab("missing", GIFT_TABS)
    shop = state.value("gifts", "shop")
    after = widgets.cursor("gift_check", tab, shop)
    page = reads.gift_check(frame.client(), tab=tab, shop_id=int(shop) if shop else None, after=after)
    offer_list.tabs(tab, GIFT_TABS, page.tabs, "gift_tab", always=GIFT_TABS)
    offer_list.filters(user, searching=False)
    st.caption(t(f"library.gift_about.{tab}"))
    if not page.rows:
        widgets.empty_state(
            t(f"library.no_gifts.{tab}"),
            t("library.no_gifts_hint"),
            icon=":material/task_alt:",
            key="gift_check",
        )
        return
    packs = user.has("warehouse", "operations", "manager")
    if widgets.draws("wide"):
        with widgets.wide("gift_check"):
            _table(page.rows, packs)
    if widgets.draws("narrow"):
        with widgets.narrow("gift_check"):
            for row in page.rows:
                _card(row, packs)
    widgets.pager(
        "gift_check",
        next_cursor=page.next,
        shown=len(page.rows),
        total=page.tabs.get(tab),
    )


def _table(rows: Sequence[Gift], packs: bool) -> None:
    key = f"gift_check_{st.session_state.setdefault(_ROUND, 0)}"
    event = st.session_state.get(key)
    ticked = [rows[n] for n in event["selection"]["rows"] if n < len(rows)] if event else []
    if packs:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if st.button(
                t("library.pack", count=len(ticked)),
                key="gift_check_pack",
                icon=":material/redeem:",
                type="primary",
                disabled=not ticked,
            ):
                _pack(ticked)
            st.caption(t("library.pack_hint"), width="content")
    st.dataframe(
        pd.DataFrame([_cells(row) for row in rows]),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        height="content",
        alt=plain("library.view.check"),
        column_config={name: plain(f"library.gift_column.{name}") for name in _COLUMNS},
    )


def _card(row: Gift, packs: bool) -> None:
    cells = _cells(row)
    with st.container(border=True, gap="xxsmall", key=f"gift_check_card_{row.id}"):
        st.markdown(f"**{md(cells['gift'])}** × {row.quantity}")
        st.markdown(md(f"{row.order_no} · {row.shop_name}"))
        st.caption(md(f"{cells['promised_by']} {cells['promised_at']} · {cells['when']}"))
        if packs and st.button(
            t("library.pack_one"), key=f"gift_check_pack_{row.id}", icon=":material/redeem:"
        ):
            _pack([row])


def _cells(row: Gift) -> dict[str, Any]:
    moment = row.shipped_at or row.released_at
    name = "shipped_at" if row.shipped_at else "released_at"
    return {
        "order_no": row.order_no,
        "gift": f"{row.name} {row.sku}".strip(),
        "count": row.quantity,
        "shop": row.shop_name,
        "promised_by": row.promised_by or plain("library.system"),
        "promised_at": frame.clock(row.promised_at),
        "when": plain(f"library.{name}", at=frame.clock(moment)) if moment else "",
    }


def _pack(rows: Sequence[Gift]) -> None:
    with frame.boundary():
        asked = frame.request_id("gift_check_pack", [(row.id, row.version) for row in rows])
        done, refused = commands.pack_gifts(frame.client(), rows, request_id=asked)
        st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
        key = "library.packed_some" if refused else "library.packed"
        frame.flash_and_rerun(t(key, count=done, refused=refused) if refused else t(key, count=done))
