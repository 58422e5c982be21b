"""A small hub on this machine: what huggingface_hub and the ModelScope file interface ask for, over a real socket.

    root/hub/<org>/<name>/...           a repository of the Hub, its branch `main`
    root/hub/<org>/<name>@<branch>/...  another branch, tag or commit of it
    root/modelscope/<org>/<name>/...    a repository of ModelScope, `master`
    root/archives/...                   plain files

`python -m tests.hub.server ROOT` serves a folder until Ctrl-C and prints the variables to set. Faults are switched
on per path: `server.fault("*/config.json", status=503, times=2)`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.entries import Entry, commit, entries
from tests.hub.faults import Fault

CONFIG = json.dumps({"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 4})
WEIGHTS = bytes(range(256)) * 400
TINY = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "vocab.txt": "[PAD]\n", "README.md": "# tiny"}


@dataclass
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up in the middle are part of the tests."""


class HubServer:
    """Serves `root`; use it as a context manager."""

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.stop = threading.Event()  # set at the end, for answers that would go on for ever
        self.any_revision = False  # every revision is `main`, also one that nobody has
        self.plain_listing = False  # leave sizes and digests out of listings, as some mirrors do
        handler = type("Handler", (_Handler,), {"hub": self})
        self._http = _Server(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        # Another host name, as on the real Hub: clients follow redirects within a host by themselves.
        self.cdn = f"http://localhost:{self._http.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a client sets to use this hub."""
        return {"HF_ENDPOINT": self.url, "MODELSCOPE_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1"}

    def fault(self, pattern: str, **how: Any) -> None:
        """Switches a fault on; see `Fault`."""
        self.faults.append(Fault(pattern, **how))

    def asked(self, pattern: str, method: str = "*") -> list[Request]:
        """The requests so far whose path matches."""
        return [r for r in self.requests if fnmatchcase(r.path, pattern) and fnmatchcase(r.method, method)]

    def add(self, repository: str, files: dict[str, bytes | str], kind: str = "hub") -> Path:
        """Puts a repository ("org/name" or "org/name@branch") on the hub."""
        folder = self.root / kind / repository
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def find(self, repository: str, revision: str) -> Path | None:
        """The folder of a revision: branch, tag or commit."""
        base = self.root / "hub" / repository
        for folder in (base, *sorted(base.parent.glob(f"{base.name}@*"))):
            branch = folder.name.partition("@")[2] or "main"
            if folder.is_dir() and (self.any_revision or revision in (branch, commit(folder))):
                return folder
        return None


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        address = urlsplit(self.path)
        path, query = unquote(address.path), {k: v[0] for k, v in parse_qs(address.query).items()}
        shown = f"{path}/{query['FilePath']}" if "FilePath" in query else path
        self.hub.requests.append(Request(self.command, shown, dict(self.headers)))
        self.fault = self._fault(shown)
        if self.fault.act:
            self.close_connection = True
            return self.fault.act(self, self.hub.stop)
        if self.fault.status:
            return self._error(self.fault.status, self.fault.code)
        parts = path.strip("/").split("/")
        if path.startswith("/api/models/"):
            return self._hub_api(parts[2:])
        if path.startswith("/api/v1/models/"):
            return self._modelscope(parts[3:], query)
        if parts[0] in ("archives", "cdn"):
            return self._plain(parts)
        if "resolve" in parts:
            return self._resolve(parts)
        self._error(404, "RepoNotFound")

    def _fault(self, path: str) -> Fault:
        for fault in self.hub.faults:
            if fault.times and fnmatchcase(path, fault.pattern):
                fault.times -= 1
                return fault
        return Fault("")

    # The Hub

    def _hub_api(self, parts: list[str]) -> None:
        """/api/models/{org}/{name}[/revision/{rev}] and .../tree/{rev}."""
        repository, rest = "/".join(parts[:2]), parts[2:]
        folder = self._revision(repository, "/".join(rest[1:]) or "main")
        if folder is None:
            return
        files = list(entries(folder))
        if rest[:1] == ["tree"]:
            return self._json([self._tree(e) for e in files])
        siblings = [{"rfilename": e.name} | ({} if self.hub.plain_listing else self._details(e)) for e in files]
        self._json(
            {"id": repository, "modelId": repository, "sha": commit(folder), "siblings": siblings, "tags": []}
        )

    def _details(self, entry: Entry) -> dict[str, object]:
        lfs = {"lfs": {"sha256": entry.sha256, "size": entry.size, "pointerSize": 134}} if entry.large else {}
        return {"size": entry.size, "blobId": entry.blob, **lfs}

    def _tree(self, entry: Entry) -> dict[str, object]:
        lfs = {"lfs": {"oid": entry.sha256, "size": entry.size, "pointerSize": 134}} if entry.large else {}
        return {"type": "file", "path": entry.name, "size": entry.size, "oid": entry.blob, **lfs}

    def _revision(self, repository: str, revision: str) -> Path | None:
        folder = self.hub.find(repository, revision)
        if folder is None:
            known = self.hub.find(repository, "main") is not None
            self._error(404, "RevisionNotFound" if known else "RepoNotFound")
        return folder

    def _resolve(self, parts: list[str]) -> None:
        """/{org}/{name}/resolve/{rev}/{file}; large files are elsewhere, as on the real Hub."""
        at = parts.index("resolve")
        repository = "/".join(parts[:at])
        folder = self._revision(repository, parts[at + 1])
        if folder is None:
            return
        name = "/".join(parts[at + 2 :])
        entry = next((e for e in entries(folder) if e.name == name), None)
        if entry is None:
            return self._error(404, "EntryNotFound", {"X-Repo-Commit": commit(folder)})
        headers = {"X-Repo-Commit": commit(folder)}
        if not entry.large:
            return self._file(entry.path, headers | {"ETag": f'"{entry.blob}"'})
        where = entry.path.relative_to(self.hub.root).as_posix()
        headers |= {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
        self._send(302, b"", headers | {"Location": f"{self.hub.cdn}/cdn/{where}"})

    # ModelScope

    def _modelscope(self, parts: list[str], query: dict[str, str]) -> None:
        """/api/v1/models/{org}/{name}/repo/files?Revision=.. and .../repo?Revision=..&FilePath=.."""
        folder = self.hub.root / "modelscope" / "/".join(parts[:2])
        if not folder.is_dir() or query.get("Revision") != "master":
            return self._json({"Code": 10010205001, "Message": "not found", "Success": False}, 404)
        files = {e.name: e for e in entries(folder)}
        if parts[2:] == ["repo", "files"]:
            listed = [{"Path": e.name, "Type": "blob", "Size": e.size, "Sha256": e.sha256} for e in files.values()]
            folders = sorted({e.name.partition("/")[0] for e in files.values() if "/" in e.name})
            listed += [{"Path": f, "Type": "tree", "Size": 0, "Sha256": ""} for f in folders]
            return self._json({"Code": 200, "Data": {"Files": listed}, "Success": True})
        entry = files.get(query.get("FilePath", ""))
        if entry is None:
            return self._json({"Code": 404, "Message": "no such file", "Success": False}, 404)
        self._file(entry.path, {"ETag": f'"{entry.sha256}"'})

    # Files

    def _plain(self, parts: list[str]) -> None:
        path = self.hub.root.joinpath(*parts[1:]) if parts[0] == "cdn" else self.hub.root.joinpath(*parts)
        if not path.is_file():
            return self._error(404)
        self._file(path, {"ETag": f'"{Entry(path.name, path).sha256[:32]}"'})

    def _file(self, path: Path, headers: dict[str, str]) -> None:
        content = path.read_bytes()
        if self.fault.damage:
            content = bytes(b ^ 1 for b in content)
        wanted, same = self.headers.get("Range"), self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]
        if not wanted or not same:
            return self._send(200, content, headers | {"Accept-Ranges": "bytes"})
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        if start >= len(content):
            return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206, content[start:], headers | {"Content-Range": span})

    def _json(self, value: object, status: int = 200) -> None:
        if self.fault.change:
            value = self.fault.change(value)
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str = "", headers: dict[str, str] | None = None) -> None:
        named = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self._send(status, b'{"error": "as asked"}', named | (headers or {}))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        body = body if self.fault.body is None else self.fault.body
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers | self.fault.headers).items():
            if name not in self.fault.drop:
                self.send_header(name, value)
        if "Content-Length" in self.fault.drop:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        if 0 <= self.fault.cut < len(body):
            self.wfile.write(body[: self.fault.cut])
            self.close_connection = True
            return
        self.wfile.write(body)


def main() -> None:
    """Serves a folder until Ctrl-C."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m tests.hub.server ROOT    (a folder with hub/, modelscope/, archives/)")
    with HubServer(Path(sys.argv[1])) as server:
        for name, value in server.environment.items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
