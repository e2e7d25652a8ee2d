"""Bounds and conditions whose change went unnoticed: `tests/tools/mutants` makes these changes again."""

from pathlib import Path

import pytest

from aki_transport import Client, ConfigurationError, ImageStore
from aki_transport.auth import secret_header_values
from aki_transport.messages import ChatRequest, Message
from tests.ecosystem.calls import answer
from tests.pictures import a_png
from tests.script_server import ScriptServer

KEY = "aki-5ecret-0f-the-te5ts"


def test_a_sibling_folder_of_the_same_prefix_is_not_read(tmp_path: Path) -> None:
    allowed, sibling = tmp_path / "pictures", tmp_path / "pictures-of-others"
    for folder in (allowed, sibling):
        folder.mkdir()
        (folder / f"{folder.name}.png").write_bytes(a_png())
    (allowed / "-of-others").mkdir()
    (allowed / "-of-others" / "pictures-of-others.png").write_bytes(a_png())
    store = ImageStore(folder=allowed)
    assert store.find("pictures.png").width
    for name in ("../pictures-of-others/pictures-of-others.png", str(sibling / "pictures-of-others.png")):
        with pytest.raises(ConfigurationError, match="not an image ID"):
            store.find(name)


def test_values_of_eight_characters_are_secret() -> None:
    headers = {"x-api-key": "12345678 1234567", "x-signature": "abcdefghi", "accept": "a-long-value"}
    assert secret_header_values(headers) == ("12345678", "abcdefghi")


@pytest.mark.parametrize("letter", ["ж", "日", "😀"])
def test_other_scripts_count_by_their_bytes(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the window in Latin letters leaves room for the default output, in other scripts it does not."""
    monkeypatch.setenv("AKI_API_KEY", KEY)
    bounds = []
    for text in ("a" * 240_000, letter * 240_000):
        with ScriptServer(always=answer("Hi", stream=False)) as server:
            client = Client(base_url=server.openai_url, model_listing=False, on_model_fallback="ignore")
            client.chat(ChatRequest(model="apertus-chat-70b", messages=(Message(role="user", content=text),)))
            bounds.append(server.requests[-1].json["max_tokens"])
    latin, other = bounds
    assert 65536 - 60_100 < latin <= 65536 - 60_000  # the role and the rest of the message count a little
    assert other == 1024


def test_a_store_of_one_image_and_of_its_exact_size_works() -> None:
    picture = a_png()
    store = ImageStore(max_items=1, max_bytes=len(picture))
    for _ in range(2):
        assert store.add(picture).id in store
        assert len(store) == 1
    with pytest.raises(ConfigurationError, match="use a larger max_bytes"):
        ImageStore(max_bytes=len(picture) - 1).add(picture)
    ImageStore(max_bytes=1)


def test_a_refusal_of_a_name_is_short_and_names_what_is_allowed(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        with pytest.raises(ConfigurationError, match=rf"'/{'x' * 79}' is not") as caught:
            ImageStore(folder=folder).find("/" + "x" * 200)
        assert ("allowed folder" in str(caught.value)) is (folder is not None)


def test_a_scope_lists_its_five_newest_images() -> None:
    store = ImageStore().scope("anna")
    ids = [store.add(a_png(width=width)).id for width in range(1, 8)]
    with pytest.raises(ConfigurationError) as caught:
        store.get("img_0000000000000000")
    assert [image_id in str(caught.value) for image_id in ids] == [False] * 2 + [True] * 5
