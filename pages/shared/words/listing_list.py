"""The list of texts: table or cards, selection, bulk bar, pager. Drawn in a fragment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from backend.compliance import reads
from backend.compliance.models import Listing, ListingPage
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.words import listing_filters, listing_state, listing_steps, wording

REFRESH_SECONDS = 25


def draw(user: User) -> None:
    """The list; it renews itself unless somebody is working in a drawer, a preview or a selection."""
    busy = listing_state.opened() is not None or listing_state.is_new() or listing_state.bulk() is not None
    st.fragment(_body, run_every=None if busy else REFRESH_SECONDS, key="listings_list")(user)


def _body(user: User) -> None:
    listing_filters.sync(user)
    asked = listing_filters.wanted()
    after = widgets.cursor("listings", asked)
    page: ListingPage | None = None
    with frame.boundary():
        page = reads.listings(frame.client(), **asked, after=after, limit=listing_filters.PAGE)
    listing_filters.tabs(page.tabs if page else {})
    listing_filters.draw(user)
    if page is not None:
        _rows(user, page)


def _rows(user: User, page: ListingPage) -> None:
    listing_state.remember(page.rows)
    if not page.rows:
        _empty()
        return
    ticked = [page.rows[place] for place in _ticked() if place < len(page.rows)]
    listing_steps.bar(user, ticked)
    if widgets.draws("wide"):
        with widgets.wide("listings"):
            _table(page.rows)
    if widgets.draws("narrow"):
        with widgets.narrow("listings"):
            for row in page.rows:
                _card(row)
    widgets.pager(
        "listings",
        next_cursor=page.next,
        shown=len(page.rows),
        total=min(page.count, 1000),
        capped=page.count > 1000,
    )


def _ticked() -> Sequence[int]:
    event = st.session_state.get(listing_state.table_key())
    return event["selection"]["rows"] if event else ()


def _table(rows: Sequence[Listing]) -> None:
    theme = "dark" if st.context.theme.type == "dark" else "light"
    colors = [
        f"color: {wording.TEXT_COLORS[row.verdict][theme]}; font-weight: 600"
        if row.verdict in wording.TEXT_COLORS
        else ""
        for row in rows
    ]
    cells = pd.DataFrame([_cells(row) for row in rows])
    text = st.column_config.TextColumn
    widths = {"verdict": 150, "title": 330, "state": 110, "since": 100, "shop": 120, "author": 90, "sku": 100}
    event = st.dataframe(
        cells.style.apply(lambda _: colors, subset=["verdict"]),
        hide_index=True,
        key=listing_state.table_key(),
        on_select="rerun",
        selection_mode=("multi-row", "single-cell"),
        column_config={
            name: text(plain(f"listings.column.{name}"), width=width) for name, width in widths.items()
        },
        height="content",
        alt=plain("listings.title"),
    )
    found = event["selection"]["cells"]
    if found:
        listing_state.open_listing(rows[found[0][0]].id)
        st.rerun()
    st.caption(t("listings.open_hint"))


def _cells(row: Listing) -> dict[str, Any]:
    return {
        "verdict": verdict_words(row),
        "title": row.title,
        "state": wording.name_of("state", row.state),
        "since": fmt.span(datetime.now(UTC) - row.state_since, locale()),
        "shop": row.shop_name,
        "author": row.author,
        "sku": row.sku,
    }


def verdict_words(row: Listing) -> str:
    """`■ 不可发布 2`: the verdict with the number of hits."""
    words = wording.verdict_cell(row.verdict)
    return f"{words} {row.hits}" if row.hits else words


def _card(row: Listing) -> None:
    with st.container(border=True, gap="xxsmall", key=f"listings_card_{row.id}"):
        st.markdown(f"{wording.verdict_badge(row.verdict)} **{md(row.title)}**")
        since = fmt.span(datetime.now(UTC) - row.state_since, locale())
        facts = (wording.name_of("state", row.state), since, row.shop_name, row.author)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(" · ".join(facts)), width="stretch")
            if st.button(t("listings.open"), key=f"listings_open_{row.id}"):
                listing_state.open_listing(row.id)
                st.rerun()


def _empty() -> None:
    if listing_filters.narrowed():
        box = widgets.empty_state(
            t("listings.none_match"),
            t("listings.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="listings",
        )
        box.button(t("common.clear_filters"), key="listings_clear_empty", on_click=listing_filters.clear)
        return
    todo = listing_filters.value("tab") == "todo"
    widgets.empty_state(
        t("listings.none_todo" if todo else "listings.none"),
        t("listings.none_hint"),
        icon=":material/task_alt:" if todo else ":material/article:",
        key="listings",
    )
