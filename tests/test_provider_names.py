"""What is particular about a provider is data in its row: no other code knows a provider by its name."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from aki_transport.providers import PROVIDERS

ROOT = Path(__file__).parents[1]
DATA = {ROOT / "aki_transport" / "providers.py"}
FILES = sorted(
    path
    for package in ("aki_transport", "langchain_aki", "llama_index_aki")
    for path in (ROOT / package).rglob("*.py")
    # The emulator and the questions to the live services stand for particular services.
    if path not in DATA and not {"emulator", "live_check"} & set(path.parts)
)
COMMAND = ROOT / "aki_transport" / "cli.py"  # the command has the name of a provider
GATEWAYS = re.compile(r"aacflow|ak[_ ]ai[_ ]core|akaicore", re.IGNORECASE)
HOSTS = [host for provider in PROVIDERS.values() for host in provider.hosts]


def literals(path: Path) -> Iterator[str]:
    """The strings of a file that are no docstrings: those stand alone on their line."""
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.STRING and before not in (tokenize.NEWLINE, tokenize.INDENT, tokenize.NL):
            yield token.string
        if token.type != tokenize.COMMENT:
            before = token.type


def test_no_file_names_a_provider() -> None:
    for path in FILES:
        assert not GATEWAYS.search(path.read_text()), path
        for literal in literals(path):
            assert literal.strip("\"'") not in PROVIDERS or path == COMMAND, path
            assert not any(host in literal for host in HOSTS), path


def test_the_rows_do() -> None:
    assert {name for path in DATA for name in PROVIDERS if f'"{name}"' in path.read_text()} == set(PROVIDERS)
