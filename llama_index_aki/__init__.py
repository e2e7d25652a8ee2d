"""LlamaIndex on AKI.IO, gateways and services that speak like them."""

from aki_transport import __version__
from llama_index_aki.completion import AKICompletion
from llama_index_aki.image_tools import AKIImageToolSpec
from llama_index_aki.llms import AKI

__all__ = ["AKI", "AKICompletion", "AKIImageToolSpec", "__version__"]
