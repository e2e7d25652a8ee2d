"""One transport for LangChain and LlamaIndex to AKI.IO, gateways and services that speak like them."""

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
from aki_transport.images.image import GeneratedImage
from aki_transport.images.store import ImageStore
from aki_transport.messages import JobProgress
from aki_transport.models.catalog import ModelInfo
from aki_transport.providers import PROVIDERS, Provider, Route
from aki_transport.transport import Timeout

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
