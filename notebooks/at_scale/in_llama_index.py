"""`AKI` answers."""

from __future__ import annotations

from llama_index_aki import AKI

from .answer import Answer

MODEL = AKI


async def ask(llm: AKI, prompt: str) -> Answer:
    """One answer."""
    response = await llm.acomplete(prompt)
    said = response.additional_kwargs
    return Answer(response.text, said["model_name"], said["prompt_tokens"], said["completion_tokens"])
