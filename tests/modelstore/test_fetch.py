import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import modelstore
from modelstore.errors import BadUri, ChecksumMismatch, DigestMismatch, IncompleteModel, RemoteError
from modelstore.fetch import checksum, fetch, fetch_base
from modelstore.remote import Remote
from tests.modelstore.folders import read_weights, write_model, write_store
from tests.modelstore.hubs import BUCKET, TOKEN, Hub, folder_files, served

S3_WHO = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder, as somebody put it on a hub."""
    return write_model(tmp_path / "published")


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    """A server that has the model, at the top and below a prefix."""
    with served(Hub({**folder_files(model), **folder_files(model, "zh/1.0/")})) as hub:
        yield hub


def environment(hub: Hub) -> Mapping[str, str]:
    return {"AWS_ENDPOINT_URL_S3": hub.url, "MODELSCOPE_ENDPOINT": hub.url, **S3_WHO}


@pytest.mark.parametrize("uri", [f"s3://{BUCKET}/zh/1.0", f"s3://{BUCKET}/zh/1.0/"])
def test_a_model_comes_from_an_object_store_whole_and_signed_for(
    uri: str, model: Path, hub: Hub, tmp_path: Path
) -> None:
    wanted = checksum(model)
    assert fetch(uri, tmp_path / "to", sha256=wanted, env=environment(hub)) == wanted
    assert folder_files(tmp_path / "to") == folder_files(model)
    assert all("Credential=me/" in each for each in hub.signed)


@pytest.mark.parametrize("revision", ["", "@v1"])
def test_a_model_comes_from_modelscope(revision: str, model: Path, tmp_path: Path) -> None:
    files = {
        **folder_files(model),
        "README.md": b"not needed",
        "pytorch_model.bin": b"the same, in the old form",
    }
    env = {"MODELSCOPE_API_TOKEN": TOKEN}
    with served(Hub(files)) as hub:
        fetch(
            f"modelscope://a/b{revision}",
            tmp_path / "to",
            sha256=None,
            env={**env, "MODELSCOPE_ENDPOINT": hub.url},
        )
    assert folder_files(tmp_path / "to") == folder_files(model)
    assert set(hub.signed) == {f"Bearer {TOKEN}"}


@pytest.mark.slow
def test_a_model_comes_from_the_hugging_face_hub_at_a_revision(model: Path, tmp_path: Path) -> None:
    with served(Hub(folder_files(model))) as hub:
        wanted = checksum(model)
        words = ["fetch", "hf://a/b@v1", "--to", str(tmp_path / "to"), "--sha256", wanted]
        done = run(*words, env={"HF_ENDPOINT": hub.url, "HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"})
    assert done.returncode == 0, done.stderr
    assert folder_files(tmp_path / "to") == folder_files(model)
    assert wanted in done.stdout


def test_another_content_is_refused_and_nothing_is_left(model: Path, hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ChecksumMismatch, match=checksum(model)):
        fetch(f"s3://{BUCKET}/zh/1.0", tmp_path / "to", sha256="0" * 64, env=environment(hub))
    assert list(tmp_path.iterdir()) == [model]


def test_a_file_that_is_not_as_announced_is_refused(model: Path, tmp_path: Path) -> None:
    spoilt = Hub(folder_files(model), spoilt=frozenset({"vocab.txt"}))
    with served(spoilt) as hub, pytest.raises(RemoteError, match=r"vocab\.txt has sha256"):
        fetch("modelscope://a/b", tmp_path / "to", sha256=None, env=environment(hub))


def test_what_is_there_already_is_not_fetched_again(model: Path, hub: Hub, tmp_path: Path) -> None:
    wanted = checksum(model)
    fetch(f"s3://{BUCKET}/zh/1.0", tmp_path / "to", sha256=wanted, env=environment(hub))
    asked = len(hub.asked)
    assert fetch(f"s3://{BUCKET}/zh/1.0", tmp_path / "to", sha256=wanted, env=environment(hub)) == wanted
    assert asked == len(hub.asked) > 0


def test_what_is_there_and_differs_is_replaced(model: Path, hub: Hub, tmp_path: Path) -> None:
    write_model(tmp_path / "to", temperature=2.0)
    fetch(f"s3://{BUCKET}/zh/1.0", tmp_path / "to", sha256=checksum(model), env=environment(hub))
    assert folder_files(tmp_path / "to") == folder_files(model)


def test_the_checksum_is_what_sha256sum_says(model: Path) -> None:
    script = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.run(
        ["/bin/sh", "-c", script], cwd=model, check=True, capture_output=True, text=True
    ).stdout
    assert checksum(model) == said.split()[0]
    (model / ".hidden").write_text("does not count")
    assert checksum(model) == said.split()[0]


def test_a_delta_finds_its_base(tmp_path: Path) -> None:
    base, delta = write_store(tmp_path / "store")
    with served(Hub({**folder_files(base, "zh/1.0/"), **folder_files(delta, "zh/1.1/")})) as hub:
        root = tmp_path / "models"
        env = environment(hub)
        fetch_base(f"s3://{BUCKET}/zh/1.0", root, sha256=checksum(base), env=env)
        fetch(f"s3://{BUCKET}/zh/1.1", root / "serving", sha256=checksum(delta), env=env)
    found = modelstore.resolve(str(root / "serving"), root=root, cache=tmp_path / "cache")
    assert (found.name, found.version, found.base) == ("zh", "1.1", "1.0")
    assert read_weights(found.folder)["decoder.bias"] == read_weights(tmp_path / "tuned")["decoder.bias"]


def test_a_version_with_a_manifest_must_be_as_it_says(tmp_path: Path) -> None:
    base, _ = write_store(tmp_path / "store")
    files = {**folder_files(base), "vocab.txt": b"another"}
    with served(Hub(files)) as hub, pytest.raises(DigestMismatch, match=r"vocab\.txt"):
        fetch(f"s3://{BUCKET}", tmp_path / "to", sha256=None, env=environment(hub))


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with served(Hub({"config.json": b"{}"})) as hub, pytest.raises(IncompleteModel):
        fetch(f"s3://{BUCKET}", tmp_path / "to", sha256=None, env=environment(hub))


def test_an_empty_place_is_told(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="no file of a model at s3://store/nothing"):
        fetch(f"s3://{BUCKET}/nothing", tmp_path / "to", sha256=None, env=environment(hub))


@pytest.mark.parametrize("uri", ["ftp://a/b", "hf://", "zh:1.0", "s3://a/b@v1", "hf://a b", ""])
def test_a_uri_of_another_kind_is_refused(uri: str) -> None:
    with pytest.raises(BadUri, match="hf://ID"):
        Remote.parse(uri)


def test_a_name_cannot_lead_out_of_the_folder(model: Path, tmp_path: Path) -> None:
    with served(Hub({**folder_files(model), "../../evil.json": b"{}"})) as hub:
        for uri in ("modelscope://a/b", f"s3://{BUCKET}"):
            with pytest.raises(RemoteError):
                fetch(uri, tmp_path / "deep" / "to", sha256=None, env=environment(hub))
    assert not (tmp_path / "evil.json").exists()


def test_the_command_says_in_one_sentence_why_it_fails(hub: Hub, tmp_path: Path) -> None:
    refused = run(
        "fetch", f"s3://{BUCKET}/zh/1.0", "--to", str(tmp_path / "to"), env={"AWS_ENDPOINT_URL_S3": hub.url}
    )
    assert refused.returncode == 1
    assert "the model cannot be fetched: s3://store/zh/1.0" in refused.stderr
    assert "credentials" in refused.stderr
    assert "Traceback" not in refused.stderr
    missing = run(
        "fetch", "modelscope://a/b@v9", "--to", str(tmp_path / "to"), env={"MODELSCOPE_ENDPOINT": hub.url}
    )
    assert missing.returncode == 1
    assert "revision not found" in missing.stderr
    typo = run("fetch", "hf://a/b", "--to", str(tmp_path / "to"), "--sha256", "abc")
    assert typo.returncode == 2
    assert "'abc' is no sha256" in typo.stderr


def run(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "modelstore", *words]
    return subprocess.run(
        command,
        check=False,
        cwd=root,
        env={"PATH": "", **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_empty_folder_has_a_checksum_of_nothing(tmp_path: Path) -> None:
    assert checksum(tmp_path) == hashlib.sha256(b"").hexdigest()
