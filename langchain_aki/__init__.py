"""LangChain on AKI.IO, gateways and services that speak like them."""

from aki_transport import __version__
from langchain_aki.chat_models import ChatAKI
from langchain_aki.image_tools import AKIImageEditTool, AKIImageGenerationTool
from langchain_aki.llms import AKILLM
from langchain_aki.registration import register_providers

__all__ = ["AKILLM", "AKIImageEditTool", "AKIImageGenerationTool", "ChatAKI", "__version__", "register_providers"]
