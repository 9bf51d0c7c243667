"""All knobs, read once at the edge: the only reader of PINCITE_* variables."""

import os
from pathlib import Path
from typing import Literal

import platformdirs
from dotenv import dotenv_values
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.bounds import DEFAULT_BOUNDS, Bounds
from index.errors import UsageError
from index.models import DEFAULT_EMBEDDER

PREFIX = "PINCITE_"
ENV_FILE = ".env"


Precision = Literal["auto", "int8", "bf16", "fp32"]


class Settings(BaseSettings):
    """Each can be set as an environment variable (`PINCITE_STORE` ...) or in a file `.env`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    store: Path = Field(default=Path(".pincite"), description="the store's folder")
    embedder: str = Field(default=DEFAULT_EMBEDDER, description="sentence-transformers model: a folder or a name")
    reader: str = Field(default="", description="question-answering model: a folder or a name; empty is our own")
    cache: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("pincite"), description="where prepared models are kept"
    )
    max_file_mb: int = Field(default=32, ge=1, le=1024, description="larger files are not indexed (MiB)")
    mark_boilerplate: bool = Field(
        default=True, description="navigation, share buttons and the like are not answered from"
    )
    threads: int = Field(default=0, ge=0, le=256, description="of each model; 0 is one for every core")
    precision: Precision = Field(
        default="auto", description="of the models; auto is the fastest whose loss was measured to be small"
    )

    rate_per_minute: int = Field(
        default=DEFAULT_BOUNDS.rate_per_minute, ge=0, le=1_000_000, description="requests of one key; 0 is no bound"
    )
    concurrency: int = Field(
        default=DEFAULT_BOUNDS.concurrency, ge=1, le=64, description="requests that use the models at once"
    )
    queue: int = Field(default=DEFAULT_BOUNDS.queue, ge=0, le=10_000, description="requests that may wait for that")
    deadline_seconds: float = Field(
        default=DEFAULT_BOUNDS.deadline_seconds,
        gt=0,
        le=3600,
        description="the longest that a body may take to arrive, and a request to wait for the models",
    )

    log_questions: bool = Field(default=False, description="the log holds questions and answers")

    def bounds(self) -> Bounds:
        """Return how much the service takes in at once."""
        return Bounds(
            rate_per_minute=self.rate_per_minute,
            concurrency=self.concurrency,
            queue=self.queue,
            deadline_seconds=self.deadline_seconds,
            upload_bytes=self.max_file_mb * 2**20,
        )

    @model_validator(mode="after")
    def _refuse_unknown(self) -> "Settings":
        # pydantic-settings would let a mistyped variable pass unseen, and refuse other programs' lines in `.env`.
        known = {f"{PREFIX}{name.upper()}" for name in type(self).model_fields}
        given = {name.upper() for name in (*os.environ, *dotenv_values(ENV_FILE))}
        unknown = {name for name in given if name.startswith(PREFIX)} - known
        if unknown:
            raise ValueError(f"unknown settings {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        return self


def load_settings(**given: object) -> Settings:
    """Read the settings; arguments that are not None win. UsageError (one line) if something is wrong with them."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except UnicodeDecodeError:
        raise UsageError(".env: not UTF-8; save it as UTF-8, or remove it") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(f"{PREFIX}{part!s}".upper() + ": " for part in first["loc"][:1])
        raise UsageError(f"{name}{first['msg'].removeprefix('Value error, ')}") from None
