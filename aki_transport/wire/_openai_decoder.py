"""Decodes answers in OpenAI's chat completions format, streamed or blocking, with one state machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aki_transport.error_parsing import error_from_payload, tells_failure
from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import shown
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, Part, RawBlock, Text, ToolCallDelta
from aki_transport.reasoning import FIELD, REASONING_DETAILS, from_blocks
from aki_transport.transport import Payload
from aki_transport.wire._chat_decoder import AnswerDecoder, joined_delta
from aki_transport.wire._choices import ChoiceReader
from aki_transport.wire._cumulative import CumulativeText
from aki_transport.wire._fields import kept, read_usage, text_or_none, unwrapped
from aki_transport.wire._tool_calls import ToolCallReader
from aki_transport.wire._unknown_fields import merged_fields

# Fields that are read here; all others are kept as they are.
_ANSWER_FIELDS = frozenset({"id", "object", "model", "choices", "usage", "system_fingerprint"})
_EVENT_FIELDS = frozenset({"index", "delta", "finish_reason", "logprobs"})
_CALLS = ("tool_calls", "function_call")
_CHOICE_FIELDS = _EVENT_FIELDS | {"message", "text", *_CALLS}
_REASONING_FIELDS = ("reasoning_text", "thinking")  # GitHub Copilot, Ollama
_MESSAGE_FIELDS = frozenset(
    {"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls", "function_call"}
)
_READ_FIELDS = _MESSAGE_FIELDS.union(_REASONING_FIELDS)
_PART_FIELDS = frozenset({"type", "text", "thinking", "reasoning"})


class OpenAIDecoder(AnswerDecoder):
    """Decodes one answer."""

    def __init__(self, request: ChatRequest, headers: Mapping[str, str], **options: Any) -> None:
        super().__init__(request, headers, **options)
        self._request = request
        self._refusals: list[str] = []
        self._calls = ToolCallReader(self._names)
        self._logprobs: list[Any] = []
        self._first: Mapping[str, Any] = {}
        self._choice: Mapping[str, Any] = {}
        self._fields: dict[str, Any] = {}
        self._choice_fields: dict[str, Any] = {}
        self._message_pieces: list[Mapping[str, Any]] = []
        self._message_names: set[str] = set()  # of all these pieces; looking through them again takes quadratic time
        self._reasoning_field: str | None = None
        self._content_pieces, self._reasoning_pieces = CumulativeText(), CumulativeText()
        self._choices = ChoiceReader(several=_asks_for_several(request))

    def feed(self, payload: Payload) -> ChatDelta | None:
        """The delta in this payload, if any."""
        event, data = payload
        if data == "[DONE]" and self._broken is None:
            self.finished = self.complete = True
            return None
        chunk = self._parse(event, data)
        if chunk is None:
            return None
        choices = chunk.get("choices")
        if not choices:
            chunk = unwrapped(chunk, "choices")
            choices = chunk.get("choices")
        self._note_model(chunk.get("model"))
        if chunk.get("usage"):
            self._update_usage(chunk["usage"])
        self._first = self._first or chunk
        self._last = chunk
        self._fields.update(chunk)
        pieces = self._choices.feed_body(choices) if event == "body" else self._choices.feed(choices)
        if len(pieces) == 1:
            self.complete = self.complete or event == "body"
            return self._read_choice(pieces[0], chunk, event)
        if not choices or (not pieces and not isinstance(choices, list)):
            self._on_no_choices(chunk, event)
        return joined_delta([self._read_choice(piece, chunk, event) for piece in pieces], chunk)

    def end(self) -> ChatDelta:
        """The last delta, with the choices that waited for another one."""
        waiting = [self._read_choice(choice, self._last, "message") for choice in self._choices.end()]
        has_come = bool(self._last) or self.complete
        if has_come and self._stray is not self._last and not (self._choice or self._empty_is_failure):
            raise InvalidResponseError(f"the stream has no choices: {shown(self._last)}")
        waiting.append(self._held_text())
        last = super().end()
        return (joined_delta([*waiting, last], last.raw) or last) if any(waiting) else last

    def _held_text(self) -> ChatDelta | None:
        """Text and reasoning that were held back, for they might have been all so far."""
        content, reasoning = self._content_pieces.flush(), self._reasoning_pieces.flush()
        if not content and not reasoning:
            return None
        text, thinking = self._split(content)
        reasoning += thinking
        return ChatDelta(self._collect(text, reasoning), reasoning)

    def _on_no_choices(self, chunk: Mapping[str, Any], event: str) -> None:
        if event != "body":
            self._note_stray(chunk)
        elif tells_failure(chunk):
            raise error_from_payload(chunk)
        else:
            raise InvalidResponseError(f"the answer has no choices: {shown(chunk)}")

    def _held_parts(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        calls = () if self._calls.has_begun else self._think.calls
        written = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
        return "", (*self._calls.feed(written, blocking=True), *self._calls.end())

    def _read_choice(self, choice: Mapping[str, Any], chunk: Mapping[str, Any], event: str) -> ChatDelta | None:
        self._choice = choice or self._choice
        if choice.get("error"):
            raise error_from_payload({"error": choice["error"]})
        is_plain = _EVENT_FIELDS.issuperset(choice)
        if not is_plain:
            self._choice_fields.update(kept(choice, _CHOICE_FIELDS))
        finish = choice.get("finish_reason")
        if finish and finish != "null":  # KoboldCpp writes null as text
            self._note_finish(finish)
            self.complete = True
        delta = choice.get("delta")
        if not delta or not isinstance(delta, dict) or not is_plain:
            delta = self._delta_in(choice, chunk)
            if not delta or not isinstance(delta, dict):
                return None
        if not _MESSAGE_FIELDS.issuperset(delta):
            delta = self._keep_fields(delta)
        text, reasoning, parts = self._read_content(delta)
        if self._has_stops and self._is_stopped:
            return ChatDelta(text, reasoning, "", (), None, chunk, parts)
        refusal, calls, content = delta.get("refusal") or "", delta.get("tool_calls"), delta.get("content")
        if refusal or isinstance(content, list):
            refusal = "".join(_texts(refusal)) if refusal else _refusal_in(content)
            self._refusals.append(refusal)
            calls = calls or _calls_in(content)
        function = delta.get("function_call")  # the older form of one tool call
        deltas: tuple[ToolCallDelta, ...] = ()
        if calls or function:
            pieces = calls or [{"index": 0, "function": function}]
            deltas = self._calls.feed(pieces, blocking=event == "body")
        if choice.get("logprobs"):
            self._logprobs.append(choice["logprobs"])
        if text or reasoning or refusal or deltas or parts:
            return ChatDelta(text, reasoning, refusal, deltas, None, chunk, parts)
        return None

    def _delta_in(self, choice: Mapping[str, Any], chunk: Mapping[str, Any]) -> Any:
        """What a choice adds, of which services write some beside the delta: a message in its place, calls, a text."""
        delta, message = choice.get("delta"), choice.get("message")
        if not delta:
            delta = {"content": choice.get("text")} if message is None else self._new_in_message(choice, chunk)
            message = None
        if isinstance(delta, str):
            return {"content": delta}
        if not isinstance(delta or {}, dict):
            return delta
        calls = {}
        for name in _CALLS:
            beside = [each[name] for each in (delta, message, choice) if isinstance(each, dict) and each.get(name)]
            if beside:
                calls[name] = beside[0]
        return {**(delta or {}), **calls} if calls else delta

    def _keep_fields(self, delta: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep the fields without a name of ours, and read reasoning in another field than usual."""
        if fields := kept(delta, _READ_FIELDS):
            self._message_pieces.append(fields)
            self._message_names |= fields.keys()
            if fields.get("error"):
                raise error_from_payload({"error": fields["error"]})
        name = next(filter(delta.get, _REASONING_FIELDS), None)
        if delta.get("reasoning_content") or delta.get("reasoning"):
            return delta
        if name is not None:
            self._reasoning_field = name
            return {**delta, "reasoning_content": delta[name]}
        if REASONING_DETAILS not in delta or (self._reasonings and self._reasoning_field != REASONING_DETAILS):
            return delta
        text = "".join(_texts(delta[REASONING_DETAILS]))  # MiniMax writes it there alone, others repeat it there
        self._reasoning_field = REASONING_DETAILS if text else self._reasoning_field
        return {**delta, "reasoning_content": text} if text else delta

    def _new_in_message(self, choice: Mapping[str, Any], chunk: Mapping[str, Any]) -> Any:
        """The message in place of a delta; what is new in it, if it repeats what came before, as MiniMax's does."""
        message = choice["message"]
        is_piece = chunk.get("object") == "chat.completion.chunk"
        is_instead = "delta" not in choice
        self.complete = self.complete or (is_instead and not is_piece)  # an event with all of an answer
        if not isinstance(message, dict):
            return message
        if not is_instead or (not is_piece and self._first.get("object") == "chat.completion.chunk"):
            seen: dict[str, Any] = {"content": self._texts, "refusal": self._refusals}
            seen["reasoning"] = seen["reasoning_content"] = self._reasonings
            seen["tool_calls"] = seen["function_call"] = self._calls.has_begun
            return {name: value for name, value in message.items() if not seen.get(name, name in self._message_names)}
        so_far, content = self.text, message.get("content")
        if so_far and isinstance(content, str) and content.startswith(so_far):
            return {**message, "content": content[len(so_far) :]}
        return message

    def _read_content(self, delta: Mapping[str, Any]) -> tuple[str, str, tuple[Part, ...]]:
        """The new text and reasoning, and the parts of the content if it is more than that."""
        content = delta.get("content")
        reasoning = delta.get("reasoning_content")
        if not reasoning:
            reasoning = delta.get("reasoning") or ""
            if reasoning:
                self._reasoning_field = "reasoning"
        if not isinstance(reasoning, str):
            reasoning = "".join(_texts(reasoning))
        if reasoning and not self._reasoning_pieces.is_past:
            reasoning = self._reasoning_pieces.feed(reasoning)
        text = ""
        parts: tuple[Part, ...] = ()
        if type(content) is not str and not isinstance(content, list) and (content is not None or "text" in delta):
            content = _content_elsewhere(content, delta)
        if content:
            if isinstance(content, str):
                if not self._content_pieces.is_past:
                    content = self._content_pieces.feed(content)
                text = content
                if not self._think.is_past:
                    self._think.may_be_closed = self._think.may_be_closed or bool(reasoning)
                    text, thinking = self._split(content)
                    is_repeated = bool(reasoning) and thinking.strip() == reasoning.strip()  # some services write both
                    reasoning = reasoning if is_repeated else f"{reasoning}{thinking}"
            else:
                text, thinking, parts = self._read_parts(content)
                reasoning = reasoning or thinking
        if parts:  # their texts are collected
            self._collect("", reasoning)
        else:
            text = self._collect(text, reasoning)
        return text, reasoning, parts

    def _read_parts(self, content: Any) -> tuple[str, str, tuple[Part, ...]]:
        """Text and reasoning of content that is a part or a list of parts, and the parts if they are more than that."""
        text, reasoning = "", ""
        parts: list[Part] = []
        read = list(_parts(content))
        is_more = any(not isinstance(part, str | Text) or (isinstance(part, Text) and part.extra) for part in read)
        for part in read:
            if isinstance(part, str):
                reasoning += part
                self._reasoning_field = "content"
            elif self._is_stopped:
                break
            elif isinstance(part, Text):
                new, thinking = self._split(part.text)
                start = len(self._texts)
                if is_more:
                    new = self._collect(new, "")
                text, reasoning = text + new, reasoning + thinking
                if is_more:
                    parts.append(Text(new))
                    if part.extra:
                        parts.append(self._end_text(part.extra, start=start))
            else:
                parts.append(self._add_block(part))
        return text, reasoning, tuple(parts)

    def _reply(self) -> ChatReply:
        self._usage = self._usage or _usage_in(self._choice_fields) or _usage_in(self._fields.get("x_groq")) or {}
        extra = merged_fields(self._message_pieces)
        blocks = from_blocks(extra.pop(FIELD, None))
        fields = {**self._first, **kept(self._fields, ())}
        details = kept(fields, _ANSWER_FIELDS)
        sources = extra.get("annotations") or details.get("search_results") or details.get("citations")
        return self._build_reply(
            refusal="".join(self._refusals),
            reasoning_field=self._reasoning_field or ("reasoning_content" if blocks else None),
            reasoning_blocks=blocks,
            tool_calls=self._calls.calls(),
            usage=read_usage(self._usage) if self.complete else None,
            id=text_or_none(fields.get("id")),
            system_fingerprint=text_or_none(fields.get("system_fingerprint")),
            logprobs=_merged_logprobs(self._logprobs),
            annotations=tuple(sources) if isinstance(sources, list) else (),
            choices=tuple(self._other_reply(choice) for choice in self._merged_others()),
            details={**self._choice_fields, **details},
            extra=extra,
            raw=self._raw(),
        )

    def _merged_others(self) -> list[dict[str, Any]]:
        """The further choices, each as a blocking answer has it."""
        choices = []
        for _, pieces in sorted(self._choices.others.items()):
            logprobs = _merged_logprobs([piece["logprobs"] for piece in pieces if piece.get("logprobs")])
            choice = merged_fields([{**piece, "logprobs": None} for piece in pieces])
            message = choice.pop("delta", None) or choice.get("message") or {}
            choices.append({**choice, "message": message, "logprobs": logprobs})
        return choices

    def _other_reply(self, choice: Mapping[str, Any]) -> ChatReply:
        decoder = OpenAIDecoder(self._request, self._headers, on_model=lambda _: None)
        decoder._model = self._model
        decoder._first = self._first
        decoder._read_choice(choice, {}, "body")
        return decoder.end().reply or ChatReply()

    def _raw(self) -> Mapping[str, Any]:
        """The last payload, with model, usage, finish reason and further choices of the payloads before it."""
        choices = [{**self._choice, "finish_reason": self._finish_reason()}, *self._merged_others()]
        usage = (self._usage or None) if self.complete else None
        return {**self._last, "model": self._served_model(), "usage": usage, "choices": choices}


def _asks_for_several(request: ChatRequest) -> bool:
    return {**request.fields, **request.extra_body}.get("n") not in (None, 1)


def _content_elsewhere(content: Any, delta: Mapping[str, Any]) -> Any:
    """Content that is neither text nor parts: of a gateway that reads it as JSON, or in a field `text`."""
    if content is None:
        return text_or_none(delta.get("text"))
    if isinstance(content, dict) and not _PART_FIELDS.isdisjoint(content):
        return content
    return json.dumps(content, ensure_ascii=False)


def _parts(content: Any) -> Iterator[Text | RawBlock | str]:
    """The parts of content that is a part or a list of parts; reasoning as a plain `str`."""
    for part in content if isinstance(content, list) else [content]:
        match part:
            case None:
                pass
            case dict() if _is_call(part):
                pass  # it is read beside the content
            case str():
                yield Text(part)
            case {"thinking": inner} | {"reasoning": inner} | {"type": "thinking" | "reasoning", "text": inner}:
                yield "".join(_texts(inner))
            case {"type": "reasoning", "summary": inner}:  # Databricks
                yield "".join(_texts(inner))
            case {"text": str(text)}:
                yield Text(text, kept(part, ("type", "text", "index")))
            case {"text": {"value": str(text)} as inner}:  # the form of OpenAI's assistants
                yield Text(text, {**kept(inner, ("value",)), **kept(part, ("type", "text", "index"))})
            case {"type": "refusal", "refusal": str()}:
                pass  # it is read beside the content
            case dict():
                if kept(part, ("type", "index")):
                    yield RawBlock(part, "openai")
            case int() | float():
                yield Text(json.dumps(part))
            case _:
                raise InvalidResponseError(f"the answer's content holds a part of an unknown form: {shown(part)}")


def _refusal_in(content: Any) -> str:
    parts = content if isinstance(content, list) else ()
    return "".join(part["refusal"] for part in parts if isinstance(part, dict) and isinstance(part.get("refusal"), str))


def _calls_in(content: Any) -> list[Any]:
    return list(filter(_is_call, content)) if isinstance(content, list) else []


def _is_call(part: Any) -> bool:
    """Whether a part of the content is a tool call, as gateways before Anthropic's models hand it on."""
    return isinstance(part, dict) and part.get("type") == "tool_use" and isinstance(part.get("name"), str)


def _texts(content: Any) -> Iterator[str]:
    """The texts in reasoning that is a part or a list of parts."""
    for part in () if isinstance(content, bool) else _parts(content):
        match part:
            case Text(text) | str(text) | RawBlock({"content": str(text)} | {"summary": str(text)}):
                yield text
            case RawBlock({"summary": list(parts)}):
                yield from _texts(parts)
            case _:
                pass  # what thoughts hold besides text is not sent back


def _usage_in(fields: Any) -> dict[str, Any] | None:
    """The tokens where some services state them: Moonshot in the choice, Groq in a field of its own."""
    usage = fields.get("usage") if isinstance(fields, dict) else None
    return usage if isinstance(usage, dict) else None


def _merged_logprobs(logprobs: list[Any]) -> Any:
    if len(logprobs) < 2 or not all(isinstance(piece, dict) for piece in logprobs):  # noqa: PLR2004
        return logprobs[0] if logprobs else None
    lists = [tokens for piece in logprobs if isinstance(tokens := piece.get("content"), list)]
    return {"content": [token for tokens in lists for token in tokens]}
