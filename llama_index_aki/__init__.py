"""LlamaIndex on AKI.IO, gateways and services that speak like them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aki_transport import __version__
from llama_index_aki.llms import AKI

if TYPE_CHECKING:
    from llama_index_aki.completion import AKICompletion
    from llama_index_aki.image_tools import AKIImageToolSpec

__all__ = ["AKI", "AKICompletion", "AKIImageToolSpec", "__version__"]

# Imported when first asked for, for not all of them are needed at once.
_LATER = {"AKICompletion": "completion", "AKIImageToolSpec": "image_tools"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
