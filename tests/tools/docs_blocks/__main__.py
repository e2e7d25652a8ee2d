"""Runs every Python block of the README and the pages in docs/, each page in a process of its own.

It is started by the Python of an environment in which the wheel is installed with what the pages name:

    python tests/tools/docs_blocks --requirements dist/*.whl     prints what to install there
    /path/to/it/bin/python tests/tools/docs_blocks [PAGE ...]    runs all pages, or some

Every page finds `AKI_EMULATOR` set, and no key. Blocks with a title are files: they are written to the folder in which
the page runs, and if one is named `test_*.py`, pytest is run there. A block below `<!-- not run: REASON -->` is left
out, and the reason is printed. A `text` block directly below a Python block is what that block prints; `…` in it stands
for any text.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pages import ROOT, Block, all_pages, blocks_of, requirements

_PROCESS = Path(__file__).with_name("page_process.py")
_NOWHERE = "http://127.0.0.1:9"
_SECONDS = 120


def run_page(page: Path, emulator_url: str) -> tuple[int, int, bool]:
    """Run one page: how many blocks ran, how many were skipped, and whether all of them succeeded."""
    name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name
    blocks = [block for block in blocks_of(page.read_text(encoding="utf-8")) if block.language == "python"]
    for block in blocks:
        if block.skipped:
            print(f"{name}:{block.line} skipped: {block.skipped}")
    runnable = [block for block in blocks if not block.skipped]
    with TemporaryDirectory() as folder:
        environment = {
            "PATH": os.defpath,
            "HOME": folder,
            "AKI_EMULATOR": emulator_url,
            "HTTPS_PROXY": _NOWHERE,
            "HTTP_PROXY": _NOWHERE,
            "NO_PROXY": "127.0.0.1",
        }
        for block in runnable:
            if block.title:
                (Path(folder) / block.title).write_text(block.text, encoding="utf-8")
        code = [block for block in runnable if not block.title]
        succeeded = not code or _run_code(name, code, folder, environment)
        if any(block.title.startswith("test_") for block in runnable):
            del environment["AKI_EMULATOR"]
            succeeded &= _run_tests(name, folder, environment)
    return len(runnable), len(blocks) - len(runnable), succeeded


def _run_code(name: str, blocks: list[Block], folder: str, environment: dict[str, str]) -> bool:
    done = subprocess.run(  # noqa: S603  our own pages
        [sys.executable, "-P", _PROCESS, name],
        check=False,
        cwd=folder,
        encoding="utf-8",
        env=environment | {"PYTHONPATH": folder},
        input=json.dumps([asdict(block) for block in blocks]),
        stdout=subprocess.PIPE,
        timeout=_SECONDS,
    )
    print(done.stdout, end="")
    return done.returncode == 0


def _run_tests(name: str, folder: str, environment: dict[str, str]) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        check=False,
        cwd=folder,
        encoding="utf-8",
        env=environment,
        stdout=subprocess.PIPE,
        timeout=_SECONDS,
    )
    print(f"{name} pytest:\n{done.stdout}", end="")
    return done.returncode == 0


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requirements", metavar="WHEEL", help="print what the pages name, and end")
    parser.add_argument("pages", nargs="*", type=Path)
    arguments = parser.parse_args()
    pages = [page.resolve() for page in arguments.pages] or all_pages()
    if arguments.requirements:
        texts = [page.read_text(encoding="utf-8") for page in pages]
        print(*sorted({name for text in texts for name in requirements(text, arguments.requirements)}), sep="\n")
        return

    # From the wheel: the packages beside this file's folder are not on the path.
    from aki_transport.emulator import Emulator  # noqa: PLC0415

    ran = skipped = 0
    failed = []
    for page in pages:
        with Emulator() as emulator:
            page_ran, page_skipped, succeeded = run_page(page, emulator.url)
        ran, skipped = ran + page_ran, skipped + page_skipped
        if not succeeded:
            failed.append(page.name)
    print(
        f"{ran} blocks of {len(pages)} pages ran, {skipped} skipped; pages that failed: {', '.join(failed) or 'none'}"
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
