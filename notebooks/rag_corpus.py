"""What there is to be asked about: this project's documents and old books, a page for each section."""

from __future__ import annotations

from dataclasses import dataclass

from demo_parts import PAGES, read_sections

BOOKS = ("notebooks/pages/aesop.md", "notebooks/pages/us_constitution.md")


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `source` is its name, by which answers cite it."""

    source: str
    text: str


def read_pages() -> list[Page]:
    """All of them."""
    return [Page(source, text) for source, text in read_sections((*PAGES, *BOOKS))]
