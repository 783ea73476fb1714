"""Against a stand-in for the Hub on the loopback address: the real client runs, nothing leaves the machine."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from studio.core.errors import ModelError
from studio.models import fetch as fetching
from studio.models.catalogue import folder_of
from studio.models.fetch import describe, fetch, is_hub_id, is_local, local_folder, not_here
from studio.models.types import BaseCard

SHA = "0123456789abcdef0123456789abcdef01234567"


def hub_card(hub_id="org/tiny"):
    return BaseCard(id="tiny", title="Tiny", parameters=1, context=1, licence="MIT", good_for="Tests.", hub_id=hub_id)


class Hub:
    """Holds files; answers as much of the Hub's protocol as a download needs."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.status = 200
        self.gated = False
        self.asked: list[str] = []

    def handler(hub):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in {"X-Repo-Commit": SHA, "Content-Length": len(body), **headers}.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                path = self.path.partition("?")[0]
                hub.asked.append(path)
                if hub.status != 200:
                    code = {401: "RepoNotFound", 403: "GatedRepo"}.get(hub.status, "")
                    self.answer(hub.status, b"{}", X_Error_Code=code)
                elif "/tree/" in path:
                    entries = [
                        {"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()}
                        for n, b in hub.files.items()
                    ]
                    self.answer(200, json.dumps(entries).encode(), Content_Type="application/json")
                elif path.startswith("/api/models/"):
                    siblings = [{"rfilename": n, "size": len(b)} for n, b in hub.files.items()]
                    info = {"id": "org/tiny", "modelId": "org/tiny", "sha": SHA, "siblings": siblings, "private": False,
                            "gated": "auto" if hub.gated else False, "cardData": {"license": "mit"}, "tags": []}  # fmt: skip
                    self.answer(200, json.dumps(info).encode(), Content_Type="application/json")
                elif hub.gated:
                    self.answer(403, b"{}", X_Error_Code="GatedRepo")
                else:
                    body = hub.files.get(path.partition(f"/resolve/{SHA}/")[2])
                    if body is None:
                        self.answer(404, b"{}", X_Error_Code="EntryNotFound")
                    else:
                        self.answer(200, body, ETag=f'"{hashlib.sha1(body).hexdigest()}"')

        return Handler


@pytest.fixture
def hub(monkeypatch, make_folder):
    stand_in = Hub()
    folder = make_folder("source")
    stand_in.files = {item.name: item.read_bytes() for item in folder.iterdir()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), stand_in.handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    # The stand-in may be held up on a busy machine.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 120)
    monkeypatch.setattr(fetching, "TIMEOUT_S", 120.0)
    yield stand_in
    server.shutdown()
    server.server_close()


def test_downloads_what_is_needed_and_nothing_else(hub, workspace):
    hub.files |= {"modeling_own.py": b"print(1)", "pytorch_model.bin": b"x", "onnx/model.onnx": b"x", "x.gguf": b"x"}
    told = []
    assert not is_local(hub_card(), workspace)
    folder = fetch(hub_card(), workspace, lambda text, share: told.append((text, share)))
    assert folder == local_folder(hub_card(), workspace)
    names = {item.name for item in folder.iterdir() if item.is_file()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                     "tailor-source.json"}  # fmt: skip
    assert is_local(hub_card(), workspace)
    shares = [share for _, share in told]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert max(shares) <= 1
    assert any("Downloading Tiny" in text for text, _ in told)
    assert json.loads((folder / "tailor-source.json").read_text()) == {
        "hub_id": "org/tiny", "revision": SHA, "licence": "mit",
    }  # fmt: skip


def test_a_second_time_nothing_is_asked(hub, workspace):
    fetch(hub_card(), workspace, lambda text, share: None)
    hub.asked.clear()
    fetch(hub_card(), workspace, lambda text, share: None)
    assert hub.asked == []


def test_one_file_is_taken_rather_than_its_parts(hub, workspace):
    hub.files["model-00001-of-00002.safetensors"] = b"x"
    hub.files["model.safetensors.index.json"] = b"{}"
    folder = fetch(hub_card(), workspace, lambda text, share: None)
    assert not list(folder.glob("model-0*"))


def test_describes_a_model_that_is_not_in_the_catalogue(hub, workspace):
    card = describe("org/tiny", workspace)
    assert (card.layers, card.hidden_size, card.licence, card.gated) == (2, 16, "mit", False)
    hub.asked.clear()
    assert describe("org/tiny", workspace) == card
    assert hub.asked == []
    assert not is_local(card, workspace)
    fetch(card, workspace, lambda text, share: None)
    here = describe("org/tiny", workspace)
    assert here.path is not None
    assert here.parameters == 132_624


def failure(hub_id, workspace):
    with pytest.raises(ModelError) as error:
        fetch(hub_card(hub_id), workspace, lambda text, share: None)
    assert error.value.what_to_do
    assert not is_local(hub_card(hub_id), workspace)
    return error.value


def test_pickled_weights_only(hub, workspace):
    del hub.files["model.safetensors"]
    hub.files["pytorch_model.bin"] = b"never fetched"
    assert failure("org/tiny", workspace).title == "Only pickled weights"
    assert not any("pytorch_model" in path for path in hub.asked)


def test_code_of_its_own_is_refused_before_the_weights_are_fetched(hub, workspace):
    hub.files["config.json"] = json.dumps({"model_type": "own", "auto_map": {"AutoModel": "m.M"}}).encode()
    assert failure("org/tiny", workspace).title == "This model needs code of its own"
    assert not any(path.endswith("model.safetensors") for path in hub.asked)


def test_a_repository_without_a_model(hub, workspace):
    del hub.files["config.json"]
    assert failure("org/tiny", workspace).title == "This is not a language model"


def test_a_missing_tokenizer(hub, workspace):
    del hub.files["tokenizer.json"]
    assert failure("org/tiny", workspace).title == "The tokenizer is missing"


def test_gated_says_how_to_get_access(hub, workspace):
    hub.gated = True
    error = failure("org/tiny", workspace)
    assert error.code == "gated"
    assert "hf auth login" in error.what_to_do
    assert "https://huggingface.co/org/tiny" in error.what_to_do


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (401, "not_found"), (403, "gated"), (503, "offline")])
def test_what_the_hub_answers_becomes_words(hub, workspace, status, code, monkeypatch):
    hub.status = status
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert failure("org/tiny", workspace).code == code


def test_no_network(workspace, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    error = failure("org/tiny", workspace)
    assert error.code == "offline"
    assert "comes with the studio" in error.what_to_do


def test_offline_mode(workspace, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in failure("org/tiny", workspace).what_to_do


def test_a_full_disk_is_told_before_the_download(hub, workspace, monkeypatch):
    monkeypatch.setattr(fetching, "free_disk_gib", lambda path: 0.5)
    assert failure("org/tiny", workspace).title == "The disk is too full"


def test_a_copy_that_is_not_complete_is_not_used(workspace):
    (workspace.models_dir / "org--tiny").mkdir()
    (workspace.models_dir / "org--tiny" / "config.json").write_text("{}")
    assert not is_local(hub_card(), workspace)
    with pytest.raises(ModelError, match="not been downloaded"):
        local_folder(hub_card(), workspace)


def test_a_base_that_is_not_here_comes_with_the_command_that_brings_it(workspace, monkeypatch):
    said = not_here("org/tiny", workspace).what_to_do
    assert f"“studio fetch org/tiny --workspace {workspace.root}”" in said
    monkeypatch.setenv("TAILOR_WORKSPACE", str(workspace.root))
    assert "“studio fetch org/tiny”" in not_here("org/tiny", workspace).what_to_do
    assert "Copy that folder" in not_here("/home/ann/models/own", workspace).what_to_do


def test_where_a_base_lies_is_found_without_asking_the_hub(hub, workspace):
    with pytest.raises(ModelError, match="studio fetch org/tiny"):
        folder_of("org/tiny", workspace)
    assert hub.asked == []
    folder = fetch(hub_card(), workspace, lambda text, share: None)
    hub.asked.clear()
    assert folder_of("org/tiny", workspace) == folder
    assert folder_of(str(folder), workspace) == folder
    assert hub.asked == []


def test_a_folder_that_is_gone_is_not_local(workspace, tmp_path):
    gone = BaseCard("x", "X", 1, 1, "MIT", "Tests.", path=tmp_path / "gone")
    assert not is_local(gone, workspace)
    with pytest.raises(ModelError):
        fetch(gone, workspace, lambda text, share: None)


@pytest.mark.parametrize("text", ["org/name", "Org-1/Name.2_b", "a/b"])
def test_hub_ids(text):
    assert is_hub_id(text)


@pytest.mark.parametrize("text", ["name", "/a", "a/", "a/b/c", "../b", "a/..b", "a b/c", "-a/b", "a/b\n", "http://a/b"])
def test_not_hub_ids(text):
    assert not is_hub_id(text)
