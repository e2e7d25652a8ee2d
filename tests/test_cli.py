"""The command `aki`: what it prints, where, and its exit codes; on the emulator and without any key."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aki_transport.cli import BROKEN_PIPE, FAILED, INTERRUPTED, MISUSED, main
from aki_transport.emulator import answer, http_error

NO_KEY = "no key; set AKI_API_KEY or AKI_IO_API_KEY"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def service(fresh_emulator, monkeypatch):
    monkeypatch.setenv("AKI_EMULATOR", fresh_emulator.url)
    return fresh_emulator


def aki(capsys, *argv):
    try:
        code = main(argv)
    except SystemExit as end:  # argparse
        code = end.code
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("argv", "code", "out", "err"),
    [
        (["models"], 0, "qwen3.6-35b", NO_KEY),
        (["models", "--provider", "aacflow"], MISUSED, None, "set AACFLOW_API_KEY"),
        (["check"], MISUSED, "https://aki.io/v1", NO_KEY),
        (["check", "--live", "--base-url", "http://127.0.0.1:9/v1"], MISUSED, None, "without --base-url"),
        (["chat", "Hi"], MISUSED, None, NO_KEY),
        (["chat", "Hi", "--provider", "nobody"], MISUSED, None, "invalid choice: 'nobody'"),
        (["chat", "Hi", "--provider", "aacflow", "--protocol", "native"], MISUSED, None, "it supports 'openai'"),
        (["chat", "Hi", "--base-url", "http://example.com/v1"], MISUSED, None, "use https"),
        (["chat", "Hi", "--key-variable", "NOT_SET"], MISUSED, None, "NOT_SET is not set"),
        (["chat", "Hi", "--base-url", "http://127.0.0.1:9/v1", "-m", "x"], FAILED, None, "cannot connect"),
        (["image", "a tree"], MISUSED, None, NO_KEY),
        (["image", "a tree", "--edit", "none.png"], MISUSED, None, "none.png"),
        ([], MISUSED, None, "usage: aki"),
        (["--version"], 0, "aki-integrations", None),
    ],
)
def test_without_a_key_it_says_in_one_line_what_to_do(capsys, argv, code, out, err):
    actual, printed, errors = aki(capsys, *argv)
    assert actual == code
    assert out in printed if out else printed == ""
    assert err in errors if err else errors == ""
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("argv", "out", "err"),
    [
        (["models"], ["kimi-k2.7-code-1100b", "262,144", "service"], ""),
        (["models", "--provider", "aacflow"], ["gpt-4o-mini"], ""),
        (["check"], ["AKI.IO, protocol openai", "(AKI_EMULATOR is set)", "from AKI_EMULATOR", "read: 9 models"], ""),
        (["chat", "What is 6 * 7?"], ["6 * 7 = 42.\n"], "gpt-oss-120b: "),
        (["chat", "Hi", "-m", "llama3-chat-8b", "--protocol", "native"], ["Hello"], "tokens in"),
        (["chat", "Hi", "-m", "llama3-chat-8b", "--protocol", "anthropic", "--max-tokens", "3"], ["Hello"], "3 out"),
        (["image", "a red lighthouse", "--size", "256x256", "-o", "x.png"], ["x.png (256x256, image/png)"], ""),
        (["image", "a tree", "--size", "256x256", "--protocol", "native"], ["img_", "256x256"], "done 100 %"),
    ],
)
def test_on_the_emulator(service, capsys, argv, out, err):
    code, printed, errors = aki(capsys, *argv)
    assert code == 0
    assert all(part in printed for part in out)
    assert err in errors if err else errors == ""
    assert service.key not in printed + errors


@pytest.mark.usefixtures("service")
def test_a_picture_is_changed_and_the_question_may_come_by_the_standard_input(capsys, monkeypatch):
    assert aki(capsys, "image", "a red tree", "--size", "256x256", "-o", "a.png")[0] == 0
    assert aki(capsys, "image", "make it blue", "--edit", "a.png", "-o", "b.png")[0] == 0
    assert Path("a.png").read_bytes() != Path("b.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.StringIO("What is 6 * 8?"))
    assert aki(capsys, "chat", "-")[1] == "6 * 8 = 48.\n"


def test_what_the_service_refuses_is_one_line_without_the_key_and_control_characters_are_escaped(service, capsys):
    service.respond(http_error(401, f"the key {service.key} is wrong \x1b[31m", times=None))
    code, printed, errors = aki(capsys, "chat", "Hi", "-m", "gpt-oss-120b")
    assert (code, printed) == (FAILED, "")
    assert errors.startswith("aki: AKI.IO answered 401")
    assert errors.count("\n") == 1
    assert service.key not in errors
    assert "\x1b" not in errors
    service.reset()
    service.respond(answer("one\n\ttwo \x1b]0;title\x07 \u202e three"))
    assert aki(capsys, "chat", "Hi", "-m", "llama3-chat-8b")[1] == "one\n\ttwo \\x1b]0;title\\x07 \\u202e three\n"


def test_a_key_of_another_variable_goes_to_another_address(fresh_emulator, capsys, monkeypatch):
    monkeypatch.setenv("GATEWAY_KEY", fresh_emulator.key)
    url = ("--base-url", fresh_emulator.openai_url, "--key-variable", "GATEWAY_KEY")
    code, printed, _ = aki(capsys, "check", *url)
    assert code == 0
    assert "key       from api_key=" in printed
    assert aki(capsys, "chat", "What is 6 * 7?", "-m", "qwen3.6-35b", *url)[1] == "6 * 7 = 42.\n"


def start(service, *argv, **options):
    return subprocess.Popen(  # noqa: S603  our own arguments
        [sys.executable, "-m", "aki_transport", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "AKI_EMULATOR": service.url, "PYTHONPATH": str(Path(__file__).parents[1])},
        **options,
    )


def test_ctrl_c_ends_it_without_a_traceback(service):
    service.respond(answer("word " * 2000))
    with start(
        service, "chat", "Hi", "--provider", "ak_ai_core", "-m", "openai/gpt-4o-mini!chunk_delay=0.1"
    ) as process:
        assert process.stdout.read(4)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == INTERRUPTED
    assert b"Traceback" not in errors


def test_a_reader_that_leaves_ends_it_without_a_traceback(service):
    service.respond(answer("word " * 20000))
    with start(service, "chat", "Hi", "-m", "llama3-chat-8b") as process:
        assert process.stdout.read(4)
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() == BROKEN_PIPE
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors
