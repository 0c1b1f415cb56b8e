"""The export of a batch, against requests that are really there; and what a receiver answers."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from verified.exporter import attempt, retry
from verified.exporter.attempt import (
    DONE,
    SENDING,
    WAITING,
    Abandoned,
    Accepted,
    Deferred,
    Effects,
    Elapsed,
    Event,
    Limits,
    Lost,
    Refused,
)
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN

PASSED = st.sampled_from([0, 1, 4, 5, 6, 10, 25])
DRAWS = st.integers(-3, 20)

# The machine.


class Export(RuleBasedStateMachine):
    """A shell around the machine, which has each request and what became of it."""

    @initialize(
        timeout=st.sampled_from([0, 1, 20, 90]), first=st.integers(5, 9), more=st.integers(0, 25)
    )
    def starts(self, timeout: int, first: int, more: int) -> None:
        self.limits = Limits(timeout, first, first + more)
        self.now = self.began = 0
        self.requests = ["under way"]
        self.waits: list[int] = []
        self.until: int | None = None
        self.outcome: int | None = None
        self.rejected = 0
        self.state = attempt.start(self.limits, self.now)

    @property
    def sending(self) -> bool:
        return self.requests[-1] == "under way" and self.outcome is None

    def _step(self, event: Event) -> Effects:
        self.state, effects = attempt.step(self.limits, self.state, event)
        return effects

    def _in_time(self, moment: int) -> bool:
        return self.limits.timeout == 0 or moment < self.began + self.limits.timeout

    def _fail(self) -> None:
        self.until = None
        self.outcome = UNKNOWN if "lost" in self.requests else FAILURE

    def _wait(self, effects: Effects, asked: int | None) -> None:
        """The wait is the one that was asked for, or the backoff that comes next, about so long."""
        backoff = min(self.limits.first_backoff << len(self.waits), self.limits.longest_backoff)
        if not effects.wait and self.state.phase == DONE:
            longest = backoff + backoff // 5 if asked is None else asked
            assert not self._in_time(self.now + longest)
            self._fail()
            return
        if asked is None:
            assert abs(effects.wait - backoff) <= backoff // 5
        else:
            assert effects.wait == asked
        assert self._in_time(self.now + effects.wait)
        self.waits.append(effects.wait)
        self.until = self.now + effects.wait

    @rule(rejected=st.integers(-2, 3))
    def is_accepted(self, rejected: int) -> None:
        if self.sending:
            self.requests[-1] = "accepted"
            self.outcome, self.rejected = SUCCESS, max(rejected, 0)
        assert self._step(Accepted(rejected)) == Effects()

    @rule()
    def is_refused(self) -> None:
        if self.sending:
            self.requests[-1] = "refused"
            self._fail()
        assert self._step(Refused()) == Effects()

    @rule(passed=PASSED, delay=st.integers(-2, 30), draw=DRAWS)
    def is_deferred(self, passed: int, delay: int, draw: int) -> None:
        self.now += passed
        sending, effects = self.sending, self._step(Deferred(self.now, delay, draw))
        if sending:
            self.requests[-1] = "deferred"
            self._wait(effects, delay if delay >= 0 else None)
        else:
            assert effects == Effects()

    @rule(passed=PASSED, sent=st.booleans(), draw=DRAWS)
    def is_lost(self, passed: int, sent: bool, draw: int) -> None:
        self.now += passed
        sending, effects = self.sending, self._step(Lost(self.now, sent, draw))
        if sending:
            self.requests[-1] = "lost" if sent else "never sent"
            self._wait(effects, None)
        else:
            assert effects == Effects()

    @rule(passed=PASSED)
    def looks(self, passed: int) -> None:
        self.now += passed
        sends = self.until is not None and self.now >= self.until and self._in_time(self.now)
        if sends:
            self.requests.append("under way")
            self.until = None
        elif self.until is not None and self.now >= self.until:
            self._fail()
        assert self._step(Elapsed(self.now)) == Effects(send=sends)

    @rule()
    def is_abandoned(self) -> None:
        if self.outcome is None:
            if self.sending:
                self.requests[-1] = "lost"
            self._fail()
        assert self._step(Abandoned()) == Effects()

    @invariant()
    def is_what_happened(self) -> None:
        state = self.state
        assert state.attempts == len(self.requests)
        assert state.lost == self.requests.count("lost")
        assert state.phase == (
            DONE if self.outcome is not None else SENDING if self.sending else WAITING
        )
        if self.outcome is not None:
            assert (state.outcome, state.rejected) == (self.outcome, self.rejected)
        if self.until is not None:
            assert state.until == self.until

    @invariant()
    def says_what_the_receiver_may_have(self) -> None:
        if self.outcome == FAILURE:
            assert set(self.requests) <= {"refused", "deferred", "never sent"}
        if self.outcome == SUCCESS:
            assert self.requests.count("accepted") == 1


Export.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestExport = Export.TestCase


def test_limits_that_are_valid() -> None:
    assert Limits() == (10_000, 1_000, 5_000)
    assert Limits().is_valid
    assert Limits(0, 5, 5).is_valid
    assert not any(each.is_valid for each in (Limits(-1), Limits(1, 4), Limits(1, 6, 5)))


def test_waits_double_up_to_the_longest() -> None:
    """With a draw in the middle, a wait is the backoff itself."""
    limits = Limits(0, 100, 500)
    state, waits = attempt.start(limits, 0), []
    for _ in range(5):
        state, effects = attempt.step(limits, state, Lost(0, False, state.backoff // 5))
        waits.append(effects.wait)
        state, _ = attempt.step(limits, state, Elapsed(state.until))
    assert waits == [100, 200, 400, 500, 500]


def test_no_wait_reaches_the_deadline() -> None:
    """The last millisecond before the deadline is in time, the deadline is not."""
    limits = Limits(20, 5, 5)
    first = attempt.start(limits, 100)
    waiting, effects = attempt.step(limits, first, Deferred(110, 9, 0))
    assert (waiting.phase, effects) == (WAITING, Effects(wait=9))
    assert attempt.step(limits, first, Deferred(110, 10, 0))[0].phase == DONE
    assert attempt.step(limits, waiting, Elapsed(119))[1] == Effects(send=True)
    assert attempt.step(limits, waiting, Elapsed(120))[0].phase == DONE


# What is retried.


def test_statuses_of_http() -> None:
    """OTLP/HTTP, "Retryable Response Codes"."""
    assert [s for s in range(1001) if retry.http_is_retryable(s)] == [429, 502, 503, 504]
    assert not retry.http_is_retryable(-429)


@pytest.mark.parametrize("says_when", [False, True])
def test_statuses_of_grpc(says_when: bool) -> None:
    """OTLP/gRPC, "Failures": RESOURCE_EXHAUSTED is retried only if the receiver says when."""
    found = [code for code in range(-1, 20) if retry.grpc_is_retryable(code, says_when)]
    assert found == sorted([1, 4, 10, 11, 14, 15] + [8] * says_when)


# When it is retried.

DATE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
NOW = int(DATE.timestamp()) * 1000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        *(("0", 0), ("00", 0), ("1", 1000), ("007", 7000), ("120", 120_000), (" 3\t", 3000)),
        ("1" + "0" * 8, 10**11),
        ("1099511627", 1_099_511_627_000),
        ("1099511628", retry.LONGEST_DELAY),
        ("999999999999", retry.LONGEST_DELAY),
        ("9999999999999", retry.LONGEST_DELAY),
        ("9" * 10_000, retry.LONGEST_DELAY),
        ("0" * 10_000 + "5", 5000),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 1000),
        ("\tSun, 06 Nov 1994 08:50:37 GMT ", 60_000),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", retry.LONGEST_DELAY),
        # A leap second is the second before it; a weekday that is not that of the date is ignored.
        ("Sun, 06 Nov 1994 08:49:60 GMT", 22_000),
        ("Mon, 06 Nov 1994 08:49:38 GMT", 1000),
    ],
)
def test_delays(text: str, milliseconds: int) -> None:
    """RFC 9110, sections 10.2.3 and 5.6.7."""
    assert retry.delay(text, NOW) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "\n",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "0x1",
            "1_0",
            "1 0",
            "1,",
            "1\n",
            "\x0b1",
            "soon",
        ),
        *("\u0661", "\uff11", "1\u0660", "\u00b2", "\u2460", "\xa01", "nan", "inf"),
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:99 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Wed, 31 Nov 1994 08:49:37 GMT",
        "Tue, 29 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:\u0663\u0667 GMT",
        # The obsolete formats of RFC 850 and of asctime.
        "1994-11-06T08:49:37Z",
    ],
)
def test_what_asks_for_no_delay(text: str) -> None:
    """What is neither seconds nor a date in the preferred format is as if it were not there."""
    assert retry.delay(text, NOW) == -1


@settings(deadline=None)
@given(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda d: d.replace(tzinfo=UTC)),
    st.integers(-(10**15), 10**15),
)
def test_every_date(date: datetime, now: int) -> None:
    """A date is that of the calendar, to the second."""
    text = format_datetime(date, usegmt=True)
    since = (date - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 1000
    assert retry.delay(text, now) == min(max(since - now, 0), retry.LONGEST_DELAY)


@settings(deadline=None)
@given(st.integers(0, 10**15), st.integers(0, 5), st.integers())
def test_every_number_of_seconds(seconds: int, zeros: int, now: int) -> None:
    """Seconds are from now, whatever the time is."""
    text = "0" * zeros + str(seconds)
    assert retry.delay(text, now) == min(seconds * 1000, retry.LONGEST_DELAY)
