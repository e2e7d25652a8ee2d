"""OpenTelemetry and Sentry see each attempt of a default model's call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sentry_sdk
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.transport import Transport

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


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What Sentry would send; its patch of httpx lasts as long as the test."""
    sent: list[dict[str, Any]] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            event = envelope.get_transaction_event()
            assert event is not None
            sent.append(event)

    for client in (httpx.Client, httpx.AsyncClient):
        monkeypatch.setattr(client, "send", client.send)
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Kept,
        traces_sample_rate=1.0,
        integrations=[HttpxIntegration()],
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    yield sent
    sentry_sdk.get_global_scope().set_client(None)


def test_sentry_sees_each_attempt(server, events):
    for way in WAYS:
        server.say(text_answer("try again", 503, end="keep-alive"), answer(ANSWER, stream=way.stream))
        with sentry_sdk.start_transaction(name=str(way)):
            way.ask(base_url=server.openai_url, model_listing=False)
    call = f"POST {server.openai_url}/chat/completions"
    spans = {
        event["transaction"]: [
            (span["description"], span["data"]["http.response.status_code"])
            for span in event["spans"]
            if span["op"] == "http.client"
        ]
        for event in events
    }
    assert spans == {str(way): [(call, 503), (call, 200)] for way in WAYS}
