"""A hook of MkDocs: the README is the front page, and what pages link to outside of docs/ is part of the site.

So a page reads the same in the repository and on the site. `mkdocs.yml` names this file; `make docs` runs it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")


def _target(source: str, link: str) -> str:
    """The file that a link of a page leads to; both paths are from the top of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _on_site(path: str) -> str:
    """The place of a file of the repository on the site."""
    return path.removeprefix("docs/")


def on_files(files: Files, config: Any) -> Files:
    """Add the README, and every file outside of docs/ to which a page of the site links."""
    sources = ["README.md", *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    for source in sources:  # grows while it is read
        if not source.startswith("docs/"):
            files.append(File.generated(config, source, abs_src_path=str(ROOT / source)))
        if source.endswith(".md"):
            for link in _LINK.findall((ROOT / source).read_text(encoding="utf-8")):
                target = _target(source, link)
                if not target.startswith("docs/") and target not in sources and (ROOT / target).is_file():
                    sources.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn the links of the repository into those of the site."""
    source = Path(page.file.abs_src_path).relative_to(ROOT).as_posix()
    folder = posixpath.dirname(page.file.src_uri)
    return _LINK.sub(lambda match: posixpath.relpath(_on_site(_target(source, match[1])), folder or "."), markdown)
