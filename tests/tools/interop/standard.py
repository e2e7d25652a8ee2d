"""LangChain's standard integration tests on a real server, in a pytest of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET  # of our own pytest
from pathlib import Path

from tests.tools.interop.report import FAILS, REASONS
from tests.tools.interop.servers import Server

SUITE = Path(__file__).with_name("standard_suite.py")
VARIABLE = "INTEROP_SERVER"


def run_standard_tests(server: Server) -> dict[str, str]:
    """The outcome of each test: `passed`, why a random model cannot pass it, or a failure."""
    reasons = REASONS["standard"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "outcomes.xml")
        where = {"model": server.model, "base_url": server.url, "api_key": server.key}
        options = ("-q", "--no-header", "--tb=short", "-o", "filterwarnings=default", f"--junit-xml={path}")
        done = subprocess.run(  # noqa: S603  our own command
            [sys.executable, "-m", "pytest", *options, str(SUITE)],
            check=False,
            env={**os.environ, VARIABLE: json.dumps(where)},
            stdout=subprocess.PIPE,
            text=True,
        )
        if not path.exists():
            raise SystemExit(done.stdout)
        cases = list(ET.parse(path).iter("testcase"))  # noqa: S314  of our own pytest
    outcomes = {}
    for case in cases:
        name = case.attrib["name"]
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if failure is not None:
            message = " ".join(failure.attrib.get("message", "").split())[:200]
            outcomes[name] = reasons.get(name.partition("[")[0]) or f"{FAILS}{message}"
        elif skipped is not None:
            outcomes[name] = " ".join(skipped.attrib.get("message", "").split())
        else:
            outcomes[name] = "passed"
    return outcomes
