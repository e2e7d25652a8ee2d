"""What the classes of this package share: LangChain's errors, identity, dumps, token counts."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

from langchain_core.language_models.base import BaseLanguageModel, LangSmithParams
from pydantic import model_validator

from aki_transport import Client, ModelInfo, __version__
from aki_transport.auth import shown_url
from aki_transport.settings import ConnectionSettings, ModelSettings, to_plain_value
from langchain_aki.errors import ConfigurationError, raises_langchain_errors


class LangChainConnection(ConnectionSettings):
    """The service and the connection to it; raises LangChain's errors."""

    @model_validator(mode="wrap")
    @classmethod
    def _raise_langchain_errors(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        with raises_langchain_errors():
            return handler(data)

    @property
    def _client(self) -> Client:
        with raises_langchain_errors():
            return super()._client

    def __getstate__(self) -> dict[Any, Any]:
        with raises_langchain_errors():
            return super().__getstate__()


# Without parameters: Pydantic makes `BaseLanguageModel[Any]` a class of its own, which would precede `BaseChatModel`.
class LangChainModel(LangChainConnection, ModelSettings, BaseLanguageModel):  # type: ignore[type-arg]
    """Base of both model classes. In their bases it precedes LangChain's class, whose methods it overrides."""

    @property
    @abstractmethod
    def _llm_type(self) -> str:
        """Required by LangChain's model classes, though not declared in `BaseLanguageModel`."""

    @model_validator(mode="after")
    def _set_aki_version(self) -> Self:
        self._add_version("langchain-aki", __version__)
        return self

    def refresh_models(self) -> tuple[ModelInfo, ...]:
        """All models of the service, from its listing, which is read now; a `profile` is exact then.

        Raises:
            AKIError: The listing could not be read.

        Example:
            >>> model = ChatAKI(model="kimi-k2.7-code-1100b")
            >>> "gpt-oss-120b" in [info.id for info in model.refresh_models()], model.profile["max_input_tokens"]
            (True, 262144)
        """
        with raises_langchain_errors():
            models = super().refresh_models()
        self._update_profile(self._client)
        return models

    async def arefresh_models(self) -> tuple[ModelInfo, ...]:
        """`refresh_models`, async."""
        with raises_langchain_errors():
            models = await super().arefresh_models()
        self._update_profile(self._client)
        return models

    def _update_profile(self, client: Client) -> None:
        """What else is to be done once the listing was read."""

    def get_num_tokens(self, text: str) -> int:
        """An estimate of a text's number of tokens, made offline; the exact number with `custom_get_token_ids`.

        Example:
            >>> ChatAKI(model="qwen3.6-35b").get_num_tokens("What is 6 * 7?")
            4
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens(text)
        return math.ceil(len(text.encode("utf-8", "replace")) / 4)

    def get_token_ids(self, text: str) -> list[int]:
        """Token IDs from `custom_get_token_ids`.

        Raises:
            ConfigurationError: `custom_get_token_ids` is not set. The services publish no tokenizer, and LangChain's
                default would download one.

        Example:
            >>> model = ChatAKI(model="qwen3.6-35b", custom_get_token_ids=lambda text: [ord(letter) for letter in text])
            >>> model.get_token_ids("Hi")
            [72, 105]
        """
        if self.custom_get_token_ids is None:
            raise ConfigurationError(
                "there is no tokenizer at hand; pass custom_get_token_ids=, or use get_num_tokens()."
            )
        return super().get_token_ids(text)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """The parameters on which the answer depends; without the key."""
        values = {name: getattr(self, name) for name in self.identifying_fields}
        params = {name: to_plain_value(value) for name, value in values.items() if value is not None}
        params["base_url"] = shown_url(self._client.base_url)
        params["model_name"] = self.model  # where callback handlers look for it
        return params

    @property
    def model_name(self) -> str:
        """The field `model`, under the name that LangChain's handlers and other integrations use."""
        return self.model

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The key of LangChain's caches: what the answer depends on, so without timeouts and retries."""
        return f"{self._llm_type} {sorted(self._identifying_params.items())} {stop} {sorted(kwargs.items())}"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        stop = stop or ([self.stop] if isinstance(self.stop, str) else self.stop)
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self._provider.name
        return params

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Secret fields; a dump holds the name of their environment variable in their place."""
        variables = self._provider.key_variables
        return {"api_key": variables[0] if variables else f"{self._provider.name.upper()}_API_KEY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Fields whose value is a dataclass, which a dump holds as a dict."""
        values = {name: getattr(self, name) for name in ("provider", "timeout")}
        return {name: to_plain_value(value) for name, value in values.items() if value != to_plain_value(value)}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Models can be dumped and loaded."""
        return True
