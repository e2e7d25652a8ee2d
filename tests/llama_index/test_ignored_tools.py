"""Programs and selectors get their object where the service ignores tools and writes it as text."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.selectors import PydanticMultiSelector, PydanticSingleSelector
from llama_index.core.tools import FunctionTool, ToolMetadata
from pydantic import BaseModel

from tests.requests.frameworks import aki
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer

pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")


class City(BaseModel):
    """A city."""

    name: str
    people: int


ROME = City(name="Rome", people=3)
R = ROME.model_dump_json()
CHOICES = [ToolMetadata(description="cats", name="a"), ToolMetadata(description="dogs", name="b")]
SELECTION = '{"index": 2, "reason": "dogs"}'
HELD = {
    "alone": R,
    "in a fence": f"Sure:\n```json\n{R}\n```",
    "behind a thought": f'Perhaps {{"name": "x", "people": 1}}.</think>\n{R}',
    "wrapped": f'{{"City": {R}}}',
    "as a call": f'{{"name": "City", "parameters": {R}}}',
    "encoded twice": json.dumps(R),
    "a comma too many": f"{R[:-1]},}}",
}


def answers(text: str | None, **message: Any) -> Any:
    def respond(request: Request) -> Answer:
        if not request.json.get("stream"):
            return replied(text, model="m", **message)
        return streamed(*([chunk(**message, model="m")] if message else []), *(text or ""), model="m")

    return respond


def program(server: ScriptServer, way: str, cls: type[BaseModel] = City) -> Any:
    found = FunctionCallingProgram.from_defaults(
        output_cls=cls, llm=aki(server, capabilities={"tools": True}), prompt_template_str="Which city?"
    )

    async def last() -> Any:
        return [item async for item in await found.astream_call()][-1]

    match way:
        case "call":
            return found()
        case "acall":
            return asyncio.run(found.acall())
        case "stream":
            return list(found.stream_call())[-1]
    return asyncio.run(last())


WAYS = ("call", "acall", "stream", "astream")


@pytest.mark.parametrize("row", [*HELD, "as reasoning"])
def test_a_program_gets_the_object_of_the_text(row: str, subtests) -> None:
    respond = answers(None, reasoning_content=R) if row == "as reasoning" else answers(HELD[row])
    with ScriptServer(always=respond) as server:
        for way in WAYS:
            with subtests.test(way=way):
                server.reset()
                assert program(server, way).model_dump() == ROME.model_dump()
                assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["I do not know.", '{"people": 3}', "{}"])
def test_a_program_gets_no_other_object(text: str) -> None:
    with ScriptServer(always=answers(text)) as server:
        for way in ("call", "acall"):
            with pytest.raises(ValueError, match="called no tool"):
                program(server, way)


def test_selectors_get_their_selection() -> None:
    single = f"<thought>Hm</thought>```json\n{SELECTION}\n```"
    for text in (SELECTION, single):
        with ScriptServer(always=answers(text)) as server:
            selector = PydanticSingleSelector.from_defaults(llm=aki(server, capabilities={"tools": True}))
            assert selector.select(CHOICES, "dogs?").ind == 1
            assert asyncio.run(selector.aselect(CHOICES, "dogs?")).ind == 1
    with ScriptServer(always=answers(f'So: {{"selections": [{SELECTION}]}}')) as server:
        several = PydanticMultiSelector.from_defaults(llm=aki(server, capabilities={"tools": True}))
        assert several.select(CHOICES, "dogs?").inds == [1]


def test_json_in_a_text_never_calls_a_tool_of_the_user() -> None:
    called: list[str] = []

    def weather(city: str) -> str:
        """The weather."""
        called.append(city)
        return "Sunny"

    with ScriptServer(always=answers('{"city": "Rome"}')) as server:
        llm, tool = aki(server), FunctionTool.from_defaults(weather)
        for required in (False, True):
            with pytest.raises(ValueError, match="called no tool"):
                llm.predict_and_call([tool], user_msg="hi", tool_required=required)
        *_, last = llm.stream_chat_with_tools([tool], user_msg="hi")
        assert llm.get_tool_calls_from_response(last, error_on_no_tool_call=False) == []
    assert called == []
