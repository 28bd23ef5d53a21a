"""What a machine can compute with, as far as a conversion depends on it."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

_ABILITIES = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_int8", "amx_bf16", "amx_fp16"),
    *("asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"),
)
"""Flags that decide which kernels OpenVINO takes, and with them speed and rounding."""


def key(cpuinfo: Path = CPUINFO, openvino: str | None = None) -> str:
    """Name this CPU's abilities with OpenVINO's version, fit for a folder's name.

    A conversion is a graph that OpenVINO compiled for one kind of CPU, with a fidelity measured there:
    on another kind, or by another version, it has to be made and judged anew.
    """
    abilities = [name for name in _ABILITIES if name in _flags(cpuinfo)]
    short = hashlib.sha256(" ".join(abilities).encode()).hexdigest()[:8]
    best = abilities[-1] if abilities else "plain"
    return f"{platform.machine()}-{best}-{short}-openvino-{openvino or version('openvino')}"


def _flags(cpuinfo: Path) -> set[str]:
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="ignore").splitlines()
    except OSError:  # no Linux: then by the architecture alone
        return set()
    named = (line.partition(":") for line in lines)
    return {
        flag for name, _, flags in named if name.strip() in ("flags", "Features") for flag in flags.split()
    }
