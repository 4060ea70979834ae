"""No page has this address: said in our own words, inside the frame."""

from pages.shared import frame, home_links, widgets
from pages.shared.i18n import t

frame.require_user()
with widgets.empty_state(t("missing.title"), t("missing.text"), icon=":material/explore_off:", key="missing"):
    home_links.link(t("missing.home"), "home", icon=":material/home:")
