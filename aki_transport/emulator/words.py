# ruff: noqa: RUF001  # full stops of other languages are what it looks for
"""Words and sentences: what texts are compared by."""

import re

STOP = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below between both but
    by can could did do does doing down during each else etc few for from further had has have having he her here
    hers him his how i if in into is it its itself just let like may me might more most my no nor not now of off on
    once only or other our out over own please same shall she should so some such than that the their them then
    there these they this those through to too under until up us very was we were what when where whether which
    while who whom whose why will with within without would you your tell give want need know say says said does
    happen happens made make makes get gets needs needed s t re ve ll d m don doesn isn aren
    """.split()  # noqa: SIM905  # reads better than a list
)
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SUFFIXES = ("ations", "ation", "ings", "ing", "ied", "ies", "ers", "er", "es", "ed", "ly", "s", "e", "y")
_SHORTEST_STEM = 3
_IRREGULAR = {
    form: verb
    for verb, forms in {
        "break": "broke broken",
        "choose": "chose chosen",
        "fall": "fell fallen",
        "find": "found",
        "hold": "held",
        "keep": "kept",
        "lose": "lost",
        "run": "ran running",
        "send": "sent",
        "speak": "spoke spoken",
        "write": "wrote written",
    }.items()
    for form in forms.split()
}
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]`*_]*\s+|[。！？]")
_ABBREVIATION = re.compile(
    # One small letter is a unit at the end of a sentence ("60 s."), a capital one an initial.
    r"\b(?:(?i:e\.g|i\.e|etc|vs|cf|no|dr|mr|mrs|ms|st|approx|incl|resp|fig)|[A-Z])\.$"
)


def stem(word: str) -> str:
    """A word without its ending; only good for comparing with another stem."""
    word = _IRREGULAR.get(word.lower(), word.lower())
    for suffix in _SUFFIXES:
        base = word.removesuffix(suffix)
        if base != word and len(base) >= _SHORTEST_STEM:
            if base[-1] == base[-2] and base[-1] not in "lsaeiou":
                return base[:-1]
            return base
    return word


def stems(words: str) -> frozenset[str]:
    """The stems of the words of a list written with spaces."""
    return frozenset(map(stem, words.split()))


def content(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order; `maxRetries` counts as itself and as its parts."""
    words = (each for word in _WORD.findall(text) for each in _as_parts(word))
    return [stem(word) for word in words if word.lower() not in STOP]


def _as_parts(word: str) -> list[str]:
    parts = _CAMEL.split(word)
    return [word, *parts] if len(parts) > 1 else parts


def name_parts(name: str) -> str:
    """An identifier as separate words: `get_weather`, `getWeather` → `get weather`."""
    return _CAMEL.sub(" ", name).replace("_", " ").replace("-", " ")


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph."""
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        here = text[start : end.end()]
        following = text[end.end() : end.end() + 1]
        if following.islower() or _ABBREVIATION.search(here.strip()):
            continue
        found.append(here.strip())
        start = end.end()
    if rest := text[start:].strip():
        found.append(rest)
    return found


def shorten(text: str, limit: int) -> str:
    """The beginning of a text, on one line, cut at a word."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    return flat[:limit].rsplit(" ", 1)[0].rstrip(",;:.") + " …"
