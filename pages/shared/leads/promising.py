"""All promises of my shops: tabs and filters in the address, a table, one promise with what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from supabase import Client

from backend.leads import files, reads, wording
from backend.leads.choices import PROMISE_KINDS, PROMISE_TABS
from backend.leads.models import PromiseRow
from pages.shared import address, exporting, frame, navigation, widgets
from pages.shared import format as fmt
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.leads import one, state, words

_NAMES = ("tab", "person", "kind", "shop_id")
_NARROWING = _NAMES[1:]
_WIDTHS = {"due": 140, "state": 90, "what": 240, "kind": 80, "amount": 90, "who": 90, "case": 90, "shop": 120}


def draw(user: User) -> None:
    """Tabs, filters and the page of promises they leave."""
    people = reads.makers(frame.client(), {shop.id for shop in user.shops})
    _sync(user, people)
    asked = _wanted()
    after = widgets.cursor("promises", asked)
    page = reads.promises(frame.client(), asked | {"after": after})
    _tabs(page.tabs)
    _filters(user, people, asked)
    if not page.rows:
        _empty(asked)
        return
    if widgets.draws("wide"):
        with widgets.wide("promises"):
            _table(page.rows)
    if widgets.draws("narrow"):
        with widgets.narrow("promises"):
            for row in page.rows:
                _line(row)
    total = page.tabs.get(asked["tab"])
    capped = total is not None and total > 1000
    widgets.pager(
        "promises",
        next_cursor=page.next,
        shown=len(page.rows),
        total=1000 if capped else total,
        capped=capped,
    )


def dialog(user: User) -> None:
    """One promise and its steps, when it is open."""
    row: PromiseRow | None = st.session_state.get(state.PROMISE)
    if row is not None:
        st.dialog(plain("promises.one"), width="medium", on_dismiss=_close)(_body)(user, row)


def _body(user: User, row: PromiseRow) -> None:
    with frame.boundary():
        one.promise_line(user, row, own=row.owner_id == user.id)
        facts = (row.shop_name, plain("promises.made", who=row.made_by_name, at=frame.clock(row.made_at)))
        st.caption(md(" · ".join(fact for fact in facts if fact)))
        label = t("promises.to_case", number=row.label or "")
        if st.button(label, key="promises_to_case", icon=":material/open_in_new:"):
            _close()
            page = "leads" if row.entity == "lead" else "ticket"
            st.switch_page(navigation.PAGES_DIR / f"{page}.py", query_params={"id": str(row.entity_id)})


def _close() -> None:
    st.session_state.pop(state.PROMISE, None)


def _sync(user: User, people: Mapping[int, str]) -> None:
    given = address.given(_NAMES)
    tab = given.get("tab")
    st.session_state["promises_tab"] = tab if tab in PROMISE_TABS else PROMISE_TABS[0]
    kind = given.get("kind")
    st.session_state["promises_kind"] = kind if kind in PROMISE_KINDS else None
    for name, known in (("person", set(people)), ("shop_id", {shop.id for shop in user.shops})):
        number = address.number(name)
        st.session_state[f"promises_{name}"] = number if number in known else None


def _wanted() -> dict[str, Any]:
    chosen = {name: st.session_state.get(f"promises_{name}") for name in _NAMES}
    return {name: str(value) for name, value in chosen.items() if value is not None}


def _write() -> None:
    now = _wanted()
    if now.get("tab") == PROMISE_TABS[0]:
        del now["tab"]
    address.put(_NAMES, now)


def _clear() -> None:
    for name in _NARROWING:
        st.session_state[f"promises_{name}"] = None
    _write()


def _tabs(counts: Mapping[str, int]) -> None:
    st.segmented_control(
        t("promises.tabs"),
        PROMISE_TABS,
        format_func=partial(_tab, counts),
        key="promises_tab",
        required=True,
        label_visibility="collapsed",
        on_change=_write,
    )


def _tab(counts: Mapping[str, int], name: str) -> str:
    label = plain(f"promises.tab.{name}")
    return f"{label} {words.capped(counts[name])}" if name in counts else label


def _filters(user: User, people: Mapping[int, str], asked: Mapping[str, Any]) -> None:
    shops = {shop.id: shop.name for shop in user.shops}
    with widgets.filter_row("promises"):
        _select("person", list(people), lambda who: plain("leads.me") if who == user.id else people[who], 140)
        _select("kind", PROMISE_KINDS, partial(words.of, "promise_kinds"), 120)
        if len(shops) > 1:
            _select("shop_id", list(shops), lambda shop: shops[shop], 160)
        if any(name in asked for name in _NARROWING):
            st.button(t("common.clear_filters"), key="promises_clear", type="tertiary", on_click=_clear)
        own = user.has("agent") and not user.is_duty_lead
        hint = t("promises.export_own" if own else "promises.export_hint", most=files.MOST_ROWS)
        make = partial(_content, frame.client(), dict(asked), user.zone)
        exporting.draw("promises", t("leads.export"), hint, make)


def _content(client: Client, asked: Mapping[str, Any], zone: str, kind: exporting.Format, lang: str) -> bytes:
    return files.promise_file(client, asked, fmt=kind, lang=lang, zone=zone)


def _select(name: str, options: Sequence[Any], format_func: Any, width: int) -> None:
    widgets.choice(
        t(f"promises.filter.{name}"),
        options,
        format_func,
        key=f"promises_{name}",
        on_change=_write,
        width=width,
    )


def _empty(asked: Mapping[str, Any]) -> None:
    if any(name in asked for name in _NARROWING):
        box = widgets.empty_state(
            t("promises.none_match"),
            t("leads.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="promises",
        )
        box.button(t("common.clear_filters"), key="promises_clear_empty", on_click=_clear)
        return
    widgets.empty_state(
        plain(f"promises.none.{asked['tab']}"),
        t("promises.none_hint"),
        icon=":material/handshake:",
        key="promises",
    )


def _table(rows: Sequence[PromiseRow]) -> None:
    event = st.dataframe(
        pd.DataFrame([_cells(row) for row in rows]),
        hide_index=True,
        key=f"promises_table_{state.table_key()}",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            name: st.column_config.TextColumn(plain(f"promises.column.{name}"), width=width)
            for name, width in _WIDTHS.items()
        },
        height="content",
        alt=plain("promises.title"),
    )
    if cells := event["selection"]["cells"]:
        _show(rows[cells[0][0]])
    st.caption(t("promises.open_hint"))


def _show(row: PromiseRow) -> None:
    """Opens a promise; a fresh table forgets the click, so that closing it does not open it again."""
    st.session_state[state.PROMISE] = row
    state.next_table()
    st.rerun()


def _cells(row: PromiseRow) -> dict[str, str]:
    return {
        "due": _due(row),
        "state": words.of("promise_states", wording.promise_standing(row)),
        "what": row.what,
        "kind": words.of("promise_kinds", row.kind),
        "amount": fmt.money(row.amount) if row.amount is not None else "—",
        "who": row.made_by_name,
        "case": row.label or "—",
        "shop": row.shop_name,
    }


def _due(row: PromiseRow) -> str:
    if row.state == "open":
        return fmt.due(row.due_at, state="running", lang=locale()).text
    return frame.clock(row.due_at)


def _line(row: PromiseRow) -> None:
    with st.container(border=True, gap="xxsmall", key=f"promises_card_{row.id}"):
        standing = words.of("promise_states", wording.promise_standing(row))
        st.markdown(f"{md(row.what)} :gray-badge[{md(standing)}]")
        amount = fmt.money(row.amount) if row.amount is not None else ""
        facts = (_due(row), words.of("promise_kinds", row.kind), amount, row.made_by_name)
        st.caption(md(" · ".join(fact for fact in facts if fact)))
        if st.button(
            t("promises.open", number=row.label or ""), key=f"promises_line_{row.id}", type="tertiary"
        ):
            _show(row)
