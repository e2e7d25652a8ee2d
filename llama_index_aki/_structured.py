"""Answers as objects of a pydantic class: asked for, read, and asked for once more if they do not fit."""

from __future__ import annotations

from typing import Any, Generic, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.types import Model
from pydantic import ValidationError

from aki_transport import InvalidResponseError, ModelRefusalError
from aki_transport.prepare.structured_output import extract_json
from llama_index_aki._convert_replies import unfinished_arguments

_ROUNDS = 2  # the question, and one chance to mend the answer


class StructuredPrediction(Generic[Model]):
    """The rounds of one structured prediction, without the I/O.

    Args:
        output_cls: The class of the object.
        messages: The question.
        llm_kwargs: Further arguments of the calls.
    """

    def __init__(self, output_cls: type[Model], messages: list[ChatMessage], llm_kwargs: dict[str, Any]) -> None:
        self._cls = output_cls
        self._flexible = create_flexible_model(output_cls)
        self._round = 0
        self._found: Model | None = None
        self._last: Any = None
        self.messages = messages
        wanted: dict[str, Any] = {"name": output_cls.__name__, "schema": output_cls.model_json_schema()}
        if output_cls.__doc__:
            wanted["description"] = output_cls.__doc__
        self.arguments = {
            "response_format": {"type": "json_schema", "json_schema": wanted},
            "structured_first": None,
            **llm_kwargs,
        }

    @property
    def is_done(self) -> bool:
        """Whether the object was found."""
        return self._found is not None

    @property
    def result(self) -> Model:
        """The object."""
        return cast("Model", self._found)

    def so_far(self, response: ChatResponse) -> Model | FlexibleModel | None:
        """What can be made of the answer that has arrived; None if nothing new."""
        found = unfinished_arguments((response.message.content or "").lstrip())
        if not found or found == self._last:
            return None
        self._last = found
        try:
            return self._cls.model_validate(found)
        except ValidationError:
            return self._flexible.model_validate(found)

    def read(self, response: ChatResponse | None) -> None:
        """Take an answer: find the object in it, or prepare the round that asks to mend it.

        Raises:
            ModelRefusalError: The model refused.
            InvalidResponseError: The last round gave no object that fits.
        """
        if response is None:
            raise InvalidResponseError("the model gave no answer")
        self._round += 1
        said = response.additional_kwargs
        text = response.message.content or ""
        if said.get("refusal") or (said.get("finish_reason") == "content_filter" and not text):
            refusal = said.get("refusal") or "content_filter"
            raise ModelRefusalError(f"the model refused: {refusal}", refusal=refusal, model=said.get("model_name"))
        found = extract_json(text)
        try:
            self._found = self._cls.model_validate(found)
        except ValidationError as error:
            wrong = (
                "the answer holds no JSON" if found is None else f"the JSON does not fit {self._cls.__name__}: {error}"
            )
        else:
            return
        was_cut = said.get("finish_reason") == "length"
        if was_cut or self._round >= _ROUNDS:
            cut = "; it was cut at max_tokens" if was_cut else ""
            raise InvalidResponseError(f"{wrong}{cut}. The model said: {text[:500]!r}", model=said.get("model_name"))
        mend = (
            f"That cannot be used: {wrong}. Answer again with one JSON object of the form asked for and nothing else."
        )
        self.messages = [
            *self.messages,
            ChatMessage(role=MessageRole.ASSISTANT, content=text),
            ChatMessage(role=MessageRole.USER, content=mend),
        ]
