"""Tools with which an agent generates and edits images."""

# Without `from __future__ import annotations`, because LlamaIndex builds the tools' schemas from the annotations.

import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any, TypeAlias

from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from pydantic import Field

from aki_transport import Client
from aki_transport.arguments import unknown_argument
from aki_transport.errors import ConfigurationError
from aki_transport.images.image import GeneratedImage
from aki_transport.images.progress import ProgressBar, together
from aki_transport.images.request import LARGEST, MOST_BY_MODEL, SMALLEST, asked
from aki_transport.images.store import ImageStore, in_words
from aki_transport.prepare.images import validate_request
from aki_transport.settings import ConnectionSettings
from aki_transport.wire import find_image_wire

Blocks: TypeAlias = list[TextBlock | ImageBlock]

_OPTIONS = ("seed", "negative_prompt", "steps", "extra_body")

_Prompt = Annotated[str, "What the picture shall show: objects, colours, composition, style. The more, the better."]
_EditPrompt = Annotated[
    str, "What to change in the picture: colours, objects, style, background. Say what shall stay as it is."
]
_Size = Annotated[
    str | None,
    f"Width and height in pixels, like 1024x1024; {SMALLEST} to {LARGEST} each."
    " Leave it out unless a size was asked for.",
]
_Count = Annotated[
    int,
    Field(
        description=f"How many pictures, 1 to {MOST_BY_MODEL}; 1 unless more were asked for.",
        json_schema_extra={"minimum": 1, "maximum": MOST_BY_MODEL},
    ),
]
_ImageID = Annotated[
    str,
    "The ID of the picture to change, like img_3f9c2a, as an earlier call gave it. Several IDs, with commas between, to"
    " make one picture out of them.",
]


class AKIImageToolSpec(BaseToolSpec):
    """`generate_image` and `edit_image` for agents, sync and async, with a common image store.

    Both return a text with the IDs of the images, and the images as blocks. The agent's model gets only the text,
    unless `show_images` is set; the blocks are in the `raw_output` of the tool's output.

    Args:
        model: The model that generates images.
        edit_model: The model that edits images; None leaves the choice to the service.
        size: Width and height in pixels, like `"1024x1024"`, unless a call passes a size.
        store: Holds the images by their IDs; None creates a new store.
        show_images: Whether the agent's model also gets the images; only for models with image input.
        progress: Whether to show a progress bar; on the native protocol, with the package tqdm.
        seed: Seed of the random numbers, on the native protocol: the same seed gives the same image.
        negative_prompt: What the images shall not show, on the native protocol.
        steps: Number of diffusion steps, on the native protocol.
        extra_body: More fields of the request body, sent unchanged.
        **connection: `provider`, `protocol` (`"openai"` or `"native"`), `base_url`, `api_key`, `on_progress` and the
            other fields of `aki_transport.settings.ConnectionSettings`.

    Raises:
        ConfigurationError: An argument is unknown or invalid.

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
        show_images: bool = False,
        progress: bool = False,
        seed: int | None = None,
        negative_prompt: str | None = None,
        steps: int | None = None,
        extra_body: dict[str, Any] | None = None,
        **connection: Any,
    ) -> None:
        options = ("model", "edit_model", "size", "store", "show_images", "progress", *_OPTIONS)
        for name in connection:
            if name not in ConnectionSettings.model_fields:
                raise unknown_argument("AKIImageToolSpec", name, {*options, *ConnectionSettings.model_fields})
        self.store = ImageStore() if store is None else store
        self._connection = ConnectionSettings(**connection)
        self._model = model
        self._edit_model = edit_model
        self._size = size
        self._show_images = show_images
        self._progress = progress
        values: dict[str, Any] = dict(zip(_OPTIONS, (seed, negative_prompt, steps, extra_body), strict=True))
        self._options = {name: value for name, value in values.items() if value is not None}
        wire, protocol = find_image_wire(self._connection.protocol), self._connection.protocol
        validate_request(asked("a picture", model=model, size=size, **self._options), wire, protocol=protocol)
        if progress:
            ProgressBar()

    def generate_image(self, prompt: _Prompt, size: _Size = None, n: _Count = 1) -> Blocks:
        """Draws one or more pictures from a description, and gives their IDs. Use it to make new pictures."""
        with self._progress_listener() as listener:
            options = self._generation_options(size, n)
            return self._blocks(self._client.generate_image(prompt, on_progress=listener, **options))

    async def agenerate_image(self, prompt: _Prompt, size: _Size = None, n: _Count = 1) -> Blocks:
        """Draws one or more pictures from a description, and gives their IDs. Use it to make new pictures."""
        with self._progress_listener() as listener:
            options = self._generation_options(size, n)
            return self._blocks(await self._client.agenerate_image(prompt, on_progress=listener, **options))

    def edit_image(self, prompt: _EditPrompt, image: _ImageID) -> Blocks:
        """Changes a picture that was drawn before, as told, and gives the ID of the new one."""
        sources = self.store.find_all(image)
        with self._progress_listener() as listener:
            options = {**self._options, "model": self._edit_model, "on_progress": listener}
            return self._blocks(self._client.edit_image(prompt, sources, **options), sources)

    async def aedit_image(self, prompt: _EditPrompt, image: _ImageID) -> Blocks:
        """Changes a picture that was drawn before, as told, and gives the ID of the new one."""
        sources = self.store.find_all(image)
        with self._progress_listener() as listener:
            options = {**self._options, "model": self._edit_model, "on_progress": listener}
            return self._blocks(await self._client.aedit_image(prompt, sources, **options), sources)

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools for an agent."""
        functions = self.spec_functions if spec_functions is None else spec_functions
        names = [function if isinstance(function, str) else function[0] for function in functions]
        metadata = {name: self._tool_metadata(name) for name in names}
        tools = super().to_tool_list(functions, {**metadata, **(func_to_metadata_mapping or {})})
        if self._show_images:
            return tools
        return [
            FunctionTool.from_defaults(
                fn=tool.fn,
                async_fn=tool.async_fn,
                tool_metadata=tool.metadata,
                callback=_text_of,
                async_callback=_atext_of,
            )
            for tool in tools
        ]

    def _tool_metadata(self, name: str) -> ToolMetadata:
        """The metadata of a function, without the Python signature that LlamaIndex puts before the description."""
        function = getattr(self, name)
        schema = FunctionTool.from_defaults(fn=function).metadata.fn_schema
        return ToolMetadata(description=inspect.getdoc(function) or name, name=name, fn_schema=schema)

    @property
    def _client(self) -> Client:
        return self._connection._client  # noqa: SLF001  a class of this project

    def _generation_options(self, size: str | None, n: int) -> dict[str, Any]:
        if isinstance(n, int) and n > MOST_BY_MODEL:
            raise ConfigurationError(f"n={n} is out of range; use 1 to {MOST_BY_MODEL}.")
        return {**self._options, "model": self._model, "size": size or self._size, "n": n}

    @contextmanager
    def _progress_listener(self) -> Iterator[Any]:
        with ProgressBar() if self._progress else nullcontext() as bar:
            yield together(self._connection.on_progress, bar)

    def _blocks(self, images: list[GeneratedImage], sources: tuple[GeneratedImage, ...] = ()) -> Blocks:
        stored = [self.store.add(image) for image in images]
        blocks = [ImageBlock(image=image.data, image_mimetype=image.mime_type) for image in stored]
        return [TextBlock(text=in_words(stored, sources)), *blocks]


def _text_of(blocks: Blocks) -> str:
    """The output for a model that does not get the images."""
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


async def _atext_of(blocks: Blocks) -> str:
    return _text_of(blocks)
