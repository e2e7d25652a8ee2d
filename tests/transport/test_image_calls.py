"""Pictures asked for over both protocols: what is sent, what comes back, what is billed, and what it costs."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

import aki_transport.errors as ours
from aki_transport import Client, GeneratedImage, JobProgress
from aki_transport.emulator import Emulator, RecordedRequest
from aki_transport.images.progress import ProgressBar
from aki_transport.images.request import ImageRequest
from aki_transport.transport import Payload, polling
from aki_transport.wire import find_image_wire
from tests.pictures import a_png
from tests.script_server import Answer, json_answer
from tests.subcases import subcases
from tests.transport.asking import KEY, run

PROTOCOLS = ("openai", "native")
STARTS = {
    "openai": ("/images/generations", "/images/edits"),
    "native": ("/call/z_image_turbo", "/call/qwen_image_edit"),
}
SMALL = "128x128"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """100 seconds of its jobs pass in one."""
    with Emulator(job_speed=100) as emulator, pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "pause", lambda *_, **__: 0.01)
        yield emulator


@pytest.fixture
def emu(fresh_emulator):
    return fresh_emulator


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


def draw_now(
    client: Client, prompt: str = "a red circle", images: Any = None, *, is_async: bool = False, **options: Any
) -> list[GeneratedImage]:
    """Ask for pictures, or for changes of those that are passed."""
    name, sources = ("generate_image", ()) if images is None else ("edit_image", (images,))
    options = {"size": SMALL, **options} if images is None else options
    if is_async:
        return run(getattr(client, f"a{name}")(prompt, *sources, **options))
    return getattr(client, name)(prompt, *sources, **options)


@pytest.fixture
def draw(is_async: bool) -> Callable[..., list[GeneratedImage]]:
    return partial(draw_now, is_async=is_async)


def client_on(emu: Emulator, protocol: str, fault: str = "", **fields: Any) -> Client:
    headers = {"x-emulator-fault": fault} if fault else None
    url = getattr(emu, f"{protocol}_url")
    return Client(**{"protocol": protocol, "base_url": url, "api_key": emu.key, "default_headers": headers, **fields})


def started(emu: Emulator, protocol: str) -> list[RecordedRequest]:
    return [seen for seen in emu.requests if seen.path.endswith(STARTS[protocol])]


def as_json(seen: RecordedRequest) -> dict[str, Any]:
    """What was asked, without what every native call holds."""
    return {name: value for name, value in seen.body.items() if name not in ("key", "wait_for_result")}


def test_a_picture_is_drawn(emu, protocol, draw):
    (image,) = draw(client_on(emu, protocol))
    assert (image.mime_type, image.width, image.height) == ("image/png", 128, 128)
    assert (image.prompt, image.model) == ("a red circle", "z-image-turbo")
    (call,) = started(emu, protocol)
    said = {"openai": {"model": "z-image-turbo", "size": SMALL}, "native": {"width": 128, "height": 128}}
    assert as_json(call) == {"prompt": "a red circle", **said[protocol]}


def test_a_picture_is_changed(emu, protocol, draw):
    client = client_on(emu, protocol)
    (first,) = draw(client)
    (second,) = draw(client, "make the circle blue", first)
    assert second.data != first.data
    assert (second.width, second.height) == (128, 128)
    assert second.id != first.id
    assert second.model == {"openai": None, "native": "qwen_image_edit"}[protocol]
    call = started(emu, protocol)[-1]
    if protocol == "native":
        assert as_json(call) == {"prompt": "make the circle blue", "image": first.to_data_url()}
    else:
        assert call.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert first.data in call.raw
        assert b'name="model"' not in call.raw


def test_several_pictures_are_made_into_one_on_the_openai_protocol(emu, draw):
    client = client_on(emu, "openai")
    sources = [a_png(128, 128), a_png(160, 128), a_png(128, 160)]
    (made,) = draw(client, "put them side by side", sources, size="256x256", model="qwen-image-edit")
    assert (made.width, made.height) == (256, 256)
    (call,) = started(emu, "openai")
    assert call.raw.count(b'name="image[]"') == 3
    assert all(source in call.raw for source in sources)


@subcases("change", [False, True])
def test_three_pictures_are_made_and_differ(emu, protocol, draw, change):
    made_of = ("make it blue", a_png(128, 128)) if change else ("a red circle",)
    images = draw(client_on(emu, protocol), *made_of, n=3)
    assert len({image.id for image in images}) == 3
    assert len({image.data for image in images}) == 3 or change
    assert len(started(emu, protocol)) == {"openai": 1, "native": 3}[protocol]


@subcases("size", [(256, 256), (512, 512), (200, 333)])
def test_the_size_is_the_real_one_also_where_the_service_rounds(emu, protocol, size):
    (image,) = draw_now(client_on(emu, protocol), "a tree", size=size)
    assert (image.width, image.height) == ((192, 320) if size == (200, 333) and protocol == "native" else size)


def test_what_the_native_protocol_alone_takes_is_sent_and_a_seed_gives_the_same_picture_again(emu):
    client = client_on(emu, "native")
    first, second = draw_now(client, "a blue house", n=2, seed=2**32 - 1)
    (again,) = draw_now(client, "a blue house", seed=0)
    assert first.data != second.data == again.data
    assert (first.seed, second.seed, again.seed) == (2**32 - 1, 0, 0)
    assert draw_now(client, "a blue house", seed=-1)[0].seed >= 0  # one of the service's choice
    draw_now(client, "a house and a tree", steps=5, negative_prompt="tree", extra_body={"seed": 3})
    body = started(emu, "native")[-1].body
    assert (body["steps"], body["negative_prompt"], body["seed"]) == (5, "tree", 3)


def test_fields_of_ones_own_are_sent_in_json_and_in_a_form(emu):
    client = client_on(emu, "openai")
    extra = {"style": "vivid", "transparent": True, "layers": [1, 2], "strength": 0.5}
    draw_now(client, extra_body=extra)
    draw_now(client, "make it blue", a_png(128, 128), extra_body=extra)
    drawn, changed = started(emu, "openai")
    assert {name: drawn.body[name] for name in extra} == extra
    for name, value in (("style", "vivid"), ("transparent", "true"), ("layers", "[1,2]"), ("strength", "0.5")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in changed.raw


@subcases("row", [
    *((name, {"size": "64x64"}, "size='64x64' is out of range; each side must have 128 to 2048") for name in PROTOCOLS),
    ("openai", {"images": "img_3f9c2a"}, "str is not an image"),
    ("openai", {"seed": 7}, "takes no seed for pictures; it takes n, size"),
    ("openai", {"steps": 5}, "takes no steps for pictures; it takes n, size"),
    ("openai", {"negative_prompt": "tree"}, "takes no negative_prompt for pictures; it takes n, size"),
    ("native", {"images": [a_png(), a_png(2, 2)]}, "one picture at a time, not 2"),
    ("anthropic", {}, "makes no pictures; use protocol='openai' or protocol='native'"),
])  # fmt: skip
def test_what_cannot_be_asked_for_is_named_and_nothing_sent(emu, draw, row):
    protocol, wrong, words = row
    with pytest.raises(ours.ConfigurationError, match=words):
        draw(client_on(emu, protocol), **wrong)
    assert emu.requests == []


def test_an_endpoint_that_is_not_there_is_refused_with_the_closest(emu, draw):
    with pytest.raises(ours.ModelNotFoundError, match="no endpoint serves the model 'z-image-turbi'"):
        draw(client_on(emu, "native"), model="z-image-turbi")
    assert started(emu, "native") == []


def test_a_provider_without_pictures_says_so(emu):
    with pytest.raises(ours.NotFoundError, match="AACFlow") as caught:
        draw_now(Client("aacflow", base_url=emu.aacflow_url, api_key=emu.aacflow_key))
    assert caught.value.status_code == 404


@pytest.mark.parametrize("change", [False, True], ids=["drawn", "changed"])
@pytest.mark.usefixtures("no_waiting")
@subcases(
    "row",
    [
        ("reset", ours.APIConnectionError),
        ("drop=0", ours.AKIError),
        ("status=500", ours.ServerError),
        ("status=502", ours.ServerError),
        ("status=408", ours.APIStatusError),
        ("html=504", ours.ServerError),
        ("html=200", ours.InvalidResponseError),
        ("hang", ours.APITimeoutError),
    ],
)
def test_a_call_that_may_have_been_billed_is_sent_once(emu, protocol, draw, row, change):
    fault, error = row
    with pytest.raises(error):
        draw(client_on(emu, protocol, fault, timeout=0.3), "a cat", a_png(128, 128) if change else None)
    assert len(started(emu, protocol)) == 1


@pytest.mark.usefixtures("no_waiting")
@subcases("fault", ["status=429;times=2", "status=503;times=2", "queue-full;times=2"])
def test_a_call_that_was_turned_away_is_sent_again(emu, protocol, draw, fault):
    if "queue" in fault and protocol == "openai":
        return
    (image,) = draw(client_on(emu, protocol, fault))
    assert image.width == 128
    assert len(started(emu, protocol)) == 3
    assert len(emu.jobs) <= 1 or protocol == "openai"


@pytest.mark.usefixtures("no_waiting")
@subcases("fault", ["job-fail", "lapse", "job-cancel", "lose-result"])
def test_a_job_that_is_lost_is_not_started_again(emu, draw, fault):
    with pytest.raises(ours.JobError):
        draw(client_on(emu, "native", fault))
    assert len(started(emu, "native")) == 1


@pytest.mark.parametrize("change", [False, True], ids=["drawn", "changed"])
def test_the_url_of_a_picture_is_never_asked_for(emu, protocol, draw, change, monkeypatch):
    asked = []
    real = httpx.URL.__init__
    monkeypatch.setattr(httpx.URL, "__init__", lambda self, *a, **k: (asked.append(a), real(self, *a, **k))[1])
    with pytest.raises(ours.InvalidResponseError, match="URL of an image instead of the image; URLs are not fetched"):
        draw(client_on(emu, protocol, "image-url"), "a cat", a_png(128, 128) if change else None)
    assert len(started(emu, protocol)) == 1
    assert "images.invalid" not in str(asked)


def test_an_answer_past_the_bound_is_not_read_to_its_end(protocol, draw, monkeypatch, scripted):
    monkeypatch.setattr("aki_transport.transport.body.MAX_BODY", 2**20)
    scripted.reset()
    before = {"openai": b'{"data": [{"b64_json": "', "native": b'{"job_state": "done", "job_result": {"images": ["'}
    json_type = {"content-type": "application/json"}
    large = Answer(headers=json_type, chunks=(before[protocol], *[b"A" * 1_000_000] * 3))
    start = [json_answer({"success": True, "job_id": "JID#1"})] if protocol == "native" else []
    scripted.say(*start, large)
    scripted.always = json_answer({})
    with pytest.raises(ours.InvalidResponseError, match="larger than 1 MB"):
        draw(Client(protocol=protocol, base_url=getattr(scripted, f"{protocol}_url"), api_key=KEY))
    assert sum(not request.path.endswith("/progress/z_image_turbo") for request in scripted.requests) == 1


def read(protocol: str, body: Any) -> list[GeneratedImage]:
    """What is made of the body of an answer, or of the result of a job."""
    decoder = find_image_wire(protocol).decoder(ImageRequest(prompt="a cat"), {}, on_progress=None)
    if protocol == "native":
        body = {"success": True, "job_id": "JID#1", "job_state": "done", "job_result": body}
    decoder.feed(Payload("body", body.encode() if isinstance(body, str) else json.dumps(body).encode()))
    return decoder.end()


@pytest.mark.parametrize(
    ("protocol", "bodies"),
    [
        ("openai", ("", "{", "[]", "null", "7", '"data"', "<html>")),
        ("openai", [{"data": data} for data in ({}, "x", [], [{}], [None], ["x"])]),
        ("openai", [{"data": [row]} for row in ({"b64_json": 7}, {"b64_json": ""}, {"b64_json": None, "url": None})]),
        ("openai", [{"data": [{"b64_json": text}]} for text in ("%%%", "PGh0bWw+PC9odG1sPg==")]),
        ("native", ([], "x", {}, *({"images": images} for images in (None, [], [None], {}, 7, ["x"], ["%%%"])))),
    ],
)
def test_an_answer_without_a_picture_is_invalid(protocol, bodies):
    for body in bodies:
        with pytest.raises((ours.InvalidResponseError, ours.JobError)):
            read(protocol, body)


def test_a_picture_as_a_bare_text_is_taken_and_an_error_inside_a_good_answer_is_that_error():
    picture = GeneratedImage.read(a_png(5, 5))
    (image,) = read("native", {"images": picture.to_data_url()})
    assert (image.data, image.seed) == (picture.data, None)
    with pytest.raises(ours.InsufficientCreditsError, match="out of credits"):
        read("openai", {"error": {"message": "out of credits", "code": "insufficient_credits"}})


def test_each_job_says_how_far_it_is(emu, draw):
    seen: list[JobProgress] = []
    draw(client_on(emu, "native", "queue=2;job-seconds=20"), n=2, on_progress=seen.append)
    jobs = {progress.job_id for progress in seen}
    assert len(jobs) == 2
    for job in jobs:
        states = [progress.state for progress in seen if progress.job_id == job]
        assert (states[0], states[-1]) == ("queued", "done")
        percents = [each.percent for each in seen if each.job_id == job and each.percent is not None]
        assert percents == sorted(percents)
        assert percents[-1] == 100
        assert any(0 < percent < 100 for percent in percents)


def test_the_clients_own_listener_is_told_unless_the_call_has_one(emu, draw):
    clients, calls = [], []
    client = client_on(emu, "native", on_progress=clients.append)
    draw(client, on_progress=calls.append)
    assert (bool(calls), bool(clients)) == (True, False)
    draw(client)
    assert clients


def test_bars_of_jobs_at_the_same_time_do_not_disturb_each_other(capsys):
    with ProgressBar() as bar:
        for job in ("a", "b"):
            bar(JobProgress(job_id=job, state="queued", queue_position=3))
        for job, percent in (("a", 40.0), ("b", 70.0), ("a", 30.0), ("a", 90.0)):
            bar(JobProgress(job_id=job, state="processing", percent=percent))
        bar(JobProgress(job_id="a", state="done", percent=100.0))
        assert set(bar._bars) == {"b"}
        assert bar._bars["b"].n == 70
    assert bar._bars == {}
    assert "queued, 3 before" in capsys.readouterr().err


def test_without_tqdm_a_bar_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ours.ConfigurationError, match="pip install tqdm"):
        ProgressBar()


MEASURE = """
import asyncio, json, sys, tracemalloc
from aki_transport import Client

key, *urls = sys.argv[1:]
held = []
for url in urls:
    fast, huge = (
        Client(base_url=url, api_key=key, default_headers={"x-emulator-fault": each}) for each in ("fast", "huge=10")
    )
    for draw in (
        lambda client: client.generate_image("a cat", size="128x128"),
        lambda client: asyncio.run(client.agenerate_image("a cat", size="128x128")),
    ):
        draw(fast)  # what is imported and made once
        tracemalloc.start()
        draw(huge)
        held.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
print(json.dumps(held))
"""


def test_an_answer_of_10_mb_is_held_three_times_at_most(emu):
    """Bytes that Python holds for it in a process of its own, where the emulator's do not count."""
    code = [sys.executable, "-c", MEASURE, emu.key, emu.openai_url, emu.native_url]
    done = subprocess.run(code, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)  # noqa: S603
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout)
    assert len(held) == 4
    assert max(held) < 3 * 10_000_000
