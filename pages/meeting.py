"""复盘会: a month's figures, feedback and suggestions; decisions become tasks; the announcement."""

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.improvement import meeting

user = frame.require_user("operations", "analyst", "manager", "admin")
frame.page_header(t("meeting.title"), help=t("meeting.help"))
meeting.draw(user)
