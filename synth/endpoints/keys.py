"""The key of an endpoint: read from the environment, sent as a header, and kept out of everything else."""

from __future__ import annotations

import json
import os

from synth.errors import UserError

SHORTEST_SECRET = 12
"""Characters; shorter keys are placeholders (``EMPTY``, ``lm-studio``) that a reply may well contain."""
SHORTEST_IN_ERRORS = 6
"""In what servers say of an error shorter ones are hidden as well: nothing is lost by it."""


class Key:
    """A key, or the absence of one. Its value appears in :attr:`value` and :meth:`headers` and nowhere else."""

    def __init__(self, value: str | None = None, variable: str | None = None) -> None:
        self.value = value
        self.variable = variable
        """Name of the environment variable it was read from."""

    def __repr__(self) -> str:
        return f"Key({self.variable or 'no variable'})"

    @classmethod
    def from_environment(cls, role: str, variable: str) -> Key:
        """Read the key of ``role``.

        Raises:
            UserError: the variable is not set, or holds what no key can be.
        """
        value = os.environ.get(variable, "").strip()
        if not value:
            raise UserError(
                f"models.{role}.api_key_env: the environment variable {variable} is not set; "
                f"export it, or leave api_key_env out for a server without a key"
            )
        if not (value.isascii() and value.isprintable()):
            raise UserError(
                f"models.{role}.api_key_env: the value of {variable} holds a line break or another "
                f"character that no key has; export it again"
            )
        return cls(value, variable)

    def headers(self) -> dict[str, str]:
        """What to send with each request."""
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}

    def hide(self, raw: bytes) -> bytes:
        """A response without the key, as it stands there or as JSON may write it: some servers repeat it."""
        if not self.value or len(self.value) < SHORTEST_SECRET:
            return raw
        plain = self.value.encode()
        escaped = json.dumps(self.value)[1:-1].replace("/", "\\/").encode()
        return raw.replace(plain, b"***").replace(escaped, b"***")

    def hide_in_error(self, text: str) -> str:
        """An error's text without the key: some servers and libraries quote it, and errors go to the screen."""
        return text.replace(self.value, "***") if self.value and len(self.value) >= SHORTEST_IN_ERRORS else text

    def refused(self, role: str, host: str, status: int, message: str) -> str:
        """What to say when the server refuses it."""
        key = f"the key in {self.variable}" if self.variable else "requests without a key (api_key_env is not set)"
        return f"models.{role}: {host} refuses {key} (HTTP {status}{f': {message}' if message else ''})"
