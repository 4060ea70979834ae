"""The proposed text reads like something a person would publish."""

from __future__ import annotations

import pytest

from backend.words import check_one, rewrite


def proposal(text: str) -> str:
    return rewrite(text, check_one(text).hits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # what only describes goes alone, with its particle
        ("国内一流的设备，国际领先的工艺。", "设备，工艺。"),
        ("我们的茶叶来自国家级茶园，口感细腻。", "我们的茶叶来自茶园，口感细腻。"),
        # what says something takes its clause along, and the sentence keeps its end
        ("家人们吃这个血压就降下来了，放心拍。", "放心拍。"),
        ("旅行箱20寸，万向轮静音，质量全网没对手。", "旅行箱20寸，万向轮静音。"),
        ("本品零风险，稳赚不赔！每日限量1,000份，20:00开抢。", "每日限量1,000份，20:00开抢。"),
        # nobody is greeted for nothing, and a heading needs something under it
        ("亲，包治百病。现货，今天发。", "现货，今天发。"),
        ("功效：抗癌，降血压。规格：30袋。", "规格：30袋。"),
        # keywords go one by one, and no single character stays behind
        ("鱼油 抗癌 降血压 60粒装", "鱼油 60粒装"),
        ("防晒衣 全球首创 女款", "防晒衣 女款"),
        ("颈膜贴 治疗颈椎病 三片装", "颈膜贴 三片装"),
        ("全球首款的奶粉 新西兰进口", "奶粉 新西兰进口"),
        # a better word is put in place, without the account it led to
        ("最舒适的枕头，今天发货。", "舒适的枕头，今天发货。"),
        ("亲，加微信abc12345，拍下改价。", "亲，联系在线客服，拍下改价。"),
        ("亲，加薇❤领红包，拍下改价。", "亲，联系在线客服领红包，拍下改价。"),
        # an odd greeting takes no more time than any text, and control characters are nothing removed
        ("亲" * 200 + "呀，根治。现货。", "亲" * 200 + "呀。现货。"),
        ("面料\1柔软，\0现货。永不复发。", "面料 柔软， 现货。"),
        # lines stay lines
        ("面料柔软。\n根治敏感。\n支持退换。", "面料柔软。\n支持退换。"),
        ("根治糖尿病，永不复发。", ""),
        ("纯棉T恤，尺码齐全。", "纯棉T恤，尺码齐全。"),
    ],
)
def test_the_proposal_reads_like_a_person_wrote_it(text: str, expected: str) -> None:
    assert proposal(text) == expected


def test_what_only_needs_evidence_stays_in_the_proposal() -> None:
    """A warning is answered with proof, not by cutting words in half: 最后一天 would become 后一天."""
    assert proposal("仅限今天最后一天，全场根治。") == "仅限今天最后一天。"
