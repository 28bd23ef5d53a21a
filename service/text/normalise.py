"""Normalising texts before anything else sees them, where a pod is told to.

The model reads the normalised text, and the answer's sequences and offsets are of it. The cache's key
is made of it too, so that all spellings of a text share one answer.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from service.errors import SettingsError

VARIABLE = "BERTMESH_NORMALISE"

Change = Callable[[str], str]


def unchanged(text: str) -> str:
    """Return the text as it came."""
    return text


def normaliser(names: Sequence[str]) -> Change:
    """Return what applies these steps in their order.

    ``nfkc`` folds full-width forms and compatibility characters (Unicode's normalisation form KC),
    ``simplified`` and ``traditional`` convert characters by OpenCC, with phrases taken into account.

    Raises:
        SettingsError: A name is unknown, or OpenCC is not installed.
    """
    steps = [_step(name) for name in names]

    def normalise(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return normalise if steps else unchanged


def _nfkc() -> Change:
    return lambda text: unicodedata.normalize("NFKC", text)


def _opencc(direction: str) -> Change:
    try:
        # Imported here: a pod that converts nothing needs neither the package nor its dictionaries.
        import opencc  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            VARIABLE, seen=direction, needed="the package opencc", do="install it, or leave this step out"
        ) from error
    convert: Change = opencc.OpenCC(direction).convert
    return convert


_STEPS: Mapping[str, Callable[[], Change]] = {
    "nfkc": _nfkc,
    "simplified": lambda: _opencc("t2s"),
    "traditional": lambda: _opencc("s2t"),
}


def _step(name: str) -> Change:
    if name not in _STEPS:
        raise SettingsError(
            VARIABLE, seen=name, needed=f"some of {', '.join(_STEPS)}", do="write it like nfkc,simplified"
        )
    return _STEPS[name]()
