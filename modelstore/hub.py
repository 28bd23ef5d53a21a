"""Models from the Hugging Face hub, fetched into its own cache (HF_HOME, HF_ENDPOINT apply)."""

from pathlib import Path

from modelstore.errors import HubError

PREFIX = "hf://"


def fetch(model_id: str) -> Path:
    """Return the local folder of a hub model, downloading what is not cached yet.

    Raises:
        HubError: There is no such model, or no way to the hub.
    """
    # Imported here: it costs 0.2 s and only hub ids need it.
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        folder = Path(snapshot_download(model_id, allow_patterns=["*.json", "*.txt", "*.safetensors"]))
        if not any(folder.glob("*.safetensors")):
            snapshot_download(model_id, allow_patterns=["pytorch_model*.bin"])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise HubError(
            seen=f"{PREFIX}{model_id} that could not be fetched ({str(error).splitlines()[0]})",
            needed="a model id that exists and a way to the hub",
            do="check the id and HF_ENDPOINT, or pass a folder in Hugging Face layout",
        ) from error
    return folder
