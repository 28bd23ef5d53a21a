"""What a machine can compute with, as far as a conversion depends on it."""

import hashlib
import platform
import re
from importlib.metadata import version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
DEVICES, DRIVER = Path("/dev"), Path("/proc/driver/nvidia/gpus")

_ABILITIES = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_int8", "amx_bf16", "amx_fp16"),
    *("asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"),
)
"""Flags that decide which kernels OpenVINO takes, and with them speed and rounding."""


def key(
    cpuinfo: Path = CPUINFO, openvino: str | None = None, devices: Path = DEVICES, driver: Path = DRIVER
) -> str:
    """Name this CPU's abilities with OpenVINO's version and the GPUs, fit for a folder's name.

    A conversion is a graph that OpenVINO compiled for one kind of CPU, with a fidelity measured there:
    on another kind, or by another version, it has to be made and judged again. The same goes for one that a
    GPU computes.
    """
    abilities = [name for name in _ABILITIES if name in _flags(cpuinfo)]
    short = hashlib.sha256(" ".join(abilities).encode()).hexdigest()[:8]
    best = abilities[-1] if abilities else "plain"
    name = f"{platform.machine()}-{best}-{short}-openvino-{openvino or version('openvino')}"
    return "-".join((name, *map(_slug, gpus(devices, driver))))


def gpus(devices: Path = DEVICES, driver: Path = DRIVER) -> list[str]:
    """Return the kinds of NVIDIA GPU that this process may see; torch need not be able to use them.

    Files alone are read. A container sees its own devices, and often what the driver tells of all: the
    device's number joins the two.
    """
    told = [_told(path) for path in sorted(driver.glob("*/information"))]
    names = {about.get("Device Minor"): about.get("Model") for about in told}
    seen = [path.name.removeprefix("nvidia") for path in devices.glob("nvidia[0-9]*")]
    return sorted({names.get(number) or "NVIDIA GPU" for number in seen})


def _told(information: Path) -> dict[str, str]:
    try:
        lines = information.read_text(encoding="utf-8", errors="ignore").splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _flags(cpuinfo: Path) -> set[str]:
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="ignore").splitlines()
    except OSError:  # no Linux: then by the architecture alone
        return set()
    named = (line.partition(":") for line in lines)
    return {
        flag for name, _, flags in named if name.strip() in ("flags", "Features") for flag in flags.split()
    }
