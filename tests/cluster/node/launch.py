"""The beginning of a container: it builds the container's root and becomes the container's program.

    python -I -S launch.py PLAN REPORT

It runs in new mount and host name namespaces and in the pod's network namespace; what it forks is process 1
of a new process namespace. The one that forked ends, so the node itself becomes the parent and learns how it
ends. PLAN is the JSON of a `tests.cluster.node.plan.Plan`. REPORT is the number of a pipe for two lines: the
process id as the node sees it, and what went wrong, which is empty if nothing did.
"""

# Nothing but the standard library, and little of it: every start of a container waits for these imports.
# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH112, PTH115, PTH120, PTH123, PTH211 - pathlib takes 10 ms
# ruff: noqa: FBT003, S103, S108, S606 - the system's own calls are what this is about
import ctypes
import json
import os
import signal
import socket
import sys
from typing import Any

RDONLY, NOSUID, REMOUNT, BIND, REC = 1, 2, 32, 4096, 16384
DETACH = 2
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]


def main() -> None:
    """Become the container, or say why not."""
    if os.fork():
        os._exit(0)
    plan_file, report = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(report, False)
    # /proc is the node's still, so this is the number that the node knows us by.
    os.write(report, f"{os.readlink('/proc/self')}\n".encode())
    try:
        with open(plan_file, encoding="utf-8") as file:
            plan = json.load(file)
        settle(plan)
    except OSError as error:
        os.write(report, f"{error}\n".encode())
        sys.exit(128)
    os.write(report, b"\n")
    os.execve(plan["command"][0], plan["command"], plan["environment"])


def settle(plan: dict[str, Any]) -> None:
    """Build the root and go there."""
    os.umask(0o022)
    socket.sethostname(plan["hostname"])
    # As a container's runtime does it: the user may open /dev/stdout again, as Envoy does for its access log.
    for stream in (1, 2):
        os.fchown(stream, plan["uid"], plan["gid"])
    root = plan["root"]
    build(root, plan)
    os.chdir(root)
    _checked(LIBC.pivot_root(b".", b"."), "pivot_root")
    _checked(LIBC.umount2(b".", DETACH), "umount")
    os.chdir("/")
    os.makedirs(plan["workdir"], exist_ok=True)
    if plan["read_only"]:
        mount("", "/", flags=REMOUNT | BIND | RDONLY)
    os.chdir(plan["workdir"])
    # Python ignores these, and what is ignored stays so in the program that follows.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def build(root: str, plan: dict[str, Any]) -> None:
    """Mount all that the container sees below ``root``."""
    mount("root", root, kind="tmpfs", data="mode=755")
    for path in ("/proc", "/sys", "/dev", "/tmp", "/run", "/var"):
        os.makedirs(root + path, exist_ok=True)
    os.chmod(f"{root}/tmp", 0o1777)
    mount("proc", f"{root}/proc", kind="proc")
    mount("/sys", f"{root}/sys", flags=BIND | REC)
    mount("", f"{root}/sys", flags=REMOUNT | BIND | RDONLY)
    devices(f"{root}/dev")
    for path, target in plan["links"].items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        os.symlink(target, root + path)
    for each in plan["mounts"]:
        target = root + each["target"]
        point(each["source"], target)
        mount(each["source"], target, flags=BIND | REC)
        if each["read_only"]:
            mount("", target, flags=REMOUNT | BIND | RDONLY | NOSUID)


def devices(folder: str) -> None:
    """Fill a container's /dev."""
    mount("dev", folder, kind="tmpfs", data="mode=755")
    for name in DEVICES:
        point(f"/dev/{name}", f"{folder}/{name}")
        mount(f"/dev/{name}", f"{folder}/{name}", flags=BIND)
    for name, target in LINKS.items():
        os.symlink(target, f"{folder}/{name}")
    os.mkdir(f"{folder}/shm")
    mount("shm", f"{folder}/shm", kind="tmpfs", data="mode=1777")


def point(source: str, target: str) -> None:
    """Make a mount point that fits: a folder for a folder, a file for anything else."""
    if os.path.exists(target):
        return
    if os.path.isdir(source):
        os.makedirs(target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount something; raises OSError with what it was."""
    words = [word.encode() or None for word in (source, target, kind)]
    _checked(LIBC.mount(*words, flags, data.encode() or None), f"mount {source or 'again'} at {target}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
