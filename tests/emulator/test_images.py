"""Pictures over the wire, on the OpenAI-compatible interface and as jobs of the native one."""

import base64

import aki_io
import httpx
import pytest

from aki_transport.emulator.pictures import draw
from tests.emulator.looking import opened, share
from tests.lazily import lazily

openai = lazily("openai")

PROMPT = "a red circle on a blue background"
CIRCLE = draw(PROMPT, 256, 256, 0)
URL = f"data:image/png;base64,{base64.b64encode(CIRCLE).decode()}"
FORM = {"prompt": "make the circle green"}
FILES = [("image", ("a.png", CIRCLE, "image/png"))]


def generate(emu, fault="", **body):
    headers = {"authorization": f"Bearer {emu.key}", "x-emulator-fault": fault}
    body = {"prompt": PROMPT, "size": "256x256"} | body
    return httpx.post(f"{emu.openai_url}/images/generations", json=body, headers=headers)


def edit(emu, fault="", files=FILES, **data):
    headers = {"authorization": f"Bearer {emu.key}", "x-emulator-fault": fault}
    return httpx.post(f"{emu.openai_url}/images/edits", data=FORM | data, files=files, headers=headers)


def call(emu, endpoint, fault="", **values):
    body = {"key": emu.key, "prompt": PROMPT, "width": 256, "height": 256, **values}
    if endpoint == "qwen_image_edit":
        body.setdefault("image", URL)
    headers = {"x-emulator-fault": fault}
    return httpx.post(f"{emu.native_url}/call/{endpoint}", json=body, headers=headers, timeout=10)


def picture(answer):
    """The file that an answer of either interface holds."""
    body = answer.json()
    url = body["data"][0]["b64_json"] if "data" in body else body["images"][0]
    return base64.b64decode(url.rpartition(",")[2], validate=True)


def drawn_natively(emu, fault="", **values):
    return call(emu, "z_image_turbo", fault, **values)


def edited_natively(emu, fault="", **values):
    return call(emu, "qwen_image_edit", fault, **values)


ways = pytest.mark.parametrize("way", [generate, edit, drawn_natively, edited_natively])


def test_openais_client_draws_and_edits(client):
    answer = client.images.generate(model="z-image-turbo", prompt=PROMPT, n=3, size="512x512")
    again = client.images.generate(model="z-image-turbo", prompt=PROMPT, n=3, size="512x512")
    assert [each.b64_json for each in answer.data] == [each.b64_json for each in again.data]
    assert len({each.b64_json for each in answer.data}) == 3
    image = opened(base64.b64decode(answer.data[0].b64_json))
    assert (image.format, image.size) == ("PNG", (512, 512))
    assert share(image, "red") > 0.05
    assert share(image, "blue") > 0.3
    edited = client.images.edit(image=("a.png", CIRCLE), prompt="make the circle green").data[0]
    image = opened(base64.b64decode(edited.b64_json))
    assert image.size == (256, 256)
    assert share(image, "red") < 0.002
    assert share(image, "green") > 0.05
    several = client.images.edit(image=[("a.png", CIRCLE), ("b.png", CIRCLE)], prompt="sepia", size="512x512")
    assert opened(base64.b64decode(several.data[0].b64_json)).size == (512, 512)
    with pytest.raises(openai.NotFoundError, match="z-image-turbo"):
        client.images.generate(model="qwen3.6-35b", prompt=PROMPT)


def test_aki_ios_client_draws_edits_and_sees_the_steps(emu):
    def vendor(endpoint):
        return aki_io.Aki(endpoint, emu.key, api_server=emu.url)

    seen = []
    drawn = vendor("z_image_turbo!job-seconds=0.3").do_api_request(
        {"prompt": PROMPT, "width": 256, "height": 256, "seed": 5},
        progress_callback=lambda info, _: seen.append(info["progress"]),
        progress_interval=0.02,
    )
    assert drawn["seed"] == 5
    assert seen == sorted(seen)
    assert max(seen) <= 100
    first = drawn["images"][0]
    data = first if isinstance(first, bytes) else base64.b64decode(first.partition(",")[2])
    assert share(opened(data), "red") > 0.05
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    edited = vendor("qwen_image_edit").do_api_request({"prompt": "make the circle green", "image": url})
    assert edited["success"]
    assert len(edited["images"]) == 1


def test_sizes_are_exact_at_one_interface_and_on_a_grid_at_the_other(emu):
    for size in ((128, 128), (640, 384), (2048, 128)):
        assert opened(picture(generate(emu, size="{}x{}".format(*size)))).size == size
    assert opened(picture(generate(emu, size=None))).size == (1024, 1024)
    assert opened(picture(edit(emu))).size == (256, 256)
    for way in (drawn_natively, edited_natively):
        assert opened(picture(way(emu, width=300, height=131))).size == (288, 128)
    assert opened(picture(edited_natively(emu, width=None, height=None))).size == (256, 256)


def test_the_native_interface_tells_its_seed_which_can_be_used_again(emu):
    for way in (drawn_natively, edited_natively):
        first = way(emu, prompt="add a green tree")
        seed = first.json()["seed"]
        assert seed >= 0
        assert picture(way(emu, prompt="add a green tree", seed=seed)) == picture(first)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"prompt": " "}, "'prompt'"),
        ({"n": 5}, "between 1 and 4"),
        ({"size": "64x64"}, "between 128 and 2048"),
        ({"size": "large"}, "documented form"),
        ({"model": "gpt-image-1"}, "gpt-image-1"),
    ],
)
def test_what_cannot_be_made_is_refused(emu, wrong, words):
    for way in (generate, edit):
        answer = way(emu, **wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "request_failed")
        assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("endpoint", "wrong", "words"),
    [
        ("z_image_turbo", {"width": 64}, "too low"),
        ("z_image_turbo", {"height": 4096}, "too high"),
        ("z_image_turbo", {"prompt": None}, "Missing required argument: prompt"),
        ("z_image_turbo", {"image": URL}, "Invalid parameter: image"),
        ("qwen_image_edit", {"image": None}, "Missing required argument: image"),
        ("qwen_image_edit", {"image": "https://example.com/a.png"}, "documented form"),
        ("qwen_image_edit", {"image": "data:image/png;base64,AAAA"}, "no picture"),
    ],
)
def test_the_native_interface_refuses_with_the_reason(emu, endpoint, wrong, words):
    answer = call(emu, endpoint, **wrong)
    assert answer.status_code == 400
    assert words in str(answer.json()["error"])


def test_an_edit_needs_a_form_with_a_picture_and_a_key(emu, http):
    for files in ([("mask", ("a.png", CIRCLE))], [("image", ("a.png", b"no"))], [*FILES, ("image[]", ("b", b""))][1:]):
        answer = edit(emu, files=files)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "request_failed")
    assert http.post("/v1/images/edits", json=FORM).status_code == 400
    broken = http.post("/v1/images/edits", content=b"--x\r\n", headers={"content-type": "multipart/form-data"})
    assert broken.status_code == 400
    assert httpx.post(f"{emu.openai_url}/images/edits", data=FORM, files=FILES).status_code == 401


@ways
def test_what_comes_back_can_be_spoiled(emu, way):
    def entries(fault):
        body = way(emu, fault).json()
        return body.get("data", body.get("images"))

    with pytest.raises(ValueError, match="base64"):
        picture(way(emu, "bad-base64"))
    assert picture(way(emu, "not-an-image")).startswith(b"<html>")
    assert "https://" in str(entries("image-url")[0])
    assert entries("no-images") == []
    assert entries("missing-b64") in ([{}], None)
    assert opened(picture(way(emu, "huge=3"))).size == (256, 256)
    assert len(picture(way(emu, "huge=3"))) > 2_000_000
    assert way(emu, "status=429;retry-after=3").headers["retry-after"] == "3"
