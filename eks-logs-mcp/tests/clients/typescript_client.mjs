// The TypeScript SDK's client against the server: list, call every tool, page, read, prompt, complete, cancel. The SDK validates each
// structured content against the schema that the tool declares.
//
// usage: typescript_client.mjs stdio SERVER STORE | http URL
import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const NODE = "i-0a1b2c3d4e5f60718";
const BUNDLE = `${NODE}_2026-11-20_0312-UTC_0.7.9`;
const GIVEN = {
  instanceId: NODE,
  instanceIds: [NODE, "i-0bad0bad0bad0bad0"],
  query: "oom",
  finding_ids: ["F-001"],
  clusterName: "prod",
  logKey: "kernel/dmesg.human.current",
  executionId: "11111111-2222-3333-4444-555555555555",
  batchId: "none",
  report: "The OOM killer took a node daemon [F-001].",
};

const [kind, ...rest] = process.argv.slice(2);

function transport() {
  if (kind === "stdio") {
    const [command, store] = rest;
    return new StdioClientTransport({ command, args: ["--store", store, "--tools", "all", "--log", "error"] });
  }
  return new StreamableHTTPClientTransport(new URL(rest[0]));
}

async function tryAll(mode) {
  const client = new Client({ name: "try", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(transport());

  const { tools } = await client.listTools();
  assert.ok(tools.length >= 4);
  for (const tool of tools) {
    const wanted = new Set([...(tool.inputSchema.required ?? []), "instanceId"]);
    const names = Object.keys(tool.inputSchema.properties).filter((name) => wanted.has(name) && name in GIVEN);
    const result = await client.callTool({ name: tool.name, arguments: Object.fromEntries(names.map((name) => [name, GIVEN[name]])) });
    assert.equal(result.structuredContent.success, !result.isError, JSON.stringify(result.structuredContent).slice(0, 300));
    assert.ok(result.content[0].text, `${tool.name}: no text`);
  }

  const rules = [];
  let cursor;
  let parts = 0;
  do {
    const part = (await client.callTool({ name: "rules", arguments: cursor ? { cursor } : {} })).structuredContent;
    rules.push(...part.rules);
    parts += 1;
    cursor = part.answerPart?.nextCursor;
  } while (cursor);
  assert.ok(parts > 1 && new Set(rules.map((rule) => rule.id)).size === rules.length);

  const uris = [];
  do {
    const page = await client.listResources(cursor ? { cursor } : {});
    uris.push(...page.resources.map((resource) => resource.uri));
    cursor = page.nextCursor;
  } while (cursor);
  assert.ok(uris.includes(`eks-logs://bundle/${BUNDLE}`) && new Set(uris).size === uris.length);
  const read = await client.readResource({ uri: `eks-logs://bundle/${BUNDLE}/findings` });
  assert.match(read.contents[0].text, /F-001/);

  const { prompts } = await client.listPrompts();
  assert.ok(prompts.length >= 5);
  const prompt = await client.getPrompt({ name: "incident", arguments: { instanceId: NODE } });
  assert.match(prompt.messages[0].content.text, new RegExp(NODE));
  const completion = await client.complete({
    ref: { type: "ref/prompt", name: "incident" },
    argument: { name: "instanceId", value: "i-0a" },
  });
  assert.deepEqual(completion.completion.values, [NODE]);

  // The client gives up; the server must go on.
  const stop = new AbortController();
  const endless = client.callTool({ name: "triage", arguments: { instanceId: "i-0e0e0e0e0e0e0e0e0" } }, { signal: stop.signal });
  setTimeout(() => stop.abort("enough"), 500);
  await assert.rejects(endless);
  const after = await client.callTool({ name: "errors", arguments: { instanceId: NODE } });
  assert.equal(after.structuredContent.success, true);
  await client.close();
  console.log(kind, typeof mode === "string" ? mode : mode.pin, tools.length, "tools: ok");
}

await tryAll("legacy");
await tryAll({ pin: "2026-07-28" });
