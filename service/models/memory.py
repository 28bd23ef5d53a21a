"""Whether a second model fits into memory beside the first. Files are read by the caller's path."""

import ctypes
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from safetensors import SafetensorError, safe_open

from service.errors import SwapRefused, UnsupportedModel

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")

BYTES_A_NUMBER = 4
"""What is computed with; files may hold half of it."""
UNCONVERTED_OVERHEAD = 3
"""While OpenVINO takes in a model's own weights, they exist up to three times: 2.9 was measured at most for
bert-base, and 2.3 afterwards. torch takes 1.3."""
CONVERTED_OVERHEAD = 1.2
"""Of a conversion's bytes, 1.00 (int8) to 1.11 (bf16) was measured in memory for bert-base."""
RESERVE = 64 << 20
"""Left for the requests that are answered meanwhile."""

_CONVERTED = ("*.blob", "halves.safetensors")
"""A conversion's weights; those for a GPU pass through memory on their way."""
_MIB = 1 << 20
_M_ARENA_MAX = -8  # malloc.h


def share_one_heap() -> None:
    """Let all threads share one heap; call it before there are any.

    The C library gives threads heaps of their own, up to eight a core, and each keeps what a model that
    was loaded there left behind: 90 MiB after 30 swaps of an 11 MB model, and 1 MiB with one heap.
    """
    with suppress(AttributeError):  # a C library without heaps of its own for threads
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


@dataclass(frozen=True)
class Budget:
    """Bytes that a model needs, and bytes that are free."""

    needed: int
    free: int

    @classmethod
    def of(cls, folder: Path, meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> Self:
        """Return the budget for the model in ``folder`` on this machine."""
        return cls(needed(folder), free(_read(meminfo), {name: _read(cgroup / name) for name in _FILES}))

    @property
    def suffices(self) -> bool:
        """Whether there is enough."""
        return self.needed <= self.free

    def check(self) -> None:
        """Let it pass if there is enough.

        Raises:
            SwapRefused: There is not.
        """
        if not self.suffices:
            raise SwapRefused(
                seen=f"{self.free // _MIB:,} MiB of free memory",
                needed=f"{self.needed // _MIB:,} MiB for a second model",
                do="free the former model, raise the pod's memory limit, or start a new pod instead",
            )


def needed(folder: Path) -> int:
    """Return the bytes that loading what is in a folder takes: a conversion, or a model's own weights."""
    converted = sum(file.stat().st_size for kind in _CONVERTED for file in folder.glob(kind))
    if converted:
        return math.ceil(converted * CONVERTED_OVERHEAD) + RESERVE
    return math.ceil(numbers(folder) * BYTES_A_NUMBER * UNCONVERTED_OVERHEAD) + RESERVE


def numbers(folder: Path) -> int:
    """Return how many numbers the weights in ``folder`` are.

    Only the headers of safetensors files are read; of other files, half precision is assumed.

    Raises:
        UnsupportedModel: A file is no whole safetensors file.
    """
    files = sorted(folder.glob("*.safetensors"))
    if files:
        return sum(_numbers(file) for file in files)
    return sum(file.stat().st_size // 2 for file in folder.glob("*.bin"))


def _numbers(file: Path) -> int:
    try:
        with safe_open(file, "numpy") as tensors:
            return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.offset_keys())
    except SafetensorError as error:
        raise UnsupportedModel(
            seen=f"{file} that safetensors refuses ({error})",
            needed="complete weights",
            do="fetch the model again",
        ) from error


_FILES = ("memory.max", "memory.current", "memory.stat")


def free(meminfo: str, cgroup: Mapping[str, str]) -> int:
    """Return the bytes that may still be used: the machine's, or the control group's where they are fewer.

    Args:
        meminfo: The text of /proc/meminfo.
        cgroup: The texts of the group's memory.max, memory.current and memory.stat; empty without one.
    """
    machine = _field(meminfo.replace(":", ""), "MemAvailable") * 1024
    limit = cgroup.get("memory.max", "").strip()
    if not limit.isdigit():  # no group, or "max"
        return machine
    # The kernel gives back pages of files that nobody used of late before it kills anybody.
    used = int(cgroup["memory.current"]) - _field(cgroup["memory.stat"], "inactive_file")
    return max(0, min(machine, int(limit) - used))


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        field, _, value = line.partition(" ")
        if field == name:
            return int(value.split()[0])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
