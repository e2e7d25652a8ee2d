"""The table of arguments in docs/migrating.md names every argument of the peers, and is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aki_transport import ConfigurationError
from aki_transport.arguments import ALIASES, ALWAYS_SO, REQUEST_FIELDS
from aki_transport.settings import CHAT_FIELDS
from langchain_aki import ChatAKI
from llama_index_aki import AKI

ROOT = Path(__file__).parent.parent
PEERS: dict[str, list[str]] = json.loads((ROOT / "tests/tools/peer_signatures/arguments.json").read_text())
ROWS = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| (.+) \|$", (ROOT / "docs/migrating.md").read_text(), re.MULTILINE)
OURS: dict[str, Any] = {"ChatOpenAI": ChatAKI, "ChatAnthropic": ChatAKI, "OpenAILike": AKI}
CALLS = ("openai", "anthropic")
"""Libraries whose calls the second part of the table is about."""
CLASSES: tuple[Any, Any] = (ChatAKI, AKI)


def test_every_argument_of_a_peer_has_a_row() -> None:
    assert {(name, peer) for name, peers, _ in ROWS for peer in peers.split(", ")} == {
        (name, peer) for peer, names in PEERS.items() for name in names
    }


def test_each_row_is_true(subtests) -> None:
    for name, peers, here in ROWS:
        for peer in sorted({*peers.split(", ")} - {*CALLS}):
            with subtests.test(name, peer=peer):
                cls = OURS[peer]
                match here.split(":")[0].split(" ")[:2]:
                    case ["refused"]:
                        with pytest.raises(ConfigurationError, match=name):
                            cls(model="m", **{name: "x"})
                    case ["always", _]:
                        assert name in ALWAYS_SO
                    case ["taken", "as"]:
                        assert f"`{ALIASES.get(name, 'capabilities')}" in here
                    case ["taken,", "sent"]:
                        assert name in REQUEST_FIELDS
                    case other:
                        assert other == ["taken"]
                        assert name in cls.model_fields


def test_each_row_of_a_call_is_true(subtests) -> None:
    for name, peers, here in ROWS:
        if not {*CALLS} & {*peers.split(", ")}:
            continue
        for cls in CLASSES:
            with subtests.test(name, cls=cls.__name__):
                match here.split(":")[0].split(" ")[:2]:
                    case ["refused"]:
                        with pytest.raises(ConfigurationError, match=name):
                            call(cls, name)
                    case ["taken", "in"]:
                        assert name == "stream"
                        call(ChatAKI, name)
                        with pytest.raises(ConfigurationError, match=name):
                            call(AKI, name)
                    case ["taken", "as"]:
                        assert f"`{ALIASES[name]}`" in here
                    case ["taken,", "sent"]:
                        assert ", ".join(sorted(REQUEST_FIELDS[name])) in here
                    case other:
                        assert other == ["taken"]
                        assert name in CHAT_FIELDS


def call(cls: Any, name: str) -> None:
    """Make the request of a call with this argument."""
    model = cls(model="m")
    (model._request([], None, {name: "x"}) if cls is ChatAKI else model._chat_request([], {name: "x"}))
