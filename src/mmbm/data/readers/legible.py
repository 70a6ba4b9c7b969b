"""Score how legible bytes are in each encoding, by the frequency of characters and neighbors.

A wrong decoding has typical signs: rare Chinese characters, capitals inside words, symbols between
letters, two scripts in a word, adjacent accents. The mean over all characters that aren't ASCII is
compared. Libraries that guess encodings (charset-normalizer 3) find 3 in 4 of the short tables of
the tests.
"""

import codecs
import unicodedata
from typing import NamedTuple

from mmbm.data.readers.languages import familiar

SAMPLE = 200_000
"""Bytes that are scored: of lines that aren't ASCII."""
CLEAR = 0.12
"""Margin over the second best for an encoding to be chosen."""
LEGIBLE = 0.1
"""Below this mean score no encoding is chosen."""
FAMILIAR = 0.8
"""Bonus if all letters with marks occur where they do in words of one language."""

CANDIDATES = {
    "cp1252": 0.0, "gb18030": 0.0, "big5hkscs": 0.0, "cp932": 0.0, "euc_jp": -0.05, "cp949": 0.0,
    "cp1251": 0.0, "koi8_r": -0.02, "cp1250": -0.05, "iso8859_2": -0.1, "cp1254": -0.12,
    "cp1253": -0.1, "cp1255": -0.1, "cp1256": -0.1, "cp874": -0.1, "cp866": -0.12, "koi8_u": -0.04,
    "cp1257": -0.12, "cp850": -0.8, "mac_roman": -0.8, "iso8859_5": -0.3, "cp1258": -0.6,
}  # fmt: skip
"""Encodings, and a penalty for their rarity; of equal decodings the first is named."""
WIDE = ("utf-16-le", "utf-16-be")

_HANZI = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之"
    "年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样"
    "理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将"
    "两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信"
    "表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔"
    "更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统"
    "区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品"
    "住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运京广州城快乐买"
    "卖钱价质商店服坏差慢包装客户满推荐吗呢吧啊谢喜欢错评吃喝這個們來為國說時會對過發後經麼學"
    "現動還進樣開從實無與長機關點業將兩間問應戰頭體見產東話內門兒聲員論處義認條係氣題爾別變總"
    "電數報結務場計資統區隊決馬書則聽達難權設記類邊張該規萬覺術領確傳師觀讓識帶導爭運灣臺台雄"
    "買賣錢價質壞歡謝請香港深圳杭武汉漢庆慶津苏蘇陕川湖江浙福云雲贵貴阳陽岛島县縣省街楼樓房屋"
    "车票飞飛酒餐饭飯菜肉鱼魚鸡雞鷄牛羊猪豬狗猫貓花草树樹林森河洋村镇鎮乡鄉医醫药藥病痛疗療脚"
    "耳鼻衣鞋帽颜顏红紅黄黃蓝藍绿綠黑灰紫男校班考试試答案音视視频頻图圖片苹蘋脑腦网網络絡页頁"
    "站购購送货貨退款速愛県駅円府町丁番号株製語読聞売食飲早遅低古短春夏秋冬朝昼夜火木土曜秒週"
)
_HANGUL = frozenset(
    "이다는을가의에고하지로은한사기도를인리들어나자아해그서시있대수정만부일보것스제라니장전여원과게소상거으와안주선요적구면경중우"
    "생진성습합았었했겠좋없많분말문공오내방용신동관계발현당모물저때음양조무마연반세회운교개입국미비야치년울산천너름품쁩날씨"
)
_LATIN = frozenset("iéèêëàâäáãåæçñöôóòõøœüùúûíìîïß")
_EAST = frozenset("ąćęłńśźżčďěľĺňŕřšťůžășțşţğıőűđāēīūķļņģėųį")
_ALONE = frozenset("àèéóíúÀÉÓ")
_QUOTES = frozenset("µ“”‘’„‚«»–—…•·€£¥§°©®™¿¡½¼¾±×º²³")


class Guess(NamedTuple):
    encoding: str
    score: float
    text: str


def rank(data: bytes) -> list[Guess]:
    """The encodings that can decode these bytes, the most legible first; equal decodings count
    once."""
    names = WIDE if _is_wide(data) else tuple(CANDIDATES)
    found: dict[str, Guess] = {}
    for name in names:
        text = _decode(data, name)
        if text is not None and text not in found:
            found[text] = Guess(name, legibility(text) + CANDIDATES.get(name, 0.0), text)
    return sorted(found.values(), key=lambda guess: -guess.score)


def _is_wide(data: bytes) -> bool:
    """Detect UTF-16 without a BOM: the spaces, digits and line ends of a table have a zero byte."""
    return data.count(0) > 0.02 * len(data)


def _decode(data: bytes, name: str) -> str | None:
    try:
        whole = name not in WIDE  # of these the end may be cut off
        return codecs.getincrementaldecoder(name)().decode(data, final=whole)
    except UnicodeError:
        return None


def legibility(text: str) -> float:
    """Mean score of the characters that aren't ASCII, each once with its neighbors (a table repeats
    words in many rows); 1 if all are ASCII."""
    padded = f" {text} "
    places = {
        padded[i - 1 : i + 2]
        for i in range(1, len(padded) - 1)
        if not padded[i].isascii() or padded[i] == "\0"
    }
    scores = [_score(*place) for place in places]
    return sum(scores) / len(scores) + FAMILIAR * familiar(places) if scores else 1.0


def _score(before: str, c: str, behind: str) -> float:
    code = ord(c)
    if c == "\0" or 0x80 <= code < 0xA0 or unicodedata.category(c) in ("Cn", "Co", "Cs"):
        return -8.0
    if 0x4E00 <= code < 0xA000 or 0x3400 <= code < 0x4DC0 or code >= 0x20000:
        return 2.0 if c in _HANZI else _hanzi(c) - _beside_ascii(before, behind)
    if 0xAC00 <= code < 0xD7B0:
        rare = 0.4 if _is_in(c, "euc_kr") else -2.0
        return 2.0 if c in _HANGUL else rare - _beside_ascii(before, behind)
    if 0x3040 <= code < 0x3100:
        return 1.6
    if 0xFF61 <= code < 0xFFA0:  # half-width katakana: single bytes of another encoding
        return -2.5
    if 0x3000 <= code < 0x3040 or 0xFF00 <= code < 0xFF61:
        return 0.8
    if c == "µ" or (not c.isalpha() and not 0x0590 <= code < 0x0E80):
        return _symbol(before, c, behind)
    return _letter(before, c, behind)


def _beside_ascii(before: str, behind: str) -> float:
    """A rare character in a word of ASCII is half of two bytes of another encoding."""
    return 1.4 * any(n.isascii() and n.isalnum() for n in (before, behind))


def _hanzi(c: str) -> float:
    for encoding, last in (("gb2312", 0xD7), ("big5", 0xC6), ("euc_jp", 0xCF)):
        if _is_in(c, encoding):
            return 0.4 if c.encode(encoding)[0] <= last else -1.0
    return -2.0


def _is_in(c: str, encoding: str) -> bool:
    try:
        c.encode(encoding)
    except UnicodeError:
        return False
    return True


def _symbol(before: str, c: str, behind: str) -> float:
    if 0x2500 <= ord(c) < 0x25A0:  # boxes
        return -4.0
    if before.isalpha() and behind.isalpha():
        return 0.8 if c in "’·‐" else -2.0
    if c in "£¥±×°º²³¹ª©®¾¼½¶¦¬" and behind.isalpha() and c + behind not in ("°C", "°F"):
        return -1.5
    return 0.4 if c in _QUOTES else -0.2 if c == "\u00a0" else -1.0


def _letter(before: str, c: str, behind: str) -> float:
    """Letters of an alphabet. Capitals don't follow small letters, and a word has one script."""
    code, low = ord(c), "ı" if c == "İ" else c.lower()[0]
    beside = [n for n in (before, behind) if n.isalpha()]
    capital = 2.5 * (c.isupper() and before.islower()) + 0.3 * (c.isupper() and before.isupper())
    if code < 0x0370:
        base = 1.0 if low in _LATIN else 0.85 if low in _EAST else 0.8 if low in "ýþð" else -1.0
        base -= _misplaced(low, behind)
        if not beside and c not in _ALONE:
            base = -1.0
        crowded = any(not n.isascii() and not _together(low, n.lower()) for n in beside)
        return base - capital - crowded * (1.5 if low in _LATIN else 0.7)
    for first, last, usual, never_first, never_inside, never_last in _SCRIPTS:
        if first <= code <= last:
            base = 1.5 if low in usual else 0.5
            odd = (not before.isalpha() and low in never_first) or (
                behind.isalpha() and low in never_inside
            )
            odd = odd or (low in never_last and not first <= ord(behind) <= last)
            mixed = any(ord(n) < 0x0370 for n in beside)
            return base - capital - 2.0 * odd - 2.5 * mixed - (1.5 if not beside else 0)
    return -1.0


def _together(one: str, other: str) -> bool:
    """Letters with marks that are adjacent in words of one language."""
    return (
        one + other in _PAIRS
        or other + one in _PAIRS
        or any(one in letters and other in letters for letters in _LANGUAGES)
    )


_PAIRS = frozenset({"çã", "çõ", "öß", "üß", "äß", "ää", "öö", "äö", "ñá", "ñí", "ñó", "ñé", "ïé"})
_LANGUAGES = ("çğıöşüi", "āēīūčšžģķļņ", "ąčęėįšųūž", "áéíóúýčďěňřšťůž", "ąćęłńóśźż", "áéíóöőúüű")


def _misplaced(low: str, behind: str) -> float:
    """Letters of cp1252 that are usual in some positions only: œu, õe, and a final ò of Italian."""
    if low == "œ":
        return 0.0 if behind == "u" else 1.2
    if low == "õ":
        return 0.0 if behind in "eE" else 0.7
    return 0.9 if low in "ìòù" and behind.isalpha() else 0.0


_SCRIPTS = (
    (0x0370, 0x03FF, frozenset("αεηιοστνρκλπμυςάέήίόύώ"), frozenset("ς"), frozenset("ς"), ""),
    (0x0400, 0x04FF, frozenset("оеаинтсрвлкмдпуягьыз"), frozenset("ьъы"), frozenset(), ""),
    (0x0590, 0x05FF, frozenset("יוהלארתבמשנםן"), frozenset("םןךףץ"), frozenset("םןךףץ"), ""),
    (0x0600, 0x06FF, frozenset("اليمنرتبوهسعدف"), frozenset("ىةءئؤ"), frozenset("ىة"), ""),
    (0x0E00, 0x0E7F, frozenset("กนรอมทดสวบยคตาเแไใงหลป่้ีัิ"), frozenset("ัิีึืฺุู็่้๊๋์ํำๅาะ"),
     frozenset(), "ไใโเแ"),
)  # fmt: skip
"""First and last code point, usual letters; those that never begin, are inside, or end a word."""
