// Validates every body in the folder BODIES as R4 with npm fhir and prints what is wrong. allowed.json has what fhir is
// wrong about, each with the reason; one that fhir no longer says is an error, too.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fhir from "fhir";

const folder = process.env.BODIES;
const allowed = JSON.parse(readFileSync("allowed.json", "utf8")).map((rule) => ({ ...rule, used: 0 }));
const validator = new fhir.Fhir();
assert.equal(validator.validate({ resourceType: "Patient", gender: "x" }).valid, false); // it does find faults

const names = readdirSync(folder).sort();
let faults = 0;
for (const name of names) {
  const body = JSON.parse(readFileSync(join(folder, name), "utf8"));
  for (const { severity, location, message } of validator.validate(body, { errorOnUnexpected: true }).messages) {
    if (severity !== "error" && severity !== "fatal") continue;
    const rule = allowed.find((rule) => new RegExp(rule.location).test(location) && new RegExp(rule.message).test(message));
    if (rule) {
      rule.used++;
      continue;
    }
    faults++;
    console.log(`${name}: ${severity}: ${location}: ${message}\n  ${JSON.stringify(body).slice(0, 600)}`);
  }
}
const unused = allowed.filter((rule) => !rule.used);
for (const rule of unused) console.log(`allowed.json allows what fhir does not say: ${rule.location}: ${rule.message}`);
for (const rule of allowed) console.log(`allowed ${rule.used} times: ${rule.location}: ${rule.message}`);
console.log(`${names.length} bodies, ${faults} faults`);
process.exitCode = names.length === 0 || faults > 0 || unused.length > 0 ? 1 : 0;
