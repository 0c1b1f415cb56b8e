"""Claims on a Dask cluster: real schedulers and workers, in processes of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from fakeredis import TcpFakeServer

from proofs import command, dependence, mutate, runner
from proofs.claim import Claim, every_claim
from proofs.engines import Options, fuzz
from proofs.mutants import every_mutant
from proofs.mutation import ERROR, KILLED, Control, Reached, places, trials
from proofs.verdict import Verdict

from . import faulty

ROOT = Path(dependence.__file__).parent.parent
SAMPLED = ("verified.trace_flags", "TraceFlags.sampled")
SETTINGS = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "20s",
    "DASK_DISTRIBUTED__SCHEDULER__DASHBOARD__STATUS__TASK_STREAM_LENGTH": "1",
}


@contextmanager
def started(
    *arguments: str, until: str, folder: Path = ROOT
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of Dask, and in which words it has said that it is there."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **SETTINGS, "PYTHONPATH": str(folder)},
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if until in line:
                break
        else:
            pytest.fail("".join(said))
        try:
            yield process, said[-1]
        finally:
            process.kill()
            process.stderr.read()


class Cluster:
    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        at = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        arguments = ("distributed.cli.dask_scheduler", *at)
        _, said = stack.enter_context(started(*arguments, until="Scheduler at"))
        self.address = said[said.index("tcp://") :].strip()

    def worker(self, *more: str, folder: Path = ROOT) -> subprocess.Popen[str]:
        at = (self.address, "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard")
        arguments = ("distributed.cli.dask_worker", *at, *(more or ("--no-nanny",)))
        process, _ = self.stack.enter_context(
            started(*arguments, until="Registered", folder=folder)
        )
        return process


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(stack)


def some_claims() -> list[Claim]:
    return [c for c in every_claim() if c.id.startswith(("trace_flags.", "retry.", "ids."))]


def test_a_worker_that_is_killed_loses_no_claim(cluster: Cluster) -> None:
    first, _ = cluster.worker(), cluster.worker()
    claims = some_claims()
    found = []
    for result in runner.run(claims, Options(), cluster=cluster.address):
        found.append(result)
        if len(found) == 3:
            first.kill()
    assert len(claims) > 20
    assert sorted(r.id for r in found) == sorted(c.id for c in claims)
    assert [r.id for r in found if not r.passed] == []


def test_mutants_are_judged_there_too_and_none_is_lost_with_a_worker(
    cluster: Cluster,
) -> None:
    first, _ = cluster.worker(), cluster.worker()
    reached = {
        claim.id: Reached(Control(claim.id, 60, 0.1), frozenset({SAMPLED}))
        for claim in some_claims()
    }
    work = list(trials(reached, [SAMPLED[0]], Options(), None))
    found = []
    with runner.workers(1, cluster.address) as submit:
        pending = {submit(mutate.run, trial): trial for trial in work}
        for future in runner.finished(pending, bool):
            found += future.result()
            if len(found) == len(future.result()):
                first.kill()
    every = [m for place in places(SAMPLED[0]) for m in every_mutant(*place)]
    assert sorted(j.id for j in found) == sorted(m.id for m in every)
    assert KILLED in {j.verdict for j in found}
    assert ERROR not in {j.verdict for j in found}


def test_a_claim_that_overruns_its_limit_is_stopped_there_too(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.worker()
    monkeypatch.setattr(runner, "_limit", lambda options: 0.01)
    claims = some_claims()[:1]
    (result,) = runner.run(claims, Options(), cluster=cluster.address)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "stopped after 0.01 s")
    monkeypatch.undo()
    (result,) = runner.run(claims, Options(), cluster=cluster.address)
    assert result.passed


def test_a_worker_with_other_code_proves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    for name in ("verified", "proofs", "spec"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "verified" / "ids.py").write_text((ROOT / "verified" / "ids.py").read_text() + "\n")
    cluster.worker(folder=tmp_path)
    (result,) = runner.run(some_claims()[:1], Options(), cluster=cluster.address)
    assert result.verdict is Verdict.ERROR
    assert "the worker has other code" in str(result.reason)


def test_a_worker_that_may_start_no_process_says_what_to_do(cluster: Cluster) -> None:
    cluster.worker("--nanny")
    (result,) = runner.run(some_claims()[:1], Options(), cluster=cluster.address)
    assert result.verdict is Verdict.ERROR
    assert "--no-nanny" in str(result.reason)


def test_a_scheduler_that_is_not_there_is_a_wrong_call(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    arguments = ["prove", "-k", "flags_are_bits", "--no-cache"]
    address = f"tcp://127.0.0.1:{unused_tcp_port}"
    result = CliRunner().invoke(command.command, [*arguments, "--dask", address])
    assert result.exit_code == 2
    assert f"there is no Dask scheduler at '{address}'" in result.output


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_the_command_proves_on_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.worker()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "verified", "prove", "-k", "trace_flags.flags"),
            *("--dask", cluster.address, "--json", tmp_path / "report.json", "--no-cache"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    claims = json.loads((tmp_path / "report.json").read_text())["claims"]
    assert claims
    assert all(c["passed"] and c["bites"] for c in claims)


def test_an_interrupted_run_on_a_cluster_reports_what_it_has(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.worker()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "verified", "prove", "-k", "trace_flags or ids", "--no-cache"),
            *("--dask", cluster.address, "--json", tmp_path / "report.json"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ok")
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    assert process.returncode == 1, said
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["complete"] is False
    assert found["claims"]


@pytest.fixture(params=["folder", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "examples")
        return
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_failed_on_one_machine_is_tried_first_on_another(shared: str) -> None:
    claim = faulty.faulty(faulty.doubled_half_is_the_number)
    found = fuzz.run(claim, Options(examples_at=shared))
    assert found.verdict is Verdict.REFUTED
    # Another that would draw a single input, on which the claim holds, is told.
    few = Options(examples=1)
    assert fuzz.run(claim, few).verdict is Verdict.TESTED
    replayed = fuzz.run(claim, replace(few, examples_at=shared))
    assert (replayed.verdict, replayed.inputs, replayed.count) == (
        Verdict.REFUTED,
        found.inputs,
        1,
    )
    # Other claims are not.
    other = faulty.faulty(faulty.anything_goes)
    assert fuzz.run(other, replace(few, examples_at=shared)).verdict is Verdict.TESTED
