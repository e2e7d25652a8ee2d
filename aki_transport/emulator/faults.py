"""Faults on demand: `name` or `name=value`, several joined by `;`, in a header or after `!` in the model name."""

from dataclasses import dataclass, field, fields
from typing import Any, Self

HEADER = "x-emulator-fault"
MARK = "!"


def _fault(meaning: str) -> Any:
    return field(default=None, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Faults:
    """What is to go wrong with one answer; `None` means it does not."""

    # Of any answer.
    first_byte: float | None = _fault("seconds until the first byte of the answer")
    reset: bool | None = _fault("a TCP reset before any byte")
    hang: bool | None = _fault("no answer until the client leaves")
    status: int | None = _fault("this HTTP status with the error the service gives for it")
    html: int | None = _fault("an HTML page with this HTTP status")
    credits: bool | None = _fault("402, insufficient credits")
    retry_after: str | None = _fault("this Retry-After header, as given")
    drop: int | None = _fault("the connection ends after N chunks; in the middle of a body that is not streamed")
    # Of a stream.
    chunk_delay: float | None = _fault("seconds before each chunk")
    stream_error: int | None = _fault("the interface's error in place of chunk N, then the end")
    event_error: int | None = _fault("the same as `event: error`")
    no_done: bool | None = _fault("no [DONE], no message_stop")
    no_finish: bool | None = _fault("no finish_reason, no message_delta")
    role_every_chunk: bool | None = _fault("the older server: role in every chunk, finish_reason always stop, no usage")
    # Of a completion.
    empty: bool | None = _fault("no content, 0 completion tokens, HTTP 200")
    # Of pictures.
    bad_base64: bool | None = _fault("text that is no base64 for each picture")
    not_an_image: bool | None = _fault("base64 of something else for each picture")
    huge: int | None = _fault("pictures of N megabytes of base64")
    image_url: bool | None = _fault("a URL for each picture, to a host that is none")
    no_images: bool | None = _fault("an empty list of pictures")
    missing_b64: bool | None = _fault("entries without a picture; on the native interface no list of pictures")
    # Of a job of the native interface, told by the call that makes it.
    queue: int | None = _fault("N polls find the job waiting in the queue")
    job_seconds: float | None = _fault("how long its work takes, in the emulator's seconds")
    fast: bool | None = _fault("it is done at the first poll")
    lapse: bool | None = _fault("it lapses in the middle of its work")
    job_fail: bool | None = _fault("its worker fails: HTTP 200, success and an error")
    job_cancel: bool | None = _fault("the service cancels it in the middle of its work")
    lose_result: bool | None = _fault("the answer that delivers its result is cut, and the result gone")
    lose_poll: int | None = _fault("the answer to poll N is cut, and nothing gone")
    queue_full: bool | None = _fault("400, the queue is full")
    shrink: bool | None = _fault("the text so far gets shorter for the third quarter of its work")
    no_text_in_progress: bool | None = _fault("no text before the result")
    no_prompt_length: bool | None = _fault("no prompt_length in the result")
    # Of the faults themselves.
    times: int | None = _fault("only the first N requests with this wording")
    tag: str | None = _fault("no effect; makes a wording of its own, with its own `times`")

    @classmethod
    def parse(cls, spec: str) -> Self:
        """The faults a header names.

        Raises:
            ValueError: A name or value that is none.
        """
        kinds = {each.name: str(each.type).removesuffix(" | None") for each in fields(cls)}
        given: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in spec.split(";"))):
            written, _, value = part.partition("=")
            name = written.strip().replace("-", "_")
            if name not in kinds:
                known = ", ".join(each.replace("_", "-") for each in kinds)
                raise ValueError(f"{HEADER}: no fault {written!r}; there are {known}")
            given[name] = _value(kinds[name], written, value.strip())
        return cls(**given)


def _value(kind: str, name: str, text: str) -> float | str | bool:
    if kind == "bool":
        return True
    if kind == "str":
        return text
    try:
        return float(text) if kind == "float" else int(text)
    except ValueError:
        raise ValueError(f"{HEADER}: {name} needs a number, not {text!r}") from None


def described() -> list[str]:
    """Each fault as it is written, with what it does."""
    lines = []
    for each in fields(Faults):
        kind = str(each.type).removesuffix(" | None")
        written = each.name.replace("_", "-") + {"bool": "", "int": "=N", "float": "=SECONDS", "str": "=TEXT"}[kind]
        lines.append(f"{written:22} {each.metadata['meaning']}")
    return lines


def split_model(name: str) -> tuple[str, str]:
    """A model name and the faults written after it."""
    model, _, spec = name.partition(MARK)
    return model, spec
