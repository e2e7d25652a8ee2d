"""What is drawn and edited, and pictures over the wire: OpenAI-compatible, and as jobs of the native interface."""

import base64
from functools import partial

import httpx
import pytest
from PIL import Image

from aki_transport.emulator.pictures import SHAPES, draw, edit, read_scene
from tests.emulator.asking import openai
from tests.emulator.looking import changed_box, opened, share

SIZE = (256, 256)
LIGHTHOUSE_PROMPT = "a red lighthouse on a green hill, a yellow sun"
LIGHTHOUSE = draw(LIGHTHOUSE_PROMPT, *SIZE, 0)


def changed(picture, instruction):
    return opened(edit([picture], instruction, None, 0))


def test_making_the_lighthouse_blue_changes_the_lighthouse_alone():
    before, after = opened(LIGHTHOUSE), changed(LIGHTHOUSE, "make the lighthouse blue")
    assert before.size == SIZE
    assert [share(before, colour) > least for colour, least in (("red", 0.03), ("green", 0.05), ("yellow", 0.005))]
    (house,) = [item for item in read_scene(LIGHTHOUSE_PROMPT, 0).items if item.shape == "lighthouse"]
    left, top, side = (part * SIZE[0] for part in house.place)
    box = changed_box(before, after)
    assert box[0] >= left
    assert box[1] >= top - 1
    assert box[2] <= left + side
    assert box[3] <= top + side + 1
    assert share(after, "red") == 0
    assert share(after, "blue") > 0.03
    assert share(after, "green") == pytest.approx(share(before, "green"), abs=1e-4)


@pytest.mark.parametrize("instruction", ["make the dragon blue", "remove the boat", "be nicer", "make the lighthouse"])
def test_an_edit_of_what_is_not_there_changes_nothing_and_says_so(instruction):
    before, after = opened(LIGHTHOUSE), changed(LIGHTHOUSE, instruction)
    assert changed_box(before, after) is None
    assert before.tobytes() != after.tobytes()


def test_other_edits():
    for instruction, more, less in (
        ("remove the sun", None, "yellow"),
        ("add a purple star", "purple", None),
        ("make the background black", "black", None),
        ("turn the hill brown", "brown", "green"),
    ):
        after = changed(LIGHTHOUSE, instruction)
        assert more is None or share(after, more) > 0.005, instruction
        assert less is None or share(after, less) == 0, instruction
    blue = edit([LIGHTHOUSE], "make the lighthouse blue", None, 0)
    assert share(changed(blue, "make the lighthouse orange"), "orange") > 0.03


def test_a_picture_from_elsewhere_is_left_as_it_is(tmp_path):
    file = tmp_path / "photo.jpg"
    Image.new("RGB", SIZE, (9, 80, 160)).save(file, quality=95)
    after = changed(file.read_bytes(), "make the sky red")
    assert after.getpixel((5, 5)) == opened(file.read_bytes()).getpixel((5, 5))
    with pytest.raises(ValueError, match="no picture"):
        edit([b"no picture"], "make it red", None, 0)


def test_at_most_a_dozen_shapes_each_drawn_in_the_colour_that_is_asked_and_for_the_rest_a_card_with_its_words():
    assert len(SHAPES) <= 12
    for shape in SHAPES:
        assert share(opened(draw(f"a purple {shape}", *SIZE, 0)), "purple") > 0.005, shape
    card, other = (opened(draw(text, *SIZE, 0)) for text in ("a quiet library", "a loud library"))
    assert len(card.getcolors(card.width * card.height)) > 2
    assert card.tobytes() != other.tobytes()
    assert opened(draw("word " * 500, 131, 257, 0)).size == (131, 257)
    one, same, different = (draw("a red circle and a green tree", *SIZE, seed) for seed in (1, 1, 2))
    assert one == same != different


PROMPT = "a red circle on a blue background"
CIRCLE = draw(PROMPT, *SIZE, 0)
URL = f"data:image/png;base64,{base64.b64encode(CIRCLE).decode()}"
FORM = {"prompt": "make the circle green"}
FILES = [("image", ("a.png", CIRCLE, "image/png"))]


def generate(emu, fault="", **body):
    headers = {"authorization": f"Bearer {emu.key}", "x-emulator-fault": fault}
    body = {"prompt": PROMPT, "size": "256x256"} | body
    return httpx.post(f"{emu.openai_url}/images/generations", json=body, headers=headers)


def edit_form(emu, fault="", files=FILES, **data):
    headers = {"authorization": f"Bearer {emu.key}", "x-emulator-fault": fault}
    return httpx.post(f"{emu.openai_url}/images/edits", data=FORM | data, files=files, headers=headers)


def call(endpoint, emu, fault="", **values):
    body = {"key": emu.key, "prompt": PROMPT, "width": 256, "height": 256, **values}
    if endpoint == "qwen_image_edit":
        body.setdefault("image", URL)
    return httpx.post(f"{emu.native_url}/call/{endpoint}", json=body, headers={"x-emulator-fault": f"{fault};fast"})


draw_natively, edit_natively = (partial(call, endpoint) for endpoint in ("z_image_turbo", "qwen_image_edit"))


def picture(answer):
    body = answer.json()
    url = body["data"][0]["b64_json"] if "data" in body else body["images"][0]
    return base64.b64decode(url.rpartition(",")[2], validate=True)


def test_openais_client_draws_and_edits(client):
    def make():
        return [each.b64_json for each in client.images.generate(model="z-image-turbo", prompt=PROMPT, n=3).data]

    made = make()
    assert made == make()
    assert len(set(made)) == 3
    image = opened(base64.b64decode(made[0]))
    assert (image.format, image.size) == ("PNG", (1024, 1024))
    assert share(image, "red") > 0.05
    assert share(image, "blue") > 0.3
    edited = client.images.edit(image=("a.png", CIRCLE), prompt="make the circle green").data[0]
    image = opened(base64.b64decode(edited.b64_json))
    assert image.size == SIZE
    assert share(image, "red") < 0.002
    assert share(image, "green") > 0.05
    several = client.images.edit(image=[("a.png", CIRCLE), ("b.png", CIRCLE)], prompt="sepia", size="512x512")
    assert opened(base64.b64decode(several.data[0].b64_json)).size == (512, 512)
    with pytest.raises(openai.NotFoundError, match="z-image-turbo"):
        client.images.generate(model="qwen3.6-35b", prompt=PROMPT)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prompt": " "}, "'prompt'"),
        ({"n": 5}, "between 1 and 4"),
        ({"size": "64x64"}, "between 128 and 2048"),
        ({"size": "large"}, "documented form"),
        ({"model": "gpt-image-1"}, "gpt-image-1"),
    ],
)
def test_what_cannot_be_made_is_refused(emu, wrong, message):
    for way in (generate, edit_form):
        answer = way(emu, **wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "request_failed")
        assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("way", "wrong", "message"),
    [
        (draw_natively, {"width": 64}, "too low"),
        (draw_natively, {"height": 4096}, "too high"),
        (draw_natively, {"prompt": None}, "Missing required argument: prompt"),
        (draw_natively, {"image": URL}, "Invalid parameter: image"),
        (edit_natively, {"image": None}, "Missing required argument: image"),
        (edit_natively, {"image": "https://example.com/a.png"}, "documented form"),
        (edit_natively, {"image": "data:image/png;base64,AAAA"}, "no picture"),
    ],
)
def test_the_native_interface_refuses_with_the_reason(emu, way, wrong, message):
    answer = way(emu, **wrong)
    assert answer.status_code == 400
    assert message in str(answer.json()["error"])


def test_an_edit_needs_a_form_with_a_picture_and_a_key(emu, http):
    for files in ([("mask", ("a.png", CIRCLE))], [("image", ("a.png", b"no"))], [("image[]", ("b", b""))]):
        answer = edit_form(emu, files=files)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "request_failed")
    assert http.post("/v1/images/edits", json=FORM).status_code == 400
    broken = http.post("/v1/images/edits", content=b"--x\r\n", headers={"content-type": "multipart/form-data"})
    assert broken.status_code == 400
    assert httpx.post(f"{emu.openai_url}/images/edits", data=FORM, files=FILES).status_code == 401


@pytest.mark.parametrize("way", [generate, edit_form, draw_natively, edit_natively])
def test_what_comes_back_can_be_spoiled(emu, way):
    def entries(fault):
        body = way(emu, fault).json()
        return body.get("data", body.get("images"))

    with pytest.raises(ValueError, match="base64"):
        picture(way(emu, "bad-base64"))
    assert picture(way(emu, "not-an-image")).startswith(b"<html>")
    assert entries("missing-b64") in ([{}], None)
