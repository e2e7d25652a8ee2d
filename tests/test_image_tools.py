"""The tools for pictures in both frameworks: what a model is told and may pass, and agents that use them.

What one framework alone has is in `langchain/test_image_tools.py` and `llama_index/test_image_tools.py`.
"""

import asyncio
import copy
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from llama_index.core.tools.calling import acall_tool, call_tool

import aki_transport.errors as base
from aki_transport import GeneratedImage, ImageStore
from aki_transport.emulator import Emulator
from langchain_aki import AKIImageEditTool, AKIImageGenerationTool
from llama_index_aki import AKIImageToolSpec
from tests.llama_index.asking import AGENT_WARNINGS
from tests.pictures import a_png, images_asked_for
from tests.pictures import drawing_at as at
from tests.refused_images import HINTS, REFUSED, allowed_folder

pytestmark = AGENT_WARNINGS

KEY = "aki-5ecret-0f-the-te5ts"


@dataclass(frozen=True)
class Used:
    text: str
    is_error: bool = False


class LangChain:
    def __init__(self, **options: Any) -> None:
        self.draws = AKIImageGenerationTool(**options)
        self.store = self.draws.store
        self.changes = AKIImageEditTool(**{**options, "store": self.store, "size": None})

    def schemas(self) -> list[dict[str, Any]]:
        return [convert_to_openai_tool(tool)["function"] for tool in (self.draws, self.changes)]

    def use(self, name: str, *, is_async: bool, **arguments: Any) -> Used:
        tool = self.draws if name == "generate_image" else self.changes
        call = {"type": "tool_call", "id": "call_1", "name": name, "args": arguments}
        message = asyncio.run(tool.ainvoke(call)) if is_async else tool.invoke(call)
        return Used(str(message.content), message.status == "error")

    def draw(self, prompt: str) -> Any:
        return self.draws.invoke({"prompt": prompt})

    def edit(self, prompt: str, image: Any) -> Any:
        return asyncio.run(self.changes.ainvoke({"prompt": prompt, "image": image}))


class LlamaIndex:
    def __init__(self, **options: Any) -> None:
        self.spec = AKIImageToolSpec(**options)
        self.store = self.spec.store

    def schemas(self) -> list[dict[str, Any]]:
        return [tool.metadata.to_openai_tool()["function"] for tool in self.spec.to_tool_list()]

    def use(self, name: str, *, is_async: bool, **arguments: Any) -> Used:
        (tool,) = (tool for tool in self.spec.to_tool_list() if tool.metadata.name == name)
        output = asyncio.run(acall_tool(tool, arguments)) if is_async else call_tool(tool, arguments)
        return Used(output.content, output.is_error)

    def draw(self, prompt: str) -> Any:
        return self.spec.generate_image(prompt)

    def edit(self, prompt: str, image: Any) -> Any:
        return asyncio.run(self.spec.aedit_image(prompt, image))


@pytest.fixture(params=[LangChain, LlamaIndex])
def tools(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["openai", "native"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(job_speed=20) as emulator:
        yield emulator


def test_the_schemas_say_what_to_pass_with_limits_and_defaults(tools):
    drawing, changing = tools().schemas()
    assert (drawing["name"], changing["name"]) == ("generate_image", "edit_image")
    assert drawing["description"].startswith("Draws images")
    assert changing["description"].startswith("Changes an image")
    fields = {**drawing["parameters"]["properties"], **changing["parameters"]["properties"]}
    assert all(field["description"] for field in fields.values())
    assert drawing["parameters"]["required"] == ["prompt"]
    assert changing["parameters"]["required"] == ["prompt", "image"]
    count = next(kind for kind in fields["n"]["anyOf"] if kind["type"] == "integer")
    assert (count["minimum"], count["maximum"]) == (1, 4)
    assert fields["n"]["default"] is fields["size"]["default"] is None
    assert fields["image"]["type"] == "string"
    assert "img_3f9c2a" in fields["image"]["description"]


def test_pictures_are_named_to_the_model_and_kept_in_the_size_that_it_asks_for(
    fresh_emulator, tools, protocol, is_async
):
    made = tools(**at(fresh_emulator, protocol))
    told = made.use("generate_image", is_async=is_async, prompt="a red circle")
    (first,) = made.store
    assert told == Used(f"Generated 1 image: {first.id} (128x128). To change one, pass its ID.")
    told = made.use("edit_image", is_async=is_async, prompt="make it blue", image=first.id)
    second = list(made.store)[-1]
    assert told == Used(f"Made 1 image out of {first.id}: {second.id} (128x128).")
    assert second.data != first.data
    told = made.use("generate_image", is_async=is_async, prompt="a cat" + " " * 7995, n=3, size="256x160")
    assert told.text.startswith("Generated 3 images: ")
    images = list(made.store)[2:]
    assert [(image.width, image.height) for image in images] == [(256, 160)] * 3
    names = ", ".join(image.id for image in images[:2])
    told = made.use("edit_image", is_async=is_async, prompt="side by side", image=names)
    assert told.text.startswith(f"Made 1 image out of {names}: img_") == (protocol == "openai"), told


def test_code_may_pass_pictures_themselves(fresh_emulator, tools, protocol, tmp_path):
    made, data = tools(**at(fresh_emulator, protocol)), a_png(128, 128)
    (tmp_path / "red.png").write_bytes(data)
    for image in (data, tmp_path / "red.png", GeneratedImage.read(data), [data]):
        made.edit("make it blue", image)
    assert images_asked_for(fresh_emulator) == 4
    assert len(made.store) == 8  # those that were passed, too


def test_progress_goes_to_the_callback_and_to_a_bar(fresh_emulator, tools, is_async, capsys):
    progress: list[Any] = []
    made = tools(**at(fresh_emulator, "native", on_progress=progress.append, progress=True))
    made.use("generate_image", is_async=is_async, prompt="a cat")
    made.use("edit_image", is_async=is_async, prompt="make it blue", image=next(iter(made.store)).id)
    assert [each.state for each in progress].count("done") == 2
    assert capsys.readouterr().err.count("100%") >= 2
    failing = tools(**at(fresh_emulator, "native", "queue=1;job-fail", progress=True))
    with pytest.raises(base.JobError):
        failing.draw("a cat")
    assert capsys.readouterr().err.endswith("\n")  # the bar is closed


@pytest.mark.usefixtures("no_network")
def test_what_a_model_must_not_name_is_refused_before_anything_is_sent(tmp_path, tools, is_async, subtests):
    folder = allowed_folder(tmp_path)
    for row in REFUSED:
        with subtests.test(row.id):
            made = tools(api_key=KEY, store=ImageStore(folder=folder))
            told = made.use("edit_image", is_async=is_async, prompt="make it blue", image=row.values[0])
            assert told.is_error
            assert any(hint in told.text for hint in HINTS)
            assert "root:" not in told.text
            assert KEY not in told.text
            assert len(made.store) == 0


WRONG_ARGUMENTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"prompt": " "}, "prompt is empty"),
    ({"prompt": "x" * 8001}, "at most 8000 characters"),
    ({"size": "big"}, "like 1024x1024"),
    ({"size": "100x100"}, "128 to 2048"),
    *(({"n": wrong}, "1 to 4") for wrong in (0, 5, 2.5, "some", "9" * 5000)),
)


@pytest.mark.usefixtures("no_network")
def test_wrong_arguments_are_told_to_the_model(tools, protocol, is_async, subtests):
    made = tools(protocol=protocol, api_key=KEY)
    for arguments, words in WRONG_ARGUMENTS:
        with subtests.test(str(arguments)[:30]):
            told = made.use("generate_image", is_async=is_async, **{"prompt": "a cat", **arguments})
            assert told.is_error
            assert words in told.text
            if "prompt" in arguments:
                image = made.store.add(a_png()).id
                assert words in made.use("edit_image", is_async=is_async, image=image, **arguments).text


WRONG_FIELDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"protocol": "anthropic"}, "makes no pictures; use protocol='openai' or protocol='native'"),
    ({"size": "64x64"}, "size='64x64' is out of range"),
    ({"size": "big"}, "size='big' is not a size; use the form '1024x1024'"),
    ({"seed": 7}, "takes no seed"),
    ({"protocol": "native", "steps": 0}, "steps=0 is out of range"),
    ({"url": "x"}, "no argument 'url'; use base_url="),
    ({"stor": None}, "no argument 'stor'"),
    ({"provider": "nobody"}, "nobody"),
)


@pytest.mark.parametrize("cls", [AKIImageGenerationTool, AKIImageEditTool, AKIImageToolSpec])
def test_what_no_call_can_be_made_with_is_refused_at_once(cls, subtests):
    for wrong, words in WRONG_FIELDS:
        with subtests.test(words), pytest.raises(base.ConfigurationError, match=words):
            cls(**wrong)


FAULTS = {
    "status=401": base.AuthenticationError,
    "status=500": base.ServerError,
    "no-images": base.InvalidResponseError,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_model_can_mend_is_raised_and_nothing_is_billed_twice(fresh_emulator, tools, protocol, fault):
    made = tools(**at(fresh_emulator, protocol, fault))
    for ask in (lambda: made.draw("a cat"), lambda: made.edit("a cat", a_png(128, 128))):
        with pytest.raises(FAULTS[fault]) as caught:
            ask()
        assert fresh_emulator.key not in f"{caught.value} {vars(caught.value)}"
    assert images_asked_for(fresh_emulator) == 2


def test_a_pickle_holds_no_key_of_the_environment_and_works_and_a_copy_has_the_same_images(
    fresh_emulator, tools, protocol, monkeypatch
):
    monkeypatch.setenv("AKI_API_KEY", fresh_emulator.key)
    made = tools(**at(fresh_emulator, protocol, api_key=None))
    made.draw("a cat")
    for each in (made.draws, made.changes) if tools is LangChain else (made.spec,):
        data = pickle.dumps(each)
        assert fresh_emulator.key.encode() not in data
        assert list(pickle.loads(data).store) == list(made.store)  # noqa: S301
        assert copy.copy(each).store is copy.deepcopy(each).store is each.store
    pickle.loads(pickle.dumps(made)).draw("a dog")  # noqa: S301
    assert images_asked_for(fresh_emulator) == 2
