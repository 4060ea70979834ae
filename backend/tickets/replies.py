"""What stands in place of the braces of a script, as far as a case says it."""

from __future__ import annotations

from datetime import datetime

from backend.library import variables
from backend.tickets import wording
from backend.tickets.models import TicketScreen


def values(found: TicketScreen, who: str, when: datetime) -> dict[str, str]:
    """Variable of a script -> text; what the case does not know is left out. `when` is local time."""
    ticket, order = found.ticket, found.order
    known = {
        "顾客称呼": "亲",  # how shops of the Chinese platforms address every buyer: no name is needed
        "客服": who,
        "店铺": ticket.shop_name,
        "工单号": wording.number(ticket.id),
        "快递单号": ticket.reship_tracking_no or ticket.tracking_no or "",
        "日期": f"{when.month} 月 {when.day} 日",
    }
    if order is not None:
        lines = [
            (str(item.get("name") or ""), str(item.get("spec") or ""), int(item.get("quantity") or 1))
            for item in order.items
        ]
        amount = "" if order.amount is None else f"¥{order.amount:,.2f}"
        known |= variables.goods(lines)
        known |= {"订单号": order.order_no, "快递公司": order.carrier or "", "金额": amount}
    return {name: text for name, text in known.items() if text}
