"""Objects out of files, folders and streams of YAML or JSON."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import yaml

from doctor.dig import dig, text
from doctor.errors import NothingToRead, NotRendered, Unreadable
from doctor.model import DEFAULT_NAMESPACE, Inventory, Object, Place

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
STDIN: Final = "-"
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CLUSTER_WIDE: Final = frozenset(
    {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass",
     "StorageClass", "PersistentVolume", "GatewayClass",
     "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
)  # fmt: skip


def read(paths: Iterable[str], namespace: str, stdin: TextIO) -> Inventory:
    """Return what lies in files and folders; ``-`` is the standard input.

    Objects without a namespace get ``namespace``, as `kubectl apply -n` would do.

    Raises:
        DoctorError: there is nothing, or something that cannot be read.
    """
    names = list(paths)
    found = tuple(each for name in names for each in _source(name, namespace, stdin))
    if not found:
        raise NothingToRead(", ".join(names))
    return Inventory(found, Place.FILES)


def _source(name: str, namespace: str, stdin: TextIO) -> Iterator[Object]:
    if name == STDIN:
        yield from objects(stdin.read(), "stdin", namespace)
        return
    path = Path(name)
    if (path / "Chart.yaml").exists():
        raise NotRendered(name)
    if not path.exists():
        raise Unreadable(name, "there is no such file or folder")
    for file in _files(path):
        try:
            written = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Unreadable(str(file), str(error)) from error
        yield from objects(written, str(file), namespace)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())


def objects(written: str, source: str, namespace: str = DEFAULT_NAMESPACE) -> Iterator[Object]:
    """Yield the objects in a stream of documents; Lists are opened, other documents are passed over.

    Raises:
        Unreadable: it is no YAML.
    """
    try:
        documents = list(yaml.load_all(written, Loader=LOADER))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(source, " ".join(str(error).split())) from error
    for number, document in enumerate(documents, start=1):
        place = source if len(documents) == 1 else f"{source}, document {number}"
        for each in _opened(document):
            if text(each, "kind") and text(each, "apiVersion"):
                yield Object(each, _namespace(each, namespace), place)


def _opened(document: Any) -> Iterator[Any]:  # noqa: ANN401 - any YAML
    items = dig(document, "items")
    if text(document, "kind").endswith("List") and isinstance(items, list):
        for each in items:
            yield from _opened(each)
    else:
        yield document


def _namespace(document: Any, default: str) -> str:  # noqa: ANN401 - any YAML
    return (
        "" if text(document, "kind") in CLUSTER_WIDE else text(document, "metadata", "namespace") or default
    )
