"""Runs both frameworks on real servers: `python -m tests.tools.interop --help`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.tools.interop import capture, install, report, servers
from tests.tools.interop.features import FEATURES, TEMPLATE_FEATURES, Feature, Subject
from tests.tools.interop.frameworks import FRAMEWORKS
from tests.tools.interop.report import FAILS, Section
from tests.tools.interop.servers import Server
from tests.tools.interop.standard import run_standard_tests


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print and write the table; 0 if nothing fails."""
    args = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end too
    began = time.monotonic()
    with _servers(args) as running:
        print(f"The servers run after {time.monotonic() - began:.0f} s.", flush=True)
        if args.capture:
            _capture(running)
        sections = [_ask(server, args) for server in running if args.only in server.name]
    with_templates = [] if args.url else [_ask_with_template(path, args) for path in _templates(args.only)]
    failures = [line for section in (*sections, *with_templates) for line in section.failures]
    pages = {section.server.name: report.markdown(section) for section in sections}
    if with_templates:
        pages[report.TEMPLATES] = report.templates_markdown(with_templates)
    if (args.url is None and not (args.only or args.feature)) or args.write:
        report.write(pages)
    elif args.url is not None:
        print("\n\n".join(pages.values()))
    print(f"{len(failures)} failures after {time.monotonic() - began:.0f} s.")
    print("\n".join(failures))
    return 1 if failures else 0


def _ask(server: Server, args: argparse.Namespace) -> Section:
    section = Section(server=server)
    protocols = ["openai"] if server.anthropic_url is None else ["openai", "anthropic"]
    for feature in FEATURES:
        if args.feature not in feature.name or (feature.of_model and server.mocked):
            continue
        if feature.name == "errors of its backends" and not server.failing:
            continue
        cells = section.outcomes[feature.name] = {}
        for protocol in protocols:
            for framework in FRAMEWORKS:
                if protocol in feature.protocols:
                    subject = Subject(server=server, framework=framework, protocol=protocol)
                    began = time.monotonic()
                    outcome = _outcome(feature, subject, verbose=args.verbose)
                    reason = report.REASONS["features"].get(f"{server.name}, {feature.name}")
                    outcome = cells[protocol, framework.name] = (
                        reason if reason and outcome.startswith(FAILS) else outcome
                    )
                    seconds = f"{time.monotonic() - began:.1f} s"
                    cell = f"{server.name} | {feature.name} | {protocol} | {framework.name}"
                    print(f"{cell} | {outcome} | {seconds}", flush=True)
    if not args.feature and not server.mocked:
        section.standard = run_standard_tests(server)
    return section


def _templates(only: str) -> list[Path]:
    """Those that refuse some conversations, as Jinja templates do by this function."""
    named = [path for path in install.chat_templates() if only in f"template {path.stem}"]
    return [path for path in named if "raise_exception" in path.read_text()]


def _ask_with_template(path: Path, args: argparse.Namespace) -> Section:
    with servers.llama_cpp(template=path) as server:
        section = Section(server=server)
        for feature in TEMPLATE_FEATURES:
            cells = section.outcomes[feature.name] = {}
            for framework in FRAMEWORKS:
                subject = Subject(server=server, framework=framework, protocol="openai", ways=2)
                outcome = _outcome(feature, subject, verbose=args.verbose)
                reasons = report.REASONS["templates"]
                reason = reasons.get(path.stem) or reasons.get(f"{path.stem}, {feature.name}")
                cells["openai", framework.name] = reason if reason and outcome.startswith(FAILS) else outcome
            print(f"{server.name} | {feature.name} | {' | '.join(cells.values())}", flush=True)
    return section


def _capture(running: Sequence[Server]) -> None:
    if len(running) == 1:
        (server,) = running
        capture.capture(server, f"{re.sub(r'[^a-z0-9]+', '_', server.name.lower())}.json")
        return
    llama, forwarding, mocking = running
    capture.capture(llama, "llama_cpp.json")
    capture.capture(forwarding, "litellm.json", failing_of=mocking)
    with ExitStack() as stack:
        templates = (stack.enter_context(servers.llama_cpp(template=path)) for path in _templates(""))
        capture.capture_refused_histories(templates, "llama_cpp_templates.json")


def _outcome(feature: Feature, subject: Subject, *, verbose: bool) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return feature.check(subject)
    except Exception as error:  # noqa: BLE001  one failure must not keep the others from being seen
        if verbose:
            traceback.print_exc()
        return f"{FAILS}{type(error).__name__}: {' '.join([str(error), *getattr(error, '__notes__', ())])[:300]}"


@contextmanager
def _servers(args: argparse.Namespace) -> Iterator[list[Server]]:
    if args.url is not None:
        key = os.environ.get("AKI_INTEROP_KEY")
        yield [servers.at_url(args.url, args.model, key, name=args.name, version=args.version)]
        return
    install.CACHE.mkdir(parents=True, exist_ok=True)
    with servers.llama_cpp() as llama:
        if not any(args.only in name for name in servers.LITELLM_NAMES):
            yield [llama]
            return
        with servers.litellm(llama) as (forwarding, mocking):
            yield [llama, forwarding, mocking]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.interop",
        description="Runs both frameworks on llama.cpp's server and LiteLLM's proxy, or on a server that runs already.",
    )
    parser.add_argument("--url", help="the OpenAI-compatible base URL of a server that runs; its key: AKI_INTEROP_KEY")
    parser.add_argument("--model", help="the model to ask there; the first one that it lists if not given")
    parser.add_argument("--name", help="what that server is, for the page; its URL if not given")
    parser.add_argument("--version", default="unknown", help="its version, for the page")
    parser.add_argument("--write", action="store_true", help="write its section into docs/compatibility.md too")
    parser.add_argument("--capture", action="store_true", help="keep what the servers answer in tests/captured too")
    parser.add_argument(
        "--only", default="", help="servers whose names hold this, or `template` and a part of its name"
    )
    parser.add_argument("--feature", default="", help="features whose names hold this; no standard tests")
    parser.add_argument("--verbose", action="store_true", help="show the traceback of each failure")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
