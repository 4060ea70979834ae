"""商品: how the stored texts stand, and the runs that read them all again."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend.compliance import commands, reads
from backend.compliance.models import Recheck
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import wording

_REFRESH = 3
_RUNS = 8
_VERDICTS = ("block", "warn", "unchecked", "clean")


def draw(user: User) -> None:
    """Verdicts of all listings, then the latest runs with what they found differently."""
    with frame.boundary():
        _counts()
        runs = reads.rechecks(frame.client())
        busy = any(run.state == "running" for run in runs)
        _head(user, busy=busy)
        st.fragment(_runs, run_every=_REFRESH if busy else None, key="words_runs")(busy)


def _counts() -> None:
    st.markdown(f"**{t('words.goods.now')}**", help=t("words.goods.now_help"))
    with st.container(horizontal=True, gap="small", key="words_goods_counts"):
        for verdict in _VERDICTS:
            count = reads.listings(frame.client(), verdict=verdict, limit=1).count
            with st.container(border=True, width=190, gap="xxsmall"):
                st.markdown(wording.verdict_badge(verdict))
                st.markdown(f"### {'1000+' if count > 1000 else count}")
                home_links.link(t("words.goods.open"), "listings", query={"verdict": verdict})


def _head(user: User, *, busy: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{t('words.goods.runs')}**", help=t("words.goods.runs_help"), width="stretch")
        if user.has("operations", "manager") and st.button(
            t("words.goods.start"), key="words_recheck", icon=":material/refresh:", disabled=busy
        ):
            commands.start_recheck(frame.client(), request_id=frame.request_id("words_recheck"))
            frame.flash_and_rerun(t("words.goods.started"))


def _runs(was_busy: bool) -> None:
    with frame.boundary():
        runs = reads.rechecks(frame.client())
        if was_busy and not any(run.state == "running" for run in runs):
            st.rerun()
        if not runs:
            widgets.empty_state(
                t("words.goods.none"), t("words.goods.none_hint"), icon=":material/history:", key="words_runs"
            )
            return
        for run in runs[:_RUNS]:
            _run(run)


def _run(run: Recheck) -> None:
    with st.container(border=True, gap="xsmall", key=f"words_run_{run.id}"):
        cause = wording.name_of("cause", run.cause)
        st.markdown(
            t("words.goods.run", cause=cause, version=run.words_version, at=frame.clock(run.started_at))
        )
        if run.state == "running":
            share = min(run.done / run.total, 1.0) if run.total else 0.0
            st.progress(share, t("words.goods.progress", done=f"{run.done:,}", total=f"{run.total:,}"))
            return
        st.caption(
            t(
                "words.goods.found",
                total=f"{run.total:,}",
                new=run.new_hits,
                released=run.released_hits,
                suspended=run.suspended,
            )
        )
        if (run.new_hits or run.released_hits) and st.toggle(
            t("words.goods.difference"), key=f"words_run_{run.id}_more"
        ):
            _changes(run)


def _changes(run: Recheck) -> None:
    found = reads.recheck_changes(frame.client(), run.id)
    if not found:
        st.caption(t("words.goods.elsewhere"))
        return
    rows = [
        {
            "change": plain(f"words.change.{one.change}"),
            "term": one.term,
            "severity": wording.name_of("severity", one.severity),
            "title": one.title,
            "part": wording.name_of("part", one.part),
            "shop": one.shop_name,
            "state": wording.name_of("state", one.state),
        }
        for one in found
    ]
    table(rows, "words.goods.difference")
    for listing_id, title in list({one.listing_id: one.title for one in found}.items())[:10]:
        home_links.link(md(title), "listings", query={"id": str(listing_id), "tab": "all"})


def table(rows: Sequence[dict[str, str]], alt: str) -> None:
    """Rows under headings `words.column.<name>`."""
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height="content",
        alt=plain(alt),
        column_config={name: st.column_config.TextColumn(plain(f"words.column.{name}")) for name in rows[0]},
    )
