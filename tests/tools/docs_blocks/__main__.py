"""Runs every Python block of the README and the pages in docs/, each page in a process of its own.

It is started by the Python of an environment in which the wheel is installed with what the pages name:

    python tests/tools/docs_blocks --requirements dist/*.whl     prints what to install there
    /path/to/it/bin/python tests/tools/docs_blocks [PAGE ...]    runs all pages, or some

Every page finds `AKI_EMULATOR` set, and no key. Blocks with a title are files of any language, on which pytest is run,
in a folder of their own. A block below `<!-- not run: REASON -->` is left out, and the reason is printed. A `text`
block directly below a Python block is what that block prints; `…` in it stands for any text.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pages import ROOT, Block, all_pages, blocks_of, requirements

_PROCESS = Path(__file__).with_name("page_process.py")
_NOWHERE = "http://127.0.0.1:9"
_SECONDS = 400


def environment(home: str) -> dict[str, str]:
    """The environment of a page: no key, and no way out of this machine."""
    proxies = {"HTTPS_PROXY": _NOWHERE, "HTTP_PROXY": _NOWHERE, "NO_PROXY": "127.0.0.1"}
    return {"PATH": os.defpath, "HOME": home, **proxies}


def _is_run(block: Block) -> bool:
    return block.language == "python" or bool(block.title)


def run_code(pages: dict[str, list[Block]], emulator_url: str) -> list[str]:
    """Run the blocks that are no files; the names of the pages that failed."""
    with TemporaryDirectory() as home:
        done = subprocess.run(  # noqa: S603  our own pages
            [sys.executable, "-P", _PROCESS],
            check=True,
            encoding="utf-8",
            env=environment(home) | {"AKI_EMULATOR": emulator_url},
            input=json.dumps({name: [asdict(block) for block in blocks] for name, blocks in pages.items()}),
            stdout=subprocess.PIPE,
            timeout=_SECONDS,
        )
    *lines, failed = done.stdout.splitlines()
    print(*lines, sep="\n")
    return list(json.loads(failed))


def run_tests(name: str, files: Sequence[Block]) -> bool:
    """Write the files of a page, and run pytest on them."""
    with TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file.title).write_text(file.text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
            check=False,
            cwd=folder,
            encoding="utf-8",
            env=environment(folder),
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
    paths = [page.resolve() for page in arguments.pages] or all_pages()
    texts = {os.path.relpath(path, ROOT): path.read_text(encoding="utf-8") for path in paths}
    if arguments.requirements:
        named = {name for text in texts.values() for name in requirements(text, arguments.requirements)}
        print(*sorted(named), sep="\n")
        return

    # From the wheel: the repository is not on the path.
    from aki_transport.emulator import Emulator  # noqa: PLC0415

    pages = {name: [*filter(_is_run, blocks_of(text))] for name, text in texts.items()}
    for name, blocks in pages.items():
        for block in blocks:
            if block.skipped:
                print(f"{name}:{block.line} skipped: {block.skipped}")
    runnable = {name: [block for block in blocks if not block.skipped] for name, blocks in pages.items()}
    code = {name: [block for block in blocks if not block.title] for name, blocks in runnable.items()}
    files = {name: [block for block in blocks if block.title] for name, blocks in runnable.items()}
    with Emulator() as emulator:
        failed = run_code(code, emulator.url)
    failed += [name for name, blocks in files.items() if blocks and not run_tests(name, blocks)]
    ran = sum(map(len, runnable.values()))
    skipped = sum(map(len, pages.values())) - ran
    print(
        f"{ran} blocks of {len(pages)} pages ran, {skipped} skipped; pages that failed: {', '.join(failed) or 'none'}"
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
