"""One trace per investigation, with a span for every phase and call."""

from __future__ import annotations

from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.doubles import Behaviour
from tests.support.house import house


async def test_an_investigation_is_one_trace(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with house(f"sqlite:///{tmp_path / 'db'}", {"double/a": Behaviour()}, calls=2) as parts:
        done = await parts.settled(await parts.ask())
    root = next(s for s in exporter.get_finished_spans() if (s.attributes or {}).get("inquest.id") == done.id)
    mine = [s for s in exporter.get_finished_spans() if s.context.trace_id == root.context.trace_id]
    names = [span.name for span in mine]
    assert names.count("double/a read_rows") == 2
    assert {"phase analyze", "phase plan", "phase collect", "phase correlate", "phase synthesize"} <= set(names)
