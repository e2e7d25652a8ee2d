"""LlamaIndex models and tools for AKI.IO and OpenAI-compatible gateways."""

from typing import TYPE_CHECKING

from aki_transport import __version__
from aki_transport._lazy import lazy_attributes
from llama_index_aki.llms import AKI

if TYPE_CHECKING:
    from llama_index_aki.completion import AKICompletion
    from llama_index_aki.image_tools import AKIImageToolSpec

__all__ = ["AKI", "AKICompletion", "AKIImageToolSpec", "__version__"]

# Imported at first use, because not every program needs all of them.
_LAZY = {"AKICompletion": "completion", "AKIImageToolSpec": "image_tools"}

__getattr__, __dir__ = lazy_attributes(__name__, _LAZY)
