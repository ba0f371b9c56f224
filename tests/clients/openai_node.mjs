// Runs the official `openai` package for Node.js against the proxy of the demo: `node openai_node.mjs openai-7`.
// Reads OPENAI_BASE_URL and OPENAI_API_KEY, as the package does. In short what openai_python.py does at length.

import assert from "node:assert/strict";

import { forEvery, runAll, test } from "./cases.mjs";
import {
  ALL_MODELS, BREAK, CITIES, CITY, COMPARE, EMBED, GROK, MODELS, NEXT, PIXEL, TRIP, checkDropped, isBlind, refusalsOf,
  speaksCohere, thoughtsOf,
} from "./scene.mjs";

const packageName = process.argv[2];
const { default: OpenAI } = await import(packageName);
const { VERSION: version } = await import(`${packageName}/version`);

// No retries: an error that a retry would hide is one that this is looking for.
const client = new OpenAI({ maxRetries: 0, timeout: 60_000 });
const chat = client.chat.completions;
const user = (content) => [{ role: "user", content }];

const forEveryModel = (name, run, ...cells) => forEvery(MODELS, name, run, ...cells);
const DROPPED = "x-ociai-dropped-params";

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
  assert.deepEqual(names, ALL_MODELS);
  for (const name of names) assert.equal((await client.models.retrieve(name)).id, name);
});

test("embeddings are unpacked from the base64 that the package asks for", async () => {
  const input = Array.from({ length: 120 }, (_, number) => `text ${number}`);
  const ask = (more) => client.embeddings.create({ model: EMBED, input, dimensions: 256, ...more });
  const [packed, plain] = await Promise.all([ask(), ask({ encoding_format: "float" })]);
  assert.equal(packed.data.length, input.length);
  assert.equal(packed.usage.prompt_tokens, 2 * input.length);
  packed.data.forEach(({ index, embedding }, at) => {
    assert.equal(index, at);
    assert.equal(embedding.length, 256);
    embedding.forEach((number, place) => assert.ok(Math.abs(number - plain.data[at].embedding[place]) < 1e-7));
  });
  const error = await refused(OpenAI.BadRequestError, client.embeddings.create({ model: EMBED, input: [1, 2] }));
  assert.equal(error.param, "input");
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
}, "chat", "stream");

forEveryModel("the stream helper puts the answer together", async (model) => {
  const stream = chat.stream({ model, messages: user("Hello!"), stream_options: { include_usage: true } });
  let heard = "";
  stream.on("content", (delta) => (heard += delta));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, heard);
  assert.equal(final.choices[0].finish_reason, "stop");
  assert.ok((await stream.totalUsage()).total_tokens > 0);
}, "stream");

forEveryModel("the stream helper puts parallel tool calls together", async (model) => {
  const tools = [{ type: "function", function: { name: "get_weather", parameters: CITY, strict: true } }];
  const final = await chat.stream({ model, messages: user("Weather in Paris and Tokyo"), tools }).finalChatCompletion();
  const calls = final.choices[0].message.tool_calls;
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments).city), ["Paris", "Tokyo"]);
  assert.equal(new Set(calls.map((call) => call.id)).size, 2);
}, "streamed parallel tools");

for (const stream of [false, true]) {
  forEveryModel(`the tool runner runs tools and the conversation goes on, ${stream ? "streamed" : "whole"}`, async (model) => {
    const asked = [];
    const getWeather = ({ city }) => {
      asked.push(city);
      return `${city}: 18 degrees`;
    };
    const tool = { name: "get_weather", function: getWeather, parse: JSON.parse, parameters: CITY };
    let messages = [{ role: "system", content: "Be brief." }];
    for (const [question, cities] of [[COMPARE, CITIES], [NEXT, ["Tokyo"]], ["Compare Berlin and Tokyo", ["Berlin", "Tokyo"]]]) {
      asked.length = 0;
      messages = [...messages, ...user(question)];
      const runner = chat.runTools({ model, stream, messages, tools: [{ type: "function", function: tool }] });
      const answer = await runner.finalContent();
      assert.deepEqual(asked, cities);
      for (const city of cities) assert.match(answer, new RegExp(`${city}: 18 degrees`));
      messages = runner.messages;
    }
    assert.deepEqual(messages.filter(({ role }) => role === "tool").length, 6);
  }, "tools", ...(stream ? ["streamed parallel tools"] : []));
}

forEveryModel("structured output keeps to its schema", async (model) => {
  const response_format = { type: "json_schema", json_schema: { name: "trip", strict: true, schema: TRIP } };
  const answer = await chat.create({ model, messages: user("A trip to Tokyo"), response_format });
  const trip = JSON.parse(answer.choices[0].message.content);
  assert.deepEqual(Object.keys(trip), ["city", "days", "stops"]);
  assert.equal(trip.city, "Tokyo");
  const final = await chat.stream({ model, messages: user("A trip to Tokyo"), response_format }).finalContent();
  assert.deepEqual(JSON.parse(final), trip);
}, "structured output");

forEveryModel("an image is seen, or refused by name", async (model) => {
  const image_url = { url: `data:image/png;base64,${PIXEL}`, detail: "low" };
  const body = { model, messages: user([{ type: "text", text: "Hello!" }, { type: "image_url", image_url }]) };
  if (!isBlind(model)) {
    assert.match((await chat.create(body)).choices[0].message.content, /you attached 1 image/);
    assert.match(await chat.stream(body).finalContent(), /you attached 1 image/);
    return;
  }
  for (const stream of [false, true]) {
    const error = await refused(OpenAI.BadRequestError, chat.create({ ...body, stream }));
    assert.match(error.message, /image/);
    // The other one's refusal comes from OCI, which does not say where the image is.
    assert.equal(error.param, speaksCohere(model) ? "messages[0].content[1]" : null);
  }
}, "image");

forEveryModel("an effort of reasoning is taken, or told to be left out", async (model) => {
  const body = { model, messages: user("Hello!"), reasoning_effort: "low" };
  const whole = await chat.create(body).withResponse();
  const streamed = await chat.create({ ...body, stream: true, stream_options: { include_usage: true } }).withResponse();
  const { message } = whole.data.choices[0];
  const chunks = await collect(streamed.data);
  assert.match(message.content, /I am a simulated/);
  assert.equal(textOf(chunks), message.content);
  const thoughts = chunks.map((chunk) => chunk.choices[0]?.delta.reasoning_content ?? "").join("");
  assert.equal(thoughts, message.reasoning_content ?? "");
  const kind = thoughtsOf(model);
  assert.match(thoughts, kind === "shown" ? /^The user asks/ : /^$/);
  for (const { completion_tokens_details: details } of [whole.data.usage, chunks.at(-1).usage])
    assert.equal((details?.reasoning_tokens ?? 0) > 0, kind !== "dropped");
  for (const { response } of [whole, streamed]) checkDropped(model, response.headers.get(DROPPED));
}, "reasoning");

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
  await refused(OpenAI.NotFoundError, client.moderations.create({ input: "Hello!" }));
});

forEveryModel("what a model refuses has its class and code", async (model) => {
  const kinds = { 429: OpenAI.RateLimitError, 400: OpenAI.BadRequestError };
  for (const stream of [false, true]) {
    for (const [words, status, code] of refusalsOf(model)) {
      const error = await refused(kinds[status], chat.create({ model, stream, messages: user(`Please ${words}.`) }));
      assert.equal(error.code, code);
      assert.equal(error.headers.has("retry-after"), status === 429);
    }
    const error = await refused(OpenAI.BadRequestError, chat.create({ model, stream, messages: user("Hello!"), n: 1000 }));
    assert.equal(error.param, "n");
    if (!speaksCohere(model)) continue;
    const answer = await chat.create({ model, stream, messages: user("Please simulate a filter.") });
    const last = stream ? (await collect(answer)).at(-1) : answer;
    assert.equal(last.choices[0].finish_reason, "content_filter");
  }
}, "errors");

forEveryModel("a stream that breaks off fails and has no end, however slow its reader is", async (model) => {
  const chunks = [];
  const read = async () => {
    for await (const chunk of await chat.create({ model, stream: true, messages: user(BREAK) })) {
      // The break comes meanwhile. A connection that is cut would take what was not read yet with it.
      if (!chunks.length) await new Promise((resolve) => setTimeout(resolve, 1000));
      chunks.push(chunk);
    }
  };
  const error = await read().then(() => assert.fail(`it ended: ${JSON.stringify(chunks.at(-1))}`), (error) => error);
  assert.equal(error.constructor, OpenAI.APIError, String(error));
  assert.ok(error.error.message, String(error));
  // One that thinks first does not get to its text.
  assert.ok(chunks.some(({ choices: [{ delta }] }) => delta.content || delta.reasoning_content));
  assert.ok(chunks.every((chunk) => !chunk.choices[0].finish_reason));
}, "errors");

// The Responses API and the legacy completions. Tools are flat there.
const WEATHER = { type: "function", name: "get_weather", description: "The weather in a city", strict: true, parameters: CITY };

/** The response: whole, or out of the last event of a stream, which has said the same piece by piece. */
async function respond(stream, options) {
  if (!stream) return client.responses.create(options);
  const events = [];
  for await (const event of await client.responses.create({ ...options, stream })) events.push(event);
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  const last = events.at(-1);
  assert.equal(last.type, "response.completed");
  const done = events.filter((event) => event.type === "response.output_item.done").map((event) => event.item);
  assert.deepEqual(done, last.response.output);
  const pieces = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
  return { ...last.response, output_text: pieces.join("") };
}

forEveryModel("a response calls tools and the conversation goes on, whole and streamed", async (model) => {
  for (const stream of [false, true]) {
    const input = [{ role: "user", content: COMPARE }];
    const first = await respond(stream, { model, input, tools: [WEATHER] });
    const calls = first.output.filter((item) => item.type === "function_call");
    assert.deepEqual(calls.map((call) => JSON.parse(call.arguments).city), CITIES);
    input.push(...first.output);
    for (const [at, { call_id }] of calls.entries()) {
      input.push({ type: "function_call_output", call_id, output: `${CITIES[at]}: 18 degrees` });
    }
    const second = await respond(stream, { model, input, tools: [WEATHER] });
    for (const city of CITIES) assert.match(second.output_text, new RegExp(`${city}: 18 degrees`));
    assert.ok(second.usage.total_tokens > 0);
  }
});

forEveryModel("structured output of a response is parsed, by the stream helper too", async (model) => {
  const format = { type: "json_schema", name: "trip", strict: true, schema: TRIP };
  const options = { model, input: "A trip to Tokyo", text: { format } };
  const parsed = await client.responses.parse(options);
  assert.equal(parsed.output_parsed.city, "Tokyo");
  const final = await client.responses.stream(options).finalResponse();
  // The helper of version 6 parses only what a schema's library gave it.
  assert.deepEqual(JSON.parse(final.output_text), parsed.output_parsed);
});

test("what would have to be stored is refused, and a broken response is an error", async () => {
  const options = { model: GROK, input: "Hello!", previous_response_id: "resp_1" };
  const error = await refused(OpenAI.BadRequestError, client.responses.create(options));
  assert.equal(error.param, "previous_response_id");
  await refused(OpenAI.NotFoundError, client.responses.retrieve("resp_1"));
  await assert.rejects(respond(true, { model: GROK, input: BREAK }), OpenAI.APIError);
});

forEveryModel("a prompt is completed", async (model) => {
  const whole = await client.completions.create({ model, prompt: "Hello!" });
  assert.match(whole.choices[0].text, /^Hello! I am a simulated/);
  let text = "";
  for await (const piece of await client.completions.create({ model, prompt: "Hello!", stream: true })) {
    assert.equal(piece.object, "text_completion");
    text += piece.choices[0].text;
  }
  assert.equal(text, whole.choices[0].text);
});

await runAll(`openai ${version} for Node.js`);
