"""What is asked of each server, one function a row of the table.

Each returns the outcome as a few words, and raises where it is wrong. What a server may do in more than one right way
(refuse an unknown model, or answer with another one and be named) is an outcome; a wrong class of error is not.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from aki_transport import Provider, Route, errors
from tests.tools.interop.frameworks import Framework, Reply
from tests.tools.interop.servers import Server

HELLO = [{"role": "user", "content": "Hello, who are you?"}]
PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str = Field(description="The city's name")
    days: int = Field(description="For how many days, 1 to 9")


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    is_member: bool


SCHEMA = Person.model_json_schema()
CALL_TOOL = {
    "type": "function",
    "function": {"name": "GetWeather", "description": GetWeather.__doc__, "parameters": GetWeather.model_json_schema()},
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A server, asked through one framework over one protocol, in the first so many of the four ways."""

    server: Server
    framework: Framework
    protocol: str
    ways: int = 4

    @property
    def provider(self) -> Provider:
        """The server as a user writes it."""
        if self.protocol == "openai":
            return Provider(base_url=self.server.url)
        assert self.server.anthropic_url is not None
        return Provider(routes=(Route(protocol="anthropic", base_url=self.server.anthropic_url),))

    def model(self, **fields: Any) -> Any:
        """A chat model."""
        return self.framework.chat(**self._fields(fields))

    def completion(self, **fields: Any) -> Any:
        """A model of the completion class."""
        return self.framework.completion(**self._fields(fields))

    def replies(self, conversation: Any = HELLO, *, fields: dict[str, Any] | None = None, **kwargs: Any) -> list[Reply]:
        """The replies of all ways to ask, each of a model of its own."""
        return [self._in_way(number, conversation, fields or {}, dict(kwargs)) for number in range(self.ways)]

    def _in_way(self, number: int, conversation: Any, fields: dict[str, Any], kwargs: dict[str, Any]) -> Reply:
        way, ask = list(self.framework.ways(self.model(**fields), conversation, **kwargs))[number]
        try:
            reply: Reply = ask()
        except Exception as error:
            error.add_note(f"asked by {way}")
            raise
        return reply

    def _fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        common = {"model": self.server.model, "provider": self.provider, "protocol": self.protocol}
        return {**common, "api_key": self.server.key, **fields}


@contextmanager
def requests_sent() -> Iterator[list[tuple[str, str, int]]]:
    """Method, path and status of each request that is answered meanwhile, as the transport logs them."""
    sent: list[tuple[str, str, int]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple) and "answered %d" in str(record.msg):
                method, path, status, *_ = record.args
                sent.append((str(method), str(path), int(str(status))))

    logger, handler = logging.getLogger("aki_transport"), Handler(logging.DEBUG)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield sent
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def counted(sent: list[tuple[str, str, int]], calls: int) -> str:
    """What to add to an outcome where calls took more than one request each."""
    posts = sum(method == "POST" for method, _, _ in sent)
    return "" if posts == calls else f"; {posts} requests for {calls} calls"


def has_answered(reply: Reply, server: Server) -> None:
    """Raise unless a reply has all that a reply has."""
    assert reply.text or reply.reasoning or reply.calls, "an empty answer"
    assert reply.finish_reason in ("stop", "length", "tool_calls"), f"finish_reason is {reply.finish_reason}"
    assert reply.tokens is not None, "no usage"
    assert min(reply.tokens) > 0, f"usage is {reply.tokens}"
    assert reply.model, "the answering model is not named"
    assert server.model in reply.model or reply.model in server.model, f"{reply.model} answers"


def default_settings(subject: Subject) -> str:
    """Nothing set but model, provider and key."""
    with requests_sent() as sent:
        replies = subject.replies()
    for reply in replies:
        has_answered(reply, subject.server)
    streamed = max(reply.pieces for reply in replies)
    assert streamed > 1, "a stream of one piece"
    return f"answers, streams{counted(sent, len(replies))}"


def limits(subject: Subject) -> str:
    """What is known of the context window behind the first call."""
    model = subject.model()
    next(subject.framework.ways(model, HELLO))[1]()
    info = model.model_info()
    assert subject.framework.window(model) == info.context_window, "the framework is told another window"
    return f"{info.context_window} from the listing" if info.source == "service" else "not listed"


def stop(subject: Subject) -> str:
    """A stop text, which must not be in the answer."""
    text = subject.replies()[0].text
    mark = next((letter for letter in text[len(text) // 2 :] if letter.isalnum()), None)
    assert mark, f"no letter in {text!r}"
    for reply in subject.replies(fields={"stop": [mark]}):
        assert mark not in reply.text, f"{mark!r} is in {reply.text!r}"
        assert reply.finish_reason == "stop", f"finish_reason is {reply.finish_reason}"
    return "ends before it"


def output_bound(subject: Subject) -> str:
    """`max_tokens=16`."""
    reasons = set()
    for reply in subject.replies(fields={"max_tokens": 16}):
        assert reply.tokens, "no usage"
        assert reply.tokens[1] <= 16, f"{reply.tokens[1]} tokens"
        reasons.add(f"`{reply.finish_reason}`")
    return f"kept; {', '.join(reasons)}"


def sampling(subject: Subject) -> str:
    """Every field that the protocol has."""
    fields = {"temperature": 0.5, "top_p": 0.9, "top_k": 20}
    if subject.protocol == "openai":
        fields |= {"seed": 3, "presence_penalty": 0.1, "frequency_penalty": 0.1}
    try:
        with requests_sent() as sent:
            replies = subject.replies(fields=fields)
    except errors.BadRequestError as error:
        return f"`BadRequestError`: {error.message[:80]}"
    for reply in replies:
        has_answered(reply, subject.server)
    return f"taken{counted(sent, len(replies))}"


def forced_tool(subject: Subject) -> str:
    """A tool that must be called."""
    with requests_sent() as sent, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        replies = subject.replies(tools=[GetWeather], tool_choice="any")
    for reply in replies:
        for name, arguments in reply.calls:
            assert name == "GetWeather", f"{name} is called"
            GetWeather.model_validate(arguments)
    called = sum(bool(reply.calls) for reply in replies)
    outcome = "called" if called == len(replies) else f"called in {called} of {len(replies)}"
    return f"{outcome}{', else a warning' if seen else ''}{counted(sent, len(replies))}"


def named_tool(subject: Subject) -> str:
    """One of two tools, which must be called."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        replies = subject.replies(tools=[GetWeather, Person], tool_choice="GetWeather")
    called = [{name for name, _ in reply.calls} for reply in replies]
    if all(names == {"GetWeather"} for names in called):
        return "called"
    return f"taken as `auto`{', with a warning' if seen else ''}"


def offered_tool(subject: Subject) -> str:
    """A tool that may be called."""
    with requests_sent() as sent:
        replies = subject.replies(tools=[GetWeather])
    for reply in replies:
        has_answered(reply, subject.server)
    return f"taken{counted(sent, len(replies))}"


CALL = {"id": "call_1", "type": "function", "function": {"name": "GetWeather", "arguments": '{"city":"Bonn","days":1}'}}
TOOL_TURN = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is the weather in Bonn?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Sunny, 21 degrees"},
]


def tool_results(subject: Subject) -> str:
    """A history with a call and its result."""
    with requests_sent() as sent:
        replies = subject.replies(TOOL_TURN, tools=[GetWeather])
    for reply in replies:
        has_answered(reply, subject.server)
    return f"taken{counted(sent, len(replies))}"


ODD_HISTORY = [
    {"role": "user", "content": "Hello"},
    {"role": "user", "content": "Are you there?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "system", "content": "Be brief."},
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": "are you?"}]},
]


def odd_history(subject: Subject) -> str:
    """Two user messages in a row, a system message behind them, a name, a text in parts."""
    with requests_sent() as sent:
        replies = subject.replies(ODD_HISTORY)
    for reply in replies:
        has_answered(reply, subject.server)
    return f"taken{counted(sent, len(replies))}"


def objects(subject: Subject) -> str:
    """An object of a pydantic class."""
    prompt = "Ann is 41 and no member."
    with requests_sent() as sent:
        ways = list(subject.framework.objects(subject.model(), Person, prompt))
        for number, (way, _) in enumerate(ways):
            value = list(subject.framework.objects(subject.model(), Person, prompt))[number][1]()
            assert isinstance(value, Person), f"{way}: {value!r}"
    return f"valid{counted(sent, len(ways))}"


def json_mode(subject: Subject) -> str:
    """`response_format={"type": "json_object"}`."""
    with requests_sent() as sent:
        replies = subject.replies(response_format={"type": "json_object"})
    complete = [json.loads(reply.text) for reply in replies if reply.finish_reason != "length"]
    return f"{'valid JSON' if complete else 'taken; every answer was cut'}{counted(sent, len(replies))}"


def image(subject: Subject) -> str:
    """A picture, which the model cannot see."""
    parts = [{"type": "text", "text": "What is that?"}, {"type": "image_url", "image_url": {"url": PNG}}]
    return _refused(subject, [{"role": "user", "content": parts}], errors.APIStatusError)


def unknown_model(subject: Subject) -> str:
    """A model that is not there."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        outcome = _refused(subject, HELLO, errors.ModelNotFoundError, model="no-such-model")
    named = [each for each in seen if issubclass(each.category, errors.ModelMismatchWarning)]
    return f"{outcome}, with a `ModelMismatchWarning`" if named else outcome


def wrong_key(subject: Subject) -> str:
    """A key that is not the server's."""
    if subject.server.key is None:
        return "takes none"
    return _refused(subject, HELLO, errors.AuthenticationError, api_key="sk-of-somebody-else")


def overflow(subject: Subject) -> str:
    """A prompt longer than the context window."""
    model = subject.model()
    next(subject.framework.ways(model, HELLO))[1]()
    length = min(8 * model.model_info().context_window, 2_000_000)
    prompt = ("how now brown cow " * (length // 18 + 1))[:length]
    return _refused(subject, [{"role": "user", "content": prompt}], errors.ContextOverflowError)


def output_over_window(subject: Subject) -> str:
    """`max_tokens` over the context window, as a user may set it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.ModelLimitWarning)
        return _refused(subject, HELLO, errors.BadRequestError, max_tokens=1_000_000)


def _refused(subject: Subject, conversation: Any, right: type[errors.AKIError], **fields: Any) -> str:
    """The outcome of four ways to ask what a server may refuse: by this class of error, in one request, or answer."""
    outcomes: set[str] = set()
    for number in range(4):
        with requests_sent() as sent:
            ways = list(subject.framework.ways(subject.model(**fields), conversation))
            way, ask = ways[number]
            try:
                reply = ask()
                assert reply.finish_reason, f"{way}: an answer without an end"
                outcomes.add(f"answers{counted(sent, 1)}")
            except right as error:
                outcomes.add(f"`{type(error).__name__}`{counted(sent, 1)}")
            except errors.AKIError as error:
                error.add_note(f"asked by {way}")
                raise
    return ", or ".join(sorted(outcomes))


def failing_models(subject: Subject) -> str:
    """Errors that the server makes of its backends' errors."""
    told = []
    for model, right in subject.server.failing.items():
        outcome = _refused(subject, HELLO, right, model=model, max_retries=0)
        told.append(f"{model}: {outcome}")
    return "; ".join(told) or "none to ask"


def early_end(subject: Subject) -> str:
    """A stream that is left after its first piece, and the next call."""
    model = subject.model()
    subject.framework.first_piece(model, "Tell me a long story.")
    next(subject.framework.ways(model, HELLO))[1]()
    return "the next call answers"


def many(subject: Subject) -> str:
    """Eight calls at the same time."""
    texts = subject.framework.batch(subject.model(), [f"Hello, number {number}" for number in range(8)])
    assert len(texts) == 8
    return "all answer"


def completion(subject: Subject) -> str:
    """The class for raw prompts."""
    ways = list(subject.framework.prompts(subject.completion(), "Once upon a time"))
    for number, (way, _) in enumerate(ways):
        text = list(subject.framework.prompts(subject.completion(), "Once upon a time"))[number][1]()
        assert isinstance(text, str), way
        assert text, f"{way}: empty"
    return "answers, streams"


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A row of the table.

    Args:
        name: As the table has it.
        check: Returns the outcome; raises where that is wrong.
        of_model: Whether it depends on what the model can do, so that a mocked one is not asked.
        protocols: Those that have it.
    """

    name: str
    check: Callable[[Subject], str]
    of_model: bool = False
    protocols: tuple[str, ...] = ("openai", "anthropic")


FEATURES = (
    Feature(name="first call, default settings", check=default_settings),
    Feature(name="context window", check=limits),
    Feature(name="`stop`", check=stop, of_model=True),
    Feature(name="`max_tokens`", check=output_bound, of_model=True),
    Feature(name="sampling fields", check=sampling),
    Feature(name="forced tool", check=forced_tool, of_model=True),
    Feature(name="tool forced by name", check=named_tool, of_model=True),
    Feature(name="offered tool", check=offered_tool, of_model=True),
    Feature(name="tool results in the history", check=tool_results),
    Feature(name="history of an odd order", check=odd_history),
    Feature(name="object of a class", check=objects, of_model=True),
    Feature(name="JSON mode", check=json_mode, of_model=True, protocols=("openai",)),
    Feature(name="picture", check=image, of_model=True),
    Feature(name="unknown model", check=unknown_model),
    Feature(name="wrong key", check=wrong_key),
    Feature(name="prompt too long", check=overflow, of_model=True),
    Feature(name="`max_tokens` over the window", check=output_over_window, of_model=True),
    Feature(name="errors of its backends", check=failing_models),
    Feature(name="stream left early", check=early_end),
    Feature(name="eight calls at once", check=many),
    Feature(name="raw prompt (`AKILLM`, `AKICompletion`)", check=completion),
)

# What depends on the chat template of a model.
TEMPLATE_FEATURES = tuple(
    feature for feature in FEATURES if feature.check in (default_settings, tool_results, odd_history)
)
