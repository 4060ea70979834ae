"""线索规则: which facts make which grade, how long a lead may rest, how many a person may claim."""

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.leads import ruling

user = frame.require_user("operations", "analyst", "manager", "admin")
frame.page_header(t("leads.rules.title"), help=t("leads.rules.help"))
with frame.boundary():
    ruling.draw(user)
