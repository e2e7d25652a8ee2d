"""Tools with which an agent draws pictures and changes them."""

# Annotations are values here, for LlamaIndex makes the tools' schemas of them.

from collections.abc import Callable
from typing import Annotated, Any

from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec

from aki_transport import Client
from aki_transport.arguments import unknown_argument
from aki_transport.images import GeneratedImage, ImageStore, in_words, read_size
from aki_transport.messages import JobProgress
from aki_transport.progress import ProgressBar, together
from aki_transport.settings import ConnectionSettings


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
        on_progress: Told how far a job is.
        **connection: `provider`, `protocol` (`"openai"` or `"native"`), `base_url`, `api_key` and the other fields of
            `aki_transport.settings.ConnectionSettings`.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

    Example:
        >>> [tool.metadata.name for tool in AKIImageToolSpec().to_tool_list()]
        ['generate_image', 'edit_image']
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
        on_progress: Callable[[JobProgress], None] | None = None,
        **connection: Any,
    ) -> None:
        for name in connection:
            if name not in ConnectionSettings.model_fields:
                raise unknown_argument("AKIImageToolSpec", name, ConnectionSettings.model_fields)
        read_size(size)
        self.store = ImageStore() if store is None else store
        self._connection = ConnectionSettings(**connection)
        self._model = model
        self._edit_model = edit_model
        self._size = size
        self._show_images = show_images
        self._progress = progress
        self._on_progress = on_progress

    def generate_image(
        self,
        prompt: Annotated[str, "What the picture shall show: objects, colours, composition, style."],
        size: Annotated[str | None, "Width and height in pixels, like 1024x1024; 128 to 2048 each."] = None,
        n: Annotated[int, "How many pictures; 1 unless more were asked for."] = 1,
    ) -> list[TextBlock | ImageBlock]:
        """Draws one or more pictures from a description, and gives their IDs. Use it to make new pictures."""
        images = self._client.generate_image(
            prompt, n=n, model=self._model, size=size or self._size, on_progress=self._listener()
        )
        return self._blocks(images)

    async def agenerate_image(
        self,
        prompt: Annotated[str, "What the picture shall show: objects, colours, composition, style."],
        size: Annotated[str | None, "Width and height in pixels, like 1024x1024; 128 to 2048 each."] = None,
        n: Annotated[int, "How many pictures; 1 unless more were asked for."] = 1,
    ) -> list[TextBlock | ImageBlock]:
        """Draws one or more pictures from a description, and gives their IDs. Use it to make new pictures."""
        images = await self._client.agenerate_image(
            prompt, n=n, model=self._model, size=size or self._size, on_progress=self._listener()
        )
        return self._blocks(images)

    def edit_image(
        self,
        prompt: Annotated[str, "What to change in the picture. Say what shall stay as it is."],
        image: Annotated[str, "The ID of the picture to change, like img_3f9c2a, as an earlier call gave it."],
    ) -> list[TextBlock | ImageBlock]:
        """Changes a picture that was drawn before, as told, and gives the ID of the new one."""
        sources = self.store.find_all(image)
        images = self._client.edit_image(prompt, sources, model=self._edit_model, on_progress=self._listener())
        return self._blocks(images, sources)

    async def aedit_image(
        self,
        prompt: Annotated[str, "What to change in the picture. Say what shall stay as it is."],
        image: Annotated[str, "The ID of the picture to change, like img_3f9c2a, as an earlier call gave it."],
    ) -> list[TextBlock | ImageBlock]:
        """Changes a picture that was drawn before, as told, and gives the ID of the new one."""
        sources = self.store.find_all(image)
        images = await self._client.aedit_image(prompt, sources, model=self._edit_model, on_progress=self._listener())
        return self._blocks(images, sources)

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools, as an agent takes them."""
        tools = super().to_tool_list(spec_functions, func_to_metadata_mapping)
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

    @property
    def _client(self) -> Client:
        return self._connection._connected()  # noqa: SLF001  its own, too

    def _listener(self) -> Callable[[JobProgress], None] | None:
        return together(self._on_progress, ProgressBar() if self._progress else None)

    def _blocks(
        self, images: list[GeneratedImage], sources: tuple[GeneratedImage, ...] = ()
    ) -> list[TextBlock | ImageBlock]:
        kept = [self.store.add(image) for image in images]
        shown = [ImageBlock(image=each.data, image_mimetype=each.mime_type) for each in kept]
        return [TextBlock(text=in_words(kept, sources)), *shown]


def _text_of(blocks: list[TextBlock | ImageBlock]) -> str:
    """What a model that is not shown the pictures is told."""
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


async def _atext_of(blocks: list[TextBlock | ImageBlock]) -> str:
    return _text_of(blocks)
