"""The answers in `answers/*.json`: documented forms of many services, blocking and as the same answer streamed."""

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
    back: dict[str, Any] | None = None

    def __str__(self) -> str:
        return self.name

    def say(self, *, streamed: bool) -> Answer:
        return sse(*self.events, done=self.protocol == "openai") if streamed else json_answer(self.body)

    def model_fields(self, server: ScriptServer, name: str = "gateway") -> dict[str, Any]:
        """The arguments of a model of either framework that asks the server for this answer."""
        provider = Provider(name=name, base_url=getattr(server, f"{self.protocol}_url"))
        return {"model": self.body["model"], "provider": provider, "api_key": "sk-1234567890", "model_listing": False}

    def missing_in(self, message: Any, *, streamed: bool) -> list[Any]:
        """What the answer holds and the message does not; texts may stand within others."""
        kept = list(_leaves(message))
        texts = [each for each in kept if isinstance(each, str)] + list(_arguments(message))

        def is_kept(leaf: Any) -> bool:
            if not isinstance(leaf, str):
                return leaf in kept
            return any(leaf.removeprefix("data:image/png;base64,") in text for text in texts)

        return [leaf for leaf in _leaves(self.events if streamed else self.body) if not is_kept(leaf)]


def read_answers() -> list[ServiceAnswer]:
    answers = []
    for path in sorted((Path(__file__).parent / "answers").glob("*.json")):
        page = json.loads(path.read_text("utf-8"))
        for each in page["answers"]:
            named = {**each, "name": f"{path.stem}: {each['name']}"}
            answers.append(ServiceAnswer(protocol=page["protocol"], **named))
    return answers


def _leaves(value: Any, name: str = "") -> Iterator[Any]:
    """Texts, numbers and truth values within a value, with texts of JSON read."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _CONSTANTS:
                yield from _leaves(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, name)
    elif isinstance(value, bytes):
        yield value.decode("ascii") if value.isascii() else base64.b64encode(value).decode()
    elif isinstance(value, str) and name == "arguments" and value.startswith("{") and value.endswith("}"):
        yield from _leaves(json.loads(value))
    elif value is not None and value != "":
        yield value


def _arguments(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name in ("args", "tool_kwargs", "input"):
            if isinstance(value.get(name), dict):
                yield json.dumps(value[name])
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inner in children:
        yield from _arguments(inner)
