import pytest

from aki_transport.emulator.pictures import COLOURS, SHAPES, NoPictureError, draw, read_scene
from aki_transport.emulator.pictures.editing import edit
from tests.emulator.looking import changed_box, opened, share

SIZE = (256, 256)
LIGHTHOUSE = draw("a red lighthouse on a green hill, a yellow sun", *SIZE, 0)


def changed(picture, instruction, width=None, height=None):
    return opened(edit([picture], instruction, width, height, 0))


def test_the_lighthouse_of_the_prompt_is_to_be_seen():
    image = opened(LIGHTHOUSE)
    assert image.size == SIZE
    assert share(image, "red") > 0.03
    assert share(image, "green") > 0.05
    assert share(image, "yellow") > 0.005


def test_making_the_lighthouse_blue_changes_the_lighthouse_alone():
    before, after = opened(LIGHTHOUSE), changed(LIGHTHOUSE, "make the lighthouse blue")
    (house,) = [item for item in read_scene("a red lighthouse on a green hill, a yellow sun", 0).items
                if item.shape == "lighthouse"]  # fmt: skip
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
    blue = edit([LIGHTHOUSE], "make the lighthouse blue", None, None, 0)
    assert share(changed(blue, "make the lighthouse orange"), "orange") > 0.03


def test_a_picture_from_elsewhere_is_left_as_it_is(tmp_path):
    from PIL import Image  # noqa: PLC0415  # of this test alone

    file = tmp_path / "photo.jpg"
    Image.new("RGB", SIZE, (9, 80, 160)).save(file, quality=95)
    after = changed(file.read_bytes(), "make the sky red")
    assert after.getpixel((5, 5)) == opened(file.read_bytes()).getpixel((5, 5))
    with pytest.raises(NoPictureError):
        edit([b"no picture"], "make it red", None, None, 0)


def test_what_cannot_be_drawn_is_a_card_with_its_words():
    card, other = (opened(draw(words, *SIZE, 0)) for words in ("a quiet library", "a loud library"))
    assert len(set(card.get_flattened_data())) > 2
    assert card.tobytes() != other.tobytes()


def test_at_most_a_dozen_shapes_each_drawn_in_the_colour_that_is_asked():
    assert len(SHAPES) <= 12
    for shape in SHAPES:
        assert share(opened(draw(f"a purple {shape}", *SIZE, 0)), "purple") > 0.005, shape


def test_the_same_seed_draws_the_same_and_another_one_does_not():
    one, same, other = (draw("a red circle and a green tree", *SIZE, seed) for seed in (1, 1, 2))
    assert one == same != other


def test_what_is_not_wanted_is_left_out():
    image = opened(draw("a red circle and a blue square", *SIZE, 0, negative="circle"))
    assert share(image, "red") == 0
    assert share(image, "blue") > 0.05


@pytest.mark.parametrize("size", [(128, 2048), (2048, 128), (131, 257)])
def test_any_size_is_drawn_exactly(size):
    assert opened(draw("a star", *size, 0)).size == size


def test_a_long_prompt_is_cut_where_there_is_no_room():
    assert opened(draw("word " * 500, 128, 128, 0)).size == (128, 128)
    assert COLOURS
