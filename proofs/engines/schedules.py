"""The schedules engine: the real code in every interleaving, up to a number of preemptions."""

from __future__ import annotations

import time

from ..claim import Claim
from ..interleaving import ScheduleClaim
from ..schedules import explore
from ..verdict import Finding, Verdict
from . import Options

NAME = "schedules"


def run(claim: Claim, options: Options) -> Finding:
    """Run a program in all schedules with at most the preemptions that the claim says.

    Only if no schedule is left are they exhausted: when the time is over, so many were
    tested. It is the time of the processor that counts, so that all are run on a machine
    that is busy with something else too.
    """
    if not isinstance(claim, ScheduleClaim):
        return Finding(NAME, Verdict.UNKNOWN, reason="the claim is about no program of threads")
    start, since = time.perf_counter(), time.process_time()
    count = 0
    stands_for, alike = 1, ""
    for schedule in explore(claim.run, claim.preemptions):
        count += 1
        stands_for, alike = schedule.stands_for, " and ".join(schedule.alike)
        seconds = time.perf_counter() - start
        if schedule.errors:
            inputs = {"choices": schedule.given}
            reason = schedule.listing()
            return Finding(NAME, Verdict.REFUTED, seconds, count, inputs=inputs, reason=reason)
        if time.process_time() - since > options.timeout:
            reason = f"time ran out after {count} schedules, and not all were run"
            return Finding(NAME, Verdict.TESTED, seconds, count, reason=reason)
    bound = f"{count} schedules, preemptions <= {claim.preemptions}"
    if stands_for > 1:
        bound += f", for {count * stands_for} as {alike} are alike"
    seconds = time.perf_counter() - start
    return Finding(NAME, Verdict.EXHAUSTED, seconds, count, bound=bound)
