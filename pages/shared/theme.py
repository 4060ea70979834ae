"""The look of every page beyond what .streamlit/config.toml can say: icon, logo, and a few corrections."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.shared.i18n import plain

_ASSETS = Path(__file__).with_name("assets")
_CSS = """
<style>
.stApp { font-variant-numeric: tabular-nums; }
.st-key-desk_bridge { position: absolute; width: 0; height: 0; overflow: hidden; }
.st-key-desk_bar { border-bottom: 1px solid rgba(128, 128, 128, .2); padding-bottom: .5rem; }
.st-key-desk_gate_outer, .st-key-desk_setup_outer { padding-top: min(12vh, 7rem); }
.st-key-desk_theme_button button [data-testid=stMarkdownContainer] {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
[data-testid=InputInstructions] { display: none; } /* "Press Enter to apply", in English alone */
[class*="st-key-tasks_card_"] [data-testid=stPageLink] *,
[class*="st-key-tasks_narrow_"] [data-testid=stPageLink] * {
  white-space: normal; overflow-wrap: anywhere; /* a title is read in full */
}
.stMainBlockContainer { padding-inline: clamp(.9rem, 3vw, 2.5rem); }
@media (max-width: 640px) {
  [class*="st-key-wide_"], button kbd { display: none !important; }
  .st-key-desk_bar { flex-wrap: nowrap !important; gap: .4rem !important; }
  .st-key-desk_bar > * { flex-shrink: 0; min-width: 0 !important; }
  .st-key-desk_bar > :first-child { flex-shrink: 1 !important; }
  .st-key-desk_register_button button [data-testid=stMarkdownContainer] {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  }
}
@media (max-width: 1400px) { .st-key-ticket_steps button kbd { display: none !important; } }
@media (min-width: 641px) { [class*="st-key-narrow_"] { display: none !important; } }
</style>
"""
# Streamlit's uploader speaks English alone: its words give way to ours.
_UPLOADER = """
<style>
[data-testid=stFileUploaderDropzone] button p {{ font-size: 0; }}
[data-testid=stFileUploaderDropzoneInstructions] span {{ font-size: 0; }}
[data-testid=stFileUploaderDropzone] button p::after {{ content: "{button}"; font-size: .875rem; }}
[data-testid=stFileUploaderDropzoneInstructions] span::after {{ content: "{limit}"; font-size: .875rem; }}
</style>
"""
# White on the bright accent of the dark theme would miss WCAG AA (2.6:1); this is 7:1.
_DARK = """
<style>
button[kind^="primary"]:not(:disabled), button[kind^="primary"]:not(:disabled) p { color: #06201b; }
</style>
"""


def start() -> None:
    """Title, icon and layout of this run; the icon is ours, so no browser asks a font server for one."""
    st.set_page_config(
        page_title=plain("common.product"),
        page_icon=_ASSETS / "icon.png",
        layout="wide",
        initial_sidebar_state="auto",
    )
    st.html(_CSS)
    if st.context.theme.type == "dark":
        st.html(_DARK)


def uploader(*, megabytes: int | None = None) -> None:
    """Our words for the uploaders of a page, in the language of the person; `megabytes` a file, if fewer."""
    limit = plain("common.upload_limit", megabytes=megabytes or st.get_option("server.maxUploadSize"))
    st.html(_UPLOADER.format(button=plain("common.upload"), limit=limit))


def logo() -> None:
    """The mark above the menu; a small one when the menu is folded away."""
    st.logo(_ASSETS / "logo.svg", size="medium", icon_image=_ASSETS / "icon.png")
