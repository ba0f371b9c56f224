// What the programs for Node.js ask the demo, as scene.py has it: its models, a tool, a picture, a type to fill in, and what
// the models differ in.

import assert from "node:assert/strict";

const { OPENAI_BASE_URL, OPENAI_API_KEY } = process.env;

export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const CITIES = ["Paris", "Tokyo", "Berlin"];
export const COMPARE = "Compare the weather in Paris, Tokyo and Berlin";
// The next turn of the same conversation.
export const NEXT = "And in Tokyo?";

export const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const TRIP = {
  type: "object",
  properties: {
    city: { type: "string" },
    days: { type: "integer", minimum: 2 },
    stops: { type: "array", items: { type: "string" } },
  },
  required: ["city", "days", "stops"],
  additionalProperties: false,
};

// The names that the proxy lists: a model that joins the demo joins the cases.
const listed = await fetch(`${OPENAI_BASE_URL}/models`, { headers: { Authorization: `Bearer ${OPENAI_API_KEY}` } });
export const ALL_MODELS = (await listed.json()).data.map((model) => model.id);
export const EMBED = ALL_MODELS.find((name) => name.includes("embed"));
// Those that chat.
export const MODELS = ALL_MODELS.filter((name) => !/embed|rerank/.test(name));
export const GROK = MODELS.find((name) => name.includes("grok"));

/** What the simulator says to a user's text with these words in it: the status, and OpenAI's code for it. */
const REFUSALS = [
  ["simulate throttling", 429, "rate_limit_exceeded"],
  ["simulate a long prompt", 400, "context_length_exceeded"],
  ["simulate a filter", 400, "content_filter"],
];
/** A stream breaks off after a few words. */
export const BREAK = "simulate a broken stream";

/** Whether it is one of the models that OCI still has an own format for, COHERE: text only. */
export const speaksCohere = (model) => model.includes("command") && !/vision|reasoning/.test(model);

export const isBlind = (model) => model.includes("command") && !model.includes("vision");

/** What becomes of `reasoning_effort`: its thoughts are shown, or only counted, or the proxy leaves the field out. */
export function thoughtsOf(model) {
  if (/grok|gpt-oss|command-a-reasoning/.test(model)) return "shown";
  return /gpt|gemini/.test(model) ? "counted" : "dropped";
}

/** Those that come as errors: where the format is COHERE, a filtered text is an answer that ends so. */
export const refusalsOf = (model) =>
  REFUSALS.filter(([, , code]) => code !== "content_filter" || !speaksCohere(model));

/** `dropped`: the header that names what the proxy has left out, which is what the model does not take. */
export function checkDropped(model, dropped) {
  assert.equal(dropped ?? "", thoughtsOf(model) === "dropped" ? "reasoning_effort" : "");
}
