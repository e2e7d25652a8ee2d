"""AKI.IO's own client, as the witness that the native interface is what it expects."""

import base64
import json
from itertools import pairwise

import aiohttp
import aki_io
import pytest

from aki_transport.emulator.pictures import draw
from tests.emulator.looking import opened, share

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Count to 30"}]
COUNTED = ", ".join(map(str, range(1, 31))) + "."
PAUSE = 0.02


@pytest.fixture
def client(emu):
    def make(endpoint="llama3_8b_chat", key=None, **options):
        return aki_io.Aki(endpoint, key or emu.key, api_server=emu.url, **options)

    return make


@pytest.fixture
async def session():
    # The client opens one for each call and closes none.
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture(autouse=True)
def version(monkeypatch):
    # The client reads it from a setup.py that the published package does not have.
    monkeypatch.setattr(aki_io.Aki, "_Aki__package_version", "Python AKI.IO Client 1.0.5")


class Progress:
    def __init__(self):
        self.infos, self.texts = [], []

    def __call__(self, info, data):
        self.infos.append(info)
        self.texts += [data["text"]] if data else []

    async def acall(self, info, data):
        self(info, data)


def grows(texts):
    return all(later.startswith(earlier) for earlier, later in pairwise(texts))


async def test_a_blocking_call_with_a_context_as_the_client_sends_it(emu, client, session):
    result = client().do_api_request({"chat_context": CHAT})
    assert (result["success"], result["text"]) == (True, COUNTED)
    assert result["model_name"] == "Llama-3.1-8B-Instruct"
    assert json.loads(emu.requests[-1].body["chat_context"]) == CHAT
    result = await client().do_api_request_async({"chat_context": CHAT}, session=session)
    assert result["text"] == COUNTED


async def test_progress_callbacks(emu, client, session):
    progress, results = Progress(), []
    aki = client("llama3_8b_chat!queue=2;job-seconds=0.3")
    assert aki.do_api_request({"chat_context": CHAT}, progress, PAUSE)["text"] == COUNTED
    assert [info["queue_position"] for info in progress.infos[:4]] == [-1, 2, 1, 0]
    assert progress.texts
    assert grows([*progress.texts, COUNTED])
    assert [job.state for job in emu.jobs] == ["done"]

    async def keep(result):
        results.append(result)

    progress, aki = Progress(), client("llama3_8b_chat!job-seconds=0.2")
    result = await aki.do_api_request_async({"chat_context": CHAT}, keep, progress.acall, PAUSE, session)
    assert (result["text"], results) == (COUNTED, [result])
    assert grows([*progress.texts, COUNTED])


async def test_an_async_generator(client, session):
    aki = client("qwen3.6_35b_chat!queue=1;job-seconds=0.2")
    outputs = [output async for output in aki.get_api_request_generator({"chat_context": CHAT}, PAUSE, session)]
    states = [output["job_state"] for output in outputs]
    assert (states[:3], states[-1]) == (["started", "queued", "processing"], "done")
    texts = [output["progress_data"]["text"] for output in outputs if output.get("progress_data")]
    final = outputs[-1]["result_data"]
    assert grows([*texts, final["text"]])
    assert final["text"].startswith("<think>")
    assert final["num_generated_tokens"] > 0


def test_the_endpoints_and_their_details(client):
    names = client().get_endpoint_list()
    assert {"llama3_8b_chat", "z_image_turbo"} <= set(names)
    for name in names:
        assert client().get_endpoint_details(name)["parameter_description"]["input"]["key"] == {"type": "string"}


def test_keys_are_valid_or_not(client):
    assert client(raise_exceptions=True).init_api_key()["success"] is True
    assert client(key="wrong").init_api_key()["success"] is False
    result = client(key="wrong").do_api_request({"prompt_input": "Hi"})
    assert (result["success"], result["error_code"], result["error"]) == (False, 401, "API key not valid")
    strict = client(key="wrong", raise_exceptions=True)
    for call in (strict.init_api_key, lambda: strict.do_api_request({"prompt_input": "Hi"})):
        with pytest.raises(PermissionError, match="not valid"):
            call()


def test_what_goes_wrong_is_told_in_the_result_or_raised(client):
    result = client().do_api_request({"prompt_input": "Hi", "stop": "x", "seed": 1})
    assert result["error"] == "Invalid parameter: stop;Invalid parameter: seed"
    result = client("llama3_8b_chat!job-fail").do_api_request({"prompt_input": "Hi"}, Progress(), PAUSE)
    assert result["success"] is True
    assert result["error"]
    # Without exceptions the client asks for a lapsed job for ever: the answer has a progress.
    for fault, error in (("queue-full", "Job queue reached max length 1000!"), ("lapse", "lapsed")):
        aki = client(f"llama3_8b_chat!{fault}", raise_exceptions=True)
        with pytest.raises(ValueError, match=error):
            aki.do_api_request({"prompt_input": "Hi"}, Progress(), PAUSE)


def test_it_draws_edits_and_sees_the_steps(client):
    seen, size = [], {"width": 256, "height": 256}
    drawn = client("z_image_turbo!job-seconds=0.3").do_api_request(
        {"prompt": "a red circle", "seed": 5, **size}, lambda info, _: seen.append(info["progress"]), PAUSE
    )
    assert drawn["seed"] == 5
    assert seen == sorted(seen)
    assert max(seen) <= 100
    first = drawn["images"][0]
    data = first if isinstance(first, bytes) else base64.b64decode(first.partition(",")[2])
    assert share(opened(data), "red") > 0.05
    url = f"data:image/png;base64,{base64.b64encode(draw('a red circle', 256, 256, 0)).decode()}"
    edited = client("qwen_image_edit").do_api_request({"prompt": "make the circle green", "image": url})
    assert edited["success"]
    assert len(edited["images"]) == 1
