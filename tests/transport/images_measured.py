"""What pictures cost in memory, in a process that does nothing else."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from typing import Any

from aki_transport import Client, ImageStore

AT_ONCE = 50
BOUND = 6_000_000  # bytes; eight of the pictures


def main(what: str, protocol: str, url: str, key: str) -> None:
    """Draw one large picture, or 50 at a time into a store, and print what was held."""
    fault = "huge=1" if what == "many" else "huge=20"

    def client(fault: str) -> Client:
        return Client(protocol=protocol, base_url=url, api_key=key, default_headers={"x-emulator-fault": fault})

    client("fast").generate_image("a cat", size="128x128")  # what is imported and made once
    asyncio.run(client("fast").agenerate_image("a cat", size="128x128"))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    print(json.dumps(_measured(what, client(fault), before)))  # noqa: T201


def _measured(what: str, client: Client, before: int) -> dict[str, Any]:
    if what == "many":
        store = ImageStore(max_items=AT_ONCE, max_bytes=BOUND)
        asyncio.run(_many(client, store))
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        return {
            "held": held - before,
            "peak": peak - before,
            "kept": sum(len(image.data) for image in store),
            "bound": BOUND,
        }
    client.generate_image("a cat", size="128x128")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    asyncio.run(client.agenerate_image("a cat", size="128x128"))
    return {"sync": peak - before, "async": tracemalloc.get_traced_memory()[1] - before}


async def _many(client: Client, store: ImageStore) -> None:
    async def one(number: int) -> None:
        for image in await client.agenerate_image(f"{number} stars", size="128x128"):
            store.add(image)

    await asyncio.gather(*(one(number) for number in range(AT_ONCE)))
