"""Traces, sent to a collector that a test is."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.db.embedded import EmbeddedServer
from app.faults import SettingsInvalid
from app.settings import from_environment
from tests.contract.conftest import own_settings
from tests.venue import running_venue

ROOT = Path(__file__).parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """Where OTLP comes in, and the spans that came."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                data = gzip.decompress(data)
            request = ExportTraceServiceRequest.FromString(data)
            spans.extend(span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_request_is_a_trace(postgres: EmbeddedServer, tmp_path: Path) -> None:
    """OPS-018: under its caller's, with a span for each step of its command."""
    settings = own_settings(postgres, tmp_path, "traces")
    with collector() as (endpoint, spans), running_venue(replace(settings, otel_endpoint=endpoint)) as venue:
        client = venue.client("traced")
        answer = client.post(
            "/auth/order",
            f"pair=USD_BTC_PERP&side=BUY&qty=0.001&price=59000&timestamp={venue.stamp()}",
            x_request_id="mine",
            traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
        )
        assert answer.status_code == 200, answer.text
        venue.http.get(f"{venue.url}/ping", timeout=10)
    by_name = {span.name: span for span in spans}
    order = by_name["POST /auth/order"]
    said = {item.key: item.value for item in order.attributes}
    assert said["evermark.request_id"].string_value == "mine"
    assert said["http.response.status_code"].int_value == 200
    assert order.trace_id.hex() == TRACE
    steps = [span for span in spans if span.parent_span_id == order.span_id]
    assert [span.name for span in steps] == ["decode", "queue", "journal", "apply", "answer"]
    assert steps[0].start_time_unix_nano == order.start_time_unix_nano
    assert steps[-1].end_time_unix_nano == order.end_time_unix_nano
    assert all(a.end_time_unix_nano == b.start_time_unix_nano for a, b in pairwise(steps))
    assert by_name["GET /ping"].trace_id.hex() != TRACE
    text = "".join(str(span) for span in spans)
    assert client.api_key not in text and client.secret not in text


def test_a_collector_that_is_away_is_no_matter(postgres: EmbeddedServer, tmp_path: Path) -> None:
    """OPS-018."""
    settings = own_settings(postgres, tmp_path, "untraced")
    with running_venue(replace(settings, otel_endpoint="http://127.0.0.1:1/v1/traces")) as venue:
        assert venue.client("untraced").order().status_code == 200


def test_without_the_switch_nothing_of_it_is_there() -> None:
    """OPS-018."""
    code = "import sys, app.main; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_switch_must_be_an_address() -> None:
    """OPS-018."""
    assert from_environment({}).otel_endpoint is None
    assert (
        from_environment({"EVERMARK_OTEL_ENDPOINT": "http://x:4318/v1/traces"}).otel_endpoint
        == "http://x:4318/v1/traces"
    )
    with pytest.raises(SettingsInvalid, match="EVERMARK_OTEL_ENDPOINT must begin with http:// or https://"):
        from_environment({"EVERMARK_OTEL_ENDPOINT": "x:4318"})
