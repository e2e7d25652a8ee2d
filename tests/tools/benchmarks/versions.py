"""`python -m tests.tools.benchmarks.versions`: the versions, in its environment, of what is measured, as JSON."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "aki-integrations",
    "langchain-core",
    "langchain-openai",
    "langchain-mistralai",
    "llama-index-core",
    "llama-index-llms-openai-like",
    "openai",
    "httpx",
    "aiohttp",
    "pydantic",
)


def main() -> None:
    """Write them; what is not installed is left out."""
    sys.stdout.write(f"{json.dumps({name: found for name in _PACKAGES if (found := _version(name))})}\n")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
