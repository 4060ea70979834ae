"""The drawer of a script: its text with the findings, verdict per shop, steps, what came of it, its past."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from backend.library import checking, commands, reads
from backend.library.models import Place, Script, ScriptDetail, ScriptStep
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import script_form, state, wording
from pages.shared.words import wording as words

_STEPS: tuple[ScriptStep, ...] = ("submit", "approve", "return", "discard", "retire", "restore")
_ICONS = {
    "submit": ":material/send:",
    "approve": ":material/check:",
    "return": ":material/undo:",
    "discard": ":material/delete_history:",
    "retire": ":material/archive:",
    "restore": ":material/unarchive:",
}
_FROM = {
    "submit": ("draft",),
    "approve": ("pending",),
    "return": ("pending",),
    "discard": ("draft",),
    "retire": ("draft", "pending", "approved"),
    "restore": ("retired",),
}


def draw(user: User) -> None:
    """Opens the drawer of the script that the address names, or of a new one."""
    new = state.is_new()
    title = t("library.new_script") if new else t("library.script")
    opener = st.dialog(title, width="medium", position="right", on_dismiss=state.close)
    opener(_new if new else _body)(user)


def _new(user: User) -> None:
    if not user.has("agent", "operations", "manager"):
        st.warning(t("common.no_access"), icon=":material/lock:")
        return
    with frame.boundary():
        script_form.draw(user, None)


def _body(user: User) -> None:
    script_id = state.opened()
    if script_id is None:
        return
    with frame.boundary():
        found = reads.script(frame.client(), script_id)
        if found is None:
            st.warning(t("library.not_found"), icon=":material/search_off:")
            return
        if state.editing() and found.may_edit:
            script_form.draw(user, found)
            return
        _head(found.script)
        _text(found.script, found.places)
        if found.live:
            with st.expander(t("library.live_text", n=found.live.revision), icon=":material/storefront:"):
                st.markdown(wording.body(found.live.body))
        _places(found)
        _steps(user, found)
        _outcome(found)
        _past(found)


def _head(row: Script) -> None:
    stations = ("draft", "pending", "approved")
    if row.state in stations and row.scope == "team":
        here = stations.index(row.state)
        parts = [
            f":primary-badge[{name}]"
            if n == here
            else (f":material/check: {name}" if n < here else f":gray[{name}]")
            for n, name in enumerate(md(wording.name_of("state", code)) for code in stations)
        ]
        st.markdown(" :gray[›] ".join(parts))
    else:
        st.markdown(f":gray-badge[{md(wording.name_of('state', row.state))}]")
    st.markdown(f"**{md(row.title)}**")
    where = row.shop_name or plain("library.all_shops")
    who = plain("library.written_by", who=row.author or plain("library.system"), n=row.revision)
    agreed = plain("library.approved_by", who=row.approved_by) if row.approved_by else ""
    facts = [wording.name_of("scope", row.scope), *wording.facts(row), where, wording.until(row), who, agreed]
    st.caption(" · ".join(md(fact) for fact in facts if fact))


def _text(row: Script, places: Iterable[Place]) -> None:
    """The text; what the word check found is marked, else the variables are."""
    mine = [place for place in places if place.revision_id == row.revision_id]
    worst = min(
        mine, key=lambda place: ("block", "unchecked", "warn", "clean").index(place.verdict), default=None
    )
    spans = [(h.start, h.end, h.severity) for h in worst.hits if not h.is_exempt] if worst else []
    with st.container(border=True, key=f"scripts_text_{row.revision_id}"):
        st.markdown(words.marked(row.body, spans) if spans else wording.body(row.body))
    if row.reason:
        st.caption(t("library.grounds", reason=row.reason))


def _places(found: ScriptDetail) -> None:
    """What the word check says, shop by shop."""
    mine = [place for place in found.places if place.revision_id == found.script.revision_id]
    for place in mine:
        notes = [words.name_of("notice", key) for key in place.notices or ()]
        terms = list(dict.fromkeys(hit.term for hit in place.hits if not hit.is_exempt))
        facts = " · ".join(md(part) for part in (place.shop_name, *terms, *notes))
        st.markdown(f"{words.verdict_badge(place.verdict)} {facts}")
    stale = not mine or any(place.verdict == "unchecked" or not place.is_current for place in mine)
    if stale and found.script.state != "retired":
        st.caption(t("library.unchecked"))
        if st.button(
            t("library.check_now"), key=f"scripts_check_{found.script.id}", icon=":material/refresh:"
        ):
            checking.check_script(frame.service().rpc, found.script.id)
            frame.flash_and_rerun(t("library.checked"))


def _steps(user: User, found: ScriptDetail) -> None:
    row = found.script
    if not user.has("agent", "operations", "manager", "admin"):
        return
    possible = [step for step in _STEPS if _possible(step, found)]
    key = f"scripts_{row.id}_{row.version}"
    reason = ""
    if any(step in ("return", "retire") for step in possible) or row.verdict == "warn":
        reason = st.text_input(
            t("library.reason"), key=f"{key}_reason", max_chars=300, help=t("library.reason_help")
        ).strip()
    with st.container(horizontal=True, gap="small"):
        for step in possible:
            why = wording.why_not(found.rights.get(step))
            wants = step == "return" or (step == "retire" and row.has_live and row.scope == "team")
            if st.button(
                t(
                    f"library.step.{step}"
                    if row.scope == "team" or step != "submit"
                    else "library.step.use_own"
                ),
                key=f"{key}_{step}",
                icon=_ICONS[step],
                type="primary" if step in ("submit", "approve") else "secondary",
                disabled=why is not None or (wants and not reason),
                help=why,
            ):
                _take(row, step, reason)
        if found.may_edit:
            st.button(
                t("library.edit"),
                key=f"{key}_edit",
                icon=":material/edit:",
                on_click=state.edit,
                args=(True,),
            )


def _possible(step: ScriptStep, found: ScriptDetail) -> bool:
    """Whether a step belongs to this state and person at all; its right may still say why not now."""
    right = found.rights.get(step)
    nobody = right is not None and right.key in (
        "script.state",
        "script.not_yours",
        "script.manager",
        "member.role",
    )
    return found.script.state in _FROM[step] and not nobody


def _take(row: Script, step: ScriptStep, reason: str) -> None:
    with frame.boundary(), frame.editing("scripts", row.id):
        asked = frame.request_id("scripts_step", row.id, row.version, step, reason)
        commands.move_script(frame.client(), row.id, row.version, step, request_id=asked, reason=reason)
        frame.flash_and_rerun(t(f"library.did.{step}"))


def _outcome(found: ScriptDetail) -> None:
    came = found.outcome
    if came is None or not came.uses:
        return
    st.caption(t("library.outcome", uses=came.uses, members=came.members))
    with st.container(horizontal=True, gap="medium"):
        if came.leads:
            st.metric(t("library.figure.won"), wording.share(came.won, came.leads))
        if came.tickets:
            st.metric(t("library.figure.solved"), wording.share(came.solved, came.tickets))


def _past(found: ScriptDetail) -> None:
    wording.history(found.timeline, "state")
    older = [one for one in found.revisions if one.id != found.script.revision_id]
    if older:
        with st.expander(t("library.revisions", count=len(older)), icon=":material/difference:"):
            for one in older:
                who = one.author or plain("library.system")
                st.caption(md(f"{one.number} · {who} · {frame.clock(one.created_at)}"))
                st.markdown(wording.body(one.body))
                widgets.copy_button(one.body, key=f"scripts_copy_revision_{one.id}")
