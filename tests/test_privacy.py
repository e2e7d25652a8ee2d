"""Whom a process turns to that uses all of this: the configured service alone, seen from Python and from the kernel."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.programs import run

# What else may be set on a developer's machine. None of these hosts exists.
OTHERS = {
    **dict.fromkeys(
        ("ANTHROPIC_API_KEY", "HF_TOKEN", "LANGCHAIN_API_KEY", "LANGSMITH_API_KEY", "OPENAI_API_KEY"), "sk"
    ),
    **dict.fromkeys(("OPENAI_API_BASE", "OPENAI_BASE_URL"), "https://openai.invalid/v1"),
    "LANGSMITH_GATEWAY": "true",
    "LANGSMITH_PROJECT": "p",
    "OPENAI_ORG_ID": "org",
    "ANTHROPIC_BASE_URL": "https://anthropic.invalid",
    "HF_ENDPOINT": "https://huggingface.invalid",
    "LANGCHAIN_ENDPOINT": "https://langchain.invalid",
    "LANGSMITH_ENDPOINT": "https://langsmith.invalid",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.invalid",
}


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `tests.privacy.everything` tells of its phases, in a home without any cache."""
    home = str(tmp_path_factory.mktemp("home"))
    done = run("-W", "ignore", "-m", "tests.privacy.everything", HOME=home, TMPDIR=home, **OTHERS)
    assert done.returncode == 0, done.stderr
    told: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return told


def abroad(phase: dict[str, Any]) -> set[str]:
    return {host for host in phase["hosts"] if not host.startswith(("127.0.0.1", "localhost", "::1"))}


def test_importing_making_and_counting_turn_to_nobody_and_download_nothing(phases):
    quiet = phases["quiet"]
    assert (quiet["answered"], quiet["hosts"], quiet["tried to leave"]) == (12, [], 0)
    # LlamaIndex's tokenizer: the file that its own package brings along.
    (encoding,) = {Path(name) for name in quiet["opened"] if "tiktoken_cache" in name}
    assert "site-packages" in encoding.parts


def test_without_a_base_url_it_is_the_provider_s_own_host_alone(phases):
    own = phases["own"]
    assert (own["answered"], set(own["hosts"]), own["tried to leave"]) == (0, {"aki.io"}, 0)


def test_everything_turns_to_the_configured_service_alone_and_tracing_to_its_own_host(phases):
    emulator, traced = phases["emulator"], phases["traced"]
    assert (emulator["answered"], abroad(emulator), emulator["tried to leave"]) == (44, set(), 0)
    assert len({host for host in emulator["hosts"] if ":" in host}) == 1
    assert (traced["answered"], abroad(traced)) == (16, {"langsmith.invalid"})


LEAKS = {
    "Python": "socket.create_connection(('192.0.2.1', 9))",
    "look-up": "socket.getaddrinfo('else.invalid', 9)",
    "C": "libc.sendto(libc.socket(2, 2, 0), b'x', 1, 0, bytes([2, 0, 0, 9, 192, 0, 2, 1]) + bytes(8), 16)",
}
WATCHED = """
import contextlib, ctypes, json, socket, sys
from tests.privacy import watched
is_cut_off, libc = watched.cut_off(), ctypes.CDLL(None)
watched.begin()
for leak in sys.argv[1:]:
    watched.hosts.clear()
    before = watched.tried_to_leave() if is_cut_off else None
    with contextlib.suppress(OSError):
        exec(leak)
    print(json.dumps([watched.hosts, watched.tried_to_leave() - before if is_cut_off else None]))
"""


def test_whoever_turns_elsewhere_is_seen():
    done = run("-c", WATCHED, *LEAKS.values())
    assert done.returncode == 0, done.stderr
    for leak, (hosts, left) in zip(LEAKS, map(json.loads, done.stdout.splitlines()), strict=True):
        # Where the kernel puts no process apart, nobody sees what C does.
        assert hosts or left is None or left > 0
        assert bool(hosts) is (leak != "C")
