"""`python -m notebooks.at_scale questions.parquet answers --model qwen3.6-35b`: answer each row of a Parquet file.

Started again with the same folder, it asks what has no answer yet. Without `--address` (or RAY_ADDRESS) Ray runs on
this machine, for as long as this takes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

FRAMEWORKS = {"langchain": "notebooks.at_scale.in_langchain", "llama-index": "notebooks.at_scale.in_llama_index"}

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
# No matter which system: it is what makes Ray listen on 127.0.0.1 only.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks for, and print the counts."""
    given = _parser().parse_args(arguments)
    address = given.address or os.environ.get("RAY_ADDRESS")
    os.environ.update(_QUIET if address else {**_QUIET, **_LOOPBACK})
    import ray  # noqa: PLC0415  reads the environment

    from .running import Job, run  # noqa: PLC0415  imports Ray

    framework = import_module(FRAMEWORKS[given.framework])
    model = framework.MODEL(model=given.model, **json.loads(given.fields))
    job = Job(
        source=given.source,
        target=given.target.resolve(),
        id=given.id,
        prompt=given.prompt,
        actors=given.actors,
        at_once=given.at_once,
        batch=given.batch,
        per_second=given.per_second,
    )
    if address:
        ray.init(address=address, logging_level="warning")
    else:
        ray.init(address="local", include_dashboard=False, logging_level="warning")
    try:
        counts = run(job, model, framework.ask)
    finally:
        ray.shutdown()
    sys.stdout.write(f"{json.dumps(asdict(counts))}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m notebooks.at_scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="a Parquet file, or a folder of them")
    parser.add_argument("target", type=Path, help="the folder for the answers; on a cluster, one that all machines see")
    parser.add_argument("--model", required=True)
    parser.add_argument("--framework", choices=FRAMEWORKS, default="langchain")
    parser.add_argument("--fields", default="{}", help="further fields of the model, as JSON")
    parser.add_argument("--id", default="id", help="the column that tells rows apart (default: %(default)s)")
    parser.add_argument("--prompt", default="{prompt}", help="with columns in braces (default: %(default)s)")
    parser.add_argument("--actors", type=int, default=2, help="processes that ask (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=16, help="calls under way per actor (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=200, help="rows per file of answers (default: %(default)s)")
    parser.add_argument("--per-second", type=float, help="most calls begun in a second, all actors together")
    parser.add_argument("--address", help="of a Ray cluster; RAY_ADDRESS otherwise")
    return parser


if __name__ == "__main__":
    main()
