// What localsqs promises, seen by the AWS SDK for JavaScript. The endpoint, region and credentials are the environment's;
// npm_test.go beside this folder starts the Server, with faults for the queues wrong-md5, throttled and lost-answer.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  BatchEntryIdsNotDistinct, CancelMessageMoveTaskCommand, ChangeMessageVisibilityBatchCommand, ChangeMessageVisibilityCommand,
  CreateQueueCommand, DeleteMessageBatchCommand, DeleteMessageCommand, DeleteQueueCommand, GetQueueAttributesCommand,
  GetQueueUrlCommand, InvalidMessageContents, ListMessageMoveTasksCommand, MessageNotInflight, PurgeQueueCommand,
  QueueDoesNotExist, QueueNameExists, ReceiptHandleIsInvalid, ReceiveMessageCommand, ResourceNotFoundException, SQSClient,
  SendMessageBatchCommand, SendMessageCommand, SetQueueAttributesCommand, StartMessageMoveTaskCommand,
  paginateListDeadLetterSourceQueues, paginateListQueues,
} from "@aws-sdk/client-sqs";

const client = new SQSClient({});
after(() => client.destroy());

const arn = (name) => `arn:aws:sqs:ap-southeast-2:000000000000:${name}`;

async function create(QueueName, Attributes) {
  const out = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
  return out.QueueUrl;
}

const send = (QueueUrl, MessageBody, more) => client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...more }));

async function receive(QueueUrl, more) {
  const out = await client.send(new ReceiveMessageCommand({
    QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ["All"], MessageAttributeNames: ["All"], ...more,
  }));
  return out.Messages ?? [];
}

async function urls(pages, field) {
  const all = [];
  for await (const page of pages) all.push((page[field] ?? []).map((url) => url.split("/").at(-1)));
  return all;
}

test("queues are created, found, listed in pages and deleted", async () => {
  for (const name of ["list-b", "list-a", "list-c"]) await create(name);
  const url = await create("list-a");
  assert.equal((await client.send(new GetQueueUrlCommand({ QueueName: "list-a" }))).QueueUrl, url);
  const list = () => urls(paginateListQueues({ client, pageSize: 2 }, { QueueNamePrefix: "list-" }), "QueueUrls");
  assert.deepEqual(await list(), [["list-a", "list-b"], ["list-c"]]);
  await client.send(new DeleteQueueCommand({ QueueUrl: url }));
  assert.deepEqual(await list(), [["list-b", "list-c"]]);
  await assert.rejects(client.send(new GetQueueUrlCommand({ QueueName: "list-a" })), QueueDoesNotExist);
  await assert.rejects(client.send(new DeleteQueueCommand({ QueueUrl: url })), QueueDoesNotExist);
});

test("attributes are kept and changed", async () => {
  const QueueUrl = await create("attributes", { VisibilityTimeout: "7", MessageRetentionPeriod: "60" });
  await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { DelaySeconds: "1" } }));
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  const { VisibilityTimeout, MessageRetentionPeriod, DelaySeconds, QueueArn, MaximumMessageSize } = Attributes;
  assert.deepEqual({ VisibilityTimeout, MessageRetentionPeriod, DelaySeconds, QueueArn, MaximumMessageSize }, {
    VisibilityTimeout: "7", MessageRetentionPeriod: "60", DelaySeconds: "1", QueueArn: arn("attributes"), MaximumMessageSize: "1048576",
  });
  await assert.rejects(create("attributes", { VisibilityTimeout: "8" }), QueueNameExists);
});

test("a message keeps its body and attributes, and is gone once deleted", async () => {
  const QueueUrl = await create("message", { VisibilityTimeout: "0" });
  const MessageBody = "line one\r\n\ttab <&> \u2028 \u{1F600} \u00fc";
  const MessageAttributes = {
    ReferralType: { DataType: "String", StringValue: "transaction" },
    Size: { DataType: "Number.int", StringValue: "42" },
    Digest: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 255]) },
  };
  const sent = await send(QueueUrl, MessageBody, { MessageAttributes, MessageGroupId: "8003621566684455" });
  const [m] = await receive(QueueUrl);
  assert.equal(m.MessageId, sent.MessageId);
  assert.equal(m.Body, MessageBody);
  assert.equal(m.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.deepEqual(m.MessageAttributes, MessageAttributes);
  assert.equal(m.Attributes.MessageGroupId, "8003621566684455");
  assert.equal(m.Attributes.ApproximateReceiveCount, "1");
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle }));
  assert.deepEqual(await receive(QueueUrl), []);
});

test("a body of 1 MiB comes back, one byte more is refused", async () => {
  const QueueUrl = await create("large");
  const body = "\"".repeat(1 << 20);
  await send(QueueUrl, body);
  const [m] = await receive(QueueUrl);
  assert.ok(m.Body === body, "the body differs");
  await assert.rejects(send(QueueUrl, body + "x"), { name: "InvalidParameterValue" });
});

test("batches fail by entry", async () => {
  const QueueUrl = await create("batch", { VisibilityTimeout: "30" });
  const Entries = [{ Id: "good", MessageBody: "a" }, { Id: "bad", MessageBody: "a\u0000" }, { Id: "late", MessageBody: "b" }];
  const sent = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  assert.deepEqual(sent.Successful.map((e) => e.Id), ["good", "late"]);
  assert.deepEqual(sent.Failed.map((e) => [e.Id, e.Code, e.SenderFault]), [["bad", "InvalidMessageContents", true]]);
  const messages = await receive(QueueUrl);
  assert.deepEqual(messages.map((m) => m.Body), ["a", "b"]);
  const [a, b] = messages.map((m) => m.ReceiptHandle);
  const changed = await client.send(new ChangeMessageVisibilityBatchCommand({
    QueueUrl, Entries: [{ Id: "a", ReceiptHandle: a, VisibilityTimeout: 0 }, { Id: "x", ReceiptHandle: "x", VisibilityTimeout: 0 }],
  }));
  assert.deepEqual([changed.Successful.map((e) => e.Id), changed.Failed.map((e) => e.Id)], [["a"], ["x"]]);
  const [again] = await receive(QueueUrl);
  assert.deepEqual([again.Body, again.Attributes.ApproximateReceiveCount], ["a", "2"]);
  const deleted = await client.send(new DeleteMessageBatchCommand({
    QueueUrl, Entries: [{ Id: "a", ReceiptHandle: again.ReceiptHandle }, { Id: "b", ReceiptHandle: b }, { Id: "x", ReceiptHandle: "x" }],
  }));
  assert.deepEqual([deleted.Successful.map((e) => e.Id), deleted.Failed.map((e) => e.Id)], [["a", "b"], ["x"]]);
});

test("errors have the SDK's types", async () => {
  const QueueUrl = await create("errors");
  await assert.rejects(send(QueueUrl, "a\uffff"), InvalidMessageContents);
  await assert.rejects(send(QueueUrl + "x", "a"), QueueDoesNotExist);
  await assert.rejects(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: "x" })), ReceiptHandleIsInvalid);
  const twice = [{ Id: "a", MessageBody: "a" }, { Id: "a", MessageBody: "b" }];
  await assert.rejects(client.send(new SendMessageBatchCommand({ QueueUrl, Entries: twice })), BatchEntryIdsNotDistinct);
  await send(QueueUrl, "a");
  const [m] = await receive(QueueUrl, { VisibilityTimeout: 0 });
  const change = new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 5 });
  await assert.rejects(client.send(change), MessageNotInflight);
});

test("what was received too often becomes a dead letter", async () => {
  const dead = await create("dead");
  const redrive = { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn("dead"), maxReceiveCount: 2 }), VisibilityTimeout: "0" };
  const QueueUrl = await create("dead-source-a", redrive);
  await create("dead-source-b", redrive);
  await send(QueueUrl, "poison");
  for (const count of ["1", "2"]) assert.equal((await receive(QueueUrl))[0].Attributes.ApproximateReceiveCount, count);
  assert.deepEqual(await receive(QueueUrl), []);
  const [m] = await receive(dead);
  assert.deepEqual([m.Body, m.Attributes.DeadLetterQueueSourceArn], ["poison", arn("dead-source-a")]);
  const pages = paginateListDeadLetterSourceQueues({ client, pageSize: 1 }, { QueueUrl: dead });
  assert.deepEqual(await urls(pages, "queueUrls"), [["dead-source-a"], ["dead-source-b"]]);
});

test("dead letters are moved to another queue, in a task that is listed and cancelled", async () => {
  const SourceArn = arn("move-dead");
  const dead = await create("move-dead");
  await create("move-source", { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: SourceArn, maxReceiveCount: 2 }) });
  const target = await create("move-target");
  const begin = (more) => client.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn: arn("move-target"), ...more }));
  const ended = async () => {
    for (;;) {
      const [{ StartedTimestamp, ...task }] = (await client.send(new ListMessageMoveTasksCommand({ SourceArn }))).Results;
      if (!["RUNNING", "CANCELLING"].includes(task.Status)) return task;
    }
  };
  for (const body of ["a", "b"]) await send(dead, body);
  await begin();
  const task = { SourceArn, DestinationArn: arn("move-target"), ApproximateNumberOfMessagesToMove: 2 };
  assert.deepEqual(await ended(), { ...task, Status: "COMPLETED", ApproximateNumberOfMessagesMoved: 2 });
  assert.deepEqual((await receive(target)).map((m) => m.Body), ["a", "b"]);
  for (const body of ["c", "d"]) await send(dead, body);
  const { TaskHandle } = await begin({ MaxNumberOfMessagesPerSecond: 1 });
  await assert.rejects(begin(), /already a task running/);
  await client.send(new CancelMessageMoveTaskCommand({ TaskHandle }));
  assert.equal((await ended()).Status, "CANCELLED");
  await assert.rejects(begin({ SourceArn: arn("move-absent") }), ResourceNotFoundException);
});

test("a long poll waits for what is sent, also with a delay", async () => {
  const QueueUrl = await create("poll");
  const poll = receive(QueueUrl, { WaitTimeSeconds: 20 });
  await send(QueueUrl, "awaited");
  assert.equal((await poll)[0].Body, "awaited");
  const begin = Date.now();
  await send(QueueUrl, "delayed", { DelaySeconds: 1 });
  assert.equal((await receive(QueueUrl, { WaitTimeSeconds: 20 }))[0].Body, "delayed");
  const took = Date.now() - begin;
  assert.ok(took >= 990 && took < 15_000, `received after ${took} ms`);
});

test("a purge empties its queue", async () => {
  const QueueUrl = await create("purge");
  await send(QueueUrl, "a");
  await client.send(new PurgeQueueCommand({ QueueUrl }));
  assert.deepEqual(await receive(QueueUrl), []);
});

test("the SDK rejects a wrong MD5", async () => {
  await assert.rejects(send(await create("wrong-md5"), "a"), /MD5|checksum/i);
});

test("the SDK tries again when it is throttled", async () => {
  const QueueUrl = await create("throttled");
  const { $metadata } = await send(QueueUrl, "a");
  assert.equal($metadata.attempts, 2);
  assert.equal((await receive(QueueUrl)).length, 1);
});

test("a send whose answer is lost is there twice after the SDK tried again", async () => {
  const QueueUrl = await create("lost-answer");
  await send(QueueUrl, "a");
  assert.deepEqual((await receive(QueueUrl)).map((m) => m.Body), ["a", "a"]);
});
