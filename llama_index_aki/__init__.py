"""LlamaIndex on AKI.IO, gateways and services that speak like them."""

from typing import TYPE_CHECKING

from aki_transport import __version__
from aki_transport.later import imported_later
from llama_index_aki.llms import AKI

if TYPE_CHECKING:
    from llama_index_aki.completion import AKICompletion
    from llama_index_aki.image_tools import AKIImageToolSpec

__all__ = ["AKI", "AKICompletion", "AKIImageToolSpec", "__version__"]

# Imported when first asked for, for not all of them are needed at once.
_LATER = {"AKICompletion": "completion", "AKIImageToolSpec": "image_tools"}

__getattr__, __dir__ = imported_later(__name__, _LATER)
