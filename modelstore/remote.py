"""Where models are kept elsewhere, and how they are downloaded: hf://, s3://, modelscope://."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from modelstore import hub, remote_modelscope, remote_s3
from modelstore.errors import BadUri, RemoteError

SCHEMES: Final = ("hf", "s3", "modelscope")
URI: Final = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<place>[^@\s]+?)/*(@(?P<revision>[^@\s]+))?")


@dataclass(frozen=True)
class Remote:
    """A model elsewhere.

    ``place`` is a model's id, or a bucket and a prefix; ``revision`` None is the newest.
    """

    scheme: str
    place: str
    revision: str | None = None

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read ``hf://ID[@REVISION]``, ``modelscope://ID[@REVISION]`` or ``s3://BUCKET/PREFIX``.

        Raises:
            BadUri: it is none of these.
        """
        found = URI.fullmatch(uri)
        if found is None or found["scheme"] not in SCHEMES or (found["scheme"] == "s3" and found["revision"]):
            raise BadUri(
                seen=f"{uri!r}",
                needed="hf://ID[@REVISION], modelscope://ID[@REVISION] or s3://BUCKET/PREFIX",
                do="write one of these",
            )
        return cls(found["scheme"], found["place"], found["revision"])

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}" + (f"@{self.revision}" if self.revision else "")

    def download(self, folder: Path, env: Mapping[str, str]) -> None:
        """Put the model's files into ``folder``, which must be empty.

        Raises:
            RemoteError: it is not there, or there is no way to it.
        """
        match self.scheme:
            case "hf":
                hub.download(self.place, self.revision, folder)
            case "s3":
                remote_s3.download(self.place, folder, env)
            case _:
                remote_modelscope.download(self.place, self.revision, folder, env)
        if not any(folder.iterdir()):
            raise RemoteError(
                seen=f"no file of a model at {self}",
                needed="a folder in Hugging Face layout, or a version with a manifest",
                do="check the name and the revision",
            )
