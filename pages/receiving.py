"""退货收货登记: scan a returned parcel, say how the goods look, and its ticket goes on."""

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.tickets import receiving

user = frame.require_user("warehouse", "manager", "admin")
frame.page_header(t("receiving.title"), help=t("receiving.help"))
receiving.draw(user)
