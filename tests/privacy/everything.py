# ruff: noqa: PLC0415  importing is a part of what is watched
"""`python -m tests.privacy.everything`: uses the packages in phases, and prints as JSON whom the process turned to."""

import asyncio
import json
import os
import pickle
import sys
import time

from tests.privacy import watched

QUESTION = "What is 2 + 3?"
MODELS = {"openai": "qwen3.6-35b", "anthropic": "qwen3.6-35b", "native": "llama3-chat-8b"}


def quiet():
    """Everything that must not need a network: imports, models, counting, what is known of models, pickles."""
    from langchain_core.messages import HumanMessage
    from llama_index.core.callbacks import TokenCountingHandler
    from llama_index.core.utils import get_tokenizer

    import aki_transport
    import langchain_aki
    import llama_index_aki

    done = 0
    for protocol, model in MODELS.items():
        options = {"model": model, "protocol": protocol, "api_key": "k"}
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


def use_all(where, protocols=tuple(MODELS), *, answers=True):
    """Everything that turns to the service, with the arguments for each protocol; how many calls were answered."""
    from aki_transport import AKIError

    done = 0
    for protocol in protocols:
        for call in calls(MODELS[protocol], {"protocol": protocol, "max_retries": 0, **where(protocol)}):
            try:
                call()
            except AKIError:
                if answers:
                    raise
            else:
                done += 1
    return done


def calls(model, options):
    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage
    from llama_index.core.llms import ChatMessage
    from llama_index.core.prompts import PromptTemplate
    from llama_index.core.tools import FunctionTool
    from pydantic import BaseModel

    from aki_transport import Client
    from langchain_aki import AKILLM, AKIImageGenerationTool, ChatAKI
    from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec

    class Person(BaseModel):
        """A person."""

        name: str

    def add(a: int, b: int) -> int:
        """The sum of two numbers."""
        return a + b

    async def astream():
        return [piece async for piece in chat.astream(QUESTION)]

    async def astream_complete():
        return [piece async for piece in await llm.astream_complete(QUESTION)]

    chat, prompted = ChatAKI(model=model, **options), AKILLM(model=model, **options)
    llm, completing = AKI(model=model, **options), AKICompletion(model=model, **options)
    again = pickle.loads(pickle.dumps(chat))  # noqa: S301  our own
    yield Client(**options).refresh_models
    yield lambda: chat.invoke(QUESTION)
    yield lambda: list(again.stream(QUESTION))
    yield lambda: asyncio.run(astream())
    yield lambda: chat.batch([QUESTION, QUESTION])
    yield lambda: chat.with_structured_output(Person).invoke("Anna is here.")
    yield lambda: prompted.invoke(QUESTION)
    yield lambda: llm.chat([ChatMessage(content=QUESTION)])
    yield lambda: list(llm.stream_chat([ChatMessage(content=QUESTION)]))
    yield lambda: asyncio.run(astream_complete())
    yield lambda: llm.structured_predict(Person, PromptTemplate("Anna is here."))
    yield lambda: completing.complete(QUESTION)
    if options["protocol"] != "native":
        yield lambda: create_agent(chat, [add]).invoke({"messages": [HumanMessage(QUESTION)]})
        yield lambda: llm.predict_and_call([FunctionTool.from_defaults(add)], QUESTION)
    if options["protocol"] != "anthropic":
        yield lambda: AKIImageGenerationTool(**options).invoke({"prompt": "a red circle"})
        yield lambda: AKIImageToolSpec(**options).generate_image("a red circle")


def at_the_emulator(protocols=tuple(MODELS)):
    from aki_transport.emulator import Emulator

    with Emulator(job_speed=500) as emulator:
        return use_all(lambda name: {"base_url": getattr(emulator, f"{name}_url"), "api_key": emulator.key}, protocols)


def at_its_own_address():
    """All of it at the default provider's own address, which cannot be reached from here."""
    return use_all(lambda _: {"api_key": "k"}, answers=False)


def traced():
    """All of it over one protocol, with the tracing of LangSmith switched on."""
    from langsmith import tracing_context

    with tracing_context(enabled=True):
        answered = at_the_emulator(("openai",))
    deadline = time.monotonic() + 60
    while not any("langsmith" in host for host in watched.hosts) and time.monotonic() < deadline:
        time.sleep(0.05)  # its thread sends now and then
    return answered


PHASES = {"quiet": quiet, "own": at_its_own_address, "emulator": at_the_emulator, "traced": traced}


def main():
    """Run each phase, watched; the first imports the packages."""
    is_cut_off = watched.cut_off()
    watched.begin()
    phases = {}
    for name, phase in PHASES.items():
        watched.hosts.clear()
        watched.opened.clear()
        answered = phase()
        left = watched.tried_to_leave() if is_cut_off else 0
        told = {"hosts": [*watched.hosts], "opened": [*watched.opened], "tried to leave": left}
        phases[name] = {"answered": answered, **told}
    sys.stdout.write(json.dumps(phases) + "\n")
    sys.stdout.flush()
    os._exit(0)  # LangSmith's thread would try its host again and again


if __name__ == "__main__":
    main()
