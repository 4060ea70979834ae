"""售后分析: are cases solved, how fast, why do they happen, what do they cost."""

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.satisfaction import filters, insight

user = frame.require_user("agent", "operations", "analyst", "manager", "admin")
filters.sync(user)
frame.page_header(t("aftersales.title"), help=t("aftersales.help"))
filters.draw(user, with_type=True)
with frame.boundary():
    insight.draw(user)
