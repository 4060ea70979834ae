"""What couriers and buyers write into plain columns keeps its meaning and loses phones and signatures."""

from __future__ import annotations

import pytest

from backend.pii import mask_free_text

CASES = {
    "【杭州】派件员 张师傅 13812345678 正在派件": "【杭州】派件员 张师傅 138****5678 正在派件",
    "电话：+86 138-1234-5678。": "电话：138****5678。",
    "网点 0571-88887777 已揽收": "网点 0571****77 已揽收",
    "已签收，签收人：李小明": "已签收，签收人：李**",
    "您的快件已签收，签收人是【王芳】": "您的快件已签收，签收人是【王**】",
    "已签收，签收人：本人": "已签收，签收人：本人",
    "签收人: 菜鸟驿站代收": "签收人: 菜鸟驿站代收",
    "13812345678": "138****5678",
    "buyer_0001": "buyer_0001",
    "运单 773012345678901 已到达": "运单 773012345678901 已到达",
}


@pytest.mark.parametrize("text", CASES)
def test_free_text_is_masked(text: str) -> None:
    assert mask_free_text(text) == CASES[text]
    assert mask_free_text(CASES[text]) == CASES[text]


def test_nothing_stays_nothing() -> None:
    assert mask_free_text(None) is None
