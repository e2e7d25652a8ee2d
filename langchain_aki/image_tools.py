"""Tools with which an agent draws pictures and changes them."""

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
from aki_transport.images.progress import ProgressBar, combine_callbacks
from aki_transport.images.request import MAX_IMAGES, MAX_IMAGES_PER_TOOL_CALL, MAX_SIDE, MIN_SIDE, build_image_request
from aki_transport.images.store import ImageStore, describe_images
from aki_transport.prepare.images import validate_request
from aki_transport.wire import find_image_wire
from langchain_aki._base import LangChainConnection
from langchain_aki._graph import graph_writer
from langchain_aki.errors import raises_langchain_errors

Content = str | list[str | dict[str, Any]]

_PROMPT = "What the picture shall show: objects, colours, composition, style. The more is said, the better it fits."
_CHANGE = "What to change in the picture: colours, objects, style, background, angle. Say what shall stay as it is."
_SIZE = (
    f"Width and height in pixels, like 1024x1024; {MIN_SIDE} to {MAX_SIDE} each."
    " Leave it out unless a size was asked for."
)
_COUNT = f"How many pictures, 1 to {MAX_IMAGES_PER_TOOL_CALL}; 1 unless more were asked for."
_IMAGE = (
    "The ID of the picture to change, like img_3f9c2a, as an earlier call gave it."
    " Several IDs, with commas between, to make one picture out of them."
)


class GenerateImageInput(BaseModel):
    """What the model passes to draw a picture."""

    prompt: str = Field(min_length=1, max_length=8000, description=_PROMPT)
    size: str | None = Field(default=None, pattern=r"^[0-9]{3,4}x[0-9]{3,4}$", description=_SIZE)
    n: int | None = Field(default=None, ge=1, le=MAX_IMAGES_PER_TOOL_CALL, description=_COUNT)


class EditImageInput(BaseModel):
    """What the model passes to change a picture."""

    prompt: str = Field(min_length=1, max_length=8000, description=_CHANGE)
    # Code may pass pictures themselves; a model only ever names them.
    image: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(description=_IMAGE)


def _what_to_mend(error: Any) -> str:
    """What is wrong with the arguments, and what each of them is to be."""
    if not isinstance(error, ValidationError):
        return f"The arguments are wrong: {error}"
    schema = EditImageInput if error.title == EditImageInput.__name__ else GenerateImageInput
    wrong = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(each["loc"][0]) if each["loc"] else "arguments"
        field = schema.model_fields.get(name)
        wrong.append(f"{name}: {each['msg']}." + (f" {field.description}" if field is not None else ""))
    return f"The arguments are wrong. {' '.join(wrong)}"


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
    handle_validation_error: Any = _what_to_mend

    @model_validator(mode="after")
    def _check_options(self) -> Any:
        with raises_langchain_errors():
            self._check("a picture", **self._options(None))
            if self.progress:
                ProgressBar()
        return self

    def _check(self, prompt: str, **options: Any) -> None:
        """Raise for what cannot be asked, before anything is sent."""
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
    def _listening(self) -> Iterator[Any]:
        with ProgressBar(self.name) if self.progress else nullcontext() as bar:
            yield combine_callbacks(self.on_progress, bar, graph_writer(self.name))

    def _result(
        self, images: list[GeneratedImage], sources: tuple[GeneratedImage, ...] = ()
    ) -> tuple[Content, list[GeneratedImage]]:
        kept = [self.store.add(image) for image in images]
        words = describe_images(kept, sources)
        if not self.show_images:
            return words, kept
        shown = [{"type": "image", "base64": each.to_base64(), "mime_type": each.mime_type} for each in kept]
        return [{"type": "text", "text": words}, *shown], kept


class AKIImageGenerationTool(_ImageTool, defer_build=False):
    """Draws pictures. The model gets their IDs; the artifact is a list of `GeneratedImage`.

    See `aki_transport.settings.ConnectionSettings` for the fields that say which service, and how to reach it.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

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
    n: int = Field(default=1, ge=1, le=MAX_IMAGES)
    """How many pictures, where the call does not say it; 1 to 10."""

    def _run(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        options = self._drawing(prompt, size, n)
        with _told(BadRequestError), self._listening() as listener:
            return self._result(self._client.generate_image(on_progress=listener, **options))

    async def _arun(
        self,
        prompt: str,
        size: str | None = None,
        n: int | None = None,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        options = self._drawing(prompt, size, n)
        with _told(BadRequestError), self._listening() as listener:
            return self._result(await self._client.agenerate_image(on_progress=listener, **options))

    def _drawing(self, prompt: str, size: str | None, n: int | None) -> dict[str, Any]:
        with _told(ConfigurationError):
            options = {"prompt": prompt, "n": self.n if n is None else n, **self._options(size)}
            self._check(**options)
            return options


class AKIImageEditTool(_ImageTool, defer_build=False):
    """Changes pictures. A model names them by their IDs; only code may pass pictures themselves.

    A model cannot make the tool read a file, but below `store.folder` if that is set, nor fetch an address.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

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
        options, sources = self._changing(prompt, image)
        with _told(BadRequestError), self._listening() as listener:
            return self._result(self._client.edit_image(on_progress=listener, **options), sources)

    async def _arun(
        self,
        prompt: str,
        image: Any,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002  LangChain's signature
    ) -> tuple[Content, list[GeneratedImage]]:
        options, sources = self._changing(prompt, image)
        with _told(BadRequestError), self._listening() as listener:
            return self._result(await self._client.aedit_image(on_progress=listener, **options), sources)

    def _changing(self, prompt: str, image: Any) -> tuple[dict[str, Any], tuple[GeneratedImage, ...]]:
        with _told(ConfigurationError):
            sources = self.store.find_all(image)
            options = {"prompt": prompt, "images": sources, **self._options(None)}
            self._check(**options)
            return options, sources


class _told(raises_langchain_errors):  # noqa: N801  read as a word: `with _told(BadRequestError):`
    """Tell the model what it can mend itself; raise everything else as LangChain's errors."""

    def __init__(self, mended: type[AKIError]) -> None:
        self._mended = mended

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, self._mended):
            raise ToolException(str(error)) from None
        super().__exit__(kind, error, trace)
