"""Tools with which an agent generates and edits images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ArgsSchema, BaseTool, ToolException
from pydantic import Field

from aki_transport.errors import AKIError, BadRequestError, ConfigurationError
from aki_transport.image_tools import EditImageInput, GenerateImageInput, ImageToolSettings, describe_argument_errors
from aki_transport.images.image import GeneratedImage, ImageList
from aki_transport.images.request import MAX_IMAGES
from aki_transport.images.store import ImageStore, describe_images
from aki_transport.messages import OnProgress
from langchain_aki._base import LangChainConnection
from langchain_aki.errors import raises_langchain_errors

Content = str | list[str | dict[str, Any]]


class _ImageTool(LangChainConnection, ImageToolSettings, BaseTool):
    scope: str | None = None
    """Gives each conversation or user a part of the store that others neither see nor reach: the name of a value in the
    call's `config["configurable"]`, e.g. `"thread_id"` or `"user_id"`. A call without that value is refused. None: all
    calls share the store."""

    n: int = Field(default=1, ge=1, le=MAX_IMAGES)
    """How many images, if the call does not say; 1 to 10."""

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: Any = describe_argument_errors

    def _run(self, prompt: str, *, config: RunnableConfig, **arguments: Any) -> tuple[Content, list[GeneratedImage]]:
        store = self._store_of(config)
        options, sources = self._checked_options(prompt, store, arguments)
        with _tool_error(BadRequestError), self._progress_callback(self.name, _graph_writer(self.name)) as callback:
            return self._result(self._client.generate_image(on_progress=callback, **options), store, sources)

    async def _arun(
        self, prompt: str, *, config: RunnableConfig, **arguments: Any
    ) -> tuple[Content, list[GeneratedImage]]:
        store = self._store_of(config)
        options, sources = self._checked_options(prompt, store, arguments)
        with _tool_error(BadRequestError), self._progress_callback(self.name, _graph_writer(self.name)) as callback:
            return self._result(await self._client.agenerate_image(on_progress=callback, **options), store, sources)

    def _checked_options(
        self, prompt: str, store: ImageStore, arguments: dict[str, Any]
    ) -> tuple[dict[str, Any], tuple[GeneratedImage, ...]]:
        """The options of the request, and the images that it changes."""
        with _tool_error(ConfigurationError):
            sources = store.find_all(arguments["image"]) if "image" in arguments else ()
            options: dict[str, Any] = {"prompt": prompt, "n": arguments.get("n") or self.n}
            options |= self._options(arguments.get("size") or self.size) | ({"images": sources} if sources else {})
            self._check(**options)
            return options, sources

    def _store_of(self, config: RunnableConfig) -> ImageStore:
        """The store, or the part of it that belongs to the conversation or user of the call."""
        if self.scope is None:
            return self.store
        name = config.get("configurable", {}).get(self.scope)
        if name is None or name == "":
            with raises_langchain_errors():
                raise ConfigurationError(
                    f"the tool {self.name} has scope={self.scope!r}, but the config of the call has no such value; pass"
                    f" config={{'configurable': {{{self.scope!r}: ...}}}}."
                )
        return self.store.scope(str(name))

    def _result(
        self, images: list[GeneratedImage], store: ImageStore, sources: tuple[GeneratedImage, ...]
    ) -> tuple[Content, list[GeneratedImage]]:
        kept = ImageList(map(store.add, images))
        text = describe_images(kept, sources)
        if not self.show_images:
            return text, kept
        blocks = [{"type": "image", "base64": image.to_base64(), "mime_type": image.mime_type} for image in kept]
        return [{"type": "text", "text": text}, *blocks], kept


class AKIImageGenerationTool(_ImageTool, defer_build=False):
    """Generates images. The chat model gets their IDs; the artifact is a list of `GeneratedImage`.

    See `aki_transport.image_tools.ImageToolSettings` for the fields, and docs/images.md for
    servers with many users.

    Raises:
        ConfigurationError: An argument is unknown or not valid.

    Example:
        >>> tool = AKIImageGenerationTool(size="512x512")
        >>> tool.invoke("a red lighthouse on a hill")
        'Generated 1 image: img_... (512x512). To change one, pass its ID.'
    """

    name: str = "generate_image"
    description: str = "Draws images from a description, and gives their IDs. Use it to make new images."
    args_schema: ArgsSchema | None = GenerateImageInput

    model: str | None = "z-image-turbo"
    """The model that generates images."""
    size: str | None = "1024x1024"
    """Width and height in pixels, like `"1024x1024"`, if the call has none."""


class AKIImageEditTool(_ImageTool, defer_build=False):
    """Edits images. A chat model refers to them by ID; only code may pass images themselves.

    A chat model cannot make the tool fetch a URL, or read a file outside of `store.folder`.

    Raises:
        ConfigurationError: An argument is unknown or not valid.

    Example:
        >>> generate = AKIImageGenerationTool(size="512x512")
        >>> text = generate.invoke("a red lighthouse on a hill")
        >>> edit = AKIImageEditTool(store=generate.store)
        >>> (image,) = generate.store
        >>> edit.invoke({"prompt": "make the lighthouse blue", "image": image.id})
        'Made 1 image out of img_...: img_... (512x512).'
    """

    name: str = "edit_image"
    description: str = "Changes an image that was drawn before, as described, and gives the ID of the new one."
    args_schema: ArgsSchema | None = EditImageInput


def _graph_writer(tool: str) -> OnProgress | None:
    """Writes progress into the stream of the LangGraph run that called the tool; None outside of a run."""
    if "langgraph" not in sys.modules:
        return None
    from langgraph.config import get_stream_writer  # noqa: PLC0415  langgraph is not a dependency

    try:
        write = get_stream_writer()
    except (RuntimeError, KeyError):  # no run, or a run of LangChain without LangGraph
        return None
    names = ("job_id", "state", "percent", "queue_position")
    return lambda job: write({"type": "image_progress", "tool": tool, **{name: getattr(job, name) for name in names}})


@contextmanager
def _tool_error(correctable: type[AKIError]) -> Iterator[None]:
    """Report to the model what it can correct itself; raise every other error as LangChain's."""
    with raises_langchain_errors():
        try:
            yield
        except correctable as error:
            problem = str(error)
        else:
            return
        raise ToolException(problem)
