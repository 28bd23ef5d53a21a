"""Models from the Hugging Face hub, fetched into its own cache (HF_HOME, HF_ENDPOINT apply)."""

import shutil
from functools import partial
from pathlib import Path

from modelstore.errors import HubError

PREFIX = "hf://"
FILES = ("*.json", "*.txt", "*.safetensors")
OLD_WEIGHTS = "pytorch_model*.bin"


def fetch(model_id: str) -> Path:
    """Return the local folder of a hub model, downloading what is not cached yet.

    Raises:
        HubError: There is no such model, or no way to the hub.
    """
    return _snapshot(model_id)


def download(model_id: str, revision: str | None, folder: Path) -> None:
    """Put a hub model's files into ``folder``, beside no cache.

    Raises:
        HubError: There is no such model or revision, or no way to the hub.
    """
    _snapshot(model_id, revision=revision, local_dir=folder)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # its notes on what is there already


def _snapshot(model_id: str, revision: str | None = None, local_dir: Path | None = None) -> Path:
    # Imported here: it costs 0.2 s and only hub ids need it.
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    get = partial(snapshot_download, model_id, revision=revision, local_dir=local_dir)
    try:
        folder = Path(get(allow_patterns=[*FILES]))
        if not any(folder.glob("*.safetensors")):
            get(allow_patterns=[OLD_WEIGHTS])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise HubError(
            seen=f"{PREFIX}{model_id} that could not be fetched ({str(error).splitlines()[0]})",
            needed="a model id that exists and a way to the hub",
            do="check the id and HF_ENDPOINT, or pass a folder in Hugging Face layout",
        ) from error
    return folder
