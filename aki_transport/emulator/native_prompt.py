"""The values of a native chat request read into a prompt, or refused."""

from collections.abc import Mapping
from typing import Any

from aki_transport.emulator.models import Model
from aki_transport.emulator.native_errors import Invalid
from aki_transport.emulator.prompt import Prompt, Role, Turn

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def read_prompt(values: Mapping[str, Any], model: Model) -> Prompt:
    """The prompt of a request to this model.

    Raises:
        Invalid: There is none, or the model cannot read it.
    """
    turns = _turns(values)
    if not model.sees and any(turn.images for turn in turns):
        raise Invalid([f"The model {model.id} has no image input; send text only."])
    # The interface has no parameter that steers how long a model thinks.
    return Prompt(turns=turns, effort="medium" if model.reasons else "none", max_tokens=values["max_gen_tokens"])


def _turns(values: Mapping[str, Any]) -> tuple[Turn, ...]:
    if values["text_context"]:
        return (Turn("user", values["text_context"]),)
    context = values["chat_context"] or []
    if not isinstance(context, list):
        raise Invalid([f"chat_context is a list of messages, not {type(context).__name__}."])
    turns = tuple(_turn(message) for message in context)
    if values["prompt_input"]:
        turns += (Turn("user", values["prompt_input"]),)
    if not turns:
        raise Invalid(["Missing required argument: one of chat_context, text_context and prompt_input"])
    return turns


def _turn(message: Any) -> Turn:
    match message:
        case {"role": str(role), "content": content} if role in _ROLES:
            text, images = _content(content)
            return Turn(_ROLES[role], text, images)
        case {"role": role} if role not in _ROLES:
            raise Invalid([f"chat_context: no role {role!r}; there are system, user and assistant."])
        case _:
            raise Invalid(["chat_context: each message is an object with role and content."])


def _content(value: Any) -> tuple[str, tuple[str, ...]]:
    if isinstance(value, str):
        return value, ()
    if not isinstance(value, list):
        raise Invalid(["chat_context: content is a string or a list of parts."])
    texts: list[str] = []
    images: list[str] = []
    for part in value:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"image": str(url)}:
                images.append(url)
            case _:
                raise Invalid(['chat_context: a part is {"type": "text", "text": …} or {"image": "data:…"}.'])
    return "\n".join(texts), tuple(images)
