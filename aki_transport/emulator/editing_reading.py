"""What an instruction wants done to a picture, step by step."""

import re

from aki_transport.emulator.drawing_colours import Colour, colour_of
from aki_transport.emulator.drawing_scene import Scene, colours_in, read_scene
from aki_transport.emulator.drawing_styles import styles_in
from aki_transport.emulator.editing_orders import (
    Add,
    Adjust,
    Background,
    Mirror,
    Recolour,
    Remove,
    Replace,
    Restyle,
    Step,
    Target,
    Tilt,
    Tint,
    Turn,
    Write,
    Zoom,
)
from aki_transport.emulator.facts import numbers, quoted

_LONGEST = 4000  # characters that are read
_MOST = 16  # clauses that are carried out
_I = re.IGNORECASE
_CLAUSE = re.compile(
    r"\s*(?:[,;]\s*(?:and|then|und|dann)?|[.!]\s|\band then\b|\bthen\b|\band\b|\bund\b|\bdann\b)\s*", _I
)
# Not to be taken apart.
_WHOLE = re.compile(r"black and white|\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']*'", _I)
_ADD = re.compile(r"\b(?:add|insert|place|put|draw|include|paint|f(?:ü|ue)ge?|zeichne|setze|erg(?:ä|ae)nze)\b", _I)
# What is in the picture already.
_BESIDE = re.compile(
    r"\b(?:on|in|above|over|next to|beside|under|below|behind|into|near|of|to|at|auf|neben|über|unter|in)\s+"
    r"(?:\w+\s+){0,3}?(?:the|it|das|dem|den|der)\b.*",
    _I,
)
_REMOVE = re.compile(r"\b(?:remove|delete|erase|without|take away|get rid of|drop|entferne?|l(?:ö|oe)sche?|ohne)\b", _I)
_REPLACE = re.compile(
    r"\b(?:replace|swap|exchange|substitute|turn|transform|change|ersetze|tausche|verwandle)\b(?P<old>.+?)"
    r"\b(?:with|by|for|into|to|durch|gegen|in)\b(?P<new>.+)",
    _I,
)
_BACKGROUND = re.compile(r"\b(?:background|backdrop|hintergrund\w*)\b", _I)
_NEW_BEHIND = re.compile(r"\b(?:with|by|to|into|for|in|durch|zu|auf)\b(?P<new>.+)", _I)
_TURN = re.compile(
    r"\b(?:rotat\w+|dreh\w*|upside[\s-]down|turn\b.*\b(?:degrees?|clockwise|around)|\d+\s*(?:°|degrees?|grad\b))", _I
)
_BACKWARDS = re.compile(
    r"\b(?:counter[\s-]?clockwise|anti[\s-]?clockwise|to the left|nach links|gegen den uhr\w*)\b", _I
)
_MIRROR = re.compile(r"\b(?:mirror\w*|flip\w*|spieg\w*|gespiegelt)\b", _I)
_VERTICAL = re.compile(r"\b(?:vertical\w*|upside[\s-]down|vertikal|senkrecht)\b", _I)
_TILT = re.compile(r"\b(?:angle|perspective|from the side|viewpoint|perspektive|blickwinkel)\b", _I)
_WRITE = re.compile(
    r"\b(?:write|caption|label|title|text|words?|letters|schreib\w*|beschrift\w*)\b\s*[:,]?\s*(?P<text>.*)", _I
)
_EVERYTHING = re.compile(r"\b(?:everything|image|picture|photo|whole|all|bild|alles)\b", _I)
_AMOUNTS: tuple[tuple[re.Pattern[str], Step], ...] = tuple(
    (re.compile(rf"\b(?:{words})\b", _I), step)
    for words, step in (
        (r"bright(?:er|en|ness)?|lighter|lighten|heller|aufhellen", Adjust("brightness", 1.25)),
        (r"darken|darker|dimm?(?:er)?|dunkler|abdunkeln", Adjust("brightness", 0.65)),
        (r"(?:less|lower|reduce\w*|weniger)(?: the)? (?:contrast|kontrast)", Adjust("contrast", 0.6)),
        (r"contrast|kontrast", Adjust("contrast", 1.5)),
        (r"desaturate|less colou?rful|muted", Adjust("colour", 0.4)),
        (r"more colou?rful|saturat\w+|vivid|vibrant|bunter|kr(?:ä|ae)ftiger\w*", Adjust("colour", 1.8)),
        (r"zoom(?: in| into| closer)?|closer|crop\w*|close-up|n(?:ä|ae)her", Zoom(1.5)),
        (r"zoom out|farther|further away|weiter weg", Zoom(0.7)),
    )
)
_DARKER = re.compile(r"\b(?:dark|less|lower|reduce\w*|decrease)\b", _I)
_AT_NIGHT = re.compile(r"\b(?:(?:at|by|to|into) night|night(?:time)?|nacht)\b", _I)
_LESS_LIGHT = Adjust("brightness", 0.65)
_MORE_LIGHT = Adjust("brightness", 1.25)
_ZOOM_IN, _ZOOM_OUT = Zoom(1.5), Zoom(0.7)
_RIGHT_ANGLE, _HALF_TURN = 90, 180


def read_instruction(text: str) -> tuple[Step, ...]:
    """The steps, in the order they are said; none if nothing is understood."""
    steps: list[Step] = []
    for clause in _clauses(" ".join(text.split())[:_LONGEST])[:_MOST]:
        steps += _clause(clause, steps[-1] if steps else None)
    return tuple(steps)


def _clauses(text: str) -> list[str]:
    masked = _WHOLE.sub(lambda found: "x" * len(found.group()), text)
    found: list[str] = []
    start = 0
    for end in _CLAUSE.finditer(masked):
        found.append(text[start : end.start()].strip())
        start = end.end()
    return [clause for clause in (*found, text[start:].strip()) if clause]


def _clause(clause: str, last: Step | None) -> list[Step]:
    if _BACKGROUND.search(clause):
        return _behind(clause)
    if (said := _written(clause)) is not None:
        return [Write(said)]
    scene = read_scene(clause)
    fresh = read_scene(_BESIDE.sub("", clause))
    if _REMOVE.search(clause) and (scene.items or colours_in(clause)):
        return [Remove(_target(clause))]
    if (both := _REPLACE.search(clause)) and (new := read_scene(both["new"])).items:
        return [Replace(_target(both["old"]), new)]
    if _ADD.search(clause) and fresh.items and not _is_recolouring(clause, scene):
        return [Add(fresh)]
    if steps := _whole(clause):
        return steps
    if colours := colours_in(clause):
        return [_recoloured(clause, scene, colours, last)]
    if scene.items and isinstance(last, Add):
        return [Add(scene)]
    return [Remove(_target(clause))] if scene.items and isinstance(last, Remove) else []


def _whole(clause: str) -> list[Step]:
    """Steps about the whole picture."""
    steps: list[Step] = [Restyle(name) for name in styles_in(clause)]
    if _AT_NIGHT.search(clause):
        steps.append(Restyle("night"))
    if _MIRROR.search(clause):
        steps.append(Mirror("vertical" if _VERTICAL.search(clause) else "horizontal"))
    elif _TURN.search(clause):
        given = numbers(clause)
        degrees = given[0] if given else _HALF_TURN if _VERTICAL.search(clause) else _RIGHT_ANGLE
        steps.append(Turn(-degrees if _BACKWARDS.search(clause) else degrees))
    elif _TILT.search(clause):
        steps.append(Tilt())
    if not colours_in(clause):
        hit = next((step for pattern, step in _AMOUNTS if pattern.search(clause)), None)
        match hit:
            case None:
                pass
            case Adjust("brightness", _) if _DARKER.search(clause):
                steps.append(_LESS_LIGHT)
            case Zoom() if re.search(r"\bout\b", clause, _I):
                steps.append(_ZOOM_OUT)
            case step:
                steps.append(step)
    return steps


def _behind(clause: str) -> list[Step]:
    if _REMOVE.search(clause) or re.search(r"\btransparent\b", clause, _I):
        return [Background(None)]
    new = _NEW_BEHIND.search(clause)
    scene = read_scene(new["new"] if new else clause)
    colours = colours_in(clause)
    if colours and not scene.items:
        return [Background(read_scene(f"{_spoken(colours[-1])} background"))]
    if scene.items or scene.land or scene.light != "day":
        return [Background(scene)]
    styles = styles_in(clause)
    return [Restyle(name) for name in styles]


def _written(clause: str) -> str | None:
    found = _WRITE.search(clause)
    if found is None or _REMOVE.search(clause):
        return None
    marked = quoted(clause)
    text = marked[0] if marked else re.sub(r"\s+(?:on|onto|in|at|auf)\s+(?:it|the|top|das)\b.*", "", found["text"])
    return text.strip(" .:") or None


def _is_recolouring(clause: str, scene: Scene) -> bool:
    """Whether the colour stands behind the thing, as in "paint the circle blue"."""
    words = re.findall(r"[\w#-]+", clause)
    return len(scene.items) == 1 and bool(words) and colour_of(words[-1]) is not None


def _recoloured(clause: str, scene: Scene, colours: list[Colour], last: Step | None) -> Step:
    if isinstance(last, Add) and scene.items:
        return Add(scene)
    if not scene.items and len(colours) == 1:
        return Tint(colours[0]) if _EVERYTHING.search(clause) else Recolour(Target(), colours[0])
    thing = scene.items[0].name if scene.items else None
    return Recolour(Target(thing, colours[0] if len(colours) > 1 else None), colours[-1])


def _target(text: str) -> Target:
    scene, colours = read_scene(text), colours_in(text)
    return Target(scene.items[0].name if scene.items else None, colours[0] if colours else None)


def _spoken(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
