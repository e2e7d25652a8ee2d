"""What is assumed of the services: each row is a question, and names the code that depends on its answer."""

from __future__ import annotations

import base64
from functools import partial
from itertools import pairwise
from typing import Any

from aki_transport.images.header import read_header
from aki_transport.live_check.probes import (
    Finding,
    Probe,
    Question,
    answered,
    chat,
    has,
    job,
    red_png,
    refused,
    send,
    start,
    value,
)
from aki_transport.live_check.service import Service, ServiceAnswer

_NO_MODEL = {"model": "no-such-model"}
_THINKING = {"model": "gpt-oss-120b", "max_tokens": 300}
_STREAM = {"stream": True}
_STREAM_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
_TOOL_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_TOOL = {"name": "get_weather", "description": "The weather in a city."}
_OPENAI_TOOLS = {"tools": [{"type": "function", "function": {**_TOOL, "parameters": _TOOL_SCHEMA}}], "max_tokens": 200}
_ANTHROPIC_TOOLS = {"tools": [{**_TOOL, "input_schema": _TOOL_SCHEMA}], "max_tokens": 200}
_WEATHER = "What is the weather in Paris?"
_CITY_SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
_CITY_FORMAT = {"response_format": {"type": "json_schema", "json_schema": {"name": "City", "schema": _CITY_SCHEMA}}}
_RED_PNG = red_png(256, 256)
_RED_URL = f"data:image/png;base64,{base64.b64encode(_RED_PNG).decode()}"
_COLOUR = [{"type": "text", "text": "What colour is this?"}, {"type": "image_url", "image_url": {"url": _RED_URL}}]

_TOOL_CALLED = ("choices", 0, "message", "tool_calls", 0, "function", "name")
_JOB_TEXT = ("job_result", "text")
_ENDPOINTS = ("llama3_8b_chat", "apertus_chat", "gpt_oss_chat", "z_image_turbo", "qwen_image_edit")
_RESULT = ("text", "num_generated_tokens", "current_context_length", "max_seq_len", "model_name", "prompt_length")
_EVENTS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


def _listed(answer: ServiceAnswer) -> str | None:
    rows = answer.at("data")
    return f"{len(rows)} models; fields {', '.join(rows[0])}" if rows else None


def _windows(answer: ServiceAnswer) -> list[int | None]:
    return [row.get("max_model_len") for row in answer.at("data") or []]


def _text(answer: ServiceAnswer) -> str | None:
    return answer.at("choices", 0, "message", "content") or None


def _reasoning_fields(answer: ServiceAnswer) -> list[str]:
    message = answer.at("choices", 0, "message") or {}
    fields = [name for name in ("reasoning_content", "reasoning") if message.get(name)]
    return fields + (["<think>"] if "<think>" in str(message.get("content")) else [])


def _usage_in_stream(answer: ServiceAnswer) -> str:
    with_usage = [event for event in answer.events if event.get("usage")]
    if with_usage == answer.events[-1:] and not answer.events[-1].get("choices"):
        return "in the last chunk"
    return f"in {len(with_usage)} of {len(answer.events)} chunks"


def _roles_in_stream(answer: ServiceAnswer) -> int:
    return sum("role" in choice["delta"] for event in answer.events for choice in event.get("choices", []))


def _last_line(answer: ServiceAnswer) -> str:
    return answer.text.rstrip().rpartition("\n")[2]


def _event_types(answer: ServiceAnswer) -> list[str]:
    return list(dict.fromkeys(event["type"] for event in answer.events if event["type"] != "ping"))


def _blocks(answer: ServiceAnswer) -> list[str]:
    return [f"{block['type']}{', signed' * bool(block.get('signature'))}" for block in answer.at("content") or []]


def _picture(answer: ServiceAnswer) -> str | None:
    images = answer.at("job_result", "images")
    data = answer.at("data", 0, "b64_json") or (images[0] if isinstance(images, list) and images else images)
    header = read_header(base64.b64decode(str(data).rpartition(",")[2])) if data else None
    seed = answer.at("job_result", "seed")
    return header and f"{header.width}x{header.height}" + ("" if seed is None else f", seed {seed}")


def _own_headers(answer: ServiceAnswer) -> list[str]:
    return [name for name in answer.headers if name.startswith("x-")]


def _is_minimax(model: Any) -> bool:
    return "minimax" in str(model).lower()


def _same_seed(service: Service) -> Finding:
    texts = [_text(service.chat({"seed": 7, "temperature": 1.0})) for _ in range(2)]
    return Finding(texts[0] == texts[1] is not None, "twice the same" if texts[0] == texts[1] else "two texts")


def _text_grows(service: Service) -> Finding:
    states = service.poll_until_done(service.start({"max_gen_tokens": 600}, prompt="Count from 1 to 150."), pause=0.1)
    texts = list(filter(None, (state.at("progress", "progress_data", "text") for state in states)))
    grows = all(after.startswith(before) for before, after in pairwise(texts))
    how = "each the one before and more" if grows else "not each the one before and more"
    return Finding(grows and len(texts) > 1, f"{len(texts)} texts, {how}")


def _delivered_once(service: Service) -> Finding:
    started = service.start()
    results = [state.at("job_result") for state in (service.poll_until_done(started)[-1], service.poll(started))]
    first, again = ("with a result" if result else "without" for result in results)
    return Finding(bool(results[0]) and not results[1], f"first {first}, then {again}")


def _canceled(service: Service) -> Finding:
    started = service.start({"max_gen_tokens": 2000}, prompt="Write a long story about the sea.")
    states = [service.poll(started, cancel=True).at("job_state")]
    states.append(service.poll_until_done(started)[-1].at("job_state"))
    return Finding("canceled" in states, f"{states[0]!r}, afterwards {states[1]!r}")


def _question(interface: str, about: str, assumed: str, probe: Probe, *code: str, calls: int = 1) -> Question:
    files = tuple(f"aki_transport/{path}" for path in code)
    return Question(interface=interface, about=about, assumed=assumed, code=files, probe=probe, calls=calls)


def _openai(interface: str) -> tuple[Question, ...]:
    row = partial(_question, interface)
    wire, decoder = "wire/openai.py", "wire/_openai_decoder.py"
    return (
        row("listing", "GET /models gives OpenAI's list", send("GET", "/models", value(_listed, bool)), wire),
        row("listing without a key", "is a 401", send("GET", "/models", refused(401), key=None), "models/resolver.py"),
        row("temperature 2", "is taken", chat(answered, {"temperature": 2}), "settings.py"),
        row("stop", "ends the answer before the word",
            chat(value(_text, lambda text: text and "6" in text and "7" not in text), {"stop": ["7"]}), wire),
        row("max_tokens reached", "finish_reason is length",
            chat(value(("choices", 0, "finish_reason"), "length"), {"max_tokens": 5}), decoder),
        row("tools", "a tool that fits is called",
            chat(value(_TOOL_CALLED, "get_weather"), _OPENAI_TOOLS, prompt=_WEATHER), wire, "wire/_tool_calls.py"),
        row("structured output", "response_format is kept to",
            chat(value(_text, lambda text: text and text.strip().startswith("{") and '"name"' in text),
                 _CITY_FORMAT, prompt="Paris has 2 million people."), "prepare/structured_output.py"),
        row("usage in a stream", "in a last chunk, if asked for",
            chat(value(_usage_in_stream, "in the last chunk"), _STREAM_USAGE), wire, decoder),
        row("role in a stream", "in the first chunk only", chat(value(_roles_in_stream, 1), _STREAM), decoder),
        row("end of a stream", "data: [DONE]", chat(value(_last_line, "data: [DONE]"), _STREAM), decoder),
    )  # fmt: skip


_aki = partial(_question, "aki/openai")
_anthropic = partial(_question, "aki/anthropic")
_native = partial(_question, "aki/native")
_job = partial(_question, "aki/native", calls=42)
_aacflow = partial(_question, "aacflow/openai")
_ak_ai_core = partial(_question, "ak_ai_core/openai")

QUESTIONS = (
    *_openai("aki/openai"),
    _aki("max_model_len", "the listing has it, and it may be 0",
         send("GET", "/models", value(_windows, lambda sizes: 0 in sizes)), "models/catalog.py", "models/models.toml"),
    _aki("wrong key", "401 with the code invalid_api_key",
         chat(value(("error", "code"), "invalid_api_key", status=401), key="wrong"), "error_parsing.py"),
    _aki("bearer in small letters", "a 401, so the case counts",
         chat(refused(401), key_in="bearer"), "transport/sender.py"),
    _aki("x-api-key", "no place for the key: a 401", chat(refused(401), key_in="x-api-key"), "providers.py"),
    _aki("unknown model", "MiniMax answers in its place, with a 200",
         chat(value(("model",), _is_minimax), _NO_MODEL), "models/resolver.py", "providers.py"),
    _aki("Hugging Face's name", "is no name here: MiniMax answers",
         chat(value(("model",), _is_minimax), {"model": "meta-llama/Llama-3.3-70B-Instruct"}),
         "models/resolver.py", "models/catalog.py"),
    _aki("temperature 0", "is taken", chat(answered, {"temperature": 0}), "settings.py"),
    _aki("temperature 2.5", "is refused", chat(refused(400, 404, 422), {"temperature": 2.5}), "error_parsing.py"),
    _aki("max_tokens beyond the window", "an error that names the context",
         chat(refused(*range(400, 600), naming="context"), {"max_tokens": 900_000}), "error_parsing.py"),
    _aki("max_completion_tokens", "bounds the answer",
         chat(value(("usage", "completion_tokens"), lambda used: used is not None and used <= 5),
              {"max_tokens": None, "max_completion_tokens": 5}), "wire/openai.py"),
    _aki("seed", "gives the same text again", _same_seed, "settings.py", calls=2),
    _aki("n", "is ignored or refused: never two choices",
         chat(value(("choices", 1), expected=None, status=None), {"n": 2}), "wire/_chat_decoder.py"),
    _aki("reasoning_effort", "medium gives reasoning in a field of its own",
         chat(value(_reasoning_fields, bool), {**_THINKING, "reasoning_effort": "medium"}), "wire/_openai_decoder.py"),
    _aki("reasoning_effort none", "switches it off",
         chat(value(_reasoning_fields, []), {**_THINKING, "reasoning_effort": "none"}), "models/models.toml"),
    # Whether it says red is for whoever reads the line.
    _aki("pictures in a question", "qwen3.6-35b sees them (this one is red)",
         chat(value(_text, bool), {"model": "qwen3.6-35b", "max_tokens": 300}, prompt=_COLOUR), "models/models.toml"),
    _aki("pictures", "b64_json of the size asked for",
         send("POST", "/images/generations", value(_picture, "256x256"),
              json={"model": "z-image-turbo", "prompt": "a red lighthouse", "size": "256x256"}),
         "wire/openai_images.py"),
    _aki("changed pictures", "a form with the file `image`, answered with b64_json",
         send("POST", "/images/edits", value(_picture, bool), data={"prompt": "make it blue"},
              files={"image": ("a.png", _RED_PNG, "image/png")}),
         "wire/openai_images.py"),
    _anthropic("listing", "GET /v1/models gives Anthropic's list",
               send("GET", "/v1/models", value(_listed, bool)), "wire/anthropic.py"),
    _anthropic("x-api-key", "the key is taken there", chat(answered, key_in="x-api-key"), "providers.py"),
    _anthropic("Bearer", "the key is taken there, too", chat(answered, key_in="Bearer"), "providers.py"),
    _anthropic("wrong key", "401 with the type authentication_error",
               chat(value(("error", "type"), "authentication_error", status=401), key="wrong"), "error_parsing.py"),
    _anthropic("no anthropic-version", "is taken", chat(answered), "wire/anthropic.py"),
    _anthropic("anthropic-version", "2023-06-01 is taken",
               chat(answered, headers={"anthropic-version": "2023-06-01"}), "wire/anthropic.py"),
    _anthropic("no max_tokens", "is refused with 400", chat(refused(400), {"max_tokens": None}), "providers.py"),
    _anthropic("temperature 1", "is taken", chat(answered, {"temperature": 1}), "wire/anthropic.py"),
    _anthropic("temperature 1.5", "is refused with 400", chat(refused(400), {"temperature": 1.5}), "wire/anthropic.py"),
    _anthropic("unknown model", "MiniMax answers in its place",
               chat(value(("model",), _is_minimax), _NO_MODEL), "models/resolver.py"),
    _anthropic("stop_sequences", "end the answer, which says so",
               chat(value(("stop_reason",), "stop_sequence"), {"stop_sequences": ["7"]}), "wire/_anthropic_decoder.py"),
    _anthropic("tools", "a tool that fits is called",
               chat(value(_blocks, has("tool_use")), _ANTHROPIC_TOOLS, prompt=_WEATHER), "wire/anthropic.py"),
    _anthropic("thinking", "comes as a signed block",
               chat(value(_blocks, has("thinking, signed")),
                    {**_THINKING, "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1500}),
               "wire/_anthropic_decoder.py", "reasoning.py"),
    _anthropic("events of a stream", "Anthropic's, in their order",
               chat(value(_event_types, _EVENTS), _STREAM), "wire/_anthropic_decoder.py"),
    _native("endpoints without a key", "are listed",
            send("GET", "/endpoints", value(("endpoints",), bool), key=None), "wire/native.py"),
    _native("endpoints", "the five that we name are there",
            send("GET", "/endpoints", value(("endpoints",), has(*_ENDPOINTS)), key_in="query"),
            "models/catalog.py", "models/models.toml"),
    _native("an endpoint's parameters", "are described",
            send("GET", "/endpoints/llama3_8b_chat", value(("parameter_description", "input"), has("chat_context")),
                 key_in="query"), "wire/native.py"),
    _native("validate_key", "a wrong key is a 200 without success",
            send("GET", "/validate_key", value(("success",), expected=False), key="wrong", key_in="query",
                 params={"version": "1"}), "error_parsing.py"),
    _native("wrong key", "is a 401", start(refused(401), key="wrong"), "error_parsing.py"),
    _native("wait_for_result false", "answers at once with a job_id",
            start(value((), lambda body: body.get("job_id") and "text" not in body)), "wire/_job.py"),
    _job("text in progress", "is all so far, not what is new", _text_grows, "wire/_native_decoder.py"),
    _job("result", "is delivered once", _delivered_once, "wire/_job.py", "transport/polling.py"),
    _job("fields of a result", "text and counts, with prompt_length",
         job(value(("job_result",), has(*_RESULT))), "wire/_native_decoder.py"),
    _job("cancel", "is honoured", _canceled, "transport/polling.py"),
    _native("stop", "is an unknown parameter and refused", start(refused(400), {"stop": "7"}), "wire/native.py"),
    _native("chat_context as a list", "is refused; it has to be text",
            start(refused(400), {"chat_context": [{"role": "user", "content": "Hi"}]}), "wire/native.py"),
    _native("temperature 1.5", "is refused", start(refused(400), {"temperature": 1.5}), "wire/native.py"),
    _job("text_context", "is gone on from",
         job(value(_JOB_TEXT, bool), {"text_context": "The capital of France is", "max_gen_tokens": 12}, prompt=None),
         "wire/native.py"),
    _job("chat_output_format json", "gives text as an object",
         job(value(_JOB_TEXT, lambda text: isinstance(text, dict)),
             {"chat_output_format": "json", "max_gen_tokens": 300}, endpoint="gpt_oss_chat"),
         "wire/_native_decoder.py"),
    _job("thinking", "stands in <think> by default",
         job(value(_JOB_TEXT, lambda text: "<think>" in str(text)), {"max_gen_tokens": 300}, endpoint="gpt_oss_chat"),
         "wire/_native_decoder.py"),
    _job("pictures", "sides become multiples of 32; the seed is told",
         job(value(_picture, "256x256, seed 7"),
             {"prompt": "a red lighthouse", "width": 250, "height": 250, "seed": 7},
             endpoint="z_image_turbo", prompt=None), "wire/native_images.py"),
    _job("changed pictures", "`image` as a data URL",
         job(value(_picture, bool), {"prompt": "make it blue", "image": _RED_URL},
             endpoint="qwen_image_edit", prompt=None), "wire/native_images.py"),
    *_openai("aacflow/openai"),
    _aacflow("unknown model", "is a 404", chat(refused(404), _NO_MODEL), "error_parsing.py", "providers.py"),
    _aacflow("x-api-key", "the key is taken there, too", chat(answered, key_in="x-api-key"), "providers.py"),
    _aacflow("wrong key", "401 with the code invalid_api_key",
             chat(value(("error", "code"), "invalid_api_key", status=401), key="wrong"), "error_parsing.py"),
    _aacflow("headers", "credits used and left, and a request ID",
             chat(value(_own_headers, has("x-credits-used", "x-credits-remaining", "x-request-id"))),
             "error_parsing.py"),
    *_openai("ak_ai_core/openai"),
    _ak_ai_core("unknown model", "is a 404", chat(refused(404), _NO_MODEL), "error_parsing.py", "providers.py"),
    _ak_ai_core("wrong key", "401 with a text as `error`",
                chat(value(("error",), lambda error: isinstance(error, str), status=401), key="wrong"),
                "error_parsing.py"),
)  # fmt: skip
