"""LangChain on AKI.IO, gateways and services that speak like them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aki_transport import __version__
from langchain_aki.chat_models import ChatAKI
from langchain_aki.registration import register_providers

if TYPE_CHECKING:
    from langchain_aki.image_tools import AKIImageEditTool, AKIImageGenerationTool
    from langchain_aki.llms import AKILLM

__all__ = ["AKILLM", "AKIImageEditTool", "AKIImageGenerationTool", "ChatAKI", "__version__", "register_providers"]

# Imported when first asked for: together they take as long as all the rest.
_LATER = {"AKILLM": "llms", "AKIImageEditTool": "image_tools", "AKIImageGenerationTool": "image_tools"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
