"""The log: one JSON object a line on stderr, with the request it belongs to. The only import of structlog."""

import logging
import re
import sys
import traceback
import uuid
from collections.abc import Callable
from types import TracebackType

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

_OURS = ("pincite", "api", "rag", "index", "uvicorn.error")  # others tell of what goes wrong alone
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logs(texts: bool) -> None:
    """Have everything that this process logs from now on be such lines.

    Without `texts` they hold no question and no passage: of an unexpected error they tell the kind and the place in the
    code, not the message, which may quote what it was about.
    """
    every: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _told_failure(texts),
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=every, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def request_id_from(given: str) -> str:
    """Return the id that a client gave its request if it is well formed, else a new one."""
    return given if _WELL_FORMED.fullmatch(given) else uuid.uuid4().hex


def bind_request_id(request_id: str) -> None:
    """Have what is logged in this context, and in threads that work for it, name the request."""
    structlog.contextvars.bind_contextvars(request_id=request_id)


def _told_failure(texts: bool) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    def told(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.pop("color_message", None)  # uvicorn's, for terminals
        if not texts and event["logger"] == "asyncio":  # its further lines show a task, and the error's message in it
            event["event"] = event["event"].partition("\n")[0]
        found: _ExcInfo | None = event.pop("exc_info", None)
        if not found:
            return event
        kind, error, trace = found
        frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
        event.update(error=kind.__qualname__, trace=frames)
        if texts:
            event["message"] = str(error)
        return event

    return told
