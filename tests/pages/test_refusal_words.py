"""What a refusal says: instants as people read them."""

from __future__ import annotations

import pytest

from backend.errors import AppError
from pages.shared import i18n


@pytest.mark.parametrize("moment", ["2024-03-05T06:07:08+00:00", "2024-03-05T06:07:08.123456Z"])
def test_an_instant_is_a_time_of_the_shop(moment: str) -> None:
    said = i18n.refusal(AppError("order.stale", params={"who": "客服A", "at": moment}))
    assert "2024-03-05 14:07" in said.replace("\\", "")
    assert "T06" not in said


def test_a_name_that_looks_like_nothing_of_the_kind_stays() -> None:
    said = i18n.refusal(AppError("order.released", params={"order_no": "2024-03-05"}))
    assert "2024-03-05" in said.replace("\\", "")
