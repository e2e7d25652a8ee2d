"""Whatever a job's states say, the pieces given out are the final text, or there is an error of ours."""

import json
import pickle
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aki_transport import JobProgress, errors
from aki_transport.messages import ChatDelta, ChatReply, Usage
from aki_transport.transport import Payload
from aki_transport.wire import native
from tests.subcases import subcases
from tests.transport.asking import KEY, Way, added_up, in_every_chat, in_every_stream, in_every_way, request_for
from tests.transport.native_says import CHAT, JOB, STARTED, Worker, done, refused, result, working

pytestmark = pytest.mark.usefixtures("clock")

more = settings(max_examples=30, deadline=None)
in_both_modes = subcases("stream", [False, True])
words = st.text("ab \n", max_size=8)


def decode(*states: Any, stream: bool = True, **fields: Any) -> list[ChatDelta]:
    """What is made of a job's states, up to the one with which the decoder has what it wants."""
    seen: list[JobProgress] = []
    decoder = native.decoder(
        request_for(CHAT, **fields), {}, on_model=lambda _: None, on_progress=seen.append, stream=stream
    )
    deltas = []
    for state in states:
        data = state if isinstance(state, bytes) else json.dumps(state).encode()
        delta = decoder.feed(Payload("progress", data))
        if delta is not None:
            deltas.append(delta)
        if decoder.finished:
            break
    return [*deltas, decoder.end()]


def follow(*texts: Any, **fields: Any) -> ChatReply:
    """The answer of a job whose looks find these texts, the last one as its result."""
    *before, last = texts
    return added_up(decode(STARTED, *(working(text) for text in before), done(last), **fields))


@more
@given(words, st.lists(st.tuples(st.integers(0, 8), words), max_size=8))
def test_an_end_that_is_taken_back_once_is_never_given_out(text: str, looks: list[tuple[int, str]]) -> None:
    """Between two looks that are right, one goes astray behind a part that is right."""
    text += "c"
    seen, at = [], 0
    for cut, astray in looks:
        at = min(max(at, cut), len(text))
        seen += [text[:at], text[:at] + astray]
    assert follow(*seen, text).text == text


@more
@given(st.lists(words, min_size=1, max_size=6))
@example(["a ", "a ", "a"])
@example([" a", " a", "a"])
@example([" a", " a", "ab"])
@example(["a\n", "a\n", "b"])
def test_any_texts_add_up_to_the_final_one_or_are_an_error(texts: list[str]) -> None:
    try:
        reply = follow(*texts)
    except errors.InvalidResponseError:
        return
    assert reply.text.strip() == texts[-1].strip()


def test_text_is_given_out_once_two_looks_agree() -> None:
    looks = [working(text) for text in ("Hel", "Hello w", "Hello x!", "Hello", "Hello there")]
    deltas = decode(STARTED, *looks, done("Hello there!"))
    assert [delta.text for delta in deltas] == ["Hel", "lo ", "there!", ""]
    assert deltas[0].raw == {"job_id": JOB, "job_state": "processing", "progress": 10.0}


def test_what_was_given_out_twice_cannot_be_taken_back_but_where_nobody_reads_along() -> None:
    states = (STARTED, working("Hello"), working("Hello"))
    with pytest.raises(errors.InvalidResponseError, match=r"took back.*'Hello'"):
        decode(*states, done("Goodbye"))
    assert added_up(decode(*states, working(["odd"]), done("Goodbye"), stream=False)).text == "Goodbye"


@pytest.mark.parametrize(
    "states",
    [
        (done(),),
        (working(), working(None, progress_data={}), working(None, progress_data=None), done()),
        (working(""), working("Hel"), working(), working("Hello"), done()),
        ({**working(), "progress": None}, {**working(), "progress": [1]}, done()),
        (working(state="queued"), working(state="something new"), working(state=7), done()),
        ({"success": True, "job_id": JOB, "job_result": result()},),
        ({"success": True, "job_id": JOB}, done()),
    ],
)
@in_both_modes
def test_each_course_of_a_job_ends_with_its_answer(stream: bool, states: tuple[Any, ...]) -> None:
    reply = added_up(decode(STARTED, *states, stream=stream))
    assert (reply.text, reply.id, reply.model, reply.finish_reason) == ("Hello", JOB, CHAT, "stop")
    assert reply.usage == Usage(input_tokens=5, output_tokens=3, total_tokens=8)
    assert reply.details == {"native_model_name": "Llama-3.1-8B", "total_duration": 1.5, "compute_duration": 1.0}
    raw = reply.raw
    assert (raw["model"], raw["text"], raw["choices"][0]["finish_reason"]) == (CHAT, "Hello", "stop")
    assert (raw["usage"]["prompt_tokens"], raw["num_generated_tokens"], raw["max_seq_len"]) == (5, 3, 8192)


@in_every_way
def test_a_service_that_answers_at_once_is_not_asked_again(way: Way) -> None:
    worker = Worker(start=(result(),))
    assert way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    assert (worker.looks, worker.cancels) == ([], [])


HARMONY = "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>Hello"


@pytest.mark.parametrize("whole", ["<think>Hm</think>\n\nHello", HARMONY])
@more
@given(one=st.integers(0, 90), other=st.integers(0, 90))
def test_reasoning_is_told_apart_wherever_the_text_is_cut(one: int, other: int, whole: str) -> None:
    a, b = sorted((one, other))
    reply = follow(whole[:a], whole[:a], whole[:b], whole[:b], whole)
    assert (reply.text, reply.reasoning) == ("Hello", "Hm")


@more
@given(words, words, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=5))
def test_the_form_of_an_object_grows_in_both_its_fields(thought: str, text: str, cuts: list[tuple[int, int]]) -> None:
    seen = [
        {"thinking": thought[:a], "content": text[:b]}
        for a, b in zip(sorted(a for a, _ in cuts), sorted(b for _, b in cuts), strict=True)
    ]
    reply = follow(*seen, {"thinking": thought, "content": text})
    assert (reply.text, reply.reasoning) == (text, thought)


NEITHER = "neither text nor an object"
FORMS = [
    *((form, NEITHER) for form in ({"content": ["a"]}, {"thinking": 1, "content": "a"}, ["a"], 7, True)),
    (None, "no text"),
    *((form, None) for form in ("", {"content": None}, {"thinking": None, "content": ""})),
]


@pytest.mark.parametrize(("form", "words"), FORMS)
@in_both_modes
def test_a_result_is_empty_only_where_its_text_is(stream: bool, form: Any, words: str | None) -> None:
    if words is None:
        assert added_up(decode(STARTED, done(form), stream=stream)).text == ""
        return
    with pytest.raises(errors.InvalidResponseError, match=words):
        decode(STARTED, done(form), stream=stream)


@in_every_stream
def test_a_stop_word_in_the_answer_to_the_start_ends_the_job_too(stream_way: Way) -> None:
    looks = [working("a END"), working("a END")]
    worker = Worker(done(), start=(looks[0],))
    worker._states.extendleft([looks[1]])
    assert stream_way.ask(worker.client(), request_for(CHAT, stop=("END",))).text == "a "
    assert len(worker.cancels) == 1


@in_both_modes
def test_a_stop_word_in_the_reasoning_stops_nothing(stream: bool) -> None:
    reply = added_up(decode(STARTED, done("<think>END</think>Hello END"), stop=("END",), stream=stream))
    assert (reply.text, reply.reasoning, reply.details["stop_sequence"]) == ("Hello ", "END", "END")


NO_PROMPT = {"prompt_length": None}
COUNTS: list[tuple[dict[str, Any], Any]] = [
    *((counts, (5, 3)) for counts in ({}, NO_PROMPT, {"prompt_length": "5", "current_context_length": 10**400})),
    *(({**NO_PROMPT, "current_context_length": length}, (0, 3)) for length in (None, 1)),
    ({"prompt_length": "many", "current_context_length": "9" * 400}, (0, 3)),
    *(({"num_generated_tokens": count}, None) for count in (None, True, 10**400)),
]


@pytest.mark.parametrize(("counts", "usage"), COUNTS)
def test_usage_from_what_there_is(counts: dict[str, Any], usage: tuple[int, int] | None) -> None:
    found = added_up(decode(STARTED, done(**counts))).usage
    assert (None if found is None else (found.input_tokens, found.output_tokens)) == usage


def test_an_answer_of_as_many_tokens_as_allowed_was_cut() -> None:
    for most, finish in ((None, "stop"), (4, "stop"), (3, "length"), (2, "length")):
        assert follow("Hello", max_tokens=most).finish_reason == finish
        assert follow("Hello", max_tokens=most, stop=("lo",)).finish_reason == "stop"


@in_every_way
def test_progress_is_told_whenever_it_has_changed(way: Way) -> None:
    seen: list[JobProgress] = []
    worker = Worker(
        *[working(state="queued", progress=0, queue_position=2, estimate=1.5, num_workers_online=4)] * 2,
        working("Hel", progress=50),
        working("Hello", progress=50),
        working(progress="odd", queue_position=None, estimate=[], num_workers_online=True),
        done(),
    )
    way.ask(worker.client(on_progress=seen.append), request_for(CHAT))
    assert seen == [
        JobProgress(job_id=JOB, state="queued", percent=0.0, queue_position=2, estimate=1.5, workers=4),
        JobProgress(job_id=JOB, state="processing", percent=50.0, queue_position=0),
        JobProgress(job_id=JOB, state="processing"),
        JobProgress(job_id=JOB, state="done", percent=100.0),
    ]


NOT_FOUND = {"code": "model_not_found", "message": "no"}


# fmt: off
REFUSALS: list[tuple[httpx.Response, type[errors.AKIError], str]] = [
    (refused(401, ["API key not valid"]), errors.AuthenticationError, "API key not valid"),
    (refused(402, ["Client not authorized for this endpoint!"]), errors.PermissionDeniedError, "not authorized"),
    (refused(400, ["top_p too large", "top_k: no"]), errors.BadRequestError, "top_p too large; top_k: no"),
    (refused(400, "Job queue reached max length 1000!"), errors.RateLimitError, "max length 1000"),
    (refused(400, None, message="no words"), errors.BadRequestError, "no words"),
    (httpx.Response(400, text="Job queue reached max length 5!"), errors.RateLimitError, "max length 5"),
    (httpx.Response(402, json={"error": NOT_FOUND}), errors.PermissionDeniedError, "no"),
    (httpx.Response(503, json={"message": "busy"}), errors.ServiceUnavailableError, "busy"),
    (refused(200, ["no"]), errors.APIStatusError, "no"),
    (httpx.Response(200, json={"success": False}), errors.APIStatusError, "no message but"),
    (httpx.Response(200, json={**STARTED, "error": "worker broke"}), errors.JobError, "worker broke"),
    (httpx.Response(200, text="<html>"), errors.InvalidResponseError, "not JSON"),
    (httpx.Response(200, json=[1]), errors.InvalidResponseError, "list"),
    *(
        (httpx.Response(200, json={**STARTED, "job_id": job_id}), errors.InvalidResponseError, "names no job")
        for job_id in (None, "", 7, ["JID1"])
    ),
]
# fmt: on


@pytest.mark.parametrize(("answer", "cls", "words"), REFUSALS)
@in_every_chat
def test_each_refusal_to_start(chat_way: Way, answer: httpx.Response, cls: type[errors.AKIError], words: str) -> None:
    with pytest.raises(cls) as caught:
        chat_way.ask(Worker(start=(answer,)).client(max_retries=0), request_for(CHAT))
    assert type(caught.value) is cls
    assert words in str(caught.value)
    assert caught.value.provider == "AKI.IO"


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (refused(400, f"Job {JOB} lapsed!", job_state="lapsed", progress={"auth_key": KEY}), "lapsed", "lapsed!"),
        (refused(400, f"Job {JOB} lapsed!"), "lapsed", "lapsed!"),
        (refused(404, ["The job was cancelled"]), "canceled", "cancelled"),
        (refused(400, {"message": "job lapsed"}), "lapsed", "lapsed"),
        (refused(200, "Job lapsed", job_state="lapsed"), "lapsed", "Job lapsed"),
        (refused(200, "Job canceled", job_state="canceled"), "canceled", "Job canceled"),
        (refused(402, ["Client has no job with this job_id!"]), "failed", "no job"),
        (refused(404, "Job not found"), "failed", "not found"),
        (refused(400, "Invalid job_id"), "failed", "Invalid"),
        (httpx.Response(200, json=working(state="lapsed")), "lapsed", "lapsed"),
        (httpx.Response(200, json={"success": True, "job_id": JOB, "job_state": "canceled"}), "canceled", "canceled"),
        (httpx.Response(200, json=working(state="cancelled")), "canceled", "canceled"),
        (httpx.Response(200, json={"success": True, "job_id": JOB, "job_state": "done"}), "failed", "lost"),
        (httpx.Response(200, json=done(error=["out of memory"])), "failed", "out of memory"),
        (httpx.Response(200, json={**done(), "error": "out of memory"}), "failed", "out of memory"),
    ],
)
@in_every_way
def test_each_end_of_a_job_without_an_answer(way: Way, answer: httpx.Response, state: str, words: str) -> None:
    worker = Worker(working(), answer)
    with pytest.raises(errors.JobError) as caught:
        way.ask(worker.client(), request_for(CHAT))
    assert (caught.value.state, caught.value.job_id, caught.value.provider) == (state, JOB, "AKI.IO")
    assert words in str(caught.value)
    assert worker.cancels == []


STATE = {name: value for name, value in working("a secret").items() if name != "success"}
OVERFLOW = "The context length 9000 is exceeding the maximum context length 8192"


@in_both_modes
def test_a_worker_s_overflow_is_one(stream: bool) -> None:
    for end in (working() | {"error": OVERFLOW}, done(error=[OVERFLOW]), {**done(), "error": OVERFLOW}):
        with pytest.raises(errors.ContextOverflowError, match="9000"):
            decode(STARTED, working(), end, stream=stream)


OWN = {"progress": working("a secret")["progress"]}


@pytest.mark.parametrize(
    "answer",
    [
        *(refused(status, None, **STATE) for status in (400, 200)),
        refused(400, "Job lapsed!", job_state="lapsed", **OWN),
        *(refused(402, "no", **OWN), refused(500, {"message": "no"}, **OWN)),
        {**working(7), "job_id": None},
        *(working([1]), working("a") | {"error": "no"}, done(7)),
    ],
)
@in_every_way
def test_nothing_of_the_service_s_own_fields_is_shown(way: Way, answer: Any) -> None:
    worker = Worker(answer, done([]))
    with pytest.raises(errors.AKIError) as caught:
        way.ask(worker.client(max_retries=0), request_for(CHAT))
    error = caught.value
    shown = [repr(error), str(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
    if isinstance(error, errors.APIStatusError):
        shown.append(error.response.text)
    for secret in (KEY, "worker#0", "auth_key", "a secret"):
        assert not [each for each in shown if secret in each]
