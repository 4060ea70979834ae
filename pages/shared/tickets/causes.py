"""The tree of root causes as the pages offer it. Read once per visit: managers change it now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.library import reads
from backend.library.models import RootCause
from pages.shared import frame

_KEPT = "tickets_causes"


def names() -> Mapping[int, str]:
    """The causes that can be chosen, by id, in the order of the tree: 质量 / 外观瑕疵."""
    parents = {cause.parent_id for cause in _all()}
    return {cause.id: cause.path for cause in _all() if cause.is_active and cause.id not in parents}


def by_code(code: str) -> int | None:
    """The id of the cause with a code, while it is active."""
    return next((cause.id for cause in _all() if cause.code == code and cause.is_active), None)


def _all() -> Sequence[RootCause]:
    if _KEPT not in st.session_state:
        st.session_state[_KEPT] = reads.root_causes(frame.client())
    found: Sequence[RootCause] = st.session_state[_KEPT]
    return found
