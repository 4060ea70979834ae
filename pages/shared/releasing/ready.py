"""The parts of the release page: what is ready, the lists just made, and the log of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from backend.orders import commands, reads
from backend.orders.models import OrderRef, Release, Released
from pages.shared import format as fmt
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.queue import words
from pages.shared.releasing import lists

_ROUND = "release_round"
_CONFIRM = "release_confirm"
_UNDO = timedelta(minutes=10)
VIEWS = ("ready", "holds", "log")
RELEASERS = ("operations", "manager", "warehouse")
_SHOWN = 500
Row = Mapping[str, Any]


def shop_filter(user: User, key: str) -> int | None:
    """All shops or one of them."""
    if len(user.shops) < 2:
        return None
    names = {shop.id: shop.name for shop in user.shops}
    found: int | None = st.pills(
        t("release.shop"),
        list(names),
        format_func=lambda number: md(names[number]),
        key=f"{key}_shop",
        label_visibility="collapsed",
    )
    return found


# What is ready ---------------------------------------------------------------------------------------------


def ready(user: User) -> None:
    """The orders that may ship: all of them in one click, or the selected ones."""
    with widgets.filter_row("release_ready"):
        shop_id = shop_filter(user, "release_ready")
    answer = reads.ready(frame.client(), shop_id=shop_id, limit=_SHOWN)
    rows, count = answer["rows"], answer["count"]
    if not rows:
        box = widgets.empty_state(
            t("release.none_ready"), t("release.none_ready_hint"), icon=":material/task_alt:", key="ready"
        )
        with box:
            home_links.link(t("release.to_queue"), "orders", icon=":material/fact_check:")
        return
    may = user.has(*RELEASERS)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="release_head"):
        title = t("release.ready_count", count=_capped(count))
        st.markdown(f"**{title}** :gray[{_per_shop(rows, user, count)}]", width="content")
        button = st.container(width="content")
    selected = _table(rows, user, may=may)
    with button:
        if may:
            _buttons(count, shop_id, [OrderRef(row["id"], row["version"]) for row in selected], user)
        else:
            st.caption(t("release.read_only"))


def _capped(count: int) -> str:
    return "5000+" if count > 5000 else f"{count:,}"


def _per_shop(rows: Sequence[Row], user: User, count: int) -> str:
    if count > len(rows):
        return t("release.shown_first", shown=len(rows))
    totals: dict[int, int] = {}
    for row in rows:
        totals[row["shop_id"]] = totals.get(row["shop_id"], 0) + 1
    names = {shop.id: shop.name for shop in user.shops}
    return md(" · ".join(f"{names.get(shop, '')} {total}" for shop, total in totals.items()))


def _table(rows: Sequence[Row], user: User, *, may: bool) -> list[Row]:
    names = {shop.id: shop.name for shop in user.shops}
    key = f"release_table_{st.session_state.setdefault(_ROUND, 0)}"
    with widgets.wide("release_ready"):
        chosen = st.dataframe(
            pd.DataFrame([_cells(row, names) for row in rows]),
            hide_index=True,
            key=key,
            height=560 if len(rows) > 15 else "content",
            column_order=_order(rows),
            on_select="rerun" if may else "ignore",
            selection_mode="multi-row",
            column_config=_columns(),
            alt=plain("release.ready_alt"),
        )
    ticked: list[Row] = []
    with widgets.narrow("release_ready"):
        for row in rows[:30]:
            if _card(row, names, key=f"{key}_{row['id']}" if may else None):
                ticked.append(row)
        if len(rows) > 30:
            st.caption(t("release.narrow_rest", count=len(rows) - 30))
    marked = [rows[place] for place in chosen.selection.rows if place < len(rows)] if may else []
    return marked + [row for row in ticked if row not in marked]


def _order(rows: Sequence[Row]) -> list[str]:
    """The columns that say something: not every platform promises a time to ship."""
    names = ["order_no", "shop", "receiver", "place", "items", "amount", "paid"]
    return ["promise", *names] if any(row["promise_ship_at"] for row in rows) else names


def _cells(row: Row, names: Mapping[int, str]) -> dict[str, object]:
    due = fmt.due(row["promise_ship_at"], lang=locale(), soon=timedelta(hours=4))
    return {
        "promise": due.text,
        "order_no": row["order_no"],
        "shop": names.get(row["shop_id"], ""),
        "receiver": f"{row['receiver_masked'] or ''} {row['phone_masked'] or ''}".strip(),
        "place": f"{row['province'] or ''} {row['city'] or ''}".strip(),
        "items": row["items"],
        "amount": fmt.money(row["amount"]),
        "paid": frame.clock(row["paid_at"]),
    }


def _columns() -> dict[str, Any]:
    column = st.column_config
    found: dict[str, Any] = {
        name: column.TextColumn(plain(f"release.column.{name}"))
        for name in ("order_no", "shop", "receiver", "place", "paid")
    }
    found["promise"] = column.TextColumn(
        plain("release.column.promise"), width=110, help=plain("release.promise_help")
    )
    found["items"] = column.NumberColumn(plain("release.column.items"), width=70, format="%d")
    found["amount"] = column.TextColumn(plain("release.column.amount"), width=100, alignment="right")
    return found


def _card(row: Row, names: Mapping[int, str], *, key: str | None) -> bool:
    """One order in a narrow window; with `key` it can be ticked. Answers whether it is."""
    cells = _cells(row, names)
    with st.container(border=True, gap="xxsmall"):
        ticked = tick(f"**{md(cells['order_no'])}** · {md(cells['amount'])}", key)
        st.caption(md(" · ".join(str(cells[name]) for name in ("shop", "receiver", "place") if cells[name])))
    return ticked


def tick(title: str, key: str | None) -> bool:
    """The head of a card, as a checkbox when it has a key."""
    if key is None:
        st.markdown(title)
        return False
    return st.checkbox(title, key=f"{key}_tick")


def _buttons(count: int, shop_id: int | None, chosen: Sequence[OrderRef], user: User) -> None:
    with st.container(horizontal=True, gap="small"):
        if chosen and st.button(
            t("release.selected", count=len(chosen)), icon=":material/checklist:", key="release_selected"
        ):
            st.session_state[_CONFIRM] = chosen[:500]
        if st.button(
            t("release.all", count=_capped(count)),
            type="primary",
            icon=":material/local_shipping:",
            key="release_all",
            disabled=count > 5000,
        ):
            st.session_state[_CONFIRM] = count
    asked = st.session_state.get(_CONFIRM)
    if asked is not None:
        _confirm(asked, shop_id, user)


def _confirm(asked: int | Sequence[OrderRef], shop_id: int | None, user: User) -> None:
    """What will happen, before it does: all (their number) or the selected orders."""

    @st.dialog(t("release.confirm_title"), icon=":material/local_shipping:", on_dismiss=_close)
    def body() -> None:
        with frame.boundary():
            if isinstance(asked, int):
                _confirm_all(asked, shop_id, user)
            else:
                _confirm_selected(asked)

    body()


def _close() -> None:
    st.session_state.pop(_CONFIRM, None)


def _confirm_selected(chosen: Sequence[OrderRef]) -> None:
    seen = commands.preview_release(frame.client(), chosen)
    st.markdown(t("release.preview", ok=seen.ok, refused=seen.count - seen.ok))
    _refusals(seen.refused)
    st.caption(t("release.then"))
    if seen.ok and st.button(t("release.do", count=seen.ok), type="primary", key="release_do_selected"):
        mark = frame.request_id("release", [(ref.id, ref.version) for ref in chosen])
        _made(commands.release(frame.client(), chosen, request_id=mark))


def _confirm_all(count: int, shop_id: int | None, user: User) -> None:
    shop = user.shop(shop_id)
    where = shop.name if shop else plain("release.all_shops")
    st.markdown(t("release.preview_all", count=count, where=where))
    st.caption(t("release.then"))
    if st.button(t("release.do", count=count), type="primary", key="release_do_all"):
        mark = frame.request_id("release_all", count, shop_id)
        _made(commands.release_ready(frame.client(), count=count, shop_id=shop_id, request_id=mark))


def _refusals(refused: Sequence[Any]) -> None:
    """Why some orders stay: up to ten sentences."""
    for one in refused[:10]:
        key, params = (one["key"], one.get("params")) if isinstance(one, Mapping) else (one.key, one.params)
        st.caption(f":material/block: {md(words.refusal(key, params))}")
    if len(refused) > 10:
        st.caption(t("release.more_refused", count=len(refused) - 10))


def _made(done: Released) -> None:
    """After a release: shows the new lists, and what was refused."""
    _close()
    st.session_state["release_new"] = [made["id"] for made in done.releases]
    st.session_state["release_refused"] = [
        {"key": one.key, "params": one.params} for one in done.refused if one.key
    ]
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    frame.flash_and_rerun(t("release.done", count=done.done))


# Lists -----------------------------------------------------------------------------------------------------


def fresh(user: User) -> None:
    """The lists made in this session, on top of the page, until they are put away."""
    ids: list[int] = st.session_state.get("release_new", [])
    if not ids:
        return
    found = [one for one in reads.releases(frame.client(), limit=20) if one.id in ids]
    with st.container(border=True, key="release_fresh"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{t('release.fresh')}**", width="content")
            if st.button(t("release.put_away"), key="release_put_away", type="tertiary"):
                st.session_state.pop("release_new", None)
                st.session_state.pop("release_refused", None)
                st.rerun()
        _refusals(st.session_state.get("release_refused", []))
        for one in found:
            list_card(one, user, key="fresh")


def log(user: User) -> None:
    """All lists, newest first."""
    found = reads.releases(frame.client(), limit=50)
    if not found:
        widgets.empty_state(t("release.no_lists"), t("release.no_lists_hint"), key="release_log")
        return
    for one in found[:25]:
        list_card(one, user, key="log")
    if len(found) > 25:
        st.caption(t("release.log_first", shown=25))


def list_card(one: Release, user: User, *, key: str) -> None:
    """One list: who made it, whether it has left the desk, and what can be done with it."""
    with st.container(border=True, key=f"release_list_{key}_{one.id}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            title = t(f"release.title.{one.kind}", number=one.id, count=one.order_count)
            st.markdown(f"**{title}** · {md(one.shop_name)}", width="content")
            st.markdown(_badge(one), width="content")
        who = one.made_by or plain("release.system")
        st.caption(t("release.made", who=who, when=frame.clock(one.created_at)))
        if one.undone_at is None and user.has(*RELEASERS):
            _actions(one, user, key)


def _badge(one: Release) -> str:
    if one.undone_at is not None:
        return f":gray-badge[:material/undo: {t('release.undone')}]"
    if one.downloaded_at is not None:
        words_ = t("release.downloaded", who=one.downloaded_by or "", when=frame.clock(one.downloaded_at))
        return f":green-badge[:material/download_done: {words_}]"
    return f":orange-badge[:material/hourglass_top: {t('release.not_downloaded')}]"


def may_undo(one: Release, user: User, now: datetime) -> bool:
    """Whether 撤销 is worth offering: nobody has the list yet, and it is mine and new, or I am a manager."""
    if one.kind != "release" or one.downloaded_at is not None:
        return False
    return user.has("manager") or (one.member_id == user.id and now - one.created_at < _UNDO)


def _actions(one: Release, user: User, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        lists.download_buttons(one, user, key)
        if one.kind == "release":
            lists.pick_button(one, key)
        if may_undo(one, user, datetime.now(UTC)) and st.button(
            t("release.undo"), icon=":material/undo:", key=f"release_undo_{key}_{one.id}"
        ):
            with frame.boundary():
                mark = frame.request_id("undo_release", one.id)
                count = commands.undo_release(frame.client(), one.id, request_id=mark)
                frame.flash_and_rerun(t("release.undo_done", count=count), icon=":material/undo:")
    if one.kind == "release" and one.downloaded_at is not None:
        st.caption(t("release.after_download"))
