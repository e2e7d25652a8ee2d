"""Tools with which an agent draws pictures and changes them."""

# Annotations are values here, for LlamaIndex makes the tools' schemas of them.

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
from aki_transport.images.progress import ProgressBar, combine_callbacks
from aki_transport.images.request import MAX_IMAGES_PER_TOOL_CALL, MAX_SIDE, MIN_SIDE, build_image_request
from aki_transport.images.store import ImageStore, describe_images
from aki_transport.prepare.images import validate_request
from aki_transport.settings import ConnectionSettings
from aki_transport.wire import find_image_wire

Blocks: TypeAlias = list[TextBlock | ImageBlock]

_OPTIONS = ("seed", "negative_prompt", "steps", "extra_body")

_Prompt = Annotated[str, "What the picture shall show: objects, colours, composition, style. The more, the better."]
_Change = Annotated[
    str, "What to change in the picture: colours, objects, style, background. Say what shall stay as it is."
]
_Size = Annotated[
    str | None,
    f"Width and height in pixels, like 1024x1024; {MIN_SIDE} to {MAX_SIDE} each."
    " Leave it out unless a size was asked for.",
]
_Count = Annotated[
    int,
    Field(
        description=f"How many pictures, 1 to {MAX_IMAGES_PER_TOOL_CALL}; 1 unless more were asked for.",
        json_schema_extra={"minimum": 1, "maximum": MAX_IMAGES_PER_TOOL_CALL},
    ),
]
_Named = Annotated[
    str,
    "The ID of the picture to change, like img_3f9c2a, as an earlier call gave it. Several IDs, with commas between, to"
    " make one picture out of them.",
]


class AKIImageToolSpec(BaseToolSpec):
    """`generate_image` and `edit_image` for agents, sync and async, with one store of pictures between them.

    Both give a text that names the pictures' IDs, and the pictures as blocks. An agent's model gets the text alone,
    unless `show_images` is set; the blocks are in the `raw_output` of the tool's output.

    Args:
        model: The model that draws.
        edit_model: The model that changes pictures; None leaves it to the service.
        size: Pixels, like `"1024x1024"`, where a call names none.
        store: Where pictures are kept; None makes a new one.
        show_images: Whether the agent's model gets the pictures too; only for models that see.
        progress: Whether a bar shows how far a job is; on the native protocol, with the package tqdm.
        seed: The number to draw from, on the native protocol: the same one gives the same picture.
        negative_prompt: What the pictures shall not show, on the native protocol.
        steps: How many steps the model takes, on the native protocol.
        extra_body: Further fields of the request's body, as they are.
        **connection: `provider`, `protocol` (`"openai"` or `"native"`), `base_url`, `api_key`, `on_progress` and the
            other fields of `aki_transport.settings.ConnectionSettings`.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

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
        own = ("model", "edit_model", "size", "store", "show_images", "progress", *_OPTIONS)
        for name in connection:
            if name not in ConnectionSettings.model_fields:
                raise unknown_argument("AKIImageToolSpec", name, {*own, *ConnectionSettings.model_fields})
        self.store = ImageStore() if store is None else store
        self._connection = ConnectionSettings(**connection)
        self._model = model
        self._edit_model = edit_model
        self._size = size
        self._show_images = show_images
        self._progress = progress
        given: dict[str, Any] = dict(zip(_OPTIONS, (seed, negative_prompt, steps, extra_body), strict=True))
        self._options = {name: value for name, value in given.items() if value is not None}
        wire, protocol = find_image_wire(self._connection.protocol), self._connection.protocol
        validate_request(
            build_image_request("a picture", model=model, size=size, **self._options), wire, protocol=protocol
        )
        if progress:
            ProgressBar()

    def generate_image(self, prompt: _Prompt, size: _Size = None, n: _Count = 1) -> Blocks:
        """Draws one or more pictures from a description, and gives their IDs. Use it to make new pictures."""
        with self._listening() as listener:
            options = self._drawing(size, n)
            return self._blocks(self._client.generate_image(prompt, on_progress=listener, **options))

    async def agenerate_image(self, prompt: _Prompt, size: _Size = None, n: _Count = 1) -> Blocks:
        """Draws one or more pictures from a description, and gives their IDs. Use it to make new pictures."""
        with self._listening() as listener:
            options = self._drawing(size, n)
            return self._blocks(await self._client.agenerate_image(prompt, on_progress=listener, **options))

    def edit_image(self, prompt: _Change, image: _Named) -> Blocks:
        """Changes a picture that was drawn before, as told, and gives the ID of the new one."""
        sources = self.store.find_all(image)
        with self._listening() as listener:
            options = {**self._options, "model": self._edit_model, "on_progress": listener}
            return self._blocks(self._client.edit_image(prompt, sources, **options), sources)

    async def aedit_image(self, prompt: _Change, image: _Named) -> Blocks:
        """Changes a picture that was drawn before, as told, and gives the ID of the new one."""
        sources = self.store.find_all(image)
        with self._listening() as listener:
            options = {**self._options, "model": self._edit_model, "on_progress": listener}
            return self._blocks(await self._client.aedit_image(prompt, sources, **options), sources)

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools, as an agent takes them."""
        chosen = self.spec_functions if spec_functions is None else spec_functions
        names = [each if isinstance(each, str) else each[0] for each in chosen]
        described = {name: self._in_plain_words(name) for name in names}
        tools = super().to_tool_list(chosen, {**described, **(func_to_metadata_mapping or {})})
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

    def _in_plain_words(self, name: str) -> ToolMetadata:
        """What is said of a function, without the Python signature that LlamaIndex puts before that."""
        function = getattr(self, name)
        schema = FunctionTool.from_defaults(fn=function).metadata.fn_schema
        return ToolMetadata(description=inspect.getdoc(function) or name, name=name, fn_schema=schema)

    @property
    def _client(self) -> Client:
        return self._connection._client  # noqa: SLF001  its own, too

    def _drawing(self, size: str | None, n: int) -> dict[str, Any]:
        if isinstance(n, int) and n > MAX_IMAGES_PER_TOOL_CALL:
            raise ConfigurationError(f"n={n} is out of range; use 1 to {MAX_IMAGES_PER_TOOL_CALL}.")
        return {**self._options, "model": self._model, "size": size or self._size, "n": n}

    @contextmanager
    def _listening(self) -> Iterator[Any]:
        with ProgressBar() if self._progress else nullcontext() as bar:
            yield combine_callbacks(self._connection.on_progress, bar)

    def _blocks(self, images: list[GeneratedImage], sources: tuple[GeneratedImage, ...] = ()) -> Blocks:
        kept = [self.store.add(image) for image in images]
        shown = [ImageBlock(image=each.data, image_mimetype=each.mime_type) for each in kept]
        return [TextBlock(text=describe_images(kept, sources)), *shown]


def _text_of(blocks: Blocks) -> str:
    """What a model that is not shown the pictures is told."""
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


async def _atext_of(blocks: Blocks) -> str:
    return _text_of(blocks)
