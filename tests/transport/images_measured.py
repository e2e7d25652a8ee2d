"""What a large picture costs in memory, in a process that does nothing else."""

from __future__ import annotations

import asyncio
import json
import tracemalloc

from aki_transport import Client


def main(protocol: str, url: str, key: str) -> None:
    """Draw one sync and one async, and print how many bytes were held at most."""

    def client(fault: str) -> Client:
        return Client(protocol=protocol, base_url=url, api_key=key, default_headers={"x-emulator-fault": fault})

    client("fast").generate_image("a cat", size="128x128")  # what is imported and made once
    asyncio.run(client("fast").agenerate_image("a cat", size="128x128"))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    client("huge=20").generate_image("a cat", size="128x128")
    sync_peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.reset_peak()
    asyncio.run(client("huge=20").agenerate_image("a cat", size="128x128"))
    print(json.dumps([sync_peak, tracemalloc.get_traced_memory()[1] - before]))  # noqa: T201
