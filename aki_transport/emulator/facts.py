# ruff: noqa: RUF001  # quotation marks and signs of other languages are what it looks for
"""The facts a text holds that can fill a field: numbers, quotations, names, addresses, dates."""

import re

from aki_transport.emulator.words import STOP

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_DATE_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?")
_TIME = re.compile(r"\b\d{1,2}:\d\d(?::\d\d)?\b")
_PATH = re.compile(r"(?<![\w/])(?:[\w.-]*/)*[\w-]+\.[A-Za-z]\w{0,4}\b")
_NUMBER = re.compile(r"(?<![\w.,])-?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?!\w|\.\d)")
_GLUED = re.compile(r"(?<=[\d)])\s*([-+*/×÷^])\s*(?=[\d(-])|,(?=\d{1,2}\b)")
_QUOTED = re.compile(
    r"\"([^\"\n]+)\"|“([^”\n]+)”|„([^“”\n]+)[“”]|«([^»\n]+)»|‘([^’\n]+)’|「([^」\n]+)」|`([^`\n]+)`"
    r"|(?<!\w)'([^'\n]+(?:'\w[^'\n]*)*)'(?!\w)"
)
# What tools call things they made: `img_3f9c2a`.
_ID = re.compile(r"(?<![\w/.-])(?:img[_-]|[A-Za-z]{2,12}[_-](?=[A-Za-z]*\d))[A-Za-z0-9]{4,}(?![\w-])")
_UPPER = r"[A-ZÀ-ÖØ-Þ]"
_NAME = re.compile(
    rf"\b(?:(?:Dr|Prof|Mr|Mrs|Ms)\.\s+)?{_UPPER}[\w’.-]*\w(?:\s+(?:(?:de|da|del|la|le|van|von|der|of|the|am|an)\s+)*{_UPPER}[\w’.-]*\w)*|\b{_UPPER}\b"
)
_STARTERS = frozenset(
    """
    add also answer ask book calculate call check compare compute convert could count create customer delete
    describe email explain extract fetch find generate get hello hey hi hints list look make multiply name open
    order plan print question read remind return run say search send set show subtract summarize thanks then today
    tomorrow translate try update use using user weather write yes divide based first second finally next well okay
    ok greetings dear
    """.split()  # noqa: SIM905  # reads better than a list
)
# "with name and age: Anna is 31" lists fields; the last of them is no label of the sentence behind it.
_SENTENCE = re.compile(rf"{_UPPER}[\w’-]*(?:\s+{_UPPER}[\w’-]*)*\s+(?:is|are|was|were|has|have|lives|turned)\b")
# A verb that begins a sentence: "Register the customer".
_ORDER = re.compile(rf"{_UPPER}\w+\s+(?:the|an?|me|my|our|all|some|this|that|these|how|what|up|out|with)\b")
_CALENDAR = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december
    """.split()  # noqa: SIM905  # reads better than a list
)
# Written large, and no names.
_FORMATS = frozenset("json xml yaml csv html markdown pdf api url id".split())  # noqa: SIM905  # as above
_COUNTRIES = (
    r"Germany|France|Italy|Spain|Austria|Switzerland|Poland|Netherlands|Belgium|Portugal|Greece|Sweden|Norway|Denmark|Finland"
    r"|Ireland|England|Scotland|UK|USA|US|United Kingdom|United States|Canada|Mexico|Brazil|Argentina|Japan|China|India"
    r"|Australia"
)
_REGIONS = rf"{_COUNTRIES}|Texas|California|Ohio|Florida|Georgia|Ontario|Bavaria"
_REGION = re.compile(rf",\s*(?:{_REGIONS}|[A-Z]{{2}})\b")
_SMALL_PLACE = re.compile(r"\b(?:in|at|near|for|from|to)\s+([^\W\d_]+(?:\s+[^\W\d_]+)?)")
_SPOKEN_NUMBERS = {
    word: value
    for value, word in enumerate(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], start=2
    )
} | {"dozen": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100}

Number = int | float


def emails(text: str) -> list[str]:
    """E-mail addresses."""
    return _EMAIL.findall(text)


def urls(text: str) -> list[str]:
    """Web addresses."""
    return _URL.findall(text)


def ids(text: str) -> list[str]:
    """Names given by machines: a short word and letters with digits."""
    return _ID.findall(text)


def dates(text: str) -> list[str]:
    """Days, as ISO 8601 writes them."""
    return _DATE.findall(text)


def date_times(text: str) -> list[str]:
    """Moments, as ISO 8601 writes them."""
    return [found.replace(" ", "T") for found in _DATE_TIME.findall(text)]


def times(text: str) -> list[str]:
    """Times of the day."""
    return _TIME.findall(text)


def paths(text: str) -> list[str]:
    """File names."""
    return _PATH.findall(_URL.sub(" ", _EMAIL.sub(" ", text)))


def numbers(text: str) -> list[Number]:
    """Numbers, without those that are part of a date, a time or an address; number words if there are no digits."""
    for pattern in (_EMAIL, _URL, _DATE_TIME, _DATE, _TIME):
        text = pattern.sub(" ", text)
    found = [number(each) for each in _NUMBER.findall(_GLUED.sub(r" \1 ", text))]
    if found:
        return found
    return [_SPOKEN_NUMBERS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _SPOKEN_NUMBERS]


def number(text: str) -> Number:
    """The number so written."""
    plain = text.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def quoted(text: str) -> list[str]:
    """Quotations, without their marks."""
    return [next(filter(None, groups)).strip() for groups in _QUOTED.findall(text)]


def names(text: str) -> list[str]:
    """Capitalised names, without words that are only capitalised because a sentence begins."""
    found: list[str] = []
    for match in _NAME.finditer(text):
        name = match.group()
        parts = name.split()
        if _ORDER.match(text[match.start() :]) and (
            not match.start() or text[: match.start()].rstrip()[-1:] in ".!?:\n"
        ):
            parts.pop(0)
        while parts and parts[0].lower().rstrip("’'s") in STOP | _STARTERS | _CALENDAR | {"i"}:
            parts.pop(0)
        name = " ".join(parts).removesuffix("’s").rstrip(".")
        if name and name.lower() not in _CALENDAR | STOP | _FORMATS:
            found.append(name)
    return found


def places(text: str) -> list[str]:
    """Names that may be places, with the region written after them; small letters after a preposition if need be."""
    found: list[str] = []
    whole = set(re.findall(_REGIONS, text))
    for name in names(text):
        at = text.find(name)
        region = _REGION.match(text, at + len(name))
        if any(name in earlier for earlier in found) and (name in whole or name.isupper()):
            continue
        found.append(name + (region.group() if region else ""))
    if found:
        # "Anna lives in Berlin": what follows a preposition is the place.
        after = [name for name in found if re.search(rf"\b(?:in|at|near|from|to)\s+{re.escape(name)}", text)]
        return after or found
    small = ([word for word in match.split() if word not in STOP] for match in _SMALL_PLACE.findall(text.lower()))
    return [" ".join(parts).title() for parts in small if parts]


def countries(text: str) -> list[str]:
    """Names of countries."""
    return re.findall(rf"\b(?:{_COUNTRIES})\b", text)


def has_region(text: str) -> bool:
    """Whether a comma in the text stands between a place and its region."""
    return _REGION.search(text) is not None


def labelled(text: str, label: str, *, loose: bool = True) -> str | None:
    """The value after a label: `label: value`, `label = value`, `"label": value`, `label 'value'`.

    Args:
        text: Where to look.
        label: The field's name.
        loose: Whether `label is value` and the like count too.
    """
    sign = r"[:=]+|\bis\b|\bof\b|\bto\b|\bnamed\b" if loose else r"[:=]+"
    spoken = re.escape(label).replace("_", r"[_\s-]")
    found = re.search(
        rf"(?<!\w)[\"'`*]*{spoken}[\"'`*]*\s*(?:(?:{sign})\s*|(?=[\"\'`]))(\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`|[^\s,;\n][^,;\n]*)",
        text,
        re.IGNORECASE,
    )
    if found is None:
        return None
    value = found.group(1).strip()
    if _SENTENCE.match(value) and text[: found.start()].rstrip().endswith(("and", ",")):
        return None
    if value[0] in "\"'`":
        return value.strip("\"'`") or None
    # An unquoted value ends with its clause.
    value = re.split(r"\s+(?:and|with|then|but)\s+|[.!?](?:\s|$)|[})\]]", value)[0].strip()
    return value or None
