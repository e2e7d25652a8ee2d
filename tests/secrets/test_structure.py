"""What is asked cannot change how it is asked: one request, its own headers, its own fields, whatever the text is."""

import asyncio
import email.parser
import email.policy
import json
from dataclasses import replace

import pytest

from aki_transport import AKIError, Client, ConfigurationError, Provider, Route
from aki_transport.messages import Message, Tool, ToolCall
from aki_transport.schemas import legal_name
from langchain_aki import AKILLM, AKIImageEditTool, AKIImageGenerationTool, ChatAKI
from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec
from tests.pictures import a_png
from tests.script_server import json_answer
from tests.subcases import subcases
from tests.tools.secrets.evidence import KEY
from tests.tools.secrets.surface import GOOD, MODELS, at
from tests.transport.asking import MODEL, WAYS, request_for

NASTY = (
    '"}],"model":"other","messages":[{"role":"user","content":"',
    "\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
    "0\r\n\r\nPOST /evil HTTP/1.1\r\n\r\n",
    "\0\x01\x7f\u2028\u2029 \ud83c\udf0d".encode("utf-16", "surrogatepass").decode("utf-16"),
    'data: [DONE]\n\nevent: error\ndata: {"error": 1}\n\n',
    "../../evil?key=1&x=2#y %2e%2e%2f",
)
OWN = {"host", "accept", "accept-encoding", "authorization", "content-length", "content-type", "user-agent"}
CALLS = {"openai": "/v1/chat/completions", "anthropic": "/anthropic/v1/messages", "native": "/api/call/"}
each_text = subcases("text", NASTY)


def only_request(server):
    """The one request that was sent, with no headers but its own."""
    (request,) = server.requests
    assert set(request.headers) - {"connection", "x-api-key", "anthropic-version"} <= OWN
    assert request.query == ""
    server.requests.clear()
    return request


@pytest.mark.parametrize("protocol", CALLS)
@each_text
def test_a_prompt_stays_one_text(protocol, text, server):
    server.always = GOOD[protocol](KEY)
    for way in (way for way in WAYS if not way.streamed):
        way.ask(Client(**at(server, protocol)), request_for(MODELS[protocol], text))
        request = only_request(server)
        assert request.path.startswith(CALLS[protocol])
        messages = request.json["chat_context"] if protocol == "native" else request.json["messages"]
        (message,) = json.loads(messages) if isinstance(messages, str) else messages
        content = message["content"]
        assert text in (content if isinstance(content, str) else content[0]["text"])
        assert request.json.get("model", MODEL) == MODEL


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@each_text
def test_names_and_arguments_of_tools_stay_where_they_belong(protocol, text, server):
    server.always = GOOD[protocol](KEY)
    call = Message(role="assistant", tool_calls=(ToolCall(text, text, json.dumps({"a": text})),))
    messages = (*request_for().messages, call, Message(role="tool", content=text, tool_call_id=text))
    tool = Tool(name=text, description=text, parameters={"type": "object", "properties": {text: {}}})
    Client(**at(server, protocol)).chat(replace(request_for(tools=(tool,)), messages=messages))
    body = only_request(server).json
    (sent,) = body["tools"]
    assert sent.get("function", sent)["name"] == legal_name(text)
    assert set(body) <= {"model", "messages", "tools", "max_tokens", "tool_choice"}


OTHER_FIELD = 'Content-Disposition: form-data; name="model"\r\n\r\nother'
FORMS = (
    (NASTY[0], "img_1"),
    (NASTY[1], "img_1"),
    (f"x\r\n------aki\r\n{OTHER_FIELD}\r\n------aki--\r\n", "img_1"),
    ("a hat", 'img_1"; name="model"\r\nX-Evil: 1\r\n\r\nother'),
)


@subcases("form", FORMS)
def test_an_edit_s_words_stay_one_field_of_its_form(form, server):
    prompt, name = form
    picture = {"data": a_png(), "id": name}
    server.always = json_answer({"data": [{"b64_json": "iVBORw0KGgo="}]})
    client = Client(**at(server, "openai"))
    for edit in (client.edit_image, lambda *given: asyncio.run(client.aedit_image(*given))):
        with pytest.raises(AKIError):  # the answer's picture is none
            edit(prompt, picture)
        fields = parts_of(only_request(server))
        assert fields == {"prompt": prompt.encode(), "image": a_png()}


def parts_of(request):
    """The form's fields, read by its boundary."""
    boundary = request.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    assert request.body.count(b"--" + boundary) == 3
    fields = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = email.parser.BytesHeaderParser(policy=email.policy.HTTP).parsebytes(head + b"\r\n\r\n")
        assert set(map(str.lower, headers)) <= {"content-disposition", "content-type"}
        fields[headers["content-disposition"].params["name"]] = data.removesuffix(b"\r\n")
    return fields


CLASSES = (ChatAKI, AKILLM, AKI, AKICompletion, AKIImageGenerationTool, AKIImageEditTool, AKIImageToolSpec)
REFUSED = {
    "key with a line break": {"api_key": f"{KEY}\r\nx-evil: 1"},
    "key with NUL": {"api_key": f"{KEY}\0"},
    "header's value with a line break": {"default_headers": {"x-a": "b\r\nx-evil: 1"}},
    "header's name with a line break": {"default_headers": {"x-a\r\nx-evil": "1"}},
    "header with NUL": {"default_headers": {"x-a": "\0"}},
    "base URL with a line break": {"base_url": "https://aki.io/v1\r\nx-evil: 1"},
    "base URL with NUL": {"base_url": "https://aki.io/\0"},
    "base URL with credentials": {"base_url": f"https://me:{KEY}@aki.io/v1"},
}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@subcases("name", REFUSED)
def test_what_no_request_can_carry_is_refused_by_every_class_before_anything_is_sent(cls, name, no_network):  # noqa: ARG001
    options = {} if "Image" in cls.__name__ else {"model": MODEL}
    with pytest.raises(ConfigurationError, match=r"AKI\.IO: .*(key|default_headers|base_url)") as caught:
        use(cls(**options, **REFUSED[name]))
    assert KEY not in f"{caught.value} {caught.value!r}"


def use(made):
    """Some of them look at what they were given when they are used first."""
    if isinstance(made, AKIImageToolSpec):
        made.generate_image("a cat")
    elif isinstance(made, AKIImageGenerationTool | AKIImageEditTool):
        made.invoke({"prompt": "a cat", "image": "img_1"})
    else:
        (made.invoke if isinstance(made, ChatAKI | AKILLM) else made.complete)("hi")


def test_a_provider_s_own_address_is_looked_at_too():
    with pytest.raises(ConfigurationError, match="base_url"):
        Client(Provider(name="mine", routes=(Route(protocol="openai", base_url="https://x.example/\r\nx: 1"),)))
