"""OpenTelemetry and Sentry see each attempt of a default model's call."""

import httpx
import pytest
import sentry_sdk
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.transport import Transport

from tests.ecosystem.calls import ANSWER, WAYS, answer, in_every_way, opentelemetry
from tests.script_server import text_answer


def busy_once(way):
    return text_answer("try again", 503, end="keep-alive"), answer(ANSWER, stream=way.stream)


@in_every_way
def test_opentelemetry_has_one_span_for_each_attempt_and_the_service_its_context(way, server):
    server.say(*busy_once(way))
    with opentelemetry() as exporter:
        assert way.ask(base_url=server.openai_url).text == ANSWER
    spans, address = exporter.get_finished_spans(), server.openai_url
    assert [tuple(span.attributes[f"http.{name}"] for name in ("method", "url", "status_code")) for span in spans] == [
        ("GET", f"{address}/models", 200),
        ("POST", f"{address}/chat/completions", 503),
        ("POST", f"{address}/chat/completions", 200),
    ]
    sent = [request.headers["traceparent"].split("-")[1] for request in (*server.listings, *server.requests)]
    assert sent == [format(span.context.trace_id, "032x") for span in spans]


class Kept(Transport):
    def __init__(self, options=None):
        super().__init__(options)
        self.events = []

    def capture_envelope(self, envelope):
        self.events.append(envelope.get_transaction_event())


@pytest.fixture
def sentry(monkeypatch):
    """Its patch of httpx lasts as long as the test."""
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
    yield sentry_sdk.get_client().transport
    sentry_sdk.get_global_scope().set_client(None)


def test_sentry_sees_each_attempt(server, sentry):
    for way in WAYS:
        server.say(*busy_once(way))
        with sentry_sdk.start_transaction(name=str(way)):
            way.ask(base_url=server.openai_url, model_listing=False)
    call = f"POST {server.openai_url}/chat/completions"
    spans = {
        event["transaction"]: [
            (span["description"], span["data"]["http.response.status_code"])
            for span in event["spans"]
            if span["op"] == "http.client"
        ]
        for event in sentry.events
    }
    assert spans == {str(way): [(call, 503), (call, 200)] for way in WAYS}
