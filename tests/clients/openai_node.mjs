// Runs the official `openai` package for Node.js against the proxy of the demo: `node openai_node.mjs openai-7`.
// Reads OPENAI_BASE_URL and OPENAI_API_KEY, as the package does. In short what openai_python.py does at length.

import assert from "node:assert/strict";

import { forEvery, runAll, test } from "./cases.mjs";

const packageName = process.argv[2];
const { default: OpenAI } = await import(packageName);
const { VERSION: version } = await import(`${packageName}/version`);

const [GROK, LLAMA, GEMINI] = ["grok-4.3", "llama-3.3-70b", "gemini-2.5-flash"];
const MODELS = [GROK, LLAMA, GEMINI, "gpt-oss-120b", "command-a", "command-a-reasoning"];

// No retries: an error that a retry would hide is one that this is looking for.
const client = new OpenAI({ maxRetries: 0, timeout: 60_000 });
const chat = client.chat.completions;
const user = (content) => [{ role: "user", content }];

const WEATHER = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const TRIP = {
  type: "object",
  properties: {
    city: { type: "string" },
    days: { type: "integer", minimum: 2 },
    stops: { type: "array", items: { type: "string" } },
  },
  required: ["city", "days", "stops"],
  additionalProperties: false,
};

const forEveryModel = (name, run) => forEvery(MODELS, name, run);

/** Asserts that `promise` fails with an error of this class, and returns it. */
async function refused(kind, promise) {
  const error = await promise.then(
    () => assert.fail(`no ${kind.name}`),
    (error) => error,
  );
  assert.equal(error.constructor, kind, String(error));
  assert.ok(error.requestID && error.error.message, String(error));
  return error;
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  return chunks;
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

test("models can be listed and retrieved", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.deepEqual(names, MODELS);
  assert.equal((await client.models.retrieve(LLAMA)).id, LLAMA);
});

forEveryModel("a stream says what a whole answer says", async (model) => {
  const whole = await chat.create({ model, messages: user("Hello!") });
  assert.match(whole.choices[0].message.content, /^Hello! I am a simulated/);
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.ok(whole._request_id);
  const options = { model, messages: user("Hello!"), stream: true, stream_options: { include_usage: true } };
  const chunks = await collect(await chat.create(options));
  assert.equal(textOf(chunks), whole.choices[0].message.content);
  assert.deepEqual(chunks.at(-1).usage, whole.usage);
  assert.equal(chunks.at(-2).choices[0].finish_reason, "stop");
});

forEveryModel("the stream helper puts the answer together", async (model) => {
  const stream = chat.stream({ model, messages: user("Hello!"), stream_options: { include_usage: true } });
  let heard = "";
  stream.on("content", (delta) => (heard += delta));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, heard);
  assert.equal(final.choices[0].finish_reason, "stop");
  assert.ok((await stream.totalUsage()).total_tokens > 0);
});

forEveryModel("the stream helper puts parallel tool calls together", async (model) => {
  const tools = [{ type: "function", function: { name: "get_weather", parameters: WEATHER, strict: true } }];
  const final = await chat.stream({ model, messages: user("Weather in Paris and Tokyo"), tools }).finalChatCompletion();
  const calls = final.choices[0].message.tool_calls;
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments).city), ["Paris", "Tokyo"]);
  assert.equal(new Set(calls.map((call) => call.id)).size, 2);
});

for (const stream of [false, true]) {
  forEveryModel(`the tool runner runs tools, ${stream ? "streamed" : "whole"}`, async (model) => {
    const asked = [];
    const getWeather = ({ city }) => {
      asked.push(city);
      return `${city}: 18 degrees`;
    };
    const tool = { name: "get_weather", function: getWeather, parse: JSON.parse, parameters: WEATHER };
    const runner = chat.runTools({
      model,
      stream,
      messages: user("Compare the weather in Paris, Tokyo and Berlin"),
      tools: [{ type: "function", function: tool }],
    });
    const answer = await runner.finalContent();
    assert.deepEqual(asked, ["Paris", "Tokyo", "Berlin"]);
    for (const city of asked) assert.match(answer, new RegExp(`${city}: 18 degrees`));
  });
}

forEveryModel("structured output keeps to its schema", async (model) => {
  const response_format = { type: "json_schema", json_schema: { name: "trip", strict: true, schema: TRIP } };
  const answer = await chat.create({ model, messages: user("A trip to Tokyo"), response_format });
  const trip = JSON.parse(answer.choices[0].message.content);
  assert.deepEqual(Object.keys(trip), ["city", "days", "stops"]);
  assert.equal(trip.city, "Tokyo");
  const final = await chat.stream({ model, messages: user("A trip to Tokyo"), response_format }).finalContent();
  assert.deepEqual(JSON.parse(final), trip);
});

test("Chinese and reasoning arrive whole", async () => {
  const messages = user("为什么天空是蓝色的？");
  const options = { model: GROK, messages, reasoning_effort: "low" };
  const { message } = (await chat.create(options)).choices[0];
  const chunks = await collect(await chat.create({ ...options, stream: true }));
  assert.equal(textOf(chunks), message.content);
  assert.match(message.content, /为什么天空是蓝色的？/);
  const thoughts = chunks.map((chunk) => chunk.choices[0].delta.reasoning_content ?? "").join("");
  assert.equal(thoughts, message.reasoning_content);
  assert.match(thoughts, /模拟器/);
});

test("streams can be left early", async () => {
  const options = { model: GROK, messages: user("Why is the sky blue?"), n: 8, stream: true };
  for await (const chunk of await chat.create(options)) if (chunk.choices[0].delta.content) break;
  const helper = chat.stream(options);
  helper.once("content", () => helper.abort());
  await assert.rejects(helper.done(), OpenAI.APIUserAbortError);
  assert.ok((await chat.create({ model: GROK, messages: user("Hello!") })).choices[0].message.content);
});

test("errors have their classes", async () => {
  const wrong = new OpenAI({ apiKey: "wrong", maxRetries: 0 });
  for (const stream of [false, true]) {
    const body = { model: GROK, messages: user("Hello!"), stream };
    const denied = await refused(OpenAI.AuthenticationError, wrong.chat.completions.create(body));
    assert.equal(denied.code, "invalid_api_key");
    const unknown = await refused(OpenAI.NotFoundError, chat.create({ ...body, model: "gpt-4o" }));
    assert.deepEqual([unknown.code, unknown.param], ["model_not_found", "model"]);
    const bad = await refused(OpenAI.BadRequestError, chat.create({ ...body, temperature: "hot" }));
    assert.deepEqual([bad.param, bad.type], ["temperature", "invalid_request_error"]);
  }
  await refused(OpenAI.NotFoundError, client.responses.create({ model: GROK, input: "Hello!" }));
});

await runAll(`openai ${version} for Node.js`);
