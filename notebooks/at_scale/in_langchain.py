"""`ChatAKI` answers."""

from __future__ import annotations

from langchain_aki import ChatAKI

from .answer import Answer

MODEL = ChatAKI


async def ask(model: ChatAKI, prompt: str) -> Answer:
    """One answer."""
    said = await model.ainvoke(prompt)
    used = said.usage_metadata or {"input_tokens": 0, "output_tokens": 0}
    return Answer(said.text, said.response_metadata["model_name"], used["input_tokens"], used["output_tokens"])
