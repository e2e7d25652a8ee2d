from io import BytesIO

import pytest
from PIL import Image, ImageChops

from aki_transport.emulator.drawing import draw
from aki_transport.emulator.drawing_notes import notes_of
from aki_transport.emulator.editing import edit
from aki_transport.emulator.editing_canvas import NoPicture
from aki_transport.emulator.editing_orders import Add, Background, Recolour, Remove, Replace, Turn
from aki_transport.emulator.editing_reading import read_instruction
from tests.emulator.looking import opened, share

SIZE = 256
CIRCLE = draw("a red circle on a white background", SIZE, SIZE, 0)
HOUSE = draw("a white house with a tree and a yellow sun", SIZE, SIZE, 0)


def stranger(png=CIRCLE, kind="PNG"):
    """The picture as somebody else's: without its strip and what it says about itself."""
    out = BytesIO()
    opened(png).convert("RGB").crop((0, 0, SIZE, 230)).save(out, kind)
    return out.getvalue()


def things(png):
    return [each.name for each in notes_of(opened(png)).placed]


def changed(instruction, picture=CIRCLE, seed=0):
    return opened(edit([picture], instruction, None, None, seed))


@pytest.mark.parametrize("picture", [CIRCLE, stranger(), stranger(kind="JPEG")], ids=["ours", "PNG", "JPEG"])
@pytest.mark.parametrize(
    "instruction",
    [
        "make the red circle blue",
        "make the circle blue",
        "Change the colour from red to blue.",
        "make it blue",
        "mach den Kreis blau",
        "replace red with blue",
    ],
)
def test_a_thing_gets_another_colour(picture, instruction):
    image = changed(instruction, picture)
    assert share(image, "red") < 0.002
    assert share(image, "blue") > 0.1


@pytest.mark.parametrize("picture", [CIRCLE, stranger(), stranger(kind="JPEG")], ids=["ours", "PNG", "JPEG"])
def test_the_background_gets_another_colour_and_the_thing_stays(picture):
    image = changed("change the background to green", picture)
    assert share(image, "green") > 0.5
    assert share(image, "red") > 0.1


def test_what_is_not_meant_stays_as_it_was():
    picture = draw("a red circle and a green square on a white background", SIZE, SIZE, 0)
    image = changed("make the circle blue", picture)
    assert share(image, "green") == pytest.approx(share(opened(picture), "green"), abs=0.002)


def test_the_background_is_cut_out():
    image = changed("remove the background")
    assert image.mode == "RGBA"
    assert image.getpixel((2, 2))[3] == 0
    assert share(image, "red") > 0.1


def test_a_scene_is_put_behind_the_things():
    image = changed("replace the background with the sea at night")
    assert share(image, "red") > 0.1
    assert share(image, "white", 10) < 0.2


def test_things_are_added_removed_and_replaced():
    added = edit([CIRCLE], "add a yellow sun and a cat", None, None, 0)
    assert things(added) == ["circle", "sun", "cat"]
    assert share(opened(added), "yellow") > 0.01
    assert share(opened(edit([added], "remove the sun", None, None, 0)), "yellow") < 0.001
    assert things(edit([HOUSE], "replace the tree with a dog", None, None, 0)) == ["sun", "house", "dog"]


def test_a_thing_of_a_foreign_picture_is_removed():
    assert share(changed("remove the circle", stranger()), "red", 80) < 0.001


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_the_picture_is_turned_without_loss(degrees):
    picture = stranger(HOUSE)
    turned = changed(f"rotate by {degrees} degrees", picture)
    expected = opened(picture).rotate(-degrees, expand=True)
    assert ImageChops.difference(turned, expected).getbbox() is None


@pytest.mark.parametrize(
    "instruction",
    [
        "mirror", "flip vertically", "turn it upside down", "rotate by 20 degrees", "show it from a different angle",
        "make it brighter", "darker, please", "more contrast", "less contrast", "more colourful", "zoom in", "zoom out",
        "sepia", "grayscale", "black and white", "invert the colours", "blur it", "pencil sketch", "pixel art",
        "in watercolor style", "oil painting", "cartoon", "write 'Hello and goodbye'", "make the image red",
        "make it night", "frobnicate", "", "make the elephant blue", "drehe es um 90 Grad", "spiegeln", "heller",
    ],
)  # fmt: skip
@pytest.mark.parametrize("picture", [HOUSE, stranger(HOUSE)], ids=["ours", "foreign"])
def test_any_instruction_changes_the_picture(instruction, picture):
    image = changed(instruction, picture)
    before = opened(picture).convert("RGB")
    assert image.size == before.size or image.size == before.size[::-1]
    if image.size == before.size:
        inner = (0, 0, SIZE, 220)
        assert ImageChops.difference(image.convert("RGB"), before).crop(inner).getbbox() is not None


def test_an_instruction_that_is_not_understood_leaves_a_mark_each_time():
    once = edit([CIRCLE], "frobnicate", None, None, 0)
    twice = edit([once], "frobnicate", None, None, 0)
    assert len({CIRCLE, once, twice}) == 3


def test_a_blank_picture_is_changed_too():
    out = BytesIO()
    Image.new("RGB", (200, 100), "white").save(out, "PNG")
    for instruction in ("blur it", "remove the background", "make it blue", "sepia", "mirror"):
        assert edit([out.getvalue()], instruction, None, None, 0) != out.getvalue()


def test_edits_of_edits_add_up():
    picture = CIRCLE
    for instruction in ("make the circle blue", "add a green tree", "change the background to yellow", "mirror"):
        picture = edit([picture], instruction, None, None, 0)
    image = opened(picture)
    assert all(share(image, colour) > 0.01 for colour in ("blue", "green", "yellow"))
    assert share(image, "red") < 0.002


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others():
    assert edit([CIRCLE], "add a cat", None, None, 3) == edit([CIRCLE], "add a cat", None, None, 3)
    assert len({edit([CIRCLE], "make it blue", None, None, seed) for seed in range(4)}) == 4


def test_the_size_is_the_one_asked_for_or_the_picture_s_own():
    assert changed("sepia").size == (SIZE, SIZE)
    assert opened(edit([CIRCLE], "sepia", 512, 128, 0)).size == (512, 128)


@pytest.mark.parametrize(
    "instruction", ["combine them", "paste the second image into the first", "blend both", "one above the other"]
)
def test_several_pictures_become_one_that_shows_all(instruction):
    green = draw("a green square on a black background", SIZE, SIZE, 0)
    image = opened(edit([CIRCLE, green], instruction, None, None, 0))
    assert image.size == (SIZE, SIZE)
    if instruction != "blend both":
        assert share(image, "red") > 0.01
        assert share(image, "green") > 0.01
    assert len({edit([CIRCLE] * count, instruction, None, None, 0) for count in (1, 2, 3, 4, 5)}) == 5


@pytest.mark.parametrize("data", [b"", b"no picture", CIRCLE[:60], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(NoPicture):
        edit([data], "make it blue", None, None, 0)


@pytest.mark.parametrize(
    "noted", ["{}", "no json", '{"said": [], "strip": 999999, "placed": []}', '{"said":[],"strip":0,"placed":[{}]}']
)
def test_notes_that_do_not_fit_are_no_notes(noted):
    image = Image.new("RGB", (64, 64))
    image.info["aki-emulator"] = noted
    assert notes_of(image).placed == ()


@pytest.mark.parametrize(
    ("instruction", "kinds"),
    [
        ("make the circle blue and add a tree", [Recolour, Add]),
        ("add a red circle and a blue square", [Add, Add]),
        ("remove the tree, then rotate it by 45 degrees", [Remove, Turn]),
        ("replace the tree with a house; change the background to a night sky", [Replace, Background]),
        ("turn the circle into a star", [Replace]),
        ("turn the circle blue", [Recolour]),
        ("entferne den Baum", [Remove]),
        ("what a nice day", []),
    ],
)
def test_an_instruction_is_read_step_by_step(instruction, kinds):
    assert [type(step) for step in read_instruction(instruction)] == kinds


def test_a_turn_has_its_direction():
    assert read_instruction("rotate by 30 degrees counterclockwise") == (Turn(-30),)
    assert read_instruction("rotate 45° clockwise") == (Turn(45),)
