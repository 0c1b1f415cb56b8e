"""Knows sentry-sdk, which is told of no place to send to."""

from __future__ import annotations

import sentry_sdk

NAME = "sentry-sdk"
CLAIMS = {"implements": ["w3c-baggage"]}
OFFERS = {}

sentry_sdk.init(traces_sample_rate=1.0, release="conform")


def version():
    return _version("sentry-sdk")


def baggage_relay(headers):
    with sentry_sdk.isolation_scope():
        sentry_sdk.continue_trace(_joined(headers))
        sent = sentry_sdk.get_baggage()
    return {"headers": [["baggage", sent]] if sent else []}


def ids_generate(count):
    ids = []
    for _ in range(count):
        with sentry_sdk.isolation_scope(), sentry_sdk.start_transaction(name="conform") as span:
            ids.append([span.trace_id, span.span_id])
    return {"ids": ids}


OFFERS.update({"baggage.relay": baggage_relay, "ids.generate": ids_generate})
