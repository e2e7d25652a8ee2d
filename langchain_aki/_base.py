"""What `ChatAKI` and `AKILLM` share: errors of LangChain's, identity, dumps, token counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from langchain_core.language_models.base import BaseLanguageModel, LangSmithParams
from pydantic import model_validator

from aki_transport import __version__
from aki_transport.settings import ModelSettings, plain
from langchain_aki._connection import LangChainConnection
from langchain_aki.errors import ConfigurationError

if TYPE_CHECKING:
    # What it is mixed with; not a base of it, or it would come before LangChain's own classes.
    class _Base(LangChainConnection, ModelSettings, BaseLanguageModel[Any]):
        @property
        def _llm_type(self) -> str: ...

else:

    class _Base(LangChainConnection, ModelSettings):
        pass


class LangChainModel(_Base):
    """What comes before LangChain's class in the bases of a model."""

    @model_validator(mode="after")
    def _set_aki_version(self) -> Self:
        self._add_version("langchain-aki", __version__)
        return self

    def get_num_tokens(self, text: str) -> int:
        """About how many tokens a text has, counted offline, or exactly by `custom_get_token_ids`.

        Example:
            >>> ChatAKI(model="qwen3.6-35b").get_num_tokens("What is 6 * 7?")
            4
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens(text)
        return math.ceil(len(text.encode("utf-8", "replace")) / 4)

    def get_token_ids(self, text: str) -> list[int]:
        """Token IDs by `custom_get_token_ids`.

        Raises:
            ConfigurationError: There is none; the services publish no tokenizer, and none is downloaded.

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
        """What makes two models answer differently; never the key."""
        values = self.__dict__
        found = {name: plain(value) for name in self.identifying if (value := values[name]) is not None}
        found["base_url"] = self._client.base_url
        return found

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The cache's key: by what makes the answer differ, not by timeouts and retries."""
        return f"{self._llm_type} {sorted(self._identifying_params.items())} {stop} {sorted(kwargs.items())}"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        stop = stop or ([self.stop] if isinstance(self.stop, str) else self.stop)
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self._provider.name
        return params

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields that a dump names by their environment variable instead of showing them."""
        variables = self._provider.key_variables
        return {"api_key": variables[0] if variables else f"{self._provider.name.upper()}_API_KEY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Fields that a dump holds in a plainer form."""
        return {
            name: plain(value) for name in ("provider", "timeout") if (value := getattr(self, name)) != plain(value)
        }

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Models dump and load."""
        return True
