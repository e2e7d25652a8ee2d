import time
from itertools import pairwise
from types import SimpleNamespace

import httpx
import pytest

from aki_transport.emulator import Emulator
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.interfaces.jobs import Jobs, Work

ENDPOINT = "llama3_8b_chat"
# Long enough that it does not end between two polls.
LONG = "job-seconds=45"


@pytest.fixture(scope="module")
def swift():
    """150 seconds of its jobs pass in one."""
    with Emulator(job_speed=150) as emulator:
        yield emulator


@pytest.fixture
def job(swift):
    swift.reset()
    with httpx.Client(base_url=swift.native_url, timeout=10) as made:
        yield Asker(made)


class Asker:
    """Starts a job and asks for it."""

    def __init__(self, http):
        self.http = http
        self.id = ""
        self.endpoint = ENDPOINT

    def start(self, fault="", endpoint=ENDPOINT, text="Count to 100", **params):
        self.endpoint = endpoint
        body = {"key": "aki-test", "prompt_input": text, "wait_for_result": False, **params}
        answer = self.http.post(f"/call/{endpoint}", json=body, headers={"x-emulator-fault": fault} if fault else {})
        assert answer.status_code == 200, answer.text
        self.id = answer.json().get("job_id")
        return answer.json()

    def ask(self, **params):
        return self.http.post(f"/progress/{self.endpoint}", json={"key": "aki-test", "job_id": self.id, **params})

    def polls(self, pause=0.01):
        """What each poll finds until the job has ended."""
        found = []
        while True:
            found.append(self.ask().json())
            if found[-1]["job_state"] not in ("queued", "processing"):
                return found
            time.sleep(pause)


def texts(polls):
    return [poll["progress"]["progress_data"]["text"] for poll in polls if "progress_data" in poll.get("progress", {})]


def test_a_result_is_the_blocking_answer_and_is_delivered_once(job):
    job.start("fast")
    polled = job.ask().json()["job_result"]
    body = {"key": "aki-test", "prompt_input": "Count to 100"}
    blocking = job.http.post(f"/call/{ENDPOINT}", json=body).json()
    assert polled.keys() == blocking.keys()
    assert (polled["text"], polled["success"]) == (blocking["text"], True)
    again = job.ask().json()
    assert again["job_state"] == "done"
    assert not {"job_result", "progress"} & again.keys()


def test_an_unknown_job_is_a_402(job):
    job.start()
    missing = job.http.post(f"/progress/{ENDPOINT}", json={"key": "aki-test"})
    assert (missing.status_code, missing.json()["error"]) == (402, ["No job_id given"])
    job.id = "nobody#1"
    unknown = job.ask()
    assert unknown.status_code == 402
    assert "nobody#1" in unknown.json()["error"][0]


def test_a_blocking_call_dies_after_a_minute_and_the_job_goes_on(swift, job):
    body = {"key": "aki-test", "prompt_input": "Hi"}
    began = time.perf_counter()
    answer = job.http.post(f"/call/{ENDPOINT}!job-seconds=75", json=body)
    assert time.perf_counter() - began > 0.3
    assert (answer.status_code, answer.json()["message"]) == (503, "Response Timeout")
    assert swift.jobs[-1].state == "processing"
    assert job.http.post(f"/call/{ENDPOINT}!job-seconds=50", json=body).status_code == 200


def test_the_answer_to_a_look_can_get_lost(swift, job):
    job.start("lose-poll=2;fast;queue=1")
    assert job.ask().json()["job_state"] == "queued"
    with pytest.raises(httpx.RemoteProtocolError):
        job.ask()
    assert "job_result" in job.ask().json()
    assert swift.jobs[-1].polls == 3


def test_text_can_get_shorter(job):
    job.start("shrink;" + LONG)
    *before, last = job.polls(0.002)
    grown = [*texts(before), last["job_result"]["text"]]
    assert sum(len(later) < len(earlier) for earlier, later in pairwise(grown)) == 1


def test_an_image_behind_an_address_never_comes_back(job):
    written = '[{"role": "user", "content": [{"image": "https://example.org/x.png"}]}]'
    job.start(endpoint="qwen3.6_35b_chat", text=None, chat_context=written)
    for _ in range(2):
        body = job.ask().json()
        assert body["job_state"] == "processing"
        assert "progress_data" not in body["progress"]
        time.sleep(0.01)


def test_time_has_to_pass():
    with pytest.raises(ValueError, match="job_speed"):
        Emulator(job_speed=0)


def test_progress_follows_the_clock_and_a_job_belongs_to_its_endpoint():
    clock = SimpleNamespace(now=0.0)
    jobs = Jobs(2, lambda: clock.now)
    work = Work(10.0, lambda part: (int(100 * part), {"part": part}), {"text": "all"})
    job = jobs.add("draw", work, Faults())
    found = []
    for clock.now in (0, 1.25, 4, 5):
        state, result = jobs.poll(job)
        found.append((state, job.estimate(), job.part(job.asked), result))
    assert found == [
        ("processing", 10, 0, None),
        ("processing", 7.5, 0.25, None),
        ("processing", 2, 0.8, None),
        ("done", -1, 1, {"text": "all"}),
    ]
    assert (jobs.find(job.id, "draw"), jobs.find(job.id, "edit")) == (job, None)
