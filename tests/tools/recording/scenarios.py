"""What cassettes show, as data: the recorder asks it, and every class of both frameworks reads the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from aki_transport.messages import JsonSchema, Message, Tool, ToolCall
from tests.behaviour.faces import Face
from tests.behaviour.table import By
from tests.tools.recording.places import PLACES

Kind: TypeAlias = Literal["models", "chat", "prompt", "structured", "draw", "edit"]

WEATHER = Tool(
    name="get_weather",
    description="The weather in a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CITY = JsonSchema(
    name="City",
    description="A city.",
    schema={
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "population": {"type": "integer", "description": "People who live there"},
        },
        "required": ["name", "population"],
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What comes, as far as it holds for any good answer.

    Args:
        says: What stands in its text.
        pieces: How many pieces it comes in at least.
        reasons: Whether it comes with reasoning.
        calls: The tools it asks for.
        made: The object it is.
        usage: Whether it says how many tokens it took.
        pictures: Width and height of each picture.
        states: The states of its job that are told of, each once.
    """

    says: str = ""
    pieces: int = 0
    reasons: bool = False
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    made: Mapping[str, Any] | None = None
    usage: bool = True
    pictures: tuple[tuple[int, int], ...] = ()
    states: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """An error: the name of its class, and its HTTP status where it has one."""

    error: str
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing to ask a service.

    Args:
        name: The cassette's name.
        result: What must come of it.
        kind: What is asked for.
        asked: The question, or the whole conversation.
        model: Which of the place's models is asked.
        given: Fields of the request.
        connecting: Fields of the connection.
        key: With which it is recorded, where that is not the service's own key.
        tools: The functions that may be called.
        stream: Whether the answer comes in pieces.
        fault: What the emulator does wrong. A live service cannot be asked for that.
        shapes: How fast the emulator's job is, where it is one, so that it takes as many polls each time.
        needs: The tags that a place must have.
        lacks: The tags that it must not have.
        raw: Whether the classes for raw prompts ask the same.
    """

    name: str
    result: Answers | Fails | By[Answers | Fails]
    kind: Kind = "chat"
    asked: str | tuple[Message, ...] = "Count from 1 to 12."
    model: str = "plain"
    given: Mapping[str, Any] | By[Mapping[str, Any]] = field(default_factory=dict)
    connecting: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    tools: tuple[Tool, ...] = ()
    stream: bool = False
    fault: str = ""
    shapes: str = ""
    needs: str = ""
    lacks: str = ""
    raw: bool = False

    def fits(self, place: Face) -> bool:
        """Whether the place has such a thing."""
        return place.tags.issuperset(self.needs.split()) and place.tags.isdisjoint(self.lacks.split())


COUNTED = Answers(says="10, 11, 12")
_SUNNY = (
    Message(role="user", content="What is the weather in Paris?"),
    Message(role="assistant", tool_calls=(ToolCall("call_1", "get_weather", '{"city": "Paris"}'),)),
    Message(role="tool", content="sunny, 21 degrees", tool_call_id="call_1"),
)
_CALLED = Answers(calls=(("get_weather", {"city": "Paris"}),))
_WORKED = ("queued", "processing", "done")

SCENARIOS = (
    Scenario(name="models", kind="models", result=Answers(usage=False)),
    Scenario(
        name="chat",
        asked=(
            Message(role="system", content="Answer in one sentence."),
            Message(role="user", content="My name is Ada."),
            Message(role="assistant", content="Hello Ada."),
            Message(role="user", content="Count from 1 to 12."),
        ),
        result=COUNTED,
        shapes="fast",
    ),
    Scenario(name="stream", stream=True, result=Answers(says="10, 11, 12", pieces=2), raw=True, lacks="native"),
    Scenario(
        name="stream",
        stream=True,
        result=Answers(says="10, 11, 12", pieces=2, states=("processing", "done")),
        shapes="job-seconds=3",
        needs="native",
    ),
    Scenario(name="prompt", kind="prompt", result=COUNTED, shapes="fast"),
    Scenario(
        name="prompt_stream",
        kind="prompt",
        stream=True,
        result=Answers(says="10, 11, 12", pieces=2),
        shapes="job-seconds=3",
        needs="native",
    ),
    Scenario(name="tools", asked=_SUNNY[0].content, tools=(WEATHER,), result=_CALLED, needs="tools"),
    Scenario(
        name="tools_stream", asked=_SUNNY[0].content, tools=(WEATHER,), stream=True, result=_CALLED, needs="tools"
    ),
    Scenario(name="tool_result", asked=_SUNNY, tools=(WEATHER,), result=Answers(says="sunny"), needs="tools"),
    Scenario(
        name="structured",
        kind="structured",
        asked="Paris has 2000000 people. Give its name and population.",
        result=Answers(made={"name": "Paris", "population": 2000000}, usage=False),
        shapes="fast",
    ),
    Scenario(
        name="reasoning",
        model="thinking",
        given=By({"native": {}, "": {"reasoning_effort": "medium"}}),
        result=Answers(says="10, 11, 12", reasons=True),
        shapes="fast",
        needs="thinking",
    ),
    Scenario(
        name="reasoning_stream",
        model="thinking",
        given=By({"native": {}, "": {"reasoning_effort": "medium"}}),
        stream=True,
        result=Answers(says="10, 11, 12", reasons=True),
        shapes="job-seconds=3",
        needs="thinking",
    ),
    Scenario(
        name="overflow",
        given=By({"native": {"extra_body": {"max_gen_tokens": 900000}}, "": {"extra_body": {"max_tokens": 900000}}}),
        # The native API names the parameter and not the context, unless the prompt itself is too long.
        result=By({"native": Fails(error="BadRequestError", status=400), "": Fails(error="ContextOverflowError")}),
    ),
    Scenario(
        name="wrong_key",
        key="not-the-key",
        result=Fails(error="AuthenticationError", status=401),
    ),
    Scenario(
        name="unknown_model",
        model="unknown",
        given={"max_tokens": 100},  # what is sent without it depends on the host
        connecting={"on_unknown_model": "allow"},
        result=By(
            {
                "aki native": Fails(error="ModelNotFoundError"),
                "aki": Fails(error="ModelFallbackError"),
                "": Fails(error="ModelNotFoundError", status=404),
            }
        ),
    ),
    Scenario(
        name="no_credits",
        fault="credits",
        result=Fails(error="InsufficientCreditsError", status=402),
        lacks="aki",
    ),
    Scenario(
        name="rate_limited",
        fault="status=429;retry-after=7",
        connecting={"max_retries": 0},
        result=Fails(error="RateLimitError", status=429),
        lacks="native",
    ),
    Scenario(
        name="queue_full",
        fault="queue-full",
        connecting={"max_retries": 0},
        result=Fails(error="RateLimitError", status=400),
        needs="native",
    ),
    Scenario(
        name="job_queued",
        fault="queue=2;job-seconds=3",
        result=Answers(says="10, 11, 12", states=_WORKED),
        needs="native",
    ),
    Scenario(name="job_failed", fault="job-fail;fast", result=Fails(error="JobError"), needs="native"),
    Scenario(name="job_lapsed", fault="lapse;job-seconds=3", result=Fails(error="JobError"), needs="native"),
    Scenario(
        name="image",
        kind="draw",
        asked="a red lighthouse",
        given=By({"native": {"seed": 7, "steps": 4}, "": {}}),
        result=Answers(pictures=((128, 128),), usage=False),
        shapes="fast",
        needs="aki",
        lacks="anthropic",
    ),
    Scenario(
        name="image_edit",
        kind="edit",
        asked="make it blue",
        given=By({"native": {"seed": 7}, "": {}}),
        result=Answers(pictures=((128, 128),), usage=False),
        shapes="fast",
        needs="aki",
        lacks="anthropic",
    ),
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A scenario at one place, which is one cassette."""

    scenario: Scenario
    place: Face

    @property
    def cassette(self) -> str:
        """The cassette's path, without folder and suffix."""
        return f"{self.place.name}/{self.scenario.name}"

    @property
    def result(self) -> Answers | Fails:
        """What must come of it here."""
        result = self.scenario.result
        return result.of(self.place.tags) if isinstance(result, By) else result

    @property
    def given(self) -> dict[str, Any]:
        """Fields of the request."""
        given = self.scenario.given
        return dict(given.of(self.place.tags) if isinstance(given, By) else given)

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.place.models[self.scenario.model]

    @property
    def connecting(self) -> dict[str, Any]:
        """Fields of the connection; a header says to the emulator what to do, also when its models are listed."""
        fault, shapes = self.scenario.fault, self.scenario.shapes if "native" in self.place.tags else ""
        headers = {"x-emulator-fault": fault or shapes} if fault or shapes else None
        return {
            "default_headers": headers,
            "model_listing": not fault,
            "total_timeout": 300,
            **self.scenario.connecting,
        }

    @property
    def can_be_live(self) -> bool:
        """Whether a live service can be asked for it."""
        return not self.scenario.fault

    def __str__(self) -> str:
        return self.cassette


SPOTS = tuple(Spot(scenario, place) for place in PLACES.values() for scenario in SCENARIOS if scenario.fits(place))
