"""Claims about what an exporter is configured with."""

import math
import re
from typing import Any, Literal

from verified.otlp import configuration
from verified.otlp.configuration import Arguments, Settings
from verified.otlp.http import HttpSender

from .. import reading
from ..claim import Constant, claim
from ..domains import Environment, HeaderPairs, Odd, OtlpVariable, Uint64, UrlPath
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

# What is configured with the first of these values.
CONFIGURED: dict[str, dict[str, Any]] = {
    "PROTOCOL": {"protocol": "grpc", "endpoint": "localhost:4317"},
    "ENDPOINT": {"endpoint": "http://one.example:1/a"},
    "HEADERS": {"headers": (("a", "1"),)},
    "TIMEOUT": {"timeout": 1},
    "COMPRESSION": {"gzip": True},
    "CERTIFICATE": {"certificate": "one.pem"},
    "CLIENT_KEY": {"client_key": "one.key"},
    "CLIENT_CERTIFICATE": {"client_certificate": "three.pem"},
}

# A value that is not valid, and what is said of it behind the name of the variable.
WRONG = {
    "PROTOCOL": ("http/json", "is not grpc or http/protobuf; http/protobuf is used"),
    "ENDPOINT": ("a b", "is not the URL of an endpoint; http://localhost:4318/v1/traces is used"),
    "TIMEOUT": ("ten", "is not a number of milliseconds; 10000 is used"),
    "COMPRESSION": ("zip", "is not gzip or none; none is used"),
}

# Endpoints over HTTP: what is sent to, whether without TLS; None where it is no URL of one.
URLS: dict[str, tuple[str, bool] | None] = {
    "http://a.example": ("http://a.example/", True),
    "HTTPS://a.example:8/x?y#z": ("https://a.example:8/x?y", False),
    "http://[::1]:4318/x": ("http://[::1]:4318/x", True),
    "http://a.example:1": ("http://a.example:1/", True),
    "ftp://a.example": None,
    "http://": None,
    "http://:1": None,
    "a.example:1": None,
    "http://a.example:0": None,
    "http://a.example:65536": None,
    "http://[::1": None,
    "http://a b": None,
    "http://\xe9.example": None,
}

# Endpoints over gRPC; None where it is asked whether the connection is insecure.
TARGETS: dict[str, tuple[str, bool | None] | None] = {
    "http://a.example": ("a.example:80", True),
    "https://a.example": ("a.example:443", False),
    "HTTP://a.example:8/x?y#z": ("a.example:8", True),
    "HTTPS://a.example:": ("a.example:443", False),
    "http://[::1]:1": ("[::1]:1", True),
    "http://A.XX": ("A.XX:80", True),
    "a.example:4317": ("a.example:4317", None),
    "unix:/run/socket": ("unix:/run/socket", None),
    "unix:///run/socket": ("unix:///run/socket", None),
    "ftp://a.example": None,
    "http://": None,
    "https://a.example:0": None,
    "a b": None,
    "\xe9.example": None,
}

VISIBLE = [chr(code) for code in range(0x21, 0x7F)]
# A token (RFC 9110, section 5.6.2).
TOKEN = {c for c in VISIBLE if c not in '"(),/:;<=>?@[\\]{}'}


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
    "If nothing is said, spans are sent over HTTP to http://localhost:4318/v1/traces, with "
    "10 seconds for each batch, as they are and without headers or certificates; over gRPC to "
    "localhost:4317, without TLS",
    discharges="OT-16",
    subject=(
        configuration.settings,
        configuration._endpoint,
        Constant(configuration.__name__, "_DEFAULTS"),
        Constant(configuration.__name__, "TIMEOUT"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def nothing_need_be_said(grpc: bool, in_code: bool) -> bool:
    expected = ("http/protobuf", "http://localhost:4318/v1/traces", (), 10_000, False, "", "", "")
    if grpc:
        expected = ("grpc", "localhost:4317", *expected[2:])
    environment = {f"{GENERAL}PROTOCOL": "grpc"} if grpc and not in_code else {}
    given = Arguments(protocol="grpc") if grpc and in_code else Arguments()
    plain = ("http/protobuf", "http://localhost:4318/v1/traces", (), 10_000, False, "", "", "")
    return (
        Settings() == (*plain, False)
        and Arguments() == (None,) * 9
        and configuration.settings(environment, given) == ((*expected, True), ())
    )


@claim(
    "Each variable configures what it is named for and nothing else, and what is given in code "
    "comes before it, whatever it holds",
    subject=(configuration.settings, configuration._Reader.get, configuration._file),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def each_variable_is_for_one(variable: OtlpVariable, signal: bool) -> bool:
    one, two = VALUES[variable]
    name = (SIGNAL if signal else GENERAL) + variable
    expected = dict(CONFIGURED[variable])
    given: dict[str, Any] = {
        variable.lower(): {"TIMEOUT": 1, "HEADERS": [("a", "1")]}.get(variable, one)
    }
    # A header of another name is beside, so it is the same that another value has.
    other = "a=2" if variable == "HEADERS" else two
    alone = configuration.settings({name: f"\t{one} "})
    code = configuration.settings({name: other}, Arguments(**given))
    if variable == "ENDPOINT" and not signal:
        base = PLAIN._replace(endpoint=f"{one}/v1/traces")
        return alone == (base, ()) and code == (PLAIN._replace(**expected), ())
    return alone == code == (PLAIN._replace(**expected), ())


PLAIN = Settings("http/protobuf", "http://localhost:4318/v1/traces", insecure=True)


@claim(
    "Of a value that is not valid one line is warned, which names the variable or the argument and "
    "what is used instead, and the default counts",
    discharges="CF-03",
    subject=(
        configuration._protocol,
        configuration._endpoint,
        configuration._timeout,
        configuration._gzip,
        configuration._Reader.warn,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_wrong_is_said(
    variable: Literal["PROTOCOL", "ENDPOINT", "TIMEOUT", "COMPRESSION"],
    given_as: Literal["signal", "general", "argument"],
) -> bool:
    value, said = WRONG[variable]
    if given_as == "argument" and variable != "TIMEOUT":
        given: dict[str, Any] = {variable.lower(): value}
        found = configuration.settings({}, Arguments(**given))
        return found == (PLAIN, (f"{variable.lower()} {said}",))
    if given_as == "argument":
        return all(
            configuration.settings({}, Arguments(timeout=number))
            == (PLAIN, ("The timeout is out of range; 10000 is used",))
            for number in (-1, -0.001, math.nan, math.inf, (1 << 40) + 1)
        )
    name = (SIGNAL if given_as == "signal" else GENERAL) + variable
    return configuration.settings({name: value}) == (PLAIN, (f"{name} {said}",))


@claim(
    "A timeout that is given in code is rounded up to milliseconds, up to 2**40 of them, and 0 is "
    "no limit; none and http/protobuf say what is so anyway, and are not warned of",
    discharges="CF-02",
    subject=(configuration._timeout, configuration._gzip, configuration._protocol),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_valid_is_used(number: Literal[0, 1, 7, 10_000, 1_099_511_627_776]) -> bool:
    exact = configuration.settings({}, Arguments(timeout=number))
    more = configuration.settings({}, Arguments(timeout=max(number - 0.5, 0)))
    written = configuration.settings({f"{GENERAL}TIMEOUT": str(number)})
    said = configuration.settings(
        {f"{GENERAL}COMPRESSION": "none", f"{GENERAL}PROTOCOL": "http/protobuf"}
    )
    return exact == more == written == (PLAIN._replace(timeout=number), ()) and said == (PLAIN, ())


@claim(
    "Over HTTP an endpoint is an http or https URL of ASCII, with a host and a port that is not 0, "
    "and is sent to without its fragment",
    discharges="OT-15",
    subject=(configuration._url, configuration._split, configuration._endpoint),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def urls_are_those_of_http(
    url: Literal[
        "http://a.example",
        "HTTPS://a.example:8/x?y#z",
        "http://[::1]:4318/x",
        "http://a.example:1",
        "ftp://a.example",
        "http://",
        "http://:1",
        "a.example:1",
        "http://a.example:0",
        "http://a.example:65536",
        "http://[::1",
        "http://a b",
        "http://\xe9.example",
    ],
) -> bool:
    found, warnings = configuration.settings({}, Arguments(endpoint=f" {url}\t"))
    expected = URLS[url]
    if expected is None:
        default = "http://localhost:4318/v1/traces"
        said = f"endpoint is not the URL of an endpoint; {default} is used"
        return (found.endpoint, found.insecure, warnings) == (default, True, (said,))
    return (found.endpoint, found.insecure) == expected and warnings == ()


@claim(
    "Over gRPC an http or https URL says the host, the port, which is 80 or 443 if it does not, "
    "and whether TLS is spoken; of another target INSECURE says that, and if not it is spoken",
    subject=(configuration._target, configuration._insecure, configuration._split),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def targets_are_those_of_grpc(
    endpoint: Literal[
        "http://a.example",
        "https://a.example",
        "HTTP://a.example:8/x?y#z",
        "HTTPS://a.example:",
        "http://[::1]:1",
        "http://A.XX",
        "a.example:4317",
        "unix:/run/socket",
        "unix:///run/socket",
        "ftp://a.example",
        "http://",
        "https://a.example:0",
        "a b",
        "\xe9.example",
    ],
    insecure: Literal["", "True", "false", "yes"],
    in_code: bool | None,
) -> bool:
    environment = {f"{SIGNAL}INSECURE": insecure, f"{GENERAL}PROTOCOL": "grpc"}
    for environment[f"{SIGNAL}ENDPOINT"], argument in ((endpoint, None), ("other:1", endpoint)):
        given = Arguments(endpoint=argument, insecure=in_code)
        found, warnings = configuration.settings(environment, given)
        expected = TARGETS[endpoint]
        name = f"{SIGNAL}ENDPOINT" if argument is None else "endpoint"
        said: tuple[str, ...] = ()
        if expected is None:
            expected = "localhost:4317", True
            said = (f"{name} is not the URL of an endpoint; http://localhost:4317 is used",)
        target, is_insecure = expected
        if is_insecure is None and in_code is not None:
            is_insecure = in_code
        elif is_insecure is None:
            is_insecure = insecure == "True"
            if insecure == "yes":
                said = (f"{SIGNAL}INSECURE is not true or false; false is used",)
        if (found.endpoint, found.insecure, warnings) != (target, is_insecure, said):
            return False
    return True


@claim(
    "The user information of an endpoint is not sent, and it is warned of without its value",
    subject=configuration._split,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def passwords_are_not_sent(user: Literal["u", "u:s3cr3t", "u@v:s3cr3t", ""], grpc: bool) -> bool:
    given = Arguments("grpc" if grpc else None, f"http://{user}@a.example:1/@")
    found, warnings = configuration.settings({}, given)
    said = "The user information of an endpoint is not sent; give a header instead"
    endpoint = "a.example:1" if grpc else "http://a.example:1/@"
    return found.endpoint == endpoint and warnings == (said,)


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
    "The name of a header that is sent is a token, and its value visible ASCII, with spaces and "
    "tabs inside; what the environment holds may be percent-coded, but for a tab",
    discharges="OT-17",
    subject=(
        configuration._headers,
        Constant(configuration.__name__, "_TOKEN"),
        Constant(configuration.__name__, "_SENT"),
        Constant(configuration.__name__, "_FIELD_VALUE"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def headers_are_sent_as_they_may_be(character: Odd) -> bool:
    inside = character in VISIBLE or character in " \t"
    for name, value, is_sent in (
        (f"x{character}x", "", character in TOKEN),
        (character, "1", character in TOKEN),
        ("x", f"v{character}v", inside),
        ("x", character, character in VISIBLE),
        ("x", f"{character}v", character in VISIBLE),
        ("x", f"v{character}", character in VISIBLE),
    ):
        found, warnings = configuration.settings({}, Arguments(headers=[(name, value)]))
        if found.headers != (((name.lower(), value),) if is_sent else ()):
            return False
        if warnings != (() if is_sent else (NOT_SENT.format(ascii(name.lower())),)):
            return False
    return _member_is_read(character)


NOT_SENT = "A header is not sent, because its name or value may not be: {}"
NOT_READ = f"A member of {GENERAL}HEADERS is not of the form key=value"


def _member_is_read(character: str) -> bool:
    """Whether a character inside of a value is read from the environment, and around of it not."""
    found, warnings = configuration.settings({f"{GENERAL}HEADERS": f"x=1{character}2,y=3"})
    if character == ",":
        # It begins another member.
        return found.headers == (("x", "1"), ("y", "3")) and warnings == (NOT_READ,)
    if (character not in VISIBLE and character != " ") or character == ";":
        return found.headers == (("y", "3"),) and warnings == (NOT_READ,)
    coded, _ = configuration.settings({f"{GENERAL}HEADERS": f"x=1%{ord(character):02X}2,y=3"})
    expected = (("x", f"1{character}2"), ("y", "3"))
    return found.headers == coded.headers == expected and warnings == ()


MEMBERS: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, ...]]] = {
    "a=1,A=2": ((("a", "2"),), ()),
    " \ta \t= \t1 \t,b=2": ((("a", "1"), ("b", "2")), ()),
    "a=Basic 1=2=": ((("a", "Basic 1=2="),), ()),
    ",, \t,a=": ((("a", ""),), ()),
    "a": ((), (NOT_READ,)),
    "X": ((), (NOT_READ,)),
    "s3cr3t;a=1;b, a=1": ((("a", "1"),), (NOT_READ,)),
    "=1": ((), (NOT_SENT.format("''"),)),
    "X\xe9=1": ((), (NOT_SENT.format("'x\\xe9'"),)),
    "a=1%0d%0ab": ((), (NOT_SENT.format("'a'"),)),
    "a=\xa01": ((), (NOT_READ,)),
    "a=1\xa0, b=1": ((("b", "1"),), (NOT_READ,)),
    "\xa0a=1": ((("a", "1"),), ()),
    "b=1,\xa0": ((("b", "1"),), ()),
    "b=1,\xa0,c=1": ((("b", "1"), ("c", "1")), (NOT_READ,)),
}


@claim(
    "Of headers with the same name the last counts, one given in code comes after all of the "
    "environment, and each member that is left out is warned of, an empty one is not",
    discharges="OT-17",
    subject=configuration._headers,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def members_of_headers_are_read(
    text: Literal[
        "a=1,A=2",
        " \ta \t= \t1 \t,b=2",
        "a=Basic 1=2=",
        ",, \t,a=",
        "a",
        "X",
        "s3cr3t;a=1;b, a=1",
        "=1",
        "X\xe9=1",
        "a=1%0d%0ab",
        "a=\xa01",
        "a=1\xa0, b=1",
        "\xa0a=1",
        "b=1,\xa0",
        "b=1,\xa0,c=1",
    ],
) -> bool:
    expected, said = MEMBERS[text]
    found, warnings = configuration.settings({f"{GENERAL}HEADERS": text})
    given, _ = configuration.settings({f"{GENERAL}HEADERS": text}, Arguments(headers=[("A", "9")]))
    merged = {**dict(expected), "a": "9"}
    return (found.headers, warnings) == (expected, said) and given.headers == tuple(merged.items())


@claim(
    "What the exporter or the connection decides about is not sent for the user, in any case of "
    "letters, and is warned of by its name; names that resemble it are sent",
    discharges="OT-17",
    subject=(configuration._headers, Constant(configuration.__name__, "_OWN")),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def headers_of_the_exporter_are_its_own(
    name: Literal[
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "grpc-timeout",
        "key-bin",
    ],
    in_code: bool,
) -> bool:
    said = f"A header is not sent, because the exporter decides about it: {name}"
    for each in (name, name.upper(), f"x{name}x"):
        is_sent = each.startswith("x")
        if in_code:
            found = configuration.settings({}, Arguments(headers=[(each, "1")]))
        else:
            found = configuration.settings({f"{SIGNAL}HEADERS": f"{each}=1"})
        if found[0].headers != (((each, "1"),) if is_sent else ()):
            return False
        if found[1] != (() if is_sent else (said,)):
            return False
    return True


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
