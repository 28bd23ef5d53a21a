import pytest

from benchmarks import sizing
from benchmarks.sizing import LOADS, Measured, Unreadable

ROW = Measured("int8", rate=100.0, p99_ms=300.0, memory_mib=600.0, start_s=2.0)
HEAD = "| server | 32 clients: requests/s | p50 / p99 ms | memory MiB (PSS) | start to first answer s |"
ROWS = "| pod, int8 (as such) | 1,100 | 3 / 30 | 600 | 2 |\n| x | 1 | 1 / 1 | 1 | 1 |\n"
GOOD = f"## Against the peers\n\n{HEAD}\n|---|---|---|---|---|\n{ROWS}"


@pytest.mark.parametrize(("load", "pods"), [(1, 2), (60, 2), (61, 3), (600, 11)])
def test_a_load_gets_pods_below_saturation_and_one_to_spare(load: int, pods: int) -> None:
    assert ROW.pods(load) == pods


def test_no_load_gets_fewer_pods_than_a_smaller_one() -> None:
    found = [ROW.pods(load) for load in LOADS]
    assert found == sorted(found)


def test_memory_is_asked_for_as_measured_and_limited_with_room() -> None:
    assert (ROW.request_mib, ROW.limit_mib) == (640, 1280)


def test_only_our_own_rows_are_read() -> None:
    [row] = sizing.measured(GOOD)
    assert row == Measured("int8", 1100.0, 30.0, 600.0, 2.0)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("# nothing", "table with rows 'pod, ...'"),
        (GOOD.replace("pod, int8 (as such)", "peer"), "table with rows 'pod, ...'"),
        (GOOD.replace("memory MiB (PSS)", "RAM"), "columns with requests/s, p99, memory, start"),
        (GOOD.replace("| 600 |", "| - |"), "number in the cell '-'"),
    ],
)
def test_a_table_that_has_changed_its_form_is_named(page: str, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        sizing.measured(page)
