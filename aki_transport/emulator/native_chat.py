"""What a chat worker of the native interface does: its parameters, and the job's text as it grows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aki_transport.emulator import tokens
from aki_transport.emulator.completion import Completion, complete, prompt_tokens
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.job import Report, Work
from aki_transport.emulator.models import Model
from aki_transport.emulator.native_errors import Invalid
from aki_transport.emulator.native_parameters import Parameter
from aki_transport.emulator.native_prompt import read_prompt
from aki_transport.emulator.prompt import Prompt

OUTPUTS = {
    "text": "string",
    "num_generated_tokens": "integer",
    "model_name": "string",
    "max_seq_len": "integer",
    "current_context_length": "integer",
    "prompt_length": "integer",
    "error": "string",
}
PROGRESS = {"text": "string", "num_generated_tokens": "integer", "current_context_length": "integer"}

_DEFAULT_OUTPUT = 8192
_TOKENS_PER_SECOND = 100
_QUICKEST, _SLOWEST = 0.05, 0.15  # seconds; tests wait for them
# The worker of a message whose image has to be fetched never comes back.
_STUCK = 86_400.0
_SHRUNK_FROM, _SHRUNK_TO = 0.5, 0.75
_EMPTY = Completion("", "", (), "stop", 0, 0)


def parameters(model: Model) -> tuple[Parameter, ...]:
    """What the model's endpoint takes."""
    return (
        Parameter("prompt_input", "string"),
        Parameter("chat_context", "json"),
        Parameter("text_context", "string"),
        Parameter("chat_output_format", "selection", default="chatml", supported=("chatml", "raw", "json")),
        Parameter("top_k", "integer", minimum=1, maximum=1000, default=40),
        Parameter("top_p", "float", minimum=0, maximum=1, default=0.9),
        Parameter("temperature", "float", minimum=0, maximum=1, default=0.8),
        # No default: a limit that nobody asked for does not count against the window.
        Parameter("max_gen_tokens", "integer", minimum=1, maximum=model.max_output),
    )


@dataclass(frozen=True, slots=True)
class Chat:
    """Makes a job of a request's values.

    Args:
        model: The model.
        label: The name that answers give it.
    """

    model: Model
    label: str

    def __call__(self, values: Mapping[str, Any], faults: Faults) -> Work:
        """The job.

        Raises:
            Invalid: The model cannot carry it out.
        """
        prompt = read_prompt(values, self.model)
        used = _fits(prompt, self.model)
        completion = _EMPTY if faults.empty else complete(prompt, prompt.max_tokens or _DEFAULT_OUTPUT)
        total = completion.completion_tokens
        as_json = values["chat_output_format"] == "json"

        def so_far(generated: int) -> dict[str, Any]:
            return {
                "text": _text(completion, generated, as_json=as_json),
                "num_generated_tokens": generated,
                "current_context_length": used + generated,
            }

        def report(part: float) -> Report | None:
            generated = int(total * part)
            if generated == 0:
                return None
            data = so_far(generated)
            if faults.no_text_in_progress:
                del data["text"]
            elif faults.shrink and _SHRUNK_FROM <= part < _SHRUNK_TO:
                data["text"] = _text(completion, generated // 3, as_json=as_json)
            return Report(generated, data)

        result = {**so_far(total), "model_name": self.label, "max_seq_len": self.model.window, "prompt_length": used}
        if faults.no_prompt_length:
            del result["prompt_length"]
        if any(not image.startswith("data:") for turn in prompt.turns for image in turn.images):
            return Work(_STUCK, lambda _part: None, result)
        return Work(min(max(total / _TOKENS_PER_SECOND, _QUICKEST), _SLOWEST), report, result)


def _fits(prompt: Prompt, model: Model) -> int:
    used = prompt_tokens(prompt)
    wanted = prompt.max_tokens or 0
    if used + wanted > model.window:
        words = (
            f"The context of {used} tokens and max_gen_tokens of {wanted} make {used + wanted} tokens, which exceeds "
            f"the maximum context length of {model.window} tokens. Shorten the context or lower max_gen_tokens."
        )
        raise Invalid([words])
    return used


def _text(completion: Completion, generated: int, *, as_json: bool) -> str | dict[str, str]:
    thinking = tokens.cut(completion.reasoning, generated)
    left = generated - tokens.count(thinking)
    content = tokens.cut(completion.text, left)
    if as_json:
        return {"thinking": thinking, "content": content}
    if not thinking:
        return content
    whole = generated == completion.completion_tokens and completion.finish == "stop"
    # A thought that the limit cuts is never closed.
    return f"<think>{thinking}</think>\n\n{content}" if left or whole else f"<think>{thinking}"
