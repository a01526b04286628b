"""The ordeal's door: `python -m tests.ordeal --target aws --strategy canary [--every N]`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.ordeal import ledger, points, table
from tests.ordeal.arena import ENDPOINT, SERVICES, cloud_of, opened
from tests.ordeal.blows import KILLS
from tests.ordeal.bundles import make
from tests.ordeal.client import Client
from tests.ordeal.commanded import COMMANDS, EXPERIMENTS, Commanded
from tests.ordeal.deployer import Deployers
from tests.ordeal.ledger import Ledger
from tests.ordeal.points import Point
from tests.ordeal.table import Row
from tests.ordeal.together import HELD_AT, a_release_in_a_rollback, two_releases
from tests.ordeal.trial import Ordeal, Result
from tridock.deploy.target.errors import DeployError

#: Keys of ``release.toml`` by strategy: bake times are lived through elsewhere.
STRATEGIES = {
    "canary": (),
    "linear": ("increment=50",),
    "blue-green": ("keep_old=0",),
    "shadow": ("bake=0", "gates.shadow_agreement=0"),
    "ab": (),
}
#: Neither Vertex AI nor these services have mirrored traffic.
IMPOSSIBLE = {(one, "shadow") for one in ("gcp", "cloud-run", "container-apps")}
#: What ends a release that leaves two deployments serving.
FINISH = {"shadow": ("promote",), "ab": ("promote",)}
RESULTS = Path("build/ordeal")
TARGETS = ("local", "aws", "gcp", "azure", *SERVICES)


def main(arguments: list[str] | None = None) -> int:
    """Run the ordeal and return the exit code: 0 if nothing was lost, 1 otherwise."""
    options = _parser().parse_args(arguments)
    if options.together:
        for target in options.target or HELD_AT:
            show_together(target)
        return 0
    for target in () if options.table else options.target or TARGETS:
        for strategy in _wanted(options, target):
            if (target, strategy) not in IMPOSSIBLE:
                print(table.text([run(options, target, strategy)]), flush=True)
    rows = ledger.rows(options.results)
    print(table.text(rows))
    return int(any(row.is_bad for row in rows))


def run(options: argparse.Namespace, target: str, strategy: str) -> Row:
    """Put one strategy on one target to the ordeal, on a new account after each loss."""
    book = Ledger(options.results / f"{target}-{strategy}.jsonl")
    if not options.resume:
        book.file.unlink(missing_ok=True)
    tried = book.done()
    while True:
        with (
            tempfile.TemporaryDirectory(prefix="ordeal-") as folder,
            prepared(Path(folder), target, strategy, more=options.set) as ordeal,
        ):
            every = points.of(ordeal.clean)
            book.begin(calls=len(ordeal.clean), distinct=len(every))
            chosen = [each for each in every if options.only in ("", _sort(each))]
            plan = [each for each in _plan(options, ordeal, chosen) if each.key not in tried]
            lost = any(_is_lost(ordeal, each, book, tried, options.verbose) for each in plan)
        if not lost or options.stop:
            return book.row()


def _is_lost(ordeal: Ordeal, planned: Result, book: Ledger, tried: set[str], verbose: bool) -> bool:
    """Try what is planned and note it; tell whether what stands now can be trusted no more."""
    tried.add(planned.key)
    try:
        result = ordeal.strike(planned.kind, planned.point, back=planned.back)
    except (AssertionError, DeployError) as error:
        result = replace(planned, problems=[f"the trial ended with {error!r}"])
    book.add(result)
    _say(result, verbose)
    return result.is_bad


def show_together(target: str) -> None:
    """Print what two changes of one endpoint at once say."""
    with (
        tempfile.TemporaryDirectory(prefix="ordeal-") as folder,
        prepared(Path(folder), target, "canary") as ordeal,
    ):
        print(f"# {target}\n{a_release_in_a_rollback(ordeal)}\n{two_releases(ordeal)}", flush=True)


@contextmanager
def prepared(
    folder: Path, target: str, strategy: str, *, more: Sequence[str] = ()
) -> Iterator[Ordeal]:
    """Bring up a target on which two versions were released, and a third with its calls recorded.

    Parameters
    ----------
    more : sequence of str
        Further keys of ``release.toml``, ``KEY=VALUE``.
    """
    bundles = make(folder / "bundles")
    verb, strategy = strategy, EXPERIMENTS.get(strategy, strategy)
    words = _words(folder, cloud_of(target), strategy, more)
    with (
        opened(target, folder, {}) as arena,
        Deployers(cloud_of(target), arena.settings, folder / "logs") as deployers,
    ):
        client = Client(arena.target, ENDPOINT)
        finish = FINISH.get(strategy, ())
        ordeal = Ordeal(arena, deployers, bundles, words, client, finish)
        if verb in COMMANDS:
            ordeal = Commanded(arena, deployers, bundles, words, client, finish, verb=verb)
        ordeal.begin()
        yield ordeal


def _words(folder: Path, target: str, strategy: str, more: Sequence[str]) -> list[str]:
    """Return the flags of every command."""
    request = folder / "bundles" / "request.json"
    flags = ["--target", target, "--endpoint", ENDPOINT, "--state", str(folder / "state")]
    settings = [f"request={request}", "gates.requests=2", "gates.latency_p95=60000", *more]
    kind = strategy if strategy in STRATEGIES else "canary"
    settings += [f"strategy={kind}", *STRATEGIES[kind]]
    return [*flags, *(word for each in settings for word in ("--set", each))]


def _wanted(options: argparse.Namespace, target: str) -> Sequence[str]:
    """Return the strategies and commands that a target is put to the ordeal by."""
    if target == "aci":  # one deployment: a first release, and a delete, is all it can do
        return [one for one in options.verb or ("first-release", "delete") if one in COMMANDS]
    every = [*STRATEGIES, *([] if target in SERVICES else COMMANDS)]
    return [*(options.strategy or ()), *(options.verb or ())] or every


def _plan(options: argparse.Namespace, ordeal: Ordeal, chosen: list[Point]) -> Iterator[Result]:
    """Yield what happens at which call, the changes first."""
    possible = [*KILLS, *ordeal.arena.faults]
    kinds = [kind for kind in options.kind or possible if kind in possible]
    for number, point in enumerate(chosen):
        for offset, kind in enumerate(kinds):
            if (number + offset) % options.every == 0:
                yield Result(kind, point, back=options.rollback and kind in KILLS)


def _sort(point: Point) -> str:
    return "reads" if points.is_read(point.operation) else "changes"


def _say(result: Result, verbose: bool) -> None:
    bad = [*result.problems, *(f"orphan: {n} × {name}" for name, n in result.orphans.items())]
    if bad or verbose:
        mark = "FAILED" if bad else "met" if result.met else "not met"
        print(f"{mark}: {result.key}, {result.runs} runs, {result.took:.1f} s", flush=True)
    for each in bad:
        print("   ", each.replace("\n", "\n      "), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.ordeal", description=__doc__)
    add = parser.add_argument
    add("--target", action="append", choices=TARGETS, help="default: all")
    add("--verb", action="append", choices=sorted(COMMANDS), help="a command beside a release")
    add("--strategy", action="append", choices=sorted(STRATEGIES), help="default: all")
    add("--kind", action="append", help="kill-before, kill-after or a fault; default: all")
    add("--every", type=int, default=1, metavar="N", help="only every N-th trial")
    add("--only", choices=("changes", "reads"), default="", help="only at such calls")
    add("--rollback", action="store_true", help="roll back after each kill, before the next run")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="of release.toml")
    add("--together", action="store_true", help="show two changes of one endpoint at once")
    add("--stop", action="store_true", help="stop at the first failure")
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="default: %(default)s")
    add("--resume", action="store_true", help="leave out what the results say went well")
    add("--table", action="store_true", help="only print the table of the results")
    add("--verbose", action="store_true", help="tell every trial")
    return parser


if __name__ == "__main__":
    # Ended from outside, it leaves neither emulator nor deployers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
