"""The configuration of an exporter (OpenTelemetry, "OpenTelemetry Protocol Exporter").

What is given in code wins over OTEL_EXPORTER_OTLP_TRACES_*, and that over
OTEL_EXPORTER_OTLP_*. A variable that is empty is one that is not set. What is not valid is
warned of and counts as not set; nothing here raises.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from verified.baggage import decode
from verified.contracts import ensure
from verified.exporter.retry import LONGEST_DELAY

GRPC: Final = "grpc"
HTTP_PROTOBUF: Final = "http/protobuf"

TIMEOUT: Final = 10_000
"""How long the export of a batch may take, in milliseconds, if nothing is said."""

PATH: Final = "v1/traces"

_DEFAULTS: Final = {GRPC: "http://localhost:4317", HTTP_PROTOBUF: "http://localhost:4318/v1/traces"}

_URL: Final = re.compile("[!-~]+")
_TIMEOUT: Final = re.compile("[0-9]{1,13}")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Baggage-octets, and what else of ASCII people write: Authorization=Basic 12345.
_SENT: Final = re.compile("[ -:<-~]*")
_FIELD_VALUE: Final = re.compile("(?:[!-~](?:[ \t!-~]*[!-~])?)?")

_OWN: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-type", "expect", "host"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "accept-encoding"),
    }
)
"""The header fields that the exporter or the connection decides about."""


class Arguments(NamedTuple):
    """What is given in code; None where nothing is. The timeout is in milliseconds."""

    protocol: str | None = None
    endpoint: str | None = None
    headers: Iterable[tuple[str, str]] | None = None
    timeout: float | None = None
    compression: str | None = None
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    insecure: bool | None = None


NOTHING_GIVEN: Final = Arguments()
"""What is given in code if nothing is."""


class Settings(NamedTuple):
    """What an exporter is configured with.

    ``endpoint`` is the URL to send to over HTTP, and the target over gRPC. Names of headers
    are in lower case. ``timeout`` is in milliseconds, 0 for no limit. Certificates and the
    key are names of files, empty if there are none.
    """

    protocol: str = HTTP_PROTOBUF
    endpoint: str = _DEFAULTS[HTTP_PROTOBUF]
    headers: tuple[tuple[str, str], ...] = ()
    timeout: int = TIMEOUT
    gzip: bool = False
    certificate: str = ""
    client_key: str = ""
    client_certificate: str = ""
    insecure: bool = False


class _Reader:
    """What is looked up in the environment, and the warnings that come of it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.warnings: list[str] = []

    def get(self, name: str) -> tuple[str, str, bool]:
        """The variable, its value, and whether it is that of the signal; empty if not set."""
        for prefix in ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"):
            value = self.environment.get(prefix + name, "").strip()
            if value:
                return prefix + name, value, prefix.endswith("TRACES_")
        return "", "", False

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@ensure(lambda result: result[0].protocol in (GRPC, HTTP_PROTOBUF))
def settings(
    environment: Mapping[str, str], arguments: Arguments = NOTHING_GIVEN
) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings of an exporter, and what is to be warned of, a line each.

    Raises nothing, whatever the variables hold.
    """
    reader = _Reader(environment)
    protocol = _protocol(reader, arguments.protocol)
    endpoint, insecure = _endpoint(reader, arguments, protocol)
    found = Settings(
        protocol,
        endpoint,
        _headers(reader, arguments.headers),
        _timeout(reader, arguments.timeout),
        _gzip(reader, arguments.compression),
        _file(reader, "CERTIFICATE", arguments.certificate),
        _file(reader, "CLIENT_KEY", arguments.client_key),
        _file(reader, "CLIENT_CERTIFICATE", arguments.client_certificate),
        insecure,
    )
    return found, tuple(reader.warnings)


def _protocol(reader: _Reader, given: str | None) -> str:
    name, value, _ = reader.get("PROTOCOL")
    if given is not None:
        name, value = "protocol", given
    if value in ("", GRPC, HTTP_PROTOBUF):
        return value or HTTP_PROTOBUF
    reader.warn(f"{name} is not {GRPC} or {HTTP_PROTOBUF}; {HTTP_PROTOBUF} is used")
    return HTTP_PROTOBUF


def _endpoint(reader: _Reader, arguments: Arguments, protocol: str) -> tuple[str, bool]:
    """The endpoint, and whether it is spoken to without TLS."""
    name, value, is_signal = reader.get("ENDPOINT")
    if arguments.endpoint is not None:
        name, value, is_signal = "endpoint", arguments.endpoint.strip(), True
    default = _DEFAULTS[protocol]
    if value:
        if protocol == GRPC:
            found = _target(reader, value, arguments.insecure)
        else:
            found = _url(reader, value, is_signal)
        if found is not None:
            return found
        reader.warn(f"{name} is not the URL of an endpoint; {default} is used")
    return default.removeprefix("http://") if protocol == GRPC else default, True


def _split(reader: _Reader, value: str) -> SplitResult | None:
    """The parts of an http or https URL, without userinfo and fragment; None if it is none."""
    try:
        parts = urlsplit(value) if _URL.fullmatch(value) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        if parts.port == 0:
            return None
    except ValueError:
        return None
    if "@" in parts.netloc:
        reader.warn("The user information of an endpoint is not sent; give a header instead")
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return parts._replace(fragment="")


def _url(reader: _Reader, value: str, is_signal: bool) -> tuple[str, bool] | None:
    """The URL of the signal ("Endpoint URLs for OTLP/HTTP")."""
    parts = _split(reader, value)
    if parts is None:
        return None
    path = parts.path or "/"
    if not is_signal:
        path = f"{path}{PATH}" if path.endswith("/") else f"{path}/{PATH}"
    return parts._replace(path=path).geturl(), parts.scheme == "http"


def _target(reader: _Reader, value: str, insecure: bool | None) -> tuple[str, bool] | None:
    """The target of a gRPC channel: that of a URL, or what gRPC itself takes for one.

    Only for the latter it is asked whether the connection is insecure.
    """
    if value.lower().startswith(("http://", "https://")):
        parts = _split(reader, value)
        if parts is None:
            return None
        port = "" if parts.port is not None else ":80" if parts.scheme == "http" else ":443"
        return parts.netloc.rstrip(":") + port, parts.scheme == "http"
    if "://" in value and not value.startswith("unix://"):
        return None
    if not _URL.fullmatch(value):
        return None
    return value, _insecure(reader, insecure)


def _insecure(reader: _Reader, given: bool | None) -> bool:
    name, value, _ = reader.get("INSECURE")
    if given is not None:
        return given
    if value.lower() not in ("", "true", "false"):
        reader.warn(f"{name} is not true or false; false is used")
    return value.lower() == "true"


def _timeout(reader: _Reader, given: float | None) -> int:
    """The timeout in milliseconds; 0 is no limit ("Timeout")."""
    if given is not None:
        if 0 <= given <= LONGEST_DELAY:
            return -int(-given // 1)
        reader.warn(f"The timeout is out of range; {TIMEOUT} is used")
        return TIMEOUT
    name, value, _ = reader.get("TIMEOUT")
    if not value:
        return TIMEOUT
    if _TIMEOUT.fullmatch(value) and int(value) <= LONGEST_DELAY:
        return int(value)
    reader.warn(f"{name} is not a number of milliseconds; {TIMEOUT} is used")
    return TIMEOUT


def _gzip(reader: _Reader, given: str | None) -> bool:
    name, value, _ = reader.get("COMPRESSION")
    if given is not None:
        name, value = "compression", given
    if value not in ("", "none", "gzip"):
        reader.warn(f"{name} is not gzip or none; none is used")
    return value == "gzip"


def _file(reader: _Reader, name: str, given: str | None) -> str:
    return reader.get(name)[1] if given is None else given


def _headers(
    reader: _Reader, given: Iterable[tuple[str, str]] | None
) -> tuple[tuple[str, str], ...]:
    """The headers, by name in lower case; of those with the same name the last counts."""
    name, value, _ = reader.get("HEADERS")
    members: list[tuple[str, str]] = []
    if value:
        for member in value.split(","):
            key, assigned, text = (part.strip(" \t") for part in member.partition("="))
            if assigned and _SENT.fullmatch(text):
                members.append((key, decode(text)))
            elif member.strip(" \t"):
                # What it holds may be a secret.
                reader.warn(f"A member of {name} is not of the form key=value")
    headers: dict[str, str] = {}
    for key, text in (*members, *(given or ())):
        lower = key.lower()
        if _TOKEN.fullmatch(key) is None or _FIELD_VALUE.fullmatch(text) is None:
            reader.warn(f"A header is not sent, because its name or value may not be: {lower!a}")
        elif lower in _OWN or lower.startswith("grpc-") or lower.endswith("-bin"):
            reader.warn(f"A header is not sent, because the exporter decides about it: {lower}")
        else:
            headers[lower] = text
    return tuple(headers.items())
