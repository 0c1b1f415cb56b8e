"""Claims about what an exporter is configured with."""

import re

from verified.otlp import configuration
from verified.otlp.configuration import Arguments, Settings
from verified.otlp.http import HttpSender

from .. import reading
from ..claim import claim
from ..domains import Environment, HeaderPairs, OtlpVariable, Uint64, UrlPath
from ..verdict import Verdict

SIGNAL, GENERAL = "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"

# A field name in lower case, and a value that is visible at its ends (RFC 9110, section 5.5).
LEGAL = re.compile(r"[!#-'*+\-.0-9^-z|~]+: (?:[!-~](?:[ \t!-~]*[!-~])?)?")

VALUES = {
    "PROTOCOL": ("grpc", "http/protobuf"),
    "ENDPOINT": ("http://one.example:1/a", "http://two.example:2/b"),
    "HEADERS": ("a=1", "b=2"),
    "TIMEOUT": ("1", "2"),
    "COMPRESSION": ("gzip", "none"),
    "CERTIFICATE": ("one.pem", "two.pem"),
    "CLIENT_KEY": ("one.key", "two.key"),
    "CLIENT_CERTIFICATE": ("three.pem", "four.pem"),
}


@claim(
    "A timeout is a whole number of milliseconds, 0 for no limit; what is negative, beyond 2**40 "
    "or no number is warned of and the default of 10 seconds counts; it is for all of a batch",
    discharges=("CF-01", "CF-02", "CF-03", "OT-16"),
    subject=configuration._timeout,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def timeouts_are_milliseconds(text: str, number: Uint64) -> bool:
    for value in (text, str(number), f"-{number}", f" {number} ", f"{number}.5", f"{number}" * 300):
        found, warnings = configuration.settings({f"{GENERAL}TIMEOUT": value})
        stripped = value.strip()
        is_number = re.fullmatch("[0-9]{1,13}", stripped) is not None
        if is_number and int(stripped) <= 1 << 40:
            if found.timeout != int(stripped) or warnings:
                return False
        elif found.timeout != 10_000 or bool(warnings) == (stripped == ""):
            return False
    return True


@claim(
    "The variable of the signal comes before the general one, which counts if that is empty",
    discharges="CF-06",
    subject=configuration._Reader.get,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def the_signal_comes_first(variable: OtlpVariable) -> bool:
    one, two = VALUES[variable]
    alone = configuration.settings({SIGNAL + variable: one})[0]
    both = configuration.settings({SIGNAL + variable: one, GENERAL + variable: two})[0]
    empty = configuration.settings({SIGNAL + variable: "", GENERAL + variable: two})[0]
    second = configuration.settings({SIGNAL + variable: two})[0]
    return both == alone != empty and empty._replace(endpoint="") == second._replace(endpoint="")


@claim(
    "A variable that is empty is one that is not set: it changes nothing and is not warned of",
    discharges="CF-06",
    subject=configuration._Reader.get,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def empty_is_not_set(environment: Environment, variable: OtlpVariable) -> bool:
    without = {name: value for name, value in environment.items() if not name.endswith(variable)}
    for name in (SIGNAL + variable, GENERAL + variable):
        if configuration.settings({**without, name: ""}) != configuration.settings(without):
            return False
    return True


@claim(
    "Over HTTP the general endpoint is a base to which v1/traces is added, that of the signal and "
    "one given in code are used as they are, with / if they have no path",
    discharges="OT-15",
    subject=(configuration._endpoint, configuration._url),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def endpoints_are_of_their_kind(path: UrlPath) -> bool:
    for host in ("http://one.example", "https://one.example:8", "http://[::1]:4318"):
        base = configuration.settings({f"{GENERAL}ENDPOINT": host + path})
        signal = configuration.settings({f"{SIGNAL}ENDPOINT": host + path})
        given = configuration.settings({}, Arguments(endpoint=host + path))
        slash = "" if path.endswith("/") else "/"
        if base[0].endpoint != f"{host}{path}{slash}v1/traces" or base[1]:
            return False
        if signal != given or signal[0].endpoint != host + (path or "/") or signal[1]:
            return False
    return True


@claim(
    "Headers come in the form of Baggage without metadata: names in any case, values percent-coded",
    discharges="OT-17",
    subject=configuration._headers,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def headers_are_read_as_baggage(pairs: HeaderPairs) -> bool:
    expected = {name.lower(): value for name, value in pairs}
    text = " , ".join(reading.member(name, value, "") for name, value in pairs)
    found, warnings = configuration.settings({f"{GENERAL}HEADERS": text})
    given, _ = configuration.settings({}, Arguments(headers=pairs))
    return dict(found.headers) == dict(given.headers) == expected and not warnings


@claim(
    "Whatever the environment holds, nothing is raised, and no header that could be taken for two, "
    "or that is the exporter's own, is sent; what is left out is warned of without its value",
    discharges=("CF-03", "OT-17"),
    subject=configuration._headers,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def no_header_is_two(environment: Environment, name: str, value: str) -> bool:
    secret = "s3cr3t\r\nx-more: 1"
    given = ((name, value), ("x-bad", secret), ("content-type", "text/plain"))
    found, warnings = configuration.settings(environment, Arguments(headers=given))
    names = dict(found.headers)
    return (
        len(warnings) >= 2
        and "x-bad" not in names
        and "content-type" not in names
        and all(LEGAL.fullmatch(f"{name}: {value}") for name, value in found.headers)
        and not any("s3cr3t" in warning for warning in warnings)
    )


@claim(
    "Requests over HTTP are application/x-protobuf, say gzip if they are, and name the exporter, "
    "its language and version unless another name is configured; what was given is beside",
    discharges=("OT-11", "OT-18"),
    subject=HttpSender.__init__,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def requests_say_what_they_are(gzip: bool, named: bool) -> bool:
    own = (("user-agent", "mine/1"),) if named else ()
    sent = HttpSender(Settings(gzip=gzip, headers=(*own, ("x-key", "1"))))._headers
    agent = "mine/1" if named else "verified-otlp-exporter-python/[0-9.]+"
    return (
        sent["content-type"] == "application/x-protobuf"
        and sent.get("content-encoding") == ("gzip" if gzip else None)
        and sent["x-key"] == "1"
        and re.fullmatch(agent, sent["user-agent"]) is not None
    )
