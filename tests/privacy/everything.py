# ruff: noqa: PLC0415  importing is a part of what is watched
"""`python -m tests.privacy.everything`: uses the packages in phases, and prints as JSON whom the process turned to."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.privacy import watched

QUESTION = "What is 2 + 3?"
PROTOCOLS = ("openai", "anthropic", "native")


def quiet() -> int:
    """Everything that must not need a network: imports, models, counting, what is known of models, pickles."""
    from langchain_core.messages import HumanMessage
    from llama_index.core.callbacks import TokenCountingHandler
    from llama_index.core.utils import get_tokenizer

    import aki_transport
    import langchain_aki
    import llama_index_aki

    done = 0
    for protocol in PROTOCOLS:
        model = {"openai": "qwen3.6-35b", "anthropic": "qwen3.6-35b", "native": "llama3-chat-8b"}[protocol]
        options: dict[str, Any] = {"model": model, "protocol": protocol, "api_key": "k"}
        chat, llm = langchain_aki.ChatAKI(**options), llama_index_aki.AKI(**options)
        prompted, completing = langchain_aki.AKILLM(**options), llama_index_aki.AKICompletion(**options)
        assert chat.get_num_tokens("hello") > 0
        assert chat.get_num_tokens_from_messages([HumanMessage("hello")]) > 0
        assert prompted.get_num_tokens("hello") > 0
        assert chat.profile["max_input_tokens"] == llm.metadata.context_window
        assert completing.metadata.context_window > 0
        for each in (chat, llm, prompted, completing):
            pickle.loads(pickle.dumps(each))  # noqa: S301  our own
            done += 1
    aki_transport.Client(api_key="k").model_info("qwen3.6-35b")
    langchain_aki.AKIImageGenerationTool(api_key="k")
    llama_index_aki.AKIImageToolSpec(api_key="k")
    assert get_tokenizer()("hello")
    TokenCountingHandler()
    return done


def whole(base: Callable[[str], dict[str, Any]], *, answers: bool = True) -> int:
    """Everything that turns to the service; how many calls were answered."""
    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage
    from llama_index.core.llms import ChatMessage
    from llama_index.core.prompts import PromptTemplate
    from llama_index.core.tools import FunctionTool
    from pydantic import BaseModel

    from aki_transport import AKIError, Client
    from langchain_aki import AKILLM, AKIImageGenerationTool, ChatAKI
    from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec

    class Person(BaseModel):
        """A person."""

        name: str

    def add(a: int, b: int) -> int:
        """The sum of two numbers."""
        return a + b

    async def alistened(model: Any) -> list[Any]:
        return [piece async for piece in model.astream(QUESTION)]

    async def aheard(llm: Any) -> list[Any]:
        return [piece async for piece in await llm.astream_complete(QUESTION)]

    calls: list[Callable[[], Any]] = []
    tool = FunctionTool.from_defaults(add)
    for protocol in PROTOCOLS:
        model = "llama3-chat-8b" if protocol == "native" else "qwen3.6-35b"
        options = {"model": model, "protocol": protocol, "max_retries": 0, **base(protocol)}
        chat, llm, prompted, completing = (
            ChatAKI(**options),
            AKI(**options),
            AKILLM(**options),
            AKICompletion(**options),
        )
        client = Client(**{name: value for name, value in options.items() if name != "model"})
        again: Any = pickle.loads(pickle.dumps(chat))  # noqa: S301  our own
        calls += [
            client.refresh_models,
            lambda chat=chat: chat.invoke(QUESTION),
            lambda chat=again: list(chat.stream(QUESTION)),
            lambda chat=chat: asyncio.run(alistened(chat)),
            lambda chat=chat: chat.batch([QUESTION, QUESTION]),
            lambda chat=chat: chat.with_structured_output(Person).invoke("Anna is here."),
            lambda prompted=prompted: prompted.invoke(QUESTION),
            lambda llm=llm: llm.chat([ChatMessage(content=QUESTION)]),
            lambda llm=llm: list(llm.stream_chat([ChatMessage(content=QUESTION)])),
            lambda llm=llm: asyncio.run(aheard(llm)),
            lambda llm=llm: llm.structured_predict(Person, PromptTemplate("Anna is here.")),
            lambda completing=completing: completing.complete(QUESTION),
        ]
        if protocol != "native":
            calls += [
                lambda chat=chat: create_agent(chat, [add]).invoke({"messages": [HumanMessage(QUESTION)]}),
                lambda llm=llm: llm.predict_and_call([tool], QUESTION),
            ]
        if protocol != "anthropic":
            drawing = {name: value for name, value in options.items() if name != "model"}
            calls += [
                lambda drawing=drawing: AKIImageGenerationTool(**drawing).invoke({"prompt": "a red circle"}),
                lambda drawing=drawing: AKIImageToolSpec(**drawing).generate_image("a red circle"),
            ]
    done = 0
    for call in calls:
        try:
            call()
        except AKIError:
            if answers:
                raise
        else:
            done += 1
    return done


def at_the_emulator() -> int:
    """The whole of it at a service of this machine."""
    from aki_transport.emulator import Emulator

    with Emulator(job_speed=50) as emulator:
        addresses = {name: getattr(emulator, f"{name}_url") for name in PROTOCOLS}
        return whole(lambda protocol: {"base_url": addresses[protocol], "api_key": emulator.key})


def at_its_own_address() -> int:
    """The whole of it at the default provider's own address, which cannot be reached from here."""
    return whole(lambda _: {"api_key": "k"}, answers=False)


def traced() -> int:
    """The whole of it, with the tracing of LangSmith switched on."""
    from langsmith import tracing_context

    with tracing_context(enabled=True):
        answered = at_the_emulator()
    deadline = time.monotonic() + 60
    while not any("langsmith" in host for host in watched.hosts) and time.monotonic() < deadline:
        time.sleep(0.05)  # its thread sends now and then
    return answered


PHASES = {"quiet": quiet, "own": at_its_own_address, "emulator": at_the_emulator, "traced": traced}


def main() -> None:
    """Run each phase, watched; the first imports the packages."""
    is_cut_off = watched.cut_off()
    watched.begin()
    phases = {}
    for name, phase in PHASES.items():
        watched.hosts.clear()
        watched.opened.clear()
        answered = phase()
        phases[name] = {
            "hosts": list(watched.hosts),
            "answered": answered,
            "opened": list(watched.opened),
            "tried to leave": watched.tried_to_leave() if is_cut_off else 0,
        }
    sys.stdout.write(json.dumps(phases) + "\n")
    sys.stdout.flush()
    os._exit(0)  # LangSmith's thread would try its host again and again


if __name__ == "__main__":
    main()
