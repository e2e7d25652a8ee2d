"""A picture: how one is read, shown, saved and copied; and what is checked of a request before it is sent."""

import copy
import io
import pickle
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aki_transport import ConfigurationError, GeneratedImage, InvalidResponseError
from aki_transport.images.header import read_header
from aki_transport.images.image import MAX_IMAGE_BYTES, as_image, as_images, decode_image
from aki_transport.images.request import build_image_request, parse_size
from tests.pictures import a_png

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


def made_by_pil(form: str, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, form, **options)
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    return a_png()[:16] + struct.pack(">II", width, height) + a_png()[24:]


MODES = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "JPEG": ("L", "RGB", "CMYK"), "GIF": ("L", "P", "RGB")}
OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "PNG": {"icc_profile": st.sampled_from((b"", bytes(100)))},
    "JPEG": {
        "progressive": st.booleans(),
        "icc_profile": st.sampled_from((b"", bytes(100), bytes(200_000))),
        "comment": st.binary(max_size=300),
        "exif": st.binary(max_size=300).map(b"Exif\0\0".__add__),
    },
    "WEBP": {"lossless": st.booleans(), "exif": st.binary(max_size=30)},
    "GIF": {},
}


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from(FORMATS), st.integers(1, 400), st.integers(1, 400))
def test_every_size_is_the_one_that_pillow_reads(data, form, width, height):
    mode = data.draw(st.sampled_from(MODES.get(form, ("RGB", "RGBA"))))
    written = made_by_pil(form, (width, height), mode, **data.draw(st.fixed_dictionaries(OPTIONS[form])))
    with Image.open(io.BytesIO(written)) as opened:
        assert read_header(written) == (f"image/{form.lower()}", *opened.size)


@pytest.mark.parametrize("segment", [b"\xff\xe0\0\2", b"\xff\xd0", b"\xff", b"\xff\xe1\x10\0" + bytes(0x1000 - 2)])
def test_a_jpeg_has_its_size_behind_some_hundred_segments_but_not_behind_any_number(segment):
    """Long profiles have 255; millions of empty ones would take seconds."""
    plain = made_by_pil("JPEG", (7, 9))
    assert read_header(plain[:2] + segment * 300 + plain[2:]) == ("image/jpeg", 7, 9)
    assert read_header(plain[:2] + segment * 5000 + plain[2:]) is None


@pytest.mark.parametrize("data", [
    *(b"", b"\x89PNG", b"\x89PNG\r\n\x1a\n" + bytes(40), png_that_claims(0, 5)),
    *(b"\xff\xd8\xff", b"\xff\xd8\xff" + bytes(6_000_000)),
    b"\xff\xd8\xff\xe0\0\0" * 1000,  # segments without a length
    *(b"GIF89a", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WAVEVP8X" + bytes(20), b"RIFF\0\0\0\0WEBPVP8L" + bytes(20)),
    *(b"RIFF\0\0\0\0WEBPXXXX\0\0\0\0\x2f" + bytes(20), b"P6 10 10WEBP\n255\n" + bytes(300)),
    *(b"<svg width='9'>" + bytes(20), b"<html>Bad Gateway</html>"),
    *(b"BM" + bytes(60), b"\x00\x00\x00\x18ftypavif" + bytes(60)),
], ids=lambda data: repr(data[:12]))  # fmt: skip
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ConfigurationError, match="not a PNG, JPEG, GIF or WebP"):
        GeneratedImage.read(data)


@pytest.mark.parametrize("size", [(16385, 1), (16384, 16384), (2**31, 2**31), (8193, 8192)], ids=str)
def test_a_header_that_claims_too_many_pixels_is_refused(size):
    with pytest.raises(ConfigurationError, match="pixels; allowed"):
        GeneratedImage.read(png_that_claims(*size))


def test_the_largest_sizes_are_read():
    assert GeneratedImage.read(png_that_claims(16384, 4096)).width == 16384
    webp = b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + struct.pack("<HBHB", 1, 2, 3, 4)
    assert read_header(webp) == ("image/webp", 2 + 2 * 65536, 4 + 4 * 65536)
    for lossless in (True, False):
        assert read_header(made_by_pil("WEBP", (300, 201), lossless=lossless)) == ("image/webp", 300, 201)


def test_a_picture_of_too_many_bytes_is_refused():
    with pytest.raises(ConfigurationError, match="50 MB; at most 50"):
        GeneratedImage.read(a_png().ljust(MAX_IMAGE_BYTES + 1, b"\0"))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_a_header_with_broken_bytes_is_a_picture_or_refused(form, data):
    broken = bytearray(made_by_pil(form))
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, min(len(broken), 64) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    with suppress(ConfigurationError):
        image = GeneratedImage.read(cut)
        assert image.data == cut
        assert 1 <= image.width <= 16384
        assert 1 <= image.height <= 16384


def test_its_repr_holds_no_bytes_of_it():
    image = GeneratedImage.read(a_png(64, 32), prompt="a cat", seed=7)
    assert repr(image) == (
        f"GeneratedImage('{image.id}', 64x32, image/png, {len(image.data)} bytes, seed=7, prompt='a cat')"
    )


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda image: pickle.loads(pickle.dumps(image))])  # noqa: S301
def test_copies_and_pickles_are_the_same_picture(copied):
    image = GeneratedImage.read(a_png(), prompt="a cat", model="z-image-turbo", seed=1)
    assert copied(image) == image
    assert hash(copied(image)) == hash(image)


def test_it_is_saved_to_a_file_or_into_a_folder(tmp_path):
    for form, ending in zip(FORMATS, ("png", "jpg", "gif", "webp"), strict=True):
        image = GeneratedImage.read(made_by_pil(form))
        assert image.save(str(tmp_path)) == tmp_path / f"{image.id}.{ending}"
        named = image.save(tmp_path / "cat.bin")
        assert named.read_bytes() == (tmp_path / f"{image.id}.{ending}").read_bytes() == image.data


def test_a_notebook_gets_the_picture_and_its_words():
    image = GeneratedImage.read(made_by_pil("JPEG"))
    bundle = image._repr_mimebundle_()
    assert bundle == {"image/jpeg": image.to_base64(), "text/plain": repr(image)}
    assert image.to_data_url() == f"data:image/jpeg;base64,{image.to_base64()}"


def test_code_passes_bytes_a_path_a_picture_or_a_pil_image(tmp_path):
    data = a_png(5, 6)
    file = tmp_path / "a picture.png"
    file.write_bytes(data)
    image = GeneratedImage.read(data)
    for given_ in (data, bytearray(data), memoryview(data), file, image, Image.open(io.BytesIO(data))):
        found = as_image(given_)
        assert (found.width, found.height, found.mime_type) == (5, 6, "image/png")
    assert as_image(image) is image
    for mode in ("1", "L", "LA", "I", "I;16", "F", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"):
        assert as_image(Image.new(mode, (3, 4))).height == 4
    assert len(as_images([a_png(), a_png()])) == 2
    assert len(as_images(a_png())) == len(as_images(memoryview(a_png()))) == 1


NO_IMAGE = "{} is not an image; pass a GeneratedImage, bytes"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "at least one"),
        (Image.new("RGB", (0, 4)), "cannot be written as PNG"),
        *((text, NO_IMAGE.format("str")) for text in ("img_3f9c2a", "cat.png")),
        (7, NO_IMAGE.format("int")),
        (None, NO_IMAGE.format("NoneType")),
        ({"data": "text", "id": "img_1"}, NO_IMAGE.format("dict")),
        (object(), NO_IMAGE.format("object")),
        (Path("nothing.png"), "cannot be read: No such file"),
        (Path(), "is not a file"),
        (Path("key.txt"), "^key.txt is not a PNG"),
    ],
)
def test_what_is_no_picture_is_named_without_a_word_of_it(tmp_path, monkeypatch, wrong, words):
    monkeypatch.chdir(tmp_path)
    Path("key.txt").write_text("SECRET words")
    with pytest.raises(ConfigurationError, match=words) as caught:
        as_images(wrong)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no image as base64"),
        ("", "no image as base64"),
        (7, "no image as base64"),
        ("https://images.invalid/a.png", "URLs are not fetched"),
        ("%%%", "not base64 text"),
        ("Ünicode", "not base64 text"),
        ("QUJD=QUJD", "there is text after its end"),
        ("QUJDRA", "not base64 text"),
        ("data:image/png;base64", "not base64 text"),
        ("PGh0bWw+PC9odG1sPg==", "contains no image"),
        ("A" * (MAX_IMAGE_BYTES * 4 // 3 + 2048), "larger than 50 MB"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_an_answer_without_a_picture_is_invalid(text: Any, words):
    with pytest.raises(InvalidResponseError, match=words):
        decode_image(text, prompt="", model=None)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4)], ids=str)
@pytest.mark.parametrize("form", ["{}", "data:image/PNG;base64,{}"])
def test_base64_and_data_urls_are_read_in_steps(monkeypatch, size, form):
    monkeypatch.setattr("aki_transport.images.image._BASE64_CHUNK", 8)
    data = a_png(*size)
    text = form.format(GeneratedImage.read(data).to_base64())
    assert decode_image(text, prompt="", model=None).data == data


@pytest.mark.parametrize(
    ("size", "pixels"), [("1024x1024", (1024, 1024)), ("128X2048", (128, 2048)), ((300, 200), (300, 200)), (None, None)]
)
def test_a_size_is_a_text_or_two_numbers(size, pixels):
    assert parse_size(size) == pixels


@pytest.mark.parametrize("size", [
    *("", "big", "1024", "1024x", "1x2x3", "1024×1024", "-512x512", "127x512", "512x2049", "99999999x512"),  # noqa: RUF001
    *(1024, (1024,), (512.5, 512), ("a", 1), (0, 0), (512, float("inf")), (float("nan"), 512)),
], ids=str)  # fmt: skip
def test_what_is_no_size_or_out_of_range_is_refused(size):
    with pytest.raises(ConfigurationError, match="size="):
        parse_size(size)


def test_the_bounds_themselves_are_taken():
    for name, values in {
        "n": (1, 10),
        "seed": (-1, 2**32 - 1),
        "steps": (1, 1000),
        "negative_prompt": ("dogs",),
    }.items():
        for value in values:
            assert getattr(build_image_request("a cat", model=None, **{name: value}), name) == value
    assert build_image_request("a cat", model=None).n == 1
    assert len(build_image_request("a cat", model=None, images=(GeneratedImage.read(a_png()),) * 16).images) == 16


@pytest.mark.parametrize(("wrong", "words"), [
    *(({"prompt": prompt}, "prompt is empty") for prompt in ("", " \n", None)),
    ({"n": 0}, "n=0 is out of range; use 1 to 10"),
    ({"n": "3"}, "n='3' is not an integer"),
    *(({name: value}, f"{name}={value}") for name, values in {
        "n": (11, None, True, 1.5), "seed": (-2, 2**32), "steps": (0, 1001), "model": (7,)
    }.items() for value in values),
    ({"negative_prompt": 7}, "negative_prompt=7 is not a str"),
    ({"extra_body": [1]}, "extra_body="),
    *(({name: 7}, f"no argument '{name}'") for name in ("sead", "count", "endpoint")),
    ({"images": (GeneratedImage.read(a_png()),) * 17}, "17 images are too many"),
], ids=lambda value: str(value)[:30])  # fmt: skip
def test_a_wrong_argument_is_named(wrong, words):
    with pytest.raises(ConfigurationError, match=words):
        build_image_request(**{"prompt": "a cat", "model": None, **wrong})
