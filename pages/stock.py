"""商品库存: what is on the shelves, and what has to be refilled."""

from backend.orders import reads
from pages.shared import frame, home_stock
from pages.shared.i18n import t

user = frame.require_user()
frame.page_header(t("stock.title"), help=t("stock.help"))

with frame.boundary():
    home_stock.age(reads.data_ages(frame.client()))
    text, low_only = home_stock.filters()
    found = reads.products(
        frame.client(), text=text, low_only=low_only, after=home_stock.place(text, low_only)
    )
    home_stock.table(found, text=text, low_only=low_only)
