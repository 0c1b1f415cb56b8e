"""The baggage header, percent-coding, and the baggage container."""

import pickle
import time
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proofs.grammar import Grammar
from verified import baggage
from verified.baggage import (
    EMPTY,
    MAX_BYTES,
    MAX_MEMBERS,
    Baggage,
    Entry,
    decode,
    encode,
    format,
    members,
    parse,
    properties,
)
from verified.strategies import (
    baggage_headers,
    baggage_keys,
    baggage_members,
    baggage_metadata,
    near_misses,
    oversized_baggage_headers,
    strings,
)

VALUE = Grammar("baggage", "value")
METADATA = Grammar("baggage", "metadata")
MEMBER = Grammar("baggage", "list-member")
TOKEN = Grammar("baggage", "token")

texts = st.text(max_size=12)
sendable = st.lists(
    st.builds(Entry, baggage_keys(), texts, st.just("") | baggage_metadata()),
    max_size=5,
    unique_by=lambda entry: entry.name,
).map(lambda entries: Baggage(tuple(entries)))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("a=1", [("a", "1", "")]),
        ("a=", [("a", "", "")]),
        ("a==b==", [("a", "=b==", "")]),
        ("a=1+1", [("a", "1+1", "")]),
        ("a=DF%2028,b=Am%C3%A9lie", [("a", "DF 28", ""), ("b", "Amélie", "")]),
        ("a=%FFx%c3", [("a", "\ufffdx\ufffd", "")]),
        ("a=%F0%9F%98%80", [("a", "😀", "")]),
        ("a=100%,b=%zz", [("a", "100%", ""), ("b", "%zz", "")]),
        ("%41=1", [("%41", "1", "")]),
        ("a = \t1 \t, b=2", [("a", "1", ""), ("b", "2", "")]),
        (
            "key1=value1;property1;property2, key2 = value2, "
            "key3=value3; propertyKey=propertyValue",
            [
                ("key1", "value1", "property1;property2"),
                ("key2", "value2", ""),
                ("key3", "value3", "propertyKey=propertyValue"),
            ],
        ),
        ("a=1 ; p = 1 ;q", [("a", "1", "p = 1 ;q")]),
        ("a=1,a=2", [("a", "1", ""), ("a", "2", "")]),
        ("", []),
        (",, a=1 ,,", [("a", "1", "")]),
        ('a="1",b=2', [("b", "2", "")]),
        ("a,=1,b c=1,é=1,a=é,d=1", [("d", "1", "")]),
        ("a=1;;p,a=1;,a=1;=1,b=2", [("b", "2", "")]),
        ("a=1\n", []),
        ("a=\ud800", []),
    ],
)
def test_members(header: str, found: list[tuple[str, str, str]]) -> None:
    assert members(header) == found


@given(baggage_headers() | oversized_baggage_headers() | near_misses(baggage_headers()))
def test_the_short_way_and_the_long_way_find_the_same(header: str) -> None:
    # White space that means nothing makes the header one that is not plain.
    assert members(header) == members(f" {header}")


@given(baggage_members() | near_misses(baggage_members()))
def test_a_member_is_found_exactly_if_it_is_one(member: str) -> None:
    if "," not in member:
        assert bool(members(member)) == MEMBER.matches(member.strip(" \t"))


@given(strings())
@example("\ud83d\ude00")
def test_every_value_comes_back(value: str) -> None:
    assert EMPTY.set("name", value).get("name") == value


@given(texts)
@example("%")
@example("%41")
@example('a b+c=d,e;f\\"')
def test_every_value_that_has_utf_8_comes_back_from_a_header(value: str) -> None:
    assert decode(encode(value)) == value
    assert parse(format(EMPTY.set("name", value))).get("name") == value


def test_a_surrogate_is_sent_as_the_replacement_character() -> None:
    assert decode(encode("a\ud800\udc00b")) == "a\ufffd\ufffdb"


@given(strings())
def test_what_is_sent_is_a_value_and_has_no_percent_but_for_an_octet(value: str) -> None:
    sent = encode(value)
    assert VALUE.matches(sent)
    assert sent == quote(
        value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        safe="!#$&'()*+-./:<=>?@[]^_`{|}~",
    ) or any("\ud800" <= character <= "\udfff" for character in value)


@given(st.text("%0123456789abcdefABCDEFéx", max_size=20))
def test_decoding_is_that_of_the_standard_library(value: str) -> None:
    assert decode(value) == unquote(value, "utf-8", "replace")


@pytest.mark.parametrize("octet", range(256))
def test_each_octet(octet: int) -> None:
    sent = baggage._ENCODED[octet]
    assert unquote(sent, "latin-1") == chr(octet)
    assert VALUE.matches(sent)
    assert (sent == chr(octet)) == (VALUE.matches(chr(octet)) and chr(octet) != "%")


@given(sendable)
def test_baggage_comes_back_from_a_header(held: Baggage) -> None:
    assert parse(format(held)) == held


def test_of_members_with_the_same_key_the_last_counts() -> None:
    assert parse("a=1,b=2,a=3").entries == (("a", "3", ""), ("b", "2", ""))


def test_set_get_remove_clear() -> None:
    held = EMPTY.set("a", "1").set("A", "2", "p=1;q").set("a", "3")
    assert held.entries == (("a", "3", ""), ("A", "2", "p=1;q"))
    assert held.get("a") == "3"
    assert held.get("b") is None
    assert held.entry("A") == Entry("A", "2", "p=1;q")
    assert held.remove("b") is held
    assert held.remove("a").entries == (("A", "2", "p=1;q"),)
    assert held.clear() == EMPTY
    assert not EMPTY
    assert held


@pytest.mark.parametrize(
    ("name", "value", "metadata"),
    [
        ("", "v", ""),
        (1, "v", ""),
        ("n", None, ""),
        ("n", b"v", ""),
        ("n", "v", ";"),
        ("n", "v", "p q"),
    ],
)
def test_what_is_not_valid_changes_nothing(name: str, value: str, metadata: str) -> None:
    held = Baggage((Entry("a", "1"),))
    assert held.set(name, value, metadata) is held
    with pytest.raises(ValueError, match="not valid"):
        Baggage((Entry(name, value, metadata),))


def test_no_baggage_has_a_name_twice() -> None:
    with pytest.raises(ValueError, match="one entry for each name"):
        Baggage((Entry("a", "1"), Entry("a", "2")))


def test_immutable_and_a_value() -> None:
    held = EMPTY.set("a", "1")
    with pytest.raises(AttributeError):
        held.entries = ()  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(held)) == held
    assert hash(held) == hash(EMPTY.set("a", "1"))


@given(texts.filter(bool))
def test_a_name_that_is_no_token_is_kept_but_not_sent(name: str) -> None:
    assert (format(EMPTY.set(name, "v")) == f"{name}=v") == TOKEN.matches(name)
    assert EMPTY.set(name, "v").get(name) == "v"


def test_all_that_the_standard_asks_for_is_sent() -> None:
    size = (MAX_BYTES - 63) // 64
    held = Baggage(tuple(Entry(f"k{n:02}", "v" * (size - 4)) for n in range(64)))
    header = format(held)
    assert len(header) <= MAX_BYTES
    assert parse(header) == held


def test_a_member_of_8192_bytes_is_sent_and_one_of_8193_is_not() -> None:
    assert len(format(EMPTY.set("a", "v" * (MAX_BYTES - 2)))) == MAX_BYTES
    assert format(EMPTY.set("a", "v" * (MAX_BYTES - 1)).set("b", "1")) == "b=1"


@given(st.lists(st.integers(0, 3000), max_size=12))
def test_limits_never_cut_a_member(sizes: list[int]) -> None:
    held = Baggage(tuple(Entry(f"k{n}", " " * size) for n, size in enumerate(sizes)))
    sent = parse(format(held))
    assert set(sent.entries) <= set(held.entries)
    assert len(format(held)) <= MAX_BYTES


def test_180_members_are_read_and_sent() -> None:
    header = ",".join(f"k{n}=" for n in range(200))
    assert [key for key, _, _ in members(header)] == [f"k{n}" for n in range(MAX_MEMBERS)]
    held = Baggage(tuple(Entry(f"k{n}", "") for n in range(200)))
    assert format(held).count(",") == MAX_MEMBERS - 1


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ("", ()),
        ("p", (("p", None),)),
        ("p=", (("p", ""),)),
        ("p = 1 ; q;r=a=%20%FF", (("p", "1"), ("q", None), ("r", "a= \ufffd"))),
        ("p;", ()),
        ("p q", ()),
    ],
)
def test_properties(metadata: str, found: tuple[tuple[str, str | None], ...]) -> None:
    assert properties(metadata) == found


@given(baggage_metadata())
def test_metadata_has_properties(text: str) -> None:
    assert METADATA.matches(text)
    assert len(properties(text)) == text.count(";") + 1


SIZE = 1_000_000


@pytest.mark.parametrize(
    "header",
    [
        "a" * SIZE,
        "a=" + " " * SIZE + '"',
        "a=1" + " " * SIZE + '"',
        "a=1;p" + " " * SIZE + '"',
        "a=1;p=" + " \t" * SIZE + '"',
        "a=1" + " ; p" * (SIZE // 4) + '"',
        "a=1" + ";p=1" * (SIZE // 4) + '"',
        "a=1," * (SIZE // 4),
        "," * SIZE,
        "a=" + "%20" * (SIZE // 3),
        "a=" + "%C3" * (SIZE // 3),
        "a=" + "%" * SIZE,
        ";" * SIZE,
    ],
)
def test_hostile_headers_take_no_long_time(header: str) -> None:
    # Contracts read the header again and again.
    function = members
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    start = time.perf_counter()
    function(header)
    assert time.perf_counter() - start < 1
