"""The answers in `answers/*.json`: documented forms of many services, blocking and as the same answer streamed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aki_transport import Provider
from tests.script_server import Answer, ScriptServer, json_answer, sse

# What every answer of the protocol has in the same way, or what only orders its pieces.
_CONSTANTS = frozenset({"type", "object", "role", "index"})


@dataclass(frozen=True)
class ServiceAnswer:
    """One answer; `back` is the message in which it stands in the next request, None if that is tested elsewhere."""

    name: str
    protocol: str
    body: dict[str, Any]
    events: list[dict[str, Any]]
    back: dict[str, Any] | None

    def __str__(self) -> str:
        return self.name

    def say(self, *, streamed: bool) -> Answer:
        """The answer for a `ScriptServer`."""
        return sse(*self.events, done=self.protocol == "openai") if streamed else json_answer(self.body)

    def model_fields(self, server: ScriptServer, name: str = "gateway") -> dict[str, Any]:
        """The arguments of a model of either framework that asks the server for this answer."""
        base_url = server.openai_url if self.protocol == "openai" else server.anthropic_url
        provider = Provider(name=name, base_url=base_url)
        model = self.body["model"]
        return {"model": model, "provider": provider, "api_key": "sk-1234567890", "model_listing": False}

    @property
    def leaves(self) -> list[Any]:
        """What the body holds."""
        return list(leaves_of(self.body))

    @property
    def streamed_leaves(self) -> list[Any]:
        """What the events hold."""
        return [leaf for event in self.events for leaf in leaves_of(event)]


def read_answers() -> list[ServiceAnswer]:
    answers = []
    for path in sorted((Path(__file__).parent / "answers").glob("*.json")):
        page = json.loads(path.read_text("utf-8"))
        for each in page["answers"]:
            name = f"{path.stem}: {each['name']}"
            answers.append(ServiceAnswer(name, page["protocol"], each["body"], each["events"], each.get("back")))
    return answers


def leaves_of(value: Any, name: str = "") -> Iterator[Any]:
    """Texts, numbers and truth values within a value, with texts of JSON read."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _CONSTANTS:
                yield from leaves_of(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves_of(inner, name)
    elif isinstance(value, bytes):
        yield value.decode("ascii") if value.isascii() else base64.b64encode(value).decode()
    elif isinstance(value, str) and name == "arguments" and value.startswith("{") and value.endswith("}"):
        yield from leaves_of(json.loads(value))
    elif value is not None and value != "":
        yield value


def missing(leaves: list[Any], message: Any) -> list[Any]:
    """Those of the leaves that stand nowhere in the message; texts may stand within others."""
    kept = list(leaves_of(message))
    texts = [each for each in kept if isinstance(each, str)]
    texts += [json.dumps(call.get("args") or call.get("tool_kwargs")) for call in _calls(message)]
    texts += [json.dumps(block["input"]) for block in _inputs(message)]
    return [leaf for leaf in leaves if not (_is_in(leaf, texts) if isinstance(leaf, str) else leaf in kept)]


def _is_in(leaf: str, texts: list[str]) -> bool:
    return any(leaf.removeprefix("data:image/png;base64,") in text for text in texts)


def _inputs(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("input"), dict):
            yield value
        for inner in value.values():
            yield from _inputs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _inputs(inner)


def _calls(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("args"), dict) or isinstance(value.get("tool_kwargs"), dict):
            yield value
        for inner in value.values():
            yield from _calls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _calls(inner)
