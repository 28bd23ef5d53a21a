from pathlib import Path

import pytest

from service.errors import SwapRefused, UnsupportedModel
from service.models.memory import RESERVE, Budget, free, needed, numbers
from tests.service.conftest import Tiny

MIB = 1 << 20
MEMINFO = "MemTotal:       16000000 kB\nMemAvailable:    4194304 kB\n"
GROUP = {
    "memory.max": f"{1024 * MIB}\n",
    "memory.current": f"{900 * MIB}\n",
    "memory.stat": f"anon {600 * MIB}\ninactive_file {200 * MIB}\nactive_file 5\n",
}


@pytest.mark.parametrize(
    ("group", "mib"),
    [
        ({}, 4096),
        ({"memory.max": "max\n", "memory.current": "5\n", "memory.stat": ""}, 4096),
        (GROUP, 1024 - (900 - 200)),
        (GROUP | {"memory.max": f"{100_000 * MIB}\n"}, 4096),
        (GROUP | {"memory.max": f"{10 * MIB}\n"}, 0),
    ],
)
def test_free_memory_is_the_machines_or_the_groups_where_that_is_less(
    group: dict[str, str], mib: int
) -> None:
    assert free(MEMINFO, group) == mib * MIB


def test_numbers_are_counted_from_the_header_alone(tiny: Tiny) -> None:
    assert numbers(tiny.folder) == sum(weight.numel() for weight in tiny.reference.parameters())


def test_a_file_that_holds_less_than_its_header_says_is_refused_by_its_name(tmp_path: Path) -> None:
    header = b'{"words": {"dtype": "F32", "shape": [281474976710656], "data_offsets": [0, 1125899906842624]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(
        UnsupportedModel, match=r"model\.safetensors that safetensors refuses .* needed: fetch"
    ):
        numbers(tmp_path)


def test_files_of_the_first_format_are_taken_for_half_precision(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"12345678")
    assert numbers(tmp_path) == 4


def test_a_model_needs_more_than_its_numbers_in_single_precision(tiny: Tiny) -> None:
    assert needed(tiny.folder) > numbers(tiny.folder) * 4 + RESERVE


def test_a_conversion_needs_more_than_its_files_whatever_lies_beside_them(tmp_path: Path) -> None:
    assert needed(tmp_path) == RESERVE
    for name in ("encoder.blob", "head.blob"):
        (tmp_path / name).write_bytes(bytes(50_000))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(1_000_000))
    assert 100_000 < needed(tmp_path) - RESERVE < 200_000


def test_a_conversion_for_a_gpu_passes_through_memory(tmp_path: Path) -> None:
    (tmp_path / "halves.safetensors").write_bytes(bytes(50_000))
    assert 50_000 <= needed(tmp_path) - RESERVE < 100_000


def test_too_little_memory_is_refused_with_the_numbers() -> None:
    with pytest.raises(SwapRefused, match="512 MiB of free memory; 1,024 MiB for a second model needed"):
        Budget(needed=1024 * MIB, free=512 * MIB).check()
    Budget(needed=512 * MIB, free=512 * MIB).check()


def test_this_machine_has_memory(tiny: Tiny) -> None:
    budget = Budget.of(tiny.folder)
    assert budget.needed > RESERVE
    assert budget.free > RESERVE
