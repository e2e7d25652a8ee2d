import pytest
from PIL import ImageChops

from aki_transport.emulator.drawing import draw
from aki_transport.emulator.drawing_colours import colour_of
from aki_transport.emulator.drawing_scene import read_scene
from tests.emulator.looking import opened, share

SIZE = 256


@pytest.mark.parametrize(("width", "height"), [(128, 128), (512, 256), (333, 777), (2048, 2048)])
def test_a_picture_is_a_png_of_the_size_asked_for(width, height):
    image = opened(draw("a red circle", width, height, 0))
    assert (image.format, image.size) == ("PNG", (width, height))


def test_the_same_words_size_and_seed_give_the_same_bytes():
    assert draw("a cat and a tree", SIZE, SIZE, 7) == draw("a cat and a tree", SIZE, SIZE, 7)


def test_another_seed_puts_the_thing_elsewhere():
    places = []
    for seed in range(4):
        red = opened(draw("a red circle on a white background", SIZE, SIZE, seed)).split()[1]
        places.append(red.point(lambda value: 255 if value < 80 else 0).crop((0, 0, SIZE, 230)).getbbox())
    assert len(set(places)) == 4
    assert max(box[0] for box in places) - min(box[0] for box in places) > SIZE / 20


@pytest.mark.parametrize(
    ("prompt", "colours"),
    [
        ("a red circle on a blue background", ["red", "blue"]),
        ("ein roter Kreis auf blauem Hintergrund", ["red", "blue"]),
        ("a red circle on a blue background next to a green tree", ["red", "blue", "green"]),
        ("a purple star. The background is yellow.", ["purple", "yellow"]),
        ("drei gelbe Sterne auf schwarzem Hintergrund", ["yellow", "black"]),
    ],
)
def test_the_colours_of_the_prompt_are_seen(prompt, colours):
    image = opened(draw(prompt, SIZE, SIZE, 0))
    assert all(share(image, colour) > 0.01 for colour in colours)
    assert share(image, "magenta") == 0


def test_more_things_of_a_colour_are_more_of_the_colour():
    one, two = (opened(draw(f"{prompt} on a white background", SIZE, SIZE, 0)) for prompt in ("a star", "a red star"))
    assert share(one, "red", 5) == 0
    assert share(two, "red", 5) > 0


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a house, a tree and the sun", ["house", "tree", "sun"]),
        ("three cats", ["cat"] * 3),
        ("2 dogs and a bird", ["dog", "dog", "bird"]),
        ("Ein Haus mit zwei Bäumen am Meer", ["house", "tree", "tree", "sea"]),
        ("A sunset over the Alps", ["sun", "mountain"]),
        ("nothing of the kind", []),
    ],
)
def test_things_are_read_with_their_number(prompt, names):
    assert [item.name for item in read_scene(prompt).items] == names


@pytest.mark.parametrize(
    ("prompt", "colour"),
    [("a red circle", "red"), ("a dark-blue circle", "dark-blue"), ("a circle in green", "green"), ("a circle", None)],
)
def test_a_thing_has_the_colour_said_of_it(prompt, colour):
    assert read_scene(prompt).items[0].colour == (colour and colour_of(colour))


def test_what_is_not_wanted_is_left_out():
    assert share(opened(draw("a red circle and a blue star", SIZE, SIZE, 0, negative="circles")), "red", 5) == 0


def test_words_that_name_nothing_still_give_a_picture_of_their_own():
    one, other = (opened(draw(prompt, SIZE, SIZE, 0)) for prompt in ("quantum freedom", "the meaning of soup"))
    assert len(one.getcolors(1 << 20)) > 20
    assert ImageChops.difference(one, other).getbbox() is not None


@pytest.mark.parametrize(
    "style",
    ["watercolor", "sepia", "pencil sketch", "pixel art", "oil painting", "cartoon", "blurred", "black and white"],
)
def test_a_style_changes_the_picture(style):
    plain, styled = (opened(draw(f"a red house{words}", SIZE, SIZE, 0)) for words in ("", f", {style}"))
    assert ImageChops.difference(plain, styled).crop((0, 0, SIZE, 200)).getbbox() is not None


def test_a_prompt_of_any_length_fits_into_its_strip():
    assert opened(draw("a circle " * 500, 128, 128, 0)).size == (128, 128)
    assert opened(draw("", 128, 128, 0)).size == (128, 128)
