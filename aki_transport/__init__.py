"""One transport for LangChain and LlamaIndex to AKI.IO, gateways and services that speak like them."""

from typing import TYPE_CHECKING

from aki_transport._lazy import lazy_attributes
from aki_transport._version import __version__
from aki_transport.client import Client
from aki_transport.errors import (
    AKIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContextOverflowError,
    InsufficientCreditsError,
    InvalidResponseError,
    JobError,
    ModelFallbackError,
    ModelLimitWarning,
    ModelMismatchWarning,
    ModelNotFoundError,
    ModelRefusalError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from aki_transport.messages import JobProgress
from aki_transport.models.catalog import ModelInfo
from aki_transport.providers import PROVIDERS, Provider, Route
from aki_transport.transport import Timeout

if TYPE_CHECKING:
    from aki_transport.images.image import GeneratedImage
    from aki_transport.images.store import ImageStore

__all__ = [
    "PROVIDERS",
    "AKIError",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ConfigurationError",
    "ContextOverflowError",
    "GeneratedImage",
    "ImageStore",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "JobError",
    "JobProgress",
    "ModelFallbackError",
    "ModelInfo",
    "ModelLimitWarning",
    "ModelMismatchWarning",
    "ModelNotFoundError",
    "ModelRefusalError",
    "NotFoundError",
    "PermissionDeniedError",
    "Provider",
    "RateLimitError",
    "Route",
    "ServerError",
    "ServiceUnavailableError",
    "StreamInterruptedError",
    "Timeout",
    "__version__",
]

# Imported when first asked for: most programs make no pictures.
_LAZY = {"GeneratedImage": "images.image", "ImageStore": "images.store"}

__getattr__, __dir__ = lazy_attributes(__name__, _LAZY)
