"""`AKILLM`: LangChain text completion on AKI.IO and OpenAI-compatible gateways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LanguageModelInput
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor
from pydantic import Field

from aki_transport.messages import ChatDelta, ChatReply
from aki_transport.settings import PromptSettings
from langchain_aki._base import LangChainModel
from langchain_aki._convert_replies import create_response_metadata
from langchain_aki.errors import raises_langchain_errors


class AKILLM(PromptSettings, LangChainModel, BaseLLM, defer_build=False):
    """A model that continues a raw prompt: no roles, no chat template, no tools.

    The native protocol takes the prompt unchanged; on the others it is sent as one user message. See
    `aki_transport.settings.ModelSettings` for the fields of the model, the service and the request.

    Raises:
        ConfigurationError: An argument is unknown or invalid.

    Example:
        >>> llm = AKILLM(model="llama3-chat-8b", max_tokens=64)
        >>> llm.invoke("What is 6 * 7?")
        '6 * 7 = 42.'
        >>> llm.protocol
        'native'
    """

    batch_size: int = Field(default=16, ge=1)
    """Maximum number of prompts of one sync `generate` that are sent at the same time; 1 or more."""

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> LLMResult:
        def complete(prompt: str) -> ChatReply:
            with raises_langchain_errors():
                return self._client.chat(self._prompt_request(prompt, stop, kwargs))

        if len(prompts) == 1:
            return self._result([complete(prompts[0])])
        with ContextThreadPoolExecutor(self.batch_size) as pool:
            return self._result(list(pool.map(complete, prompts)))

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> LLMResult:
        async def acomplete(prompt: str) -> ChatReply:
            with raises_langchain_errors():
                return await self._client.achat(self._prompt_request(prompt, stop, kwargs))

        if len(prompts) == 1:
            return self._result([await acomplete(prompts[0])])
        try:
            async with asyncio.TaskGroup() as group:  # its first failure cancels the other tasks
                tasks = [group.create_task(acomplete(prompt)) for prompt in prompts]
        except ExceptionGroup as failures:
            failure = failures.exceptions[0]
        else:
            return self._result([task.result() for task in tasks])
        raise failure

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        with raises_langchain_errors():
            for delta in self._client.stream(self._prompt_request(prompt, stop, kwargs)):
                if not delta.text and delta.reply is None:
                    continue
                chunk = self._chunk(delta)
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[GenerationChunk]:
        with raises_langchain_errors():
            async with aclosing(self._client.astream(self._prompt_request(prompt, stop, kwargs))) as deltas:
                async for delta in deltas:
                    if not delta.text and delta.reply is None:
                        continue
                    chunk = self._chunk(delta)
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[str]:
        """The texts for many prompts. Each prompt is a call of its own, so one failure does not affect the others.

        Args:
            inputs: The prompts.
            config: LangChain's; `{"max_concurrency": 8}` is the maximum number of calls at the same time.
            return_exceptions: Return errors in the places of their texts instead of raising the first.
            **kwargs: Fields of the model to override for this call, e.g. `temperature`.

        Raises:
            AKIError: The call for a prompt failed, and `return_exceptions` is False.

        Example:
            >>> AKILLM(model="llama3-chat-8b").batch(["What is 6 * 7?", "What is 7 * 8?"])
            ['6 * 7 = 42.', '7 * 8 = 56.']
        """
        return Runnable.batch(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[str]:
        """`batch`, async."""
        return await Runnable.abatch(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    def _result(self, replies: list[ChatReply]) -> LLMResult:
        provider = self._provider.name
        usages = [reply.usage for reply in replies if reply.usage is not None]
        return LLMResult(
            generations=[
                [Generation(text=reply.text, generation_info=_generation_info(reply, provider))] for reply in replies
            ],
            llm_output={
                "model_name": replies[-1].model if replies else self.model,
                "model_provider": provider,
                "token_usage": {
                    "prompt_tokens": sum(usage.input_tokens for usage in usages),
                    "completion_tokens": sum(usage.output_tokens for usage in usages),
                    "total_tokens": sum(usage.total_tokens for usage in usages),
                },
            },
        )

    def _chunk(self, delta: ChatDelta) -> GenerationChunk:
        info = None if delta.reply is None else _generation_info(delta.reply, self._provider.name)
        return GenerationChunk(text=delta.text, generation_info=info)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        params = super()._identifying_params
        # `BaseLLM` writes the `stop` of the call over this `stop` in the keys of its caches.
        return {**params, "stop_sequences": params["stop"]} if "stop" in params else params

    @property
    def _llm_type(self) -> str:
        return "aki-llm"


def _generation_info(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What is known about an answer besides its text."""
    info = create_response_metadata(reply, provider)
    if reply.reasoning:
        info["reasoning_content"] = reply.reasoning
    if reply.usage is not None:
        info["usage"] = {
            "input_tokens": reply.usage.input_tokens,
            "output_tokens": reply.usage.output_tokens,
            "total_tokens": reply.usage.total_tokens,
        }
    return info
