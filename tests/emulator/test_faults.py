from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

MESSAGES = [{"role": "user", "content": "Count to 9"}]


def post(http, fault, *, stream=False, model="llama3-chat-8b", **options):
    body = {"model": model, "messages": MESSAGES, "stream": stream, **options}
    return http.post("/v1/chat/completions", json=body, headers={"x-emulator-fault": fault})


def read(http, fault, **options):
    """What arrives of a stream, and how it ends."""
    body = {"model": "llama3-chat-8b", "messages": MESSAGES, "stream": True, **options}
    chunks: list[str] = []
    with http.stream("POST", "/v1/chat/completions", json=body, headers={"x-emulator-fault": fault}) as answer:
        try:
            chunks.extend(line for line in answer.iter_lines() if line)
        except httpx.HTTPError as error:
            return chunks, error
    return chunks, None


@pytest.mark.parametrize("fault", ["first-byte=30", "hang"])
def test_a_client_can_give_up_on_an_answer(http, fault):
    body = {"model": "llama3-chat-8b", "messages": MESSAGES}
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json=body, headers={"x-emulator-fault": fault}, timeout=0.05)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stream_is_dropped_after_so_many_chunks(http, after):
    chunks, error = read(http, f"drop={after}")
    assert len(chunks) == after
    assert isinstance(error, httpx.RemoteProtocolError)


def test_a_body_is_dropped_in_its_middle(http):
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        post(http, "drop=0")


@pytest.mark.parametrize("stream", [False, True])
def test_a_reset_leaves_no_byte(http, stream):
    with pytest.raises(httpx.ReadError):
        post(http, "reset", stream=stream)


def test_a_status_comes_with_an_error_of_the_services(http):
    for status in (400, 403, 404, 408, 429, 500, 502, 503, 504, 529):
        for stream in (False, True):
            answer = post(http, f"status={status}", stream=stream)
            assert answer.status_code == status
            assert answer.json().keys() == ({"error"} if status < 500 else {"description", "status", "message"})


def test_a_fault_with_times_ends_and_a_reset_or_a_tag_gives_it_another_count(emu, http):
    fault = "status=503; times=2"
    assert [post(http, fault).status_code for _ in range(4)] == [503, 503, 200, 200]
    emu.reset()
    assert post(http, fault).status_code == 503
    answers = [post(http, f"status=503;times=1;tag={tag}").status_code for tag in ("a", "b", "a", "b")]
    assert answers == [503, 503, 200, 200]


@pytest.mark.parametrize("value", ["2", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"])
def test_retry_after_is_sent_as_given(http, value):
    assert post(http, f"status=429;retry-after={value}").headers["retry-after"] == value


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_page_of_html_comes_with_any_status(http, status):
    assert post(http, "credits").json()["error"]["code"] == "insufficient_credits"
    answer = post(http, f"html={status}")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")


def test_an_error_ends_the_stream_as_an_object_or_an_event(http):
    chunks, error = read(http, "stream-error=2")
    assert error is None
    assert len(chunks) == 3
    assert chunks[-1].startswith('data: {"error"')
    chunks, _ = read(http, "event-error=1")
    assert chunks[1] == "event: error"
    assert chunks[2].startswith('data: {"error"')
    assert len(chunks) == 3


def test_an_empty_answer_looks_like_a_lost_worker(http):
    answer = post(http, "empty", model="qwen3.6-35b").json()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": ""}
    assert answer["usage"]["completion_tokens"] == 0
    chunks, _ = read(http, "empty", model="qwen3.6-35b")
    assert len(chunks) == 3


def test_an_answer_can_lack_its_terminator_or_its_finish_reason(http):
    assert "[DONE]" not in "".join(read(http, "no-done")[0])
    assert '"finish_reason":"stop"' not in "".join(read(http, "no-finish")[0])
    assert post(http, "no-finish").json()["choices"][0]["finish_reason"] is None


def test_a_fault_can_stand_in_the_model_name(http):
    assert post(http, "", model="qwen3.6-35b!status=503").status_code == 503
    assert post(http, "", model="qwen3.6-35b!no-finish").json()["model"] == "qwen3.6-35b"


@pytest.mark.parametrize("fault", ["droop=1", "drop=few", "drop"])
def test_a_fault_that_is_none_is_refused_by_name(http, fault):
    answer = post(http, fault)
    assert answer.status_code == 400
    assert fault.partition("=")[0] in answer.json()["message"]


def test_faults_of_one_connection_leave_others_alone(http):
    faults = ["reset", "", "drop=0", "", "status=503", ""] * 8

    def outcome(fault):
        try:
            return post(http, fault).status_code
        except httpx.HTTPError:
            return 0

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(outcome, faults)) == [0, 200, 0, 200, 503, 200] * 8
