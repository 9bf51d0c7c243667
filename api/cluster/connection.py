"""The way to a Ray cluster."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError, RayTaskError

from index.errors import PinciteError, StoreError, UsageError

PINNED = "pincite-shard-{}"  # the resource that a machine offers which keeps this shard on its disk
_SHARE = 0.001  # of that resource: any number of processes may use the shard there
LOCAL = "local"  # in the place of an address: a cluster of this machine's, for as long as it is needed
NAMESPACE = "pincite"


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be connected to the cluster at `address` (host:port, `auto`, or `local`); UsageError where there is none."""
    already = ray.is_initialized()
    if not already:
        _connect(address)
    try:
        yield
    finally:
        if not already:
            ray.shutdown()


def _connect(address: str) -> None:
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            include_dashboard=False if address == LOCAL else None,
            logging_level=logging.WARNING,
            log_to_driver=False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise UsageError(
            f"no Ray cluster at {address!r} ({said}); start one with `ray start --head`, or give `--cluster {LOCAL}`"
        ) from error


def resources_of(number: int, pinned: bool) -> dict[str, float]:
    """Return what a process that opens this shard asks of its machine."""
    return {PINNED.format(number): _SHARE} if pinned else {}


def as_store_error(error: RayError) -> PinciteError:
    """Return what went wrong in another process as an error of ours."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, PinciteError):
        return error.cause
    said = " ".join(str(error).split())
    return StoreError(f"a process of the cluster failed ({said[-300:]}); see its logs")
