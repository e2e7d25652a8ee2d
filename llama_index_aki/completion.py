"""`AKICompletion`: LlamaIndex text completion on AKI.IO and OpenAI-compatible gateways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llama_index.core.base.llms.generic_utils import messages_to_prompt
from llama_index.core.base.llms.types import ChatMessage

from aki_transport.messages import ChatRequest
from aki_transport.settings import PromptSettings
from llama_index_aki._base import LlamaIndexModel


class AKICompletion(PromptSettings, LlamaIndexModel, defer_build=False):
    """A model that continues a raw prompt: no roles, no chat template, no tools.

    The native protocol takes the prompt unchanged; on the others it is sent as one user message. See
    `aki_transport.settings.ModelSettings` for the fields of the model, the service and the request.

    Raises:
        ConfigurationError: An argument is unknown or invalid.

    Example:
        >>> llm = AKICompletion(model="llama3-chat-8b", max_tokens=64)
        >>> llm.complete("What is 6 * 7?").text
        '6 * 7 = 42.'
        >>> "".join(part.delta for part in llm.stream_complete("What is 6 * 7?"))
        '6 * 7 = 42.'
        >>> llm.metadata.is_chat_model
        False
    """

    _is_chat_model: ClassVar[bool] = False

    def _chat_request(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatRequest:
        to_prompt = self.messages_to_prompt or messages_to_prompt
        return self._completion_request(to_prompt(messages), kwargs)

    def _completion_request(self, prompt: str, kwargs: dict[str, Any]) -> ChatRequest:
        return self._prompt_request(prompt, None, kwargs)
