"""`aki check --live` with the questions that need the frameworks: `python -m tests.tools.live --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from aki_transport.auth import EMULATOR_VARIABLE
from aki_transport.cli import agree
from aki_transport.emulator import Emulator
from aki_transport.errors import ConfigurationError
from aki_transport.live_check import QUESTIONS, run
from tests.tools.live.frameworks import QUESTIONS as FRAMEWORK_QUESTIONS


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, and print the table; 0 if every question is answered."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.live", description=__doc__)
    parser.add_argument("--emulator", action="store_true", help="ask the emulator instead, which costs nothing")
    parser.add_argument("--yes", action="store_true", help="spend without asking")
    parser.add_argument("--provider", help="only this one")
    parser.add_argument("--protocol", help="only this one")
    parser.add_argument("--report", type=Path, help="write the report to this file")
    arguments = parser.parse_args(argv)
    try:
        with emulated() if arguments.emulator else _as_it_is():
            is_answered = run(
                (*QUESTIONS, *FRAMEWORK_QUESTIONS),
                write=print,
                agree=partial(agree, yes=arguments.yes),
                provider=arguments.provider,
                protocol=arguments.protocol,
                report=arguments.report,
            )
    except ConfigurationError as error:
        print(error)
        return 1
    return 0 if is_answered else 1


@contextmanager
def emulated() -> Iterator[None]:
    """`AKI_EMULATOR` set to one whose jobs take little time."""
    before = os.environ.get(EMULATOR_VARIABLE)
    with Emulator(job_speed=0.3) as emulator:
        os.environ[EMULATOR_VARIABLE] = emulator.url
        try:
            yield
        finally:
            del os.environ[EMULATOR_VARIABLE]
            if before is not None:
                os.environ[EMULATOR_VARIABLE] = before


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


if __name__ == "__main__":
    sys.exit(main())
