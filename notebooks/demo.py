"""LangChain and LlamaIndex on AKI.IO: questions answered from this project's own documents, agents, and a picture.

`make demo` runs it: on AKI.IO where `AKI_API_KEY` is set, else on a local emulator, without a key or a network.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import demo_langchain
import demo_llama_index
import demo_pictures
from demo_parts import show_side_by_side
from pydantic.warnings import PydanticDeprecationWarning

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator


@contextmanager
def connect() -> Iterator[dict[str, str]]:
    """The service to talk to, as arguments of both models: none of them for AKI.IO, else a local emulator's."""
    if any(os.environ.get(variable, "").strip() for variable in PROVIDERS["aki"].key_variables):
        print("Talking to AKI.IO at", PROVIDERS["aki"].route("openai").base_url)
        yield {}
    else:
        with Emulator() as emulator:
            print(f"Talking to the emulator at {emulator.openai_url}; with AKI_API_KEY set, to AKI.IO itself")
            yield {"base_url": emulator.openai_url, "api_key": emulator.key}


def main() -> None:
    """Both halves, what they took, and a picture."""
    # LlamaIndex's agents still ask for pydantic's old names.
    warnings.filterwarnings("ignore", category=PydanticDeprecationWarning)
    with connect() as settings:
        halves = demo_langchain.run(settings), asyncio.run(demo_llama_index.run(settings))
        show_side_by_side(*halves)
        demo_pictures.run(settings)


if __name__ == "__main__":
    main()
