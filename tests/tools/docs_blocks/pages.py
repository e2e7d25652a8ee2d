"""The fenced blocks of a Markdown page, and the packages that it says to install. Standard library only."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "aki-integrations"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_SKIPPED = re.compile(r"<!-- not run: (.+?) -->\s*\Z", re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Args:
        language: The first word behind the fence.
        text: The block without its fences and their indentation.
        line: The line of the page on which the text begins, from 1.
        title: The name of the file that it is; empty for code that is run.
        skipped: Why it is not run, from the comment `<!-- not run: … -->` before it; empty if it is.
        output: The text that it prints, from a `text` block directly below it; None if the page does not say.
    """

    language: str
    text: str
    line: int
    title: str = ""
    skipped: str = ""
    output: str | None = None


def all_pages() -> list[Path]:
    """The README and the pages in docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks_of(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    blocks, end = [], 0
    matches = list(_FENCE.finditer(page))
    for match, following in zip(matches, [*matches, None][1:], strict=True):
        language, _, rest = match["info"].strip().partition(" ")
        title, skipped = _TITLE.search(rest), _SKIPPED.search(page, end, match.start())
        output = None
        if following and following["info"].strip() == "text" and not page[match.end() : following.start()].strip():
            output = following["text"]
        blocks.append(
            Block(
                language,
                "".join(line.removeprefix(match["indent"]) for line in match["text"].splitlines(keepends=True)),
                page.count("\n", 0, match.start("text")) + 1,
                title[1] if title else "",
                " ".join(skipped[1].split()) if skipped else "",
                output,
            )
        )
        end = match.end()
    return blocks


def requirements(page: str, wheel: str) -> Iterator[str]:
    """What the page's `pip install` lines name, with the wheel in place of the package.

    A line below a `not run` comment is left out.
    """
    for block in blocks_of(page):
        if block.language == "sh" and not block.skipped:
            for line in block.text.splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["pip", "install"]:
                    for word in words[2:]:
                        name, bracket, extras = word.partition("[")
                        is_ours = name in (PACKAGE, ".") or name.startswith("dist/")
                        yield f"{wheel}{bracket}{extras}" if is_ours else word
