"""Tools with which an agent generates and edits images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Annotated, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ArgsSchema, BaseTool, ToolException
from pydantic import BaseModel, Field, ValidationError, WithJsonSchema, model_validator

from aki_transport.errors import AKIError, BadRequestError, ConfigurationError
from aki_transport.images.image import GeneratedImage, ImageList
from aki_transport.images.progress import ProgressBar, combine_callbacks
from aki_transport.images.request import (
    MAX_IMAGES,
    MAX_IMAGES_PER_TOOL_CALL,
    MAX_PROMPT,
    MAX_SIDE,
    MIN_SIDE,
    build_image_request,
)
from aki_transport.images.store import ImageStore, describe_images
from aki_transport.prepare.images import validate_request
from aki_transport.wire import find_image_wire
from langchain_aki._base import LangChainConnection
from langchain_aki._graph import graph_writer
from langchain_aki.errors import raises_langchain_errors

Content = str | list[str | dict[str, Any]]

_PROMPT_HELP = "What the image must show: objects, colours, composition, style. The more details, the better it fits."
_CHANGE_HELP = "What to change in the image: colours, objects, style, background, angle. Say what must stay as it is."
_SIZE_HELP = (
    f"Width and height in pixels, like 1024x1024; {MIN_SIDE} to {MAX_SIDE} each."
    " Leave it out unless a size was asked for."
)
_COUNT_HELP = f"How many images, 1 to {MAX_IMAGES_PER_TOOL_CALL}; 1 unless more were asked for."
_IMAGE_HELP = (
    "The ID of the image to change, like img_3f9c2a81d04b7e65, as an earlier call gave it."
    " Several IDs, with commas between, to make one image out of them."
)


class GenerateImageInput(BaseModel):
    """The arguments with which a model generates an image."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT, description=_PROMPT_HELP)
    size: str | None = Field(default=None, pattern=r"^[0-9]{3,4}x[0-9]{3,4}$", description=_SIZE_HELP)
    n: int | None = Field(default=None, ge=1, le=MAX_IMAGES_PER_TOOL_CALL, description=_COUNT_HELP)


class EditImageInput(BaseModel):
    """The arguments with which a model edits an image."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT, description=_CHANGE_HELP)
    # Code may pass images themselves; a model passes an ID.
    image: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(description=_IMAGE_HELP)


def _describe_argument_errors(error: Any) -> str:
    """For the model: what is wrong with its arguments, and what each of them must be."""
    if not isinstance(error, ValidationError):
        return f"The arguments are wrong: {error}"
    schema = EditImageInput if error.title == EditImageInput.__name__ else GenerateImageInput
    problems = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else "arguments"
        field = schema.model_fields.get(name)
        problems.append(f"{name}: {problem['msg']}." + (f" {field.description}" if field is not None else ""))
    return f"The arguments are wrong. {' '.join(problems)}"


class _ImageTool(LangChainConnection, BaseTool):
    """The fields and methods that both tools share."""

    model: str | None = None
    """The image model."""
    size: str | None = None
    """Width and height in pixels, like `"1024x1024"`, if the call has none."""
    store: ImageStore = Field(default_factory=ImageStore, repr=False, exclude=True)
    """Keeps the images by ID. Tools that work on the same images need the same store."""
    scope: str | None = None
    """Gives each conversation or user a part of the store that others neither see nor reach: the name of a value in the
    call's `config["configurable"]`, e.g. `"thread_id"` or `"user_id"`. A call without that value is refused. None: all
    calls share the store."""
    show_images: bool = False
    """Whether the chat model gets the images too, as content blocks; only for models with image input."""
    progress: bool = False
    """Whether a job shows a progress bar; on the native protocol, with the package tqdm."""
    seed: int | None = None
    """On the native protocol: the same seed and prompt give the same image."""
    negative_prompt: str | None = None
    """On the native protocol: what the image must not show."""
    steps: int | None = None
    """On the native protocol: how many steps the model takes."""
    extra_body: dict[str, Any] | None = None
    """Further fields of the request's body, sent unchanged."""

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: Any = _describe_argument_errors

    @model_validator(mode="after")
    def _check_options(self) -> Any:
        with raises_langchain_errors():
            self._check("an image", **self._options(None))
            if self.progress:
                ProgressBar()
        return self

    def _check(self, prompt: str, **options: Any) -> None:
        """Raise if the request is not valid, before anything is sent."""
        validate_request(build_image_request(prompt, **options), find_image_wire(self.protocol), protocol=self.protocol)

    def _options(self, size: str | None) -> dict[str, Any]:
        return {
            "model": self.model,
            "size": size or self.size,
            "seed": self.seed,
            "negative_prompt": self.negative_prompt,
            "steps": self.steps,
            "extra_body": self.extra_body,
        }

    @contextmanager
    def _progress_callback(self) -> Iterator[Any]:
        with ProgressBar(self.name) if self.progress else nullcontext() as bar:
            yield combine_callbacks(self.on_progress, bar, graph_writer(self.name))

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
        self, images: list[GeneratedImage], store: ImageStore, sources: tuple[GeneratedImage, ...] = ()
    ) -> tuple[Content, list[GeneratedImage]]:
        kept = ImageList(map(store.add, images))
        text = describe_images(kept, sources)
        if not self.show_images:
            return text, kept
        blocks = [{"type": "image", "base64": image.to_base64(), "mime_type": image.mime_type} for image in kept]
        return [{"type": "text", "text": text}, *blocks], kept


class AKIImageGenerationTool(_ImageTool, defer_build=False):
    """Generates images. The chat model gets their IDs; the artifact is a list of `GeneratedImage`.

    See `aki_transport.settings.ConnectionSettings` for the fields of the connection, and docs/images.md for
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
    size: str | None = "1024x1024"
    n: int = Field(default=1, ge=1, le=MAX_IMAGES)
    """How many images, if the call does not say; 1 to 10."""

    def _run(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
        *,
        config: RunnableConfig,
    ) -> tuple[Content, list[GeneratedImage]]:
        store, options = self._store_of(config), self._generate_options(prompt, size, n)
        with _tool_error(BadRequestError), self._progress_callback() as callback:
            return self._result(self._client.generate_image(on_progress=callback, **options), store)

    async def _arun(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
        *,
        config: RunnableConfig,
    ) -> tuple[Content, list[GeneratedImage]]:
        store, options = self._store_of(config), self._generate_options(prompt, size, n)
        with _tool_error(BadRequestError), self._progress_callback() as callback:
            return self._result(await self._client.agenerate_image(on_progress=callback, **options), store)

    def _generate_options(self, prompt: str, size: str | None, n: int | None) -> dict[str, Any]:
        with _tool_error(ConfigurationError):
            options = {"prompt": prompt, "n": self.n if n is None else n, **self._options(size)}
            self._check(**options)
            return options


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

    def _run(
        self,
        prompt: str,
        image: Any,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
        *,
        config: RunnableConfig,
    ) -> tuple[Content, list[GeneratedImage]]:
        store = self._store_of(config)
        options, sources = self._edit_options(prompt, image, store)
        with _tool_error(BadRequestError), self._progress_callback() as callback:
            return self._result(self._client.edit_image(on_progress=callback, **options), store, sources)

    async def _arun(
        self,
        prompt: str,
        image: Any,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
        *,
        config: RunnableConfig,
    ) -> tuple[Content, list[GeneratedImage]]:
        store = self._store_of(config)
        options, sources = self._edit_options(prompt, image, store)
        with _tool_error(BadRequestError), self._progress_callback() as callback:
            return self._result(await self._client.aedit_image(on_progress=callback, **options), store, sources)

    def _edit_options(
        self, prompt: str, image: Any, store: ImageStore
    ) -> tuple[dict[str, Any], tuple[GeneratedImage, ...]]:
        with _tool_error(ConfigurationError):
            sources = store.find_all(image)
            options = {"prompt": prompt, "images": sources, **self._options(None)}
            self._check(**options)
            return options, sources


class _tool_error(raises_langchain_errors):  # noqa: N801  read as a word: `with _tool_error(BadRequestError):`
    """Report to the model what it can correct itself; raise every other error as LangChain's.

    Args:
        correctable: The error that the model can correct with other arguments.
    """

    def __init__(self, correctable: type[AKIError]) -> None:
        self._correctable = correctable

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, self._correctable):
            raise ToolException(str(exc)) from None
        super().__exit__(exc_type, exc, traceback)
