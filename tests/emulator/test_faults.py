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
