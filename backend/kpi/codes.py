"""Codes of KPIs and units that the app treats by name; all else about a KPI stands in the table `kpis`."""

from collections.abc import Mapping
from typing import Final

TIMEOUT_RATE: Final = "响应超时率"
"""The share of chats answered too late: the meeting opens with it."""

YUAN: Final = "元"
"""The unit that is written before its figure, as a sign."""

PLACES: Final[Mapping[str, int]] = {"%": 1, "秒": 1, "分": 2, YUAN: 2, "人": 0, "小时": 1, "天": 1}
"""Decimals by unit, as the figures are shown (product decision)."""

ROWS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "客诉率": ("tickets", {"tab": "all", "type": "public_complaint"}),
    "解决率": ("tickets", {"tab": "all"}),
    "24小时解决率": ("tickets", {"tab": "all"}),
    "知识库复用率": ("tickets", {"tab": "done"}),
    "退货处理时长": ("tickets", {"tab": "all", "type": "return"}),
    "履约准时率": ("orders", {"tab": "all"}),
    "流程优化达标率": ("tasks", {"tab": "done"}),
    "验收通过率": ("tasks", {"tab": "done"}),
}
"""The list behind a figure, where there is one: its page and what the address says."""
