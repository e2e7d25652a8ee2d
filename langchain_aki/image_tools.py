"""Tools with which an agent draws pictures and changes them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.tools import ArgsSchema, BaseTool, ToolException
from pydantic import BaseModel, Field, WithJsonSchema, model_validator

from aki_transport.errors import AKIError, BadRequestError, ConfigurationError
from aki_transport.images import GeneratedImage, ImageStore, in_words, read_size
from aki_transport.messages import JobProgress
from aki_transport.progress import ProgressBar, together
from langchain_aki._connection import LangChainConnection
from langchain_aki.errors import translated

Content = str | list[str | dict[str, Any]]

_PROMPT = "What the picture shall show: objects, colours, composition, style. The more is said, the better it fits."
_CHANGE = "What to change in the picture: colours, objects, style, background, angle. Say what shall stay as it is."
_SIZE = "Width and height in pixels, like 1024x1024; 128 to 2048 each. Leave it out unless a size was asked for."
_IMAGE = "The ID of the picture to change, like img_3f9c2a, as an earlier call gave it."
_MOST = 4  # pictures that a model may ask for at once; each is billed


class GenerateImageInput(BaseModel):
    """What the model passes to draw a picture."""

    prompt: str = Field(min_length=1, max_length=8000, description=_PROMPT)
    size: str | None = Field(default=None, pattern=r"^\d{3,4}x\d{3,4}$", description=_SIZE)
    n: int | None = Field(default=None, ge=1, le=_MOST, description="How many pictures; 1 unless more were asked for.")


class EditImageInput(BaseModel):
    """What the model passes to change a picture."""

    prompt: str = Field(min_length=1, max_length=8000, description=_CHANGE)
    # Code may pass pictures themselves; a model only ever names them.
    image: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(description=_IMAGE)


class _ImageTool(LangChainConnection, BaseTool):
    """What both tools have."""

    model: str | None = None
    """The model that draws."""
    size: str | None = None
    """Pixels, like `"1024x1024"`, where the call names none."""
    store: ImageStore = Field(default_factory=ImageStore, repr=False, exclude=True)
    """Where pictures are kept by their IDs. Tools that work on each other's pictures need the same one."""
    show_images: bool = False
    """Whether the model gets the pictures too, as content blocks; only for models that see."""
    progress: bool = False
    """Whether a bar shows how far a job is; on the native protocol, with the package tqdm."""
    seed: int | None = None
    """The number to draw from, on the native protocol: the same one gives the same picture."""
    negative_prompt: str | None = None
    """What the picture shall not show, on the native protocol."""
    steps: int | None = None
    """How many steps the model takes, on the native protocol."""
    extra_body: dict[str, Any] | None = None
    """Further fields of the request's body, as they are."""

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: Any = True

    @model_validator(mode="after")
    def _check_size(self) -> Any:
        read_size(self.size)
        return self

    def _options(self, size: str | None) -> dict[str, Any]:
        given = {"seed": self.seed, "negative_prompt": self.negative_prompt, "steps": self.steps}
        options = {name: value for name, value in given.items() if value is not None}
        return {
            **options,
            "model": self.model,
            "size": size or self.size,
            "on_progress": self._listener(),
            "extra_body": self.extra_body or {},
        }

    def _listener(self) -> Callable[[JobProgress], None] | None:
        return together(self.on_progress, ProgressBar(self.name) if self.progress else None, _graph_writer(self.name))

    def _result(
        self, images: list[GeneratedImage], sources: tuple[GeneratedImage, ...] = ()
    ) -> tuple[Content, list[GeneratedImage]]:
        kept = [self.store.add(image) for image in images]
        words = in_words(kept, sources)
        if not self.show_images:
            return words, kept
        shown = [{"type": "image", "base64": each.to_base64(), "mime_type": each.mime_type} for each in kept]
        return [{"type": "text", "text": words}, *shown], kept


class AKIImageGenerationTool(_ImageTool):
    """Draws pictures. The model gets their IDs; the artifact is a list of `GeneratedImage`.

    See `aki_transport.settings.ConnectionSettings` for the fields that say which service, and how to reach it.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

    Example:
        >>> tool = AKIImageGenerationTool(size="512x512")
        >>> sorted(tool.args)
        ['n', 'prompt', 'size']
    """

    name: str = "generate_image"
    description: str = "Draws pictures from a description, and gives their IDs. Use it to make new pictures."
    args_schema: ArgsSchema | None = GenerateImageInput

    model: str | None = "z-image-turbo"
    size: str | None = "1024x1024"
    n: int = Field(default=1, ge=1, le=10)
    """How many pictures, where the call does not say it; 1 to 10."""

    def _run(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        with _told():
            images = self._client.generate_image(prompt, n=n or self.n, **self._options(size))
            return self._result(images)

    async def _arun(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        with _told():
            images = await self._client.agenerate_image(prompt, n=n or self.n, **self._options(size))
            return self._result(images)


class AKIImageEditTool(_ImageTool):
    """Changes pictures. A model names them by their IDs; only code may pass pictures themselves.

    A model cannot make the tool read a file, but below `store.folder` if that is set, nor fetch an address.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

    Example:
        >>> tool = AKIImageEditTool(store=ImageStore())
        >>> sorted(tool.args)
        ['image', 'prompt']
    """

    name: str = "edit_image"
    description: str = "Changes a picture that was drawn before, as told, and gives the ID of the new one."
    args_schema: ArgsSchema | None = EditImageInput

    def _run(
        self,
        prompt: str,
        image: Any,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        with _told():
            sources = self.store.find_all(image)
            return self._result(self._client.edit_image(prompt, sources, **self._options(None)), sources)

    async def _arun(
        self,
        prompt: str,
        image: Any,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        with _told():
            sources = self.store.find_all(image)
            return self._result(await self._client.aedit_image(prompt, sources, **self._options(None)), sources)


class _told(translated):  # noqa: N801  read as a word: `with _told():`
    """Tell the model what it can mend itself; raise everything else as LangChain's errors."""

    mended: ClassVar[tuple[type[AKIError], ...]] = (ConfigurationError, BadRequestError)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, self.mended):
            raise ToolException(str(error)) from None
        super().__exit__(kind, error, trace)


def _graph_writer(tool: str) -> Callable[[JobProgress], None] | None:
    """Writes progress as custom events of the LangGraph run that the tool is part of, if it is part of one."""
    if "langgraph" not in sys.modules:
        return None
    from langgraph.config import get_stream_writer  # noqa: PLC0415  no dependency of this package

    try:
        write = get_stream_writer()
    except RuntimeError:
        return None

    def tell(progress: JobProgress) -> None:
        write(
            {
                "type": "image_progress",
                "tool": tool,
                "job_id": progress.job_id,
                "state": progress.state,
                "percent": progress.percent,
                "queue_position": progress.queue_position,
            }
        )

    return tell
