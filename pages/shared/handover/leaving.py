"""My own handover: what is due before I am back, a line to each item, and who takes it on."""

from __future__ import annotations

import streamlit as st

from backend import handover
from backend.handover import NOTE_LENGTH, Handover, Item, Screen
from pages.shared import frame, widgets
from pages.shared.handover import rows
from pages.shared.i18n import plain, t


def panel(screen: Screen) -> None:
    """When I hand over, and what."""
    st.subheader(t("handover.mine"), anchor=False)
    _times(screen)
    if screen.mine is None or (screen.mine.closed_at is not None and not screen.mine.items):
        _beginning(screen)
        return
    ready = [item for item in screen.mine.items if item.is_mine]
    if ready:
        _form(screen, screen.mine, ready)
    elif not screen.mine.items:
        widgets.empty_state(
            t("handover.nothing"), t("handover.nothing_hint"), icon=":material/task_alt:", key="handover"
        )
    else:
        st.success(t("handover.all_settled"), icon=":material/task_alt:")
    for item in screen.mine.items:
        if not item.is_mine:
            rows.line(item)
    if screen.mine.closed_at is None:
        _begin_button(t("handover.refresh"), again=screen.at.isoformat())


def _times(screen: Screen) -> None:
    if screen.shift is None:
        return
    back = screen.shift.next_starts_at
    opens, ends, pool = (
        frame.clock(at) for at in (screen.shift.opens_at, screen.shift.ends_at, screen.shift.pool_at)
    )
    if back is None:
        st.caption(t("handover.times_open", opens=opens, ends=ends, pool=pool))
    else:
        st.caption(t("handover.times", opens=opens, ends=ends, pool=pool, back=frame.clock(back)))


def _beginning(screen: Screen) -> None:
    if screen.shift is None:
        widgets.empty_state(
            t("handover.no_shift"), t("handover.no_shift_hint"), icon=":material/event_busy:", key="handover"
        )
        return
    early = screen.at < screen.shift.opens_at
    text = t("handover.in_hand", count=screen.in_hand) if screen.in_hand else t("handover.nothing")
    hint = t("handover.from", at=frame.clock(screen.shift.opens_at)) if early else t("handover.begin_hint")
    with widgets.empty_state(text, hint, icon=":material/sync_alt:", key="handover"):
        if not early:
            _begin_button(t("handover.begin"), primary=True)


def _begin_button(label: str, *, primary: bool = False, again: str = "") -> None:
    kind = "primary" if primary else "tertiary"
    icon = ":material/play_arrow:" if primary else ":material/refresh:"
    if st.button(label, key="handover_begin", type=kind, icon=icon):
        handover.begin(frame.client(), request_id=frame.request_id("handover_begin", again))
        frame.done()
        st.rerun()


def _form(screen: Screen, mine: Handover, items: list[Item]) -> None:
    with st.form(f"handover_form_{mine.id}", border=True):
        chosen = {item.id: _row(item) for item in items}
        people = {person.member_id: person for person in screen.receivers}
        receiver = st.selectbox(
            t("handover.receiver"),
            list(people),
            index=None,
            format_func=lambda member_id: people[member_id].name,
            placeholder=plain("handover.receiver_hint") if people else plain("handover.no_receiver"),
            key=f"handover_receiver_{mine.id}",
            width=300,
        )
        with st.container(horizontal=True, gap="small"):
            sent = st.form_submit_button(
                t("handover.offer"), type="primary", icon=":material/send:", key="handover_offer"
            )
            kept = st.form_submit_button(t("handover.keep_notes"), key="handover_keep")
    if sent or kept:
        notes = {key: note for key, (is_chosen, note) in chosen.items() if is_chosen or kept}
        _send(
            notes, receiver if sent else None, only_notes=kept, name=people[receiver].name if receiver else ""
        )


def _row(item: Item) -> tuple[bool, str]:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.checkbox(
            f"{rows.words(item)} {rows.badge(item)}",
            value=item.state == "open",
            key=f"handover_pick_{item.id}_{item.state}",
            width=300,
        )
        note = st.text_input(
            t("handover.note", label=item.label),
            item.note,
            key=f"handover_note_{item.id}",
            max_chars=NOTE_LENGTH,
            placeholder=plain("handover.note_hint"),
            label_visibility="collapsed",
        )
    return bool(chosen), note


def _send(notes: dict[int, str], receiver: int | None, *, only_notes: bool, name: str) -> None:
    if not notes or (receiver is None and not only_notes):
        st.warning(t("handover.choose"), icon=":material/touch_app:")
        return
    done = handover.offer(
        frame.client(),
        notes,
        receiver,
        request_id=frame.request_id("handover_offer", notes, receiver),
    )
    if only_notes:
        frame.flash_and_rerun(t("handover.notes_kept"))
    frame.flash_and_rerun(t("handover.asked", who=name, count=done), icon=":material/send:")
