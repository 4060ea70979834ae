"""The body of the review: agenda from three inputs, notes, decisions as tasks, announcement, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend import exports
from backend.improvement import commands, reads
from backend.improvement.models import Task
from backend.kpi import codes
from backend.kpi.reads import Tile
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.improvement import kept, printed, words
from pages.shared.kpi import words as kpi_words

_MONTHS = 12
_WIDTHS = {"part": 12, "what": 52, "value": 24, "target": 28, "note": 40}
_PAY_RULE = 5.0  # percent; the handbook takes 10 % of the bonus then: shown, never applied


def draw(user: User) -> None:
    """A month of a shop, or of all."""
    month, shop_id = _choice(user)
    with frame.boundary():
        found = reads.meeting(frame.client(), month, shop_id)
        _kept(found)
        _inputs(found["pack"], _figures(user, month, shop_id), _cases(month, shop_id))
        _tasks(found)
        if found["may_hold"]:
            _notes(found, month, shop_id)
            _decision(found, shop_id)
        else:
            if found["meeting"]:
                st.markdown(md(found["meeting"]["notes"]))
            if user.has("manager"):
                st.caption(t("meeting.pick_shop"))
        _announcement(month, shop_id)
        _files(user, found, month, shop_id)


def _choice(user: User) -> tuple[date, int | None]:
    this = datetime.now(ZoneInfo(user.zone)).date().replace(day=1)
    months = [this]
    while len(months) < _MONTHS:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    names = {shop.id: shop.name for shop in user.shops}
    given = {f"{month:%Y-%m}": month for month in months}
    asked = given.get(st.query_params.get("month", ""), months[0])
    with widgets.filter_row("meeting"):
        month = st.selectbox(
            t("meeting.month"),
            months,
            index=months.index(asked),
            format_func=lambda day: f"{day:%Y-%m}",
            key="meeting_month",
            width=130,
        )
        shop = next(iter(names)) if len(names) == 1 else None
        if len(names) > 1:
            shop = st.selectbox(
                t("tasks.shop"),
                list(names),
                index=None,
                placeholder=plain("tasks.all_shops"),
                format_func=lambda key: names[key],
                key="meeting_shop",
                width=170,
            )
    st.query_params["month"] = f"{month:%Y-%m}"
    return month, shop


def _kept(found: Mapping[str, Any]) -> None:
    if found["is_kept"]:
        st.info(
            t("meeting.kept", when=frame.clock(found["meeting"]["held_at"])), icon=":material/lock_clock:"
        )


def _figures(user: User, month: date, shop_id: int | None) -> dict[str, str]:
    """The same month and shop on the page of KPIs, which has words for this month and the last."""
    this = datetime.now(ZoneInfo(user.zone)).date().replace(day=1)
    known = {this: "month", (this - timedelta(days=1)).replace(day=1): "last_month"}
    shop = {"shop": str(shop_id)} if shop_id else {}
    return {"days": known.get(month, f"{month:%Y-%m}"), **shop}


def _cases(month: date, shop_id: int | None) -> dict[str, str]:
    """The tickets registered in the month."""
    last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    shop = {"shop_id": str(shop_id)} if shop_id else {}
    return {"tab": "all", "since": month.isoformat(), "until": last.isoformat(), **shop}


def _inputs(pack: Mapping[str, Any], figures: Mapping[str, str], cases: Mapping[str, str]) -> None:
    with st.grid(min_column_width=280, gap="medium", key="meeting_inputs"):
        with st.container(border=True, height="stretch"):
            _anomalies([Tile.model_validate(one) for one in pack["anomalies"]], figures)
        with st.container(border=True, height="stretch"):
            _feedback(pack["causes"], pack["low_scores"], cases)
        with st.container(border=True, height="stretch"):
            _suggestions([Task.model_validate(one) for one in pack["suggestions"]])
    for one in pack["figures"]:
        if _over_pay_rule(one["code"], one["value"]):
            st.warning(t("meeting.pay_rule", value=f"{one['value']:.1f}"), icon=":material/info:")


def _over_pay_rule(code: str, value: float | None) -> bool:
    return code == codes.TIMEOUT_RATE and value is not None and value > _PAY_RULE


def _anomalies(tiles: Sequence[Tile], query: Mapping[str, str]) -> None:
    st.markdown(f"**{t('meeting.anomalies')}** :gray[{len(tiles)}]")
    days = [one.counted_to for one in tiles if one.counted_to]
    if days:
        st.caption(t("meeting.counted_to", day=f"{max(days):%m-%d}"))
    for one in tiles:
        name = md(kpi_words.name(one.code, one.name_en))
        facts = f"**{md(kpi_words.current(one))}** · {md(kpi_words.target(one))}"
        home_links.link(f"{name} {facts}", "kpi", query={**query, "code": one.code})
    if not tiles:
        st.markdown(f":gray[{t('meeting.no_anomalies')}]")


def _feedback(
    causes: Sequence[Mapping[str, Any]], low: Sequence[Mapping[str, Any]], cases: Mapping[str, str]
) -> None:
    st.markdown(f"**{t('meeting.feedback')}**")
    for one in causes[:6]:
        label = f"{md(one['name'])} · {t('meeting.cases', count=one['tickets'])}"
        home_links.link(label, "tickets", query={**cases, "root_cause": str(one["id"])})
    for one in low[:4]:
        finding = md(one["finding"] or plain("meeting.no_finding"))
        home_links.link(
            f"T-{one['ticket_id']} · {t('meeting.score', count=one['score'])} · {finding}",
            "ticket",
            query={"id": str(one["ticket_id"])},
        )
    if not causes and not low:
        st.markdown(f":gray[{t('meeting.no_feedback')}]")


def _suggestions(tasks: Sequence[Task]) -> None:
    st.markdown(f"**{t('meeting.suggestions')}** :gray[{len(tasks)}]")
    for one in tasks[:12]:
        home_links.link(f"{words.number(one.id)} {md(one.title)}", "task", query={"id": str(one.id)})
    if not tasks:
        st.markdown(f":gray[{t('meeting.no_suggestions')}]")


def _tasks(found: Mapping[str, Any]) -> None:
    tasks = [Task.model_validate(one) for one in found["pack"]["tasks"]]
    st.subheader(t("meeting.tasks", count=len(tasks)), anchor=False)
    for one in tasks:
        facts = [part for part in (words.criteria(one), words.all_figures(one)) if part]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(words.badge(one.state), width="content")
            home_links.link(f"{words.number(one.id)} {md(one.title)}", "task", query={"id": str(one.id)})
            st.markdown(f":gray[{md(' · '.join(facts))}]", width="content")
    decisions = [Task.model_validate(one) for one in found["decisions"]]
    if decisions:
        st.markdown(f"**{t('meeting.decisions', count=len(decisions))}**")
        for one in decisions:
            home_links.link(f"{words.number(one.id)} {md(one.title)}", "task", query={"id": str(one.id)})


def _notes(found: Mapping[str, Any], month: date, shop_id: int | None) -> None:
    held = found["meeting"] or {}
    version = held.get("version")
    key = f"meeting_{month:%Y%m}_{shop_id}"
    shown = frame.opened_version(key, 0, version or 0) or None
    now = held.get("notes", "")
    mine = kept.typed(key, 0).get("notes", now)
    if mine != now:
        kept.compare([(plain("meeting.notes"), now, mine)])
    with st.form(f"{key}_{shown}"):
        notes = st.text_area(t("meeting.notes"), mine, max_chars=8000, height=140, key=f"{key}_notes_{shown}")
        with st.container(horizontal=True):
            saved = st.form_submit_button(t("common.save"), type="primary")
            hold = st.form_submit_button(
                t("meeting.hold"), disabled=found["is_kept"], help=t("meeting.hold_help")
            )
    if saved or hold:
        with frame.boundary(), kept.editing(key, 0, {"notes": notes}):
            asked = frame.request_id(key, shown, notes, hold)
            commands.save_meeting(
                frame.client(), month, shop_id, shown, notes, hold=bool(hold), request_id=asked
            )
            frame.close_form(key, 0)
            frame.flash_and_rerun(t("meeting.saved"))


def _decision(found: Mapping[str, Any], shop_id: int | None) -> None:
    if not found["meeting"]:
        st.caption(t("meeting.save_first"))
        return
    with (
        st.form("meeting_decision", clear_on_submit=True, border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        title = st.text_input(t("meeting.decide"), max_chars=120, width="stretch")
        sent = st.form_submit_button(t("meeting.decide_send"), icon=":material/add_task:")
    if sent:
        facts = {
            "title": title.strip(),
            "shop_id": shop_id,
            "source": "meeting",
            "meeting_id": found["meeting"]["id"],
        }
        with frame.boundary():
            asked = frame.request_id("meeting_decision", *facts.values())
            commands.propose(frame.client(), facts, request_id=asked)
            frame.flash_and_rerun(t("tasks.proposed"))


def _announcement(month: date, shop_id: int | None) -> None:
    """《流程优化公告》 of the quarter of this month, drafted from what was accepted."""
    first = month.replace(month=3 * ((month.month - 1) // 3) + 1)
    last = (first + timedelta(days=100)).replace(day=1) - timedelta(days=1)
    with st.expander(t("meeting.announcement"), icon=":material/campaign:"):
        tasks = reads.accepted(frame.client(), first, last, shop_id)
        if not tasks:
            st.markdown(f":gray[{t('meeting.nothing_accepted')}]")
            return
        text = announcement(tasks, first)
        st.code(text, language=None, wrap_lines=True)
        widgets.copy_button(text, key="meeting_announcement")


def announcement(tasks: Sequence[Task], first: date) -> str:
    """The draft: one paragraph a task, with what was changed and the figures before and after; everybody
    reads it, so nothing of one person."""
    quarter = plain("meeting.quarter", year=first.year, number=(first.month - 1) // 3 + 1)
    lines = [plain("meeting.announcement_title", quarter=quarter), ""]
    for place, one in enumerate(tasks, 1):
        lines.append(f"{place}. {one.title}")
        if one.change_note:
            lines.append(plain("meeting.announcement_change", note=one.change_note))
        for part in one.criteria:
            if part.kpi and not (part.agent or part.is_hidden):
                told = plain("common.told", name=words.wanted(part), text=words.figures(part))
                lines.append(f"   {told}")
        lines.append(plain("meeting.announcement_owner", who=one.owner or "—"))
    return "\n".join(lines)


def _files(user: User, found: Mapping[str, Any], month: date, shop_id: int | None) -> None:
    columns = [
        (name, plain(f"meeting.column.{name}")) for name in ("part", "what", "value", "target", "note")
    ]
    shop = next((one.name for one in user.shops if one.id == shop_id), plain("tasks.all_shops"))
    rows, title = pack_rows(found), f"{plain('meeting.title')} {month:%Y-%m}"
    about = _row("about", f"{month:%Y-%m} · {shop}")
    with st.container(horizontal=True, gap="small", key="meeting_files"):
        st.download_button(
            t("meeting.download"),
            exports.write_xlsx([about, *rows], columns, title, widths=_WIDTHS),
            f"{title} {shop}.xlsx",
            icon=":material/download:",
            key="meeting_download",
            on_click="ignore",
        )
        st.download_button(
            t("meeting.print"),
            printed.page(rows, title, shop),
            f"{title} {shop}.html",
            mime="text/html",
            icon=":material/print:",
            key="meeting_print",
            help=t("meeting.print_help"),
            on_click="ignore",
        )


def pack_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The pack as lines of a sheet: figures, causes, low scores, suggestions, tasks, decisions, notes."""
    pack = found["pack"]
    rows = []
    for raw in pack["figures"]:
        one = Tile.model_validate(raw)
        if one.value is not None:
            met = [] if one.is_met is None else [plain("tasks.met" if one.is_met else "tasks.unmet")]
            until = [plain("kpi.until", day=f"{one.counted_to:%m-%d}")] if one.counted_to else []
            rule = [plain("meeting.pay_rule_note")] if _over_pay_rule(one.code, one.value) else []
            note = " · ".join((*met, *until, *rule))
            rows.append(
                _row(
                    "figures",
                    kpi_words.name(one.code, one.name_en),
                    kpi_words.current(one),
                    kpi_words.target(one),
                    note,
                )
            )
    rows += [
        _row("feedback", one["name"], plain("meeting.cases", count=one["tickets"])) for one in pack["causes"]
    ]
    rows += [
        _row(
            "feedback",
            f"T-{one['ticket_id']}",
            plain("meeting.score", count=one["score"]),
            note=one["finding"] or plain("meeting.no_finding"),
        )
        for one in pack["low_scores"]
    ]
    for part, listed in (
        ("suggestions", pack["suggestions"]),
        ("tasks", pack["tasks"]),
        ("decisions", found["decisions"]),
    ):
        for task in map(Task.model_validate, listed):
            rows.append(
                _row(
                    part,
                    f"{words.number(task.id)} {task.title}",
                    words.all_figures(task),
                    words.criteria(task),
                    words.state(task.state),
                )
            )
    if found["meeting"] and found["meeting"]["notes"]:
        rows.append(_row("notes", found["meeting"]["notes"]))
    return rows


def _row(part: str, what: str, value: str = "", target: str = "", note: str = "") -> dict[str, str]:
    return {
        "part": plain(f"meeting.part.{part}"),
        "what": what,
        "value": value,
        "target": target,
        "note": note,
    }
