"""One interface of a service, asked without any of our code between: what it says is what is to be learned."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from tests.behaviour.faces import Face
from tests.tools.recording.budget import Budget

_PATIENCE = httpx.Timeout(120, connect=10)


class Said:
    """An answer: its status, headers, and body as JSON where it is any."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text
        try:
            self.json: Any = response.json()
        except ValueError:
            self.json = None

    def at(self, *path: str | int) -> Any:
        """What stands there in the body; None if nothing does."""
        found = self.json
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of each event of a stream."""
        lines = (line.removeprefix("data:").strip() for line in self.text.splitlines() if line.startswith("data:"))
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def words(self) -> str:
        """Status and beginning of the body."""
        return f"{self.status} {' '.join(self.text.split())[:70]}"


class Service:
    """Calls to one interface.

    Args:
        place: Which one.
        url: Where it is.
        key: The key.
        budget: Counts the calls.
    """

    def __init__(self, place: Face, url: str, key: str, budget: Budget) -> None:
        self.place = place
        self.key = key
        self._url = url
        self._client = httpx.Client(
            timeout=_PATIENCE, event_hooks={"request": [lambda request: budget.take(request.url)]}, trust_env=False
        )

    def ask(self, method: str, path: str, *, key: str | None = "", key_in: str = "", **more: Any) -> Said:
        """Send one request.

        Args:
            method: HTTP's.
            path: Behind the interface's address.
            key: Another key than the right one; None for none.
            key_in: Where it travels, if not where this interface has it: `bearer`, `x-api-key` or `query`.
            **more: `json`, `data`, `files`, `params`, `headers` of httpx.
        """
        key = self.key if key == "" else key
        key_in = key_in or {"openai": "bearer", "anthropic": "x-api-key", "native": "body"}[self.place.protocol]
        headers, params = dict(more.pop("headers", {})), dict(more.pop("params", {}))
        if key is not None:
            match key_in:
                case "bearer":
                    headers["authorization"] = f"Bearer {key}"
                case "x-api-key":
                    headers["x-api-key"] = key
                case "query":
                    params["key"] = key
                case _:
                    more["json"] = {**more.get("json", {}), "key": key}
        return Said(self._client.request(method, self._url + path, headers=headers, params=params, **more))

    def chat(self, more: Mapping[str, Any] | None = None, *, words: str = "Count from 1 to 12.", **how: Any) -> Said:
        """A question with little to answer; what is None in `more` is left out."""
        body = {
            "model": self.place.models["plain"],
            "messages": [{"role": "user", "content": words}],
            "max_tokens": 60,
            **(more or {}),
        }
        path = "/v1/messages" if self.place.protocol == "anthropic" else "/chat/completions"
        return self.ask("POST", path, json={name: each for name, each in body.items() if each is not None}, **how)

    def call(self, more: Mapping[str, Any] | None = None, *, endpoint: str = "llama3_8b_chat", **how: Any) -> Said:
        """A call of the native interface."""
        asked = [{"role": "user", "content": "Count from 1 to 12."}]
        body = {"chat_context": json.dumps(asked), "max_gen_tokens": 60, "wait_for_result": False, **(more or {})}
        given = {name: each for name, each in body.items() if each is not None}
        return self.ask("POST", f"/call/{endpoint}", json=given, **how)

    def looks(self, job: Said, *, endpoint: str = "llama3_8b_chat", most: int = 40, pause: float = 0.5) -> list[Said]:
        """What a job says until it is over."""
        seen: list[Said] = []
        while len(seen) < most:
            seen.append(self.look(job, endpoint=endpoint))
            if seen[-1].status != httpx.codes.OK or seen[-1].at("job_state") not in ("queued", "processing"):
                break
            time.sleep(pause)
        return seen

    def look(self, job: Said, *, endpoint: str = "llama3_8b_chat", **more: Any) -> Said:
        """What a job says now."""
        return self.ask("POST", f"/progress/{endpoint}", json={"job_id": job.at("job_id"), **more})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
