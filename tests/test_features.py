"""The table of interfaces and features in docs/protocols.md is what the wires take and what runs on the emulator."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from aki_transport import PROVIDERS, ConfigurationError, JobProgress
from aki_transport.emulator import Emulator
from aki_transport.wire import find_wire
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion
from tests.pictures import a_png
from tests.scenarios import replied
from tests.script_server import ScriptServer

PAGE = (Path(__file__).parents[1] / "docs" / "protocols.md").read_text(encoding="utf-8")
SUM = "What is 6 * 7?"
ANSWER = "6 * 7 = 42."
NO = "no"

Where = dict[str, Any]
INTERFACES = [(provider.name, route.protocol) for provider in PROVIDERS.values() for route in provider.routes]


class City(BaseModel):
    """A city."""

    name: str
    country: str


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


def where(emulator: Emulator, provider: str, protocol: str) -> Where:
    """How a model there is made."""
    model, url, key = {
        "aki": ("qwen3.6-35b", getattr(emulator, f"{protocol}_url"), emulator.key),
        "aacflow": ("gpt-4o-mini", emulator.aacflow_url, emulator.aacflow_key),
        "ak_ai_core": ("openai/gpt-4o-mini", emulator.ak_ai_core_url, emulator.ak_ai_core_key),
    }[provider]
    return {"provider": provider, "protocol": protocol, "model": model, "base_url": url, "api_key": key}


def yes_if(found: object) -> str:
    return "yes" if found else NO


def takes(at: Where, name: str) -> bool:
    return name in find_wire(at["protocol"]).SUPPORTED_FIELDS


def whole_stream(model: ChatAKI, question: Any) -> Any:
    first, *rest = model.stream(question)
    for piece in rest:
        first = first + piece
    return first


def text(at: Where) -> str:
    return yes_if(ChatAKI(**at).invoke(SUM).text == ANSWER)


def streaming(at: Where) -> str:
    # Ten times as long as a job takes otherwise, so that it is looked at while it grows.
    model = ChatAKI(**at, default_headers={"x-emulator-fault": "job-seconds=1.5"})
    pieces = [piece.text for piece in model.stream("Count to 50.") if piece.text]
    return yes_if(len(pieces) > 1)


def tools(at: Where) -> str:
    bound = ChatAKI(**at).bind_tools([get_weather])
    question = "What is the weather in Munich?"
    if not takes(at, "tools"):
        with pytest.raises(ConfigurationError, match="takes no tools"):
            bound.invoke(question)
        return NO
    return yes_if(bound.invoke(question).tool_calls and whole_stream(bound, question).tool_calls)


def structured(at: Where) -> str:
    assert ChatAKI(**at).with_structured_output(City).invoke("Munich is a city in Germany.").name == "Munich"
    ways = {"schema": takes(at, "response_format"), "tool": takes(at, "tools"), "instruction": True}
    return ", ".join(way for way, known in ways.items() if known)


def images(at: Where) -> str:
    assert takes(at, "images")
    data = {"type": "image", "base64": base64.b64encode(a_png()).decode(), "mime_type": "image/png"}
    assert ChatAKI(**at).invoke([HumanMessage([{"type": "text", "text": "What is this?"}, data])]).text
    address = {"type": "image", "url": "https://example.com/a.png"}
    try:
        assert ChatAKI(**at).invoke([HumanMessage([{"type": "text", "text": "What is this?"}, address])]).text
    except ConfigurationError:
        return "as data"
    return "yes"


def reasoning(at: Where) -> str:
    if at["protocol"] == "openai":
        with ScriptServer(always=replied(ANSWER, reasoning_content="hm", top={"model": at["model"]})) as server:
            answer = ChatAKI(**{**at, "base_url": server.openai_url, "on_unknown_model": "allow"}).invoke(SUM)
    else:
        answer = ChatAKI(**at).invoke(SUM)
    found = yes_if(answer.additional_kwargs["reasoning_content"])
    return f"{found}, signed" if answer.additional_kwargs.get("thinking_blocks") else found


def effort(at: Where) -> str:
    model = ChatAKI(**at, reasoning_effort="high")
    if takes(at, "reasoning_effort"):
        return yes_if(model.invoke(SUM).text)
    with pytest.raises(ConfigurationError, match="takes no reasoning_effort"):
        model.invoke(SUM)
    return NO


def stop(at: Where) -> str:
    assert takes(at, "stop")
    return yes_if(ChatAKI(**at, stop=[" = "]).invoke(SUM).text == "6 * 7")


def usage(at: Where) -> str:
    model = ChatAKI(**at)
    counted = [answer.usage_metadata for answer in (model.invoke(SUM), whole_stream(model, SUM))]
    return yes_if(all(each and each["total_tokens"] for each in counted))


def credits_left(at: Where) -> str:
    model = ChatAKI(**at)
    told = ["credits_used" in each.response_metadata for each in (model.invoke(SUM), whole_stream(model, SUM))]
    assert len(set(told)) == 1
    return yes_if(all(told))


def queue(at: Where) -> str:
    told: list[JobProgress] = []
    ChatAKI(**at, on_progress=told.append, default_headers={"x-emulator-fault": "queue=1"}).invoke(SUM)
    return yes_if([each for each in told if each.state == "queued"])


def classes(at: Where) -> str:
    assert ChatAKI(**at).invoke(SUM).text == AKILLM(**at).invoke(SUM) == ANSWER
    assert AKI(**at).complete(SUM).text == AKICompletion(**at).complete(SUM).text == ANSWER
    return "all"


ROWS: dict[str, Callable[[Where], str]] = {
    "text": text,
    "streaming": streaming,
    "tools": tools,
    "structured output, by": structured,
    "images in": images,
    "reasoning": reasoning,
    "`reasoning_effort`": effort,
    "`stop`": stop,
    "usage": usage,
    "credits": credits_left,
    "queue progress": queue,
    "model classes": classes,
}


def line_of(label: str) -> list[str]:
    """The cells of the row of this label."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_table_has_a_column_for_every_interface():
    assert line_of("`provider`") == [f'`"{provider}"`' for provider, _ in INTERFACES]
    assert line_of("`protocol`") == [f'`"{protocol}"`' for _, protocol in INTERFACES]


@pytest.mark.parametrize("label", ROWS)
def test_a_row_of_the_table_says_what_runs(emulator: Emulator, label: str):
    assert line_of(label) == [ROWS[label](where(emulator, *interface)) for interface in INTERFACES]
