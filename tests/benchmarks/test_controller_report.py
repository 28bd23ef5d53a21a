"""The table of the operator's costs."""

from pathlib import Path

from benchmarks.controller.measure import Row, _quantile
from benchmarks.controller.report import BEGIN, END, table, write

ROW = Row(
    rollouts=100, state="idle", seconds=30.0, cpu_s=1.5, passes=300.0, p99_s=0.025,
    queries=18.0, reads=600, writes=0, rss_mib=101.4,
)  # fmt: skip


def test_costs_are_told_by_pass_by_minute_and_by_tick(tmp_path: Path) -> None:
    document = tmp_path / "controller.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    write(document, table([ROW], 30.0))
    text = document.read_text("utf-8")
    assert "| 100 | idle | 10.0 | 5.0 | 5 | <= 25 ms | 12.0 | 0.00 | 3.0 | 101 |" in text
    assert "old" not in text
    assert text.startswith("before")
    assert text.endswith("after\n")


def test_a_quantile_is_the_edge_below_which_that_share_lay() -> None:
    assert _quantile({0.01: 50.0, 0.1: 99.0, 1.0: 100.0, float("inf"): 100.0}, 0.99) == 0.1
