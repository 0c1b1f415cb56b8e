"""The data in spec/ is whole, and the claims refer to it and to nothing else."""

import tomllib
from collections import Counter

from proofs.claim import every_claim
from proofs.grammar import SPEC, Grammar
from proofs.requirements import discharged_by, requirements

THIS_SLICE = [
    *(f"TP-{n:02}" for n in range(1, 24)),
    *(f"TS-{n:02}" for n in range(1, 19)),
    *(f"SC-{n:02}" for n in range(1, 9)),
    *(f"ID-{n:02}" for n in range(1, 6)),
    *(f"PR-{n:02}" for n in range(1, 9)),
    *(f"BG-{n:02}" for n in range(1, 15)),
    *(f"BP-{n:02}" for n in range(1, 16)),
    "OT-12",
]


def test_all_requirements_are_there_once() -> None:
    groups = Counter(id.partition("-")[0] for id in requirements())
    counts = {"TP": 23, "TS": 20, "SC": 8, "ID": 5, "SA": 13, "PR": 9, "BG": 14, "BP": 17}
    assert dict(groups) == counts | {"OT": 18, "CF": 6}
    assert sum(groups.values()) == 133


def test_every_source_names_a_document_of_a_pinned_standard() -> None:
    for needed in requirements().values():
        assert needed.text
        assert needed.sources
        assert all("/" in source for source in needed.sources)


def test_this_slice_is_discharged_or_binds_somebody_else() -> None:
    found = discharged_by(every_claim())
    for id in THIS_SLICE:
        assert (found[id] == []) == (requirements()[id].elsewhere is not None), id


def test_claims_have_ids_of_their_own_and_a_sentence() -> None:
    claims = every_claim()
    assert max(Counter(claim.id for claim in claims).values()) == 1
    for claim in claims:
        assert claim.sentence
        assert claim.subject
        assert claim.engines


def test_every_harness_is_mirrored_by_claims_that_exist() -> None:
    rows = tomllib.loads((SPEC / "kani.toml").read_text())["harness"]
    ids = {claim.id for claim in every_claim()}
    assert len(rows) == 14
    for row in rows:
        assert row["gap"]
        assert row["claims"]
        assert set(row["claims"]) <= ids


def test_the_grammar_of_the_header() -> None:
    value = Grammar("traceparent", "value")
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert value.matches(header)
    assert not value.matches(header.upper())
    assert not value.matches(header + "\n")
    higher = Grammar("traceparent", "higher-version")
    assert higher.matches(header + "-")
    assert not higher.matches(header + "x")
