import base64

import aki_io
import httpx
import pytest

from aki_transport.emulator.pictures import draw
from tests.emulator.looking import opened, share

CIRCLE = draw("a red circle on a white background", 256, 256, 0)
URL = f"data:image/png;base64,{base64.b64encode(CIRCLE).decode()}"


def call(emu, endpoint, fault="", **values):
    body = {"key": emu.key, "prompt": "a red circle on a blue background", "width": 256, "height": 256, **values}
    if endpoint == "qwen_image_edit":
        body.setdefault("image", URL)
    headers = {"x-emulator-fault": fault}
    return httpx.post(f"{emu.native_url}/call/{endpoint}", json=body, headers=headers, timeout=10)


def picture(answer):
    (url,) = answer.json()["images"]
    head, _, data = url.partition(",")
    assert head == "data:image/PNG;base64"
    return base64.b64decode(data, validate=True)


@pytest.fixture
def vendor(emu):
    def made(endpoint):
        return aki_io.Aki(endpoint, emu.key, api_server=emu.url)

    return made


def test_the_vendor_s_client_draws_and_then_edits(vendor):
    drawn = vendor("z_image_turbo").do_api_request(
        {"prompt": "a red circle on a white background", "width": 256, "height": 256, "seed": 5}
    )
    assert drawn["seed"] == 5
    first = drawn["images"][0]
    data = first if isinstance(first, bytes) else base64.b64decode(first.partition(",")[2])
    assert share(opened(data), "red") > 0.05
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    edited = vendor("qwen_image_edit").do_api_request({"prompt": "make the circle blue", "image": url})
    assert edited["success"]
    assert len(edited["images"]) == 1


def test_the_vendor_s_client_sees_the_steps(vendor):
    seen = []
    result = vendor("z_image_turbo").do_api_request(
        {"prompt": "a cat", "width": 128, "height": 128, "steps": 40},
        progress_callback=lambda info, data: seen.append((info["progress"], data)),
        progress_interval=0.02,
    )
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents)
    assert len(set(percents)) > 3
    assert max(percents) <= 100
    assert result["images"]


@pytest.mark.parametrize("endpoint", ["z_image_turbo", "qwen_image_edit"])
def test_sizes_are_rounded_to_a_grid_in_silence(emu, endpoint):
    assert opened(picture(call(emu, endpoint, width=300, height=131))).size == (288, 128)


def test_an_edit_without_a_size_keeps_the_picture_s(emu):
    answer = call(emu, "qwen_image_edit", prompt="make the circle blue", width=None, height=None)
    image = opened(picture(answer))
    assert image.size == (256, 256)
    assert share(image, "blue") > 0.05
    assert share(image, "red") < 0.002


@pytest.mark.parametrize("endpoint", ["z_image_turbo", "qwen_image_edit"])
def test_the_seed_that_was_used_is_told_and_can_be_used_again(emu, endpoint):
    first = call(emu, endpoint)
    seed = first.json()["seed"]
    assert seed >= 0
    assert picture(call(emu, endpoint, seed=seed)) == picture(first)
    assert call(emu, endpoint, seed=-1).json()["seed"] != seed


def test_what_is_not_wanted_is_left_out(emu):
    image = opened(picture(call(emu, "z_image_turbo", prompt="a red circle and a cat", negative_prompt="circle")))
    assert share(image, "red", 5) == 0


@pytest.mark.parametrize(
    ("endpoint", "wrong", "words"),
    [
        ("z_image_turbo", {"width": 64}, "too low"),
        ("z_image_turbo", {"height": 4096}, "too high"),
        ("z_image_turbo", {"prompt": None}, "Missing required argument: prompt"),
        ("z_image_turbo", {"seed": -2}, "too low"),
        ("z_image_turbo", {"image": URL}, "Invalid parameter: image"),
        ("qwen_image_edit", {"image": None}, "Missing required argument: image"),
        ("qwen_image_edit", {"image": "https://example.com/a.png"}, "data URL"),
        ("qwen_image_edit", {"image": "data:image/png;base64,%%"}, "base64"),
        ("qwen_image_edit", {"image": "data:image/png;base64,AAAA"}, "Invalid image"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(emu, endpoint, wrong, words):
    answer = call(emu, endpoint, **wrong)
    assert answer.status_code == 400
    assert words in str(answer.json()["error"])


@pytest.mark.parametrize("endpoint", ["z_image_turbo", "qwen_image_edit"])
def test_what_comes_back_can_be_spoiled(emu, endpoint):
    def images(fault):
        return call(emu, endpoint, fault).json().get("images")

    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(images("bad-base64")[0].partition(",")[2], validate=True)
    assert base64.b64decode(images("not-an-image")[0].partition(",")[2]).startswith(b"<html>")
    assert images("image-url")[0].startswith("https://")
    assert images("no-images") == []
    assert images("missing-b64") is None
    assert "error" in call(emu, endpoint, "job-fail").json()
