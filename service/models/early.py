"""The first model, loaded while the rest of the pod is still being imported.

Half of a start is imports on one core; checking, mapping and warming a model take the other.
"""

from concurrent.futures import Future
from threading import Event, Thread

from service.models.load import Model, Source, find, import_engine, load_model

_begun: dict[Source, Future[Model]] = {}


def begin(source: Source) -> None:
    """Begin to load the model of this source in the background.

    Returns when OpenVINO is imported, if that is going to compute: beside the imports of the app it would
    take twice as long, and nothing could be loaded meanwhile.
    """
    future: Future[Model] = Future()
    _begun[source] = future
    imported = Event()
    Thread(target=_load_into, args=(future, source, imported), name="load", daemon=True).start()
    imported.wait()


def first_model(source: Source) -> Model:
    """Return the model of this source, warm: the one that was begun, or one loaded now.

    Raises:
        ModelStoreError: Its files are missing or not what they should be.
        UnsupportedModel: No engine can compute it.
    """
    begun = _begun.pop(source, None)
    return begun.result() if begun else load_model(find(source.model, source), source)


def _load_into(future: Future[Model], source: Source, imported: Event) -> None:
    try:
        try:
            version = find(source.model, source)
            import_engine(version, source)
        finally:
            imported.set()
        future.set_result(load_model(version, source))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to whoever waits for the model
        future.set_exception(error)
