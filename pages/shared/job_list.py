"""The parts of the page of background work."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend import errors, jobs
from backend.jobs import JobRow
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import known, locale, t

_SHOWN = 10
_STATES = {
    "dead": ("red", ":material/error:"),
    "running": ("blue", ":material/sync:"),
    "queued": ("gray", ":material/schedule:"),
    "done": ("green", ":material/check_circle:"),
}


def draw(user: User) -> None:
    """Failed work first, then what waits or runs, then what was done today."""
    found = jobs.listing(frame.client())
    if not found:
        widgets.empty_state(t("jobs.none"), t("jobs.none_hint"), icon=":material/task_alt:", key="jobs")
        return
    for name, states in (("failed", ("dead",)), ("now", ("running", "queued")), ("done", ("done",))):
        _section(name, [job for job in found if job.state in states], user)


def _section(name: str, rows: Sequence[JobRow], user: User) -> None:
    if rows:
        st.markdown(f"**{t(f'jobs.section.{name}', count=len(rows))}**")
        shown = rows[:_SHOWN] if name == "done" else rows
        for job in shown:
            _card(job, user)
        if len(shown) < len(rows):
            st.caption(t("jobs.more", count=len(rows) - len(shown)))


def _card(job: JobRow, user: User) -> None:
    color, icon = _STATES[job.state]
    shop = user.shop(job.shop_id)
    with (
        st.container(border=True, key=f"jobs_card_{job.id}"),
        st.container(horizontal=True, vertical_alignment="center", gap="small"),
    ):
        with st.container(gap="xxsmall", width="stretch"):
            badge = f":{color}-badge[{icon} {t(f'jobs.state.{job.state}')}]"
            st.markdown(f"**{kind_name(job.kind)}** {badge}")
            facts = [shop.name if shop else "", job.file_name or "", when(job)]
            st.caption(" · ".join(md(fact) for fact in facts if fact))
            _progress(job)
            if job.last_error and job.state != "done":
                st.markdown(f":material/info: {md(why(job.last_error))}")
        if job.state == "dead":
            _retry(job)


def _progress(job: JobRow) -> None:
    """How far a running job is; a bar where the end is known."""
    done = job.progress.get("done")
    if job.state != "running" or not isinstance(done, int):
        return
    if job.total:
        st.progress(min(done / job.total, 1.0), text=t("jobs.progress_of", done=done, total=job.total))
    else:
        st.caption(t("jobs.progress", done=done))


def _retry(job: JobRow) -> None:
    if st.button(t("jobs.retry"), key=f"jobs_retry_{job.id}", icon=":material/refresh:"):
        jobs.retry(frame.client(), job.id, request_id=frame.request_id("jobs_retry", job.id))
        frame.flash_and_rerun(t("jobs.retried", kind=kind_name(job.kind)))


def kind_name(kind: str) -> str:
    """What a job does, in words; one that is newer than this page by its code."""
    return t(f"jobs.kind.{kind}") if known(f"jobs.kind.{kind}") else md(kind)


def when(job: JobRow) -> str:
    """Since when it waits, when it failed or was done, how often it was tried. Plain text."""
    at = frame.clock(job.finished_at or (job.run_at if job.state == "queued" else job.created_at))
    tried = t("jobs.tried", count=job.attempts) if job.attempts > 1 else ""
    return " · ".join(part for part in (t(f"jobs.at.{job.state}", when=at), tried) if part)


def why(key: str) -> str:
    """The reason of a failure in words: our own refusal, or that the program has to be looked at."""
    if key in errors.catalogue():
        return errors.message(key, locale())
    return t("jobs.broken", name=key)
