"""AKI.IO's OpenAI-compatible interface."""

from __future__ import annotations

import base64

from aki_transport.images.header import read_header
from aki_transport.live_check import probes
from aki_transport.live_check.questions import Finding, Probe, Question
from aki_transport.live_check.service import Service, ServiceAnswer

_WIRE = "aki_transport/wire/openai.py"
_ANSWER = "aki_transport/wire/_openai_decoder.py"
_RESOLVER = "aki_transport/models/resolver.py"
_CATALOG = "aki_transport/models/catalog.py"
_IMAGES = "aki_transport/wire/openai_images.py"
_MUCH = 900_000


def _windows(service: Service) -> Finding:
    rows = service.send("GET", "/models").at("data") or []
    sizes = [row.get("max_model_len") for row in rows]
    told = sum(bool(size) for size in sizes)
    return Finding(
        any(size == 0 for size in sizes), f"{told} above 0, {sizes.count(0)} of 0, {sizes.count(None)} absent"
    )


def _fallback(service: Service) -> Finding:
    answer = service.chat({"model": "no-such-model"})
    return Finding(answer.status == probes.OK and "minimax" in str(answer.at("model")).lower(), _answered_by(answer))


def _repository(service: Service) -> Finding:
    answer = service.chat({"model": "meta-llama/Llama-3.3-70B-Instruct"})
    return Finding("minimax" in str(answer.at("model")).lower(), _answered_by(answer))


def _answered_by(answer: ServiceAnswer) -> str:
    return f"{answer.status}, answered by {answer.at('model')!r}" if answer.status == probes.OK else answer.summary


def _seed(service: Service) -> Finding:
    prompt = "Write a sentence about the sea."
    texts = [probes.text(service.chat({"seed": 7, "temperature": 1.0}, prompt=prompt)) for _ in range(2)]
    return Finding(texts[0] == texts[1] != "", "twice the same" if texts[0] == texts[1] else "two texts")


def _two_choices(service: Service) -> Finding:
    answer = service.chat({"n": 2})
    choices = answer.at("choices")
    return Finding(not choices or len(choices) == 1, f"{len(choices)} choices for n=2" if choices else answer.summary)


def _thinks(effort: str | None, wanted: bool) -> Probe:
    def probe(service: Service) -> Finding:
        answer = service.chat({"model": service.models["thinking"], "reasoning_effort": effort, "max_tokens": 300})
        message = answer.at("choices", 0, "message") or {}
        fields = [name for name in ("reasoning_content", "reasoning") if message.get(name)]
        fields += ["<think>"] if "<think>" in str(message.get("content")) else []
        return Finding(
            bool(fields) == wanted and answer.status == probes.OK,
            f"reasoning in {fields}" if fields else answer.summary,
        )

    return probe


def _overflow(service: Service) -> Finding:
    answer = service.chat({"max_tokens": _MUCH})
    return Finding(answer.status >= 400 and "context" in answer.text, answer.summary)


def _max_completion_tokens(service: Service) -> Finding:
    answer = service.chat({"max_tokens": None, "max_completion_tokens": 5})
    used = answer.at("usage", "completion_tokens")
    return Finding(used is not None and used <= 5, f"{used} tokens" if used is not None else answer.summary)


def _vision(service: Service) -> Finding:
    url = f"data:image/png;base64,{base64.b64encode(probes.red_png(64, 64)).decode()}"
    content = [{"type": "text", "text": "What colour is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = service.chat({"model": "qwen3.6-35b", "max_tokens": 300}, prompt=content)
    # Whether it says red is for whoever reads the line.
    return Finding(bool(probes.text(answer)), repr(probes.text(answer))[:70] if probes.text(answer) else answer.summary)


def _other_case(service: Service) -> Finding:
    answer = service.chat(key=None, headers={"authorization": f"bearer {service.key.get_secret_value()}"})
    return Finding(answer.status == 401, answer.summary)


def _other_header(service: Service) -> Finding:
    answer = service.chat(key_in="x-api-key")
    return Finding(answer.status == 401, answer.summary)


def _draws(service: Service) -> Finding:
    body = {"model": "z-image-turbo", "prompt": "a red lighthouse", "size": "256x256"}
    return _picture(service.send("POST", "/images/generations", json=body), (256, 256))


def _edits(service: Service) -> Finding:
    files = {"image": ("a.png", probes.red_png(256, 256), "image/png")}
    return _picture(service.send("POST", "/images/edits", data={"prompt": "make it blue"}, files=files), None)


def _picture(answer: ServiceAnswer, size: tuple[int, int] | None) -> Finding:
    data = answer.at("data", 0, "b64_json")
    if not data:
        return Finding(as_assumed=False, detail=f"no b64_json: {answer.summary}")
    header = read_header(base64.b64decode(data))
    if header is None:
        return Finding(as_assumed=False, detail="b64_json of no known picture format")
    kind, *sides = header
    return Finding(size is None or size == tuple(sides), f"b64_json, {kind} of {sides[0]}x{sides[1]}")


def _row(about: str, assumed: str, probe: Probe, *code: str, calls: int = 1) -> Question:
    return Question(interface="aki/openai", about=about, assumed=assumed, code=code, probe=probe, calls=calls)


QUESTIONS = (
    _row("listing", "GET /models gives OpenAI's list", probes.listing, _WIRE),
    _row("listing without a key", "GET /models without a key is a 401", probes.listing_without_key, _RESOLVER),
    _row(
        "max_model_len", "the listing has it, and it may be 0", _windows, _CATALOG, "aki_transport/models/models.toml"
    ),
    _row(
        "wrong key",
        "401 with the code invalid_api_key",
        probes.wrong_key("error", "code", code="invalid_api_key"),
        "aki_transport/error_parsing.py",
    ),
    _row("bearer in small letters", "a 401, so the case counts", _other_case, "aki_transport/transport/sender.py"),
    _row("x-api-key", "no place for the key: a 401", _other_header, "aki_transport/providers.py"),
    _row(
        "unknown model", "MiniMax answers in its place, with a 200", _fallback, _RESOLVER, "aki_transport/providers.py"
    ),
    _row("Hugging Face's name", "is no name here: MiniMax answers", _repository, _RESOLVER, _CATALOG),
    _row("temperature 2", "is taken", probes.taken({"temperature": 2}), "aki_transport/settings.py"),
    _row("temperature 0", "is taken", probes.taken({"temperature": 0}), "aki_transport/settings.py"),
    _row(
        "temperature 2.5",
        "is refused",
        probes.refused({"temperature": 2.5}, 400, 404, 422),
        "aki_transport/error_parsing.py",
    ),
    _row(
        "max_tokens beyond the window", "an error that names the context", _overflow, "aki_transport/error_parsing.py"
    ),
    _row("max_completion_tokens", "bounds the answer", _max_completion_tokens, _WIRE),
    _row("max_tokens reached", "finish_reason is length", probes.cut, _ANSWER),
    _row("stop", "ends the answer before the word", probes.stopped, _WIRE),
    _row("seed", "gives the same text again", _seed, "aki_transport/settings.py", calls=2),
    _row("n", "is ignored or refused: never two choices", _two_choices, "aki_transport/wire/_chat_decoder.py"),
    _row("tools", "a tool that fits is called", probes.tools, _WIRE, "aki_transport/wire/_tool_calls.py"),
    _row(
        "structured output",
        "response_format is kept to",
        probes.structured,
        "aki_transport/prepare/structured_output.py",
    ),
    _row("reasoning_effort", "medium gives reasoning in a field of its own", _thinks("medium", wanted=True), _ANSWER),
    _row("reasoning_effort none", "switches it off", _thinks("none", wanted=False), "aki_transport/models/models.toml"),
    _row("usage in a stream", "in a last chunk, if asked for", probes.stream_usage, _WIRE, _ANSWER),
    _row("role in a stream", "in the first chunk only", probes.roles, _ANSWER),
    _row("end of a stream", "data: [DONE]", probes.done, _ANSWER),
    _row(
        "pictures in a question", "qwen3.6-35b sees them (this one is red)", _vision, "aki_transport/models/models.toml"
    ),
    _row("pictures", "b64_json of the size asked for", _draws, _IMAGES),
    _row("changed pictures", "a form with the file `image`, answered with b64_json", _edits, _IMAGES),
)
