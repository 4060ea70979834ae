"""Could a courier deliver to what is written below district and town?

One weak hint is not enough: a road without a number, an estate without a building, a building
without a road or estate, "at the school gate". Enough are a name together with any number (road and
house, estate and building), two places that cross (road and estate, two roads), or one place that a
courier finds alone: a village, a group of a township, a farm company, a named company, hospital,
market or office building.
"""

from __future__ import annotations

import re
from typing import Literal

Have = Literal["district", "town", "road", "estate", "building", "place"]

_HAN = r"\u4e00-\u9fff"
_NUMERAL = "零〇一二三四五六七八九十百千两"
_CONTACT = re.compile(r"(?<!\d)(?:\+?86)?1[3-9]\d{9}(?!\d)|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)")
_NUMBERED_ROAD = re.compile(
    r"[GSXYgsxy]?\d{1,4}(?=国道|省道|县道|乡道|高速)|(?<=国道)[GSXYgsxy]?\d{1,4}(?!号)"
)
_NUMBER = re.compile(
    rf"(?:\d+|[A-Za-z]\d+|[A-Za-z](?=座|栋|幢|区|单元|馆|门)|[{_NUMERAL}甲乙丙丁]+(?=号|栋|幢|座|单元|室|层|楼|弄|排|组|队|社|连|营|团|户|院|门))"
    r"(?:[-—#/]?[A-Za-z]?\d+)*(?:号楼|号院|号|栋|幢|座|单元|室|层|楼|弄|户|房|排|门|#|f|F)?"
)
_PHASE = re.compile(rf"(?:\d+|[{_NUMERAL}]+)期")  # 幸福小区二期 is still an estate without a building
_VAGUE = re.compile(
    r"详细地址|收货地址|地址|同上|见备注|看备注|备注|如图|同前|上次|原来|老样子|老地方|不详|未知|不知道|没有|暂无|保密|自提|自取|电话联系|打电话|联系|电话|送货上门|到付"
    r"|快递|菜鸟|驿站|丰巢|快递柜|自提柜|自提点|代收点|代收|门卫室|门卫|保安室|保安亭|传达室|前台|收发室|物业|便利店|小卖部|小店|超市|网吧"
    r"|火车站|汽车站|客运站|高铁站|地铁站|公交站|车站|加油站|菜市场|农贸市场|市场|商场|广场|步行街|商业街|大街|老街|新街"
    r"|市中心|中心|市区|城区|县城|城里|镇上|街上|村里|村口|乡下|农村|老家|家里|我家|家|单位|公司|工厂|厂里|厂|工地|宿舍|学校|小学|中学|大学|学院|幼儿园|医院|卫生院|诊所|药店|政府|邮局|银行|派出所|酒店|宾馆|饭店|食堂|办公室|办公楼|写字楼|大楼|大厦|商铺|门面|门市|店铺|仓库|公园|小区|社区|花园|家园|公寓|住宅|楼房|房子|院子|这里|那里|这边|那边"
    r"|门口|大门|东门|西门|南门|北门|正门|后门|侧门|旁边|旁|边上|附近|对面|隔壁|楼下|楼上|路口|路边|交叉口|交汇处|十字路口|拐角|里面|里边|外面|上面|下面|东侧|西侧|南侧|北侧|前面|后面|中段|东段|西段|南段|北段|收|转"
    r"|本市|本县|本区|本村|本镇|全境|无|空|暂|[。.!?~…,，、;；:：'\"()\[\]【】<>《》=+*&^%$@#_/\\|\-—\s]"
)
_PLACEHOLDER = re.compile(r"[XxＸｘ×]{2,}|某+|[○〇]{2,}|某某")
_ROAD = re.compile(
    rf"[{_HAN}A-Za-z0-9]{{1,12}}?(?:大道|大街|公路|国道|省道|县道|高速|支路|环路|路|街|胡同|巷|弄|道)(?!办)"
)
_ESTATE = re.compile(
    rf"[{_HAN}]{{2,12}}(?:小区|花园|家园|公寓|社区|名邸|花苑|山庄|别墅|新城|国际城|嘉园|雅苑|华府|苑|府|邸|居|庭|园|郡|墅|公馆|里|院|阁|轩|台|都|城|洲|岸|舍|坊)"
)
_VILLAGE = re.compile(
    rf"(?:[{_HAN}]+|\d+|[{_NUMERAL}]+)(?:村委会|居委会|村民小组|自然村|行政村|大队|生产队|小队|农场|林场|牧场|渔场|茶场|团场|兵团|嘎查|苏木|营子|窝棚"
    r"|新村|村|屯|庄|寨|组|社(?!区|会|保)|队|营(?!业|口)|连(?!锁|接)|团(?!结)|沟|洼|坪|坝|岭|塘|湾|堡|坡|垸|圩|墩|埠|埭|浜|岗|冲|畈|铺|坑|咀|嘴|垭|窑|崖|峪|淀|滩|渡|浦|泾|溇)(?!路|街|大道|道|巷|小区|花园|家园|公寓|大厦|广场|镇)"
)
_VILLAGE_ONLY_VAGUE = re.compile(
    r"^(?:本|我|我们|咱|某|[XxＸｘ×]+|农|乡|山|小|全|这|那|老|新|新农|美丽乡)+(?:村|庄|屯|组|队)(?:里|口|上)?$"
)
_INSTITUTION = re.compile(
    rf"(?P<name>[{_HAN}A-Za-z0-9]{{2,30}}?)(?:有限责任公司|有限公司|股份公司|分公司|公司|集团|企业|厂|加工厂|工作室|商行|商贸|经营部|门市部|专卖店|旗舰店|酒店|宾馆|饭店"
    r"|餐厅|饭庄|旅馆|招待所|民宿|客栈|大厦|大楼|写字楼|商厦|广场|商场|商城|购物中心|百货|中心|大学|学院|职中|高中|中学|小学|学校|幼儿园|党校|技校|医院|卫生院|卫生室|诊所|药店|药房|大药房"
    r"|政府|人民法院|法院|检察院|公安局|派出所|消防队|税务局|财政局|教育局|供电局|供电所|邮政局|邮局|分局|局|银行|支行|信用社|营业厅|超市|便利店|市场|批发城|建材城|家具城|汽车城"
    r"|工业园|产业园|科技园|软件园|创业园|物流园|园区|工业区|基地|仓库|冷库|火车站|汽车站|高铁站|车站|收费站|服务区|加油站|机场|码头|部队|监狱|看守所|教堂|寺|庙|景区|公园|体育馆|图书馆|博物馆|影院|电影院|项目部|研究院|研究所|设计院|养老院|敬老院|福利院|矿|电厂|水库|变电站|物业处|信箱|中转站|集散中心|分拨中心|转运中心|营业部|网点|快递点|管委会|店)"
)
_HANDOVER = re.compile(
    r"(?:驿站|丰巢|快递柜|自提柜|代收点|门卫|门岗|保安亭|保安室|传达室|收发室|物业|前台|便利店|快递超市|超市|小卖部)(?!旁|对面|附近|门口|边|后|隔壁)"
)
# The kind of a place is no name: 工业园区, 农贸市场, 五金店.
_KIND_OF_PLACE = re.compile(
    r"工业|产业|科技|高新|物流|软件|经济|开发|创业|农贸|批发|专卖|购物|文化|便利|服务|五金|水果"
)
_LOCAL_OFFICE = re.compile(
    r"(?:县|市|区|镇|乡|旗|州)(?:人民|第?[一二三四五六七八九十]|中心|中医|妇幼)?(?:政府|医院|委|中学|小学|卫生院|法院|检察院|公安局|教育局|财政局|税务局|行政中心|政务中心)"
    r"|(?:人民|中心|中医|妇幼保健|第[一二三四五六七八九十]人民)医院|第?[一二三四五六七八九十]+中(?:学)?(?!路|街|心)|实验(?:中学|小学)"
)


def have(detail: str, *, town: str | None = None) -> Have | None:
    """None when a courier could deliver; otherwise the best thing that the detail holds."""
    text = _CONTACT.sub(" ", detail)
    text = re.sub(r"\(\s*\d{6}\s*\)", " ", text).strip()
    if not re.search(rf"[{_HAN}]", text):
        return _latin(text, town)
    text = text.replace(" ", "")
    text = _PHASE.sub("", text)
    numbered = _PLACEHOLDER.sub("某某", _NUMBERED_ROAD.sub("某", text))
    has_number = bool(_NUMBER.search(numbered))
    if has_number and (len(_name_of(numbered)) >= 2 or _ROAD.search(numbered)):
        return None
    if _rural(text, town) or _two_places(text) or _handed_over(text) or _stands_alone(text):
        return None
    return _best(text, town, has_number)


def is_masked(detail: str) -> bool:
    """Platforms hide the detail behind stars: nothing to judge."""
    return detail.count("*") >= 2


def _latin(text: str, town: str | None) -> Have | None:
    if re.search(r"[A-Za-z]{3,}.*\d|\d.*[A-Za-z]{3,}", text):
        return None
    if re.search(r"[A-Za-z]{3,}", text):
        return "place"
    if re.search(r"\d", text):
        return "building"
    return "town" if town else "district"


def _name_of(text: str) -> str:
    """What names a place once numbers and words that fit anywhere are taken away."""
    bare = _NUMBER.sub("", text)
    return "".join(re.findall(rf"[{_HAN}A-Za-z]", _VAGUE.sub("", bare)))


def _rural(text: str, town: str | None) -> bool:
    if _VILLAGE_ONLY_VAGUE.match(text) or _PLACEHOLDER.match(text):
        return False
    if town and town.endswith(("镇", "乡")) and re.search(rf"[{_HAN}]{{2,}}社区", text):
        return True  # in a town without villages the 社区 is the village
    found = _VILLAGE.search(text)
    if not found:
        return False
    if re.fullmatch(rf"(?:\d+|[{_NUMERAL}]+|第[\d{_NUMERAL}]+)(?:组|社|队|营|连|排)", found.group()):
        return town is not None or bool(_name_of(text.replace(found.group(), "")))
    return found.end() - found.start() >= 2


def _two_places(text: str) -> bool:
    places: set[str] = set()
    rest = text
    for pattern in (_ROAD, _ESTATE, _INSTITUTION):
        for match in pattern.finditer(rest):
            if len(_name_of(match.group())) >= 2 and not _PLACEHOLDER.match(match.group()):
                places.add(match.group())
        rest = pattern.sub(" ", rest)
    return len(places) >= 2


def _handed_over(text: str) -> bool:
    """The gatehouse or the pick-up point of a named estate, road or institution."""
    found = _HANDOVER.search(text)
    return found is not None and len(_name_of(text[: found.start()])) >= 2


def _stands_alone(text: str) -> bool:
    if _LOCAL_OFFICE.search(text):
        return True
    if _PLACEHOLDER.match(text):
        return False
    for match in _INSTITUTION.finditer(text):
        name = _name_of(match.group("name"))
        if len(name) >= 2 and not _KIND_OF_PLACE.fullmatch(name) and not _ROAD.fullmatch(match.group("name")):
            return True
    return False


def _best(text: str, town: str | None, has_number: bool) -> Have:
    if _ROAD.search(text):
        return "road"
    if _ESTATE.search(text) or "小区" in text:
        return "estate"
    if has_number:
        return "building"
    if _name_of(text):
        return "place"
    return "town" if town else "district"
