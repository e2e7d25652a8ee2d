"""`AKICompletion`: raw prompts to text, alone, in a query engine, in events, and as an object."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import get_response_synthesizer
from llama_index.core.base.llms.types import ChatMessage, LLMMetadata
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import BaseModel, SecretStr

import aki_transport.errors as ours
from aki_transport import Provider, Route
from aki_transport.emulator import Emulator
from llama_index_aki import AKICompletion
from tests.llama_index.asking import PROMPT_WAYS, WAYS, is_streamed, items_of
from tests.scenarios import KEY, MODEL, chunk, replied, streamed, tokens
from tests.script_server import Answer, Request, ScriptServer, sse
from tests.subcases import subcases

# What LlamaIndex and its tokenizer do with pydantic's old names.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")

ALL: tuple[Any, ...] = (*WAYS, *PROMPT_WAYS)
SUM = "What is 6 * 7?"
SECRET = "key-that-nobody-may-see"
COUNTED = tokens(1234, 56)
FACTS = (
    "The Leipzig warehouse opened in 2019 and stores winter tyres.",
    "The Hamburg office has forty desks and a view of the harbour.",
)
QUESTION = "When did the Leipzig warehouse open?"
MINE = Provider(
    name="mine",
    routes=(
        Route(protocol="openai", base_url="http://localhost:1/v1"),
        Route(protocol="native", base_url="http://localhost:1/api", key_in="body"),
    ),
)


def llm_on(emulator: Emulator, **given: Any) -> AKICompletion:
    defaults = {"model": "llama3-chat-8b", "base_url": emulator.native_url, "api_key": emulator.key}
    return AKICompletion(**{**defaults, **given})


def llm_at(server: ScriptServer, **given: Any) -> AKICompletion:
    defaults = {"model": MODEL, "protocol": "openai", "base_url": server.openai_url, "api_key": KEY}
    return AKICompletion(**{**defaults, **given})


def hello(request: Request) -> Answer:
    return streamed("Hel", "lo") if request.json.get("stream") else replied("Hello")


def counted(*, stream: bool) -> Answer:
    if not stream:
        return replied("Hello", top={"usage": COUNTED})
    return sse(chunk("Hel"), chunk("lo"), chunk(finish="stop"), chunk(top={"choices": [], "usage": COUNTED}))


def prompts(emulator: Emulator) -> list[str]:
    return [seen.body["text_context"] for seen in emulator.requests if "/call/" in seen.path]


def text_of(item: Any) -> str:
    return item.message.content if hasattr(item, "message") else item.text


# Prompt to text


@subcases("way", PROMPT_WAYS)
def test_a_prompt_goes_out_as_it_is_and_text_comes_back(fresh_emulator: Emulator, way: Any):
    items = items_of(llm_on(fresh_emulator), way, SUM)
    assert items[-1].text == "6 * 7 = 42."
    assert "".join(item.delta or "" for item in items) == ("6 * 7 = 42." if is_streamed(way) else "")
    assert prompts(fresh_emulator) == [SUM]


@subcases("way", PROMPT_WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_chat_protocol_gets_the_prompt_as_one_user_message(fresh_emulator: Emulator, protocol: str, way: Any):
    llm = llm_on(fresh_emulator, protocol=protocol, base_url=getattr(fresh_emulator, f"{protocol}_url"))
    assert items_of(llm, way, SUM)[-1].text == "6 * 7 = 42."
    (message,) = fresh_emulator.requests[-1].body["messages"]
    assert message["role"] == "user"


@subcases("way", PROMPT_WAYS)
def test_a_stream_comes_in_pieces_that_add_up(server: ScriptServer, way: Any):
    server.always = hello
    items = items_of(llm_at(server), way, "hi")
    if is_streamed(way):
        assert [item.delta for item in items if item.delta] == ["Hel", "lo"]
        assert [item.text for item in items if item.delta] == ["Hel", "Hello"]
    assert items[-1].text == "Hello"


@subcases("way", WAYS)
def test_a_conversation_becomes_one_prompt(fresh_emulator: Emulator, way: Any):
    messages = [ChatMessage(role="system", content="Be short."), ChatMessage(content=SUM)]
    assert items_of(llm_on(fresh_emulator), way, messages)[-1].message.content == "6 * 7 = 42."
    assert prompts(fresh_emulator) == [f"system: Be short.\nuser: {SUM}\nassistant: "]


@subcases("way", WAYS)
def test_a_conversation_becomes_a_prompt_in_the_users_form(fresh_emulator: Emulator, way: Any):
    llm = llm_on(fresh_emulator, messages_to_prompt=lambda messages: f"<s>{messages[-1].content}</s>")
    items_of(llm, way, SUM)
    assert prompts(fresh_emulator) == [f"<s>{SUM}</s>"]


@subcases("way", PROMPT_WAYS)
def test_a_prompt_is_put_into_its_form_unless_it_has_it(fresh_emulator: Emulator, way: Any):
    llm = llm_on(fresh_emulator, completion_to_prompt=lambda prompt: f"[INST]{prompt}[/INST]")
    items_of(llm, way, SUM)
    items_of(llm, way, SUM, formatted=True)
    assert prompts(fresh_emulator) == [f"[INST]{SUM}[/INST]", SUM]


@subcases("way", ALL)
def test_stop_ends_the_text_on_the_native_protocol(fresh_emulator: Emulator, way: Any):
    assert text_of(items_of(llm_on(fresh_emulator, stop=" = "), way, SUM)[-1]) == "6 * 7"


@subcases("way", ALL)
def test_fields_of_the_call_win_over_those_of_the_model(server: ScriptServer, way: Any):
    server.always = hello
    items_of(llm_at(server, temperature=0, max_tokens=5), way, "hi", temperature=0.5)
    assert (server.requests[0].json["temperature"], server.requests[0].json["max_tokens"]) == (0.5, 5)


@subcases("way", ALL)
def test_what_is_known_of_the_answer_stands_beside_it(fresh_emulator: Emulator, way: Any):
    known = items_of(llm_on(fresh_emulator, model="qwen3.6-35b"), way, SUM)[-1].additional_kwargs
    assert (known["model_name"], known["native_model_name"]) == ("qwen3.6-35b", "Qwen3.6-35B")
    assert known["model_provider"] == "aki"
    assert known["total_duration"] > 0
    assert known["total_tokens"] == known["prompt_tokens"] + known["completion_tokens"] > 0


# What it says of itself


@pytest.mark.usefixtures("no_network")
def test_it_is_a_plain_llm_that_knows_its_limits():
    llm = AKICompletion(model=MODEL, max_tokens=64)
    assert isinstance(llm, LLM)
    assert not isinstance(llm, FunctionCallingLLM)
    assert llm.metadata == LLMMetadata(
        context_window=262144,
        num_output=64,
        is_chat_model=False,
        is_function_calling_model=False,
        model_name=MODEL,
    )


@pytest.mark.parametrize(
    ("provider", "protocol"),
    [
        pytest.param("aki", "native", id="aki"),
        pytest.param("aacflow", "openai", id="aacflow"),
        pytest.param("ak_ai_core", "openai", id="ak_ai_core"),
        pytest.param(MINE, "native", id="own"),
    ],
)
def test_the_protocol_is_native_where_there_is_one_else_the_providers_first(provider: Any, protocol: str):
    assert AKICompletion(model="m", provider=provider).protocol == protocol
    assert AKICompletion(model="m", provider=provider, protocol="openai").protocol == "openai"


@subcases("way", ALL)
@pytest.mark.parametrize("name", ["tools", "tool_choice", "response_format", "temprature"])
def test_an_argument_that_no_prompt_takes_is_refused_before_anything_is_sent(server: ScriptServer, name: str, way: Any):
    with pytest.raises(ours.ConfigurationError, match=name):
        items_of(llm_at(server), way, "hi", **{name: 1})
    assert not server.requests


@pytest.mark.parametrize(("name", "means"), {"url": "base_url", "num_output": "max_tokens"}.items())
def test_an_unknown_argument_is_refused_with_the_name_of_ours(name: str, means: str):
    with pytest.raises(ours.ConfigurationError, match=rf"AKICompletion has no argument '{name}'; use {means}="):
        AKICompletion(model=MODEL, **{name: "x"})


# Events and tokens


class Ears(BaseEventHandler):
    """Keeps the names of events."""

    names: list[str] = []  # noqa: RUF012  a field of pydantic's

    @classmethod
    def class_name(cls) -> str:
        return "Ears"

    def handle(self, event: Any, **_: Any) -> None:
        self.names.append(type(event).__name__)


@pytest.fixture
def ears():
    root = get_dispatcher()
    heard = Ears(names=[])
    root.add_event_handler(heard)
    yield heard
    root.event_handlers.remove(heard)


@pytest.mark.parametrize("way", ALL)
def test_a_call_is_told_of_once_from_start_to_end(server: ScriptServer, ears: Ears, way: Any):
    server.say(counted(stream=is_streamed(way)))
    items = items_of(llm_at(server), way, "hi")
    kind = "LLMCompletion" if way in PROMPT_WAYS else "LLMChat"
    between = [f"{kind}InProgressEvent"] * len(items) if is_streamed(way) else []
    assert ears.names == [f"{kind}StartEvent", *between, f"{kind}EndEvent"]


@subcases("way", ALL)
def test_a_token_counter_counts_what_the_server_counted(server: ScriptServer, way: Any):
    server.say(counted(stream=is_streamed(way)))
    counter = TokenCountingHandler(tokenizer=lambda _: [0] * 7)
    items_of(llm_at(server, callback_manager=CallbackManager([counter])), way, "hi")
    assert len(counter.llm_token_counts) == 1
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (1234, 56)


@subcases("way", ALL)
def test_a_token_counter_counts_what_a_job_cost(fresh_emulator: Emulator, way: Any):
    counter = TokenCountingHandler(tokenizer=lambda _: [0] * 7)
    known = items_of(llm_on(fresh_emulator, callback_manager=CallbackManager([counter])), way, SUM)[-1]
    assert counter.total_llm_token_count == known.additional_kwargs["total_tokens"]


# In LlamaIndex's own parts


@pytest.fixture(scope="module")
def retriever() -> BM25Retriever:
    nodes = [TextNode(text=text, id_=f"n{n}") for n, text in enumerate(FACTS)]
    return BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=2, verbose=False)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("awaited", [False, True])
def test_a_query_engine_answers_from_documents(
    fresh_emulator: Emulator, retriever: BM25Retriever, awaited: bool, streaming: bool
):
    llm = llm_on(fresh_emulator)
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm, streaming=streaming, use_async=awaited)

    async def answered() -> str:
        found = await engine.aquery(QUESTION)
        return "".join([piece async for piece in found.async_response_gen()]) if streaming else str(found)

    if awaited:
        text = asyncio.run(answered())
    else:
        found: Any = engine.query(QUESTION)
        text = "".join(found.response_gen) if streaming else str(found)
    assert "2019" in text
    (prompt,) = prompts(fresh_emulator)
    assert FACTS[0] in prompt
    assert "user:" not in prompt


@pytest.mark.parametrize("mode", [ResponseMode.REFINE, ResponseMode.COMPACT, ResponseMode.TREE_SUMMARIZE])
@pytest.mark.parametrize("awaited", [False, True])
def test_each_synthesizer_gives_an_answer(server: ScriptServer, mode: ResponseMode, awaited: bool):
    server.always = hello
    synthesizer = get_response_synthesizer(llm=llm_at(server), response_mode=mode)
    nodes = [NodeWithScore(node=TextNode(text=text), score=1.0) for text in FACTS]
    found = (
        asyncio.run(synthesizer.asynthesize(QUESTION, nodes)) if awaited else synthesizer.synthesize(QUESTION, nodes)
    )
    assert "Hello" in str(found)


class City(BaseModel):
    """A city."""

    name: str
    country: str


def test_an_object_is_read_out_of_the_text(server: ScriptServer):
    server.say(replied('{"name": "Munich", "country": "Germany"}'))
    found = llm_at(server).structured_predict(City, PromptTemplate("{text}"), text="Munich is a city in Germany.")
    assert found == City(name="Munich", country="Germany")
    assert "tools" not in server.requests[0].json


# As an object


def test_the_familiar_import_is_the_same_class():
    from llama_index.llms import aki  # noqa: PLC0415

    assert aki.AKICompletion is AKICompletion


def test_a_dump_holds_no_key_and_loads_again(monkeypatch):
    llm = AKICompletion(model=MODEL, api_key=SECRET, temperature=0, stop=["a"], provider=MINE, system_prompt="be kind")
    assert SECRET not in f"{llm!r} {llm} {llm.to_dict()} {llm.to_json()} {llm.model_dump()} {llm.to_payload()}"
    assert llm.to_dict()["class_name"] == "AKICompletion"
    monkeypatch.setenv("AKI_API_KEY", "another")
    for again in (AKICompletion.from_dict(llm.to_dict()), AKICompletion.from_json(llm.to_json())):
        assert type(again) is AKICompletion
        assert again.api_key is None
        assert again.model_dump() == llm.model_dump()


@subcases("way", ["complete", "acomplete"])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    "how",
    [lambda llm: pickle.loads(pickle.dumps(llm)), copy.deepcopy, copy.copy],  # noqa: S301
    ids=["pickle", "deepcopy", "copy"],
)
def test_a_copy_works_like_the_original_and_nothing_is_logged(
    server: ScriptServer, how: Callable[[AKICompletion], AKICompletion], used: bool, way: Any, caplog
):
    server.always = hello
    llm = llm_at(server, temperature=0)
    if used:
        items_of(llm, way, "hi")
    with caplog.at_level(logging.DEBUG):
        again = how(llm)
    assert caplog.records == []
    assert again.api_key == SecretStr(KEY)
    assert again.model_dump() == llm.model_dump()
    assert items_of(again, way, "hi")[-1].text == "Hello"
