"""Whom a process turns to that uses all of this: the configured service alone, seen from Python and from the kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
SECONDS = 180
# What else may be set on a developer's machine. None of these hosts exists.
OTHERS = {
    "ANTHROPIC_API_KEY": "sk-ant",
    "ANTHROPIC_BASE_URL": "https://anthropic.invalid",
    "HF_ENDPOINT": "https://huggingface.invalid",
    "HF_TOKEN": "hf",
    "LANGCHAIN_API_KEY": "ls",
    "LANGCHAIN_ENDPOINT": "https://langchain.invalid",
    "LANGSMITH_API_KEY": "ls",
    "LANGSMITH_ENDPOINT": "https://langsmith.invalid",
    "LANGSMITH_GATEWAY": "true",
    "LANGSMITH_PROJECT": "p",
    "OPENAI_API_BASE": "https://openai.invalid/v1",
    "OPENAI_API_KEY": "sk",
    "OPENAI_BASE_URL": "https://openai.invalid/v1",
    "OPENAI_ORG_ID": "org",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.invalid",
}


def turned_to(phase: str, tmp_path: Path, **environment: str) -> dict[str, Any]:
    """What `tests.privacy.everything` tells of one of its phases, in a home without any cache."""
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-W", "ignore", "-m", "tests.privacy.everything", phase],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        encoding="utf-8",
        env={"PATH": os.defpath, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **environment},
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def abroad(said: dict[str, Any]) -> set[str]:
    """The hosts that are not this machine."""
    return {host for host in said["hosts"] if not host.startswith(("127.0.0.1", "localhost", "::1"))}


def test_importing_making_and_counting_turn_to_nobody_and_download_nothing(tmp_path):
    said = turned_to("quiet", tmp_path, **OTHERS)
    assert said["answered"] == 12
    assert said["hosts"] == []
    assert said["tried to leave"] == 0
    # LlamaIndex's tokenizer: the file that its own package brings along.
    (encoding,) = {Path(name) for name in said["opened"] if "tiktoken_cache" in name}
    assert "site-packages" in encoding.parts


def test_everything_turns_to_the_configured_service_alone(tmp_path):
    said = turned_to("emulator", tmp_path, **OTHERS, LANGSMITH_TRACING="false")
    assert said["answered"] == 44
    assert abroad(said) == set()
    assert len({host for host in said["hosts"] if ":" in host}) == 1
    assert said["tried to leave"] == 0


def test_without_a_base_url_it_is_the_provider_s_own_host_alone(tmp_path):
    said = turned_to("own", tmp_path, **OTHERS)
    assert said["answered"] == 0
    assert set(said["hosts"]) == {"aki.io"}
    assert said["tried to leave"] == 0


def test_tracing_that_the_user_switches_on_is_langsmith_s_own_and_goes_to_its_host_alone(tmp_path):
    said = turned_to("emulator", tmp_path, **OTHERS, LANGSMITH_TRACING="true")
    assert said["answered"] == 44
    assert abroad(said) == {"langsmith.invalid"}


LEAKS = {
    "Python": "socket.create_connection(('192.0.2.1', 9))",
    "look-up": "socket.getaddrinfo('else.invalid', 9)",
    "C": "libc.sendto(libc.socket(2, 2, 0), b'x', 1, 0, bytes([2, 0, 0, 9, 192, 0, 2, 1]) + bytes(8), 16)",
}
WATCHED = """
import contextlib, ctypes, json, socket
from tests.privacy import watched
is_cut_off, libc = watched.cut_off(), ctypes.CDLL(None)
watched.begin()
with contextlib.suppress(OSError):
    {leak}
print(json.dumps([watched.hosts, watched.tried_to_leave() if is_cut_off else None]))
"""


@pytest.mark.parametrize("leak", LEAKS)
def test_whoever_turns_elsewhere_is_seen(leak):
    command = [sys.executable, "-c", WATCHED.format(leak=LEAKS[leak])]
    done = subprocess.run(command, capture_output=True, check=True, cwd=REPOSITORY, encoding="utf-8", timeout=SECONDS)  # noqa: S603  our own lines
    hosts, left = json.loads(done.stdout)
    # Where the kernel puts no process apart, nobody sees what C does.
    assert hosts or left is None or left > 0
    assert bool(hosts) is (leak != "C")
