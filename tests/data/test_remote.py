"""Shards and tables at addresses, of a server on this machine that does what servers do."""

import http.server
import importlib.util
import pickle
import re
import threading
from functools import partial
from pathlib import Path

import pytest
from tar_files import aged, expected, members, pairs, shard
from third_party import needs

from mmjax.commands.data_source import source_of
from mmjax.data import BadExample, SourceError
from mmjax.data.formats import remote, tar_index
from mmjax.data.sources import ManifestSource, WebDatasetSource
from mmjax.errors import ConfigError
from mmjax.extras import MissingExtra

fsspec = needs("fsspec")
needs("aiohttp")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, whole or in parts; each has an ETag."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        if self.server.failures:
            return self.send_error(self.server.failures.pop(0))
        if tar_index.FOLDER in self.path and self.server.hides:
            return self.send_error(403)  # as some stores answer for what is not there
        file = Path(self.translate_path(self.path))
        if file.is_dir():
            return super().do_GET() if self.command == "GET" else super().do_HEAD()
        if not file.is_file():
            return self.send_error(404)
        content, code = file.read_bytes(), 200
        size, given = len(content), re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if given and self.server.parts:
            code, content = 206, content[int(given[1]) : int(given[2]) + 1]
        self.send_response(code)
        self.send_header("Content-Length", str(len(content) if self.command == "GET" else size))
        self.send_header("ETag", f'"{file.stat().st_mtime_ns}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the folder `site`; what it was asked, and what it fails with next."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "_WAITS", (0.0, 0.0))
    (tmp_path / "site").mkdir()
    handler = partial(Handler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        serving.asked, serving.failures, serving.parts = [], [], True
        serving.hides = False
        serving.folder = tmp_path / "site"
        serving.url = f"http://127.0.0.1:{serving.server_port}"
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


def test_shards_at_an_address_are_those_of_the_disk(server):
    for i in range(3):
        shard(server.folder / f"{i}.tar", members(2 * i, 2 * i + 1))
    for path in (f"{server.url}/{{0..2}}.tar", f"{server.url}/*.tar", f"{server.url}/"):
        source = WebDatasetSource(path=path)
        assert pairs(pickle.loads(pickle.dumps(source))) == expected(*range(6))
    local = WebDatasetSource(path=str(server.folder))
    assert [r["key"] for r in source] == [r["key"] for r in local]
    assert pairs(source_of(f"{server.url}/")) == expected(*range(6))
    server.hides = True
    shard(server.folder / "3.tar", members(6))
    assert pairs(WebDatasetSource(path=f"{server.url}/3.tar")) == expected(6)
    # Indexed once: later starts ask for the state of the shards alone.
    server.asked.clear()
    WebDatasetSource(path=f"{server.url}/{{0..2}}.tar")
    assert sorted(server.asked) == [(f"/{i}.tar", None) for i in range(3)]


def test_an_index_beside_a_shard_spares_reading_it(server):
    path = aged(shard(server.folder / "0.tar", members(*range(50))))
    tar_index.make(str(path))
    source = WebDatasetSource(path=f"{server.url}/0.tar")
    assert not [part for name, part in server.asked if name == "/0.tar" and part]
    assert pairs(source) == expected(*range(50))
    # Another shard of the same size, with the index of the one before.
    shard(path, members(*range(50, 100)))
    again = WebDatasetSource(path=f"{server.url}/0.tar")
    with pytest.raises(BadExample, match=r"0\.tar sample 000: image: the shard was changed"):
        again[0]
    shard(path, members(1))
    assert pairs(WebDatasetSource(path=f"{server.url}/0.tar")) == expected(1)


def test_a_request_is_tried_again_and_then_named(server):
    shard(server.folder / "0.tar", members(0))
    url = f"{server.url}/0.tar"
    server.failures += [503, 503, 503]  # HEAD and GET of the first attempt, HEAD of the second
    source = WebDatasetSource(path=url)
    server.failures += [500]
    assert pairs(source) == expected(0)
    server.failures += [500] * 3
    said = rf"0\.tar sample 000: image: the shard cannot be read: {url} .*after 3 attempts: 500"
    with pytest.raises(BadExample, match=said):
        source[0]
    server.failures += [403] * 2  # is not tried again
    with pytest.raises(SourceError, match=rf"{url} cannot be read: 403"):
        WebDatasetSource(path=url)
    assert not server.failures
    with pytest.raises(SourceError, match=rf"there is no file {server.url}/1\.tar"):
        WebDatasetSource(path=f"{server.url}/1.tar")
    with pytest.raises(SourceError, match=r"no \.tar shard is found"):
        WebDatasetSource(path=f"{server.url}/x*.tar")


def test_a_server_without_parts_is_named(server):
    shard(server.folder / "0.tar", members(*range(3)))
    source = WebDatasetSource(path=f"{server.url}/0.tar")
    server.parts = False
    with pytest.raises(BadExample, match="sends whole files and no parts of them"):
        source[0]


def test_a_cut_shard_keeps_what_is_whole(server):
    path = shard(server.folder / "0.tar", members(0, 1))
    path.write_bytes(path.read_bytes()[:2500])
    source = WebDatasetSource(path=f"{server.url}/0.tar")
    assert pairs(source) == expected(0)
    assert "cut off or damaged" in source.bad[0].reason


def test_a_table_at_an_address_names_files_there(server):
    (server.folder / "pictures").mkdir()
    for i in range(4):
        (server.folder / "pictures" / f"{i}.jpg").write_bytes(b"picture %d" % i)
    (server.folder / "pictures" / "4.jpg").write_bytes(b"")
    rows = [f"pictures/{i}.jpg,text {i}" for i in (0, 1, 4, 5)]
    rows += [f"{server.url}/pictures/2.jpg,text 2", "/etc/passwd,x", "file:///etc/passwd,x"]
    table = "\n".join(["image,text", *rows])
    (server.folder / "pairs.csv").write_text(table)
    source = ManifestSource(path=f"{server.url}/pairs.csv")
    assert [error.key for error in source.bad] == [
        "pairs.csv row 7 (passwd)",
        "pairs.csv row 8 (passwd)",
    ]
    assert "is a file of this machine" in source.bad[0].reason
    assert [pairs([source[i]])[0] for i in (0, 1, 4)] == expected(0, 1, 2)
    with pytest.raises(BadExample, match=r"row 4 \(4\.jpg\): image: the file .* is empty"):
        source[2]
    with pytest.raises(BadExample, match=r"row 5 \(5\.jpg\): image: there is no file http"):
        source[3]
    # A changed table is fetched anew, one that is as it was is not.
    (server.folder / "pairs.csv").write_text("image,text\npictures/3.jpg,text 3\n")
    assert pairs(ManifestSource(path=f"{server.url}/pairs.csv")) == expected(3)
    server.asked.clear()
    assert pairs(source_of(f"{server.url}/pairs.csv")) == expected(3)
    assert [name for name, _ in server.asked] == ["/pairs.csv", "/pictures/3.jpg"]
    (server.folder / "pairs.csv").write_text("")
    with pytest.raises(SourceError, match=f"{server.url}/pairs.csv"):
        ManifestSource(path=f"{server.url}/pairs.csv")


def test_a_table_of_this_machine_reads_addresses_only_where_root_is_one(server, tmp_path):
    (server.folder / "0.jpg").write_bytes(b"picture 0")
    table = tmp_path / "pairs.csv"
    table.write_text(f"image,text\n{server.url}/0.jpg,text 0\n")
    with pytest.raises(SourceError, match="is an address; only files are read here"):
        ManifestSource(path=str(table))
    assert not server.asked
    with pytest.raises(BadExample, match="is an address; only files are read here"):
        ManifestSource(path=str(table), check_files=False)[0]
    assert pairs(ManifestSource(path=str(table), root=server.url)) == expected(0)


def test_other_stores_name_their_packages():
    for url, package in (("s3://bucket/0.tar", "s3fs"), ("gs://bucket/0.tar", "gcsfs")):
        if importlib.util.find_spec(package) is None:
            with pytest.raises(MissingExtra, match=f"{url} needs the package {package}: pip"):
                WebDatasetSource(path=url)
    with pytest.raises(SourceError, match="no kind of address nothing://"):
        WebDatasetSource(path="nothing://0.tar")
    with pytest.raises(ConfigError, match="has to be on a disk here"):
        source_of("https://127.0.0.1/array.npz")


def test_any_store_of_fsspec_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = fsspec.filesystem("memory")
    store.pipe("/shards/0.tar", shard(tmp_path / "0.tar", members(0, 1)).read_bytes())
    try:
        assert pairs(WebDatasetSource(path="memory://shards/*.tar")) == expected(0, 1)
    finally:
        store.rm("/shards", recursive=True)
