// The server as fhir-kit-client sees it. npm_test.go beside this folder starts the server and sets FHIR_BASE_URL,
// FHIR_PREFER (what a write says so that it is answered when it has settled; empty: nothing) and BODIES, the folder that
// takes every body.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "fhir-kit-client";

const { FHIR_BASE_URL: baseUrl, FHIR_PREFER: prefer, BODIES: folder } = process.env;

const fetched = globalThis.fetch;
let count = 0;
globalThis.fetch = async (request) => {
  const response = await fetched(request);
  const body = await response.clone().text();
  if (body) writeFileSync(join(folder, `client-${String(++count).padStart(3, "0")}.json`), body);
  return response;
};

const customHeaders = { "x-api-key": "dev-sender", ...(prefer && { prefer }) };
const client = new Client({ baseUrl, customHeaders });
const other = new Client({ baseUrl, customHeaders: { ...customHeaders, "x-api-key": "dev-other" } });

const system = "https://example.org/fhir-kit-client";
const patient = (value = randomUUID(), more) => ({ resourceType: "Patient", identifier: [{ system, value }], active: true, ...more });
const value = (resource) => resource.identifier[0].value;
const at = (resource) => ({ resourceType: resource.resourceType, id: resource.id });
const create = (body, headers) => client.create({ resourceType: body.resourceType, body, options: { headers } });
const response = (result) => Client.httpFor(result).response;
const find = async (value) =>
  (await client.search({ resourceType: "Patient", searchParams: { identifier: `${system}|${value}` } })).entry ?? [];

// fails tells that a call ends with this status and an OperationOutcome of this code.
async function fails(status, code, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.response?.status, status, error.stack);
    assert.equal(error.response.data.resourceType, "OperationOutcome");
    assert.equal(error.response.data.issue[0].severity, "error");
    if (code) assert.equal(error.response.data.issue[0].code, code);
    return true;
  });
}

test("metadata", async () => {
  const statement = await client.capabilityStatement();
  assert.equal(statement.resourceType, "CapabilityStatement");
  assert.equal(statement.fhirVersion, "4.0.1");
});

test("create, read, update, vread", async () => {
  const created = await create(patient());
  assert.equal(response(created).status, 201);
  assert.equal(response(created).headers.get("location"), `${baseUrl}/Patient/${created.id}/_history/1`);
  assert.equal(response(created).headers.get("etag"), 'W/"1"');
  assert.ok(Date.parse(response(created).headers.get("last-modified")));
  assert.deepEqual(await client.read(at(created)), created);
  const updated = await client.update({ ...at(created), body: { ...created, active: false } });
  assert.equal(response(updated).status, 200);
  assert.equal(response(updated).headers.get("etag"), 'W/"2"');
  assert.equal(updated.meta.versionId, "2");
  assert.equal((await client.read(at(created))).active, false);
  assert.deepEqual(await client.vread({ ...at(created), version: "1" }), created);
});

test("conflict", async () => {
  const created = await create(patient());
  const update = (active, etag) =>
    client.update({ ...at(created), body: { ...created, active }, options: { headers: { "If-Match": etag } } });
  await update(false, 'W/"1"');
  await fails(412, "conflict", () => update(true, 'W/"1"'));
  const now = await client.read(at(created));
  assert.equal(now.active, false);
  assert.equal(now.meta.versionId, "2");
});

test("patch", async () => {
  const created = await create(patient());
  const jsonPatch = [{ op: "test", path: "/active", value: true }, { op: "replace", path: "/active", value: false }];
  const patched = await client.patch({ ...at(created), jsonPatch });
  assert.equal(response(patched).status, 200);
  assert.equal(patched.active, false);
  assert.equal(patched.meta.versionId, "2");
  await fails(422, undefined, () => client.patch({ ...at(created), jsonPatch }));
  await fails(404, "not-found", () => client.patch({ resourceType: "Patient", id: randomUUID(), jsonPatch }));
});

test("delete, and read what is deleted", async () => {
  const created = await create(patient());
  assert.equal(response(await client.delete(at(created))).status, 204);
  await fails(410, "deleted", () => client.read(at(created)));
  assert.deepEqual(await find(value(created)), []);
  assert.equal((await client.vread({ ...at(created), version: "1" })).active, true);
  assert.equal(response(await client.delete(at(created))).status, 204);
  const back = await client.update({ ...at(created), body: created });
  assert.equal(response(back).status, 201);
  assert.equal(back.meta.versionId, "3");
});

test("conditional create", async () => {
  const body = patient();
  const headers = { "If-None-Exist": `identifier=${system}|${value(body)}` };
  const first = await create(body, headers);
  assert.equal(response(first).status, 201);
  const second = await create({ ...body, active: false }, headers);
  assert.equal(response(second).status, 200);
  assert.equal(second.id, first.id);
  assert.equal(second.active, true);
  await create(body);
  await fails(412, "multiple-matches", () => create(body, headers));
  assert.equal((await find(value(body))).length, 2);
});

test("conditional update", async () => {
  const body = patient();
  const update = (more) => client.update({
    resourceType: "Patient", searchParams: { identifier: `${system}|${value(body)}` }, body: { ...body, ...more },
  });
  const first = await update();
  assert.equal(response(first).status, 201);
  const second = await update({ active: false });
  assert.equal(response(second).status, 200);
  assert.equal(second.id, first.id);
  assert.equal(second.meta.versionId, "2");
  await fails(400, undefined, () => update({ id: randomUUID() }));
});

test("transaction", async () => {
  const [changed, gone] = [await create(patient()), await create(patient())];
  const [mother, child] = [patient(), patient()].map((resource) => ({ fullUrl: `urn:uuid:${randomUUID()}`, resource }));
  child.resource.link = [{ other: { reference: mother.fullUrl }, type: "seealso" }];
  const body = {
    resourceType: "Bundle", type: "transaction", entry: [
      { ...child, request: { method: "POST", url: "Patient" } },
      { ...mother, request: { method: "POST", url: "Patient", ifNoneExist: `identifier=${system}|${value(mother.resource)}` } },
      { resource: { ...changed, active: false }, request: { method: "PUT", url: `Patient/${changed.id}`, ifMatch: 'W/"1"' } },
      { request: { method: "DELETE", url: `Patient/${gone.id}` } },
      { request: { method: "GET", url: `Patient/${changed.id}` } },
    ],
  };
  const done = await client.transaction({ body });
  assert.equal(response(done).status, 200);
  assert.equal(done.type, "transaction-response");
  assert.deepEqual(done.entry.map((entry) => entry.response.status.slice(0, 3)), ["201", "201", "200", "204", "200"]);
  assert.equal(done.entry[4].resource.active, false);
  const stored = await client.resolve({ reference: done.entry[0].response.location });
  const parent = await client.resolve({ reference: stored.link[0].other.reference });
  assert.equal(value(parent), value(mother.resource));
  await fails(410, "deleted", () => client.read(at(gone)));
});

test("a transaction that fails leaves nothing", async () => {
  const created = await create(patient());
  const resource = patient();
  await fails(412, "conflict", () => client.transaction({
    body: {
      resourceType: "Bundle", type: "transaction", entry: [
        { fullUrl: `urn:uuid:${randomUUID()}`, resource, request: { method: "POST", url: "Patient" } },
        { resource: created, request: { method: "PUT", url: `Patient/${created.id}`, ifMatch: 'W/"7"' } },
      ],
    },
  }));
  assert.deepEqual(await find(value(resource)), []);
});

test("batch", async () => {
  const resource = patient();
  const done = await client.batch({
    body: {
      resourceType: "Bundle", type: "batch", entry: [
        { resource, request: { method: "POST", url: "Patient" } },
        { request: { method: "GET", url: `Patient/${randomUUID()}` } },
        { request: { method: "DELETE", url: `Patient/${randomUUID()}` } },
      ],
    },
  });
  assert.equal(done.type, "batch-response");
  assert.deepEqual(done.entry.map((entry) => entry.response.status.slice(0, 3)), ["201", "404", "204"]);
  assert.equal(done.entry[1].response.outcome.resourceType, "OperationOutcome");
  assert.equal((await find(value(resource))).length, 1);
});

test("what is wrong is told", async () => {
  const created = await create(patient());
  const unknown = randomUUID();
  await fails(422, undefined, () => create(patient(undefined, { gender: "x" })));
  await fails(404, "not-found", () => client.read({ resourceType: "Patient", id: unknown }));
  await fails(405, "not-supported", () => client.update({ resourceType: "Patient", id: unknown, body: patient(undefined, { id: unknown }) }));
  await fails(404, "not-found", () => other.read(at(created)));
  await fails(400, undefined, () => client.update({ ...at(created), body: { ...created, id: unknown } }));
  await fails(400, undefined, () => client.create({ resourceType: "Patient", body: { resourceType: "Organization", name: "A case" } }));
  await fails(400, undefined, () => client.request("Patient", { method: "POST", body: '{"resourceType":', options: { headers: { "content-type": "application/fhir+json" } } }));
});

test("search, also as a form", async () => {
  const created = await create(patient());
  for (const postSearch of [false, true]) {
    const found = await client.search({
      resourceType: "Patient", searchParams: { identifier: `${system}|${value(created)}` }, options: { postSearch },
    });
    assert.deepEqual(found.entry.map((entry) => entry.resource.id), [created.id]);
  }
});

test("pages of 500 results while others write", async () => {
  const tag = { system, code: randomUUID() };
  const tagged = () => ({ resource: patient(undefined, { meta: { tag: [tag] } }), request: { method: "POST", url: "Patient" } });
  const batch = async (size) => {
    const result = await client.batch({ body: { resourceType: "Bundle", type: "batch", entry: Array.from({ length: size }, tagged) } });
    return result.entry.map((entry) => entry.response.location.match(/Patient\/([^/]+)/)[1]);
  };
  const written = (await Promise.all([batch(250), batch(250)])).flat();
  const found = [];
  let page = await client.search({ resourceType: "Patient", searchParams: { _tag: `${tag.system}|${tag.code}`, _count: 40 } });
  while (page) {
    found.push(...page.entry.map(({ resource }) => resource.id));
    const [, next] = await Promise.all([batch(3), client.nextPage({ bundle: page })]);
    page = next;
  }
  assert.deepEqual(found.toSorted(), written.toSorted());
});
