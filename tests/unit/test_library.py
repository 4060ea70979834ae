"""Variables of scripts: what is filled in, what stays, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.library import variables
from backend.library.models import OfferDraft, ScriptDraft, as_json, stages
from backend.library.variables import fill, goods, has_lone_brace, names_in, unknown


def test_what_the_case_says_is_filled_in_and_the_rest_stays() -> None:
    found = fill("{顾客称呼}您好，订单{订单号}：{商品}", {"订单号": " 3920 ", "商品": "", "金额": "¥5.00"})
    assert found.text == "{顾客称呼}您好，订单3920：{商品}"
    assert found.missing == ("顾客称呼", "商品")


def test_what_is_filled_in_is_not_read_again() -> None:
    """A buyer who calls himself {订单号} learns no order number."""
    found = fill("{顾客称呼}您好，{订单号}", {"顾客称呼": "{订单号}", "订单号": "3920"})
    assert found.text == "{订单号}您好，3920"


@given(
    st.text("{}订单号顾客称呼 a", max_size=40),
    st.dictionaries(st.sampled_from(["订单号", "顾客称呼"]), st.text("{}订单号 b", max_size=9)),
)
def test_filling_never_loses_a_word(body: str, values: dict[str, str]) -> None:
    found = fill(body, values)
    assert set(found.missing) <= set(names_in(body))
    rest = found.text
    for part in variables._PLACE.split(body)[::2]:  # what stands outside braces stays, in its order
        assert part in rest
        rest = rest[rest.index(part) + len(part) :]
    if not names_in(body):
        assert found.text == body


@pytest.mark.parametrize(
    ("body", "names", "lone"),
    [
        ("您好", (), False),
        ("{订单号}{订单号}", (), False),
        ("{老板}", ("老板",), False),
        ("{}", ("",), False),
        ("{订单号", (), True),
        ("}{", (), True),
        ("{{订单号}}", (), True),
    ],
)
def test_what_means_nothing_is_named(body: str, names: tuple[str, ...], lone: bool) -> None:
    assert unknown(body) == names
    assert has_lone_brace(body) is lone


def test_goods_of_an_order_are_named() -> None:
    assert goods([]) == {}
    assert goods([("面霜", "50 g", 2)]) == {"商品": "面霜", "规格": "50 g", "数量": "2"}
    assert goods([("面霜", "50 g", 2), ("精华", "", 1)]) == {"商品": "面霜等 2 种商品", "数量": "3"}


def test_each_area_has_its_stages() -> None:
    assert set(stages("presales")) | set(stages("aftersales")) == set(stages("both"))
    assert not set(stages("presales")) & set(stages("aftersales"))


def test_drafts_travel_as_text() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    sent = as_json(OfferDraft("gift", "满赠", cost=Decimal("8.50"), valid_from=moment))
    assert (sent["cost"], sent["valid_from"], sent["min_amount"]) == (
        "8.50",
        "2026-11-22T00:00:00+00:00",
        None,
    )
    assert as_json(ScriptDraft("问候", "您好", "both"))["scope"] == "team"


def test_nobody_promises_an_arrival_today_by_default() -> None:
    said = fill("{店铺}的{客服}：预计{日期}到货", variables.speaking("客服A", "示例旗舰店"))
    assert (said.text, said.missing) == ("示例旗舰店的客服A：预计{日期}到货", ("日期",))
