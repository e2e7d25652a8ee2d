"""LangChain models and tools for AKI.IO and OpenAI-compatible gateways."""

from typing import TYPE_CHECKING

from aki_transport import __version__
from aki_transport._lazy import lazy_attributes
from langchain_aki.chat_models import ChatAKI
from langchain_aki.registration import register_providers

if TYPE_CHECKING:
    from langchain_aki.image_tools import AKIImageEditTool, AKIImageGenerationTool
    from langchain_aki.llms import AKILLM

__all__ = ["AKILLM", "AKIImageEditTool", "AKIImageGenerationTool", "ChatAKI", "__version__", "register_providers"]

# Imported at first use: together they take as long as all the rest.
_LAZY = {"AKILLM": "llms", "AKIImageEditTool": "image_tools", "AKIImageGenerationTool": "image_tools"}

__getattr__, __dir__ = lazy_attributes(__name__, _LAZY)
