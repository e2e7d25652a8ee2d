"""`python -m tests.tools.soak`: many streams at once, then mixed traffic with faults.

Fails if an answer is wrong, lost or repeated, if something piles up, or if the event loop is held up.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from tests.behaviour.in_langchain import Chat as LangChain
from tests.behaviour.in_llama_index import Chat as LlamaIndex
from tests.tools.soak.noise import heard
from tests.tools.soak.report import of_soak, of_streams
from tests.tools.soak.server import many_descriptors
from tests.tools.soak.service import Service
from tests.tools.soak.soak import Bounds, soaked
from tests.tools.soak.streams import many_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.soak", description=__doc__)
    parser.add_argument("--streams", type=int, default=2000, help="at once, of each framework (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of mixed traffic (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=50.0, help="questions a second in it (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the mixture (default: %(default)s)")
    parser.add_argument(
        "--pause",
        type=float,
        default=Bounds().pause,
        help="seconds that the loop may be held up (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    many_descriptors()
    with Service() as service:
        complaints = asyncio.run(_loaded(service, given))
    for words in complaints:
        _say(f"WRONG: {words}")
    return 1 if complaints else 0


async def _loaded(service: Service, given: argparse.Namespace) -> list[str]:
    complaints: list[str] = []
    with heard() as noise:
        for reader in (LangChain(), LlamaIndex()) if given.streams else ():
            streams = await many_streams(service, reader, given.streams)
            _say(of_streams(streams))
            complaints += streams.complaints
        if given.minutes:
            seconds = 60 * given.minutes
            soak = await soaked(
                service,
                seconds=seconds,
                rate=given.rate,
                seed=given.seed,
                bounds=Bounds(pause=given.pause),
                noise=noise,
            )
            _say(of_soak(soak))
            complaints += soak.complaints
        else:
            complaints += noise
    return complaints


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
