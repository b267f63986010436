// Uses the generated stubs as a client would, against the server at CHENU_ADDRESS.
import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorReason } from "../gen/chenu/api/errors/v1/error_reason_pb.js";
import { BudgetSchema, BudgetScope } from "../gen/chenu/api/governance/v1/budget_service_pb.js";
import { IdentityService } from "../gen/chenu/api/governance/v1/identity_service_pb.js";
import { QueryState } from "../gen/chenu/api/pipeline/v1/message_pb.js";
import { PipelineService, QueryRequestSchema } from "../gen/chenu/api/pipeline/v1/pipeline_service_pb.js";

const budget = create(BudgetSchema, { scope: BudgetScope.IDENTITY, subject: "acme" });
assert.equal(budget.scope, BudgetScope.IDENTITY);
assert.equal(budget.subject, "acme");

const withToken: Interceptor = (next) => (request) => {
  request.header.set("authorization", `Bearer ${process.env.CHENU_TOKEN}`);
  return next(request);
};
const transport = createGrpcTransport({
  baseUrl: `http://${process.env.CHENU_ADDRESS}`,
  interceptors: [withToken],
  defaultTimeoutMs: 20_000,
});

const who = await createClient(IdentityService, transport).whoAmI({});
assert.equal(who.identityId, "acme");

const pipeline = createClient(PipelineService, transport);
const answered = await pipeline.query(create(QueryRequestSchema, { text: "Hello" }));
assert.equal(answered.query?.state, QueryState.COMPLETED);

await assert.rejects(pipeline.query({}), (refused: unknown) => {
  const status = ConnectError.from(refused).details[0];
  assert.ok(status && "type" in status && status.type === "google.rpc.ErrorInfo");
  // ErrorInfo.reason is field 1: a tag, a length, the text.
  const reason = new TextDecoder().decode(status.value.subarray(2, 2 + status.value[1]!));
  assert.equal(ErrorReason[reason as keyof typeof ErrorReason], ErrorReason.INVALID_FIELD);
  return true;
});
