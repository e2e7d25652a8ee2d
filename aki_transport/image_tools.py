"""What the image tools of both frameworks share: their fields, and the arguments that a chat model may give them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, WithJsonSchema, model_validator

from aki_transport.images.progress import ProgressBar
from aki_transport.images.request import MAX_IMAGES_PER_TOOL_CALL, MAX_PROMPT, MAX_SIDE, MIN_SIDE, build_image_request
from aki_transport.images.store import ImageStore
from aki_transport.messages import JobProgress, OnProgress
from aki_transport.prepare.images import validate_request
from aki_transport.settings import ConnectionSettings
from aki_transport.wire import find_image_wire

_Prompt = Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]


class GenerateImageInput(BaseModel):
    """The arguments with which a model generates an image."""

    prompt: _Prompt = Field(
        description="What the image must show: objects, colours, composition, style. The more details, the better it"
        " fits."
    )
    size: str | None = Field(
        default=None,
        pattern=r"^[0-9]{3,4}x[0-9]{3,4}$",
        description=f"Width and height in pixels, like 1024x1024; {MIN_SIDE} to {MAX_SIDE} each."
        " Leave it out unless a size was asked for.",
    )
    n: int | None = Field(
        default=None,
        ge=1,
        le=MAX_IMAGES_PER_TOOL_CALL,
        description=f"How many images, 1 to {MAX_IMAGES_PER_TOOL_CALL}; 1 unless more were asked for.",
    )


class EditImageInput(BaseModel):
    """The arguments with which a model edits an image."""

    prompt: _Prompt = Field(
        description="What to change in the image: colours, objects, style, background, angle. Say what must stay as it"
        " is."
    )
    # Code may pass images themselves; a model passes an ID.
    image: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        description="The ID of the image to change, like img_3f9c2a81d04b7e65, as an earlier call gave it."
        " Several IDs, with commas between, to make one image out of them."
    )


def describe_argument_errors(error: Any) -> str:
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


class ImageToolSettings(ConnectionSettings):
    """The connection to the service, and the options of each request for images."""

    model: str | None = None
    """The image model."""
    size: str | None = None
    """Width and height in pixels, like `"1024x1024"`, if the call has none."""
    store: ImageStore = Field(default_factory=ImageStore, repr=False, exclude=True)
    """Keeps the images by ID. Tools that work on the same images need the same store."""
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

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        self._check("an image", **self._options(self.size))
        if self.progress:
            ProgressBar()
        return self

    def _check(self, prompt: str, **options: Any) -> None:
        """Raise if the request is not valid, before anything is sent."""
        validate_request(build_image_request(prompt, **options), find_image_wire(self.protocol), protocol=self.protocol)

    def _options(self, size: str | None = None) -> dict[str, Any]:
        names = ("model", "seed", "negative_prompt", "steps", "extra_body")
        return {"size": size, **{name: getattr(self, name) for name in names}}

    @contextmanager
    def _progress_callback(self, name: str, *others: OnProgress | None) -> Iterator[OnProgress]:
        with ProgressBar(name) if self.progress else nullcontext() as bar:
            callbacks = [callback for callback in (self.on_progress, bar, *others) if callback is not None]

            def call_each(progress: JobProgress) -> None:
                for callback in callbacks:
                    callback(progress)

            yield call_each
