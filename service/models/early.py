"""The first model, loaded while the rest of the pod is still being imported.

Half of a start is imports on one core; checking, mapping and warming a model take the other.
"""

from concurrent.futures import Future
from threading import Event, Thread

from service.models.load import Model, find, import_engine, load_model
from service.pod.settings import Settings

_begun: dict[Settings, Future[Model]] = {}


def begin(settings: Settings) -> None:
    """Begin to load the model of these settings in the background.

    Returns when OpenVINO is imported, if that is going to compute: beside the imports of the app it would
    take twice as long, and nothing could be loaded meanwhile.
    """
    future: Future[Model] = Future()
    _begun[settings] = future
    imported = Event()
    Thread(target=_load_into, args=(future, settings, imported), name="load", daemon=True).start()
    imported.wait()


def first_model(settings: Settings) -> Model:
    """Return the model of these settings, warm: the one that was begun, or one loaded now.

    Raises:
        ModelStoreError: Its files are missing or not what they should be.
        UnsupportedModel: No engine can compute it.
    """
    begun = _begun.pop(settings, None)
    return begun.result() if begun else load_model(find(settings.model, settings), settings)


def _load_into(future: Future[Model], settings: Settings, imported: Event) -> None:
    try:
        try:
            version = find(settings.model, settings)
            import_engine(version, settings)
        finally:
            imported.set()
        future.set_result(load_model(version, settings))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to whoever waits for the model
        future.set_exception(error)
