"""One interface of a service, asked without the rest of this package between: what it answers is to be learned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from aki_transport.errors import ConfigurationError
from aki_transport.redaction import MASK, escape_control
from aki_transport.transport.raw import RawResponse, RawSender

_SHOWN = 70  # characters of an answer in one line
_KEPT = 1500  # characters of a body in the report
_KEPT_HEADERS = ("content-type", "retry-after", "x-request-id", "request-id", "server")
_MODELS = {"aki": "llama3-chat-8b", "aacflow": "gpt-4o-mini", "ak_ai_core": "openai/gpt-4o-mini"}  # cheap ones
_KEY_IN = {"openai": "Bearer", "anthropic": "x-api-key", "native": "body"}
_COUNT = "Count from 1 to 12."
_UNFINISHED = ("queued", "processing")


class OverBudgetError(Exception):
    """As many calls were made as were agreed to."""


class Budget:
    """Counts calls that cost money before they are sent: how many are `left`."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, address: object) -> None:
        """One call more; `OverBudgetError` if it is one too many, and must not be sent."""
        if self.left <= 0:
            raise OverBudgetError(f"{address} is one call more than was agreed to; nothing was sent.")
        self.left -= 1


class ServiceAnswer:
    """The answer at a path: its status, headers, and body as JSON if it is any."""

    def __init__(self, path: str, raw: RawResponse) -> None:
        self.path = path
        self.status, self.headers, self.text = raw
        try:
            self.json: Any = json.loads(self.text)
        except ValueError:
            self.json = None

    def at(self, *path: str | int) -> Any:
        """The value at that place of the body; None if there is none."""
        value = self.json
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of each event of a stream."""
        lines = (line.removeprefix("data:").strip() for line in self.text.splitlines() if line.startswith("data:"))
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def summary(self) -> str:
        """Status and beginning of the body."""
        return f"{self.status} {' '.join(self.text.split())[:_SHOWN]}"


class Service:
    """Calls to one interface, which is named `provider/protocol`."""

    def __init__(self, interface: str, *, base_url: str, key: SecretStr, budget: Budget) -> None:
        self.interface = interface
        self.provider, _, self.protocol = interface.partition("/")
        self.base_url = base_url
        self.key = key
        self.budget = budget
        self.model = _MODELS[self.provider]
        self.exchanges: list[str] = []
        """The requests and their answers, as the report shows them."""
        self._sender = RawSender()

    def send(
        self, method: str, path: str, *, key: str | SecretStr | None = "", key_in: str = "", **more: Any
    ) -> ServiceAnswer:
        """Send one request.

        Args:
            method: HTTP's.
            path: What follows the interface's base URL.
            key: Another key than the right one; None for none.
            key_in: Where it is sent, if not where this interface has it: `Bearer`, `bearer`, `x-api-key`,
                `body` or `query`.
            **more: `json`, `data`, `files`, `params`, `headers` of httpx.
        """
        self.budget.take(path)
        body = json.dumps(more.get("json") or more.get("data") or {})[:_KEPT]
        secret = self.key if key == "" else SecretStr(key) if isinstance(key, str) else key
        options = _with_key(secret, key_in or _KEY_IN[self.protocol], more)
        answer = ServiceAnswer(path, self._sender.send(method, self.base_url + path, **options))
        headers = "".join(f"{name}: {answer.headers[name]}\n" for name in _KEPT_HEADERS if name in answer.headers)
        exchange = f"{method} {path}\n{body}\n\n{answer.status}\n{headers}\n{answer.text[:_KEPT]}"
        self.exchanges.append(self.without_key(exchange))
        return answer

    def chat(self, more: Mapping[str, Any] | None = None, *, prompt: Any = _COUNT, **options: Any) -> ServiceAnswer:
        """A prompt with a short answer; what is None in `more` is left out."""
        messages = [{"role": "user", "content": prompt}]
        body = {"model": self.model, "messages": messages, "max_tokens": 60, **(more or {})}
        path = "/v1/messages" if self.protocol == "anthropic" else "/chat/completions"
        return self.send("POST", path, json=_without_none(body), **options)

    def start(
        self,
        more: Mapping[str, Any] | None = None,
        *,
        endpoint: str = "llama3_8b_chat",
        prompt: str | None = _COUNT,
        **options: Any,
    ) -> ServiceAnswer:
        """Start a job of the native interface, with the fields of a chat if there is a prompt."""
        messages = [{"role": "user", "content": prompt}]
        chat = {"chat_context": json.dumps(messages), "max_gen_tokens": 60} if prompt else {}
        return self.send(
            "POST", f"/call/{endpoint}", json={**chat, "wait_for_result": False, **(more or {})}, **options
        )

    def poll_until_done(self, job: ServiceAnswer, *, most: int = 40, pause: float = 0.5) -> list[ServiceAnswer]:
        """The states of a job until it is over."""
        states = [self.poll(job)]
        while states[-1].at("job_state") in _UNFINISHED and len(states) < most:
            self._sender.pause(pause)
            states.append(self.poll(job))
        return states

    def poll(self, job: ServiceAnswer, **more: Any) -> ServiceAnswer:
        """The state of a job now."""
        path = job.path.replace("/call/", "/progress/")
        return self.send("POST", path, json={"job_id": job.at("job_id"), **more})

    def without_key(self, text: str) -> str:
        """The text without the key, of any length, and with control characters escaped but for line breaks."""
        text = text.replace(self.key.get_secret_value(), MASK)
        return "\n".join(map(escape_control, text.splitlines()))

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()


def _with_key(key: SecretStr | None, key_in: str, options: Mapping[str, Any]) -> dict[str, Any]:
    options = {**options, "headers": {**options.get("headers", {})}, "params": {**options.get("params", {})}}
    if key is None:
        return options
    match key_in:
        case "Bearer" | "bearer":
            options["headers"]["authorization"] = f"{key_in} {key.get_secret_value()}"
        case "x-api-key":
            options["headers"]["x-api-key"] = key.get_secret_value()
        case "query":
            options["params"]["key"] = key.get_secret_value()
        case "body":
            options["json"] = {**options.get("json", {}), "key": key.get_secret_value()}
        case _:
            raise ConfigurationError(f"key_in={key_in!r} is no place for a key.")
    return options


def _without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
