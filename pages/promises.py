"""承诺: who promised a customer what until when; kept, broken, waiting for a manager."""

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.leads import promising

user = frame.require_user("agent", "operations", "analyst", "manager", "admin")
frame.page_header(t("promises.title"), help=t("promises.help"))
with frame.boundary():
    promising.draw(user)
promising.dialog(user)
