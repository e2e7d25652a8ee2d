"""The real servers: how each is started, and what the checks must know of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from aki_transport import errors
from tests.tools.interop import install

LITELLM_KEY = "sk-of-the-proxy"
LLAMA_KEY = "sk-of-the-llama"
LLAMA_MODEL = "tiny"
LITELLM_NAMES = ("LiteLLM before llama.cpp", "LiteLLM with a mocked model")
WINDOW = 4096
DEFAULT_TEMPLATE = "Qwen-Qwen2.5-7B-Instruct"
_STARTS_WITHIN = 180.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs.

    Args:
        name: Its heading in the table.
        version: Of the server.
        url: The base URL of its OpenAI-compatible interface.
        model: A model that it serves.
        key: The key that it takes; None if it takes none.
        anthropic_url: The base URL of its Anthropic-compatible interface; None if it is not to be asked.
        failing: Models that always fail, with the class of the error that is right.
        mocked: Whether the answer is one fixed text, so that tools and formats have no effect.
    """

    name: str
    version: str
    url: str
    model: str
    key: str | None = None
    anthropic_url: str | None = None
    failing: Mapping[str, type[errors.AKIError]] = field(default_factory=dict)
    mocked: bool = False


@contextmanager
def llama_cpp(*, template: Path | None = None) -> Iterator[Server]:
    """llama.cpp's server with the tiny model and a chat template, that of Qwen 2.5 if none is named, on a free port."""
    by_default = next(path for path in install.chat_templates() if path.stem == DEFAULT_TEMPLATE)
    port = _free_port()
    options = ["--model", install.model(), "--alias", LLAMA_MODEL, "--host", "127.0.0.1", "--port", port]
    options += [
        "--api-key",
        LLAMA_KEY,
        "--ctx-size",
        WINDOW if template is None else 4 * WINDOW,
        "--parallel",
        1,
        "--threads",
        1,
        "--jinja",
        "--no-webui",
    ]
    # The same question has the same answer, and no answer goes on to the end of the window.
    options += ["--seed", 7, "--n-predict", 400]
    options += ["--chat-template-file", template or by_default]
    binary = install.llama_server()
    with _running([binary, *options], f"http://127.0.0.1:{port}/health"):
        root = f"http://127.0.0.1:{port}"
        version = f"of llama-cpp-python {install.LLAMA_CPP_PYTHON}"
        yield Server(
            name="llama.cpp server" if template is None else template.stem,
            version=version,
            url=f"{root}/v1",
            anthropic_url=root,
            model=LLAMA_MODEL,
            key=LLAMA_KEY,
        )


@contextmanager
def litellm(behind: Server) -> Iterator[tuple[Server, Server]]:
    """LiteLLM's proxy before another server, on a free port: the model that it forwards, and those that it mocks."""
    failing: dict[str, type[errors.AKIError]] = {
        "RateLimitError": errors.RateLimitError,
        "ContextWindowExceededError": errors.ContextOverflowError,
        "InternalServerError": errors.ServerError,
    }
    mock = {"model": "openai/gpt-4o-mini", "api_key": "none"}
    forwarded = {"model": f"openai/{behind.model}", "api_base": behind.url, "api_key": behind.key}
    models: list[dict[str, Any]] = [
        {"model_name": "forwarded", "litellm_params": forwarded, "model_info": {"max_input_tokens": WINDOW}},
        {"model_name": "mocked", "litellm_params": {**mock, "mock_response": "Hello from a mocked model."}},
        *({"model_name": name, "litellm_params": {**mock, "mock_response": f"litellm.{name}"}} for name in failing),
    ]
    config = {"model_list": models, "general_settings": {"master_key": LITELLM_KEY}}
    config["router_settings"] = {"num_retries": 0}  # its own attempts take 5 s before an error is told
    port = _free_port()
    path = install.CACHE / f"litellm-{port}.json"  # JSON is YAML
    path.write_text(json.dumps(config, indent=1))
    command = [install.environment() / "litellm", "--config", path, "--host", "127.0.0.1", "--port", port]
    # It would read prices from the network; the table that it ships serves as well.
    variables = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    with _running(command, f"http://127.0.0.1:{port}/health/liveliness", variables):
        root = f"http://127.0.0.1:{port}"
        common = {"version": install.LITELLM, "url": f"{root}/v1", "anthropic_url": root, "key": LITELLM_KEY}
        yield (
            Server(name=LITELLM_NAMES[0], model="forwarded", **common),
            Server(name=LITELLM_NAMES[1], model="mocked", failing=failing, mocked=True, **common),
        )
    path.unlink()


def at_url(url: str, model: str | None, key: str | None, *, name: str | None, version: str) -> Server:
    """A server that somebody started: vLLM, `transformers serve` or another one."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    if model is None:
        answer = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=30)
        model = answer.raise_for_status().json()["data"][0]["id"]
    return Server(name=name or url, version=version, url=url, model=model, key=key)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def _running(command: list[object], ready: str, variables: Mapping[str, str] | None = None) -> Iterator[None]:
    """A program that runs until the block ends; its output is shown if it does not start."""
    log = install.CACHE / f"{Path(str(command[0])).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own command
            list(map(str, command)),
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(variables or {})},
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, ready, log)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # they keep nothing
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{process.args} did not start:\n{log.read_text(errors='replace')[-4000:]}")
