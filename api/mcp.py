"""The library as an MCP server, for agents: over stdio, and on the service at /mcp. The only import of the SDK."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    RequestId,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.agent_tools import ABOUT, TOOLS, AgentTool, text_of
from api.bounds import Bounds
from api.problems import problem_of
from api.routes.admission import Admission
from api.routes.documents import list_documents
from api.running import Load
from api.schemas import DocumentReply
from index.errors import PinciteError, UsageError
from rag.answer import Answerer

DOCUMENTS = "pincite://documents/"
PAGE = 100  # documents in one answer to a list
MAX_ARGUMENTS = 4 * 2**20  # characters of a call's arguments as JSON: what a verification's body may have
_NESTED = ("filters", "citations")  # arguments that are an object or a list


@dataclass(frozen=True, slots=True)
class Desk:
    """What a server answers with: `answerer` returns it once it is ready, or raises; `admission` gives turns."""

    answerer: Callable[[], Awaitable[Answerer]]
    admission: Admission


def mcp_server(desk: Desk) -> Server[Any]:
    """Return a server whose tools and resources are those of the desk."""
    door = _Door(desk)
    server: Server[Any] = Server(
        "pincite",
        version=version("pincite"),
        title="Pincite",
        instructions=ABOUT,
        on_list_tools=door.list_tools,
        on_call_tool=door.call_tool,
        on_list_resources=door.list_resources,
        on_list_resource_templates=door.list_templates,
        on_read_resource=door.read_resource,
    )
    # The SDK puts one there that tells OpenTelemetry of every call; this tells no one.
    server.middleware.clear()
    return server


class _Door:
    """What the SDK calls: it translates, and what goes wrong becomes one line for the agent, never a traceback."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def list_tools(self, _: object, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_described(tool) for tool in TOOLS.values()])

    async def call_tool(self, _: object, params: CallToolRequestParams) -> CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}; there are {', '.join(TOOLS)}")
        try:
            reply = await self._run(tool, tool.takes.model_validate(_arguments(params.arguments or {})))
        except Exception as error:
            return CallToolResult(content=[_text(problem_of(error).detail)], is_error=True)
        return CallToolResult(
            content=[_text(reply.model_dump_json())], structured_content=reply.model_dump(mode="json")
        )

    async def _run(self, tool: AgentTool, body: BaseModel) -> BaseModel:
        answerer = await self._desk.answerer()
        # A thread cannot be cancelled: a call that is waits for it, and its turn ends with it.
        async with self._desk.admission.turn() if tool.in_turn else nullcontext():
            return await run_in_threadpool(tool.run, body, answerer)

    async def list_resources(self, _: object, params: PaginatedRequestParams | None) -> ListResourcesResult:
        after = params.cursor if params else None
        async with _refusals():
            found = await run_in_threadpool(list_documents, await self._desk.answerer(), PAGE, after)
        return ListResourcesResult(resources=[_resource(one) for one in found.documents], next_cursor=found.next)

    async def list_templates(self, _: object, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        template = ResourceTemplate(
            name="document",
            title="The text of a document",
            uri_template=f"{DOCUMENTS}{{document_id}}",
            description="The whole text that start and end of citations count in; read_passage gives a part of it.",
            mime_type="text/plain",
        )
        return ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(self, _: object, params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = str(params.uri)
        async with _refusals(uri=uri):
            if not uri.startswith(DOCUMENTS):
                raise UsageError(f"there is no resource {uri!r}; documents are at {DOCUMENTS}{{document_id}}")
            text = await run_in_threadpool(text_of, uri.removeprefix(DOCUMENTS), await self._desk.answerer())
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type="text/plain")])


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's arguments; UsageError if they are too long."""
    length = len(json.dumps(given, ensure_ascii=False))
    if length > MAX_ARGUMENTS:
        raise UsageError(f"the arguments have {length:,} characters; send at most {MAX_ARGUMENTS:,} at a time")
    return {name: _unpacked(value) if name in _NESTED else value for name, value in given.items()}


def _unpacked(value: object) -> object:
    """Return an object or a list also where it comes as a text that holds its JSON, as some agents send it."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


@asynccontextmanager
async def _refusals(**data: str) -> AsyncIterator[None]:
    """Turn what goes wrong with a resource into the protocol's errors."""
    try:
        yield
    except Exception as error:
        found = problem_of(error)
        code = INVALID_PARAMS if found.status < 500 else INTERNAL_ERROR
        raise MCPError(code, found.detail, data or None) from None


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _described(tool: AgentTool) -> Tool:
    return Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes.model_json_schema(),
        output_schema=tool.gives.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )


def _resource(document: DocumentReply) -> Resource:
    facts = (document.author, document.publisher, document.published, f"{document.characters:,} characters")
    return Resource(
        uri=f"{DOCUMENTS}{document.document_id}",
        name=document.source,
        title=document.title,
        description="; ".join(fact for fact in facts if fact),
        mime_type="text/plain",
    )


class HttpDoor:
    """The server behind one path of an ASGI app. Every request stands for itself, so any worker may answer it."""

    def __init__(self, desk: Desk) -> None:
        # What the SDK could check too (hosts, origins, lengths) was checked before a request comes here.
        self._requests = StreamableHTTPSessionManager(
            mcp_server(desk), stateless=True, json_response=True, max_request_body_size=sys.maxsize
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer requests while the block runs. Once only."""
        async with self._requests.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Where its client goes, which is how a call is cancelled, so does the call."""
        body = await Request(scope, receive).body()  # here, so that what is wrong with it is told as anywhere else

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async with anyio.create_task_group() as tasks:

            async def leave() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(leave)
            await self._requests.handle_request(scope, replay, send)
            tasks.cancel_scope.cancel()


async def serve_stdio(load: Load, bounds: Bounds) -> None:
    """Answer whoever started this process, over its stdin and stdout, until stdin ends.

    The models are loaded meanwhile, and calls wait for them; raises in the end what they could not be loaded for.
    """
    # Begins when something is first waited for: stdout is the protocol's alone by then.
    loading = asyncio.create_task(asyncio.to_thread(load))

    async def answerer() -> Answerer:
        try:
            return await asyncio.shield(loading)
        except PinciteError as error:
            raise UsageError(str(error)) from None  # which is told whole: whoever asks has started this process

    server = mcp_server(Desk(answerer, Admission(bounds)))
    try:
        async with stdio_server() as streams, _answered_to_the_end(*streams) as (incoming, outgoing):
            with redirect_stdout(sys.stderr):  # what a library prints would come out late, after the protocol's end
                await server.run(incoming, outgoing, server.create_initialization_options())
    except* BrokenPipeError:  # nobody is left to answer
        pass
    (await loading).store.close()


@asynccontextmanager
async def _answered_to_the_end(
    incoming: ObjectReceiveStream[SessionMessage | Exception], outgoing: ObjectSendStream[SessionMessage]
) -> AsyncIterator[tuple[ObjectReceiveStream[SessionMessage | Exception], ObjectSendStream[SessionMessage]]]:
    """Give the streams of a server that hears of the end once all that came before it is answered.

    The SDK ends what it is at with its input, and a script that pipes its requests closes that at once.
    """
    put, taken = anyio.create_memory_object_stream[SessionMessage | Exception]()
    given, told = anyio.create_memory_object_stream[SessionMessage]()
    waiting: set[RequestId] = set()
    answered = anyio.Condition()

    async def bring() -> None:
        async with put, incoming:
            async for item in incoming:
                message = item.message if isinstance(item, SessionMessage) else None
                if isinstance(message, JSONRPCRequest):
                    waiting.add(message.id)
                elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
                    waiting.discard((message.params or {}).get("requestId", ""))  # it may get no answer
                await put.send(item)
            async with answered:
                while waiting:
                    await answered.wait()

    async def tell() -> None:
        async with outgoing:
            async for item in told:
                await outgoing.send(item)
                if isinstance(item.message, JSONRPCResponse | JSONRPCError) and item.message.id is not None:
                    async with answered:
                        waiting.discard(item.message.id)
                        answered.notify_all()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bring)
        tasks.start_soon(tell)
        yield taken, given
        tasks.cancel_scope.cancel()
