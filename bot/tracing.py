"""Traces of Inquest itself: one per investigation, a span for each phase and each call to a source.

Without an endpoint nothing is recorded: OpenTelemetry's own default does nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace

tracer = trace.get_tracer("inquest")


def configure_traces(endpoint: str | None) -> Callable[[], None]:
    """Send spans to an OTLP endpoint over HTTP, such as `http://collector:4318/v1/traces`; returns what ends it."""
    if not endpoint:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "inquest"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    return provider.shutdown
