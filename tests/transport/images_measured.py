"""What a large picture costs in memory, in a process that does nothing else."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Callable, Mapping

from aki_transport import Client


def main(urls: Mapping[str, str], key: str) -> None:
    """Draw one sync and one async over each protocol, and print how many bytes were held at most."""
    held = []
    for protocol, url in urls.items():
        small, large = (
            Client(protocol=protocol, base_url=url, api_key=key, default_headers={"x-emulator-fault": fault})
            for fault in ("fast", "huge=10")
        )
        for draw in (_draw, _adraw):
            draw(small)  # what is imported and made once
            held.append(_held(lambda draw=draw, large=large: draw(large)))
    print(json.dumps(held))  # noqa: T201


def _held(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _draw(client: Client) -> object:
    return client.generate_image("a cat", size="128x128")


def _adraw(client: Client) -> object:
    return asyncio.run(client.agenerate_image("a cat", size="128x128"))
