import pytest
from PIL import Image

from aki_transport.emulator.pictures import SHAPES, draw, edit, read_scene
from tests.emulator.looking import changed_box, opened, share

SIZE = (256, 256)
PROMPT = "a red lighthouse on a green hill, a yellow sun"
LIGHTHOUSE = draw(PROMPT, *SIZE, 0)


def changed(picture, instruction):
    return opened(edit([picture], instruction, None, 0))


def test_the_lighthouse_of_the_prompt_is_to_be_seen():
    image = opened(LIGHTHOUSE)
    assert image.size == SIZE
    assert share(image, "red") > 0.03
    assert share(image, "green") > 0.05
    assert share(image, "yellow") > 0.005


def test_making_the_lighthouse_blue_changes_the_lighthouse_alone():
    before, after = opened(LIGHTHOUSE), changed(LIGHTHOUSE, "make the lighthouse blue")
    (house,) = [item for item in read_scene(PROMPT, 0).items if item.shape == "lighthouse"]
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


@pytest.mark.parametrize(
    ("instruction", "more", "less"),
    [
        ("remove the sun", None, "yellow"),
        ("add a purple star", "purple", None),
        ("make the background black", "black", None),
        ("turn the hill brown", "brown", "green"),
    ],
)
def test_other_edits(instruction, more, less):
    after = changed(LIGHTHOUSE, instruction)
    assert more is None or share(after, more) > 0.005
    assert less is None or share(after, less) == 0


def test_an_edit_of_an_edit_knows_what_is_there():
    blue = edit([LIGHTHOUSE], "make the lighthouse blue", None, 0)
    assert share(changed(blue, "make the lighthouse orange"), "orange") > 0.03


def test_a_picture_from_elsewhere_is_left_as_it_is(tmp_path):
    file = tmp_path / "photo.jpg"
    Image.new("RGB", SIZE, (9, 80, 160)).save(file, quality=95)
    after = changed(file.read_bytes(), "make the sky red")
    assert after.getpixel((5, 5)) == opened(file.read_bytes()).getpixel((5, 5))
    with pytest.raises(ValueError, match="no picture"):
        edit([b"no picture"], "make it red", None, 0)


def test_what_cannot_be_drawn_is_a_card_with_its_words():
    card, other = (opened(draw(words, *SIZE, 0)) for words in ("a quiet library", "a loud library"))
    assert len(set(card.get_flattened_data())) > 2
    assert card.tobytes() != other.tobytes()
    assert opened(draw("word " * 500, 131, 257, 0)).size == (131, 257)


def test_at_most_a_dozen_shapes_each_drawn_in_the_colour_that_is_asked():
    assert len(SHAPES) <= 12
    for shape in SHAPES:
        assert share(opened(draw(f"a purple {shape}", *SIZE, 0)), "purple") > 0.005, shape


def test_the_same_seed_draws_the_same_and_another_one_does_not():
    one, same, other = (draw("a red circle and a green tree", *SIZE, seed) for seed in (1, 1, 2))
    assert one == same != other
