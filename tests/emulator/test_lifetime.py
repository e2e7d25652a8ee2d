import gc
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from aki_transport.emulator import Emulator
from aki_transport.emulator.__main__ import main
from tests.transport.asking import patient


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_twenty_starts_and_stops_leave_no_thread_and_no_descriptor():
    with Emulator() as emulator:
        httpx.get(f"{emulator.openai_url}/models")
    gc.collect()  # what an earlier test left would else go meanwhile
    threads, files = threading.active_count(), descriptors()
    for _ in range(20):
        with Emulator() as emulator:
            assert httpx.get(f"{emulator.openai_url}/models").status_code == 401
    gc.collect()
    assert threading.active_count() <= threads
    assert descriptors() <= files  # fewer, where an earlier test's were collected meanwhile


def test_it_starts_at_once_and_stops_while_clients_hold_on():
    with patient(0.5):
        emulator = Emulator().start()
    headers = {"authorization": f"Bearer {emulator.key}"}
    with httpx.Client(base_url=emulator.openai_url, headers=headers) as kept:
        kept.get("/models")
        with (
            socket.create_connection((emulator.host, emulator.port)) as idle,
            kept.stream(
                "POST",
                "/chat/completions",
                json={"model": "gpt-oss-120b", "stream": True, "messages": [{"role": "user", "content": "Hello"}]},
                headers={"x-emulator-fault": "chunk-delay=5"},
            ),
        ):
            request = "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-emulator-fault: hang\r\n\r\n"
            idle.sendall(request.encode())
            with patient(0.5):
                emulator.stop()
            with suppress(ConnectionResetError):  # closed either way
                assert idle.recv(1) == b""


def test_connections_that_are_being_made_while_it_stops_are_closed():
    for _ in range(20):
        emulator, clients = Emulator().start(), []
        address = emulator.host, emulator.port  # a stopped one has none

        def connect(address=address, clients=clients):
            with suppress(OSError):
                for _ in range(10):
                    clients.append(socket.create_connection(address))

        connecting = threading.Thread(target=connect)
        connecting.start()
        emulator.stop()
        connecting.join()
        for client in clients:
            client.close()
    gc.collect()  # a socket that was left open would warn here


def test_it_starts_once_and_again_on_the_same_port_that_is_free(capsys, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the command would set this process's
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.url
    with emulator as first:
        port = first.port
        with pytest.raises(RuntimeError, match="already running"):
            first.start()
        with pytest.raises(OSError, match="in use"):
            Emulator(port=port).start()
        assert main(["--port", str(port)]) == 1
        assert "cannot listen" in capsys.readouterr().err
    emulator.stop()
    with Emulator(port=port) as second:
        assert second.url == f"http://127.0.0.1:{port}"
        assert httpx.get(f"{second.openai_url}/models").status_code == 401


def test_it_leaves_the_logging_of_the_process_alone(caplog):
    caplog.set_level(0)
    with Emulator() as emulator, socket.create_connection((emulator.host, emulator.port)) as broken:
        broken.sendall(b"nonsense\r\n\r\n")
        broken.recv(100)
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.parametrize(
    ("program", "end"), [(["aki_transport.emulator"], signal.SIGTERM), (["aki_transport", "emulator"], signal.SIGINT)]
)
def test_the_command_prints_every_address_and_key_and_ends_with_ctrl_c(program, end):
    command = [sys.executable, "-m", *program, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        lines = [process.stdout.readline()]
        while not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
        url = next(word for word in lines[0].split() if word.startswith("http"))
        assert httpx.get(f"{url}/models", headers={"authorization": "Bearer aki-test"}).status_code == 200
        process.send_signal(end)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
    for path, key in (
        ("/v1", "aki-test"),
        ("/anthropic", "aki-test"),
        ("/aacflow/api/v1/ai", "aacf_test"),
        ("/ak_ai_core/v1", "sk-or-test"),
    ):
        assert f"{path} (key: {key})" in "".join(lines)
    assert "AKI_EMULATOR=http://127.0.0.1:" in "".join(lines)


def test_an_answer_does_not_wait_for_an_acknowledgement():
    with Emulator() as emulator, httpx.Client(base_url=emulator.openai_url) as client:
        client.get("/models")
        # Nagle's algorithm against delayed acknowledgements costs 40 ms a request.
        with patient(0.4):
            for _ in range(20):
                client.get("/models")
