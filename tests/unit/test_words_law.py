"""The law notes as a table: what each rule of the law makes of a text, by category, licence and kind."""

import pytest

from backend.words import Category, Context, Kind, Verdict, check_many, check_one
from backend.words.dictionary import shipped

TABLE: list[tuple[str, str, Kind, Category, tuple[str, ...], Verdict]] = [
    ("advertising law 3, 8: a gift needs its size", "买一送一", "title", "general", (), "warn"),
    ("8: with size", "买一送一，赠品为同款小样5ml", "description", "general", (), "clean"),
    ("9(1): the flag", "国旗图案T恤", "title", "general", (), "block"),
    ("9(2): the state's name", "国宴特供白酒", "title", "general", (), "block"),
    ("9(3): the highest grade", "国家级品质", "title", "general", (), "block"),
    ("9(3): the first, as a claim", "全网第一面膜", "title", "cosmetics", (), "block"),
    ("9(3): the first, as an order", "第一次购买请看尺码表", "reply", "general", (), "clean"),
    ("9(8): superstition", "开光貔貅辟邪", "title", "general", (), "block"),
    ("11: a figure without its source", "数据显示皱纹减少", "description", "cosmetics", (), "warn"),
    ("12: a patent without its number", "国家专利产品", "title", "general", (), "warn"),
    ("12: with number and kind", "发明专利，专利号ZL201810123456.7", "description", "general", (), "clean"),
    ("12: one applied for", "本品正在申请专利", "description", "general", (), "block"),
    ("13: running others down", "吊打同行", "title", "general", (), "block"),
    ("16: no cure rate, licence or not", "治愈率达95%", "description", "drug", ("国药准字:Z1",), "block"),
    ("16: what the approval says", "化痰止咳", "title", "drug", ("国药准字:Z20053456",), "warn"),
    ("17: disease in other goods", "这款枕头能治疗失眠", "description", "general", (), "block"),
    ("17: denied", "本品不能治疗失眠", "description", "general", (), "clean"),
    ("18: the statement is missing", "每日两粒。", "description", "health_food", (), "warn"),
    ("18: with it", "每日两粒。本品不能代替药物。", "description", "health_food", (), "clean"),
    ("18: an approved function", "辅助降血脂", "title", "health_food", ("国食健字:G20130567",), "warn"),
    ("18: without approval", "辅助降血脂", "title", "health_food", (), "block"),
    ("20: against mother's milk", "媲美母乳的奶粉", "title", "infant", (), "block"),
    ("23: drink and health", "缓解疲劳", "title", "alcohol", (), "warn"),
    ("23: not of other goods", "缓解疲劳的腰靠", "title", "general", (), "clean"),
    ("24: a promise to pass", "包过班", "title", "education", (), "block"),
    ("25: a promise to gain", "稳赚不赔", "title", "finance", (), "block"),
    ("28: a promise that cannot be kept", "永不褪色", "title", "general", (), "block"),
    ("cosmetics rules: whitening unlicensed", "祛斑霜", "title", "cosmetics", (), "block"),
    ("with its licence", "祛斑霜", "title", "cosmetics", ("国妆特字:G20230001",), "warn"),
    ("cosmetics never heal", "消炎祛痘", "title", "cosmetics", ("国妆特字:G20230001",), "block"),
    ("unfair competition law 9: bought praise", "好评返现5元", "reply", "general", (), "block"),
    ("9: a refund for praise", "请先给好评再给您退价保", "reply", "general", (), "block"),
    ("9: praise before the difference", "给五星好评后退差价", "reply", "general", (), "block"),
    ("9: price protection as it is", "差价已退，欢迎如实评价", "reply", "general", (), "clean"),
    ("price law 14: false comparison", "全网最低价", "title", "general", (), "block"),
    ("promotion rules: no end named", "限时抢购", "title", "general", (), "warn"),
    ("with the end named", "限时抢购：11月20日0点至11月22日24点", "title", "general", (), "clean"),
    ("trademark law 14", "中国驰名商标", "title", "general", (), "block"),
    ("online trade rules: one-sided terms", "最终解释权归本店所有", "description", "general", (), "block"),
    ("guide 5: an aim", "我们追求极致", "description", "general", (), "clean"),
    ("guide 6(1): against its own kind", "本系列最轻薄的手机", "description", "general", (), "warn"),
    ("guide 6(1): an answer from the price list", "这是我们店最便宜的一款", "reply", "general", (), "clean"),
    ("guide 6(1): of quality it stays", "这是我们店最好用的一款", "reply", "general", (), "warn"),
    ("guide 6(2): a hint for use", "最佳赏味期为七天", "description", "food", (), "clean"),
    ("guide 6(5): an award", "荣获2024年红点奖最佳设计", "description", "general", (), "warn"),
    ("guide 6(6): bounded in time", "据2024年统计全国销量第一", "title", "general", (), "warn"),
    ("guide 10: no relief in strict sectors", "据2024年统计全国销量第一", "title", "finance", (), "block"),
]


@pytest.mark.parametrize(
    ("text", "kind", "category", "licences", "verdict"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_the_law_notes(
    text: str, kind: Kind, category: Category, licences: tuple[str, ...], verdict: Verdict
) -> None:
    result = check_one(text, kind=kind, category=category, licences=licences)
    assert result.verdict == verdict, result.hits


def test_one_run_judges_each_text_in_its_own_context() -> None:
    """No context may colour its neighbours: all rows together give what each gives alone."""
    contexts = [Context(kind, category, licences) for _, _, kind, category, licences, _ in TABLE]
    results = check_many([row[1] for row in TABLE], contexts=contexts)
    assert [result.verdict for result in results] == [row[5] for row in TABLE]


def test_every_entry_says_its_ground_and_its_remedy() -> None:
    for entry in shipped().entries:
        assert "法" in entry.legal_basis or "条例" in entry.legal_basis, entry
        assert len(entry.suggestion) >= 4, entry
