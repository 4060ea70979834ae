"""指标: figures against their targets, one KPI in depth, alerts, what each figure means."""

from backend.kpi import reads
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.kpi import alerts, definitions, detail, filters, person, tiles

user = frame.require_user("agent", "operations", "analyst", "manager", "admin")
filters.sync(user)
frame.page_header(t("kpi.title"), help=t("kpi.help"))
with frame.boundary():
    first, last = filters.days(user)
    found = reads.screen(
        frame.client(),
        first,
        last,
        shop_id=filters.value("shop"),
        agent=filters.value("agent"),
        shift=filters.value("shift"),
    )
    library = reads.definitions(frame.client())
    meanings = {one.code: one for one in library}
    tab = filters.TABS[0] if user.has("agent") else filters.tabs()
    opened = next((tile for tile in found.tiles if tile.code == filters.value("code")), None)
    if tab == "figures":
        filters.draw(user, found)
        person.heading(user, found)
        if opened is None:
            tiles.draw(found, meanings)
            person.open_tasks(user, found)
        else:
            detail.draw(user, opened, meanings.get(opened.code))
    elif tab == "alerts":
        alerts.draw(user, meanings)
    else:
        definitions.draw(user, library)
