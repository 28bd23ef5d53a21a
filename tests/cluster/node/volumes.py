"""The volumes of a pod, as folders of the node."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.cluster.node.api import Api
from tests.cluster.node.environment import read
from tests.cluster.node.errors import ConfigMissing, MountFailed
from tests.cluster.node.fields import field, resource
from tests.cluster.node.images import Image, find

Document = Mapping[str, Any]

TOKEN_S: Final = 3607
READ_ONLY: Final = ("configMap", "secret", "downwardAPI", "projected")
GROUP_READ, FOLDER_READ, SET_GID = 0o440, 0o550, 0o2000


@dataclass(frozen=True)
class Volume:
    """A volume: its folder on the node, and whether nobody may write to it."""

    path: Path
    read_only: bool


@dataclass(frozen=True)
class Files:
    """Files to be: contents by their path in the volume, and modes by it."""

    contents: Mapping[str, bytes]
    modes: Mapping[str, int]


class Volumes:
    """Makes the volumes of one pod below ``folder``; ``claims`` is the folder of claims' contents."""

    def __init__(
        self, pod: Document, folder: Path, claims: Path, api: Api, images: Mapping[str, Image]
    ) -> None:
        self._pod = pod
        self._folder = folder
        self._claims = claims
        self._api = api
        self._images = images
        self._namespace = pod["metadata"]["namespace"]
        self._group = (pod["spec"].get("securityContext") or {}).get("fsGroup")

    async def make(self, allocatable: Document) -> dict[str, Volume]:
        """Return all volumes by name.

        Raises:
            Waiting: something that one of them names is not there.
        """
        return {
            each["name"]: await self._make(each, allocatable) for each in self._pod["spec"].get("volumes", ())
        }

    async def _make(self, volume: Document, allocatable: Document) -> Volume:
        path = self._folder / volume["name"]
        path.mkdir(parents=True, exist_ok=True)
        match volume:
            case {"emptyDir": _}:
                path.chmod(0o777)
                self._to_group(path, writable=True)
            case {"persistentVolumeClaim": claim}:
                return Volume(await self._claim(claim["claimName"]), claim.get("readOnly", False))
            case {"image": source}:
                return Volume(self._image(source["reference"]), read_only=True)
            case {"projected": source}:
                self._write(path, await self._projected(source, allocatable))
            case {"configMap": source} | {"secret": source} | {"downwardAPI": source}:
                [kind] = {"configMap", "secret", "downwardAPI"} & volume.keys()
                named = {**source, "name": source.get("name") or source.get("secretName")}
                self._write(
                    path, await self._source(kind, named, source.get("defaultMode", 0o644), allocatable)
                )
            case _:
                kinds = ", ".join(volume.keys() - {"name"})
                message = f"volume {volume['name']}: this node has no volumes of the kind {kinds}"
                raise MountFailed(message)
        return Volume(path, any(kind in volume for kind in READ_ONLY))

    async def _claim(self, name: str) -> Path:
        claim = await self._api.get(f"/api/v1/namespaces/{self._namespace}/persistentvolumeclaims/{name}")
        if claim is None or claim.get("status", {}).get("phase") != "Bound":
            message = f"the claim {name} is not bound"
            raise MountFailed(message)
        path = self._claims / str(claim["spec"]["volumeName"])
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o777)
            self._to_group(path, writable=True)
        return path

    def _image(self, reference: str) -> Path:
        folder = find(self._images, reference).folder
        if folder is None:
            message = f"the image {reference} holds no folder for volumes"
            raise MountFailed(message)
        return Path(folder)

    async def _projected(self, volume: Document, allocatable: Document) -> Files:
        contents: dict[str, bytes] = {}
        modes: dict[str, int] = {}
        for each in volume.get("sources", ()):
            [(kind, source)] = each.items()
            files = await self._source(kind, source, volume.get("defaultMode", 0o644), allocatable)
            contents |= files.contents
            modes |= files.modes
        return Files(contents, modes)

    async def _source(self, kind: str, source: Document, mode: int, allocatable: Document) -> Files:
        match kind:
            case "configMap" | "secret":
                keys = await self._keys(f"{kind.lower()}s", source)
            case "downwardAPI":
                keys = {
                    each["path"]: self._told(each, allocatable).encode() for each in source.get("items", ())
                }
                return Files(keys, {each["path"]: each.get("mode", mode) for each in source.get("items", ())})
            case "serviceAccountToken":
                return Files({source["path"]: await self._token(source)}, {source["path"]: mode})
            case _:
                message = f"this node cannot project {kind}"
                raise MountFailed(message)
        if not source.get("items"):
            return Files(keys, dict.fromkeys(keys, mode))
        chosen = [each for each in source["items"] if each["key"] in keys]
        if len(chosen) < len(source["items"]) and not source.get("optional"):
            message = f"{kind} {source['name']} lacks a key that the volume names"
            raise MountFailed(message)
        return Files(
            {each["path"]: keys[each["key"]] for each in chosen},
            {each["path"]: each.get("mode", mode) for each in chosen},
        )

    async def _keys(self, kind: str, source: Document) -> dict[str, bytes]:
        found = await read(kind, source["name"], self._namespace, self._api)
        if found is None and not source.get("optional"):
            message = f"{kind} {source['name']} is not there"
            raise MountFailed(message)
        return found or {}

    def _told(self, item: Document, allocatable: Document) -> str:
        if "fieldRef" in item:
            return field(self._pod, item["fieldRef"]["fieldPath"])
        reference = item["resourceFieldRef"]
        for container in (*self._pod["spec"].get("initContainers", ()), *self._pod["spec"]["containers"]):
            if container["name"] == reference["containerName"]:
                return resource(container, reference, allocatable)
        message = f"there is no container {reference['containerName']}"
        raise ConfigMissing(message)

    async def _token(self, source: Document) -> bytes:
        metadata = self._pod["metadata"]
        account = self._pod["spec"].get("serviceAccountName") or "default"
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec = {
            "expirationSeconds": source.get("expirationSeconds", TOKEN_S),
            "boundObjectRef": bound,
            "audiences": [source["audience"]] if source.get("audience") else [],
        }
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token"
        answer = await self._api.post(path, request)
        return str(answer["status"]["token"]).encode()

    def _write(self, folder: Path, files: Files) -> None:
        for name, content in files.contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(files.modes[name])
            self._to_group(path)
        self._to_group(folder)

    def _to_group(self, path: Path, *, writable: bool = False) -> None:
        """Let the pod's fsGroup read, and write where it may, as the kubelet does."""
        if self._group is None:
            return
        os.chown(path, -1, self._group)
        bits = (FOLDER_READ | SET_GID) if path.is_dir() else GROUP_READ
        path.chmod(path.stat().st_mode | bits | (0o220 if writable else 0))
