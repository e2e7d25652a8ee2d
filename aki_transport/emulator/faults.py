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
    stream_error: int | None = _fault("an error object in place of chunk N, then the end")
    event_error: int | None = _fault("the same as `event: error`")
    no_done: bool | None = _fault("no [DONE]")
    no_finish: bool | None = _fault("no finish_reason")
    role_every_chunk: bool | None = _fault("the older server: role in every chunk, finish_reason always stop, no usage")
    # Of a completion.
    empty: bool | None = _fault("no content, 0 completion tokens, HTTP 200")
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

    @property
    def early(self) -> bool:
        """Whether the answer is decided before the request is looked at."""
        return bool(self.status or self.html or self.credits)


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
