"""What is known of a model, in LlamaIndex's words."""

from __future__ import annotations

from llama_index.core.base.llms.types import LLMMetadata

from aki_transport import Client
from aki_transport.models.resolver import default_output


def metadata_of(client: Client, model: str, max_tokens: int | None, *, chat: bool) -> LLMMetadata:
    """Never asks the service; exact once its listing was read.

    Args:
        client: Knows the model.
        model: Its ID or alias.
        max_tokens: What the user asked for.
        chat: Whether it is asked with messages.
    """
    info = client.model_info(model)
    bound = client.route.default_max_tokens
    default = -1 if bound is None else default_output(info, bound)  # -1 is LlamaIndex's word for "not set"
    return LLMMetadata(
        context_window=info.context_window,
        num_output=default if max_tokens is None else max_tokens,
        is_chat_model=chat,
        is_function_calling_model=chat and info.tools is not False,
        model_name=model,
    )
