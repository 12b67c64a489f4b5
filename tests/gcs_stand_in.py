"""A store like Google Cloud Storage on this machine, for what reads and writes `gs://`."""

import os
import socket
from contextlib import contextmanager

from third_party import needs


def versioned(handler):
    """The emulator's answer with the header that TensorStore knows versions of objects by."""

    def answer(request, response, storage, *args, **options):
        handler(request, response, storage, *args, **options)
        if response.status.value < 300:
            about = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
            response["x-goog-generation"] = about["generation"]

    return answer


@contextmanager
def store(bucket):
    """Serves an empty bucket, which gcsfs and TensorStore of this process and its children ask.

    Yields:
      The address of the server.
    """
    needs("gcsfs")
    server = needs("gcp_storage_emulator.server")
    objects = needs("gcp_storage_emulator.handlers.objects")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {
        "STORAGE_EMULATOR_HOST": address,
        "TENSORSTORE_GCS_HTTP_URL": address,
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # asks what the emulator does not know
        "NO_GCE_CHECK": "true",
    }
    before = {name: os.environ.get(name) for name in environment}
    reads = [
        (table, method, handler)
        for _, table in server.HANDLERS
        for method, handler in table.items()
        if handler in (objects.get, objects.download)
    ]
    running = server.create_server("127.0.0.1", port, in_memory=True, default_bucket=bucket)
    try:
        os.environ.update(environment)
        for table, method, handler in reads:
            table[method] = versioned(handler)
        running.start()
        yield address
    finally:
        running.stop()
        for table, method, handler in reads:
            table[method] = handler
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
