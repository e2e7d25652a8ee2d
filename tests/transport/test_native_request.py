"""What is sent in the native protocol: all that was asked for, and nothing else."""

import json
from typing import Any

import pytest

from aki_transport import ConfigurationError
from aki_transport.messages import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    RawBlock,
    ReasoningBlock,
    Text,
    ToolCall,
)
from aki_transport.wire import native
from tests.transport.asking import KEY, in_every_chat, in_every_way, request_for
from tests.transport.native_says import CHAT, ENDPOINT, JOB, Worker, done, working

pytestmark = pytest.mark.usefixtures("clock")

DATA = "data:image/png;base64,iVBORw0="


def body_of(*messages: Message, **fields: Any) -> dict[str, Any]:
    request = ChatRequest(model=CHAT, messages=messages or (Message(role="user", content="hi"),), **fields)
    return json.loads(json.dumps(native.chat(request, stream=False).body))


def context_of(*messages: Message) -> list[dict[str, Any]]:
    context = body_of(*messages)["chat_context"]
    assert isinstance(context, str)
    return json.loads(context)


def user(*parts: Part) -> Message:
    return Message(role="user", content=parts)


@in_every_way
def test_a_bare_request(way):
    worker = Worker(working(), done())
    assert way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    (started,) = worker.starts
    assert json.loads(started.pop("chat_context")) == [{"role": "user", "content": "hi"}]
    assert started == {"wait_for_result": False, "key": KEY}
    assert worker.looks == [{"job_id": JOB, "key": KEY}] * 2
    assert worker.paths == [f"/api/call/{ENDPOINT}", *[f"/api/progress/{ENDPOINT}"] * 2]
    assert worker.listings == []
    assert not any(KEY in str(request.url) or KEY in str(request.headers) for request in worker.requests)


def test_what_is_asked_for_is_sent_under_the_service_s_names():
    fields = {"temperature": 0, "top_p": 0.0, "top_k": 0}
    asked = body_of(**fields, max_tokens=7, stop=("END",), extra_body={"min_p": 0.1, "wait_for_result": True})
    asked.pop("chat_context")
    assert asked == {**fields, "max_gen_tokens": 7, "min_p": 0.1, "wait_for_result": False}


def test_a_raw_prompt_goes_as_it_is():
    asked = body_of(Message(role="user", content="Once \u00fcpon a time\n "), raw_prompt=True)
    assert asked == {"text_context": "Once \u00fcpon a time\n ", "wait_for_result": False}
    assert body_of(user(Text("Once"), Text("upon")), raw_prompt=True)["text_context"] == "Once\nupon"
    with pytest.raises(ConfigurationError, match="raw prompt"):
        body_of(user(Text("Once"), Image(url=DATA)), raw_prompt=True)


def test_the_conversation_is_text_in_json():
    blocks = (ReasoningBlock(text="Hm", signature="s"),)
    thoughtful = Message(role="assistant", content="b", reasoning="Hm", reasoning_blocks=blocks)
    system = Message(role="system", content="Be brief.")
    sent = context_of(system, user(Text("a"), Text("\u00e4")), thoughtful, user(Text("")))
    expected = [("system", "Be brief."), ("user", "a\n\u00e4"), ("assistant", "b"), ("user", "")]
    assert sent == [{"role": role, "content": content} for role, content in expected]


def test_pictures_go_as_data():
    found = context_of(user(Text("see:"), Image(base64="iVBORw0="), Image(url=DATA)))
    assert found == [{"role": "user", "content": [{"type": "text", "text": "see:"}, {"image": DATA}, {"image": DATA}]}]
    page = File(text="A page.")
    assert context_of(user(Text("see:"), page)) == [{"role": "user", "content": "see:\nA page."}]
    both = [{"type": "text", "text": "A page."}, {"image": DATA}]
    assert context_of(user(page, Image(url=DATA))) == [{"role": "user", "content": both}]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (user(Image(url="https://a.example/b.png")), "as data"),
        (user(Text("a"), File(base64="JVBERi0=")), "no file"),
        (user(Audio(base64="UklGRg==", format="wav")), "no audio"),
        (user(RawBlock({"type": "video_url"}, "openai")), "protocol='native' cannot say it"),
        (Message(role="assistant", tool_calls=(ToolCall("1", "add", "{}"),)), "no tools"),
        (Message(role="tool", content="1", tool_call_id="1"), "no tools"),
    ],
)
@in_every_chat
def test_what_it_has_no_words_for_is_refused_before_a_job_is_started(chat_way, message, words):
    worker = Worker(done())
    with pytest.raises(ConfigurationError, match=words):
        chat_way.ask(worker.client(), ChatRequest(model=CHAT, messages=(message,)))
    assert worker.starts == []
