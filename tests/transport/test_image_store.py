"""Where images are kept: its bounds, its threads, its copies, and what a model may name in it."""

from __future__ import annotations

import copy
import os
import pickle
import socket
import threading
from dataclasses import asdict, replace
from pathlib import Path

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


# Keeping


def test_a_picture_is_kept_under_its_id():
    store = ImageStore()
    image = store.add(a_png())
    assert store.get(image.id) is image
    assert image.id in store
    assert len(store) == 1
    assert repr(store) == f"ImageStore(1 of 100 images, {len(image.data)} of {256 * 2**20} bytes)"


def test_the_oldest_pictures_give_way_to_new_ones():
    store = ImageStore(max_items=3)
    kept = [store.add(a_png(number, 1)).id for number in range(1, 6)]
    assert [image_id in store for image_id in kept] == [False, False, True, True, True]


def test_pictures_are_listed_from_the_oldest_to_the_newest():
    store = ImageStore(max_items=3)
    kept = [store.add(a_png(number, 1)) for number in range(1, 6)]
    assert list(store) == kept[2:]


def test_bytes_are_bounded_too():
    store = ImageStore(max_bytes=2500)
    kept = [store.add(sized(1000)).id for _ in range(4)]
    assert [image_id in store for image_id in kept] == [False, False, True, True]
    assert "2000 of 2500 bytes" in repr(store)


def test_a_picture_larger_than_the_store_is_refused():
    with pytest.raises(ConfigurationError, match="3000 bytes, and the store holds 2500"):
        ImageStore(max_bytes=2500).add(sized(3000))


@pytest.mark.parametrize("bounds", [{"max_items": 0}, {"max_bytes": 0}])
def test_a_store_for_nothing_is_refused(bounds):
    with pytest.raises(ConfigurationError, match="at least one image"):
        ImageStore(**bounds)


def test_a_picture_that_is_there_is_not_kept_twice_and_counts_as_new():
    store = ImageStore(max_items=2)
    first, second = store.add(a_picture(1)), store.add(a_picture(2))
    assert store.add(first) is first
    store.add(a_picture(3))
    assert first.id in store
    assert second.id not in store


def test_another_picture_of_the_same_id_gets_a_new_one():
    store = ImageStore()
    first, second = store.add(a_picture(1, "img_aaaaaa")), store.add(a_picture(2, "img_aaaaaa"))
    assert first.id == "img_aaaaaa" != second.id
    assert store.get(first.id).width == 1
    assert store.get(second.id).width == 2


def test_the_dict_that_a_checkpoint_makes_of_a_picture_is_taken_back():
    store, image = ImageStore(), a_picture()
    image = replace(image, seed=7, prompt="a cat", model="z-image-turbo")
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
    assert store._size == sum(len(image.data) for image in store._images.values()) <= 20_000


def test_a_deep_copy_is_the_same_store_and_a_pickle_keeps_its_pictures():
    store = ImageStore(max_items=3, max_bytes=10_000, folder="/srv")
    image = store.add(a_png())
    assert copy.deepcopy(store) is store
    read = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert read.get(image.id) == image
    assert (read.max_items, read.max_bytes, read.folder) == (3, 10_000, Path("/srv"))
    read.add(a_png(2, 2))
    assert len(store) == 1


# Naming


def test_a_name_is_an_id_with_space_around_it_or_several_of_them():
    store = ImageStore()
    first, second = store.add(a_png()), store.add(a_png(2, 2))
    assert store.find(f" {first.id}\n") is first
    assert store.find_all(f"{first.id}, {second.id}") == (first, second)
    assert store.find_all([first.id, second]) == (first, second)


@pytest.mark.parametrize("name", ["cat.png", "below/dog.png", "below/../cat.png", "./cat.png", "img_1.png", "a, b.png"])
def test_a_picture_in_the_allowed_folder_is_found_by_its_name(tmp_path, name):
    folder = allowed_folder(tmp_path)
    store = ImageStore(folder=str(folder))
    (found,) = store.find_all(name)
    assert found.mime_type == "image/png"
    assert found.id in store


def test_the_folder_may_be_a_link_itself_and_a_link_may_lead_to_its_own_files(tmp_path):
    folder = allowed_folder(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    (folder / "again.png").symlink_to(folder / "cat.png")
    assert ImageStore(folder=tmp_path / "link").find("again.png").width == 8


def test_an_absolute_path_into_the_folder_is_one_of_its_files(tmp_path):
    folder = allowed_folder(tmp_path)
    assert ImageStore(folder=folder).find(str(folder / "cat.png")).width == 8


@pytest.mark.parametrize("attempt", REFUSED)
@pytest.mark.parametrize("with_folder", [True, False])
def test_what_a_model_must_not_name_is_refused_with_what_to_pass(tmp_path, attempt, with_folder, monkeypatch):
    folder = allowed_folder(tmp_path)
    store = ImageStore(folder=folder if with_folder else None)
    known = store.add(a_png())

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a socket was connected")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ConfigurationError) as caught:
        store.find_all(attempt)
    words = str(caught.value)
    assert "pass the ID of an image" in words or known.id in words or "allowed" in words or "not a PNG" in words
    assert len(words) < 400
    assert "root:" not in words
    assert len(store) == 1


@pytest.mark.parametrize("wrong", [None, 7, True, 1.5, {}, {"id": "img_1", "data": "text"}, [], [[]], [["img_1"]]])
def test_json_that_is_no_name_is_refused_with_what_to_pass(wrong):
    with pytest.raises(ConfigurationError, match="pass the ID of an image"):
        ImageStore().find_all(wrong)


def test_more_names_than_pictures_can_be_sent_are_refused_before_any_is_read(tmp_path):
    with pytest.raises(ConfigurationError, match="17 images are too many"):
        ImageStore(folder=allowed_folder(tmp_path)).find_all(["cat.png"] * 17)


def test_an_unknown_id_is_refused_with_those_there_are():
    store = ImageStore()
    with pytest.raises(ConfigurationError, match="no image yet; generate one first"):
        store.find("img_000000")
    known = store.add(a_png())
    with pytest.raises(ConfigurationError, match=f"there are {known.id}"):
        store.find("img_000000")


def test_a_folder_that_is_not_there_allows_nothing(tmp_path):
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
