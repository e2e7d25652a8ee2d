"""Tools with which an agent generates and edits images."""

# Without "from __future__ import annotations": LlamaIndex builds the tools' schemas from the annotations.

import asyncio
import copy
import inspect
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any, TypeAlias

from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import BaseTool, FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.workflow import Context
from pydantic import Field

from aki_transport import Client
from aki_transport.arguments import unknown_argument
from aki_transport.errors import ConfigurationError
from aki_transport.images.image import GeneratedImage
from aki_transport.images.progress import ProgressBar, combine_callbacks
from aki_transport.images.request import MAX_IMAGES_PER_TOOL_CALL, MAX_PROMPT, MAX_SIDE, MIN_SIDE, build_image_request
from aki_transport.images.store import ImageStore, describe_images
from aki_transport.prepare.images import validate_request
from aki_transport.settings import ConnectionSettings
from aki_transport.wire import find_image_wire

Blocks: TypeAlias = list[TextBlock | ImageBlock]

_COUNTS = frozenset(map(str, range(1, MAX_IMAGES_PER_TOOL_CALL + 1)))
_OPTIONS = ("seed", "negative_prompt", "steps", "extra_body")

_Prompt = Annotated[
    str,
    Field(
        description="What the image must show: objects, colours, composition, style. The more, the better.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_PROMPT},
    ),
]
_Change = Annotated[
    str,
    Field(
        description="What to change in the image: colours, objects, style, background. Say what must stay as it is.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_PROMPT},
    ),
]
_Size = Annotated[
    str | None,
    f"Width and height in pixels, like 1024x1024; {MIN_SIDE} to {MAX_SIDE} each."
    " Leave it out unless a size was asked for.",
]
_Count = Annotated[
    int,
    Field(
        description=f"How many images, 1 to {MAX_IMAGES_PER_TOOL_CALL}; 1 unless more were asked for.",
        json_schema_extra={"minimum": 1, "maximum": MAX_IMAGES_PER_TOOL_CALL},
    ),
]
_ImageId = Annotated[
    str,
    "The ID of the image to change, like img_3f9c2a81d04b7e65, as an earlier call gave it."
    " Several IDs, with commas between, to make one image out of them.",
]


class AKIImageToolSpec(BaseToolSpec):
    """`generate_image` and `edit_image` for agents, sync and async, with a common store of images.

    Both return a text with the images' IDs, and the images as blocks. The agent's model gets the text alone, unless
    `show_images` is set; the blocks are in the `raw_output` of the tool's output. For servers with many users, see
    docs/images.md.

    Args:
        model: The model that generates images.
        edit_model: The model that edits images; None leaves the choice to the service.
        size: Width and height in pixels, like `"1024x1024"`, if a call has none.
        store: Keeps the images; None makes a new one.
        scope: Gives each conversation or user of an agent a part of the store that others neither see nor reach: the
            name of a value in the workflow's state (`await ctx.store.set("user_id", "7")`). A `Context` without that
            value gets a random one, and so is a conversation of its own. None: all runs share the store.
        show_images: Whether the agent's model gets the images too; only for models with image input.
        progress: Whether a job shows a progress bar; on the native protocol, with the package tqdm.
        seed: On the native protocol: the same seed and prompt give the same image.
        negative_prompt: On the native protocol: what the images must not show.
        steps: On the native protocol: how many steps the model takes.
        extra_body: Further fields of the request's body, sent unchanged.
        **connection: `provider`, `protocol` (`"openai"` or `"native"`), `base_url`, `api_key`, `on_progress` and the
            other fields of `aki_transport.settings.ConnectionSettings`.

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

    spec_functions: list[SPEC_FUNCTION_TYPE] = [  # noqa: RUF012  LlamaIndex's own form
        ("generate_image", "agenerate_image"),
        ("edit_image", "aedit_image"),
    ]

    def __init__(
        self,
        *,
        model: str | None = "z-image-turbo",
        edit_model: str | None = None,
        size: str | None = "1024x1024",
        store: ImageStore | None = None,
        scope: str | None = None,
        show_images: bool = False,
        progress: bool = False,
        seed: int | None = None,
        negative_prompt: str | None = None,
        steps: int | None = None,
        extra_body: dict[str, Any] | None = None,
        **connection: Any,
    ) -> None:
        own = ("model", "edit_model", "size", "store", "scope", "show_images", "progress", *_OPTIONS)
        for name in connection:
            if name not in ConnectionSettings.model_fields:
                raise unknown_argument("AKIImageToolSpec", name, {*own, *ConnectionSettings.model_fields})
        self.store = ImageStore() if store is None else store
        self._scope = scope
        self._connection = ConnectionSettings(**connection)
        self._model = model
        self._edit_model = edit_model
        self._size = size
        self._show_images = show_images
        self._progress = progress
        options: dict[str, Any] = dict(zip(_OPTIONS, (seed, negative_prompt, steps, extra_body), strict=True))
        self._options = {name: value for name, value in options.items() if value is not None}
        wire, protocol = find_image_wire(self._connection.protocol), self._connection.protocol
        validate_request(
            build_image_request("an image", model=model, size=size, **self._options), wire, protocol=protocol
        )
        if progress:
            ProgressBar()

    def generate_image(self, prompt: _Prompt, size: _Size = None, n: _Count = 1) -> Blocks:
        """Draws one or more images from a description, and gives their IDs. Use it to make new images."""
        with self._progress_callback() as callback:
            options = self._generate_options(prompt, size, n)
            return self._blocks(self._client.generate_image(prompt, on_progress=callback, **options))

    async def agenerate_image(self, prompt: _Prompt, size: _Size = None, n: _Count = 1) -> Blocks:
        """Draws one or more images from a description, and gives their IDs. Use it to make new images."""
        with self._progress_callback() as callback:
            options = self._generate_options(prompt, size, n)
            return self._blocks(await self._client.agenerate_image(prompt, on_progress=callback, **options))

    def edit_image(self, prompt: _Change, image: _ImageId) -> Blocks:
        """Changes an image that was drawn before, as described, and gives the ID of the new one."""
        _check_prompt(prompt)
        sources = self.store.find_all(image)
        with self._progress_callback() as callback:
            options = {**self._options, "model": self._edit_model, "on_progress": callback}
            return self._blocks(self._client.edit_image(prompt, sources, **options), sources)

    async def aedit_image(self, prompt: _Change, image: _ImageId) -> Blocks:
        """Changes an image that was drawn before, as described, and gives the ID of the new one."""
        _check_prompt(prompt)
        sources = self.store.find_all(image)
        with self._progress_callback() as callback:
            options = {**self._options, "model": self._edit_model, "on_progress": callback}
            return self._blocks(await self._client.aedit_image(prompt, sources, **options), sources)

    def to_tool_list(  # type: ignore[override]  # agents take no list of `FunctionTool`
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[BaseTool | Callable[..., Any]]:
        """The tools, typed as the list that an agent takes."""
        chosen = self.spec_functions if spec_functions is None else spec_functions
        names = [each if isinstance(each, str) else each[0] for each in chosen]
        metadata = {name: self._metadata(name) for name in names}
        tools = super().to_tool_list(chosen, {**metadata, **(func_to_metadata_mapping or {})})
        callbacks: dict[str, Any] = {} if self._show_images else {"callback": _text_of, "async_callback": _atext_of}
        if self._scope is not None:
            methods = [each if isinstance(each, str) else each[1] for each in chosen]
            return [
                FunctionTool(async_fn=self._in_scope(method, self._scope), metadata=tool.metadata, **callbacks)
                for method, tool in zip(methods, tools, strict=True)
            ]
        return [FunctionTool(fn=tool.fn, async_fn=tool.async_fn, metadata=tool.metadata, **callbacks) for tool in tools]

    def _in_scope(self, method: str, scope: str) -> Callable[..., Awaitable[Blocks]]:
        """A method with a parameter for the workflow's `Context`, which agents fill in and models do not see."""

        async def call(ctx: Context, **arguments: Any) -> Blocks:
            spec = copy.copy(self)
            spec.store = self.store.scope(await _scope_name(ctx, scope))
            function = getattr(spec, method)
            if inspect.iscoroutinefunction(function):
                blocks: Blocks = await function(**arguments)
                return blocks
            return await asyncio.to_thread(function, **arguments)

        return call

    def _metadata(self, name: str) -> ToolMetadata:
        """A function's description, without the Python signature that LlamaIndex puts before it."""
        function = getattr(self, name)
        schema = FunctionTool.from_defaults(fn=function).metadata.fn_schema
        return ToolMetadata(description=inspect.getdoc(function) or name, name=name, fn_schema=schema)

    @property
    def _client(self) -> Client:
        return self._connection._client  # noqa: SLF001  its own, too

    def _generate_options(self, prompt: str, size: str | None, n: int | str) -> dict[str, Any]:
        _check_prompt(prompt)
        if isinstance(n, str) and n in _COUNTS:
            n = int(n)  # models write numbers as text, too
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_IMAGES_PER_TOOL_CALL:
            raise ConfigurationError(f"n={repr(n)[:20]} is not valid; use 1 to {MAX_IMAGES_PER_TOOL_CALL}.")
        return {**self._options, "model": self._model, "size": size or self._size, "n": n}

    @contextmanager
    def _progress_callback(self) -> Iterator[Any]:
        with ProgressBar() if self._progress else nullcontext() as bar:
            yield combine_callbacks(self._connection.on_progress, bar)

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


def _check_prompt(prompt: str) -> None:
    if isinstance(prompt, str) and len(prompt) > MAX_PROMPT:
        raise ConfigurationError(f"the prompt has {len(prompt)} characters; use at most {MAX_PROMPT}.")


def _text_of(blocks: Blocks) -> str:
    """The output for a model without image input."""
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


async def _atext_of(blocks: Blocks) -> str:
    return _text_of(blocks)
