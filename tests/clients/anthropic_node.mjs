// Runs the official `@anthropic-ai/sdk` package for Node.js against the proxy of the demo. Reads OPENAI_BASE_URL and
// OPENAI_API_KEY, as all programs here do. In short what anthropic_python.py does at length.

import assert from "node:assert/strict";

import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { VERSION as version } from "@anthropic-ai/sdk/version";

import { forEvery, runAll, test } from "./cases.mjs";
import {
  ALL_MODELS, BREAK, CITIES, CITY, COMPARE, GROK, MODELS, NEXT, PIXEL, TRIP, checkDropped, isBlind, refusalsOf, speaksCohere,
  thoughtsOf,
} from "./scene.mjs";

const baseURL = process.env.OPENAI_BASE_URL.replace(/\/v1$/, "");
const apiKey = process.env.OPENAI_API_KEY;
// No retries: an error that a retry would hide is one that this is looking for.
const options = { baseURL, maxRetries: 0, timeout: 60_000 };
const client = new Anthropic({ ...options, apiKey, authToken: null });
const { messages } = client;

const forEveryModel = (name, run, ...cells) => forEvery(MODELS, name, run, ...cells);
const user = (content) => [{ role: "user", content }];
const asked = (model, content, more = {}) => ({ model, max_tokens: 1000, messages: user(content), ...more });
const streamed = (body) => messages.stream(body).finalMessage();
const ways = [
  ["whole", (body) => messages.create(body)],
  ["streamed", streamed],
];
const textOf = ({ content }) => content.map((block) => block.text ?? "").join("");
const callsOf = ({ content }) => content.filter(({ type }) => type === "tool_use");
const weather = (city) => `${city}: 18 degrees`;
const TOOL = { name: "get_weather", description: "The weather in a city", input_schema: CITY };

/** Asserts that `promise` fails with an error of this class, and returns it. */
async function refused(kind, promise) {
  const error = await promise.then(
    () => assert.fail(`no ${kind.name}`),
    (error) => error,
  );
  assert.ok(error instanceof kind, String(error));
  assert.ok(error.requestID && error.error.type === "error" && error.error.error.message, String(error));
  return error;
}

test("models can be listed and retrieved", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.deepEqual(names, ALL_MODELS);
  for (const name of names) assert.equal((await client.models.retrieve(name)).display_name, name);
  await refused(Anthropic.NotFoundError, client.models.retrieve("claude"));
});

forEveryModel("tokens can be counted", async (model) => {
  const { input_tokens: few } = await messages.countTokens({ model, messages: user("Hello!") });
  const { input_tokens: more } = await messages.countTokens({ model, messages: user("Hello!"), tools: [TOOL] });
  assert.ok(few > 0 && more > few);
});

forEveryModel("a stream says what a whole answer says", async (model) => {
  const whole = await messages.create(asked(model, "Hello!"));
  assert.match(textOf(whole), /^Hello! I am a simulated/);
  assert.equal(whole.stop_reason, "end_turn");
  assert.ok(whole._request_id && whole.usage.output_tokens > 0);
  let heard = "";
  const helper = messages.stream(asked(model, "Hello!")).on("text", (text) => (heard += text));
  const final = await helper.finalMessage();
  assert.equal(heard, textOf(whole));
  assert.equal(textOf(final), heard);
  assert.deepEqual([final.stop_reason, final.usage.input_tokens, final.usage.output_tokens], [
    whole.stop_reason, whole.usage.input_tokens, whole.usage.output_tokens,
  ]);
  const events = [];
  for await (const event of await messages.create({ ...asked(model, "Hello!"), stream: true })) events.push(event.type);
  assert.deepEqual([events[0], ...events.slice(-2)], ["message_start", "message_delta", "message_stop"]);
}, "chat", "stream");

for (const [way, ask] of ways) {
  forEveryModel(`tools are called and the conversation goes on, ${way}`, async (model) => {
    const told = [];
    for (const [question, cities] of [[COMPARE, CITIES], [NEXT, ["Tokyo"]]]) {
      told.push(...user(question));
      const called = await ask({ model, max_tokens: 1000, tools: [TOOL], messages: told });
      assert.equal(called.stop_reason, "tool_use");
      assert.deepEqual(callsOf(called).map(({ input }) => input.city), cities);
      const results = callsOf(called).map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: weather(input.city) }));
      told.push({ role: "assistant", content: called.content }, { role: "user", content: results });
      const answer = await ask({ model, max_tokens: 1000, tools: [TOOL], messages: told });
      assert.equal(answer.stop_reason, "end_turn");
      for (const city of cities) assert.match(textOf(answer), new RegExp(weather(city)));
      told.push({ role: "assistant", content: answer.content });
    }
  }, "tools", ...(way === "streamed" ? ["streamed parallel tools"] : []));
}

for (const stream of [false, true]) {
  forEveryModel(`the tool runner runs tools, ${stream ? "streamed" : "whole"}`, async (model) => {
    const askedFor = [];
    const run = ({ city }) => {
      askedFor.push(city);
      return weather(city);
    };
    const tool = betaTool({ name: "get_weather", description: "The weather in a city", inputSchema: CITY, run });
    const runner = client.beta.messages.toolRunner({ ...asked(model, COMPARE), tools: [tool], stream });
    const last = await runner.runUntilDone();
    assert.deepEqual(askedFor, CITIES);
    for (const city of CITIES) assert.match(textOf(last), new RegExp(weather(city)));
  }, "tools");
}

forEveryModel("structured output keeps to its schema", async (model) => {
  const body = asked(model, "A trip to Tokyo", { output_config: { format: { type: "json_schema", schema: TRIP } } });
  for (const [, ask] of ways) {
    const trip = JSON.parse(textOf(await ask(body)));
    assert.deepEqual(Object.keys(trip), ["city", "days", "stops"]);
    assert.equal(trip.city, "Tokyo");
  }
}, "structured output");

forEveryModel("an image is seen, or refused by name", async (model) => {
  const source = { type: "base64", media_type: "image/png", data: PIXEL };
  const body = asked(model, [{ type: "text", text: "Hello!" }, { type: "image", source }]);
  for (const [, ask] of ways) {
    if (!isBlind(model)) {
      assert.match(textOf(await ask(body)), /you attached 1 image/);
      continue;
    }
    const error = await refused(Anthropic.BadRequestError, ask(body));
    assert.match(error.message, /image/);
    // The other one's refusal comes from OCI, which does not say where the image is.
    assert.equal(error.message.includes("messages[0].content[1]"), speaksCohere(model));
  }
}, "image");

forEveryModel("thinking is shown where the model shows it", async (model) => {
  const body = asked(model, "Hello!", { max_tokens: 16_000, thinking: { type: "enabled", budget_tokens: 2_000 } });
  const { response } = await messages.create(body).withResponse();
  checkDropped(model, response.headers.get("x-ociai-dropped-params"));
  for (const [, ask] of ways) {
    const { content } = await ask(body);
    const thoughts = content.filter(({ type }) => type === "thinking");
    assert.equal(thoughts.length, thoughtsOf(model) === "shown" ? 1 : 0);
    for (const { thinking, signature } of thoughts) assert.ok(/^The user asks/.test(thinking) && signature);
    const next = [...user("Hello!"), { role: "assistant", content }, ...user("Hello!")];
    assert.equal(textOf(await ask({ ...body, messages: next })), textOf({ content }));
  }
}, "reasoning");

test("Chinese arrives whole", async () => {
  const body = asked(GROK, "为什么天空是蓝色的？");
  assert.equal(textOf(await streamed(body)), textOf(await messages.create(body)));
});

test("streams can be left early", async () => {
  const stream = await messages.create({ ...asked(GROK, "Why is the sky blue?"), stream: true });
  for await (const event of stream) if (event.type === "content_block_delta") break;
  const helper = messages.stream(asked(GROK, "Why is the sky blue?"));
  helper.once("text", () => helper.abort());
  await assert.rejects(helper.done(), Anthropic.APIUserAbortError);
  assert.ok(textOf(await messages.create(asked(GROK, "Hello!"))));
});

test("errors have their classes", async () => {
  const wrong = new Anthropic({ ...options, apiKey: null, authToken: "wrong" });
  for (const stream of [false, true]) {
    const body = { ...asked(GROK, "Hello!"), stream };
    await refused(Anthropic.AuthenticationError, wrong.messages.create(body));
    await refused(Anthropic.NotFoundError, messages.create({ ...body, model: "claude" }));
    const bad = await refused(Anthropic.BadRequestError, messages.create({ ...body, temperature: "hot" }));
    assert.match(bad.message, /temperature/);
  }
  await refused(Anthropic.NotFoundError, client.messages.batches.retrieve("b"));
});

forEveryModel("what a model refuses has its class", async (model) => {
  const kinds = { 429: Anthropic.RateLimitError, 400: Anthropic.BadRequestError };
  for (const [, ask] of ways) {
    for (const [words, status] of refusalsOf(model)) {
      const error = await refused(kinds[status], ask(asked(model, `Please ${words}.`)));
      assert.equal(error.headers.has("retry-after"), status === 429);
    }
    await refused(Anthropic.InternalServerError, ask(asked(model, "Please simulate a fault.")));
    if (!speaksCohere(model)) continue;
    assert.equal((await ask(asked(model, "Please simulate a filter."))).stop_reason, "refusal");
  }
}, "errors");

forEveryModel("a stream that breaks off fails and has no end, however slow its reader is", async (model) => {
  const events = [];
  const read = async () => {
    for await (const event of await messages.create({ ...asked(model, BREAK), stream: true })) {
      // The break comes meanwhile. A connection that is cut would take what was not read yet with it.
      if (!events.length) await new Promise((resolve) => setTimeout(resolve, 1000));
      events.push(event.type);
    }
  };
  const error = await read().then(() => assert.fail(`it ended: ${events.at(-1)}`), (error) => error);
  assert.ok(error instanceof Anthropic.APIError && error.error.error.message, String(error));
  assert.ok(events.length && !events.includes("message_delta"));
}, "errors");

await runAll(`@anthropic-ai/sdk ${version} for Node.js`);
