"""Models from an object store that speaks S3, with the client of the package minio (extra `s3`).

Standard variables say where and who: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; on a cloud, the identity of the pod's ServiceAccount.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import urllib3

from modelstore.errors import RemoteError
from modelstore.remote_files import inside, unreachable

if TYPE_CHECKING:
    from minio import Minio

AWS: Final = "https://s3.{region}.amazonaws.com"
ROLES: Final = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
DO: Final = "check the bucket, AWS_ENDPOINT_URL_S3, AWS_REGION and the credentials"
TIMEOUT: Final = urllib3.Timeout(connect=10, read=60)
TRIES: Final = 3


def download(place: str, folder: Path, env: Mapping[str, str]) -> None:
    """Put all objects below ``BUCKET/PREFIX`` into ``folder``.

    Raises:
        RemoteError: the store refuses, or cannot be reached; or its client is not installed.
    """
    bucket, _, prefix = place.partition("/")
    prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
    client = _client(env)
    from minio.error import MinioException  # noqa: PLC0415 - an extra; the client is there, so is this

    try:
        for each in client.list_objects(bucket, prefix=prefix, recursive=True):
            name = (each.object_name or "").removeprefix(prefix)
            if name and not name.endswith("/"):
                target = inside(folder, name)
                client.fget_object(bucket, prefix + name, str(target))
    except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        raise unreachable("s3://" + place, error, DO) from error


def _client(env: Mapping[str, str]) -> "Minio":
    try:
        # Imported here: an extra, and only s3:// needs it.
        from minio import Minio  # noqa: PLC0415
        from minio.credentials.providers import IamAwsProvider  # noqa: PLC0415
    except ImportError as error:
        raise RemoteError(
            seen="s3:// without its client", needed="the package minio", do="install bertmesh[s3]"
        ) from error
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or AWS.format(region=region)
    url = urlsplit(endpoint)
    role = any(env.get(name) for name in ROLES) and not env.get("AWS_ACCESS_KEY_ID")
    return Minio(
        url.netloc,
        access_key=env.get("AWS_ACCESS_KEY_ID"),
        secret_key=env.get("AWS_SECRET_ACCESS_KEY"),
        session_token=env.get("AWS_SESSION_TOKEN"),
        secure=url.scheme == "https",
        region=region,
        credentials=IamAwsProvider() if role else None,
        http_client=urllib3.PoolManager(timeout=TIMEOUT, retries=urllib3.Retry(TRIES, backoff_factor=0.5)),
    )
