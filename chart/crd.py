"""The ModelRollout kind as a template: the generated one, kept when the release goes."""

from typing import Final

from chart.errors import ChartError

NAME: Final = "metadata:\n  name: modelrollouts.bertmesh.dev\n"
KEEP: Final = "  annotations:\n    helm.sh/resource-policy: keep\n"


def template(crd: str) -> str:
    """Return the template that renders ``crd`` where `crds.install` says so.

    Raises:
        ChartError: it is not the definition that is expected.
    """
    if crd.count(NAME) != 1 or "{{" in crd:
        message = (
            "deploy/crd/modelrollouts.yaml has another beginning than expected, or braces: mend chart/crd.py"
        )
        raise ChartError(message)
    return '{{- if include "bertmesh.installsKind" . }}\n' + crd.replace(NAME, NAME + KEEP) + "{{- end }}\n"
