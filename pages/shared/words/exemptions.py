"""Evidence that allows a word: asking for it with files, and the managers' decision, with its expiry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend.compliance import commands, reads
from backend.compliance.models import EXEMPTION_REASONS, Exemption
from pages.shared import frame, theme, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import download, wording

NEVER = ("national_symbol", "vulgar", "superstition", "infant_alcohol_tobacco", "trademark")
"""Categories for which no evidence counts; the database decides (exemption.not_possible)."""
STATES = ("requested", "approved", "refused", "revoked")
_MEGABYTES = 5
_ASKING = "words_asking"
_COLORS = {"requested": "orange", "approved": "green", "refused": "gray", "revoked": "gray"}


def possible(category: str) -> bool:
    """Whether evidence can allow a word of this category."""
    return category not in NEVER


def ask_button(term: str, *, key: str) -> None:
    """Opens the form as a dialog."""
    if st.button(t("words.exempt.ask"), key=key, icon=":material/upload_file:", type="tertiary"):
        st.session_state[_ASKING] = term
        st.rerun()


def dialog(user: User) -> None:
    """The form, when somebody asked for it."""
    term = st.session_state.get(_ASKING)
    if term:
        title = plain("words.exempt.title", term=term)
        st.dialog(title, width="medium", icon=":material/upload_file:", on_dismiss=_close)(_dialog_body)(
            user, term
        )


def _dialog_body(user: User, term: str) -> None:
    with frame.boundary():
        form(user, term, shops=[shop.id for shop in user.shops], key="words_exempt")


def _close() -> None:
    st.session_state.pop(_ASKING, None)


def form(user: User, term: str, *, shops: Sequence[int], sku: str = "", key: str) -> None:
    """Asks for an exemption of a word: where, why, until when, with its files."""
    names = {number: found.name for number in shops if (found := user.shop(number))}
    today = datetime.now(ZoneInfo(user.zone)).date()
    st.caption(t("words.exempt.help"))
    theme.uploader(megabytes=_MEGABYTES)
    with st.form(f"{key}_form", border=False):
        shop_id = st.selectbox(t("words.exempt.shop"), list(names), format_func=names.get, key=f"{key}_shop")
        only = st.text_input(
            t("words.exempt.sku"), value=sku, key=f"{key}_sku", help=t("words.exempt.sku_help")
        )
        reason = st.selectbox(
            t("words.exempt.reason"),
            EXEMPTION_REASONS,
            index=None,
            placeholder=plain("words.choose"),
            format_func=lambda code: wording.name_of("reason", code),
            key=f"{key}_reason",
        )
        note = st.text_area(
            t("words.exempt.note"), key=f"{key}_note", max_chars=300, help=t("words.exempt.note_help")
        )
        until = st.date_input(
            t("words.exempt.until"),
            value=today + timedelta(days=365),
            min_value=today,
            max_value=today + timedelta(days=3 * 365),
            key=f"{key}_until",
        )
        files = st.file_uploader(
            t("words.exempt.files"),
            type=["pdf", "png", "jpg", "jpeg"],
            accept_multiple_files=True,
            key=f"{key}_files",
            max_upload_size=_MEGABYTES,
        )
        sent = st.form_submit_button(t("words.exempt.send"), type="primary", key=f"{key}_send")
    if not sent:
        return
    if reason is None or not note.strip() or not files or shop_id is None:
        st.warning(t("words.exempt.incomplete"), icon=":material/edit:")
        return
    with frame.boundary():
        _send(shop_id, term, reason, note.strip(), until, only.strip() or None, files)
        _close()
        frame.flash_and_rerun(t("words.exempt.sent", term=term))


def _send(
    shop_id: int, term: str, reason: str, note: str, until: date, sku: str | None, files: Sequence[Any]
) -> None:
    facts = (shop_id, term, reason, note, until.isoformat(), sku)
    number, _ = commands.request_exemption(
        frame.client(),
        shop_id=shop_id,
        term=term,
        reason=reason,
        note=note,
        valid_until=until,
        sku=sku,
        request_id=frame.request_id("words_exempt", *facts),
    )
    for n, file in enumerate(files[:5]):
        mark = frame.request_id("words_evidence", number, n, file.name, file.size)
        commands.add_evidence(frame.client(), number, file.name, file.getvalue(), request_id=mark)


def board(user: User) -> None:
    """All exemptions of my shops, what waits for a decision first."""
    state = st.segmented_control(
        t("words.exempt.state"),
        STATES,
        default="requested",
        required=True,
        format_func=lambda code: wording.name_of("exemption", code),
        key="dictionary_exemption_state",
        label_visibility="collapsed",
        wrap=True,
    )
    after = widgets.cursor("dictionary_exemptions", state)
    found = reads.exemptions(frame.client(), state=state, after=after, limit=20)
    if not found and not after:
        widgets.empty_state(
            t("words.exempt.none"), t("words.exempt.none_hint"), icon=":material/verified:", key="exemptions"
        )
        return
    for one in found:
        card(user, one)
    following = found[-1].id if len(found) == 20 else None
    widgets.pager("dictionary_exemptions", next_cursor=following, shown=len(found))


def card(user: User, one: Exemption) -> None:
    """An exemption: word, place, grounds, files, expiry, and what can be done about it."""
    key = f"exemption_{one.id}"
    with st.container(border=True, gap="xsmall", key=key):
        over = one.is_expired and one.state == "approved"
        color = "red" if over else _COLORS.get(one.state, "gray")
        words = plain("words.exempt.expired") if over else wording.name_of("exemption", one.state)
        place = [one.shop_name, one.product_name or one.sku or ""]
        facts = [wording.name_of("category", one.category), *(part for part in place if part)]
        st.markdown(f":{color}-badge[{md(words)}] **{md(one.term)}** · {md(' · '.join(facts))}")
        st.markdown(f"{md(wording.name_of('reason', one.reason))} · {md(one.note)}")
        st.caption(
            t(
                "words.exempt.facts",
                who=one.requested_by_name,
                at=frame.clock(one.requested_at),
                until=one.valid_until.isoformat(),
            )
        )
        if one.decided_by_name:
            note = one.decision_note or ""
            st.caption(
                t("words.exempt.decided", who=one.decided_by_name, at=frame.clock(one.decided_at), note=note)
            )
        _files(user, one, key)
        _decide(user, one, key)


def _files(user: User, one: Exemption, key: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for file in one.files:
            label = t("words.exempt.file", name=file.name, size=max(1, file.size // 1024))
            if user.has("operations", "manager", "analyst", "admin"):
                download.button(
                    label,
                    lambda number=file.id: reads.evidence(frame.client(), number)[2],
                    file_name=file.name,
                    mime=file.mime,
                    key=f"{key}_file_{file.id}",
                    icon=":material/attach_file:",
                )
            else:
                st.caption(label)


def _decide(user: User, one: Exemption, key: str) -> None:
    mine = one.state == "requested" and one.requested_by == user.id
    takes_back = (one.state == "approved" and user.has("manager")) or mine
    if not one.can_decide and not takes_back:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        note = st.text_input(t("words.note"), key=f"{key}_note", max_chars=300, width=300).strip()
        if one.can_decide:
            if st.button(
                t("words.exempt.approve"), key=f"{key}_approve", type="primary", disabled=not one.files
            ):
                _decided(one, True, note)
            if st.button(t("words.exempt.refuse"), key=f"{key}_refuse", disabled=not note):
                _decided(one, False, note)
        if takes_back and st.button(t("words.exempt.revoke"), key=f"{key}_revoke", disabled=not note):
            with frame.boundary():
                mark = frame.request_id("exemption_revoke", one.id, one.version, note)
                commands.revoke_exemption(frame.client(), one.id, one.version, note, request_id=mark)
                frame.flash_and_rerun(t("words.exempt.revoked", term=one.term))
    if one.can_decide:
        st.caption(t("words.exempt.approve_help"))


def _decided(one: Exemption, approve: bool, note: str) -> None:
    with frame.boundary():
        mark = frame.request_id("exemption_decide", one.id, one.version, approve, note)
        commands.decide_exemption(frame.client(), one.id, one.version, approve, note=note, request_id=mark)
        told = (
            t("words.exempt.approved", term=one.term) if approve else t("words.exempt.refused", term=one.term)
        )
        frame.flash_and_rerun(told)
