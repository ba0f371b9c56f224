// Runs Vercel's AI SDK with its provider for OpenAI-compatible services, which Cline, Cherry Studio and others are built
// on, against the proxy of the demo. Reads OPENAI_BASE_URL and OPENAI_API_KEY.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateObject, generateText, jsonSchema, Output, stepCountIs, streamObject, streamText, tool } from "ai";

import { forEvery, runAll, test } from "./cases.mjs";
import {
  BREAK, CITIES, CITY, COMPARE, GROK, MODELS, NEXT, PIXEL, TRIP, checkDropped, isBlind, refusalsOf, speaksCohere, thoughtsOf,
} from "./scene.mjs";

const { version } = JSON.parse(await readFile(new URL("node_modules/ai/package.json", import.meta.url), "utf8"));

const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey } = process.env;
const settings = { name: "ociai", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true };
const provider = createOpenAICompatible(settings);

const forEveryModel = (name, run, ...cells) => forEvery(MODELS, name, run, ...cells);

// No retries: an error that a retry would hide is one that this is looking for.
const asked = (name, options) => ({ model: provider(name), maxRetries: 0, ...options });

const CITY_SCHEMA = jsonSchema(CITY);
const TRIP_SCHEMA = jsonSchema(TRIP);
const DROPPED = "x-ociai-dropped-params";

/** A tool that answers, and the cities that it was asked about. */
function weather() {
  const cities = [];
  const execute = async ({ city }) => {
    cities.push(city);
    return `${city}: 18 degrees`;
  };
  return { cities, tools: { get_weather: tool({ description: "The weather in a city", inputSchema: CITY_SCHEMA, execute }) } };
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

function checkUsage({ inputTokens, outputTokens, totalTokens }) {
  assert.ok(inputTokens > 0 && outputTokens > 0);
  assert.equal(totalTokens, inputTokens + outputTokens);
}

/** What holds for both kinds of loop: one step with a call for each city, one with the answer. */
function checkLoop(steps, text, cities) {
  assert.deepEqual(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
  assert.deepEqual(cities, CITIES);
  assert.equal(new Set(steps[0].toolCalls.map((call) => call.toolCallId)).size, CITIES.length);
  assert.deepEqual(steps[0].toolCalls.map((call) => call.input.city), CITIES);
  for (const city of CITIES) assert.match(text, new RegExp(`${city}: 18 degrees`));
}

forEveryModel("a stream says what a whole answer says", async (model) => {
  const whole = await generateText(asked(model, { prompt: "Hello!" }));
  assert.match(whole.text, /Hello! I am a simulated/);
  assert.equal(whole.finishReason, "stop");
  checkUsage(whole.usage);
  const stream = streamText(asked(model, { prompt: "Hello!" }));
  const parts = await collect(stream.fullStream);
  assert.deepEqual(parts.filter((part) => part.type === "error"), []);
  const deltas = parts.filter((part) => part.type === "text-delta");
  assert.ok(deltas.length > 3);
  assert.equal(deltas.map((part) => part.text).join(""), whole.text);
  assert.equal(await stream.finishReason, "stop");
  assert.deepEqual(await stream.usage, whole.usage);
}, "chat", "stream");

forEveryModel("a limit of tokens is kept", async (model) => {
  const { finishReason, text } = await generateText(asked(model, { prompt: "Hello!", maxOutputTokens: 5 }));
  assert.deepEqual([finishReason, text.trim().split(" ").length], ["length", 5]);
});

forEveryModel("an agent calls tools in parallel and uses their results, whole", async (model) => {
  const { cities, tools } = weather();
  const result = await generateText(asked(model, { prompt: COMPARE, tools, stopWhen: stepCountIs(5) }));
  checkLoop(result.steps, result.text, cities);
}, "tools");

forEveryModel("an agent calls tools in parallel and uses their results, streamed", async (model) => {
  const { cities, tools } = weather();
  const result = streamText(asked(model, { prompt: COMPARE, tools, stopWhen: stepCountIs(5) }));
  const parts = await collect(result.fullStream);
  assert.deepEqual(parts.filter((part) => part.type === "error"), []);
  checkLoop(await result.steps, await result.text, cities);
  const inputs = {};
  for (const part of parts) if (part.type === "tool-input-delta") inputs[part.id] = (inputs[part.id] ?? "") + part.delta;
  assert.deepEqual(Object.values(inputs).map((text) => JSON.parse(text).city), CITIES);
}, "streamed parallel tools");

for (const streamed of [false, true]) {
  forEveryModel(`a conversation goes on after tools, ${streamed ? "streamed" : "whole"}`, async (model) => {
    const { cities, tools } = weather();
    const messages = [];
    for (const question of ["What is the weather in Paris?", NEXT, "Hello!"]) {
      messages.push({ role: "user", content: question });
      const toolChoice = question === "Hello!" ? "none" : "auto";
      const options = asked(model, { system: "Be brief.", messages, tools, toolChoice, stopWhen: stepCountIs(5) });
      const result = streamed ? streamText(options) : await generateText(options);
      assert.equal(await result.finishReason, "stop");
      if (toolChoice === "auto") assert.match(await result.text, new RegExp(`${cities.at(-1)}: 18 degrees`));
      messages.push(...(await result.response).messages);
    }
    assert.deepEqual(cities, ["Paris", "Tokyo"]);
  }, "tools");
}

forEveryModel("structured output keeps to its schema", async (model) => {
  const options = asked(model, { schema: TRIP_SCHEMA, prompt: "A trip to Tokyo" });
  const { object } = await generateObject(options);
  assert.deepEqual(Object.keys(object), ["city", "days", "stops"]);
  assert.equal(object.city, "Tokyo");
  assert.ok(object.days >= 2);
  const partial = await collect(streamObject(options).partialObjectStream);
  assert.ok(partial.length > 1);
  assert.deepEqual(partial.at(-1), object);
  const output = Output.object({ schema: TRIP_SCHEMA });
  assert.deepEqual((await generateText(asked(model, { output, prompt: "A trip to Tokyo" }))).output, object);
}, "structured output");

forEveryModel("an image is seen, or refused by name", async (model) => {
  for (const image of [PIXEL, Buffer.from(PIXEL, "base64")]) {
    const content = [{ type: "text", text: "Hello!" }, { type: "image", image, mediaType: "image/png" }];
    const options = asked(model, { messages: [{ role: "user", content }] });
    if (isBlind(model)) {
      // The other one's refusal comes from OCI, which does not say where the image is.
      const param = speaksCohere(model) ? "messages[0].content[1]" : null;
      for (const error of await refused(400, { message: /image/ }, options)) assert.equal(error.data.error.param, param);
    } else {
      assert.match((await generateText(options)).text, /you attached 1 image/);
      assert.match(await streamText(options).text, /you attached 1 image/);
    }
  }
}, "image");

forEveryModel("an effort of reasoning is taken, or told to be left out", async (model) => {
  const options = asked(model, { prompt: "Hello!", providerOptions: { ociai: { reasoningEffort: "low" } } });
  const kind = thoughtsOf(model);
  for (const run of [generateText, streamText]) {
    const answer = await run(options);
    assert.match(await answer.text, /I am a simulated/);
    assert.match((await answer.reasoningText) ?? "", kind === "shown" ? /^The user asks/ : /^$/);
    const { outputTokenDetails } = await answer.usage;
    assert.equal((outputTokenDetails.reasoningTokens ?? 0) > 0, kind !== "dropped");
    checkDropped(model, (await answer.response).headers[DROPPED]);
  }
}, "reasoning");

test("reasoning arrives apart from the text", async () => {
  const providerOptions = { ociai: { reasoningEffort: "low" } };
  const whole = await generateText(asked(GROK, { prompt: "为什么天空是蓝色的？", providerOptions }));
  assert.match(whole.reasoningText, /模拟器/);
  assert.match(whole.text, /为什么天空是蓝色的？/);
  const stream = streamText(asked(GROK, { prompt: "为什么天空是蓝色的？", providerOptions }));
  const types = (await collect(stream.fullStream)).map((part) => part.type);
  assert.ok(types.indexOf("reasoning-end") < types.indexOf("text-start"), types);
  assert.equal(await stream.reasoningText, whole.reasoningText);
  assert.equal(await stream.text, whole.text);
});

forEveryModel("an agent thinks and sends its thoughts back", async (model) => {
  const providerOptions = { ociai: { reasoningEffort: "low" } };
  for (const run of [generateText, streamText]) {
    const { cities, tools } = weather();
    const result = await run(asked(model, { prompt: COMPARE, tools, providerOptions, stopWhen: stepCountIs(5) }));
    const steps = await result.steps;
    checkLoop(steps, await result.text, cities);
    if (thoughtsOf(model) === "shown") assert.ok(steps.every((step) => step.reasoningText));
  }
}, "tools", "reasoning");

test("answers can be aborted", async () => {
  const leaving = new AbortController();
  let aborted = false;
  const options = asked(GROK, { prompt: "Why is the sky blue?", abortSignal: leaving.signal });
  const stream = streamText({ ...options, onAbort: () => (aborted = true) });
  for await (const part of stream.fullStream) if (part.type === "text-delta") leaving.abort();
  assert.ok(aborted);
  await assert.rejects(generateText(options), { name: "AbortError" });
  assert.ok((await generateText(asked(GROK, { prompt: "Hello!" }))).text);
});

/** Asserts that a call fails with this status, whole and streamed, and that what the proxy says gets through. The errors. */
async function refused(status, { code, message = /./ }, options) {
  const whole = await generateText(options).then(() => null, (error) => error);
  let streamed = null;
  const stream = streamText({ ...options, onError: ({ error }) => (streamed = error) });
  await stream.consumeStream();
  for (const error of [whole, streamed]) {
    assert.ok(APICallError.isInstance(error), String(error));
    assert.equal(error.statusCode, status);
    assert.match(error.message, message);
    assert.ok(code === undefined || error.data.error.code === code, error.data.error.code);
    assert.equal(error.isRetryable, status === 429);
    assert.ok(error.responseHeaders["x-request-id"]);
  }
  return [whole, streamed];
}

test("errors have their status and their message", async () => {
  const wrong = createOpenAICompatible({ ...settings, apiKey: "wrong" });
  const key = { code: "invalid_api_key", message: /key/i };
  await refused(401, key, asked(GROK, { prompt: "Hello!", model: wrong(GROK) }));
  await refused(404, { code: "model_not_found", message: /gpt-4o/ }, asked("gpt-4o", { prompt: "Hello!" }));
});

forEveryModel("what a model refuses has its status and code", async (model) => {
  for (const [words, status, code] of refusalsOf(model)) {
    const errors = await refused(status, { code }, asked(model, { prompt: `Please ${words}.` }));
    for (const error of errors) assert.equal("retry-after" in error.responseHeaders, status === 429);
  }
  const tooMany = asked(model, { prompt: "Hello!", providerOptions: { ociai: { n: 1000 } } });
  for (const error of await refused(400, {}, tooMany)) assert.equal(error.data.error.param, "n");
  if (!speaksCohere(model)) return;
  const filtered = asked(model, { prompt: "Please simulate a filter." });
  assert.equal((await generateText(filtered)).finishReason, "content-filter");
  assert.equal(await streamText(filtered).finishReason, "content-filter");
}, "errors");

forEveryModel("a stream that breaks off fails and has no end", async (model) => {
  const stream = streamText({ ...asked(model, { prompt: BREAK }), onError() {} });
  const parts = await collect(stream.fullStream);
  assert.ok(parts.some(({ type, text }) => ["text-delta", "reasoning-delta"].includes(type) && text));
  const errors = parts.filter(({ type }) => type === "error").map(({ error }) => error.message);
  assert.equal(errors.length, 1, errors);
  assert.match(errors[0], /OCI/);
  assert.equal(await stream.finishReason, "error");
}, "errors");

await runAll(`AI SDK ${version}`);
