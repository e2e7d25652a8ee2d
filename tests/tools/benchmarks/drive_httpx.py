"""The least that a call over httpx costs: one request, its JSON, and nothing around it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.tools.benchmarks.asking import MODEL, WAIT, question

# httpx keeps 20 idle connections by default, so 100 at once would connect anew for most calls.
_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)


class Driver:
    """Drives httpx, its sync and its async client."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._async = httpx.AsyncClient(base_url=client.base_url, headers=client.headers, limits=_LIMITS)

    def call(self, wait: int = 0) -> str:
        """The text of a blocking answer."""
        answer = self._client.post("/chat/completions", json=_body(0, wait))
        return _text(answer.raise_for_status().json())

    def stream(self, chunks: int, every: int = 0) -> int:
        """Read a stream, and count its pieces of text."""
        count = 0
        with self._client.stream("POST", "/chat/completions", json=_body(chunks, 0, every)) as answer:
            for line in answer.raise_for_status().iter_lines():
                if _has_text(line):
                    count += 1
        return count

    async def acall(self) -> str:
        """`call`, async."""
        answer = await self._async.post("/chat/completions", json=_body(0, WAIT))
        return _text(answer.raise_for_status().json())

    async def astream(self, chunks: int, every: int = 0) -> int:
        """`stream`, async."""
        count = 0
        async with self._async.stream("POST", "/chat/completions", json=_body(chunks, WAIT, every)) as answer:
            async for line in answer.raise_for_status().aiter_lines():
                if _has_text(line):
                    count += 1
        return count


def client(url: str) -> httpx.Client:
    """One client."""
    return httpx.Client(base_url=f"{url}/v1", headers={"authorization": "Bearer aki-test"}, limits=_LIMITS)


def _body(chunks: int, wait: int = 0, every: int = 0) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": question(chunks, wait, every)}],
        "temperature": 0,
    }
    return {**body, "stream": True, "stream_options": {"include_usage": True}} if chunks else body


def _text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def _has_text(line: str) -> bool:
    if not line.startswith("data: ") or line == "data: [DONE]":
        return False
    choices = json.loads(line[6:])["choices"]
    return bool(choices and choices[0]["delta"].get("content"))
