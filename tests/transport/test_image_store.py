"""Where images are kept: its bounds, its threads, its copies, and what a model may name in it."""

import copy
import os
import pickle
import re
import threading
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from aki_transport import ConfigurationError, GeneratedImage, ImageStore
from aki_transport.images.store import describe_images
from tests.pictures import a_png
from tests.refused_images import REFUSED, allowed_folder


def a_picture(size: int = 8, image_id: str | None = None) -> GeneratedImage:
    made = GeneratedImage.read(a_png(size, size))
    return made if image_id is None else replace(made, id=image_id)


def sized(size: int) -> bytes:
    return a_png().ljust(size, b"\0")


def test_a_picture_is_kept_under_its_id():
    store = ImageStore()
    image = store.add(a_png())
    assert store.get(image.id) is image
    assert image.id in store
    assert len(store) == 1
    assert repr(store) == f"ImageStore(1 of 100 images, {len(image.data)} of {256 * 2**20} bytes)"


def test_the_oldest_pictures_give_way_to_new_ones_and_are_listed_first():
    for bounds, last in (({"max_items": 3}, 3), ({"max_bytes": 2500}, 2)):
        store = ImageStore(**bounds)
        kept = [store.add(sized(1000)) for _ in range(5)]
        assert list(store) == kept[-last:]
        assert [image.id in store for image in kept] == [False] * (5 - last) + [True] * last
        assert f"{last}000 of " in repr(store)
    for nothing in ({"max_items": 0}, {"max_bytes": 0}):
        with pytest.raises(ConfigurationError, match="at least one image"):
            ImageStore(**nothing)


def test_a_picture_that_is_there_is_not_kept_twice_and_counts_as_new():
    store = ImageStore(max_items=2)
    first, second = store.add(a_picture(1)), store.add(a_picture(2))
    assert store.add(first) is first
    store.add(a_picture(3))
    assert first.id in store
    assert second.id not in store


def test_another_picture_of_the_same_id_gets_a_new_one():
    store = ImageStore()
    first, second = (store.add(a_picture(size, "img_aaaaaa")) for size in (1, 2))
    assert first.id == "img_aaaaaa" != second.id
    assert (store.get(first.id).width, store.get(second.id).width) == (1, 2)


def test_the_dict_that_a_checkpoint_makes_of_a_picture_is_taken_back():
    store, image = ImageStore(), replace(a_picture(), seed=7, prompt="a cat", model="z-image-turbo")
    assert store.add(asdict(image)) == image
    (found,) = store.find_all([asdict(image)])
    assert found == image


def test_threads_keep_the_bounds_together():
    store = ImageStore(max_items=20, max_bytes=20_000)
    wrong: list[str] = []

    def work(number: int) -> None:
        for step in range(50):
            image = store.add(sized(500 + number + step))
            try:
                if store.get(image.id).data != image.data:
                    wrong.append(image.id)
            except ConfigurationError:
                continue  # evicted by the others

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(store) <= 20
    assert store._contents.size == sum(len(image.data) for image in store) <= 20_000


def test_a_deep_copy_is_the_same_store_and_a_pickle_keeps_its_pictures():
    store = ImageStore(max_items=3, max_bytes=10_000, folder="/srv")
    image = store.add(a_png())
    assert copy.deepcopy(store) is store
    read = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert read.get(image.id) == image
    assert (read.max_items, read.max_bytes, read.folder) == (3, 10_000, Path("/srv"))
    read.add(a_png(2, 2))
    assert len(store) == 1


def test_a_name_is_an_id_with_space_around_it_or_several_of_them():
    store = ImageStore()
    first, second = store.add(a_png()), store.add(a_png(2, 2))
    assert store.find(f" {first.id}\n") is first
    assert store.find_all(f"{first.id}, {second.id}") == (first, second)
    assert store.find_all([first.id, second]) == (first, second)


def test_a_picture_in_the_allowed_folder_is_found_by_its_name(tmp_path):
    folder = allowed_folder(tmp_path)
    store = ImageStore(folder=str(folder))
    names = ("cat.png", "below/dog.png", "below/../cat.png", "./cat.png", "img_1.png", "a, b.png")
    for name in (*names, str(folder / "cat.png")):
        (found,) = store.find_all(name)
        assert found.mime_type == "image/png"
        assert found.id in store
    (tmp_path / "link").symlink_to(folder)  # the folder may be one
    assert ImageStore(folder=tmp_path / "link").find("cat.png").width == 8


@pytest.mark.parametrize("descriptors", [True, False])
@pytest.mark.parametrize("name", ["again.png", "linked/dog.png"])
def test_no_link_in_the_folder_is_followed_not_even_to_its_own_files(tmp_path, monkeypatch, name, descriptors):
    folder = allowed_folder(tmp_path)
    (folder / "again.png").symlink_to(folder / "cat.png")
    (folder / "linked").symlink_to(folder / "below")
    if not descriptors:
        monkeypatch.setattr(os, "supports_dir_fd", frozenset())
    store = ImageStore(folder=folder)
    with pytest.raises(ConfigurationError, match="pass the ID"):
        store.find(name)
    assert store.find("below/dog.png").width == 8


@pytest.mark.parametrize(("name", "swapped"), [("cat.png", "cat.png"), ("below/dog.png", "below")])
def test_a_link_put_in_while_the_file_is_opened_is_not_followed(tmp_path, monkeypatch, name, swapped):
    folder = allowed_folder(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "dog.png").write_bytes(a_png(3, 3))
    opened = os.open

    def swap_first(path: Any, *arguments: Any, **options: Any) -> int:
        if path == swapped and not (folder / swapped).is_symlink():
            (folder / swapped).rename(folder / "moved")
            (folder / swapped).symlink_to(outside if swapped == "below" else outside / "dog.png")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", swap_first)
    monkeypatch.setattr(os, "supports_dir_fd", {swap_first})
    with pytest.raises(ConfigurationError, match="pass the ID"):
        ImageStore(folder=folder).find(name)
    assert (folder / swapped).is_symlink()


@pytest.mark.parametrize("name", ["pipe.png", "below", "gone.png", "out.png", "sparse.png"])
def test_no_descriptor_stays_open(tmp_path, name):
    store = ImageStore(folder=allowed_folder(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for attempt in (name, "cat.png", "below/dog.png"):
        with suppress(ConfigurationError):
            store.find(attempt)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_code_may_pass_no_pipe_either(tmp_path):
    with pytest.raises(ConfigurationError, match=r"pipe\.png is not a file"):
        ImageStore().add(allowed_folder(tmp_path) / "pipe.png")


# Files of the allowed folder that are read, or begun to be.
OF_A_FILE = {
    "sparse.png": "sparse.png has 1024 MB; at most 50 are allowed.",
    "claim.png": "the image has 16384x16384 pixels; allowed are 16384 a side and 67 million in all.",
    "note.txt": "note.txt is not a PNG, JPEG, GIF or WebP file.",
}


@pytest.mark.parametrize("attempt", REFUSED)
@pytest.mark.parametrize("with_folder", [True, False])
@pytest.mark.usefixtures("no_network")
def test_what_a_model_must_not_name_is_refused_with_what_to_pass(tmp_path, attempt, with_folder):
    store = ImageStore(folder=allowed_folder(tmp_path) if with_folder else None)
    store.add(a_png())
    with pytest.raises(ConfigurationError) as caught:
        store.find_all(attempt)
    words = str(caught.value)
    if attempt == "img_000000":
        assert words.startswith("no image has the ID 'img_000000'; pass an ID that an earlier call")
    elif with_folder and attempt in OF_A_FILE:
        assert words == OF_A_FILE[attempt]
    else:
        assert f"{attempt[:80]!r} is not an image ID." in words
        assert "pass the ID of an image of this conversation" in words
        alternative = ", or the name of an image file in the allowed folder" if with_folder else ""
        assert words.endswith(f"like img_3f9c2a81d04b7e65{alternative}.")
    assert len(words) < 400
    assert "root:" not in words
    assert len(store) == 1


@pytest.mark.parametrize("wrong", [None, 7, True, 1.5, {}, {"id": "img_1", "data": "text"}, [], [[]], [["img_1"]]])
def test_json_that_is_no_name_is_refused_with_what_to_pass(wrong):
    with pytest.raises(ConfigurationError, match="pass the ID of an image"):
        ImageStore().find_all(wrong)


def test_more_names_than_pictures_can_be_sent_are_refused_before_any_is_read(tmp_path):
    with pytest.raises(ConfigurationError, match="17 images are too many"):
        ImageStore(folder=tmp_path / "gone").find_all(["cat.png"] * 17)


def test_an_unknown_id_is_refused_with_those_there_are():
    store = ImageStore()
    with pytest.raises(ConfigurationError, match="no image yet; generate one first"):
        store.find("img_000000")
    known = store.scope("a").add(a_png())
    with pytest.raises(ConfigurationError, match=f"there are {known.id}"):
        store.scope("a").find("img_000000")


def test_an_id_cannot_be_guessed():
    ids = {GeneratedImage.read(a_png()).id for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("img_[0-9a-f]{16}", image_id) for image_id in ids)


def test_without_a_scope_no_other_id_is_named():
    store = ImageStore()
    known = store.add(a_png())
    for wrong in ("img_000000", "cat.png", "img_000000, img_000001", ["img_0"], 7):
        with pytest.raises(ConfigurationError) as caught:
            store.find_all(wrong)
        assert known.id not in str(caught.value)


def test_what_is_in_another_scope_is_neither_named_nor_reached():
    store = ImageStore()
    anna, bert = store.scope("anna"), store.scope("bert")
    of_anna, of_bert, of_all = anna.add(a_png(1, 1)), bert.add(a_png(2, 2)), store.add(a_png(3, 3))
    for part, own, others in (
        (anna, of_anna, (of_bert, of_all)),
        (bert, of_bert, (of_anna, of_all)),
        (store, of_all, (of_anna, of_bert)),
    ):
        assert (list(part), len(part), part.get(own.id)) == ([own], 1, own)
        for other in others:
            assert other.id not in part
            for look in (part.get, part.find, part.find_all):
                with pytest.raises(ConfigurationError, match="no image has the ID") as caught:
                    look(other.id)
                assert not any(each.id in str(caught.value).replace(other.id, "", 1) for each in others)
    assert store.scope("anna").get(of_anna.id) is of_anna
    with pytest.raises(ConfigurationError, match="there is no image yet"):
        store.scope("carl").get(of_anna.id)


def test_the_same_id_may_stand_in_two_scopes_and_stays_apart():
    store = ImageStore()
    for name, size in (("anna", 1), ("bert", 2)):
        assert store.scope(name).add(a_picture(size, "img_aaaaaa")).id == "img_aaaaaa"
    assert [store.scope(name).get("img_aaaaaa").width for name in ("anna", "bert")] == [1, 2]


def test_all_scopes_share_the_bounds_and_the_folder(tmp_path):
    store = ImageStore(max_items=2, folder=allowed_folder(tmp_path))
    first, *_ = (store.scope(name).find("cat.png") for name in ("anna", "bert", "carl"))
    assert first.id not in store.scope("anna")
    assert repr(store).startswith("ImageStore(2 of 2 images")


def test_a_pickle_of_a_scope_holds_nothing_of_the_others_and_one_of_the_store_all():
    store = ImageStore()
    of_anna, of_bert = store.scope("anna").add(a_png(1, 1)), store.scope("bert").add(a_png(2, 2))
    kept = pickle.dumps(store.scope("anna"))
    assert of_bert.id.encode() not in kept
    assert list(pickle.loads(kept)) == [of_anna]  # noqa: S301
    again = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert list(again.scope("bert")) == [of_bert]
    assert repr(again) == repr(store)


def test_a_scope_without_a_name_and_a_folder_that_is_not_there_allow_nothing(tmp_path):
    for name in ("", None, 7):
        with pytest.raises(ConfigurationError, match="does not identify a conversation"):
            ImageStore().scope(name)
    with pytest.raises(ConfigurationError, match="pass the ID"):
        ImageStore(folder=tmp_path / "gone").find("cat.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads anything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    folder = allowed_folder(tmp_path)
    (folder / "cat.png").chmod(0)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
        ImageStore(folder=folder).find("cat.png")


def test_a_model_is_told_ids_and_sizes():
    one, two = a_picture(1, "img_a"), a_picture(2, "img_b")
    assert describe_images([one]) == "Generated 1 image: img_a (1x1). To change one, pass its ID."
    assert describe_images([one, two]) == "Generated 2 images: img_a (1x1), img_b (2x2). To change one, pass its ID."
    assert describe_images([two], [one]) == "Made 1 image out of img_a: img_b (2x2)."
