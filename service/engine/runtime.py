"""OpenVINO without its telemetry: import it from here, as ``from service.engine.runtime import op, ov``.

`import openvino` imports its model converter, and that reports the import to its maker over the
network, without asking. A pod talks to nobody unasked. OpenVINO itself goes on where the converter is
missing, and starts 0.06 s sooner.
"""

import sys

# None stands for a module that cannot be imported; the types know only modules.
sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

# After its telemetry is out of the way; it comes without types.
import openvino as ov  # type: ignore[import-untyped]  # noqa: E402 - see above
from openvino import opset15 as op  # noqa: E402 - see above

__all__ = ["op", "ov"]
