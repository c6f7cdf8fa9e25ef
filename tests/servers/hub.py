"""A Hub on this machine: repositories of data sets and models over the HTTP interface that its Python client speaks.

Files of some endings go through Git LFS and are checked against their SHA-256, so that tests see the very bytes that
arrived; all else comes in the commit. Repositories live in memory. Every request is recorded, and scripted trouble
(:meth:`Hub.fail`, :meth:`Hub.lose`, :meth:`Hub.hold`) meets the requests whose ``METHOD path`` a pattern finds.

It is no Git server, has one branch, and does not speak Xet: start clients with :meth:`Hub.environment`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.hub_card import card_errors

TOKEN = "hf_canaryTokenOfTheLocalHub"
LARGE = (".parquet", ".safetensors", ".bin", ".gguf")
"""Endings of files that travel by LFS."""

_REPO = r"(?:(?P<kind>datasets|models)/)?(?P<id>[^/]+/[^/]+?)"
_ROUTES = {
    r"POST /api/repos/create": "create",
    r"POST /api/validate-yaml": "validate",
    rf"GET /api/{_REPO}(?:/revision/(?P<rev>[^/]+))?": "info",
    rf"POST /api/{_REPO}/preupload/(?P<rev>[^/]+)": "preupload",
    rf"POST /api/{_REPO}/commit/(?P<rev>[^/]+)": "commit",
    rf"GET /api/{_REPO}/tree/(?P<rev>[^/]+)(?:/(?P<path>.*))?": "tree",
    rf"POST /api/{_REPO}/paths-info/(?P<rev>[^/]+)": "paths",
    rf"GET /api/{_REPO}/refs": "refs",
    rf"POST /api/{_REPO}/tag/(?P<rev>[^/]+)": "tag",
    rf"POST /{_REPO}\.git/info/lfs/objects/batch": "batch",
    r"PUT /lfs/(?P<oid>[0-9a-f]{64})": "put",
    r"POST /lfs/verify": "verify",
    rf"(?:GET|HEAD) /{_REPO}/resolve/(?P<rev>[^/]+)/(?P<path>.+)": "resolve",
}


@dataclass(frozen=True)
class Commit:
    """One state of a repository."""

    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repository:
    """Its visibility, its commits (the first one is the empty repository) and its tags."""

    private: bool
    commits: list[Commit]
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, tag or id."""
        if revision == "main":
            return self.commits[-1]
        wanted = self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == wanted), None)


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Trouble:
    pattern: str
    times: int
    status: int = 0
    message: str = ""
    held: threading.Event | None = None


def said(value: Any, status: int = 200, **headers: str) -> Answer:
    """JSON with headers; underscores of their names stand for dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def git_oid(data: bytes) -> str:
    """The id that Git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Hub:
    """The server's state. ``always_public`` makes every new repository public, whatever was asked."""

    def __init__(self, *, always_public: bool = False) -> None:
        self.url = ""
        self.always_public = always_public
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.requests: list[str] = []
        """``METHOD path`` of every request, in the order of arrival."""
        self.received: list[bytes] = []
        """Bodies of all requests."""
        self.puts: list[str] = []
        """LFS objects that arrived whole."""
        self._troubles: list[_Trouble] = []
        self._lock = threading.RLock()

    def environment(self, home: Path) -> dict[str, str]:
        """The environment of a client process that knows this Hub alone; ``home`` holds its caches."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        ours = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        return {**kept, **ours, "no_proxy": "127.0.0.1", "PYTHONWARNINGS": "ignore"}

    def add(self, name: str, files: dict[str, bytes], *, private: bool = True, kind: str = "datasets") -> Repository:
        """Make a repository that was there before."""
        made = Repository(private, [Commit("0" * 40, "initial commit", {".gitattributes": b"", **files})])
        self.repositories[kind, name] = made
        return made

    def repository(self, name: str, kind: str = "datasets") -> Repository:
        return self.repositories[kind, name]

    def count(self, pattern: str) -> int:
        """How many requests were met whose ``METHOD path`` the pattern finds."""
        return sum(1 for request in self.requests if re.search(pattern, request))

    def fail(self, pattern: str, status: int, *, times: int = 1_000_000, message: str = "scripted trouble") -> None:
        """Answer with a status and do nothing."""
        self._troubles.append(_Trouble(pattern, times, status=status, message=message))

    def lose(self, pattern: str, *, times: int = 1) -> None:
        """Do what is asked, and close the connection instead of answering."""
        self._troubles.append(_Trouble(pattern, times))

    def hold(self, pattern: str, *, times: int = 1) -> threading.Event:
        """Leave requests unanswered until the event is set."""
        event = threading.Event()
        self._troubles.append(_Trouble(pattern, times, held=event))
        return event

    def forgive(self) -> None:
        """End all scripted trouble."""
        self._troubles.clear()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """What to send back; None: close the connection."""
        path = unquote(urlsplit(target).path)
        with self._lock:
            self.requests.append(f"{method} {path}")
            self.received.append(body)
            trouble = self._met(f"{method} {path}")
        if trouble is not None and trouble.held is not None:
            trouble.held.wait(60)
            return None
        if trouble is not None and trouble.status:
            why = {"error": trouble.message, "errors": [{"message": trouble.message}], "warnings": []}
            return said(why, trouble.status, X_Error_Message=trouble.message)
        with self._lock:
            done = self._route(method, path, parse_qs(urlsplit(target).query), headers, body)
        return None if trouble is not None else done

    def _met(self, request: str) -> _Trouble | None:
        for trouble in self._troubles:
            if trouble.times and re.search(trouble.pattern, request):
                trouble.times -= 1
                return trouble
        return None

    def _route(self, method: str, path: str, query: Any, headers: dict[str, str], body: bytes) -> Answer:
        may = headers.get("authorization") == f"Bearer {TOKEN}" or path.startswith(("/lfs/", "/api/validate-yaml"))
        for pattern, name in _ROUTES.items():
            found = re.fullmatch(pattern, f"{method} {path}")
            if found is None:
                continue
            parts = found.groupdict()
            if not may:
                return said({"error": "Invalid credentials"}, 401,
                            X_Error_Message="Invalid credentials in Authorization header")  # fmt: skip
            if "id" not in parts:
                return getattr(self, f"_{name}")(body, parts)  # type: ignore[no-any-return]
            repository = self.repositories.get((parts["kind"] or "models", parts["id"]))
            if repository is None:
                return said({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
            commit = repository.at(parts.get("rev") or "main")
            if commit is None:
                return said({"error": "Invalid rev id"}, 404, X_Error_Code="RevisionNotFound")
            parts |= {"method": method, "query": query, "headers": headers}
            return getattr(self, f"_{name}")(repository, commit, body, parts)  # type: ignore[no-any-return]
        return said({"error": "Not found"}, 404)

    def _create(self, body: bytes, parts: Any) -> Answer:
        asked = json.loads(body)
        kind, name = asked.get("type", "model") + "s", f"{asked['organization']}/{asked['name']}"
        url = f"{self.url}/{'datasets/' if kind == 'datasets' else ''}{name}"
        if (kind, name) in self.repositories:
            return said({"error": "You already created this repo", "url": url}, 409)
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.add(name, {}, private=private and not self.always_public, kind=kind)
        return said({"url": url, "name": name, "id": name})

    def _validate(self, body: bytes, parts: Any) -> Answer:
        asked = json.loads(body)
        errors = [{"message": text} for text in card_errors(asked["content"], asked["repoType"])]
        return said({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _info(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        siblings = [{"rfilename": path} for path in sorted(commit.files)]
        about = {"id": parts["id"], "private": repository.private, "sha": commit.oid, "siblings": siblings}
        return said({**about, "tags": [], "disabled": False, "gated": False, "downloads": 0, "likes": 0})

    def _preupload(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        files = []
        for asked in json.loads(body)["files"]:
            path, large = asked["path"], asked["path"].endswith(LARGE)
            found = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if path in commit.files:
                found["oid"] = (sha256 if large else git_oid)(commit.files[path])
            files.append(found)
        return said({"files": files})

    def _batch(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        objects = []
        for asked in json.loads(body)["objects"]:
            to = {"upload": {"href": f"{self.url}/lfs/{asked['oid']}"}, "verify": {"href": f"{self.url}/lfs/verify"}}
            objects.append(asked if asked["oid"] in self.stored else {**asked, "actions": to})
        return said({"transfer": "basic", "objects": objects})

    def _put(self, body: bytes, parts: Any) -> Answer:
        if sha256(body) != parts["oid"]:
            return said({"error": "checksum"}, 400)
        self.stored[parts["oid"]] = body
        self.puts.append(parts["oid"])
        return Answer(200)

    def _verify(self, body: bytes, parts: Any) -> Answer:
        asked = json.loads(body)
        there = len(self.stored.get(asked["oid"], b"")) == asked["size"]
        return said({}, 200 if there else 404)

    def _commit(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        files, message = dict(commit.files), ""
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                message = "\n\n".join(filter(None, (value["summary"], value.get("description"))))
                if value.get("parentCommit") not in (None, commit.oid):
                    return said({"error": "A commit has happened since. Please refresh and try again."}, 412)
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                return said({"error": f"what is {line['key']}?"}, 400)
        oid = hashlib.sha1(commit.oid.encode() + body).hexdigest()
        repository.commits.append(Commit(oid, message, files))
        url = f"{self.url}/{parts['id']}/commit/{oid}"
        return said({"success": True, "commitUrl": url, "commitOid": oid})

    def _entry(self, path: str, data: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": git_oid(data)}
        if path.endswith(LARGE):
            entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
        return entry

    def _tree(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        under = f"{parts['path']}/" if parts["path"] else ""
        deep = parts["query"].get("recursive", ["false"])[0].casefold() == "true"
        found, folders = [], set()
        for path, data in sorted(commit.files.items()):
            rest = path.removeprefix(under)
            if not path.startswith(under):
                continue
            steps = rest.split("/")
            folders.update(under + "/".join(steps[:at]) for at in (range(1, len(steps)) if deep else [1]))
            if deep or len(steps) == 1:
                found.append(self._entry(path, data))
                folders.discard(path)
        if under and not found and not folders:
            return said({"error": "not found"}, 404, X_Error_Code="EntryNotFound")
        return said(
            [{"type": "directory", "path": one, "oid": "1" * 40, "size": 0} for one in sorted(folders)] + found
        )

    def _paths(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        text = body.decode()
        asked = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
        return said([self._entry(path, commit.files[path]) for path in asked if path in commit.files])

    def _refs(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": commit.oid}
        tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": o} for n, o in repository.tags.items()]
        return said({"branches": [main], "tags": tags, "converts": []})

    def _tag(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        name = json.loads(body)["tag"]
        if name in repository.tags:
            return said({"error": f"Tag {name} already exists"}, 409)
        repository.tags[name] = commit.oid
        return said({})

    def _resolve(self, repository: Repository, commit: Commit, body: bytes, parts: Any) -> Answer:
        data = commit.files.get(parts["path"])
        about = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        if data is None:
            return Answer(404, b"", {**about, "X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        large = parts["path"].endswith(LARGE)
        about["ETag"] = f'"{(sha256 if large else git_oid)(data)}"'
        if large:
            about |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": about["ETag"]}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", parts["headers"].get("range", ""))
        if wanted is None:
            return Answer(200, data, about)
        start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
        about["Content-Range"] = f"bytes {start}-{min(end, len(data) - 1)}/{len(data)}"
        return Answer(206, data[start : end + 1], about)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.casefold(): value for name, value in self.headers.items()}
        answer = self.hub.answer(self.command, self.path, headers, body)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = _any

    def log_message(self, *arguments: Any) -> None:
        pass


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a killed client is no error of the server
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
