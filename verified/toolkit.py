"""The toolkit, for claims about code of your own (extra ``prove``).

    from verified.toolkit import claim

    @claim("What is formatted is parsed again", subject=b3.parse)
    def round_trip(trace_id: TraceId, span_id: SpanId) -> bool:
        return b3.parse(b3.format(trace_id, span_id)) == (trace_id, span_id)

``verified prove --claims MODULE`` proves the claims of a module. These are names of the
proofs, which a wheel carries inside of this package and a checkout beside it.
"""

from verified.__main__ import proofs

_claim = proofs("claim")
_domains = proofs("domains")
_grammar = proofs("grammar")
_verdict = proofs("verdict")

claim = _claim.claim
Constant = _claim.Constant
Fault = _claim.Fault
grammar = _grammar.grammar
Domain = _domains.Domain
DOMAINS = _domains.DOMAINS
Verdict = _verdict.Verdict


__all__ = ["DOMAINS", "Constant", "Domain", "Fault", "Verdict", "claim", "grammar"]
