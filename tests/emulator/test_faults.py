"""Faults on demand. What our clients make of them stands in tests/behaviour; what Anthropic's, in test_anthropic."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest


def post(http, fault, *, stream=False):
    body = {"model": "llama3-chat-8b", "messages": [{"role": "user", "content": "Count to 9"}], "stream": stream}
    return http.post("/v1/chat/completions", json=body, headers={"x-emulator-fault": fault})


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stream_is_dropped_after_so_many_chunks(http, after):
    body = {"model": "llama3-chat-8b", "messages": [{"role": "user", "content": "Count to 9"}], "stream": True}
    headers, chunks = {"x-emulator-fault": f"drop={after}"}, []
    with (
        http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        chunks.extend(line for line in answer.iter_lines() if line)
    assert len(chunks) == after


def test_a_status_comes_with_an_error_of_the_services_and_a_header_as_given(http):
    for status in (400, 404, 408, 429, 500, 502, 504, 529):
        answer = post(http, f"status={status};retry-after=soon", stream=status % 2 == 0)
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "soon")
        assert answer.json().keys() == ({"error"} if status < 500 else {"description", "status", "message"})


def test_a_fault_with_times_ends_and_a_reset_or_a_tag_gives_it_another_count(emu, http):
    fault = "status=503; times=2"
    assert [post(http, fault).status_code for _ in range(4)] == [503, 503, 200, 200]
    emu.reset()
    assert post(http, fault).status_code == 503
    answers = [post(http, f"status=503;times=1;tag={tag}").status_code for tag in ("a", "b", "a", "b")]
    assert answers == [503, 503, 200, 200]


@pytest.mark.parametrize("fault", ["droop=1", "drop=few", "drop"])
def test_a_fault_that_is_none_is_refused_by_name(http, fault):
    answer = post(http, fault)
    assert answer.status_code == 400
    assert fault.partition("=")[0] in answer.json()["message"]


def test_faults_of_one_connection_leave_others_alone(http):
    def outcome(fault):
        try:
            return post(http, fault).status_code
        except httpx.HTTPError:
            return 0

    with ThreadPoolExecutor(16) as pool:
        assert (
            list(pool.map(outcome, ["reset", "", "drop=0", "", "status=503", ""] * 8)) == [0, 200, 0, 200, 503, 200] * 8
        )
