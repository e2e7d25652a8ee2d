"""The pytest plugin, as users have it: their code is not changed for the test."""

import re
from itertools import chain

import pytest

from tests.programs import ROOT, run

TESTS = '''
import os

import pytest
from llama_index_aki import AKI

from aki_transport import Provider, Route
from langchain_aki import ChatAKI

seen = []


def answer(question):
    """A user's own code: it makes its model itself."""
    return ChatAKI(model="their-model").invoke(question).text


def test_a_scripted_answer(aki_emulator):
    aki_emulator.respond("NOT FOUND")
    assert answer("Who?") == "NOT FOUND"
    assert aki_emulator.requests[-1].body["messages"][0]["content"] == "Who?"
    seen.append(aki_emulator)


def test_one_server_a_session_reset_for_each_test(aki_emulator):
    assert seen == [aki_emulator]
    assert aki_emulator.requests == []
    assert os.environ["AKI_EMULATOR"] == aki_emulator.url


ROUTE = Route(protocol="openai", base_url="https://a.example/v1", key_in="x-api-key")
PLACES = [{"protocol": "anthropic"}, {"provider": "aacflow"}, {"provider": "ak_ai_core"},
          {"provider": Provider(name="own", routes=(ROUTE,))}]


@pytest.mark.parametrize("where", PLACES)
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


OPTIONS = ("-p", "aki_transport.pytest_plugin", "-p", "no:cacheprovider", "-q")


def test_the_fixture_answers_in_place_of_the_services(tmp_path, monkeypatch, capsys):
    (tmp_path / "test_theirs.py").write_text(TESTS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AKI_API_KEY", "a-key-of-the-environment")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # In this process, which has imported both frameworks, and without the plugins that change a whole process.
    quiet = (f"no:{plugin}" for plugin in ("faulthandler", "threadexception", "unraisableexception"))
    options = [*OPTIONS, *chain.from_iterable(("-p", plugin) for plugin in quiet)]
    pytest.main([*options, "-Wdefault", "--capture=no", "--rootdir=.", "--import-mode=importlib"])
    printed = capsys.readouterr().out
    assert "8 passed" in printed, printed
    assert printed.count("were not asked for") == 1
    assert "test_what_nobody_asked_for_is_warned_of: 1 scripted items were not asked for: 'left over'" in printed


def test_without_the_extra_it_says_in_one_line_what_to_install(tmp_path):
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['uvicorn'] = None\n", encoding="utf-8")
    (tmp_path / "test_theirs.py").write_text("def test_of_theirs(aki_emulator): ...", encoding="utf-8")
    environment = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    printed = run("-m", "pytest", *OPTIONS, folder=tmp_path, **environment).stdout
    assert "pip install 'aki-integrations[emulator]'" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "PIL"])
def test_the_command_without_the_extra_says_what_to_install(missing):
    blocked = f"import runpy, sys; sys.modules[{missing!r}] = None; "
    done = run("-c", blocked + "runpy.run_module('aki_transport.emulator', run_name='__main__')")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'aki-integrations[emulator]'" in done.stderr


def test_to_load_the_plugin_loads_nothing_but_pytest():
    code = (
        "import pytest, sys, runpy; before = set(sys.modules);"
        "runpy.run_path('aki_transport/pytest_plugin.py'); print(sorted(set(sys.modules) - before))"
    )
    done = run("-c", code)
    assert done.returncode == 0
    assert not re.search("aki_transport|httpx|pydantic|starlette", done.stdout)
