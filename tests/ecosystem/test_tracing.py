"""OpenTelemetry and Sentry see each attempt of a default model's call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.ecosystem.calls import ANSWER, WAYS, Way, answer
from tests.script_server import text_answer


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_opentelemetry_has_one_span_for_each_attempt(way: Way, server, spans):
    server.say(text_answer("try again", 503, end="keep-alive"), answer(ANSWER, stream=way.stream))
    assert way.ask(base_url=server.openai_url).text == ANSWER
    address = server.openai_url
    assert [
        (span.attributes["http.method"], span.attributes["http.url"], span.attributes["http.status_code"])
        for span in spans.get_finished_spans()
    ] == [
        ("GET", f"{address}/models", 200),
        ("POST", f"{address}/chat/completions", 503),
        ("POST", f"{address}/chat/completions", 200),
    ]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_service_receives_the_context_of_the_trace(way: Way, server, spans):
    way.ask(base_url=server.openai_url)
    (span,) = [span for span in spans.get_finished_spans() if span.attributes["http.method"] == "POST"]
    (request,) = server.requests
    assert request.headers["traceparent"].split("-")[1] == format(span.context.trace_id, "032x")


SENTRY = """
import json, sys
import sentry_sdk
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.transport import Transport

sent = []

class Kept(Transport):
    def capture_envelope(self, envelope):
        sent.append(envelope.get_transaction_event())

sentry_sdk.init(
    dsn="http://key@127.0.0.1:9/1",
    transport=Kept,
    traces_sample_rate=1.0,
    integrations=[HttpxIntegration()],
    auto_enabling_integrations=False,  # to load all of them takes a minute
)

from aki_transport.transport import attempts
from tests.ecosystem.calls import WAYS

attempts.pause_before = lambda *_: 0.0
for way in WAYS:
    with sentry_sdk.start_transaction(name=str(way)):
        way.ask(base_url=sys.argv[1], model_listing=False)
print(json.dumps({
    event["transaction"]: [
        [span["description"], span["data"]["http.response.status_code"]]
        for span in event["spans"] if span["op"] == "http.client"
    ]
    for event in sent if event
}))
"""


def test_sentry_sees_each_attempt(server):
    """In a process of its own, for Sentry's patches last as long as that."""
    for way in WAYS:
        server.say(text_answer("try again", 503, end="keep-alive"), answer(ANSWER, stream=way.stream))
    ran = subprocess.run(  # noqa: S603  our own script
        [sys.executable, "-c", SENTRY, server.openai_url],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr
    call = f"POST {server.openai_url}/chat/completions"
    assert json.loads(ran.stdout) == {str(way): [[call, 503], [call, 200]] for way in WAYS}
