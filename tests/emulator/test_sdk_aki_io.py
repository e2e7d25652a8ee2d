"""AKI.IO's own client, as the witness that the native interface is what it expects."""

import json
from itertools import pairwise

import aiohttp
import aki_io
import pytest

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


class Heard:
    """Keeps what a progress callback is told."""

    def __init__(self):
        self.infos = []
        self.texts = []

    def __call__(self, info, data):
        self.infos.append(info)
        if data:
            self.texts.append(data["text"])

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


def test_a_progress_callback(emu, client):
    heard = Heard()
    aki = client("llama3_8b_chat!queue=2;job-seconds=1")
    result = aki.do_api_request({"chat_context": CHAT}, heard, PAUSE)
    assert result["text"] == COUNTED
    assert [info["queue_position"] for info in heard.infos[:4]] == [-1, 2, 1, 0]
    assert heard.texts
    assert grows([*heard.texts, COUNTED])
    assert [job.state for job in emu.jobs] == ["done"]


async def test_async_callbacks(client, session):
    heard, results = Heard(), []

    async def keep(result):
        results.append(result)

    aki = client("llama3_8b_chat!job-seconds=0.2")
    result = await aki.do_api_request_async({"chat_context": CHAT}, keep, heard.acall, PAUSE, session)
    assert result["text"] == COUNTED
    assert results == [result]
    assert grows([*heard.texts, COUNTED])


async def test_an_async_generator(client, session):
    aki = client("qwen3.6_35b_chat!queue=1;job-seconds=0.2")
    outputs = [output async for output in aki.get_api_request_generator({"chat_context": CHAT}, PAUSE, session)]
    states = [output["job_state"] for output in outputs]
    assert states[:3] == ["started", "queued", "processing"]
    assert states[-1] == "done"
    texts = [output["progress_data"]["text"] for output in outputs if output.get("progress_data")]
    final = outputs[-1]["result_data"]
    assert grows([*texts, final["text"]])
    assert final["text"].startswith("<think>")
    assert final["num_generated_tokens"] > 0


def test_the_endpoints_and_their_details(client):
    aki = client()
    names = aki.get_endpoint_list()
    assert {"llama3_8b_chat", "z_image_turbo"} <= set(names)
    for name in names:
        assert aki.get_endpoint_details(name)["parameter_description"]["input"]["key"] == {"type": "string"}


def test_keys_are_valid_or_not(client):
    assert client(raise_exceptions=True).init_api_key()["success"] is True
    assert client(key="wrong").init_api_key()["success"] is False
    with pytest.raises(PermissionError, match="not valid"):
        client(key="wrong", raise_exceptions=True).init_api_key()
    result = client(key="wrong").do_api_request({"prompt_input": "Hi"})
    assert (result["success"], result["error_code"], result["error"]) == (False, 401, "API key not valid")
    with pytest.raises(PermissionError):
        client(key="wrong", raise_exceptions=True).do_api_request({"prompt_input": "Hi"})


def test_unknown_parameters_and_a_workers_failure_are_told_in_the_result(client):
    result = client().do_api_request({"prompt_input": "Hi", "stop": "x", "seed": 1})
    assert result["error"] == "Invalid parameter: stop;Invalid parameter: seed"
    result = client("llama3_8b_chat!job-fail").do_api_request({"prompt_input": "Hi"}, Heard(), PAUSE)
    assert result["success"] is True
    assert result["error"]


# Without exceptions the client asks for a lapsed job for ever: the answer has a progress.
@pytest.mark.parametrize(
    ("fault", "error"), [("queue-full", "Job queue reached max length 1000!"), ("lapse", "lapsed")]
)
def test_a_full_queue_and_a_lapsed_job_are_errors(client, fault, error):
    with pytest.raises(ValueError, match=error):
        client(f"llama3_8b_chat!{fault}", raise_exceptions=True).do_api_request({"prompt_input": "Hi"}, Heard(), PAUSE)


def test_a_client_cancels(emu, client):
    aki = client("llama3_8b_chat!job-seconds=30")

    def stop(_info, data):
        if data:
            aki.cancel_request()

    result = aki.do_api_request({"prompt_input": "Count to 1000"}, stop, PAUSE)
    assert result["job_state"] == "canceled"
    assert [job.cancelled for job in emu.jobs] == [True]
