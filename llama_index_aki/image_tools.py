"""Tools with which an agent generates and edits images."""

# Without "from __future__ import annotations": LlamaIndex looks for a parameter that is annotated with `Context`.

import asyncio
import inspect
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeAlias, TypeVar

from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import BaseTool, FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.workflow import Context
from pydantic import BaseModel, ValidationError

from aki_transport.errors import ConfigurationError
from aki_transport.image_tools import EditImageInput, GenerateImageInput, ImageToolSettings, describe_argument_errors
from aki_transport.images.image import GeneratedImage
from aki_transport.images.store import describe_images

Blocks: TypeAlias = list[TextBlock | ImageBlock]
_Input = TypeVar("_Input", bound=BaseModel)
_SCHEMAS: dict[str, type[BaseModel]] = {
    **dict.fromkeys(("generate_image", "agenerate_image"), GenerateImageInput),
    **dict.fromkeys(("edit_image", "aedit_image"), EditImageInput),
}


class AKIImageToolSpec(ImageToolSettings, BaseToolSpec, defer_build=False):
    """`generate_image` and `edit_image` for agents, sync and async, with a common store of images.

    Both return a text with the images' IDs, and the images as blocks. The agent's model gets the text alone, unless
    `show_images` is set; the blocks are in the `raw_output` of the tool's output. See
    `aki_transport.image_tools.ImageToolSettings` for the other fields, and docs/images.md for servers with many users.

    Raises:
        ConfigurationError: An argument is unknown or not valid.

    Example:
        >>> spec = AKIImageToolSpec(size="512x512")
        >>> [tool.metadata.name for tool in spec.to_tool_list()]
        ['generate_image', 'edit_image']
        >>> text, block = spec.generate_image("a red lighthouse on a hill")
        >>> text.text
        'Generated 1 image: img_... (512x512). To change one, pass its ID.'
        >>> (image,) = spec.store
        >>> spec.edit_image("make the lighthouse blue", image.id)[0].text
        'Made 1 image out of img_...: img_... (512x512).'
    """

    spec_functions: ClassVar[list[SPEC_FUNCTION_TYPE]] = [  # type: ignore[misc]  # no field of the model
        ("generate_image", "agenerate_image"),
        ("edit_image", "aedit_image"),
    ]

    model: str | None = "z-image-turbo"
    """The model that generates images."""
    edit_model: str | None = None
    """The model that edits images; None leaves the choice to the service."""
    size: str | None = "1024x1024"
    """Width and height in pixels, like `"1024x1024"`, if a call has none."""
    scope: str | None = None
    """Gives each conversation or user of an agent a part of the store that others neither see nor reach: the name of a
    value in the workflow's state (`await ctx.store.set("user_id", "7")`). A `Context` without that value gets a random
    one, and so is a conversation of its own. None: all runs share the store."""

    def generate_image(self, prompt: str, size: str | None = None, n: int | None = None) -> Blocks:
        """Draws images from a description, and gives their IDs. Use it to make new images."""
        options = self._generate_options(prompt=prompt, size=size, n=n)
        with self._progress_callback("image") as callback:
            return self._blocks(self._client.generate_image(on_progress=callback, **options))

    async def agenerate_image(self, prompt: str, size: str | None = None, n: int | None = None) -> Blocks:
        """Draws images from a description, and gives their IDs. Use it to make new images."""
        options = self._generate_options(prompt=prompt, size=size, n=n)
        with self._progress_callback("image") as callback:
            return self._blocks(await self._client.agenerate_image(on_progress=callback, **options))

    def edit_image(self, prompt: str, image: Any) -> Blocks:
        """Changes an image that was drawn before, as described, and gives the ID of the new one."""
        options = self._edit_options(prompt=prompt, image=image)
        with self._progress_callback("image") as callback:
            return self._blocks(self._client.edit_image(on_progress=callback, **options), options["images"])

    async def aedit_image(self, prompt: str, image: Any) -> Blocks:
        """Changes an image that was drawn before, as described, and gives the ID of the new one."""
        options = self._edit_options(prompt=prompt, image=image)
        with self._progress_callback("image") as callback:
            return self._blocks(await self._client.aedit_image(on_progress=callback, **options), options["images"])

    def to_tool_list(  # type: ignore[override]  # agents take no list of `FunctionTool`
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[BaseTool | Callable[..., Any]]:
        """The tools, typed as the list that an agent takes."""
        chosen = self.spec_functions if spec_functions is None else spec_functions
        names = [each if isinstance(each, str) else each[0] for each in chosen]
        metadata = {name: self._metadata(name) for name in names if name in _SCHEMAS}
        tools = super().to_tool_list(chosen, {**metadata, **(func_to_metadata_mapping or {})})
        callbacks: dict[str, Any] = {} if self.show_images else {"callback": _text_of, "async_callback": _atext_of}
        if self.scope is not None:
            methods = [each if isinstance(each, str) else each[1] for each in chosen]
            return [
                FunctionTool(async_fn=self._in_scope(method, self.scope), metadata=tool.metadata, **callbacks)
                for method, tool in zip(methods, tools, strict=True)
            ]
        return [FunctionTool(fn=tool.fn, async_fn=tool.async_fn, metadata=tool.metadata, **callbacks) for tool in tools]

    def _in_scope(self, method: str, scope: str) -> Callable[..., Awaitable[Blocks]]:
        """A method with a parameter for the workflow's `Context`, which agents fill in and models do not see."""

        async def call(ctx: Context, **arguments: Any) -> Blocks:
            spec = self.model_copy(update={"store": self.store.scope(await _scope_name(ctx, scope))})
            function = getattr(spec, method)
            if inspect.iscoroutinefunction(function):
                blocks: Blocks = await function(**arguments)
                return blocks
            return await asyncio.to_thread(function, **arguments)

        return call

    def _metadata(self, name: str) -> ToolMetadata:
        """The description of a method, without the Python signature that LlamaIndex puts before it."""
        description = inspect.getdoc(getattr(self, name)) or name
        return ToolMetadata(name=name, description=description, fn_schema=_SCHEMAS[name])

    def _generate_options(self, **arguments: Any) -> dict[str, Any]:
        call = _validated(GenerateImageInput, arguments)
        return {**self._options(call.size or self.size), "prompt": call.prompt, "n": call.n or 1}

    def _edit_options(self, **arguments: Any) -> dict[str, Any]:
        call = _validated(EditImageInput, arguments)
        images = self.store.find_all(call.image)
        return {**self._options(), "prompt": call.prompt, "images": images, "model": self.edit_model}

    def _blocks(self, images: list[GeneratedImage], sources: tuple[GeneratedImage, ...] = ()) -> Blocks:
        kept = [self.store.add(image) for image in images]
        blocks = [ImageBlock(image=image.data, image_mimetype=image.mime_type) for image in kept]
        return [TextBlock(text=describe_images(kept, sources)), *blocks]


async def _scope_name(ctx: Context, scope: str) -> str:
    name = await ctx.store.get(scope, default=None)
    if name is None or name == "":
        async with ctx.store.edit_state() as state:  # in one step, because the calls of a turn run at the same time
            name = state.get(scope) or secrets.token_hex(8)
            state[scope] = name
    return str(name)


def _validated(schema: type[_Input], arguments: dict[str, Any]) -> _Input:
    try:
        return schema.model_validate(arguments)
    except ValidationError as error:
        problem = describe_argument_errors(error)
    raise ConfigurationError(problem)


def _text_of(blocks: Blocks) -> str:
    """The output for a model without image input."""
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


async def _atext_of(blocks: Blocks) -> str:
    return _text_of(blocks)
