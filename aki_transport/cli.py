"""The command `aki`: models, check, chat, image and emulator, without a line of Python."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from io import TextIOWrapper
from pathlib import Path
from platform import python_version
from typing import Any

from aki_transport._version import __version__
from aki_transport.auth import EMULATOR_VARIABLE, shown_url
from aki_transport.client import Client
from aki_transport.errors import AKIError, ConfigurationError
from aki_transport.messages import ChatReply, ChatRequest, JobProgress, Message
from aki_transport.models.catalog import ModelInfo, load_table
from aki_transport.providers import DEFAULT_PROVIDER, PROVIDERS, Provider
from aki_transport.redaction import escape_control

FAILED, MISUSED, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
"""Exit codes besides 0: the service refused or was not reached; an argument or the environment is wrong; Ctrl-C; the
reader of the output went away."""

_FRAMEWORKS = ("langchain-core", "llama-index-core")
_REPORT = Path("aki-live-check.md")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII alone
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["emulator"]:
        from aki_transport.emulator.__main__ import main as serve  # noqa: PLC0415  an extra

        return serve(argv[1:], prog="aki emulator")
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = run(arguments)
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        # What is left in the buffer has nowhere to go, and would be reported once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (AKIError, OSError) as error:
        sys.stdout.flush()
        _warn(str(error))
        return MISUSED if isinstance(error, ConfigurationError) else FAILED


def _parser() -> argparse.ArgumentParser:
    service = argparse.ArgumentParser(add_help=False)
    service.add_argument("--provider", choices=list(PROVIDERS), help=f"the service (default: {DEFAULT_PROVIDER})")
    service.add_argument("--protocol", choices=("openai", "anthropic", "native"), help="which of its interfaces")
    service.add_argument("--base-url", metavar="URL", help="another address of it, or any service of your own")
    service.add_argument("--key-variable", metavar="NAME", help="the environment variable that holds the key")
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", "-m", help="the model's ID, as `aki models` lists it")

    parser = argparse.ArgumentParser(prog="aki", description="AKI.IO and OpenAI-compatible services, from a terminal.")
    parser.add_argument("--version", action="version", version=f"aki-integrations {__version__}")
    commands = parser.add_subparsers(title="commands", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str, *parents: Any) -> Any:
        added = commands.add_parser(name, parents=[service, *parents], help=text, description=f"{text.capitalize()}.")
        added.set_defaults(run=run)
        return added

    command("models", _models, "the models that the service lists, with their limits and capabilities")
    check = command("check", _check, "the key, where it came from, the address, the proxy, and one free call")
    check.add_argument("--live", action="store_true", help="compare what is assumed of the services with what they do")
    check.add_argument("--yes", action="store_true", help="with --live: spend without asking")
    check.add_argument(
        "--report", type=Path, default=_REPORT, help="with --live: the report's file (default: %(default)s)"
    )
    chat = command("chat", _chat, "the answer to one question, as it arrives", model)
    chat.add_argument("question", help="- reads it from the standard input")
    chat.add_argument("--system", help="instructions for the model")
    chat.add_argument("--max-tokens", type=int, metavar="N", help="the most tokens that the answer may have")
    image = command("image", _image, "a picture of what the words say", model)
    image.add_argument("prompt")
    image.add_argument("--output", "-o", type=Path, default=Path(), help="a file, or a folder (default: here)")
    image.add_argument("--size", help='pixels, like "1024x1024"')
    image.add_argument("--edit", type=Path, metavar="FILE", help="change this picture instead of making a new one")
    emulator = commands.add_parser("emulator", help="a local stand-in for the services, which needs no key")
    emulator.set_defaults(run=None)
    return parser


def _client(arguments: argparse.Namespace, **options: Any) -> Client:
    provider, base_url = arguments.provider or DEFAULT_PROVIDER, arguments.base_url
    if base_url and arguments.provider is None:
        provider, base_url = Provider(base_url=base_url), None
    variable, api_key = arguments.key_variable, None
    if variable is not None:
        if not os.environ.get(variable, "").strip():
            raise ConfigurationError(f"the environment variable {variable} is not set.")
        api_key = partial(os.environ.__getitem__, variable)  # a function, so that no variable of a frame holds the key
    return Client(provider, arguments.protocol, base_url=base_url, api_key=api_key, **options)


def _models(arguments: argparse.Namespace) -> int:
    with _client(arguments) as client:
        try:
            infos, code = client.refresh_models(), 0
        except AKIError as error:
            infos = tuple(load_table(client.provider.catalog).values())
            if not infos:
                raise
            _warn(f"{error}\nThe service's own list was not read; this is the built-in table.")
            code = 0 if isinstance(error, ConfigurationError) else FAILED
    rows: list[tuple[str, ...]] = [("model", "context", "output", "tools", "images", "reasoning", "schema", "source")]
    rows += [_model_row(info) for info in infos]
    _print_table(rows)
    return code


def _model_row(info: ModelInfo) -> tuple[str, ...]:
    able = (info.tools, info.images, info.reasoning, info.structured_output)
    abilities = [{True: "yes", False: "no", None: "?"}[each] for each in able]
    return (info.id, f"{info.context_window:,}", f"{info.max_output:,}", *abilities, info.source)


def _check(arguments: argparse.Namespace) -> int:
    if arguments.live:
        return _check_live(arguments)
    from aki_transport.transport.raw import proxy_for  # noqa: PLC0415  httpx takes longer than all the rest

    with _client(arguments) as client:
        of_emulator = "" if client.route in client.provider.routes else f" ({EMULATOR_VARIABLE} is set)"
        versions = ", ".join(filter(None, (f"Python {python_version()}", *map(_installed, ("httpx", *_FRAMEWORKS)))))
        _line("package", f"aki-integrations {__version__}; {versions}")
        _line("provider", f"{client.provider.title}, protocol {client.route.protocol}")
        _line("address", f"{shown_url(client.base_url)}{of_emulator}")
        _line("proxy", proxy_for(client.base_url) or "none")
        _line("key", f"from {client.key_origin()}" if client.key_origin() else "none is needed")
        infos = client.refresh_models()
        _line("listing", f"read: {len(infos)} {'model' if len(infos) == 1 else 'models'}")
    return 0


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _check_live(arguments: argparse.Namespace) -> int:
    if arguments.base_url or arguments.key_variable:
        raise ConfigurationError("--live asks the known services alone: without --base-url and --key-variable.")
    from aki_transport import live_check  # noqa: PLC0415  for the few who ask

    is_answered = live_check.run(
        live_check.QUESTIONS,
        write=_print,
        agree=lambda cost: agree(cost, yes=arguments.yes),
        provider=arguments.provider,
        protocol=arguments.protocol,
        report=arguments.report,
    )
    return 0 if is_answered else FAILED


def agree(cost: str, *, yes: bool) -> bool:
    """Whether the user agrees to what calls cost; with `yes`, beforehand."""
    _print(cost)
    if yes:
        return True
    if not sys.stdin.isatty():
        _print("There is nobody to ask; with --yes the calls are made.")
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _chat(arguments: argparse.Namespace) -> int:
    question = sys.stdin.read() if arguments.question == "-" else arguments.question
    system = [] if arguments.system is None else [Message(role="system", content=arguments.system)]
    with _client(arguments) as client:
        request = ChatRequest(
            model=arguments.model or _default_model(client),
            messages=(*system, Message(role="user", content=question)),
            max_tokens=arguments.max_tokens,
        )
        reply: ChatReply | None = None
        text = ""
        try:
            for delta in client.stream(request):
                text = delta.text or text
                sys.stdout.write(_escape(delta.text))
                sys.stdout.flush()
                reply = delta.reply or reply
        finally:
            sys.stdout.write("\n" if text else "")
    if reply is not None and reply.usage is not None:
        usage = reply.usage
        _warn(f"{reply.model or request.model}: {usage.input_tokens} tokens in, {usage.output_tokens} out")
    return 0


def _default_model(client: Client) -> str:
    """The first of the built-in table that calls tools, else the service's only one."""
    table = load_table(client.provider.catalog).values()
    chosen = next((info.id for info in table if info.tools), None)
    if chosen is None:
        infos = client.models()
        if len(infos) != 1:
            raise ConfigurationError(f"{client.provider.title}: say which model with --model; `aki models` lists them.")
        chosen = infos[0].id
    return chosen


def _image(arguments: argparse.Namespace) -> int:
    options = {name: getattr(arguments, name) for name in ("model", "size") if getattr(arguments, name) is not None}
    with _client(arguments, on_progress=_show_progress) as client:
        if arguments.edit is None:
            images = client.generate_image(arguments.prompt, **options)
        else:
            images = client.edit_image(arguments.prompt, arguments.edit, **options)
    for image in images:
        path = image.save(arguments.output)
        _print(f"{path} ({image.width}x{image.height}, {image.mime_type})")
    return 0


def _show_progress(progress: JobProgress) -> None:
    percent = "" if progress.percent is None else f" {progress.percent:.0f} %"
    _warn(f"{progress.state}{percent}")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _warn(str(message))


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    rows = [[escape_control(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        _print("  ".join(map(str.ljust, row, widths)).rstrip())


def _line(name: str, value: str) -> None:
    _print(f"{name:10}{value}")


def _print(text: str) -> None:
    sys.stdout.write(f"{_escape(text)}\n")
    sys.stdout.flush()


def _warn(text: str) -> None:
    sys.stderr.write(f"aki: {_escape(text)}\n")


def _escape(text: str) -> str:
    """The text without control characters that a terminal would obey; lines and tabs stay."""
    return "\n".join("\t".join(map(escape_control, line.split("\t"))) for line in text.split("\n"))
