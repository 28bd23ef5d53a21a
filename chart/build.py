"""All that is generated for the chart: path to text."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chart import dashboards, values
from chart.crd import template
from chart.readme import readme
from chart.schema import schema

CHART: Final = "helm/bertmesh"
CRD: Final = "deploy/crd/modelrollouts.yaml"


def generated(root: Path) -> Mapping[Path, str]:
    """Return what the generated files in the repository ``root`` must hold.

    Raises:
        ChartError: a source is not fit for it.
    """
    chart = root / CHART
    fields = values.read((chart / "values.yaml").read_text(encoding="utf-8"))
    frame = (chart / "README.tmpl.md").read_text(encoding="utf-8")
    boards = {
        chart / "files" / "dashboards" / f"{name}.json": _json(board)
        for name, board in dashboards.every().items()
    }
    return {
        chart / "values.schema.json": _json(schema(fields)),
        chart / "README.md": readme(frame, fields),
        chart / "templates" / "crd.yaml": template((root / CRD).read_text(encoding="utf-8")),
        **boards,
    }


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
