"""The ordeal's door: `python -m tests.ordeal --target aws --strategy canary [--every N]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.ordeal import table
from tests.ordeal.arena import ENDPOINT, opened
from tests.ordeal.blows import KILLS
from tests.ordeal.bundles import make
from tests.ordeal.client import Client
from tests.ordeal.deployer import Deployers
from tests.ordeal.table import Row
from tests.ordeal.together import a_release_in_a_rollback, two_releases
from tests.ordeal.trial import Ordeal, Result

#: Keys of ``release.toml`` by strategy: bake times are lived through elsewhere.
STRATEGIES = {
    "canary": (),
    "linear": ("increment=50",),
    "blue-green": ("keep_old=0",),
    "shadow": ("bake=0", "gates.shadow_agreement=0"),
    "ab": (),
}
#: Vertex AI has no mirrored traffic.
IMPOSSIBLE = {("gcp", "shadow")}
#: What ends a release that leaves two deployments serving.
FINISH = {"shadow": ("promote",), "ab": ("promote",)}
TARGETS = ("local", "aws", "gcp", "azure")


def main(arguments: list[str] | None = None) -> int:
    """Run the ordeal and return the exit code: 0 if nothing was lost, 1 otherwise."""
    options = _parser().parse_args(arguments)
    if options.together:
        for target in options.target or TARGETS:
            show_together(target)
        return 0
    rows = [
        run(options, target, strategy)
        for target in options.target or TARGETS
        for strategy in options.strategy or STRATEGIES
        if (target, strategy) not in IMPOSSIBLE
    ]
    print(table.text(rows))
    return int(any(row.is_bad for row in rows))


def run(options: argparse.Namespace, target: str, strategy: str) -> Row:
    """Put one strategy on one target to the ordeal."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="ordeal-") as folder,
        prepared(Path(folder), target, strategy, more=options.set) as ordeal,
    ):
        row = Row(target, strategy, len(ordeal.clean), len(ordeal.places()))
        for kind, nth in _plan(options, ordeal):
            result = ordeal.strike(kind, nth, back=options.rollback and kind in KILLS)
            row.add(result)
            _say(result, options.verbose)
            if options.stop and (result.problems or result.orphans):
                break
        row.sent, row.failed = ordeal.client.sent, len(ordeal.client.failed)
    row.took = time.monotonic() - began
    return row


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
    words = _words(folder, target, strategy, more)
    with (
        opened(target, folder, {}) as arena,
        Deployers(target, arena.settings, folder / "logs") as deployers,
    ):
        client = Client(arena.target, ENDPOINT)
        ordeal = Ordeal(arena, deployers, bundles, words, client, FINISH.get(strategy, ()))
        ordeal.begin()
        yield ordeal


def _words(folder: Path, target: str, strategy: str, more: Sequence[str]) -> list[str]:
    """Return the flags of every command."""
    request = folder / "bundles" / "request.json"
    flags = ["--target", target, "--endpoint", ENDPOINT, "--state", str(folder / "state")]
    settings = [f"request={request}", "gates.requests=2", "gates.latency_p95=60000", *more]
    settings += [f"strategy={strategy}", *STRATEGIES[strategy]]
    return [*flags, *(word for each in settings for word in ("--set", each))]


def _plan(options: argparse.Namespace, ordeal: Ordeal) -> Iterator[tuple[str, int]]:
    """Yield what happens at which call; every kind in turn, if not each at every call."""
    kinds = options.kind or [*KILLS, *ordeal.arena.faults]
    every = range(1, len(ordeal.clean) + 1)
    first, _, last = (options.calls or f"1-{len(every)}").partition("-")
    chosen = [
        nth
        for nth in (every if options.polls else ordeal.places())
        if int(first) <= nth <= int(last or first)
    ]
    for number, nth in enumerate(chosen):
        for offset, kind in enumerate(kinds):
            if (number + offset) % options.every == 0:
                yield kind, nth


def _say(result: Result, verbose: bool) -> None:
    bad = [*result.problems, *(f"orphan: {n} × {name}" for name, n in result.orphans.items())]
    if bad or verbose:
        mark = "FAILED" if bad else "met" if result.met else "not met"
        where = f"{result.kind} at {result.nth} {result.call}"
        print(f"{mark}: {where}, {result.runs} runs, {result.took:.1f} s", flush=True)
    for each in bad:
        print("   ", each.replace("\n", "\n      "), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.ordeal", description=__doc__)
    add = parser.add_argument
    add("--target", action="append", choices=TARGETS, help="default: all")
    add("--strategy", action="append", choices=sorted(STRATEGIES), help="default: all")
    add("--kind", action="append", help="kill-before, kill-after or a fault; default: all")
    add("--calls", metavar="A-B", help="only at these calls")
    add("--every", type=int, default=1, metavar="N", help="only every N-th trial")
    add("--polls", action="store_true", help="also at polls that repeat the one before")
    add("--rollback", action="store_true", help="roll back after each kill, before the next run")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="of release.toml")
    add("--together", action="store_true", help="show two changes of one endpoint at once")
    add("--stop", action="store_true", help="stop at the first failure")
    add("--verbose", action="store_true", help="tell every trial")
    return parser


if __name__ == "__main__":
    sys.exit(main())
