"""线索分析: how far leads come, how fast they are first contacted, and where the funnel leaks."""

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.leads import insight

user = frame.require_user("agent", "operations", "analyst", "manager", "admin")
frame.page_header(t("leads.insight.title"), help=t("leads.insight.help"))
with frame.boundary():
    insight.draw(user)
