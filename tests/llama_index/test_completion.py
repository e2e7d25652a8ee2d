"""`AKICompletion`: raw prompts to text, and as an object; what it shares with `AKI` stands in the tests of both."""

from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from aki_transport.emulator import Emulator
from llama_index_aki import AKICompletion
from tests.llama_index.asking import PROMPT_WAYS, WAYS, answering, ask, is_streamed, items_of, model_at, sent
from tests.script_server import ScriptServer
from tests.subcases import subcases

SUM = "What is 6 * 7?"


def llm_on(emulator: Emulator, protocol: str = "native", **given: Any) -> AKICompletion:
    url = getattr(emulator, f"{protocol}_url")
    return AKICompletion(model="qwen3.6-35b", protocol=protocol, base_url=url, api_key=emulator.key, **given)


def prompts(emulator: Emulator) -> list[str]:
    return [seen.body["text_context"] for seen in emulator.requests if "/call/" in seen.path]


@subcases("way", PROMPT_WAYS)
def test_a_prompt_goes_out_as_it_is_and_text_comes_back(fresh_emulator: Emulator, way: Any):
    items = items_of(llm_on(fresh_emulator), way, SUM)
    assert items[-1].text == "6 * 7 = 42."
    assert "".join(item.delta or "" for item in items) == ("6 * 7 = 42." if is_streamed(way) else "")
    assert prompts(fresh_emulator) == [SUM]
    details = items[-1].additional_kwargs
    assert (details["model_name"], details["native_model_name"]) == ("qwen3.6-35b", "Qwen3.6-35B")


@subcases("way", WAYS)
def test_a_conversation_becomes_one_prompt_or_one_in_the_users_form(fresh_emulator: Emulator, way: Any):
    messages = [ChatMessage(role="system", content="Be short."), ChatMessage(SUM)]
    assert ask(llm_on(fresh_emulator), way, messages).message.content == "6 * 7 = 42."
    ask(llm_on(fresh_emulator, messages_to_prompt=lambda messages: f"<s>{messages[-1].content}</s>"), way, SUM)
    assert prompts(fresh_emulator) == [f"system: Be short.\nuser: {SUM}\nassistant: ", f"<s>{SUM}</s>"]


def test_an_object_is_read_out_of_the_text(server: ScriptServer):
    class City(BaseModel):
        name: str

    server.always = answering('{"name": "Munich"}')
    llm = model_at(server, AKICompletion, protocol="openai")
    assert llm.structured_predict(City, PromptTemplate("{text}"), text="Munich is a city.") == City(name="Munich")
    assert "tools" not in sent(server)
