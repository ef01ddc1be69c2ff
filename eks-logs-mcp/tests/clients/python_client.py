"""The Python SDK's client against the server: list, call every tool, page, read, prompt, complete, cancel.

usage: python_client.py stdio SERVER STORE | http URL
"""

import asyncio
import sys

import jsonschema
from mcp import Client, ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import PaginatedRequestParams

NODE = "i-0a1b2c3d4e5f60718"
BUNDLE = f"{NODE}_2026-11-20_0312-UTC_0.7.9"
GIVEN = {
    "instanceId": NODE,
    "instanceIds": [NODE, "i-0bad0bad0bad0bad0"],
    "query": "oom",
    "finding_ids": ["F-001"],
    "clusterName": "prod",
    "logKey": "kernel/dmesg.human.current",
    "executionId": "11111111-2222-3333-4444-555555555555",
    "batchId": "none",
    "report": "The OOM killer took a node daemon [F-001].",
}


def arguments(tool):
    schema = tool.input_schema
    wanted = set(schema.get("required", [])) | {"instanceId"}
    return {name: GIVEN[name] for name in schema["properties"] if name in wanted and name in GIVEN}


async def try_all(session):
    tools = (await session.list_tools()).tools
    assert len(tools) >= 4, tools
    for tool in tools:
        result = await session.call_tool(tool.name, arguments(tool))
        assert result.structured_content is not None, f"{tool.name}: no structured content"
        jsonschema.validate(result.structured_content, tool.output_schema, jsonschema.Draft202012Validator)
        assert result.structured_content["success"] is not bool(result.is_error), result.structured_content
        assert result.content and result.content[0].text, f"{tool.name}: no text"

    rules, cursor, parts = [], None, 0
    while True:
        given = {"cursor": cursor} if cursor else {}
        part = (await session.call_tool("rules", given)).structured_content
        rules += part["rules"]
        parts += 1
        cursor = part.get("answerPart", {}).get("nextCursor")
        if not cursor:
            break
    assert parts > 1 and len(rules) == part["count"] == len({rule["id"] for rule in rules}), (parts, len(rules))

    uris, cursor = [], None
    while True:
        page = await session.list_resources(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        uris += [str(resource.uri) for resource in page.resources]
        cursor = page.next_cursor
        if not cursor:
            break
    assert f"eks-logs://bundle/{BUNDLE}" in uris and len(uris) == len(set(uris)), uris[:5]
    read = await session.read_resource(f"eks-logs://bundle/{BUNDLE}/findings")
    assert "F-001" in read.contents[0].text
    assert len((await session.list_resource_templates()).resource_templates) == 4

    prompts = (await session.list_prompts()).prompts
    assert {prompt.name for prompt in prompts} >= {"incident", "write_report"}
    prompt = await session.get_prompt("incident", {"instanceId": NODE})
    assert NODE in prompt.messages[0].content.text

    # The client gives up; the server must go on.
    try:
        await asyncio.wait_for(session.call_tool("triage", {"instanceId": "i-0e0e0e0e0e0e0e0e0"}), 1.0)
        raise AssertionError("a scan without an end has ended")
    except (asyncio.TimeoutError, TimeoutError):
        pass
    assert (await session.call_tool("errors", {"instanceId": NODE})).structured_content["success"]
    return len(tools)


async def main():
    kind, *rest = sys.argv[1:]
    if kind == "stdio":
        server, store = rest
        parameters = StdioServerParameters(command=server, args=["--store", store, "--tools", "all", "--log", "error"])
        async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
            version = (await session.initialize()).protocol_version
            print("stdio", version, await try_all(session), "tools: ok")
        return
    (url,) = rest
    async with streamable_http_client(url) as streams, ClientSession(streams[0], streams[1]) as session:
        version = (await session.initialize()).protocol_version
        print("http", version, await try_all(session), "tools: ok")
    async with Client(url) as client:
        tools = (await client.list_tools()).tools
        result = await client.call_tool("errors", {"instanceId": NODE})
        assert result.structured_content["success"] and tools
        print("http, modern: ok")


asyncio.run(main())
