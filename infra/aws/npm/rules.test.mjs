// The template against rules.guard, by AWS's cfn-guard; and, for each rule, that it would have said so.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

const system = { linux: 'ubuntu', darwin: 'macos' }[process.platform];
const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch];
const guard = `node_modules/@cdklabs/cdk-validator-cfnguard/bin/${system}/${machine}/cfn-guard`;
const template = readFileSync('template.yaml', 'utf8');

// broken are the rules that text breaks.
function broken(text) {
  writeFileSync('guarded.yaml', text);
  const run = spawnSync(guard, ['validate', '--data', 'guarded.yaml', '--rules', 'rules.guard', '--show-summary', 'all'], { encoding: 'utf8' });
  assert.equal(run.error, undefined);
  assert.match(run.stdout, /rules\.guard\/\w+ +(PASS|FAIL)/, run.stderr);
  const rules = [...run.stdout.matchAll(/rules\.guard\/(\w+) +FAIL/g)].map((m) => m[1]);
  assert.equal(run.status === 0, rules.length === 0, run.stderr);
  return rules;
}

test('the template breaks no rule', () => {
  assert.deepEqual(broken(template), []);
});

for (const [rule, from, to] of [
  ['data_is_kept', '    DeletionPolicy: RetainExceptOnCreate\n', '    DeletionPolicy: Delete\n'],
  ['data_is_kept', 'VersioningConfiguration: {Status: Enabled}', 'VersioningConfiguration: {Status: Suspended}'],
  ['data_is_encrypted', '      KmsMasterKeyId: !GetAtt Key.Arn\n', ''],
  ['patients_are_encrypted_with_the_key', ', KMSMasterKeyID: !GetAtt Key.Arn', ''],
  ['nothing_is_public', 'BlockPublicPolicy: true', 'BlockPublicPolicy: false'],
  ['nothing_is_public', 'PubliclyAccessible: false', 'PubliclyAccessible: true'],
  ['nothing_is_public', 'CidrIp: !Ref VpcCidr, Description: From the functions}', 'CidrIp: 0.0.0.0/0, Description: From the functions}'],
  ['nothing_is_public', '  RouteTable:\n', '  Gateway: {Type: AWS::EC2::InternetGateway}\n\n  RouteTable:\n'],
  ['nobody_comes_without_tls', "'aws:SecureTransport': 'false'", "'aws:SecureTransport': 'true'"],
  ['nobody_comes_without_tls', 'SecurityPolicy: TLS_1_2', 'SecurityPolicy: TLS_1_0'],
  ['logs_end', 'RetentionInDays: !Ref LogRetentionDays, ', ''],
  ['secrets_are_secrets', '          REFERRAL_AUTH: !Ref Auth\n', '          REFERRAL_KEY_PEPPER: c3ludGhldGlj\n'],
  ['secrets_are_secrets', '      Description: Login of the functions\n', '      SecretString: synthetic\n'],
  ['roles_are_least', 'Action: s3:PutObject, Resource', 'Action: s3:*, Resource'],
  ['roles_are_least', 'Action: [kms:Decrypt, kms:GenerateDataKey], Resource: !GetAtt Key.Arn', "Action: kms:Decrypt, Resource: '*'"],
  ['roles_are_least', 'policy/AWSXRayDaemonWriteAccess', 'policy/AdministratorAccess'],
  ['functions_are_bounded', '      ReservedConcurrentExecutions: 1\n', ''],
  ['the_api_has_one_door', 'DisableExecuteApiEndpoint: true', 'DisableExecuteApiEndpoint: false'],
  ['the_firewall_keeps_no_request', 'SampledRequestsEnabled: false', 'SampledRequestsEnabled: true'],
  ['somebody_is_told', '      OKActions: [!Ref Alarms]\n', ''],
]) {
  test(`${rule} is broken by ${JSON.stringify(to)}`, () => {
    const wrong = template.replace(from, to);
    assert.notEqual(wrong, template);
    assert.deepEqual(broken(wrong), [rule]);
  });
}

test('each rule has such a case', () => {
  const cases = readFileSync('rules.test.mjs', 'utf8');
  const rules = [...readFileSync('rules.guard', 'utf8').matchAll(/^rule (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(rules.filter((rule) => !cases.includes(`['${rule}', `)), []);
});
