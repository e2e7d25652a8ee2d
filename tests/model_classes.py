"""The four model classes of both frameworks, each asked a prompt in its four ways."""

import asyncio
from typing import Any

from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion

CLASSES: tuple[Any, ...] = (ChatAKI, AKILLM, AKI, AKICompletion)
WAYS = ("blocking", "stream", "async", "async stream")
EVERY_WAY = [(cls, way) for cls in CLASSES for way in WAYS]


def text_of(model: Any, way: str, prompt: str = "hi", **kwargs: Any) -> str:
    is_langchain = isinstance(model, ChatAKI | AKILLM)

    async def awaited() -> list[Any]:
        if way == "async":
            return [await (model.ainvoke if is_langchain else model.acomplete)(prompt, **kwargs)]
        stream = model.astream(prompt, **kwargs) if is_langchain else await model.astream_complete(prompt, **kwargs)
        return [piece async for piece in stream]

    if "async" in way:
        pieces = asyncio.run(awaited())
    elif way == "stream":
        pieces = list((model.stream if is_langchain else model.stream_complete)(prompt, **kwargs))
    else:
        pieces = [(model.invoke if is_langchain else model.complete)(prompt, **kwargs)]
    if is_langchain:
        return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)
    return str(pieces[-1].text)
