"""`mmjax export --to=hf://...` against a local stand-in of the Hub's HTTP interface."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from third_party import needs

from mmjax import extras
from mmjax.errors import ConfigError
from mmjax.weights import hub


class Hub(BaseHTTPRequestHandler):
    """Makes models and takes commits, for the token `right`."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("authorization") != "Bearer right":
            return self.answer(401, {"error": "Invalid username or password."})
        if self.path.endswith("/api/repos/create"):
            asked = json.loads(body)
            self.server.made.append(asked)
            page = f"{self.server.url}/{asked['organization']}/{asked['name']}"
            return self.answer(200, {"url": page})
        if self.path.endswith("/api/validate-yaml"):  # of the model card
            return self.answer(200, {"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return self.answer(200, {"files": files})
        assert self.path.endswith("/api/models/someone/clip/commit/main")
        for line in body.splitlines():
            each = json.loads(line)
            if each["key"] == "file":
                value = each["value"]
                self.server.files[value["path"]] = base64.b64decode(value["content"])
        commit = f"{self.server.url}/someone/clip/commit/1"
        return self.answer(200, {"commitUrl": commit, "commitOid": "1", "success": True})

    def do_GET(self):
        self.answer(404, {"error": "Not found"})

    def answer(self, status, content):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    constants = needs("huggingface_hub.constants")
    made = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    made.made, made.files, made.url = [], {}, f"http://127.0.0.1:{made.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", made.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "right")
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def folder(tmp_path):
    export = tmp_path / "clip"
    export.mkdir()
    (export / "README.md").write_text("---\nlicense: mit\n---\n# clip\n")
    (export / "model.safetensors").write_bytes(bytes(range(256)))
    return export


def test_a_folder_becomes_a_model(server, folder):
    page = hub.push(folder, "hf://someone/clip", private=True)
    assert page.endswith("someone/clip")
    assert server.made[0]["organization"] == "someone"
    assert server.made[0].get("private") or server.made[0].get("visibility") == "private"
    assert server.files == {each.name: each.read_bytes() for each in folder.iterdir()}


def test_what_cannot_be_uploaded_stays(server, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "wrong")
    said = r"clip is complete, but could not be uploaded .*401.*`hf upload someone/clip "
    with pytest.raises(ConfigError, match=said) as caught:
        hub.push(folder, "hf://someone/clip")
    assert "\n" not in str(caught.value)
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize("address", ["someone/clip", "hf://clip", "hf://a/b/c", "hf://a b/c"])
def test_other_places_are_refused_first(address):
    with pytest.raises(ConfigError, match="give hf://owner/name"):
        hub.target(address)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(extras.MissingExtra, match=r"pip install 'mmjax\[hub\]'"):
        hub.target("hf://someone/clip")
