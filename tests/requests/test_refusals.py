"""Forms of requests that services refuse, and the other form in which they are sent, in both frameworks.

`transport/test_adaptations.py` has every wording, and what is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from llama_index.core.base.llms.types import ChatMessage

from tests.requests.frameworks import FRAMEWORKS, WAYS, answer, ask, chat_aki
from tests.script_server import json_answer
from tests.subcases import subcases

pytestmark = [
    pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning"),  # the server has one answer
    pytest.mark.usefixtures("one_loop"),
]


def in_turns(roles: str, framework: Any, **fields: Any) -> list[Any]:
    """A conversation by the first letters of its roles."""
    if framework is chat_aki:
        classes: dict[str, Any] = {"s": SystemMessage, "u": HumanMessage, "a": AIMessage}
        return [classes[role](f"text {at}", **fields) for at, role in enumerate(roles)]
    names = {"s": "system", "u": "user", "a": "assistant"}
    return [ChatMessage(f"text {at}", role=names[role], additional_kwargs=fields) for at, role in enumerate(roles)]


def roles_alternate(body: dict[str, Any]) -> bool:
    roles = [message["role"] for message in body["messages"]]
    spoken = roles[roles[0] == "system" :]
    return "system" not in spoken and all(one != other for one, other in pairwise(spoken))


# A name of what is sent; the conversation, fields of its messages and of the model; what is refused, with its error.
REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any], Callable[[dict[str, Any]], bool], str]] = {
    "system message not first": (
        "uasu", {}, {}, lambda body: not roles_alternate(body), "System message must be at the beginning."
    ),
    "two system messages": (
        "ssu", {}, {}, lambda body: not roles_alternate(body), "System role only supported as the first message"
    ),
    "users in a row": (
        "uu", {}, {}, lambda body: not roles_alternate(body), "Conversation roles must alternate user/assistant/..."
    ),
    "name": (
        "u", {"name": "ann"}, {}, lambda body: "name" in body["messages"][0], "property 'name' is not allowed"
    ),
    "max_tokens": (
        "u", {}, {"max_tokens": 9}, lambda body: "max_tokens" in body,
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@subcases("way", WAYS)
@subcases("framework", FRAMEWORKS)
def test_a_form_that_a_service_refuses_is_sent_in_another_one(name: str, way: str, framework: Any, server) -> None:
    roles, message_fields, fields, is_refused, words = REFUSED[name]
    refusal = json_answer({"error": {"message": words}}, 400)
    server.always = lambda request: refusal if is_refused(request.json) else answer(request)
    assert ask(framework(server, **fields), way, in_turns(roles, framework, **message_fields))
    first, second = server.requests
    texts = " ".join(message["content"] for message in second.json["messages"])
    assert [texts.count(f"text {at}") for at in range(len(roles))] == [1] * len(roles)
    assert second.json.get("max_completion_tokens") == fields.get("max_tokens")
    assert is_refused(first.json)
