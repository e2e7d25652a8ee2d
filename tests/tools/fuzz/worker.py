"""`python -m tests.tools.fuzz.worker TARGET OPTIONS`: one target under atheris. A fall is printed, and it goes on."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["aki_transport", "langchain_aki", "llama_index_aki"]):
    from tests.tools.fuzz.targets import TARGETS

from tests.tools.fuzz.drawn import Drawn

_BEGINNINGS = 50
_SHOWN = 3  # of each kind of fall; the others are counted by what libFuzzer says of the run as a whole


def main(name: str, *options: str) -> None:
    """Feed the target until its number of inputs or its seconds are over."""
    run = next(target.run for target in TARGETS if target.name == name)
    seen: Counter[tuple[str, str, int]] = Counter()
    warnings.simplefilter("ignore")

    def one(data: bytes) -> None:
        try:
            run(Drawn(data))
        except Exception as error:  # noqa: BLE001  whatever it is, it is what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = (type(error).__name__, Path(place.filename).name, place.lineno or 0)
            seen[kind] += 1
            if seen[kind] <= _SHOWN:
                said = {"kind": kind, "words": str(error)[:300], "input": data.hex()}
                sys.stdout.write(json.dumps({**said, "trace": traceback.format_exc()[-3000:]}) + "\n")
                sys.stdout.flush()

    dice = random.Random(name)  # noqa: S311  the same beginnings each time
    with tempfile.TemporaryDirectory() as corpus:
        for number in range(_BEGINNINGS):
            (Path(corpus) / str(number)).write_bytes(dice.randbytes(8 + 4 * number))
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
