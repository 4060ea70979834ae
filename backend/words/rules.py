"""The rules that hold for every term: negation, quotation, names, evidence, sector, licence.

Each takes the surroundings of a hit and answers one question. `judge` puts them in order and returns the
severity, or None when the term says nothing about the goods here. Every rule has a bit; `judge` is told the
bits of those whose signs are near (nearby.py) and leaves the others out. The order follows the SAMR guide on
absolute terms: is it about the goods at all (guide 5: free), is it a provable fact (guide 6: evidence, so
a warning), is the sector strict (guide 10: no relief).
"""

# ruff: noqa: E501 -- word lists read better unbroken

from __future__ import annotations

import functools
from typing import Final

from backend.words import superlatives
from backend.words.conditions import CLEAN, WARN, Rule, Surroundings
from backend.words.dictionary import Entry
from backend.words.fold import fold_text
from backend.words.models import Context, Severity
from backend.words.view import view_regex

_DENIED: Final = view_regex(
    r"(?:(?<![得法永])不(?:能|可|得|会|是|属于|具备|具有|具|含|做|作|承诺|保证|支持|提供|参与|接受|宣传|宣称|敢|用于|涉及|宜|应|要|建议|售|卖|存在|添加|追求|代表|等于"
    r"|等同|允许|使用|称|说|写|搞|构成|作为|再|盲目|涉|进行|认可|推荐|鼓励|夸大|虚假|刻意|像某些|适合|适用|赞成|主张|打|玩|讲|信)(?!不|得不|仅|但|光|只|错|断|少|愧)"
    r"|(?<![得法])不(?=\Z)|不以|没(?=\Z)|并非|并不|并没|绝非|绝不(?!起)|从不|从未|从没|而非|而不是|尚未|还没|没有(?:任何)?|没有?(?:说|讲|宣传|承诺|保证|写|标|提)过?|[您你](?:说|问|提到|反馈)的|没(?!有之一)|无法|无任何|(?<![毫])无(?=$)|未(?:经|曾|能|被|获|添加|检出|使用)?|非(?!常|凡|同|遗|物质|标|洲|主流|机动|油炸|接触|买不可|你莫属|此莫属)|勿|请勿|切勿|严禁|禁止|禁用"
    r"|拒绝|杜绝|谢绝|抵制|谨防|警惕|别(?:信|说|再|用|买|轻信|指望|被)|难以|抵触|打击|反对|远离|举报|骗局|谣言|辟谣|违规|违法)"
    r"(?P<gap>[^，。！？；\n]{0,14})\Z"
)
# 违规 or 远离 deny nothing where none of these stands with them.
_NEGATION: Final = view_regex("[您你不无没非未勿禁拒谢绝杜抵谨防警别从难骗假]").search
_TURN: Final = view_regex(
    r"也(?!不|没|无|非)|就(?!不|没)|还(?!不|没)|却|但|而是|即(?!使|便)|便(?!宜)|照样|都能|直接|又(?!不)|反而|立刻|马上|一样能|轻松"
)
_WIDE_NEGATION: Final = frozenset({"medical", "health_food", "cosmetics"})
_CLAIM_LIKE: Final = view_regex(
    r"(?:拒绝|杜绝|远离|难以|谢绝|抵制|警惕|无任何|没有?(?!说|讲|宣传|承诺|保证|写|标|提)|无|不再|不会|别再)"
)
_DENIED_AFTER: Final = view_regex(
    r"[^，。！？；\n]{0,6}(?:得去医院|得去药店|别找我|是违法|属于违法|违法的|是不合规|违反|是骗|不可信|是假的|不能保证|无法保证|我们不|不敢保证|不支持|是不允许|不允许|不存在|做不到|没办法|没法|给不了|办不到|不好承诺|不敢承诺|无关|我们没有|本店没有|这里没有|一律封|会被|将被|要处罚|受处罚|概不负责|不负责|无法获得|不受平台|得不到|没有保障|无保障|有风险|存在风险|风险自负|容易被骗|谨防)"
)
_MENTION: Final = view_regex(
    r"广告法|违禁词|极限词|禁用词|敏感词|绝对化用语|违规词|不得出现|不得使用|禁止使用|不能出现|不能使用|不要使用|不可使用|不要写|不能写|不能说|不可以写|不可以说|避免使用|避免出现|等字样|等词|字样|等用语|等表述"
    r"|改成|改为|替换成|替换为|换成.{0,6}(?:说法|表述)|这个变不了|它变不了|这个治不了|它治不了|这个做不到|不能治病|不治病|没有这个功效|没有这个功能|没有这种功效|手打错|打错字|说得太夸张|没这么说|没说过|没承诺过|没这么承诺|没这么写|没写过|是顾客写|是顾客说|是买家写|是买家说|是顾客自己|是买家自己|是客人|不能这么写|不能这么说|不敢这么说|不能这样写|不能这样说|不能乱写|不能乱说|买家自己说|没有(?:这|那)(?:个|种)说法|这种说法|不敢写|不让写|不让说|虚假宣传|话术培训|合规培训|是违规|虚假广告|所谓[“'\"]"
)
_NAME_BEFORE: Final = view_regex(
    r"(?:商标|品牌|牌|成语|词语|俗语|典故|词条|店名|歌曲|歌|电影|影片|书名|专辑|型号|系列|公司|名为|叫做|名叫|叫|栏目|节目|游戏|小说|注册|单曲|绘本|综艺|电视剧|剧|书|图书|展览|展|画作|诗|标题|主题|茶馆|餐厅|昵称|网名|旺旺|名字|专场|活动名|颜色|色号|款名|字号)(?:名)?(?:为|是|：)?\Z|(?:[您你](?:说|问|提到|提的|讲|看到|反馈)的?|有人说的?|意为|意思是|意即|译为|指的是)[：，]?(?:这是|是)?\Z"
)
_NAME_AFTER: Final = view_regex(
    r"(?:牌|品牌|商标|出自|意为|的意思|是指|指的是|语出|典出|释义|系列|店|公司|旗舰店|乐队|歌|电影|一书|这本书|小说|游戏|节目|餐厅|酒店|楼盘|书店|公众号|专场|大赛|杯|专辑|绘本|综艺|展|®|字号|一词|两字|二字|三字|四字|这个词|这首|茶馆|主题)"
)
_TRADEMARK: Final = view_regex(r"注册商标|商标|®|型号")
_COMPANY_AFTER: Final = view_regex(
    r"[^，。！？；\n0-9]{0,6}?(?:有限公司|股份公司|股份有限|集团|有限责任|事务所|合作社|基金会|研究院|研究所|学会|出版社|大学|幼儿园|俱乐部|大剧院|影院|期刊|杂志)"
)
_AWARD: Final = view_regex(
    r"荣获|获得|斩获|摘得|获评|获颁|授予|颁发|评为|入选|评选|奖项|大奖|获奖|称号|认定|第[0-9]+届|[”》]奖|奖得主"
)
_EVIDENCE: Final = view_regex(
    r"(?=[数来资据检测查认鉴审调研质评试报证注登备文批编榜排生欧尼弗沙艾国械药zg授合世截统协海c可荣获第0-9])(?:数据来源|来源：|资料来源|据[^，。！？；\n]{2,24}(?:统计|报告|榜|监测|显示|调研|证明|发布)|(?:检测|检验|测试|查新|认证|鉴定|审计|调研|研究|质检|评价|试验)报告|报告(?:编)?号|证书|证号|注册号|登记号|备案号|备案编号|认证号|文号|批准号"
    r"|编号：?[a-z0-9]|榜单|排行榜|生意参谋|欧睿|尼尔森|弗若斯特|沙利文|艾瑞|国妆特|国食健|械注|械备|国药准|药准字|zl[0-9]{6}|gb/?t?[0-9]|授权书|合同|世界纪录|截至20[0-9]{2}年|统计(?:时间|周期|区间|范围|口径)|协会发布|统计局|海关数据|cma|cnas"
    r"|授权编号|可查|认定|授予|评为|荣获|获评|第[0-9]+届)"
)
_DATED: Final = view_regex(
    r"20[0-9]{2}年[^。！？；\n]{0,24}(?:销量|销售额|榜|统计|数据|排名|市场|类目|品类|销售|出货)|20[0-9]{2}[.\-/][0-9]{1,2}[^。！？；\n]{0,20}(?:销量|销售额|统计|数据|榜)"
)
_YEAR: Final = view_regex(r"20[0-9]{2}")
_FIGURE: Final = view_regex(r"销量|销售额|榜|统计|数据|排名|市场|类目|品类|销售|出货")
_ORDER: Final = view_regex(r"[0-9]{4}年|[0-9]+月[0-9]+日|成立于|创立于|(?:省|市|县|区|州|镇)(?:内)?\Z")
_ORDERED: Final = frozenset(
    {
        "首家",
        "首个",
        "首款",
        "首创",
        "首个首家",
        "首发",
        "全国首发",
        "全球首发",
        "全网首发",
        "第1家",
        "百年老店",
    }
)
_AIM: Final = view_regex(
    r"追求|力求|力争|争取|努力|致力|立志|目标|愿景|梦想|争做|争当|争创|想成为|希望成为|想做|希望做|理念|宗旨|初心|价值观|企业文化|使命"
)
_AIM_AFTER: Final = view_regex(
    r"[^，。！？；\n]{0,6}(?:是我们[^，。]{0,6}(?:目标|追求|愿景|梦想|理念)|为目标|为己任|的目标|的愿景|的理念)"
)
_QUESTION: Final = view_regex(
    r"什么是|什么叫|何为|哪(?:个|款|种|一|家|里)|什么时候|是不是|是否|有没有|请问|会不会|吗\Z"
)
_STRICT: Final = frozenset({"health_food", "drug", "device", "finance", "education"})
_RELIEVED: Final = frozenset(
    {
        "absolute",
        "authority",
        "price_fraud",
        "false_promise",
        "patent",
        "trademark",
        "data_citation",
        "time_limit",
    }
)
_MARK_AFTER: Final = view_regex(r"牌注册商标")
_MARK_ASKED: Final = view_regex("？")
_NO_RELIEF: Final = frozenset(
    {"最终解释权", "最终解释权归本店所有", "概不退换", "正在申请专利", "专利申请中", "特供"}
)
_HARD_MEDICAL: Final = frozenset(
    {"根治", "根除", "治愈率", "有效率", "药到病除", "包治百病", "起死回生", "无副作用", "0副作用", "安全无毒副作用", "不复发",
     "永不复发", "不再复发", "治百病", "长生不老", "抗癌", "防癌", "无毒副作用", "没有副作用", "偏方", "祖传秘方", "断根", "治好", "一次治好",
     "永久治愈", "比药管用", "不用吃药", "吃了不得病", "治好病"}
)  # fmt: skip
_SPECIAL_COSMETICS: Final = view_regex(r"斑|美白|防脱|生发|育发|止脱|白发|黑发|防晒")
_LICENCE: Final = {
    "medical": view_regex(r"械注|械备|药准字|械字|药监械"),
    "cosmetics": view_regex(r"国妆特|特殊化妆品|妆特"),
    "health_food": view_regex(r"国食健|卫食健|蓝帽|食健备"),
}
_MEDICAL_OR_HEALTH: Final = view_regex(r"械注|械备|药准字|械字|药监械|国食健|卫食健|蓝帽|食健备")
_HEALTH_FUNCTION: Final = view_regex(
    r"辅助降血[脂糖压]|(?:改善|有助于?)睡眠|(?:增强|提高)免疫|缓解(?:体力|视)?疲劳|通便|减肥|抗氧化|改善.{0,4}记忆|促进消化|润肠|清咽|保护胃|增加骨密度|(?:有助于|辅助)"
)
"""The functions a health food may be approved for; the notice lists them."""
_CATEGORY_LICENCE: Final = {"drug": "medical", "device": "medical", "health_food": "health_food"}


DENIED, NAMED, AIM, ASKED, COMPARED, ORDERED, OWN = (1 << n for n in range(7))
MENTION, SELF, EVIDENCE, YEAR, FIGURE, AWARD = (1 << n for n in range(7, 13))
ALL: Final = (1 << 13) - 1
CLAUSE_SIGNS: Final = {
    DENIED: (_DENIED,),
    AIM: (_AIM,),
    COMPARED: superlatives.BEFORE,
}
"""What each rule reads in the clause before the hit, 24 characters at most."""
RIGHT_SIGNS: Final = {
    DENIED: (_DENIED_AFTER,),
    NAMED: (_COMPANY_AFTER, _MARK_AFTER),
    AIM: (_AIM_AFTER,),
    ASKED: (_MARK_ASKED,),
    COMPARED: superlatives.AFTER,
}
"""What each rule reads in the 24 characters after it."""
SCANNED: Final = {MENTION: 60, SELF: 60, AWARD: 60, EVIDENCE: 130, YEAR: 130, FIGURE: 130}
"""Rules that read further: their signs are found in the same scan as the terms, and count within so many
characters of a hit. A dated figure needs both its signs."""
SCANNED_SIGNS: Final = {
    MENTION: (_MENTION,),
    SELF: (superlatives.SELF,),
    AWARD: (_AWARD,),
    EVIDENCE: (_EVIDENCE, *_LICENCE.values()),
    YEAR: (_YEAR,),
    FIGURE: (_FIGURE,),
}


@functools.cache
def heeds(category: str, severity: Severity, *, superlative: bool, own: bool) -> int:
    """Return the bits of the rules that can change the severity of an entry. What only asks for evidence
    asks for it beside evidence too."""
    bits = DENIED | NAMED | MENTION | (OWN if own else 0) | (COMPARED if superlative else 0)
    if category == "absolute":
        bits |= AIM | ASKED
    if severity == "warn":
        return bits
    if category == "absolute":
        bits |= SELF
    if category in _LICENCE or category in _RELIEVED:
        bits |= EVIDENCE
    if category in _RELIEVED:
        bits |= YEAR | FIGURE | AWARD
    return bits


def always(entry: Entry, superlative: str) -> int:
    """Return the bits of the rules to try whatever stands around: those that have no signs."""
    reads_on = superlative and superlatives.reads_on(fold_text(entry.term)[1:], superlative)
    ordered = entry.term in _ORDERED and entry.severity == "block"
    return (COMPARED if reads_on else 0) | (ORDERED if ordered else 0)


def is_denied(around: Surroundings, category: str) -> bool:
    """Tell whether the clause denies, forbids or warns of the term rather than claiming it."""
    if _NEGATION(around.left[-24:]) and (found := _DENIED.search(around.clause_left[-24:])):
        turned = _TURN.search(found["gap"])
        boast = category in _WIDE_NEGATION and _CLAIM_LIKE.match(found[0]) and not _function(around)
        return not turned and not boast
    return bool(_DENIED_AFTER.match(around.clause_right))


_FUNCTION: Final = view_regex(
    r"功能|作用|效果|功效|说法|这回事|东西|证(?:书)?\Z|疗效|能力|目的|用途|宣传|承诺|性质|成分|激素|效用"
)


def _function(around: Surroundings) -> bool:
    return bool(_FUNCTION.search(around.term + around.clause_right[:6]))


def is_mentioned(around: Surroundings) -> bool:
    """Tell whether the sentence is about words, not goods: training, a rule, a correction."""
    return bool(_MENTION.search(around.sentence))


def quoted_name(around: Surroundings) -> str:
    """Return "clean" for a work's title, "warn" for a registered name or award in quotes, else ""."""
    left, right = around.left[-24:], around.right[:24]
    return _in_quotes(left, right) or (CLEAN if _COMPANY_AFTER.match(right) else "")


def _in_quotes(left: str, right: str) -> str:
    if left.rfind("《") > left.rfind("》") and "》" in right:
        return CLEAN
    opened = max(left.rfind("“"), left.rfind('"'), left.rfind("'"), left.rfind("("))
    if opened >= 0 and opened > left.rfind("”"):
        closing = min(
            (i for i in (right.find("”"), right.find('"'), right.find("'"), right.find(")")) if i >= 0),
            default=-1,
        )
        if 0 <= closing <= 12 and left[opened] != "(":
            before, after = left[:opened], right[closing + 1 :]
            if _TRADEMARK.search(before[-8:]) or after.startswith(("®", "商标")):
                return WARN
            if _NAME_BEFORE.search(before) or _NAME_AFTER.match(after):
                return CLEAN
            if after.startswith(("奖", "称号", "荣誉")):
                return WARN
    return WARN if right.startswith(("®", "牌注册商标")) else ""


def _is_aim(around: Surroundings) -> bool:
    return bool(_AIM.search(around.clause_left[-16:]) or _AIM_AFTER.match(around.clause_right))


def _has_evidence(around: Surroundings, entry: Entry, near: int) -> bool:
    if near & EVIDENCE and _EVIDENCE.search(around.window):
        return True
    if near & AWARD and _AWARD.search(around.sentence):
        return True
    if near & YEAR and near & FIGURE and _DATED.search(around.window):
        return True
    return bool(near & ORDERED) and bool(_ORDER.search(around.clause_left))


def _licensed(entry: Entry, around: Surroundings, context: Context, near: int) -> bool:
    """Tell whether a licence, in the text or given with it, covers the kind of claim."""
    kind = entry.category
    pattern = _LICENCE.get(kind)
    if pattern is None or entry.term in _HARD_MEDICAL:
        return False
    if kind == "medical" and _HEALTH_FUNCTION.search(around.left[-4:] + around.term):
        pattern = _MEDICAL_OR_HEALTH
    if kind == "cosmetics" and not _SPECIAL_COSMETICS.search(entry.term):
        return False
    return bool(near & EVIDENCE and bool(pattern.search(around.window))) or any(
        pattern.search(licence.lower()) for licence in context.licences
    )


def _sector_severity(entry: Entry, around: Surroundings, context: Context, near: int) -> Severity:
    """Return the severity that product category and licences leave."""
    if entry.severity == "warn":
        return "warn"
    if entry.category in _LICENCE and _licensed(entry, around, context, near):
        return "warn"
    sector = _CATEGORY_LICENCE.get(context.category)
    if (
        sector == "medical"
        and entry.category in ("medical", "health_food")
        and entry.term not in _HARD_MEDICAL
    ):
        return "warn"  # reviewed with the approval document, this tool only points at it
    return "block"


def _is_free(rule: Rule, around: Surroundings, near: int) -> bool:
    """Tell whether the term says nothing about the goods here (guide 5, quotation, negation)."""
    if near & DENIED and is_denied(around, rule.entry.category):
        return True
    if near & MENTION and is_mentioned(around):
        return True
    if near & AIM and _is_aim(around):
        return True
    return bool(
        near & ASKED
        and "？" in around.right[:24]
        and _QUESTION.search(around.clause_left)
        and "？" in around.sentence
    )


def judge(
    rule: Rule, around: Surroundings, context: Context, *, term: str, own: str, near: int = ALL
) -> Severity | None:
    """Return the severity of a hit, or None if it is none.

    `term` is the folded needle, `own` the verdict of its own conditions; `near` are the bits of the rules
    whose signs are near.
    """
    entry, near = rule.entry, near & (rule.heeds | rule.always)
    if own == CLEAN or (near & COMPARED and superlatives.is_harmless(term[1:], rule.superlative, around)):
        return None
    if _is_free(rule, around, near):
        return None
    name = quoted_name(around) if near & NAMED else ""
    if name == CLEAN:
        return None
    severity = _sector_severity(entry, around, context, near)
    if severity == "warn" or own == WARN:
        return "warn"
    if near & SELF and context.kind == "reply" and superlatives.is_own_price(term[1:], around):
        return None
    if entry.category not in _RELIEVED or entry.term in _NO_RELIEF:
        return severity
    if name == WARN or (near & SELF and superlatives.is_self_comparison(around)):
        return "warn"
    if context.category not in _STRICT and _has_evidence(around, entry, near):
        return "warn"
    return severity
