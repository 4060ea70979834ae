"""Small corrections that config.toml cannot express.

Colours, fonts and radii live in .streamlit/config.toml.
"""

from __future__ import annotations

import streamlit as st

_CSS = """
<style>
.stApp { font-variant-numeric: tabular-nums; }
.st-key-desk_bridge { position: absolute; width: 0; height: 0; overflow: hidden; }
.st-key-desk_bar { border-bottom: 1px solid rgba(128, 128, 128, .2); padding-bottom: .5rem; }
</style>
"""


def apply() -> None:
    """Adds the corrections to this run's page."""
    st.html(_CSS)
