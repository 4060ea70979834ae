"""One spelling for text that people typed, pasted or exported."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_TRADITIONAL = str.maketrans(
    "號樓棟區縣鄉鎮鄰灣廣東門龍雲臺國際條層莊園環學華寧蘇貴慶陝遼黑內蒙蘭肅齊爾濱溝壩嶺橋倉運貨轉單測試發補",
    "号楼栋区县乡镇邻湾广东门龙云台国际条层庄园环学华宁苏贵庆陕辽黑内蒙兰肃齐尔滨沟坝岭桥仓运货转单测试发补",
)
# Format characters that arrive with text copied from chats and web pages (Unicode category Cf).
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]+"
)
_BLANKS = re.compile(r"\s+")
SEPARATORS = " \t\r\n,，、/|-_·;；:："


@lru_cache(maxsize=512)  # one order asks for the same cells several times, its region comes again and again
def tidy(text: str | None) -> str:
    """Full-width and common traditional forms unified, invisible characters dropped, blanks collapsed."""
    value = unicodedata.normalize("NFKC", text or "").translate(_TRADITIONAL)
    value = _BLANKS.sub(" ", _INVISIBLE.sub("", value)).strip().strip("'\"").strip()
    return "" if value in {"-", "--", "/", "\\"} else value
