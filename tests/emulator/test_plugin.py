"""The pytest plugin, as users have it: their code is not changed for the test."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = '''
import os
import warnings

import pytest
from langchain_core.messages import ToolMessage
from llama_index_aki import AKI

from aki_transport import Provider, Route
from aki_transport.emulator import http_error, tool_call
from langchain_aki import ChatAKI
from langchain_aki.errors import RateLimitError

RULES = "Answer from the passages. If they do not say it, answer NOT FOUND."
seen = []


def answer(question):
    """A user's own pipeline: it makes its model itself."""
    return ChatAKI(model="their-model").invoke([("system", RULES), ("user", question)]).text


def test_a_scripted_answer(aki_emulator):
    aki_emulator.respond("NOT FOUND")
    assert answer("Who?") == "NOT FOUND"
    assert aki_emulator.requests[-1].body["messages"][0]["content"] == RULES
    seen.append(aki_emulator)


def test_one_server_a_session_reset_for_each_test(aki_emulator):
    assert seen == [aki_emulator]
    assert aki_emulator.requests == []
    assert os.environ["AKI_EMULATOR"] == aki_emulator.url


def test_the_third_call_fails(aki_emulator):
    aki_emulator.respond("one", "two", http_error(429, headers={"retry-after": "0"}, times=3))
    assert [answer("?"), answer("?")] == ["one", "two"]
    with pytest.raises(RateLimitError):
        answer("?")


def test_a_bad_argument_of_a_tool(aki_emulator):
    aki_emulator.respond(tool_call("add", a="x"))
    called = ChatAKI(model="their-model").bind_tools([]).invoke("?")
    assert called.tool_calls[0]["args"] == {"a": "x"}


@pytest.mark.parametrize(
    "where",
    [
        {"provider": "aki", "protocol": "anthropic"},
        {"provider": "aacflow"},
        {"provider": "ak_ai_core"},
        {"provider": Provider(name="own", routes=(Route(protocol="openai", base_url="https://a.example/v1",
                                                        key_in="x-api-key"),))},
    ],
)
def test_every_provider_and_protocol_goes_there(aki_emulator, where):
    aki_emulator.respond("Blue.", "Green.")
    assert ChatAKI(model="their-model", **where).invoke("?").text == "Blue."
    assert AKI(model="their-model", api_key="a-real-key", **where).complete("?").text == "Green."
    assert "a-real-key" not in str(aki_emulator.requests)


def test_the_native_protocol_goes_there_too(aki_emulator):
    aki_emulator.respond("Blue.")
    assert ChatAKI(model="llama3-chat-8b", protocol="native").invoke("?").text == "Blue."


def test_what_nobody_asked_for_is_warned_of(aki_emulator):
    aki_emulator.respond("left over")
'''


def run(folder, tests):
    (folder / "test_theirs.py").write_text(tests, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "aki_transport.pytest_plugin", "-p", "no:cacheprovider", "-q"]
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT),
        "AKI_API_KEY": "a-key-of-the-environment",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(  # noqa: S603  # our own command
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False
    )
    return done.stdout + done.stderr


def test_the_fixture_answers_in_place_of_the_services(tmp_path):
    printed = run(tmp_path, TESTS)
    assert "10 passed, 1 warning" in printed, printed
    assert "test_what_nobody_asked_for_is_warned_of: 1 scripted items were not asked for: 'left over'" in printed


def test_without_the_extra_it_says_in_one_line_what_to_install(tmp_path):
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['uvicorn'] = None\n", encoding="utf-8")
    printed = run(tmp_path, "def test_of_theirs(aki_emulator): ...")
    assert "pip install 'aki-integrations[emulator]'" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "PIL"])
def test_the_command_without_the_extra_says_what_to_install(missing):
    blocked = f"import runpy, sys; sys.modules[{missing!r}] = None; "
    code = blocked + "runpy.run_module('aki_transport.emulator', run_name='__main__')"
    done = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'aki-integrations[emulator]'" in done.stderr


def test_to_load_the_plugin_loads_nothing_but_pytest():
    code = (
        "import pytest, sys, runpy; before = set(sys.modules);"
        "runpy.run_path('aki_transport/pytest_plugin.py'); print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert not re.search("aki_transport|httpx|pydantic|starlette", done.stdout)
