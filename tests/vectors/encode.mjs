// An encoder written from ARCHITECTURE.md, section 8, and from nothing else: where it makes the
// published hashes, that text is enough to write one. Node.js and its standard library only.
//
// Usage: node tests/vectors/encode.mjs

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const bytesOf = (value) => (Buffer.isBuffer(value) ? value : Buffer.from(value, "utf8"));

function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

function u64(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
}

function i64(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(number));
  return bytes;
}

function f64(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(number);
  return bytes;
}

function lp(value) {
  const bytes = bytesOf(value);
  return Buffer.concat([u32(bytes.length), bytes]);
}

const list = (items) => Buffer.concat([u32(items.length), ...items.map(lp)]);
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map(bytesOf))).digest();
const digest = (tag, fields) => sha256(lp(tag), list(fields));

// --- requests -----------------------------------------------------------------------------------

const target = (it) => list([it.operation, it.kind, it.id, it.sphere ?? ""]);
const item = (it) => list([it.kind, it.id, it.sphere ?? "", it.content]);
const items = (request) => list(request.context_items.map(item));
const flags = (...values) => Buffer.from(values.map((value) => (value ? 1 : 0)));
const routing = (it) =>
  list([
    it.task_type,
    it.priority,
    it.strategy,
    it.preferred_provider,
    it.preferred_model,
    list(it.required_capabilities),
    list(it.allowed_providers),
    list(it.forbidden_providers),
    list(it.regions),
  ]);

const told = (value, bytes) => (value === null ? "" : bytes(value));

const part = (it) =>
  list([
    it.kind,
    it.text,
    it.call_id,
    it.name,
    it.signature,
    it.redacted,
    flags(it.is_error, it.cached),
    ...(it.media ? medium(it.media) : []),
  ]);
const medium = (it) => [it.media_type, it.url, Buffer.from(it.sha256, "hex"), i64(it.size)];
const message = (it) => list([it.role, list(it.parts.map(part))]);
const messages = (conversation) => list(conversation.messages.map(message));
const tool = (it) => list([it.name, it.effect, it.description, it.parameters]);
const toolUse = (it) => list([it.choice, it.tool, told(it.parallel, flags)]);
const sampling = (it) =>
  list([
    told(it.temperature, f64),
    told(it.top_p, f64),
    list(it.stop),
    told(it.seed, i64),
    told(it.presence_penalty, f64),
    told(it.frequency_penalty, f64),
  ]);
const conversation = (it) =>
  list([
    messages(it),
    list(it.tools.map(tool)),
    toolUse(it.tool_use),
    sampling(it.sampling),
    list([it.response_format.kind, it.response_format.name, it.response_format.schema]),
    list([it.thinking.effort, i64(it.thinking.budget_tokens)]),
  ]);

function requestDigest(request) {
  return digest("chenu.request.v2", [
    request.mode,
    conversation(request.conversation),
    list(request.intents),
    request.sphere,
    target(request.target),
    items(request),
    request.agent_role,
    routing(request.routing),
    i64(request.max_output_tokens),
    i64(request.max_cost_nanousd),
    flags(request.detached, request.resume_on_approval, request.validate_only),
    request.thread_id,
    request.run_id,
    list(request.labels.map(list)),
    list([request.agent_id, request.department]),
  ]);
}

function contextHash(caller, request) {
  return digest("chenu.context.v2", [
    caller.identity_id,
    request.sphere,
    request.thread_id,
    items(request),
    messages(request.conversation),
  ]);
}

function actionDigest({ caller, request, lane_c: laneC, max_cost_nanousd: maxCost }) {
  const byBytes = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));
  return digest("chenu.action.v2", [
    caller.identity_id,
    caller.principal.type,
    caller.principal.id,
    list(caller.acting_for),
    request.mode,
    list([...request.intents].sort(byBytes)),
    request.target.operation || "nova.query",
    target(request.target),
    list([laneC.system, conversation(request.conversation), i64(laneC.output_cap)]),
    contextHash(caller, request),
    list([request.agent_role, routing(request.routing), request.agent_id, request.department]),
    i64(maxCost),
  ]);
}

// --- lane C's user text -------------------------------------------------------------------------

const ESCAPES = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "\n": "&#10;", "\r": "&#13;" };
const escaped = (value) => value.replace(/[&"<>\n\r]/g, (character) => ESCAPES[character]);

function delimiter({ context_items: given, text }) {
  const everything = [text, ...given.flatMap((it) => [it.kind, it.id, it.content])];
  for (let number = 0; ; number += 1) {
    const said = list([list(["user", list([list(["text", text, "", "", "", "", flags(0, 0)])])])]);
    const made = [list(given.map(item)), i64(number), ...(number ? [said] : [])];
    const tag = digest("chenu.block.v2", made).toString("hex").slice(0, 16);
    if (!everything.some((each) => each.includes(tag))) return tag;
  }
}

function userText(request) {
  if (!request.context_items.length) {
    return { tag: "", user: /^\n*<context-/.test(request.text) ? `\n${request.text}` : request.text };
  }
  const tag = delimiter(request);
  const blocks = request.context_items.map(
    (it) =>
      `<context-${tag} kind="${escaped(it.kind)}" id="${escaped(it.id)}">\n${it.content}\n</context-${tag}>`,
  );
  return { tag, user: [...blocks, request.text].join("\n\n") };
}

// --- the ledger ---------------------------------------------------------------------------------

function sealed(ledger, batch, draft, sequence, previous) {
  const salt = Buffer.from(draft.salt, "hex");
  const payloadDigest = sha256(salt, draft.payload);
  const canonical = Buffer.concat([
    lp("chenu.ledger.v1"),
    lp(ledger.origin),
    u32(ledger.ledger_number),
    u64(sequence),
    lp(draft.entry_id),
    lp(batch.batch_id),
    i64(batch.time_us),
    lp(draft.decision),
    lp(draft.action),
    lp(draft.identity_id),
    lp(draft.principal_type),
    lp(draft.principal_id),
    list(draft.acting_for),
    lp(draft.resource_kind),
    lp(draft.resource_id),
    lp(draft.reason),
    lp(payloadDigest),
    lp(previous),
  ]);
  return {
    sequence,
    canonical: canonical.toString("hex"),
    payload_digest: payloadDigest.toString("hex"),
    prev_hash: previous.toString("hex"),
    entry_hash: sha256(Buffer.from([0]), canonical).toString("hex"),
  };
}

function line(ledger, batch, draft, entry) {
  return JSON.stringify({
    origin: ledger.origin,
    ledger: ledger.ledger_number,
    sequence: entry.sequence,
    entry_id: draft.entry_id,
    batch_id: batch.batch_id,
    time_us: batch.time_us,
    decision: draft.decision,
    action: draft.action,
    identity_id: draft.identity_id,
    principal_type: draft.principal_type,
    principal_id: draft.principal_id,
    acting_for: draft.acting_for,
    resource_kind: draft.resource_kind,
    resource_id: draft.resource_id,
    reason: draft.reason,
    payload_digest: entry.payload_digest,
    prev_hash: entry.prev_hash,
    entry_hash: entry.entry_hash,
    salt: draft.salt,
    payload: draft.payload,
  });
}

// --- the comparison -----------------------------------------------------------------------------

let compared = 0;
const wrong = [];

function same(what, expected, actual) {
  compared += 1;
  if (expected !== actual) wrong.push(`${what}:\n  published ${expected}\n  made here ${actual}`);
}

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
const fromHex = (text) => Buffer.from(text, "hex");

const canonical = read("canonical.json");
for (const vector of canonical.encode_list) {
  same("list", vector.encoded, list(vector.items.map(fromHex)).toString("hex"));
}
for (const vector of canonical.digest) {
  same("digest", vector.digest, digest(vector.tag, vector.fields.map(fromHex)).toString("hex"));
}

const request = read("request.json");
const { caller, request: asked } = request.input;
same("content_digest", request.content_digest, requestDigest(asked).toString("hex"));
same("context_hash", request.context_hash, contextHash(caller, asked).toString("hex"));
same("action_digest", request.action_digest, actionDigest(request.input).toString("hex"));

for (const prompt of read("prompts.json")) {
  const { tag, user } = userText(prompt);
  same(`tag ${prompt.name}`, prompt.tag, tag);
  same(`user text ${prompt.name}`, prompt.user, user);
}

const ledger = read("ledger.json");
const lines = [];
let [size, head] = [0, Buffer.alloc(32)];
for (const batch of ledger.batches) {
  batch.drafts.forEach((draft, place) => {
    const entry = sealed(ledger, batch, draft, size + 1, head);
    for (const [name, value] of Object.entries(batch.sealed[place])) {
      same(`entry ${size + 1} ${name}`, value, entry[name]);
    }
    lines.push(line(ledger, batch, draft, entry));
    [size, head] = [entry.sequence, fromHex(entry.entry_hash)];
  });
}
lines.push(
  JSON.stringify({
    origin: ledger.origin,
    ledger: ledger.ledger_number,
    entries: size,
    head: head.toString("hex"),
  }),
);
ledger.export.forEach((published, place) => same(`line ${place + 1}`, published, lines[place]));
same("lines", ledger.export.length, lines.length);

if (wrong.length > 0) {
  console.error(wrong.join("\n"));
  process.exit(1);
}
console.log(`${compared} values as published`);
