"""The requests that a fault can strike, and what a service rightly answers them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.behaviour.faces import FACES, Face
from tests.scenarios import MODEL, replied, streamed
from tests.scenarios.tool_calls import adding, asked, asked_in
from tests.script_server import Answer, Origin, Request, json_answer, sse
from tests.transport import anthropic_says as claude
from tests.transport.native_says import CHAT, ENDPOINT, STARTED, done, working

PIECES = ("1, 2", ", 3", ", 4.")
TEXT = "".join(PIECES)
FIRST = PIECES[0].encode()
"""What a stream's first piece of text has in it."""

CUT_AT = 3
"""The look at a job that comes when text was given out: two before it agreed."""

LOOKS = 3
"""Looks at a job that all goes well with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One kind of request, as tests name it; a fault strikes the calls, or the looks for a job's state."""

    name: str
    face: Face
    model: str
    strikes: Literal["call", "look"] = "call"

    @property
    def tags(self) -> frozenset[str]:
        """What a row may ask for."""
        return frozenset(self.name.split())

    @property
    def models(self) -> Mapping[str, str]:
        """Its model, by its part in a row."""
        return {"plain": self.model}

    def connection(self, where: Origin) -> dict[str, Any]:
        """The arguments that every class takes to get there."""
        return self.face.connection(where)


_OPENAI, _ANTHROPIC, _NATIVE = (face for face in FACES if face.provider == "aki")

PLACES = (
    Place(name="openai", face=_OPENAI, model=MODEL),
    Place(name="anthropic", face=_ANTHROPIC, model=MODEL),
    Place(name="native start", face=_NATIVE, model=CHAT),
    Place(name="native look", face=_NATIVE, model=CHAT, strikes="look"),
)


def kind_of(request: Request) -> str:
    if request.method == "GET":
        return "list"
    if "/progress/" not in request.path:
        return "call"
    return "cancel" if request.json and request.json.get("cancel") else "look"


def right(request: Request, number: int, *, tools: bool) -> Answer:
    """What a service in order answers.

    Args:
        request: What it is asked.
        number: How many of the kind this one is.
        tools: Whether it asks for a tool.
    """
    match kind_of(request):
        case "list":
            said = json_answer({"success": True, "endpoints": [ENDPOINT]})
        case "look":
            looks = {1: working(PIECES[0]), 2: working(PIECES[0] + PIECES[1])}
            said = json_answer(looks.get(number, done(TEXT)))
        case "cancel":
            said = json_answer(STARTED)
        case _ if "/call/" in request.path:
            said = json_answer(STARTED)
        case _ if request.path.endswith("/messages"):
            said = _anthropic(stream=bool(request.json.get("stream")), tools=tools)
        case _:
            said = _openai(stream=bool(request.json.get("stream")), tools=tools)
    return replace(said, end="keep-alive")


def _openai(*, stream: bool, tools: bool) -> Answer:
    if tools:
        call = adding('{"a": 1}', 0, call_id="call_1")
        return asked_in([call]) if stream else asked(call)
    return streamed(*PIECES) if stream else replied(TEXT)


def _anthropic(*, stream: bool, tools: bool) -> Answer:
    block = (
        claude.tool_use("toolu_1", "add", {} if stream else {"a": 1}) if tools else claude.text("" if stream else TEXT)
    )
    reason = "tool_use" if tools else "end_turn"
    if not stream:
        return json_answer(claude.message(block, stop=reason))
    grown = [claude.grow(0, "input_json", partial_json='{"a": 1}')] if tools else map(claude.say, PIECES)
    return sse(*claude.streamed(claude.begin(0, block), *grown, claude.stop(), reason=reason), done=False)
