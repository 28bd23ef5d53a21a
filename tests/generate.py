"""All that is generated, and from what: `make generate` writes it, and one test says what is old.

A group may be made from files of the groups before it. Read the diff before you commit it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import chart.build
from benchmarks import sizing
from canary.resource import crd
from doctor.examine import reference as doctor_page
from doctor.examine.run import all_checks
from service.api import problem_types
from tests.chart import rewrite_testdata as chart_testdata
from tests.mesh import rewrite_testdata as mesh_testdata

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
PROTO: Final = ROOT / "service" / "grpc" / "inference.proto"

Files = Mapping[Path, bytes]


def sources() -> Files:
    """Return what is made from code alone."""
    pages = {
        ROOT / "deploy" / "crd" / "modelrollouts.yaml": crd.as_yaml(),
        DOCS / "reference" / "modelrollout.md": crd.page(),
        DOCS / "doctor.md": doctor_page.page(all_checks()),
        DOCS / "errors.md": problem_types.page(),
        DOCS / "sizing.md": sizing.page(sizing.measured(sizing.SOURCE.read_text("utf-8"))),
    }
    return {**_encoded(pages), PROTO.with_suffix(".binpb"): _compiled(PROTO)}


def helm() -> Files:
    """Return the chart's schema, README, CRD and dashboards: from its values, and from the CRD."""
    return _encoded(chart.build.generated(ROOT))


def testdata() -> Files:
    """Return the outputs that are rendered from `*.in.yaml`: by the mesh's renderers, and by the chart."""
    return _encoded({**mesh_testdata.wanted(), **chart_testdata.wanted()})


GROUPS: Final[tuple[Callable[[], Files], ...]] = (sources, helm, testdata)


def left_over() -> Iterator[Path]:
    """Yield outputs whose input is gone."""
    for made in (mesh_testdata, chart_testdata):
        yield from set(made.TESTDATA.glob("*.out.yaml")) - set(made.wanted())


def old(files: Files) -> Iterator[Path]:
    """Yield those of which the repository has no, or another, text."""
    yield from (path for path, text in files.items() if not path.exists() or path.read_bytes() != text)


def _encoded(files: Mapping[Path, str]) -> Files:
    return {path: text.encode() for path, text in files.items()}


def _compiled(proto: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        words = ["-m", "grpc_tools.protoc", f"-I{proto.parent}", f"--descriptor_set_out={out}", str(proto)]
        subprocess.run([sys.executable, *words], check=True, timeout=60)
        return out.read_bytes()


def main() -> None:
    """Write what is old, and name it."""
    for group in GROUPS:
        files = group()
        for path in old(files):
            path.write_bytes(files[path])
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    for path in left_over():
        path.unlink()
        sys.stdout.write(f"removed {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
