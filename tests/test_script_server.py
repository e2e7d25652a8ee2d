from __future__ import annotations

import ast
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from aki_transport import errors
from tests.scenarios import ERRORS, SCENARIOS, Expect, Fails, Scenario
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

ROWS = (*SCENARIOS, *ERRORS)
MODULES = sorted((Path(__file__).parent / "scenarios").glob("*.py"))
# What the comment of a row names: who shows it, a standard, our own rule, or "Any server" for a plain variation.
SOURCES = re.compile(
    r"AKI\.IO|AACFlow|AK AI CORE|OpenAI|Azure|Anthropic|Bedrock|Gemini|Gemma|Google|Mistral|Groq|DeepSeek|OpenRouter"
    r"|Perplexity|Together|Cohere|Databricks|Kimi|Qwen|vLLM|SGLang|TGI|llama[.-]cpp|Ollama|LM.Studio|LiteLLM|FastAPI"
    r"|nginx|Cloudflare|PHP|The SSE standard|JSON allows|Our (rule|error tree)|Any server",
    re.IGNORECASE,
)


def test_a_fault_in_a_scripted_function_reaches_the_test() -> None:
    def faulty(request: Request) -> Answer:
        raise LookupError(request.path)

    def ask() -> None:
        with ScriptServer(faulty) as server, pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.openai_url}/x", trust_env=False)

    with pytest.raises(LookupError, match="/v1/x"):
        ask()


def test_names_of_scenarios_are_unique() -> None:
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_row_says_who_shows_it(path: Path) -> None:
    module, text = import_module(f"tests.scenarios.{path.stem}"), path.read_text("utf-8")
    lines = text.splitlines()
    for statement in ast.parse(text).body:
        names = [ast.unparse(target) for target in statement.targets] if isinstance(statement, ast.Assign) else [""]
        table = getattr(module, names[0], None)
        if not (isinstance(table, tuple) and table and all(isinstance(row, Scenario) for row in table)):
            continue
        rows = statement.value.elts if isinstance(statement.value, ast.Tuple) else [statement]
        for row in rows:
            if isinstance(row, ast.Starred) and isinstance(row.value, ast.Name):
                continue  # another table
            start = row.lineno - 1
            while lines[start - 1].lstrip().startswith("#"):
                start -= 1
            source = "\n".join(lines[start : row.end_lineno])
            comments = re.findall(r"(?:^ *# .*\n?)+", source, re.MULTILINE)
            for comment in comments or [source]:
                assert SOURCES.search(" ".join(comment.split())), comment


@subcases("row", ROWS)
def test_a_scenario_holds_together(row: Scenario) -> None:
    ways = [streamed for streamed in (False, True) if row.applies(streamed=streamed)]
    assert ways
    for way in ways:
        assert len(row.script(streamed=way)) == row.attempts(streamed=way)
        match row.outcome(streamed=way):
            case Expect() as expect:
                assert len(expect.tool_ids) in (0, len(expect.tool_calls))
                assert not (expect.tool_calls or expect.invalid_tool_calls) or row.tools
                assert expect.warns is None or hasattr(errors, expect.warns)
            case Fails() as fails:
                assert issubclass(getattr(errors, fails.error), errors.AKIError)
