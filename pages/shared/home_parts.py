"""The parts of the start page: what needs me, today's figures, what changed, and what the day still lacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from backend import home
from backend.home import Changes, DataAge, Home, HomeItem, HomeTickets, ShopFigures
from backend.tickets import wording
from backend.tickets.models import TicketRow
from pages.shared import format as fmt
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.importing.ages import age_words
from pages.shared.queue.words import kind_name
from pages.shared.tickets import words

_VISIT = "home_visit"
_VISIT_LASTS = timedelta(minutes=30)
_CHECKLIST = ("operations", "manager", "admin", "analyst")


# Since I was last here -------------------------------------------------------------------------------------


def changes_of(screen: Home) -> Changes:
    """What changed since the last visit. A visit lasts half an hour: until then the answer stays the same, so
    that looking twice does not wipe it out.
    """
    now = datetime.now(UTC)
    kept: dict[str, Any] | None = st.session_state.get(_VISIT)
    if kept is None or now - kept["at"] > _VISIT_LASTS:
        kept = {"at": now, "changes": screen.changes}
        st.session_state[_VISIT] = kept
        home.seen(frame.client())
    found: Changes = kept["changes"]
    return found


def changed(changes: Changes) -> None:
    """One calm line of what is new; loud only for what went wrong."""
    counts = {
        name: getattr(changes, name) for name in ("found", "decided", "released", "imports", "taken_over")
    }
    parts = [t(f"home.changed.{name}", count=count) for name, count in counts.items() if count]
    since = frame.clock(changes.since)
    with st.container(border=True, key="home_changes", gap="xsmall"):
        st.markdown(f"**{t('home.since')}** :gray[{md(since)}]")
        st.markdown(" · ".join(parts) if parts else f":gray[{t('home.nothing_new')}]")
        if changes.breaches:
            st.markdown(
                f":red-badge[:material/gpp_bad: {t('home.changed.breaches', count=changes.breaches)}]"
            )
        for one in changes.reveals or ():
            st.caption(t("home.reveals", who=one.who, when=frame.clock(one.at)))


# What needs me ---------------------------------------------------------------------------------------------


def needs_me(screen: Home, user: User) -> None:
    """My items by deadline, orders and tickets together, then the most urgent free ones."""
    with st.container(border=True, key="home_items", gap="small"):
        st.markdown(f"**{t('home.needs_me')}**")
        if not screen.items and not screen.tickets.items:
            st.markdown(f":material/self_improvement: {t('home.calm')}")
            st.caption(t("home.calm_hint"))
            return
        for is_mine in (True, False):
            orders = [item for item in screen.items if item.is_mine is is_mine]
            cases = [row for row in screen.tickets.items if (row.owner_id == user.id) is is_mine]
            if orders or cases:
                st.caption(t("home.mine") if is_mine else t("home.pool"))
            for item in sorted([*orders, *cases], key=_urgency):
                if isinstance(item, HomeItem):
                    _item(item, user)
                else:
                    _case(item, user)
        with st.container(horizontal=True, gap="medium"):
            home_links.link(t("home.to_queue"), "orders", icon=":material/arrow_forward:")
            home_links.link(t("home.to_tickets"), "tickets", icon=":material/arrow_forward:")


def _urgency(item: HomeItem | TicketRow) -> datetime:
    return item.due_at or datetime.max.replace(tzinfo=UTC)


def _item(item: HomeItem, user: User) -> None:
    shop = user.shop(item.shop_id)
    kinds = fmt.sentence(", ".join(kind_name(kind) for kind in item.kinds))
    facts = f"{_short(item.order_no)} · {shop.name if shop else ''} · {fmt.money(item.amount)}"
    _line(f"home_{item.order_id}", _due(item), kinds, facts, "orders", item.order_id)


def _case(row: TicketRow, user: User) -> None:
    what = f"{words.of('types', row.type)} {words.short(row.summary)[:24]}"
    facts = f"{wording.number(row.id)} · {row.shop_name} · {words.of('states', row.state)}"
    _line(f"home_ticket_{row.id}", widgets.due_chip(words.due(row)), what, facts, "ticket", row.id)


def _line(key: str, due: str, what: str, facts: str, page: str, record: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=key):
        st.markdown(due or f":gray[{t('home.no_deadline')}]", width=130)
        st.markdown(f"**{md(what)}**  \n:gray[{md(facts)}]", width="stretch")
        query = {"id": str(record)}
        home_links.link(t("home.handle"), page, query=query, icon=":material/chevron_right:")


def _due(item: HomeItem) -> str:
    state = "paused" if item.state == "waiting_customer" else "running"
    reason = plain("home.waiting") if state == "paused" else ""
    return widgets.due_chip(fmt.due(item.due_at, state=state, lang=locale(), reason=reason))


def _short(number: str) -> str:
    return number if len(number) <= 12 else f"{number[:4]}…{number[-4:]}"


# Today -----------------------------------------------------------------------------------------------------


def after_sales(tickets: HomeTickets) -> None:
    """工单 of my shops: what is open, what is late, who still has to be asked, what was solved today."""
    counts = tickets.counts
    with st.container(border=True, key="home_tickets", gap="small"):
        st.markdown(f"**{t('home.tickets')}**")
        with st.grid(min_column_width=100, gap="small"):
            st.metric(
                t("home.tickets_open"), words.capped(counts.get("all", 0)), help=t("home.tickets_open_help")
            )
            st.metric(
                t("home.overdue"), words.capped(counts.get("overdue", 0)), help=t("home.tickets_overdue_help")
            )
            st.metric(t("home.tickets_solved"), tickets.resolved, help=t("home.tickets_solved_help"))
            st.metric(
                t("home.tickets_revisit"),
                words.capped(counts.get("revisit", 0)),
                help=t("home.tickets_revisit_help"),
            )


def today(figures: Sequence[ShopFigures], ready: int) -> None:
    """The figures of my shops together, each with its definition."""
    total = {
        name: sum(getattr(one, name) for one in figures)
        for name in ("open", "overdue", "soon", "waiting", "judged", "on_time", "released", "breaches")
    }
    on_time = _share(total["on_time"], total["judged"])
    with st.container(border=True, key="home_today", gap="small"):
        st.markdown(f"**{t('home.today')}**")
        with st.grid(min_column_width=100, gap="small"):
            st.metric(t("home.open"), total["open"], help=t("home.open_help", waiting=total["waiting"]))
            st.metric(t("home.overdue"), total["overdue"], help=t("home.overdue_help", soon=total["soon"]))
            st.metric(t("home.on_time"), on_time, help=t("home.on_time_help", n=total["judged"]))
            st.metric(t("home.released"), total["released"], help=t("home.released_help"))
            st.metric(t("home.breaches"), total["breaches"], help=t("home.breaches_help"))
            st.metric(t("home.ready"), "5000+" if ready > 5000 else ready, help=t("home.ready_help"))
        if len(figures) > 1 and total["open"]:
            _by_shop(figures)


def _share(part: int, whole: int) -> str:
    """A percentage from ten cases on, the bare figures below, words without any."""
    if not whole:
        return plain("home.no_sample")
    return f"{part / whole:.1%}" if whole >= 10 else f"{part} / {whole}"


def _by_shop(figures: Sequence[ShopFigures]) -> None:
    """哪家店积压最急？ One bar per shop: overdue, due within half an hour, later."""
    states = ("overdue", "soon", "later")
    rows = [
        {"shop": one.shop_name, "state": plain(f"home.{state}"), "order": place, "count": count}
        for one in figures
        for place, (state, count) in enumerate(
            zip(states, (one.overdue, one.soon, one.open - one.overdue - one.soon), strict=True)
        )
        if count
    ]
    dark = st.context.theme.type == "dark"
    colors = ["#F0705E", "#F0A347", "#55625E"] if dark else ["#C2321F", "#D98A1B", "#B9C2BD"]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("shop:N", title=None, sort=[one.shop_name for one in figures]),
        x=alt.X("count:Q", title=None, stack="zero", axis=None),
        order=alt.Order("order:O"),
        tooltip=[
            alt.Tooltip("shop:N", title=plain("home.shop")),
            alt.Tooltip("state:N", title=" "),
            "count:Q",
        ],
    )
    bars = base.mark_bar(height=16).encode(
        color=alt.Color(
            "state:N",
            scale=alt.Scale(domain=[plain(f"home.{state}") for state in states], range=colors),
            legend=alt.Legend(orient="bottom", title=None, offset=0, padding=0),
        )
    )
    loud = alt.datum.state == plain("home.overdue")
    numbers = base.mark_text(size=11).encode(
        x=alt.X("count:Q", stack="zero", bandPosition=0.5),
        text="count:Q",
        detail="state:N",
        color=alt.condition(loud, alt.value("#FFFFFF"), alt.value("#FFFFFF" if dark else "#14201C")),
    )
    st.caption(t("home.by_shop"))
    st.altair_chart((bars + numbers).properties(height=30 * len(figures) + 44), width="stretch")


# What else the day wants -----------------------------------------------------------------------------------


def also(screen: Home, user: User) -> None:
    """By role: orders to release, unpaid ones to follow up, shortages to refill, work that failed."""
    chosen: list[tuple[str, str, int, str, dict[str, str]]] = []
    if user.has("warehouse", "operations", "manager") and screen.ready:
        chosen.append(("release", "release", screen.ready, ":material/local_shipping:", {}))
    if (user.has("manager") or "presales" in user.skills) and screen.unpaid:
        chosen.append(("unpaid", "nudge", screen.unpaid, ":material/payments:", {}))
    if user.has("warehouse", "operations", "manager") and screen.low_stock:
        chosen.append(("refill", "stock", screen.low_stock, ":material/inventory_2:", {"stock_low": "true"}))
    if screen.dead_jobs:
        chosen.append(("jobs", "jobs", screen.dead_jobs, ":material/error:", {}))
    if not chosen:
        return
    with st.container(border=True, key="home_also", gap="xsmall"):
        st.markdown(f"**{t('home.also')}**")
        for name, page, count, icon, query in chosen:
            label = t(f"home.also.{name}", count=count)
            if home_links.reachable(page):
                home_links.link(label, page, query=query, icon=icon)
            else:
                st.markdown(f"{icon} {label}")


def checklist(ages: Sequence[DataAge], user: User) -> None:
    """今天应导入: how old each data set is; whom it does not concern sees only what is late."""
    late = [age for age in ages if age.is_late]
    if not user.has(*_CHECKLIST):
        if late and user.has("agent"):
            st.caption(f":material/history: {t('home.old_data', count=len(late))}")
        return
    with st.container(border=True, key="home_checklist", gap="xsmall"):
        st.markdown(f"**{t('home.checklist')}**", help=t("home.checklist_help"))
        for age in ages:
            name = t(f"imports.kind.{age.kind}")
            with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
                st.markdown(f"{name} · {md(age.shop_name)}", width="content")
                st.markdown(age_words(age.model_dump()), width="content")
        home_links.link(t("home.to_imports"), "imports", icon=":material/upload_file:")
