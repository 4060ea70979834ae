"""催付: orders that wait for payment, with the message at hand."""

from pages.shared import frame, widgets
from pages.shared.i18n import t
from pages.shared.queue import nudging

user = frame.require_user("agent", "operations", "analyst", "manager", "admin")
frame.page_header(t("nudge.title"), help=t("nudge.help"))

with widgets.filter_row("nudge"):
    shop_id = nudging.shop_filter(user)
    nudging.export(shop_id)
with frame.boundary():
    nudging.show(user, shop_id)
