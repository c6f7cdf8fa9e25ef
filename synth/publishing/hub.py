"""A repository on the Hub: made private unless all may see it, read back, filled from a list, and compared.

Data sets (:mod:`synth.publish`) and models (:mod:`training.outputs`) go this one way. The order is the safety: the
visibility is read back before the first byte leaves; only named files with a known SHA-256 are sent; and when the
client is done, or fails, what the Hub holds is compared with what was meant. So a lost answer to a commit that arrived
is no failure, equal contents make no second commit, and an interrupted upload goes on when it is run again.

The token comes from where the Hub's client looks (``HF_TOKEN``, its login) and is never read here. Visibility of a
repository that exists is not changed. No file is sent that is not in the list, whatever lies beside it.

Large files travel as the client chooses: by Xet where ``hf_xet`` is installed (huggingface_hub 1.0 and later bring it
along), by LFS where it is not or ``HF_HUB_DISABLE_XET=1`` is set. Nothing here depends on which: SHA-256 is compared
either way. Tests see every byte of the LFS way; of the Xet way they see how refusals are told and that nothing is
committed after them, for there is no storage on this machine that speaks it. ``hf_xet`` tries again by itself, for
minutes where its servers are in trouble; :data:`TIMEOUT` does not reach it, Ctrl-C does.
"""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from synth.errors import ClinsynthError, UserError
from synth.publishing.hub_errors import hub_errors
from synth.staging import sha256_of

Kind = Literal["dataset", "model"]

TIMEOUT = 300.0
"""Seconds without a byte from the Hub after which a request counts as lost."""

QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_VERBOSITY": "error",
}
"""Set before the client is imported, where the environment says nothing."""


def confirm_public(repository: str, typed: str | None) -> None:
    """Ask for the repository's name again before it is opened to all; ``typed`` is what ``--confirm`` gave.

    Raises:
        UserError: another name, or nobody at the terminal to ask.
    """
    if typed is None and sys.stdin is not None and sys.stdin.isatty():
        try:
            typed = input(f"For all to see: type {repository} to confirm: ").strip()
        except EOFError:
            typed = ""
    if typed is None:
        raise UserError(f"--public: for all to see; without a terminal confirm it with --confirm {repository}")
    if typed != repository:
        raise UserError(f"--public: {typed!r} is not {repository}: nothing was sent")


class Remote:
    """A repository that exists and is as visible as was asked.

    Args:
        repository: ``owner/name``.
        kind: ``dataset`` or ``model``.
        public: whether all may see it.

    Raises:
        UserError: it is public although it should not be, or private although it should be public.
        EndpointRefused, ClinsynthError: see :func:`synth.publishing.hub_errors.hub_errors`.
    """

    def __init__(self, repository: str, kind: Kind, *, public: bool) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        if not sys.stderr.isatty():
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        try:
            from huggingface_hub import HfApi, get_session, get_token
        except ImportError:
            raise UserError("huggingface_hub is not installed: pip install 'clinsynth[hub]'") from None
        self.repository = repository
        self.kind = kind
        self._api = HfApi()
        with hub_errors(repository):
            get_session().timeout = TIMEOUT  # it has none of its own
            if get_token() is None:
                from huggingface_hub.errors import LocalTokenNotFoundError

                raise LocalTokenNotFoundError
            self._api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        self.head = self._visible(public)

    @property
    def url(self) -> str:
        """Where people find it."""
        return f"{self._api.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.repository}"

    def _visible(self, public: bool) -> str:
        """Return the newest commit; refuse a repository of the other visibility."""
        with hub_errors(self.repository):
            info = self._api.repo_info(self.repository, repo_type=self.kind)
        if not public and info.private is not True:
            raise UserError(
                f"{self.repository}: that repository is public: nothing was sent; add --public, or name another"
            )
        if public and info.private is not False:
            raise UserError(
                f"{self.repository}: that repository exists and is private: nothing was sent; leave --public out, "
                "or open it in its settings on the Hub first"
            )
        return str(info.sha)

    def read(self, path: str) -> bytes | None:
        """Return a small file of the newest commit; None when there is none."""
        from tempfile import TemporaryDirectory

        from huggingface_hub.errors import RemoteEntryNotFoundError

        with hub_errors(self.repository), TemporaryDirectory() as folder:
            try:
                found = self._api.hf_hub_download(
                    self.repository, path, repo_type=self.kind, revision=self.head, local_dir=folder
                )
            except RemoteEntryNotFoundError:
                return None
            return Path(found).read_bytes()

    def tags(self) -> dict[str, str]:
        """Return the commit of every tag."""
        with hub_errors(self.repository):
            refs = self._api.list_repo_refs(self.repository, repo_type=self.kind)
        return {tag.name: tag.target_commit for tag in refs.tags}

    def listing(self) -> dict[str, str]:
        """Return every file that the repository holds now with its SHA-256, or Git's id for what is not in LFS."""
        with hub_errors(self.repository):
            tree = list(self._api.list_repo_tree(self.repository, repo_type=self.kind, recursive=True))
        found: dict[str, str] = {}
        for entry in tree:
            if hasattr(entry, "blob_id"):
                found[entry.path] = entry.lfs.sha256 if entry.lfs is not None else entry.blob_id
        return found

    def upload(
        self, folder: Path, files: Mapping[str, str], *, replaces: Sequence[str], title: str, notes: str = ""
    ) -> bool:
        """Make the repository hold ``files``; return False when it does already.

        Args:
            folder: where they lie.
            files: SHA-256 by path in ``folder`` and in the repository.
            replaces: patterns of paths that belong to us: what matches and is not in ``files`` is deleted with the
                same commit, for it is of an earlier version.
            title, notes: the commit's message.

        Raises:
            ClinsynthError: not everything arrived, with the client's reason.
        """
        old = self._differences(folder, files, replaces)
        if old is None:
            return False
        try:
            with hub_errors(self.repository), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._api.upload_folder(
                    repo_id=self.repository,
                    repo_type=self.kind,
                    folder_path=folder,
                    allow_patterns=[glob.escape(path) for path in files],
                    delete_patterns=[glob.escape(path) for path in old] or None,
                    commit_message=title,
                    commit_description=notes or None,
                    parent_commit=self.head,
                )
        except ClinsynthError:
            # The commit may have arrived and its answer not.
            if not self._arrived(folder, files, replaces):
                raise
        if self._differences(folder, files, replaces) is not None:
            raise ClinsynthError(f"{self.repository}: the Hub holds other files than were sent; run it again")
        return True

    def holds(self, folder: Path, files: Mapping[str, str], replaces: Sequence[str], commit: str) -> bool:
        """Whether ``commit`` is the newest one and holds ``files`` (see :meth:`upload`) already."""
        return commit == self.head and self._differences(folder, files, replaces) is None

    def check(self, *, public: bool) -> str:
        """Read the visibility again, as the last step; return the newest commit."""
        self.head = self._visible(public)
        return self.head

    def tag(self, name: str) -> None:
        """Name the newest commit."""
        with hub_errors(self.repository):
            self._api.create_tag(self.repository, tag=name, revision=self.head, repo_type=self.kind, exist_ok=True)

    def _arrived(self, folder: Path, files: Mapping[str, str], replaces: Sequence[str]) -> bool:
        try:
            return self._differences(folder, files, replaces) is None
        except ClinsynthError:
            return False

    def _differences(self, folder: Path, files: Mapping[str, str], replaces: Sequence[str]) -> list[str] | None:
        """Return paths to delete, or None when the repository holds ``files`` and nothing old beside them."""
        there = self.listing()
        ours = [path for path in there if any(fnmatch.fnmatchcase(path, pattern) for pattern in replaces)]
        old = sorted(set(ours) - files.keys())
        same = all(there.get(path) in (digest, git_id(folder / path)) for path, digest in files.items())
        return None if same and not old else old


def git_id(path: Path) -> str:
    """Return the id that Git gives the contents of a file."""
    size = path.stat().st_size
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def push(
    folder: Path, files: Mapping[str, str], repository: str, *, public: bool, title: str, replaces: Sequence[str]
) -> str:
    """Put a model's ``files`` (SHA-256 by path in ``folder``) into ``repository``; return its address.

    Raises:
        UserError: a file is not what it was; see :class:`Remote` for the rest.
    """
    for path, digest in files.items():
        if not (folder / path).is_file() or sha256_of(folder / path) != digest:
            raise UserError(f"{folder / path}: not as the run left it: nothing was sent")
    remote = Remote(repository, "model", public=public)
    remote.upload(folder, files, replaces=replaces, title=title)
    remote.check(public=public)
    return remote.url
