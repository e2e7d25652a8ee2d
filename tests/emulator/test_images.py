import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from aki_transport.emulator.pictures import draw
from tests.emulator.looking import opened, share
from tests.lazily import lazily

openai = lazily("openai")

PROMPT = "a red circle on a blue background"
CIRCLE = draw(PROMPT, 256, 256, 0)
FORM = {"prompt": "make the circle green"}


def decoded(answer):
    return [base64.b64decode(each.b64_json, validate=True) for each in answer.data]


def generate(http, fault="", **body):
    headers = {"x-emulator-fault": fault}
    return http.post("/v1/images/generations", json={"prompt": PROMPT, "size": "256x256", **body}, headers=headers)


def edit(http, data=FORM, files=(("image", ("a.png", CIRCLE, "image/png")),), fault=""):
    return http.post("/v1/images/edits", data=data, files=files, headers={"x-emulator-fault": fault})


def test_the_vendor_s_client_gets_pictures_of_its_prompt(client):
    answer = client.images.generate(model="z-image-turbo", prompt=PROMPT, n=3, size="512x512")
    pictures = decoded(answer)
    assert answer.created > 1_700_000_000
    assert len(set(pictures)) == 3
    for picture in map(opened, pictures):
        assert (picture.format, picture.size) == ("PNG", (512, 512))
        assert share(picture, "red") > 0.05
        assert share(picture, "blue") > 0.3


def test_the_same_request_brings_the_same_pictures(client):
    one, other = (client.images.generate(model="z-image-turbo", prompt=PROMPT, n=2, size="256x256") for _ in range(2))
    assert decoded(one) == decoded(other)


def test_the_vendor_s_client_edits_a_picture(client):
    (picture,) = decoded(client.images.edit(image=("a.png", CIRCLE), prompt="make the circle green"))
    image = opened(picture)
    assert image.size == (256, 256)
    assert share(image, "red") < 0.002
    assert share(image, "green") > 0.05


def test_the_vendor_s_client_edits_several_pictures_together(client):
    other = draw("a green square on a white background", 256, 256, 0)
    answer = client.images.edit(
        image=[("a.png", CIRCLE), ("b.png", other)], prompt="side by side", size="512x512", n=2, model="qwen-image-edit"
    )
    pictures = decoded(answer)
    assert len(set(pictures)) == 2
    image = opened(pictures[0])
    assert image.size == (512, 512)
    assert all(share(image, colour) > 0.01 for colour in ("red", "blue", "green", "white"))


def test_the_vendor_s_async_client_is_answered_too(running):
    async def both():
        async with openai.AsyncOpenAI(base_url=running.openai_url, api_key=running.key, max_retries=0) as client:
            (drawn,) = decoded(await client.images.generate(prompt=PROMPT, size="256x256"))
            (edited,) = decoded(await client.images.edit(image=drawn, prompt="sepia"))
            return drawn, edited

    drawn, edited = asyncio.run(both())
    assert drawn != edited


@pytest.mark.parametrize("size", ["128x128", "640x384", "2048x128"])
def test_other_sizes_are_drawn_exactly(http, size):
    picture = base64.b64decode(generate(http, size=size).json()["data"][0]["b64_json"])
    assert "x".join(map(str, opened(picture).size)) == size


def test_what_is_not_given_has_its_default(http):
    (entry,) = http.post("/v1/images/generations", json={"prompt": "a cat"}).json()["data"]
    assert entry.keys() == {"b64_json"}
    assert opened(base64.b64decode(entry["b64_json"])).size == (1024, 1024)


def test_parameters_nobody_knows_are_ignored(http):
    assert generate(http, quality="hd", style="vivid", user="me", seed=3).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"prompt": None}, "'prompt'"),
        ({"prompt": "  "}, "'prompt'"),
        ({"prompt": ["a"]}, "'prompt'"),
        ({"n": 0}, "between 1 and 4"),
        ({"n": 5}, "between 1 and 4"),
        ({"n": 1.5}, "between 1 and 4"),
        ({"n": True}, "between 1 and 4"),
        ({"size": "64x64"}, "from 128 to 2048"),
        ({"size": "4096x4096"}, "from 128 to 2048"),
        ({"size": "large"}, "WIDTHxHEIGHT"),
        ({"response_format": "url"}, "b64_json"),
        ({"model": "dall-e-3"}, "dall-e-3"),
        ({"model": "llama3-chat-8b"}, "llama3-chat-8b"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(http, wrong, words):
    answer = generate(http, **wrong)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "request_failed"
    assert words in answer.json()["error"]["message"]


def test_a_model_that_draws_nothing_is_told_from_one_that_does(client):
    assert not any("image" in model.id for model in client.models.list())
    with pytest.raises(openai.NotFoundError, match="z-image-turbo"):
        client.images.generate(model="qwen3.6-35b", prompt=PROMPT)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("mask", ("a.png", CIRCLE, "image/png"))], "Missing required parameter: 'image'"),
        ([("image", ("a.png", b"no picture", "image/png"))], "must be a picture"),
        ([("image", ("a.png", b"", "image/png"))], "must be a picture"),
        ([("image[]", ("a.png", CIRCLE)), ("image[]", ("b.png", CIRCLE[:80]))], "must be a picture"),
    ],
)
def test_an_edit_without_a_picture_is_refused(http, files, words):
    answer = edit(http, files=files)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "request_failed"
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("data", [{}, {**FORM, "n": "9"}, {**FORM, "size": "big"}, {**FORM, "model": "gpt-image-1"}])
def test_an_edit_is_refused_for_its_other_fields_too(http, data):
    assert edit(http, data).status_code == 404


def test_an_edit_that_is_no_form_never_reaches_the_interface(http):
    answer = http.post("/v1/images/edits", json={"prompt": "make it blue", "image": "abc"})
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    broken = http.post("/v1/images/edits", content=b"--x\r\n", headers={"content-type": "multipart/form-data"})
    assert broken.status_code == 400


@pytest.mark.parametrize("path", ["generations", "edits"])
def test_a_key_is_needed(emu, path):
    answer = httpx.post(f"{emu.openai_url}/images/{path}", headers={"authorization": "Bearer other"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("call", [generate, edit])
def test_what_comes_back_can_be_spoiled(http, call):
    def data(fault):
        return call(http, fault=fault).json()["data"]

    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(data("bad-base64")[0]["b64_json"], validate=True)
    assert base64.b64decode(data("not-an-image")[0]["b64_json"]).startswith(b"<html>")
    assert data("image-url")[0]["url"].startswith("https://")
    assert data("no-images") == []
    assert data("missing-b64") == [{}]
    huge = data("huge=3")[0]["b64_json"]
    assert len(huge) == 3_000_000
    assert opened(base64.b64decode(huge)).size == (256, 256)


@pytest.mark.parametrize("call", [generate, edit])
@pytest.mark.parametrize("status", [400, 402, 429, 500, 503])
def test_faults_of_any_answer_strike_here_too(http, call, status):
    assert call(http, fault=f"status={status}").status_code == status
    assert call(http, fault="status=429;retry-after=3").headers["retry-after"] == "3"
    assert call(http, fault="html=502").text.startswith("<html>")
    with pytest.raises(httpx.ReadError):
        call(http, fault="reset")


def test_a_fault_can_stand_in_the_model_name_of_a_form_too(emu, http):
    assert emu.count() == 0
    model = "qwen-image-edit!status=503;times=1"
    assert [edit(http, {**FORM, "model": model}).status_code for _ in range(2)] == [503, 200]
    assert generate(http, model="z-image-turbo!no-images").json()["data"] == []


def test_many_are_served_at_once(http):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: generate(http, prompt=f"{number} stars").status_code, range(1, 17)))
    assert answers == [200] * 16
