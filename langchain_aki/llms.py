"""`AKILLM`: raw prompts to text, in LangChain."""

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

from aki_transport.messages import ChatReply
from aki_transport.settings import PromptSettings
from langchain_aki._base import LangChainModel
from langchain_aki._convert_replies import response_metadata
from langchain_aki.errors import raises_langchain_errors

_AT_ONCE = 16  # prompts of one sync call that are under way together


class AKILLM(PromptSettings, LangChainModel, BaseLLM, defer_build=False):
    """A model that goes on from a raw prompt: no roles, no template, no tools.

    On the native protocol the prompt goes out as it is; on the others as one user message. See
    `aki_transport.settings.ModelSettings` for the fields that say which model, where, and how to ask it.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

    Example:
        >>> llm = AKILLM(model="llama3-chat-8b", max_tokens=64)
        >>> llm.invoke("What is 6 * 7?")
        '6 * 7 = 42.'
        >>> llm.protocol
        'native'
    """

    batch_size: int = Field(default=_AT_ONCE, ge=1)
    """How many prompts of one sync `generate` are under way together; 1 or more."""

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> LLMResult:
        def ask(prompt: str) -> ChatReply:
            with raises_langchain_errors():
                return self._client.chat(self._prompt_request(prompt, stop, kwargs))

        if len(prompts) == 1:
            return self._result([ask(prompts[0])])
        with ContextThreadPoolExecutor(self.batch_size) as pool:
            return self._result(list(pool.map(ask, prompts)))

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> LLMResult:
        async def ask(prompt: str) -> ChatReply:
            with raises_langchain_errors():
                return await self._client.achat(self._prompt_request(prompt, stop, kwargs))

        if len(prompts) == 1:
            return self._result([await ask(prompts[0])])
        try:
            async with asyncio.TaskGroup() as group:  # whose first failure cancels what is still under way
                asked = [group.create_task(ask(prompt)) for prompt in prompts]
        except ExceptionGroup as failures:
            failure = failures.exceptions[0]
        else:
            return self._result([task.result() for task in asked])
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
                chunk = self._chunk(delta.text, delta.reply)
                if chunk is not None:
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
                    chunk = self._chunk(delta.text, delta.reply)
                    if chunk is not None:
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
        """The texts for many prompts, at most `max_concurrency` at once; each fails for itself.

        Args:
            inputs: The prompts.
            config: LangChain's; `{"max_concurrency": 8}` bounds how many are under way together.
            return_exceptions: Give errors in the places of their texts instead of raising the first.
            **kwargs: Fields of the model to give other values for this call, e.g. `temperature`.

        Raises:
            AKIError: A prompt failed, and `return_exceptions` is False.

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
        usage = [reply.usage for reply in replies if reply.usage is not None]
        return LLMResult(
            generations=[[Generation(text=reply.text, generation_info=_info(reply, provider))] for reply in replies],
            llm_output={
                "model_name": replies[-1].model if replies else self.model,
                "model_provider": provider,
                "token_usage": {
                    "prompt_tokens": sum(each.input_tokens for each in usage),
                    "completion_tokens": sum(each.output_tokens for each in usage),
                    "total_tokens": sum(each.total_tokens for each in usage),
                },
            },
        )

    def _chunk(self, text: str, reply: ChatReply | None) -> GenerationChunk | None:
        if reply is not None:
            return GenerationChunk(text=text, generation_info=_info(reply, self._provider.name))
        return GenerationChunk(text=text) if text else None

    @property
    def _identifying_params(self) -> dict[str, Any]:
        found = super()._identifying_params
        # The key of LangChain's caches holds the call's `stop` in place of the model's.
        return {**found, "stop_sequences": found["stop"]} if "stop" in found else found

    @property
    def _llm_type(self) -> str:
        return "aki-llm"

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where `load` finds the class."""
        return ["langchain_aki", "llms"]


def _info(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What is known of an answer beside its text."""
    info = response_metadata(reply, provider)
    if reply.reasoning:
        info["reasoning_content"] = reply.reasoning
    if reply.usage is not None:
        info["usage"] = {
            "input_tokens": reply.usage.input_tokens,
            "output_tokens": reply.usage.output_tokens,
            "total_tokens": reply.usage.total_tokens,
        }
    return info
