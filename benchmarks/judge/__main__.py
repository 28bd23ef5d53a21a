"""`python -m benchmarks.judge`: how often each rule is wrong, and how long it takes."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.judge.cells import Cell, main_cells, other_cells, stress_cells
from benchmarks.judge.report import (
    OURS,
    other_table,
    other_targets,
    stress_targets,
    tables,
    targets,
    write,
)
from benchmarks.judge.simulate import RULES, Result, simulate

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "judge.md"
FULL, QUICK = 2000, 100
PEERS_SHARE = 5
PROCESSES = 2


def main() -> None:
    """Simulate, print the tables, and fail if a promise is refuted."""
    options = _options()
    runs = options.runs or (QUICK if options.quick else FULL)
    rules = [OURS] if options.quick else list(RULES)
    begun = time.monotonic()
    main_results = _simulated(list(main_cells()), rules, runs, options.seed)
    stress_results = _simulated(list(stress_cells()), rules, runs, options.seed)
    other_results = _simulated(list(other_cells()), [OURS], runs, options.seed)
    seconds = time.monotonic() - begun
    promises = [*targets(main_results), *stress_targets(stress_results), *other_targets(other_results)]
    text = "\n\n".join(
        (
            _heading(runs, options.seed, seconds, quick=options.quick),
            "\n".join(map(str, promises)),
            tables(main_results, stress_results),
            other_table(other_results),
        )
    )
    print(text)
    if options.write:
        write(DOCUMENT, text)
    sys.exit(any(promise.refuted for promise in promises))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="our rule only, few runs: for CI")
    parser.add_argument("--runs", type=int, help=f"runs a cell (full {FULL}, quick {QUICK})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    return parser.parse_args()


def _simulated(cells: list[Cell], rules: list[str], runs: int, seed: int) -> list[Result]:
    """Simulate every cell under every rule; each cell has its own traffic, the same for all rules."""
    jobs = [
        (cell, rule, runs if rule == OURS else max(1, runs // PEERS_SHARE), seed + 1000 * number)
        for number, cell in enumerate(cells)
        for rule in rules
    ]
    results = []
    with ProcessPoolExecutor(PROCESSES) as processes:
        for result in processes.map(simulate, *zip(*jobs, strict=True)):
            results.append(result)
            print(f"{len(results)}/{len(jobs)} {result.cell.scenario.name}, {result.rule}", file=sys.stderr)
    return results


def _heading(runs: int, seed: int, seconds: float, *, quick: bool) -> str:
    command = f"python -m benchmarks.judge{' --quick' if quick else ''} --runs {runs} --seed {seed}"
    return (
        f"`{command}`: {runs} runs a cell for our rule, {max(1, runs // PEERS_SHARE)} for the others, "
        f"{seconds:.0f} s in {PROCESSES} processes. In brackets: 95 % Clopper-Pearson limits."
    )


if __name__ == "__main__":
    main()
