"""The table of interfaces and features in docs/protocols.md is what the wires take and what runs on the emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from aki_transport import PROVIDERS, ConfigurationError, JobProgress
from aki_transport.emulator import Emulator, answer
from aki_transport.wire import find_wire
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion

PAGE = (Path(__file__).parents[1] / "docs" / "protocols.md").read_text(encoding="utf-8")
SUM, ANSWER = "What is 6 * 7?", "6 * 7 = 42."
INTERFACES = [(provider.name, route.protocol) for provider in PROVIDERS.values() for route in provider.routes]


class City(BaseModel):
    """A city."""

    name: str
    country: str


def where(emulator: Emulator, provider: str, protocol: str) -> dict[str, Any]:
    """How a model there is made."""
    model, url, key = {
        "aki": ("qwen3.6-35b", getattr(emulator, f"{protocol}_url"), emulator.key),
        "aacflow": ("gpt-4o-mini", emulator.aacflow_url, emulator.aacflow_key),
        "ak_ai_core": ("openai/gpt-4o-mini", emulator.ak_ai_core_url, emulator.ak_ai_core_key),
    }[provider]
    return {"provider": provider, "protocol": protocol, "model": model, "base_url": url, "api_key": key}


def takes_pictures(at: dict[str, Any]) -> str:
    for picture in ({"base64": "iVBORw0KGgo=", "mime_type": "image/png"}, {"url": "https://example.com/a.png"}):
        parts = [{"type": "text", "text": "What is this?"}, {"type": "image", **picture}]
        try:
            assert ChatAKI(**at).invoke([HumanMessage(parts)]).text
        except ConfigurationError:
            return "as data" if "url" in picture else "no"
    return "yes"


def features(emulator: Emulator, at: dict[str, Any]) -> dict[str, str]:
    """What the columns of the table say of this interface."""
    told: list[JobProgress] = []
    # Ten times as long as a job takes otherwise, so that it is looked at while it grows.
    slowly = {"x-emulator-fault": "queue=1;job-seconds=1.5"}
    model = ChatAKI(**at, on_progress=told.append, default_headers=slowly)
    emulator.respond(answer(ANSWER, reasoning="Hm."))
    blocking = model.invoke(SUM)
    first, *pieces = model.stream("Count to 50.")
    streamed = sum(pieces, first)
    both = (blocking, streamed)
    fields = find_wire(at["protocol"]).SUPPORTED_FIELDS
    assert ChatAKI(**at).with_structured_output(City).invoke("Munich is a city in Germany.").name == "Munich"
    assert ChatAKI(**at).invoke(SUM).text == AKILLM(**at).invoke(SUM) == ANSWER
    assert AKI(**at).complete(SUM).text == AKICompletion(**at).complete(SUM).text == ANSWER
    ways = {"schema": "response_format" in fields, "tool": "tools" in fields, "instruction": True}
    known = {
        "text": blocking.text == ANSWER,
        "streaming": len([piece for piece in pieces if piece.text]) > 1,
        "tools": "tools" in fields,
        "`reasoning_effort`": "reasoning_effort" in fields,
        "`stop`": ChatAKI(**at, stop=[" = "]).invoke(SUM).text == "6 * 7",
        "usage": all(each.usage_metadata and each.usage_metadata["total_tokens"] for each in both),
        "credits": all("credits_used" in each.response_metadata for each in both),
        "queue progress": any(progress.state == "queued" for progress in told),
    }
    signed = ", signed" if blocking.additional_kwargs.get("thinking_blocks") else ""
    return {
        **{name: "yes" if is_there else "no" for name, is_there in known.items()},
        "structured output, by": ", ".join(way for way, is_known in ways.items() if is_known),
        "images in": takes_pictures(at),
        "reasoning": f"yes{signed}" if blocking.additional_kwargs["reasoning_content"] == "Hm." else "no",
        "model classes": "all",
    }


def test_the_table_says_what_runs_at_every_interface(emulator: Emulator):
    section = PAGE.partition("\n## What each of them can do\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    table = {label: cells for label, *cells in rows if label}
    assert table.pop("`provider`") == [f'`"{provider}"`' for provider, _ in INTERFACES]
    assert table.pop("`protocol`") == [f'`"{protocol}"`' for _, protocol in INTERFACES]
    columns = [features(emulator, where(emulator, *interface)) for interface in INTERFACES]
    assert table == {label: [column[label] for column in columns] for label in columns[0]}
