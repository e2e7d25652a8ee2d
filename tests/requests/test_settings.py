"""What both frameworks send of a model's and a call's settings: nothing that was not asked for, and zeros too."""

from typing import Any

import pytest

from tests.requests.frameworks import FRAMEWORKS, ask
from tests.script_server import ScriptServer

# The scripted server answers with the same model, whichever is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")

each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ZEROS: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 0.0,
    "top_k": 0,
    "max_tokens": 1,
    "stop": ["x"],
    "seed": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "reasoning_effort": "none",
}


@each_framework
def test_a_setting_is_sent_where_given_also_if_it_is_nothing(body: Any, framework: Any):
    assert body(framework, "openai", ["hi"]) == HI
    for name, value in ZEROS.items():
        assert body(framework, "openai", ["hi"], fields={name: value}) == {**HI, name: value}
        assert body(framework, "openai", ["hi"], **{name: value}) == {**HI, name: value}
    nothing = {name: [] if name == "stop" else None for name in ZEROS}
    assert body(framework, "openai", ["hi"], fields=ZEROS, **nothing) == HI


@each_framework
def test_a_bound_of_ours_is_sent_where_the_service_has_one(server: ScriptServer, framework: Any):
    fields = {"model": "Qwen/Qwen3.6-35B", "base_url": server.openai_url}
    ask(framework(server, provider="aki", **fields), "blocking", ["hi"])
    assert server.requests[0].json == {**HI, "model": "qwen3.6-35b", "max_tokens": 8192}
    ask(framework(server, provider="aacflow", **{**fields, "model": "m"}), "blocking", ["hi"])
    assert server.requests[1].json == HI


@each_framework
def test_a_call_wins_over_the_model_and_bodies_are_joined(body: Any, framework: Any):
    fields = {"temperature": 1.0, "stop": ["a"], "extra_body": {"x": 1, "y": 1}}
    sent = body(framework, "openai", ["hi"], fields=fields, temperature=0.0, stop="b", extra_body={"y": 2, "z": 2})
    assert sent == {**HI, "temperature": 0.0, "stop": ["b"], "x": 1, "y": 2, "z": 2}
    assert body(framework, "openai", ["hi"], fields={"stop": "a"}) == {**HI, "stop": ["a"]}
