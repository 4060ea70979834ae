"""Solutions of the knowledge base while a case is handled: the best first, with how often they helped."""

from __future__ import annotations

import streamlit as st

from backend.library import reads
from backend.library.models import Solution
from backend.tickets.models import TicketScreen
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import plain, t

_OFFERED = 3


def offer(found: TicketScreen) -> Solution | None:
    """Lets a person choose the solution that was used, if one of the library's was."""
    ticket = found.ticket
    products = [ticket.product_id] if ticket.product_id else []
    known = reads.suggest(
        frame.client(), root_cause_id=ticket.root_cause_id, case_type=ticket.type, product_ids=products
    )
    titles = {one.id: one for one in known[:_OFFERED]}
    if not titles:
        return None
    chosen = st.radio(
        t("tickets.which_solution"),
        [0, *titles],
        format_func=lambda one: _title(titles[one]) if one else t("tickets.no_solution"),
        key=f"ticket_solution_used_{ticket.id}",
    )
    solution = titles.get(chosen)
    if solution is not None:
        for line in solution.steps.splitlines():
            st.caption(md(line))
    return solution


def _title(one: Solution) -> str:
    return md(plain("tickets.solution_line", title=one.title, uses=one.uses))
