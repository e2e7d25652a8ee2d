"""The last part of the demo: a picture, drawn through LangChain's tool and changed through LlamaIndex's."""

from __future__ import annotations

from pathlib import Path

from langchain_aki import AKIImageGenerationTool
from llama_index_aki import AKIImageToolSpec

DRAWN = "a red lighthouse on a green hill, a yellow sun"
CHANGED = "make the lighthouse blue"
FOLDER = Path("demo-pictures")


def run(settings: dict[str, str]) -> None:
    """Draw, change, and write both files."""
    print("\n==== Pictures")
    FOLDER.mkdir(exist_ok=True)
    draws = AKIImageGenerationTool(size="512x512", **settings)
    changes = AKIImageToolSpec(store=draws.store, **settings)
    asked = {"type": "tool_call", "id": "call_1", "name": draws.name, "args": {"prompt": DRAWN}}
    drawn = draws.invoke(asked)
    print(f"{DRAWN}: {drawn.text}")
    (first,) = drawn.artifact
    told, _ = changes.edit_image(CHANGED, first.id)
    print(f"{CHANGED}: {told.text}")
    *_, second = draws.store
    for name, picture in (("drawn", first), ("changed", second)):
        print(f"{name}:", picture.save(FOLDER / f"{name}.png").resolve())
