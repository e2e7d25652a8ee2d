"""The tool spec for images: blocks, scopes, and agents that use it."""

import asyncio
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import ToolOutput
from llama_index.core.workflow import Context

from aki_transport.emulator import Emulator
from llama_index_aki import AKIImageToolSpec
from tests.llama_index.asking import AGENT_WARNINGS, answer, call, model_at, model_on, run, sent
from tests.pictures import a_png, drawing_at, images_asked_for
from tests.script_server import ScriptServer

pytestmark = AGENT_WARNINGS


PICTURE = a_png(128, 128)


def spec_on(emulator: Emulator, **given: Any) -> AKIImageToolSpec:
    return AKIImageToolSpec(**drawing_at(emulator, "openai", **given))


def sent_to_models(emulator: Emulator) -> str:
    return "".join(seen.raw.decode() for seen in emulator.requests if seen.path.endswith("/chat/completions"))


def test_descriptions_and_functions_of_ones_own_are_taken():
    spec = AKIImageToolSpec()
    other = spec.to_tool_list()[0].metadata
    other.description = "Mine.\nAll of it."
    (tool,) = spec.to_tool_list([("generate_image", "agenerate_image")], {"generate_image": other})
    assert tool.metadata.description == "Mine.\nAll of it."


def test_code_gets_a_text_and_the_image(fresh_emulator):
    spec = spec_on(fresh_emulator)
    text, block = spec.edit_image("make it blue", PICTURE)
    assert isinstance(text, TextBlock)
    assert isinstance(block, ImageBlock)
    assert block.resolve_image().read() == [*spec.store][-1].data
    assert block.image_mimetype == "image/png"
    output = spec.to_tool_list()[0].call(prompt="a cat")
    assert (output.content, len(output.raw_output)) == (output.raw_output[0].text, 2)


def agent_with(spec: AKIImageToolSpec, emulator: Emulator) -> FunctionAgent:
    return FunctionAgent(llm=model_on(emulator), tools=spec.to_tool_list())


def outputs_of(events: list[Any]) -> list[ToolOutput]:
    return [event.tool_output for event in events if isinstance(event, ToolCallResult)]


def run_in(spec: AKIImageToolSpec, emulator: Emulator, question: str, **state: Any) -> tuple[ToolOutput, Context]:
    """What the first tool gave in a conversation of its own."""
    agent = agent_with(spec, emulator)
    ctx = Context(agent)
    for name, value in state.items():
        asyncio.run(ctx.store.set(name, value))
    return outputs_of(run(agent, question, ctx)[1])[0], ctx


@pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key. memory")
def test_each_context_is_a_conversation_of_its_own(fresh_emulator):
    spec = spec_on(fresh_emulator, scope="images_of")
    first, ctx = run_in(spec, fresh_emulator, "Draw a red circle.")
    image_id = first.content.split()[3]
    question = f"Edit the image {image_id}: make it sepia."
    other, _ = run_in(spec, fresh_emulator, question)
    assert other.is_error
    assert "there is no image yet" in other.content
    assert len(spec.store) == 0
    assert "base64" not in sent_to_models(fresh_emulator)
    agent = agent_with(spec, fresh_emulator)
    assert image_id in run(agent, question, Context.from_dict(agent, ctx.to_dict()))[0]


def test_users_are_told_apart_by_a_value_of_the_state(fresh_emulator):
    spec = spec_on(fresh_emulator, scope="user_id")
    first, _ = run_in(spec, fresh_emulator, "Draw a red circle.", user_id=7)
    (image,) = spec.store.scope("7")
    assert image.id in first.content
    question = f"Edit the image {image.id}: make it sepia."
    assert run_in(spec, fresh_emulator, question, user_id="8")[0].is_error
    same, _ = run_in(spec, fresh_emulator, question, user_id="7")
    assert same.content.startswith(f"Made 1 image out of {image.id}")
    schemas = [tool.metadata.to_openai_tool()["function"]["parameters"] for tool in spec.to_tool_list()]
    assert [sorted(schema["properties"]) for schema in schemas] == [["n", "prompt", "size"], ["image", "prompt"]]


@pytest.mark.parametrize("function", ["generate_image", ("generate_image", "agenerate_image")], ids=["sync", "async"])
def test_parallel_calls_of_a_new_conversation_share_its_images(fresh_emulator, function):
    spec = spec_on(fresh_emulator, scope="images_of")
    (draws,) = spec.to_tool_list([function])

    async def awaited() -> int:
        ctx = Context(FunctionAgent(llm=model_on(fresh_emulator), tools=[draws]))
        outputs = await asyncio.gather(*(draws.acall(ctx=ctx, prompt=f"cat {number}") for number in range(4)))
        assert all(output.content.startswith("Generated 1 image: img_") for output in outputs)
        return len(spec.store.scope(await ctx.store.get("images_of")))

    assert asyncio.run(awaited()) == 4
    assert len(spec.store) == 0


def test_an_agent_whose_model_sees_gets_the_images(fresh_emulator):
    spec = spec_on(fresh_emulator, show_images=True)
    text, _ = run(agent_with(spec, fresh_emulator), "Draw a cat.")
    (image,) = spec.store
    assert image.to_base64() in sent_to_models(fresh_emulator)
    assert "128 × 128" in text  # noqa: RUF001  as sizes are written
    assert fresh_emulator.requests[-1].body["messages"][-1]["role"] == "user"


def test_a_refusal_reaches_the_model_and_the_agent_goes_on(fresh_emulator, server: ScriptServer):
    spec = spec_on(fresh_emulator)
    known = spec.store.add(PICTURE)
    for image in ("/etc/hostname", known.id):
        server.say(answer(None, call("edit_image", f'{{"prompt": "blue", "image": "{image}"}}'), stream=True))
    text, events = run(FunctionAgent(llm=model_at(server), tools=spec.to_tool_list()), "make it blue")
    refusal = sent(server, 1)["messages"][-1]
    assert refusal["role"] == "tool"
    assert "pass the ID" in refusal["content"]
    assert [output.is_error for output in outputs_of(events)] == [True, False]
    assert text == "Hello"
    assert images_asked_for(fresh_emulator) == 1
