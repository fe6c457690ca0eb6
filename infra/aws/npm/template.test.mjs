// The template through AWS's own offline validator, schemas of all resource types included; and, that it would have said
// so, with a fault in it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import validator from '@aws/cloudformation-validate';

// What SAM makes of an Api, Api.Stage, is no name that the validator knows.
const template = readFileSync('template.yaml', 'utf8').replaceAll('!Ref Api.Stage', 'live').replaceAll('${Api.Stage}', 'live');

const engine = new validator.RegoEngine();

function faults(text) {
  writeFileSync('checked.yaml', text);
  return engine.validateStandard(new validator.TemplateFile('checked.yaml'), {}).diagnostics
    .filter((d) => ['FATAL', 'ERROR'].includes(d.severity.toUpperCase()))
    .map((d) => `${d.ruleId} ${d.message.slice(0, 300)}`);
}

test('the template has no fault', () => {
  assert.deepEqual(faults(template), []);
});

for (const [name, from, to] of [
  ['a wrong type', 'VisibilityTimeout: 96', 'VisibilityTimeout: soon'],
  ['an unknown property', 'KmsMasterKeyId: !GetAtt Key.Arn', 'KmsMainKeyId: !GetAtt Key.Arn'],
  ['a name that nothing has', '!GetAtt DeadLetterQueue.Arn', '!GetAtt DeadQueue.Arn'],
]) {
  test(`${name} is found`, () => {
    const wrong = template.replace(from, to);
    assert.notEqual(wrong, template);
    assert.notDeepEqual(faults(wrong), []);
  });
}
