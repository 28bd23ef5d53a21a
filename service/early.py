"""The first model, loaded while the rest of the pod is still being imported.

Half of a start is imports on one core; checking, mapping and warming a model take the other.
"""

from concurrent.futures import Future
from threading import Thread

from service.models import Model, find, load_model
from service.settings import Settings

_begun: dict[Settings, Future[Model]] = {}


def begin(settings: Settings) -> None:
    """Begin to load the model of these settings in the background."""
    future: Future[Model] = Future()
    _begun[settings] = future
    Thread(target=_load_into, args=(future, settings), name="load", daemon=True).start()


def first_model(settings: Settings) -> Model:
    """Return the model of these settings, warm: the one that was begun, or one loaded now.

    Raises:
        ModelStoreError: Its files are missing or not what they should be.
        UnsupportedModel: No engine can compute it.
    """
    begun = _begun.pop(settings, None)
    return begun.result() if begun else _load(settings)


def _load_into(future: Future[Model], settings: Settings) -> None:
    try:
        future.set_result(_load(settings))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to whoever waits for the model
        future.set_exception(error)


def _load(settings: Settings) -> Model:
    return load_model(find(settings.model, settings), settings)
