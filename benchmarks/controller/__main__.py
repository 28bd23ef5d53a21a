"""`python -m benchmarks.controller`: what the operator costs for one, many and very many rollouts."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.controller.measure import Bench, Row, bench
from benchmarks.controller.report import table, write

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "controller.md"
SIZES = (1, 100, 1000)
WITH_BROKEN = 200


def main() -> None:
    """Measure and print the table; write it, if asked to, as far as it goes after each row."""
    options = _options()
    rows: list[Row] = []
    for row in _rows(options):
        rows.append(row)
        if options.write:
            write(DOCUMENT, table(rows, options.seconds))
    print(table(rows, options.seconds))


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows, the dearest one last."""
    *few, most = sorted(options.sizes)
    for size in few:
        yield from _measured(size, options.seconds)
    if options.broken:
        yield from _with_a_broken_one(options.broken, options.seconds)
    yield from _measured(most, options.seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controller", description=main.__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of rollouts")
    parser.add_argument("--broken", type=int, default=WITH_BROKEN, help="so many, one of them broken; 0: not")
    parser.add_argument("--seconds", type=float, default=30.0, help="for how long each state is watched")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    return parser.parse_args()


def _measured(size: int, seconds: float) -> Iterator[Row]:
    with bench(size) as here:
        _ready(here, size)
        yield here.measured("idle", seconds)
        _under_way(here, size)
        yield here.measured("under way", seconds)


def _with_a_broken_one(size: int, seconds: float) -> Iterator[Row]:
    with bench(size) as here:
        here.world.order("break", "s77")
        _ready(here, size - 1)
        _under_way(here, size - 1)
        yield here.measured("under way, one broken", seconds)


def _ready(here: Bench, number: int) -> None:
    here.until(lambda: here.world.order("standing")["ready"] >= number, f"{number} routes made")


def _under_way(here: Bench, number: int) -> None:
    here.world.order("want", "1.1")
    here.until(lambda: here.world.order("standing")["proved"] >= number, f"{number} weights proved")


main()
