"""One readable pair for each rule: the term as a claim, and where it is none."""

import pytest

from backend.words import Category, Kind, check_one

CLAIM_AND_HARMLESS = [
    ("全网第一的面膜", "第一次购买请看尺码表"),
    ("最好的面膜", "最好用温水清洗"),
    ("最大的女装工厂", "最大承重50kg"),
    ("能治疗失眠", "本品不能治疗失眠"),
    ("疗效显著", "不宣传疗效"),
    ("全网最低价", "我们不承诺全网最低价"),
    ("顶级羊绒", "顶级域名备案"),
    ("我们家最好的被子", "《最好的我们》签名版"),
    ("国家级品质", "国家级自然保护区旁民宿"),
    ("最佳品质", "最佳赏味期为七天"),
    ("极致享受", "我们追求极致"),
    ("美白面霜", "甜美白色连衣裙"),
    ("特价促销衣服", "独特价值"),
    ("空调之王", "百兽之王毛绒玩具"),
    ("面膜界天花板级", "天花板吊顶材料"),
    ("量子能量水杯", "量子点电视"),
    ("现在原价999", "按原价退款"),
    ("加微信领券", "请勿加微信私下付款"),
    ("刷单返佣兼职", "本店不刷单"),
    ("高仿名表", "拒绝高仿"),
    ("糖尿病人专用饼干", "糖尿病患者请遵医嘱食用"),
    ("增高药三个月长高", "显示器增高架"),
    ("佩戴转运手链开运", "包裹在转运中心"),
    ("限时抢购", "限时抢购：11月20日0点至11月22日24点"),
    ("国家专利产品", "发明专利，专利号ZL201810123456.7"),
    ("数据显示皱纹减少", "数据显示皱纹减少，检测报告编号SH2024-11"),
    ("三天见效", "物流三天内送达"),
    ("买一送十", "买一送一，赠品为同款小样5ml"),
    ("no1品牌", "编号no12"),
    ("💯正品", "充电到100%后拔下"),
    ("告别飞蚊症", "如有飞蚊症请就医"),
    ("晒斑统统走开", "去除衣物斑点"),
    ("肚腩说拜拜", "儿童充气游泳圈"),
    ("从不及格到满分", "满分试卷讲解"),
    ("比专柜三千多的强太多", "今天比昨天好多了"),
    ("不走平台便宜二十", "请勿绕过平台付款"),
    ("三分钟除醛，当天装完就能住", "周五入住的客人"),
    ("亩产三千斤", "亩用量三十毫升"),
]


@pytest.mark.parametrize(("claim", "harmless"), CLAIM_AND_HARMLESS)
def test_a_claim_is_hit_and_the_harmless_use_is_not(claim: str, harmless: str) -> None:
    assert check_one(claim).verdict != "clean"
    assert check_one(harmless).verdict == "clean"


@pytest.mark.parametrize(
    ("bare", "proved"),
    [
        ("全国销量第一", "据欧睿国际2024年统计，全国销量第一"),
        ("最佳设计", "荣获2024年红点奖最佳设计"),
        ("国家级工艺", "国家级非物质文化遗产技艺，证书编号12"),
        ("最轻薄的手机", "本系列最轻薄的手机"),
        ("国家权威认证", "国家权威认证，证书编号2024010907"),
    ],
)
def test_evidence_turns_a_block_into_a_warning(bare: str, proved: str) -> None:
    assert check_one(bare).verdict == "block"
    result = check_one(proved)
    assert result.verdict == "warn"
    assert all(hit.replacement is None for hit in result.hits), "what may stay is not reworded"


@pytest.mark.parametrize(
    ("text", "category", "licences", "without", "with_"),
    [
        ("祛斑霜", "cosmetics", ("国妆特字:G20230001",), "block", "warn"),
        ("缓解颈椎病", "device", (), "block", "warn"),
        ("化痰止咳", "drug", ("国药准字:Z20053456",), "block", "warn"),
        ("根治颈椎病", "device", ("械注准:20202090001",), "block", "block"),
        ("消除紧张和焦虑", "alcohol", (), "clean", "block"),
        ("据2024年统计全国销量第一", "health_food", (), "warn", "block"),
    ],
)
def test_category_and_licences_change_severity(
    text: str, category: Category, licences: tuple[str, ...], without: str, with_: str
) -> None:
    assert check_one(text).verdict == without
    assert check_one(text, category=category, licences=licences, kind="title").verdict == with_


@pytest.mark.parametrize(
    ("kind", "text", "missing"),
    [
        ("description", "每日两粒，温水送服。", True),
        ("description", "每日两粒，温水送服。本品不能代替药物。", False),
        ("title", "维生素C咀嚼片", False),
    ],
)
def test_a_health_food_needs_its_statement(kind: Kind, text: str, missing: bool) -> None:
    result = check_one(text, kind=kind, category="health_food")
    assert [notice.key for notice in result.notices] == (["statement"] if missing else [])
    assert result.verdict == ("warn" if missing else "clean")


def test_a_hit_says_why_and_what_to_do() -> None:
    (hit,) = check_one("国宴专用白酒").hits
    assert hit.category == "authority"
    assert hit.severity == "block"
    assert "广告法第九条" in hit.legal_basis
    assert hit.suggestion
    assert hit.exemption
    assert hit.evidence


@pytest.mark.parametrize(
    ("text", "law"),
    [("亩产三千斤", "第二十七条"), ("以租养贷的公寓", "第二十六条"), ("跟专柜同一个厂", "商标法")],
)
def test_a_family_names_its_own_ground(text: str, law: str) -> None:
    assert any(law in hit.legal_basis for hit in check_one(text).hits), check_one(text).hits


def test_prefix_rows_never_fire_alone() -> None:
    for text in ("最", "第一", "最。", "他是第一", "最近最后最终最初最多最少"):
        assert check_one(text).hits == ()
