"""Solutions of the knowledge base while a case is handled: the best first, with how often they helped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st

from backend.library import reads
from backend.library.models import Solution
from backend.tickets.models import TicketScreen
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import plain, t

_OFFERED = 3
_BOX = "ticket_solutions"
_CHOSEN = "ticket_solution_chosen"


def beside(found: TicketScreen) -> None:
    """A button that opens what worked in such cases; what somebody works by is chosen when it is solved."""
    if st.session_state.pop(_CHOSEN, False):
        st.toast(t("tickets.solution_meant"), icon=":material/lightbulb:")
    with st.popover(t("tickets.solutions"), icon=":material/lightbulb:", key=_BOX, on_change="rerun") as box:
        if not box.open:
            return
        if found.ticket.root_cause_id is None:
            st.caption(t("tickets.solutions_cause"))
        fitting = _fitting(found)
        if not fitting:
            st.caption(t("tickets.solutions_none"))
        for solution in fitting.values():
            with st.container(border=True, gap="xxsmall", key=f"ticket_solution_{solution.id}"):
                st.markdown(f"**{_title(solution)}**")
                _steps(solution)
                st.button(
                    t("tickets.solution_by"),
                    key=f"ticket_solution_by_{solution.id}",
                    icon=":material/check:",
                    on_click=partial(_work_by, found.ticket.id, solution.id),
                )


def offer(found: TicketScreen) -> Solution | None:
    """Lets a person choose the solution that was used, if one of the library's was."""
    titles = _fitting(found)
    if not titles:
        return None
    options = [0, *titles]
    meant = st.session_state.get(_meant(found.ticket.id), 0)
    chosen = st.radio(
        t("tickets.which_solution"),
        options,
        index=options.index(meant) if meant in titles else 0,
        format_func=lambda one: _title(titles[one]) if one else t("tickets.no_solution"),
        key=f"ticket_solution_used_{found.ticket.id}",
    )
    solution = titles.get(chosen)
    if solution is not None:
        _steps(solution)
    return solution


def _fitting(found: TicketScreen) -> Mapping[int, Solution]:
    ticket = found.ticket
    known = reads.suggest(
        frame.client(),
        root_cause_id=ticket.root_cause_id,
        case_type=ticket.type,
        product_ids=[ticket.product_id] if ticket.product_id else [],
    )
    return {one.id: one for one in known[:_OFFERED]}


def _steps(solution: Solution) -> None:
    for line in solution.steps.splitlines():
        st.caption(md(line))


def _work_by(ticket_id: int, solution_id: int) -> None:
    """Remembers it for the step that solves the case, and closes the box."""
    st.session_state[_meant(ticket_id)] = solution_id
    st.session_state[_BOX] = False
    st.session_state.pop(f"ticket_solution_used_{ticket_id}", None)
    st.session_state[_CHOSEN] = True


def _meant(ticket_id: int) -> str:
    return f"ticket_solution_meant_{ticket_id}"


def _title(one: Solution) -> str:
    return md(plain("tickets.solution_line", title=one.title, uses=one.uses))
