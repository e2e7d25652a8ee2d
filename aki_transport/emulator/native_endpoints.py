"""The endpoints of the native interface, a row for each model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aki_transport.emulator import native_chat, native_images
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.job import WORKERS, Work
from aki_transport.emulator.models import MODELS
from aki_transport.emulator.native_errors import VERSION
from aki_transport.emulator.native_parameters import COMMON, Parameter

MAX_QUEUE = 1000
_MAX_SECONDS_IN_QUEUE = 3600
_SLOTS = 128

Kind = Literal["chat", "image"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint.

    Args:
        name: Its name in paths.
        kind: What it makes.
        label: The display name of the model behind it.
        parameters: What it takes, besides what every endpoint takes.
        outputs: The fields of its results and their types.
        progress: The same of what its workers report before.
        work: Makes a job of the parameters' values, or raises `Refusal`; without it the endpoint is disabled.
    """

    name: str
    kind: Kind
    label: str
    parameters: tuple[Parameter, ...]
    outputs: Mapping[str, str]
    progress: Mapping[str, str]
    work: Callable[[Mapping[str, Any], Faults], Work] | None = None

    def details(self) -> dict[str, Any]:
        """What the interface tells of it."""
        model = {"label": self.label, "type": "LLM" if self.kind == "chat" else "Image", "repo_name": self.label}
        return {
            "success": True,
            "name": self.name,
            "title": self.label,
            "description": f"{self.label} on the local emulator",
            "http_methods": ["POST"],
            "version": VERSION,
            "max_queue_length": MAX_QUEUE,
            "max_time_in_queue": _MAX_SECONDS_IN_QUEUE,
            "free_queue_slots": MAX_QUEUE,
            "category": self.kind,
            "num_active_workers": WORKERS,
            "num_workers": WORKERS,
            "workers": [
                {
                    "name": worker_name(number),
                    "state": "waiting",
                    "max_batch_size": _SLOTS,
                    "free_slots": _SLOTS,
                    "model": model,
                }
                for number in range(WORKERS)
            ],
            "parameter_description": {
                "input": {each.name: each.described() for each in (*self.parameters, *COMMON)},
                "output": {name: {"type": kind} for name, kind in self.outputs.items()},
                "progress": {"OUTPUTS": {name: {"type": kind} for name, kind in self.progress.items()}},
            },
        }


def worker_name(number: int) -> str:
    """What a worker calls itself."""
    return f"emulator#{number}_1xLaptop"


# The endpoint of each chat model, and the name its answers give the model. The first three are AKI.IO's own; the others
# are invented, of the parts of one of the model's IDs: no page of AKI.IO's names them.
_CHAT: Mapping[str, tuple[str, str]] = {
    "llama3-chat-8b": ("llama3_8b_chat", "Llama-3.1-8B-Instruct"),
    "apertus-chat-70b": ("apertus_chat", "Apertus-70B-Instruct-2509"),
    "gpt-oss-120b": ("gpt_oss_chat", "gpt-oss-120b"),
    "llama3-chat-70b": ("llama3_70b_chat", "Llama-3.3-70B-Instruct"),
    "gemma4-26b": ("gemma4_26b_chat", "gemma-4-26B-it"),
    "minimax-m2.5-230b": ("minimax_230b_m2.5", "MiniMax-M2.5"),
    "ministral3-14b": ("ministral3_14b", "Ministral-3-14B-Instruct"),
    "qwen3.6-35b": ("qwen3.6_35b_chat", "Qwen3.6-35B"),
    "kimi-k2.7-code-1100b": ("kimi_k2.7_1100b_code", "Kimi-K2.7-Code"),
}

ENDPOINTS: Mapping[str, Endpoint] = {
    row.name: row
    for row in (
        *(
            Endpoint(
                name,
                "chat",
                label,
                native_chat.parameters(model),
                native_chat.OUTPUTS,
                native_chat.PROGRESS,
                native_chat.Chat(model, label),
            )
            for model in MODELS
            for name, label in (_CHAT[model.id],)
        ),
        *(
            Endpoint(name, "image", label, parameters, native_images.OUTPUTS, native_images.PROGRESS, work)
            for name, label, parameters, work in (
                ("z_image_turbo", "Z-Image-Turbo", native_images.DRAW, native_images.drawn),
                ("qwen_image_edit", "Qwen-Image-Edit", native_images.EDIT, native_images.edited),
            )
        ),
    )
}
