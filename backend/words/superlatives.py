"""最 and what follows it: a comparison of goods, or one of the many harmless uses.

Nothing is hit for 最 alone. A word of data/superlatives.txt must follow, and none of the harmless uses may
hold: advice ("最好用温水清洗"), a parameter ("最大承重50kg"), the customer's own choice, an aim, manners,
a fixed phrase.
"""

# ruff: noqa: E501 -- word lists read better unbroken

from __future__ import annotations

from typing import Final

from backend.words.conditions import Surroundings
from backend.words.dictionary import Dictionary, Entry
from backend.words.view import view_regex

_BASIS: Final = "广告法第九条第(三)项；广告绝对化用语执法指南第二条"
_SUGGESTION: Final = "删去“最”，或改为可核实的具体参数"

_PARAMETER: Final = (
    "承重|载重|负重|功率|温度|水温|室温|转速|容量|尺寸|长度|宽度|高度|厚度|直径|距离|风量|流量|电流|电压|输出|输入|功耗|音量|分贝"
    "|限度|程度|起订|起购|消费|库存|支持|可|码|号|年龄|身高|体重|数量|申请|下单|包裹|重量|延迟|优惠券|面额|补贴|抵|减|立减|返|保额|赔"
    "|退款|金额|值|化|公约|公倍|面积|角度|范围|间隔|间距|胸围|腰围|周长|开合|跨度|伸展|拉伸|行程|挡|风速|刻度|剂量|用量|像素|分辨率"
    "|内存|扩展|负荷|压力|水压|扬程|工资|生活|保障线|人民|法院|检察|气温|一天|的一|一个|一次|一款|一号|一档|一级|一位|一名|时间|期限|期|保质|有效"
    "|处|点|端部|间|宽|不超过|不得|不低于|不高于|为|是|约|到|至|能达|达|充电|续航|转账|提现|额度|限额|单笔|送|送货|当天|当日|明天|次日|今天|今晚|"
    "今日|后天|下午|上午|本周|预计|也要|也得|大概|需要|要|单词|路径|二乘|生成|权限|粒度|颗粒|单元|单位|年级|规格|订单|订购|发货|订量|批量|采购|运行"
    "|的孩子|的宝宝|的儿子|的女儿|的时候|的一次|的一天|的夜|的河|的湖|的淡水湖|的咸水湖|的内陆|的岛屿|的高原|的平原|的盆地|的河流|的半岛|的瀑布|的山|的海|的岛|的城市|的国家|的省|的哺乳|的动物|的行星|的星|的沙漠"
    "|的问题|的区别|的不同|的变化|的缺点|的优势|的优点|的帮助|的亮点|的卖点|的心愿|的梦想|的愿望|的遗憾|的收获|的感受|的特点|的好处|的作用|的快乐|的幸福|的支持|的努力|的鼓励|的诚意|的困难|的痛点|的尺码|的码|的那|的号|的收获|的坑|的误区|的敌人"
    "|水位|辣度|甜度|酸度|度数|酒精度|刻度线|标线|不要|不能|不可|别超|频率|转数|坐高|座高|床高|爬坡|倾斜|车速|时速|步长|焦距|光圈|口径|孔径|粒径|排量|量程|读数|浓度|湿度|海拔|噪音|噪声|里程|通话|待机|载客|限重|承载|收缩|折叠|展开|升高|升至|层高|间隙|公差|误差|电量|起批|起拍|限购|人数|频次|税率"
    "|就是|就到|也就|只到|只有|那|这|身|件|颗|只|个|档位|挡位|幅|化地|程|限"
)
_IS_PARAMETER: Final = view_regex(rf"(?:的?[^，。！？；\n]{{0,6}}?[0-9]|{_PARAMETER})")
_CLAIMED: Final = view_regex(
    r"价|档|端(?!部)|配|品|标准|性价比|牌|级|颜值|规格|工艺|品质|生产|工厂|基地|厂|平台|电商|店"
)
_GOOD_CLAIM: Final = view_regex(
    r"的(?!安排|时光|自己|我们|年纪|年华|朋友|闺蜜|时候|陪伴|回忆|时代|状态|祝福|教育|办法|方法|老师|尊重|结果|爱|家人|姐妹|时间|选择是|解释|消息|方式)"
    r"|品质|口碑|质量|效果|体验|礼物|选择|评价|口感|材质|面料|工艺|服务|设计|产品|性价比|一款|一次|一家"
)
_GOOD_ENDS: Final = view_regex(r"[了啦哦呀的]?(?:\Z|[，。！？；~])")
_GOOD_SUBJECT: Final = view_regex(
    r"(?:效果|质量|品质|口碑|服务|卖得|卖的|评价|口感|味道|性价比|东西|产品|面料|材质|做工|手感|保暖|质感|牌子|品牌|技术|同级别|同价位|同档次|同类|业内|全网|全国|行业|我们|咱们?|[家款牌卖我它是就])(?:的|都是|是|都|都算|就是)?\Z"
)
_ADVICE_AFTER: Final = view_regex(
    r"用(?=温|冷|清水|干|湿|专|中性|手|毛巾|软|热|纯净|完|前|后|于|来|[0-9]|夹|勺|保鲜|密封|盒|酒精|棉|洗|刷|牙|同|原|旧|我|配|自|电脑|流量|无线|有线|wifi|数据线|蒸|开水|大|小|两)"
    r"|吃(?=完|饭|点|药|些|早|后|前|热|清|一|[0-9]|新鲜|当天|掉)|喝(?=温|完|点|水|前|后|热|一|[0-9])|洗(?=净|完|前|后|手|干|一|[0-9])|看(?=一下|看|说明|下|情况|清)|拍(?=照|视频|下|一|[0-9]|两|大|小)"
    r"|带(?=上|好|着|伞)|开(?=窗|启|盖|着|车|慢)|穿(?=着|上|宽|一|大|小|[0-9])|学(?=会|一)|听(?=听|听|一)|玩(?=之前|前)"
)
_AIM: Final = view_regex(
    r"追求|力求|力争|争取|努力|致力|立志|目标|愿景|梦想|希望|争做|争当|想成为|没有最|尽$|尽可能|理念|宗旨|初心|期望|尽力"
)
_AIM_AFTER: Final = view_regex(
    r"[^，。！？；\n]{0,8}(?:是我们[^，。]{0,6}(?:目标|追求|愿景|梦想|理念)|为目标|为己任|的目标|的愿景)"
)
_CHOICE: Final = view_regex(
    r"哪|什么|谁|几号|怎么|如何|您觉得|你觉得|您认为|对您来说|您平时|您最|你最|您方便"
)
_ASKED: Final = view_regex(r"的?[^，。！？；\n]{0,4}[是有](?:哪|什么|谁|几|多)")
_MANNERS: Final = view_regex(
    r"的?(?:服务态度|态度|诚意|祝福|歉意|敬意|心意|支持|解决方案|努力|速度(?:为您|给您|帮您|处理|发|安排|回复|解决)|时间内?(?:为您|给您|回复|处理|发))"
)
_HARMLESS_AFTER: Final = {
    "美": view_regex(r"中不足|好[^，]{0,3}(?:回忆|时光|祝福)|的?(?:一刻|一幕|一面|画面|角度|时光|年华|样子|自己|风景|逆行|教师|乡村|你|遇见|年|新娘|人间|四月|夕阳|季节|瞬间|笑容|青春|时刻|记忆|回忆|公路|国|中国|婚纱照地|的你|表情|和声|女教师|爱情)"),
    "亮": view_regex(r"的?(?:星|仔|那颗|一颗)|档|模式"),
    "牛": view_regex(r"奶"),
    "脆": view_regex(r"弱"),
    "小": view_regex(r"说(?!明)"),
    "纯": view_regex(r"真的?(?:感情|爱|笑|年代|友谊)"),
    "强大": view_regex(r"脑"),
    "炫": view_regex(r"民族风"),
    "强": view_regex(r"大脑|音(?!质|效|响|箱|色)|王者|台风|战队|法则|降雨|寒潮"),
    "优": view_regex(r"解|化|路径|策略|值|控制|惠券"),
    "小巧": view_regex(r"可"),
    "先进": view_regex(r"先出|个人|集体|工作者"),
    "重": view_regex(r"要"),
    "低": view_regex(r"调"),
    "深": view_regex(r"刻|奥|处|夜|的?(?:爱|感谢|谢意|思念|感情|处)|情"),
    "高": view_regex(r"兴|潮|的?(?:敬意|山|峰|楼|礼遇|荣誉)"),
    "远": view_regex(r"的?(?:距离|地方|路)"),
    "长": view_regex(r"的?(?:一集|电影|情|夜|辈|一天|河|寿)"),
    "短": view_regex(r"板|的?(?:时间|一集|夜)"),
    "快": view_regex(r"的?(?:速度|时间|方式|办法|路线)|乐|明|后|一批|一天|处理|发|回复|解决|安排"),
    "细": view_regex(r"小"),
    "安全": view_regex(r"的?(?:距离|做法|方法)"),
    "简便": view_regex(r"的?(?:方法|办法)"),
    "全": view_regex(r"(?:的?攻略|的?教程|的?清单)"),
    "新鲜": view_regex(r"的?(?:资讯|消息)"),
    "适合宝宝": view_regex(r"的(?:尺码|号)"),
    "方便": view_regex(r"的?(?:时间|方式|联系)"),
    "浪漫": view_regex(r"的?(?:事|故事|时刻)"),
    "特别": view_regex(r"的?(?:你|一天|日子|人)"),
    "珍贵": view_regex(r"的?(?:回忆|时光|友谊|感情)"),
    "大": view_regex(r"程度|限度|公约|似然|努力|诚意|的?安慰"),
    "酷": view_regex(r"暑|热"),
    "伟大": view_regex(r"的?(?:母|父|爱|作品|诗|人)"),
    "香": view_regex(r"港"),
    "火": view_regex(r"锅|车|的?(?:电影|歌|电视剧|综艺|剧|原声|小说|话题|游戏)"),
    "真": view_regex(r"诚"),
    "稳": view_regex(r"妥"),
    "理想": view_regex(r"的?(?:状态|结果|温度|生活)"),
    "轻松": view_regex(r"的?(?:时刻|时候)"),
    "干净": view_regex(r"的?(?:方法|办法)"),
    "专业": view_regex(r"的?(?:术语|角度)"),
    "值得": view_regex(r"(?:注意|一提|关注|珍惜|去|看|纪念|期待|称|赞扬|夸)"),
    "值": view_regex(r"得"),
    "热": view_regex(r"闹|断|爱|衷|心|的?(?:天|时|季|月)"),
    "甜": view_regex(r"蜜"),
    "燃": view_regex(r"烧"),
}  # fmt: skip
_SETTINGS: Final = (
    "的",
    "差",
    "调到",
    "开到",
    "降至",
    "降到",
    "放到",
    "拉到",
    "设为",
    "调至",
    "印象",
    "控制到",
    "减到",
    "降低到",
    "年龄",
    "岁数",
    "个子",
    "尺码",
    "码数",
    "音量",
    "亮度",
    "档位",
    "温度",
    "功率",
    "鞋楦",
    "版型",
    "楦型",
    "规格",
    "批次",
)
SELF: Final = view_regex(
    r"品牌全|自己家|自己店|咱们家|咱们店|我们自己|我们品牌|全部机型|所有机型|全部型号|所有型号|同系列|本系列|该系列|全系列|系列中|系列里|系列产品中|同品牌|本品牌|品牌历|历代|自家|上一代|前代|前几代|本店|店内|店里|小店|旗下|家族|全系|我家|咱家|我们家|我们店|本公司|我司|公司(?:内|里|历)"
    r"|(?:我们|品牌)(?:目前|现有|所有|历年)|往年|历年|今年|本季|迄今|三款中|款中|款里|型号中|型号里|产品线|各版本|机型中|上代|几款"
)
_LISTED: Final = frozenset(
    [
        "便宜",
        "实惠",
        "优惠",
        "低价",
        "大",
        "小",
        "高",
        "低",
        "长",
        "短",
        "厚",
        "薄",
        "轻",
        "宽",
        "窄",
        "粗",
        "细",
        "深",
        "浅",
        "重",
    ]
)
_WIDE: Final = view_regex(
    r"全网|全国|全球|世界|行业|史上|中国|亚洲|宇宙|地表|同行|业内|全城|市面|同类|全平台|全市|国内|国际|类目|市场"
)


BEFORE: Final = (_AIM, _CHOICE)
AFTER: Final = (_AIM_AFTER, _ASKED, _MANNERS)
"""What `is_harmless` reads for most words; for those of `reads_on` it reads more."""


def reads_on(word: str, group: str) -> bool:
    """Tell whether 最 + `word` (folded) has harmless uses of its own."""
    return group == "measure" or word[0] == "好" or word in _HARMLESS_AFTER


def superlative_entries(dictionary: Dictionary) -> list[tuple[Entry, str]]:
    """Make an entry of 最 and each word of the list. The soft group asks for evidence, the others block."""
    return [
        (Entry("最" + word, "absolute", "warn" if group == "soft" else "block", _BASIS, _SUGGESTION), group)
        for word, group in dictionary.superlatives
    ]


def is_harmless_here(word: str, group: str, left: str, right: str) -> bool:
    """Tell whether what touches 最 + `word` (folded) makes it harmless: advice, a parameter, a phrase,
    manners."""
    if word == "好的":
        word, right = "好", "的" + right
    if (
        group == "measure"
        and not _CLAIMED.match(right)
        and (_IS_PARAMETER.match(right) or left.endswith(_SETTINGS))
    ):
        return True
    if word == "好" and not (
        _GOOD_CLAIM.match(right) or (_GOOD_ENDS.match(right) and _GOOD_SUBJECT.search(left))
    ):
        return True
    if word[0] == "好" and len(word) == 2 and _ADVICE_AFTER.match(word[1] + right):
        return True
    after = _HARMLESS_AFTER.get(word)
    return bool((after and after.match(right)) or _MANNERS.match(right))


def is_harmless(word: str, group: str, around: Surroundings) -> bool:
    """Tell whether 最 + `word` (folded) compares no goods where it stands."""
    right, left = around.right, around.clause_left
    if is_harmless_here(word, group, left, right) or _AIM.search(left[-16:]) or _AIM_AFTER.match(right):
        return True
    return bool(_CHOICE.search(left[-12:]) or _ASKED.match(right))


def is_own_price(word: str, around: Surroundings) -> bool:
    """Tell whether 最 + `word` (folded) only says which of the shop's own goods costs least or measures most:
    the customer sees it in the shop's own list, so an answer in a chat needs no further proof."""
    return word in _LISTED and is_self_comparison(around)


def is_self_comparison(around: Surroundings) -> bool:
    """Tell whether the claim is bounded by the seller's own goods, which evidence can support."""
    sentence = around.clause_left + around.term + around.clause_right
    return bool(SELF.search(around.sentence)) and not _WIDE.search(sentence)
