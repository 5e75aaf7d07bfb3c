"""Requests as traces, for whoever has a collector of them: a span for each, and one for each step of its command's life.

Only the switch EVERMARK_OTEL_ENDPOINT brings the packages in. Spans are made after the answer is out and sent by a thread of
their own; when the collector is away they are dropped.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, final

from app.faults import SettingsInvalid
from app.settings import Settings
from app.snapshots import code_version
from app.stamps import STEPS, Lives, Stamps

NS_PER_S: Final = 1_000_000_000
FAULT: Final = 500
SETTING: Final = "EVERMARK_OTEL_ENDPOINT"
PARENT: Final = b"traceparent"


@asynccontextmanager
async def traced(settings: Settings, lives: Lives) -> AsyncIterator[None]:
    """Trace every request while the block lasts, where the settings say so.

    Raises: SettingsInvalid when the packages are missing.
    """
    if settings.otel_endpoint is None:
        yield
        return
    tracer = Tracer(settings.otel_endpoint)
    lives.trace = tracer.tell
    try:
        yield
    finally:
        lives.trace = None
        await asyncio.to_thread(tracer.stop)


@final
class Tracer:
    """Makes spans of stamps."""

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise SettingsInvalid(SETTING, "needs more packages: pip install evermark[otel]") from None
        resource = Resource.create({"service.name": "evermark", "service.version": code_version()})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("evermark")
        self._propagator = TraceContextTextMapPropagator()
        self._within = trace.set_span_in_context
        self._kind = trace.SpanKind.SERVER
        self._error = trace.StatusCode.ERROR
        self._zero_ns = time.time_ns() - time.perf_counter_ns()

    def tell(self, scope: Mapping[str, Any], path: str, stamps: Stamps) -> None:
        """Make the spans of a request whose answer is out."""
        parent = None
        for name, value in scope["headers"]:
            if name == PARENT:
                parent = self._propagator.extract({"traceparent": value.decode("latin-1")})
        span = self._tracer.start_span(
            f"{scope['method']} {path}",
            parent,
            self._kind,
            {
                "http.request.method": scope["method"],
                "http.route": path,
                "http.response.status_code": int(stamps.status),
                "evermark.request_id": stamps.request_id.decode(),
            },
            start_time=self._ns(stamps.begun_s),
        )
        now_s = time.perf_counter()
        if stamps.status >= FAULT:
            span.set_status(self._error)
        if stamps.applied_s:
            within = self._within(span)
            ends = (stamps.queued_s, stamps.taken_s, stamps.durable_s, stamps.applied_s, now_s)
            start_s = stamps.begun_s
            for step, end_s in zip(STEPS, ends, strict=True):
                child = self._tracer.start_span(step, within, start_time=self._ns(start_s))
                child.end(self._ns(end_s))
                start_s = end_s
        span.end(self._ns(now_s))

    def stop(self) -> None:
        """Send what is left, as far as the collector takes it."""
        self._provider.shutdown()

    def _ns(self, moment_s: float) -> int:
        return self._zero_ns + int(moment_s * NS_PER_S)
