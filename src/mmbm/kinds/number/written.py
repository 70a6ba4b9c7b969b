"""Infer the notation of a column's numbers: texts -> options that parse all alike, or a reason.

Every cell is split into sign, unit, digits and marks; the one notation that fits nearly all cells
is chosen for the column. Two notations that fit equally well are reported, and never mixed.
"""

import re
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from mmbm.cells.notation import ABSENT, BLANKS, SIGNED_TWICE, USUAL, Notation, plain
from mmbm.errors import BadCell
from mmbm.kinds.column import Cell

NEARLY = 0.98
"""Fraction of the cells that a notation must fit."""
LARGELY = 0.8
"""Fraction of numeric cells above which the others are bad cells of a number column."""
MANY = 20
"""Distinct numbers above which a few words beside them are units."""
LOOKED_AT = 2000
"""Number of cells that are examined."""

MARKS = frozenset({
    "?", "??", "-", "--", "---", ".", "..", "...", "…", "*", "/", "–", "—", "∅", "\\n", "n.a.",
    "n.a", "n/d", "n.d.", "nd", "n/k", "nk", "#n/a", "#na", "#null!", "#value!", "#ref!",
    "#div/0!", "#num!", "#name?", "nil", "nat", "unknown", "unk", "missing", "undefined", "void",
    "empty", "none.", "<null>", "<none>", "(null)", "(none)", "[null]", "not available",
    "not applicable", "not known", "not recorded", "not given", "no data", "no answer", "tbd",
    "tba", "k.a.", "k. a.", "keine angabe", "unbekannt", "fehlt", "s/d", "inconnu", "desconocido",
    "sin datos", "нет", "н/д", "н.д.", "неизвестно", "无", "無", "未知", "不详", "不詳", "暂无",
    "缺失", "空", "なし", "不明", "없음", "미상",
})  # fmt: skip
"""Words that mean a missing value in a column of numbers."""

MAGNITUDES = {
    "k": 1e3, "K": 1e3, "M": 1e6, "Mio": 1e6, "Mio.": 1e6, "mn": 1e6, "B": 1e9, "bn": 1e9,
    "Mrd": 1e9, "Mrd.": 1e9, "T": 1e12, "thousand": 1e3, "million": 1e6, "billion": 1e9,
    "千": 1e3, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8,
}  # fmt: skip
_UNITS = frozenset({
    "kg", "g", "mg", "µg", "μg", "lb", "lbs", "oz", "t", "km", "m", "cm", "mm", "µm", "nm", "in",
    "ft", "yd", "mi", "s", "ms", "min", "h", "hr", "hrs", "hour", "hours", "d", "day", "days",
    "week", "weeks", "month", "months", "year", "years", "yr", "yrs", "gb", "mb", "kb", "tb", "b",
    "l", "ml", "cl", "dl", "gal", "pt", "°c", "°f", "c", "f", "k", "%", "‰", "$", "€", "£", "¥",
    "₹", "w", "kw", "mw", "v", "a", "hz", "khz", "mhz", "ghz", "kb/s", "mb/s", "km/h", "mph",
    "m/s", "kib", "mib", "gib", "tib", "kbit", "mbit", "gbit", "bit", "wh", "kwh", "j", "kj", "cal",
    "kcal", "pa", "hpa", "kpa", "mpa", "bar", "psi", "atm", "rpm", "bpm", "dpi", "px", "ha", "m2",
    "m²", "km²", "cm²", "ft²", "sqft", "m3", "m³", "cm³", "mol", "mmol", "ppm", "ppb", "db", "lx",
    "kn", "mpg", "µs", "μs", "ns", "元", "円", "원", "岁", "歳", "公斤",
    "斤", "米", "厘米", "分钟", "小时", "天", "年", "个", "人",
})  # fmt: skip
_CURRENCY = re.compile(  # or "about"
    r"[~≈]|ca\.?|about|approx\.?|[\$€£¥￥₹₽₩₺₴₪₫฿₱₦₡₵₸₼₾¢]|[A-Z]{1,3}\$|R\$|(USD|EUR|GBP|JPY|CNY|RMB|INR|CHF|AUD|CAD|NZD|HKD|SGD|"
    r"SEK|NOK|DKK|PLN|CZK|HUF|RUB|TRY|BRL|MXN|ZAR|KRW|TWD|THB|IDR|Rs\.?|kr\.?|Fr\.?|zł|Kč|Ft)"
)
_ABOUT = frozenset({"~", "≈", "ca", "ca.", "about", "approx", "approx."})
_SYMBOLS = {"€": "eur", "$": "usd", "us$": "usd", "£": "gbp", "₹": "inr", "₽": "rub", "₩": "krw",
            "zł": "pln", "kč": "czk", "ft": "huf", "₺": "try", "rmb": "cny", "r$": "brl",
            "元": "cny", "円": "jpy"}  # fmt: skip
_BLANK = f"[{BLANKS}]"
_PARTS = re.compile(
    rf"""(?P<sign>[+-]?){_BLANK}*(?P<before>[^\d\s.,+()-][^\d+()-]{{0,8}}?)?{_BLANK}*[+-]?
    (?P<body>(?:\d+(?:[.,'’‘ʼ`´_{BLANKS}]\d+)*|\.\d+)\.?(?:[eE][+-]?\d+)?)
    {_BLANK}*(?P<behind>[^\W\d_][^,;:]{{0,19}}|[%‰°\$€£¥￥₹₽₩₺₴₪₫฿₱₦¢+"″′][^,;:\d]{{0,9}})?-?""",
    re.VERBOSE,
)
_CANDIDATES: tuple[tuple[str, str | None], ...] = (
    (".", None), (".", ","), (",", None), (",", "."), (".", " "), (",", " "), (".", "'"),
    (",", "'"), (".", "_"), (",", "_"),
)  # fmt: skip
"""(decimal, thousands); the first of those that fit best is taken: 1,234 has thousands."""
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+", re.ASCII)
_POINTED = re.compile(r"[1-9]\d{0,2}(\.\d{3})", re.ASCII)


class Written(NamedTuple):
    """Notation of a column's numbers."""

    options: dict[str, Any] = {}  # noqa: RUF012  # of a number column; empty: read by default
    notes: tuple[str, ...] = ()
    refused: str = ""  # why they are no numbers, although they look like some

    @property
    def notation(self) -> Notation:
        values = {"decimal": ".", "thousands": None, "unit": None, "missing": True, **self.options}
        return Notation.of(SimpleNamespace(**values))


class Parts(NamedTuple):
    before: str
    body: str
    behind: str


def find(cells: Sequence[Cell]) -> Written:
    """The notation of the texts among these cells; the default without any."""
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    texts = [text for text in texts if text.lower() not in ABSENT]
    if not any(c.isdigit() for text in texts[:200] for c in text[:40]):
        return Written()
    if all(map(USUAL.fullmatch, texts)):
        some = [Parts("", text.removeprefix("-"), "") for text in texts[:LOOKED_AT]]
        return Written() if _are_codes(some) else Written({}, _notes(some, ".", None, Counter()))
    missing = Counter(text for text in texts if _is_mark(text))
    rest = [text for text in texts if text not in missing][:LOOKED_AT]
    parts = [found for text in rest if (found := take_apart(text))]
    if not parts or len(parts) < LARGELY * len(rest) or _are_codes(parts):
        return Written()
    unit, refused = _unit(parts)
    decimal, thousands = _marks(parts)
    options: dict[str, Any] = {"decimal": decimal} if decimal != "." else {}
    options |= {"thousands": thousands} if thousands else {}
    options |= {"unit": unit} if unit else {}
    options |= {"missing": [*missing]} if missing else {}
    written = Written(options, _notes(parts, decimal, thousands, missing))
    written = written._replace(notes=written.notes + _brackets(written.notation, rest))
    wrong = [text for text in rest if not _reads(written.notation, text)]
    if refused or len(wrong) > (1 - LARGELY) * len(rest):
        twice = next((t for t in wrong if SIGNED_TWICE.fullmatch(plain(t))), None)
        if twice and not refused:
            return Written(refused=f"numbers with brackets and a sign, such as {twice}, which have "
                           "two readings; write -5 or (5)")  # fmt: skip
        return _refusal(parts, refused, unit)
    return written


def take_apart(text: str) -> Parts | None:
    """Remove sign and brackets; None for text other than a number with a unit."""
    text = plain(text)
    text = text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text
    text = re.sub(rf"\((?={_BLANK}*[\d.]).*\)$", lambda m: m[0][1:-1], text)  # $(1,200)
    found = _PARTS.fullmatch(text) if len(text) <= 60 else None
    if found is None:
        return None
    before, behind = (found["before"] or "").strip(), (found["behind"] or "").strip()
    if before and not _CURRENCY.fullmatch(before):
        return None
    return Parts(before, found["body"], behind)


def _is_mark(text: str) -> bool:
    return text.lower() in MARKS


def _are_codes(parts: list[Parts]) -> bool:
    """007, and digit groups of equal length, as in telephone numbers."""
    codes = sum(len(p.body) > 1 and p.body[0] == "0" and p.body.isdigit() for p in parts)
    if codes >= (1 - NEARLY) * len(parts):
        return True
    shapes = {re.sub(r"\d", "0", p.body) for p in parts}
    groups = next(iter(shapes)).split()
    return len(parts) >= 10 and len(shapes) == 1 and len(groups) > 2 and "".join(groups).isdigit()


def _unit(parts: list[Parts]) -> tuple[str | dict[str, float] | None, str]:
    """The option `unit`, or why there is none: one unit, its spellings, or magnitudes."""
    before = Counter(p.before for p in parts if p.before)
    behind = Counter(p.behind for p in parts if p.behind)
    if not before and not behind:
        return None, ""
    magnitudes = {b: MAGNITUDES[b] for b in behind if b in MAGNITUDES}
    bare = sum(not p.behind for p in parts)
    if magnitudes and (len(behind) > 1 or bare or before) and len(magnitudes) == len(behind):
        units = dict.fromkeys(before, 1.0)
    else:
        magnitudes, units = {}, dict.fromkeys([*before, *behind], 1.0)
    spellings = {_spelling(text) for text in units}
    if (
        len({_spelling(b) for b in before if b.lower() not in _ABOUT}) > 1
        or len({_spelling(b) for b in behind if b in units}) > 1
        or _differ(parts, units)
    ):
        known = all(_spelling(text) in _SPELLED or _CURRENCY.fullmatch(text) for text in units)
        known = known and any(len(text) > 1 or not text.isalpha() for text in units)
        # Unlisted words are units if each occurs with many different numbers.
        often = len(parts) >= 5 * len(units) and len({p.body for p in parts}) > MANY
        known = known or (often and all(len(text) > 1 for text in units))
        return None, "several units" if known else "no unit"
    none = sum(not p.before and not p.behind for p in parts)
    if spellings == {"%"} and none >= (1 - NEARLY) * len(parts):
        return None, "percent"
    units |= magnitudes
    only = next(iter(units))
    return (only if len(units) == 1 and units[only] == 1 else units), ""


def _differ(parts: list[Parts], units: dict[str, float]) -> bool:
    """Some cells have one unit before the number, and others another behind it: $5 and 5 EUR."""
    before = {_spelling(p.before) for p in parts if p.before and not p.behind}
    behind = {_spelling(p.behind) for p in parts if p.behind in units and not p.before}
    before -= {_spelling(word) for word in _ABOUT}
    return bool(before and behind) and before != behind


def _spelling(unit: str) -> str:
    """A key that is equal for spellings of one unit: kg and KG., € and EUR."""
    lower = unit.lower().rstrip(".s")
    return _SYMBOLS.get(lower, lower)


_SPELLED = frozenset(map(_spelling, _UNITS))


def _marks(parts: list[Parts]) -> tuple[str, str | None]:
    """(decimal, thousands) that fit the most cells."""

    bodies = [p.body for p in parts]
    marks = set("".join(bodies)) - set("0123456789eE+-.")

    def fits(candidate: tuple[str, str | None]) -> int:
        notation = Notation(*candidate)
        strict = candidate == (".", None)
        return sum(_reads(notation, body) and not (strict and "," in body) for body in bodies)

    if not marks and not any(body.count(".") > 1 for body in bodies):
        return _CANDIDATES[0]
    return max(_CANDIDATES, key=fits)


def _reads(notation: Notation, text: str) -> bool:
    try:
        notation.read(text)
    except BadCell:
        return False
    return True


def _notes(
    parts: list[Parts], decimal: str, thousands: str | None, missing: Counter[str]
) -> tuple[str, ...]:
    """Decisions that may be wrong."""
    notes = []
    bodies = [p.body for p in parts]
    commas = [b for b in bodies if "," in b]
    if (
        thousands == ","
        and commas
        and all(_GROUPED.fullmatch(b) and b.count(",") == 1 for b in commas)
    ):
        notes.append(f"{commas[0]} is read as {commas[0].replace(',', '')}; if it is a fraction: "
                     "decimal: ','")  # fmt: skip
    points = [b for b in bodies if "." in b]
    if (
        (decimal, thousands) == (".", None)
        and points
        and all(_POINTED.fullmatch(b) for b in points)
    ):
        notes.append(f"{points[0]} is read as a fraction; if it means "
                     f"{points[0].replace('.', '')}: decimal: ',', thousands: '.'")  # fmt: skip
    if missing:
        marks = " and ".join(missing)
        notes.append(f"{marks} taken as missing ({missing.total()} rows)")
    return tuple(notes)


def _brackets(notation: Notation, texts: list[str]) -> tuple[str, ...]:
    """Negative numbers in accounting notation."""
    first = next((text for text in texts if plain(text)[:1] == "("), None)
    if first is None or not _reads(notation, first):
        return ()
    return (f"{first} is read as {notation.read(first):.12g}: brackets mean negative",)


def _refusal(parts: list[Parts], why: str, unit: Any) -> Written:
    """Numbers that no single notation fits."""
    if why == "no unit":
        return Written()  # words with a number before them
    if why == "several units":
        units = Counter(p.before or p.behind for p in parts if p.before or p.behind)
        names = ", ".join(text for text, _ in units.most_common(5))
        first = ", ".join(f"{text}: …" for text in list(units)[:2])
        return Written(refused=f"numbers in several units ({names}); convert them to one, or say "
                       f"what one of each counts: unit: {{{first}}}")  # fmt: skip
    if why == "percent":
        return Written(refused="numbers written as 12% and as 0.12; write them in one way")
    bodies = [p.body for p in parts]
    comma, point = (
        next((b for b in bodies if max(b.rfind(","), b.rfind(".")) == b.rfind(mark) >= 0), None)
        for mark in ",."
    )
    if comma and point:
        return Written(refused=f"numbers written in two ways, {comma} and {point}; write them in "
                       "one")  # fmt: skip
    return Written()
