"""Tools with which an agent generates and edits images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Annotated, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.tools import ArgsSchema, BaseTool, ToolException
from pydantic import BaseModel, Field, ValidationError, WithJsonSchema, model_validator

from aki_transport.errors import AKIError, BadRequestError, ConfigurationError
from aki_transport.images.image import GeneratedImage
from aki_transport.images.progress import ProgressBar, together
from aki_transport.images.request import LARGEST, MOST, MOST_BY_MODEL, SMALLEST, asked
from aki_transport.images.store import ImageStore, in_words
from aki_transport.prepare.images import validate_request
from aki_transport.wire import find_image_wire
from langchain_aki._base import LangChainConnection
from langchain_aki._graph import graph_writer
from langchain_aki.errors import raises_langchain_errors

Content = str | list[str | dict[str, Any]]

_PROMPT = "What the picture shall show: objects, colours, composition, style. The more is said, the better it fits."
_EDIT_PROMPT = (
    "What to change in the picture: colours, objects, style, background, angle. Say what shall stay as it is."
)
_SIZE = (
    f"Width and height in pixels, like 1024x1024; {SMALLEST} to {LARGEST} each."
    " Leave it out unless a size was asked for."
)
_COUNT = f"How many pictures, 1 to {MOST_BY_MODEL}; 1 unless more were asked for."
_IMAGE = (
    "The ID of the picture to change, like img_3f9c2a, as an earlier call gave it."
    " Several IDs, with commas between, to make one picture out of them."
)


class GenerateImageInput(BaseModel):
    """Arguments of a model's call to generate images."""

    prompt: str = Field(min_length=1, max_length=8000, description=_PROMPT)
    size: str | None = Field(default=None, pattern=r"^[0-9]{3,4}x[0-9]{3,4}$", description=_SIZE)
    n: int | None = Field(default=None, ge=1, le=MOST_BY_MODEL, description=_COUNT)


class EditImageInput(BaseModel):
    """Arguments of a model's call to edit an image."""

    prompt: str = Field(min_length=1, max_length=8000, description=_EDIT_PROMPT)
    # Code may also pass image data; the schema lets a model pass only an ID.
    image: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(description=_IMAGE)


def _describe_validation_error(error: Any) -> str:
    """What is wrong with the arguments, with the description of each wrong one."""
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
    """Base of both tools."""

    model: str | None = None
    """The image model."""
    size: str | None = None
    """Width and height in pixels, like `"1024x1024"`, unless the call passes a size."""
    store: ImageStore = Field(default_factory=ImageStore, repr=False, exclude=True)
    """Holds the images by their IDs. Tools that use each other's images need the same store."""
    show_images: bool = False
    """Whether the chat model also gets the images, as content blocks; only for models with image input."""
    progress: bool = False
    """Whether to show a progress bar; on the native protocol, with the package tqdm."""
    seed: int | None = None
    """Seed of the random numbers, on the native protocol: the same seed gives the same image."""
    negative_prompt: str | None = None
    """What the image shall not show, on the native protocol."""
    steps: int | None = None
    """Number of diffusion steps, on the native protocol."""
    extra_body: dict[str, Any] | None = None
    """More fields of the request body, sent unchanged."""

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: Any = _describe_validation_error

    @model_validator(mode="after")
    def _check_options(self) -> Any:
        with raises_langchain_errors():
            self._check("a picture", **self._options(None))
            if self.progress:
                ProgressBar()
        return self

    def _check(self, prompt: str, **options: Any) -> None:
        """Raise for options that cannot be sent."""
        validate_request(asked(prompt, **options), find_image_wire(self.protocol), protocol=self.protocol)

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
    def _progress_listener(self) -> Iterator[Any]:
        with ProgressBar(self.name) if self.progress else nullcontext() as bar:
            yield together(self.on_progress, bar, graph_writer(self.name))

    def _result(
        self, images: list[GeneratedImage], sources: tuple[GeneratedImage, ...] = ()
    ) -> tuple[Content, list[GeneratedImage]]:
        stored = [self.store.add(image) for image in images]
        text = in_words(stored, sources)
        if not self.show_images:
            return text, stored
        blocks = [{"type": "image", "base64": image.to_base64(), "mime_type": image.mime_type} for image in stored]
        return [{"type": "text", "text": text}, *blocks], stored


class AKIImageGenerationTool(_ImageTool, defer_build=False):
    """Generates images. The model gets their IDs; the artifact is a list of `GeneratedImage`.

    See `aki_transport.settings.ConnectionSettings` for the fields of the service and the connection.

    Raises:
        ConfigurationError: An argument is unknown or invalid.

    Example:
        >>> tool = AKIImageGenerationTool(size="512x512")
        >>> tool.invoke("a red lighthouse on a hill")
        'Generated 1 image: img_... (512x512). To change one, pass its ID.'
    """

    name: str = "generate_image"
    description: str = "Draws pictures from a description, and gives their IDs. Use it to make new pictures."
    args_schema: ArgsSchema | None = GenerateImageInput

    model: str | None = "z-image-turbo"
    size: str | None = "1024x1024"
    n: int = Field(default=1, ge=1, le=MOST)
    """Number of images, 1 to 10, unless the call passes it."""

    def _run(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        options = self._generation_options(prompt, size, n)
        with _raises_tool_errors(BadRequestError), self._progress_listener() as listener:
            return self._result(self._client.generate_image(on_progress=listener, **options))

    async def _arun(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        options = self._generation_options(prompt, size, n)
        with _raises_tool_errors(BadRequestError), self._progress_listener() as listener:
            return self._result(await self._client.agenerate_image(on_progress=listener, **options))

    def _generation_options(self, prompt: str, size: str | None, n: int | None) -> dict[str, Any]:
        with _raises_tool_errors(ConfigurationError):
            options = {"prompt": prompt, "n": self.n if n is None else n, **self._options(size)}
            self._check(**options)
            return options


class AKIImageEditTool(_ImageTool, defer_build=False):
    """Edits images. A model passes their IDs; only code may pass image data.

    A model cannot make the tool fetch a URL or read a file, except files in `store.folder` if that is set.

    Raises:
        ConfigurationError: An argument is unknown or invalid.

    Example:
        >>> draw = AKIImageGenerationTool(size="512x512")
        >>> drawn = draw.invoke("a red lighthouse on a hill")
        >>> change = AKIImageEditTool(store=draw.store)
        >>> (image,) = draw.store
        >>> change.invoke({"prompt": "make the lighthouse blue", "image": image.id})
        'Made 1 image out of img_...: img_... (512x512).'
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
        options, sources = self._edit_options(prompt, image)
        with _raises_tool_errors(BadRequestError), self._progress_listener() as listener:
            return self._result(self._client.edit_image(on_progress=listener, **options), sources)

    async def _arun(
        self,
        prompt: str,
        image: Any,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        options, sources = self._edit_options(prompt, image)
        with _raises_tool_errors(BadRequestError), self._progress_listener() as listener:
            return self._result(await self._client.aedit_image(on_progress=listener, **options), sources)

    def _edit_options(self, prompt: str, image: Any) -> tuple[dict[str, Any], tuple[GeneratedImage, ...]]:
        with _raises_tool_errors(ConfigurationError):
            sources = self.store.find_all(image)
            options = {"prompt": prompt, "images": sources, **self._options(None)}
            self._check(**options)
            return options, sources


class _raises_tool_errors(raises_langchain_errors):  # noqa: N801  reads like a function: `with _raises_tool_errors(BadRequestError):`
    """Raise errors that the model can correct as `ToolException`, which it gets to read; others as LangChain's."""

    def __init__(self, correctable: type[AKIError]) -> None:
        self._correctable = correctable

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, self._correctable):
            raise ToolException(str(error)) from None
        super().__exit__(kind, error, trace)
