"""How the native interface says what went wrong: `error` as a list or a string, or the web framework's own form."""

from collections.abc import Sequence

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.errors import Errors, Refusal, framework_error
from aki_transport.emulator.record import Seen

# The version of an endpoint, in each of its answers.
VERSION = 2


class Invalid(Refusal):
    """A request with one or more mistakes in it, each said in a sentence.

    Args:
        errors: The sentences.
        status: The HTTP status.
    """

    def __init__(self, errors: Sequence[str], *, status: int = 400) -> None:
        super().__init__(", ".join(errors), status=status)
        self.errors = list(errors)


def _refuse(refusal: Refusal, _seen: Seen) -> Response:
    error = refusal.errors if isinstance(refusal, Invalid) else refusal.message
    return JSONResponse({"success": False, "error": error, "ep_version": VERSION}, status_code=refusal.status or 400)


def _fail(status: int, message: str | None, _seen: Seen) -> Response:
    return framework_error(status, message)


ERRORS = Errors(
    _refuse,
    _fail,
    {
        401: Invalid(["API key not valid"], status=401),
        # Not payment: the interface has no other words for this status.
        402: Invalid(["Client not authorized for this endpoint!"], status=402),
    },
)
