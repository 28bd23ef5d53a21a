"""Who a container is: user, groups and capabilities, by the pod's and its own security context."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.cluster.node.errors import ConfigMissing

Document = Mapping[str, Any]

DEFAULT_CAPABILITIES: Final = frozenset(
    [
        *("chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service"),
        *("setfcap", "setgid", "setpcap", "setuid", "sys_chroot"),
    ]
)
"""What runtimes of containers leave to root."""


@dataclass(frozen=True)
class Identity:
    """What a container may do. ``groups`` are the further ones; ``capabilities`` None are all there are."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: frozenset[str] | None
    no_new_privileges: bool
    read_only_root: bool

    @property
    def command(self) -> list[str]:
        """The beginning of a command line that becomes this one."""
        bounds = (
            "+all"
            if self.capabilities is None
            else ",".join(["-all", *(f"+{each}" for each in sorted(self.capabilities))])
        )
        groups = ",".join(map(str, self.groups))
        return [
            "/usr/bin/setpriv",
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            f"--groups={groups}" if groups else "--clear-groups",
            f"--bounding-set={bounds}",
            "--inh-caps=-all",
            *(["--no-new-privs"] if self.no_new_privileges else []),
            "--",
        ]


def identity(pod: Document, container: Document, image_user: int) -> Identity:
    """Return who a container is.

    Raises:
        ConfigMissing: it must not be root and would be.
    """
    whole = pod["spec"].get("securityContext") or {}
    own = container.get("securityContext") or {}
    both = {**whole, **own}
    uid = both.get("runAsUser", image_user)
    if both.get("runAsNonRoot") and uid == 0:
        message = f"container {container['name']} has runAsNonRoot and would run as root"
        raise ConfigMissing(message)
    further = [*whole.get("supplementalGroups", ()), *([whole["fsGroup"]] if "fsGroup" in whole else [])]
    return Identity(
        uid=uid,
        gid=both.get("runAsGroup", 0 if uid != image_user else image_user),
        groups=tuple(dict.fromkeys(further)),
        capabilities=None if own.get("privileged") else _capabilities(own.get("capabilities") or {}),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
    )


def _capabilities(changes: Document) -> frozenset[str]:
    dropped = {each.lower().removeprefix("cap_") for each in changes.get("drop", ())}
    added = {each.lower().removeprefix("cap_") for each in changes.get("add", ())}
    left = frozenset() if "all" in dropped else DEFAULT_CAPABILITIES - dropped
    return left | added
