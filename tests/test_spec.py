"""The data in spec/ is whole, and the claims refer to it and to nothing else."""

import re
import tomllib
from collections import Counter

from proofs.claim import every_claim
from proofs.grammar import SPEC, Grammar
from proofs.requirements import discharged_by, requirements


def test_all_requirements_are_there_once() -> None:
    groups = Counter(id.partition("-")[0] for id in requirements())
    counts = {"TP": 23, "TS": 20, "SC": 8, "ID": 5, "SA": 13, "PR": 9, "BG": 14, "BP": 17}
    assert dict(groups) == counts | {"OT": 18, "CF": 6}
    assert sum(groups.values()) == 133


def test_every_source_is_a_document_of_a_repository_at_a_commit() -> None:
    for needed in requirements().values():
        assert needed.text
        assert needed.sources
        for source in needed.sources:
            assert re.fullmatch(r"[\w-]+/[\w-]+", source.repository)
            assert re.fullmatch(r"[0-9a-f]{7}", source.commit)
            assert re.fullmatch(r"[\w/-]+\.(md|proto)", source.path)
            assert source.url.startswith(f"https://github.com/{source.repository}/blob/")


def test_each_is_discharged_or_says_why_it_is_not() -> None:
    """By one reason: it binds somebody else, is not offered, or is open."""
    found = discharged_by(every_claim())
    for id, needed in requirements().items():
        reasons = [why for why in (needed.elsewhere, needed.not_offered, needed.open) if why]
        assert len(reasons) == (not found[id]), id


def test_what_is_open_is_known() -> None:
    assert [id for id, needed in requirements().items() if needed.open] == []


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
