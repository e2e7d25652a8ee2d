"""What every class here does with the connection it was given: it speaks of errors as LangChain does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pydantic import model_validator

from aki_transport import Client
from aki_transport.settings import ConnectionSettings
from langchain_aki.errors import raises_langchain_errors


class LangChainConnection(ConnectionSettings):
    """Which service, and how to reach it, with LangChain's errors."""

    @model_validator(mode="wrap")
    @classmethod
    def _raise_as_langchain(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        with raises_langchain_errors():
            return handler(data)

    @property
    def _client(self) -> Client:
        with raises_langchain_errors():
            return self._connected()

    def __getstate__(self) -> dict[Any, Any]:
        with raises_langchain_errors():
            return super().__getstate__()
