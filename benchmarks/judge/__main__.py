"""`python -m benchmarks.judge`: how often each rule is wrong, and how long it takes."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.judge.cells import Cell, main_cells, stress_cells
from benchmarks.judge.report import OURS, stress_targets, tables, targets, write
from benchmarks.judge.simulate import RULES, Result, simulate

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "judge.md"
FULL, QUICK = 2000, 100
PEERS_SHARE = 5


def main() -> None:
    """Simulate, print the tables, and fail if a promise is refuted."""
    options = _options()
    runs = options.runs or (QUICK if options.quick else FULL)
    rules = [OURS] if options.quick else list(RULES)
    begun = time.monotonic()
    main_results = _simulated(list(main_cells()), rules, runs, options.seed)
    stress_results = _simulated(list(stress_cells()), rules, runs, options.seed)
    seconds = time.monotonic() - begun
    text = "\n\n".join(
        (
            _heading(runs, options.seed, seconds, quick=options.quick),
            "\n".join(map(str, [*targets(main_results), *stress_targets(stress_results)])),
            tables(main_results, stress_results),
        )
    )
    print(text)
    if options.write:
        write(DOCUMENT, text)
    sys.exit(any(target.refuted for target in targets(main_results)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="our rule only, few runs: for CI")
    parser.add_argument("--runs", type=int, help=f"runs a cell (full {FULL}, quick {QUICK})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    return parser.parse_args()


def _simulated(cells: list[Cell], rules: list[str], runs: int, seed: int) -> list[Result]:
    """Simulate every cell under every rule; each cell has its own traffic, the same for all rules."""
    results = []
    for number, cell in enumerate(cells):
        print(f"{number + 1}/{len(cells)} {cell.scenario.name}, {cell.kind}", file=sys.stderr)
        for rule in rules:
            wanted = runs if rule == OURS else max(1, runs // PEERS_SHARE)
            results.append(simulate(cell, rule, wanted, seed + 1000 * number))
    return results


def _heading(runs: int, seed: int, seconds: float, *, quick: bool) -> str:
    command = f"python -m benchmarks.judge{' --quick' if quick else ''} --runs {runs} --seed {seed}"
    return (
        f"`{command}`: {runs} runs a cell for our rule, {max(1, runs // PEERS_SHARE)} for the others, "
        f"{seconds:.0f} s on one core. In brackets: 95 % Clopper-Pearson limits."
    )


if __name__ == "__main__":
    main()
