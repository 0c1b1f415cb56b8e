"""Spans as OTLP protobuf, from the standard library alone (OpenTelemetry Protocol 1.11)."""

from verified.otlp.trace import Encoded, encode

__all__ = ["Encoded", "encode"]
