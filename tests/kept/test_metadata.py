"""Counts, choices and metadata stand where callback handlers, token counters and standard blocks have them."""

import copy
import pickle
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks.token_counting import get_tokens_from_response

from aki_transport import Provider
from langchain_aki import ChatAKI
from tests.langchain.asking import Ears
from tests.langchain.asking import model_at as chat_at
from tests.llama_index.asking import model_at as llama_at
from tests.requests.frameworks import WAYS, reply_of
from tests.scenarios import KEY, MODEL, chunk, reply
from tests.script_server import Answer, ScriptServer, json_answer, sse
from tests.subcases import subcases

pytestmark = pytest.mark.usefixtures("one_loop")

COUNTS = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}
# The service's counts -> what LangChain's usage metadata says of them.
# fmt: off
USAGES: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    ("DeepSeek", {"prompt_cache_hit_tokens": 33, "prompt_cache_miss_tokens": 17}, {"cache_read": 33}, {}),
    ("Moonshot", {"cached_tokens": 33}, {"cache_read": 33}, {}),
    ("LiteLLM", {"cache_read_input_tokens": 30, "cache_creation_input_tokens": 4},
     {"cache_read": 30, "cache_creation": 4}, {}),
    ("OpenRouter", {"prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 6}},
     {"cache_read": 5, "cache_creation": 6}, {}),
    ("Perplexity", {"reasoning_tokens": 3}, {}, {"reasoning": 3}),
    ("Responses", {"input_tokens_details": {"cached_tokens": 7}, "output_tokens_details": {"thinking_tokens": 2}},
     {"cache_read": 7}, {"reasoning": 2}),
    ("lifetimes", {"cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}},
     {"cache_creation": 3, "ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}, {}),
    ("zeros", {"cached_tokens": 0}, {"cache_read": 0}, {}),
    ("nulls", {"cached_tokens": None, "prompt_tokens_details": None, "cost": 0.5}, {}, {}),
)
# fmt: on


def one_answer(way: str, *, usage: Any = None, choices: int = 1, **top: Any) -> Answer:
    """An answer with one or several choices, "Hello 0", "Hello 1" …, in the form of the way."""
    whole = [reply(f"Hello {index}")["choices"][0] | {"index": index} for index in range(choices)]
    if "stream" not in way:
        return json_answer(reply(top={**top, "choices": whole, "usage": usage}))
    pieces = [{"index": index, "delta": {"content": piece}} for piece in ("Hel", "lo ") for index in range(choices)]
    pieces += [{"index": index, "delta": {"content": f"{index}"}, "finish_reason": "stop"} for index in range(choices)]
    each = [chunk(top={**top, "choices": [piece]}) for piece in pieces]
    return sse(*each, chunk(top={**top, "choices": [], "usage": usage}))


@subcases("way", WAYS)
def test_counts_are_read_by_all_names(scripted: ScriptServer, way: str):
    for name, usage, inputs, outputs in USAGES:
        scripted.always = one_answer(way, usage={**COUNTS, **usage})
        message = reply_of(chat_at(scripted), way)
        details = {"input_token_details": inputs} if inputs else {}
        details |= {"output_token_details": outputs} if outputs else {}
        assert message.usage_metadata == {"input_tokens": 50, "output_tokens": 9, "total_tokens": 59, **details}, name
        assert message.response_metadata["token_usage"] == {**COUNTS, **usage}, name
        response = reply_of(llama_at(scripted), way)
        assert response.additional_kwargs.get("cached_tokens") == inputs.get("cache_read"), name
        assert response.additional_kwargs.get("reasoning_tokens") == outputs.get("reasoning"), name
        assert get_tokens_from_response(response) == (50, 9)


def test_counts_are_read_in_the_choice_and_in_a_field_of_the_service(scripted: ScriptServer):
    choice = chunk(finish="stop")["choices"][0]
    for last in (
        chunk(top={"choices": [{**choice, "usage": COUNTS}]}),  # Moonshot's
        chunk(finish="stop", top={"x_groq": {"usage": COUNTS}}),
    ):
        scripted.always = sse(chunk("Hello"), last)
        for way in WAYS[2:]:
            counts = reply_of(chat_at(scripted), way).usage_metadata
            assert counts == {"input_tokens": 50, "output_tokens": 9, "total_tokens": 59}
            assert get_tokens_from_response(reply_of(llama_at(scripted), way)) == (50, 9)


@subcases("way", WAYS)
def test_raw_answers_keys_and_attributes(scripted: ScriptServer, way: str):
    scripted.say(one_answer(way, usage={**COUNTS, "cost": 0.5}, provider="P"))
    response = reply_of(llama_at(scripted), way)
    raw = response.raw
    for each in (raw, pickle.loads(pickle.dumps(raw)), copy.deepcopy(raw)):  # noqa: S301  its own dump
        assert each.usage.total_tokens == each["usage"]["total_tokens"] == 59
        assert each.choices[0].finish_reason == "stop"
        assert (each.provider, each.usage.cost) == ("P", 0.5)
        assert not hasattr(each, "no_such_field")
    assert type(response.model_dump()["raw"]["usage"]) is dict


def test_handlers_find_what_they_look_for(scripted: ScriptServer):
    scripted.always = one_answer("blocking", usage={**COUNTS, "prompt_tokens_details": {"cached_tokens": 2}})
    ears, counter = Ears(), UsageMetadataCallbackHandler()
    model = chat_at(scripted)
    model.batch(["hi", "you"], config={"callbacks": [ears, counter]})
    for result, start in zip(ears.ends, ears.starts, strict=True):
        assert result.llm_output["token_usage"]["total_tokens"] == 59
        assert result.llm_output["model_name"] == start["invocation_params"]["model_name"] == MODEL
        info = result.generations[0][0].generation_info
        assert (info["finish_reason"], info["model_name"]) == ("stop", MODEL)
    assert counter.usage_metadata[MODEL]["total_tokens"] == 118
    assert model.model_name == MODEL


def test_a_batch_sums_its_counts_and_has_each_choice_as_a_generation(scripted: ScriptServer):
    scripted.always = one_answer("blocking", usage=COUNTS, choices=3)
    result = chat_at(scripted, n=3).generate([[AIMessage("hi")], [AIMessage("you")]])
    assert result.llm_output is not None
    assert result.llm_output["token_usage"] == {name: 2 * count for name, count in COUNTS.items()}
    for generations in result.generations:
        assert [generation.text for generation in generations] == ["Hello 0", "Hello 1", "Hello 2"]
        assert [bool(each.message.usage_metadata) for each in generations] == [True, False, False]  # type: ignore[union-attr]


@subcases("way", WAYS)
def test_every_choice_is_kept(scripted: ScriptServer, way: str):
    for count in (2, 3):
        texts = [f"Hello {index}" for index in range(1, count)]
        scripted.always = one_answer(way, usage=COUNTS, choices=count)
        message = reply_of(chat_at(scripted, n=count), way)
        assert message.content == "Hello 0"
        if "stream" in way:
            assert [other["message"]["content"] for other in message.response_metadata["choices"]] == texts
        response = reply_of(llama_at(scripted), way)
        assert response.message.content == "Hello 0"
        assert [choice.message.content for choice in response.raw.choices[1:]] == texts


def test_messages_of_other_packages_are_translated_as_before():
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    messages = [
        AIMessage(content=[thinking, {"type": "text", "text": "Hi"}], response_metadata={"model_provider": name})
        for name in ("anthropic", "bedrock")
    ]
    before = [message.content_blocks for message in messages]
    for name in ("anthropic", "bedrock"):
        ChatAKI(model=MODEL, provider=Provider(name=name, base_url="https://h.example/v1"), api_key=KEY)
    assert [message.content_blocks for message in messages] == before
    assert before[0][0] == {"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "sig"}}


def test_a_thought_that_comes_again_with_its_signature_stands_once(scripted: ScriptServer):
    """LiteLLM streams it so (BerriAI/litellm#35118); Anthropic refuses a thought of another text than was signed."""
    pieces = (("hm, ", ""), ("yes", ""), ("hm, yes", "c2ln"))
    thoughts = [{"type": "thinking", "thinking": text, "signature": signature} for text, signature in pieces]
    scripted.always = sse(*(chunk(thinking_blocks=[each]) for each in thoughts), chunk("Hello", finish="stop"))
    *_, answer = llama_at(scripted).stream_chat([ChatMessage("hi")])
    assert reply_of(chat_at(scripted), "stream").additional_kwargs["thinking_blocks"] == [thoughts[-1]]
    assert answer.message.blocks[0].content == "hm, yes"
