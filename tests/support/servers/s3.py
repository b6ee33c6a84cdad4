"""A local S3 server with one bucket; its address and its keys are in the environment, as a worker has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

SECRET = "geheim"


@contextmanager
def a_bucket(name: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve a bucket with these files; yields its address. Skips without s3fs and moto."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    import fsspec

    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    kind = fsspec.get_filesystem_class("s3")
    kind.clear_instance_cache()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            patch.setenv("AWS_ACCESS_KEY_ID", "testing")
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            filesystem = kind()
            filesystem.mkdir(name)  # moto keeps what a server had until the process ends: each user has its own
            for path, data in files.items():
                filesystem.pipe(f"{name}/{path}", data)
            yield f"s3://{name}"
    finally:
        kind.clear_instance_cache()
        server.stop()
