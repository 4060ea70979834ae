"""The board: one column a stage of the work, oldest deadline on top."""

from __future__ import annotations

import streamlit as st

from backend.improvement.models import BOARD, Task, TaskList
from pages.shared import frame, home_links
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.improvement import words

_MOST = 30


def draw(found: TaskList) -> None:
    """The columns; on narrow windows one below the other."""
    with st.grid(min_column_width=175, gap="small", key="tasks_board"):
        for name, states in BOARD:
            rows = sorted(
                (row for row in found.rows if row.state in states),
                key=lambda row: (row.deadline is None, row.deadline or row.created_at),
            )
            with st.container(border=True, gap="small", height="stretch", key=f"tasks_column_{name}"):
                st.markdown(f"**{plain(f'tasks.board.{name}')}** :gray[{len(rows)}]")
                for row in rows[:_MOST]:
                    card(row)
                if len(rows) > _MOST:
                    st.caption(t("tasks.board_more", count=len(rows) - _MOST))
                if not rows:
                    st.markdown(f":gray[{t('tasks.board_empty')}]")


def card(row: Task, *, key: str = "tasks_card") -> None:
    """One task: its title, state, owner, deadline and first criteria."""
    with st.container(border=True, gap="xxsmall", key=f"{key}_{row.id}"):
        home_links.link(f"{words.number(row.id)} {md(row.title)}", "task", query={"id": str(row.id)})
        facts = [md(row.owner or plain("tasks.nobody"))]
        if row.deadline:
            facts.append(frame.clock(row.deadline))
        st.markdown(f"{words.badge(row.state)}  \n:gray[{' · '.join(facts)}]")
        for one in row.criteria[:2]:
            verdict = words.verdict(one.is_met) if one.value is not None else ""
            st.markdown(f":small[{md(words.wanted(one))} {verdict}]")
