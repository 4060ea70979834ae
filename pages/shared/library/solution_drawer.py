"""The drawer of a solution: steps, what it fits, how it did; writing and publishing it."""

from __future__ import annotations

import streamlit as st

from backend.library import commands, reads
from backend.library.models import CASE_TYPES, Solution, SolutionDetail, SolutionDraft, SolutionState
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import solution_list, state, wording
from pages.shared.words import wording as words

_FORM = "knowledge"
_TO: dict[str, tuple[SolutionState, ...]] = {
    "draft": ("published", "retired"),
    "published": ("retired",),
    "retired": ("draft", "published"),
}
_ICONS = {"published": ":material/check:", "retired": ":material/archive:", "draft": ":material/unarchive:"}


def draw(user: User) -> None:
    """Opens the drawer of the solution that the address names, or of a new one."""
    title = t("library.new_solution") if state.is_new() else t("library.solution")
    st.dialog(title, width="medium", position="right", on_dismiss=state.close)(_body)(user)


def _body(user: User) -> None:
    with frame.boundary():
        if state.is_new():
            _form(user, None)
            return
        found = reads.solution(frame.client(), state.opened() or 0)
        if found is None:
            st.warning(t("library.no_solution"), icon=":material/search_off:")
        elif state.editing() and found.may_edit:
            _form(user, found)
        else:
            _shown(found)


def _shown(found: SolutionDetail) -> None:
    row = found.solution
    expired = row.state == "published" and row.is_expired
    name = wording.name_of("solution_tab", "expired" if expired else row.state)
    st.markdown(f":{'green' if row.state == 'published' and not expired else 'gray'}-badge[{md(name)}]")
    st.markdown(f"**{md(row.title)}**")
    st.caption(" · ".join(md(fact) for fact in solution_list.facts(row) if fact))
    with st.container(border=True):
        st.markdown(words.lines(row.steps))
    widgets.copy_button(row.steps, key=f"knowledge_copy_{row.id}", label=plain("library.copy_steps"))
    _steps(found)
    wording.history(found.timeline, "solution_tab")
    if len(found.revisions) > 1:
        with st.expander(
            t("library.revisions", count=len(found.revisions) - 1), icon=":material/difference:"
        ):
            for one in found.revisions[1:]:
                who = one["author"] or plain("library.system")
                st.caption(md(f"{one['number']} · {who} · {frame.clock(one['created_at'])}"))
                st.markdown(words.lines(str(one["steps"])))


def _steps(found: SolutionDetail) -> None:
    row = found.solution
    with st.container(horizontal=True, gap="small"):
        for to in _TO[row.state] if found.may_publish else ():
            if st.button(
                t(f"library.solution_to.{to}"),
                key=f"knowledge_{row.id}_{row.version}_{to}",
                icon=_ICONS[to],
                type="primary" if to == "published" else "secondary",
            ):
                with frame.boundary(), frame.editing(_FORM, row.id):
                    asked = frame.request_id("knowledge_state", row.id, row.version, to)
                    commands.set_solution_state(frame.client(), row.id, row.version, to, request_id=asked)
                    frame.flash_and_rerun(t(f"library.solution_did.{to}"))
        if found.may_edit:
            st.button(
                t("library.edit"),
                key=f"knowledge_edit_{row.id}",
                icon=":material/edit:",
                on_click=state.edit,
                args=(True,),
            )


def _form(user: User, found: SolutionDetail | None) -> None:
    if not user.has("agent", "operations", "manager"):
        st.warning(t("common.no_access"), icon=":material/lock:")
        return
    row = found.solution if found else None
    version = frame.opened_version(_FORM, row.id, row.version) if row else 0
    key = f"knowledge_form_{row.id if row else 0}_{version}"
    title = st.text_input(t("library.title"), row.title if row else "", key=f"{key}_title", max_chars=60)
    steps = st.text_area(
        t("library.steps"),
        row.steps if row else "",
        key=f"{key}_steps",
        max_chars=4000,
        height=220,
        placeholder=plain("library.steps_example"),
    )
    draft = _fits(user, row, key, title.strip(), steps.strip())
    ready = bool(title.strip() and steps.strip() and (draft.root_cause_id or draft.case_types or draft.sku))
    with st.container(horizontal=True, gap="small"):
        sent = st.button(
            t("library.save"), type="primary", key=f"{key}_save", icon=":material/save:", disabled=not ready
        )
        if st.button(t("library.give_up"), key=f"{key}_cancel", type="tertiary"):
            _leave(row)
            st.rerun()
    if not ready:
        st.caption(t("library.solution_needs"))
    if sent:
        _save(row, version, draft)


def _fits(user: User, row: Solution | None, key: str, title: str, steps: str) -> SolutionDraft:
    """What the solution is for."""
    names = {one.id: one.path for one in reads.root_causes(frame.client()) if one.is_active}
    ids = list(names)
    with st.container(horizontal=True, gap="small"):
        cause = st.selectbox(
            t("library.cause"),
            ids,
            index=ids.index(row.root_cause_id) if row and row.root_cause_id in ids else None,
            placeholder=plain("library.any_cause"),
            format_func=names.get,
            key=f"{key}_cause",
            width=210,
        )
        sku = st.text_input(
            t("library.sku"), row.sku if row else "", key=f"{key}_sku", max_chars=64, width=150
        )
        day = wording.day_of(row.expires_at, user.zone, last=True) if row else None
        until = st.date_input(t("library.expires_at"), day, key=f"{key}_until", width=150)
    types = st.pills(
        t("library.case_types"),
        CASE_TYPES,
        selection_mode="multi",
        default=row.case_types if row else (),
        format_func=wording.stage,
        key=f"{key}_types",
    )
    ends = wording.end_of(until, user.zone)
    return SolutionDraft(title, steps, cause, tuple(types), sku.strip(), ends)


def _save(row: Solution | None, version: int, draft: SolutionDraft) -> None:
    with frame.boundary(), frame.editing(_FORM, row.id if row else 0):
        asked = frame.request_id("knowledge_save", row and row.id, version, draft)
        saved, _ = commands.save_solution(
            frame.client(),
            draft,
            request_id=asked,
            solution_id=row.id if row else None,
            version=version if row else None,
        )
        _leave(row)
        state.open_record(saved)
        frame.flash_and_rerun(t("library.saved"))


def _leave(row: Solution | None) -> None:
    if row:
        frame.close_form(_FORM, row.id)
        state.edit(False)
    else:
        state.close()
