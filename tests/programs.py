"""Python programs in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What would leave this machine goes to a port where nothing listens.
CUT_OFF = {**dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9"), "NO_PROXY": "127.0.0.1"}


def run(*arguments: str | Path, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """What became of Python with these arguments; of this process's environment it has the path alone."""
    return subprocess.run(  # noqa: S603  our own programs
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        env={"PATH": os.defpath, **environment},
        timeout=600,
    )
