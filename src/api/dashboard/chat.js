// A small chat to try a model: streams, can be stopped, and shows errors with what to do about them.

import { byId, el, setText } from "./dom.js";
import { ask, hasKey } from "./server.js";
import { hintOf, millis, number, say } from "./words.js";

const [log, form, input, models] = ["chat-log", "chat-form", "chat-input", "chat-model"].map(byId);

/** What was said and what was answered, as the API takes it. */
let messages = [];
/** Stops the answer under way. */
let running = null;

export function showModels(list) {
  models.replaceChildren(...list.map((model) => el("option", { value: model.id }, model.id)));
  showChat();
}

/** What depends on the language and on whether there is a key. */
export function showChat() {
  models.disabled = models.options.length === 0 || !hasKey();
  if (models.options.length === 0 || models.options[0].value === "") {
    models.replaceChildren(el("option", { value: "" }, say("no_models")));
  }
  // An error that stands there has left no messages behind.
  const isEmpty = log.querySelector(".bubble") === null;
  if (isEmpty) {
    log.replaceChildren(el("p", { class: "soft" }, say(hasKey() ? "chat_empty" : "key_chat")));
    if (!hasKey()) log.append(keyButton());
  }
  byId("chat-clear").hidden = isEmpty;
  // An answer is read aloud when it is whole.
  log.setAttribute("aria-busy", running !== null);
  byId("chat-send").hidden = running !== null;
  byId("chat-stop").hidden = running === null;
}

function keyButton() {
  const button = el("button", { type: "button" }, say("key_enter"));
  button.addEventListener("click", () => needsKey());
  return button;
}

const needsKey = (wrong = null) => log.dispatchEvent(new CustomEvent("needs-key", { detail: wrong }));

function send(event) {
  event.preventDefault();
  const text = input.value.trim();
  if (running || !text) return;
  if (!hasKey()) return needsKey();
  for (const other of log.querySelectorAll(":scope > :not(.bubble)")) other.remove();
  messages.push({ role: "user", content: text });
  log.append(el("p", { class: "bubble user" }, text));
  input.value = "";
  answer(models.value);
}

async function answer(model) {
  // Clearing begins another one.
  const conversation = messages;
  const bubble = answerBubble();
  log.append(bubble.node);
  running = new AbortController();
  showChat();
  follow(true);
  const said = { text: "", thoughts: "", tokens: null, firstAt: null };
  const asked = performance.now();
  try {
    const body = { model, messages: conversation, stream: true, stream_options: { include_usage: true } };
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: running.signal };
    const reply = await ask("/v1/chat/completions", options);
    for await (const chunk of chunks(reply.body)) {
      if (chunk.error) throw Object.assign(new Error(chunk.error.message), chunk.error);
      const delta = chunk.choices?.[0]?.delta ?? {};
      said.text += delta.content ?? "";
      said.thoughts += delta.reasoning_content ?? "";
      said.tokens = chunk.usage?.completion_tokens ?? said.tokens;
      if (said.text || said.thoughts) said.firstAt ??= performance.now() - asked;
      follow(bubble.say(said));
    }
    bubble.facts(say("facts", reply.headers.get("x-ociai-account") ?? model, millis(said.firstAt), number(said.tokens)));
  } catch (error) {
    if (error.name === "AbortError") bubble.facts(say("stopped"));
    else bubble.fail(error);
    if (error.isAboutKey) needsKey("key_old");
  }
  // A turn without an answer is not sent again.
  if (said.text) conversation.push({ role: "assistant", content: said.text });
  else conversation.pop();
  running = null;
  showChat();
  follow(true);
}

function answerBubble() {
  const [thoughts, text] = [el("span"), el("span", { class: "text" })];
  const title = el("summary");
  const details = el("details", { class: "reasoning" }, title, thoughts);
  details.hidden = true;
  const node = el("div", { class: "bubble answer" }, details, text);
  return {
    node,
    /** Whether the reader was at the end of the log, and wants to stay there. */
    say: (said) => {
      const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      details.hidden = !said.thoughts;
      // Open as long as there is nothing else to read.
      if (said.thoughts && !thoughts.textContent) details.open = true;
      if (said.text && !text.textContent) details.open = false;
      setText(title, say("reasoning"));
      setText(thoughts, said.thoughts);
      setText(text, said.text);
      return wasAtEnd;
    },
    facts: (line) => node.append(el("small", { class: "facts" }, line)),
    fail: (error) => {
      const hint = hintOf(error.code);
      node.append(el("p", { class: "wrong" }, error.name === "TypeError" ? say("broken_off") : error.message));
      if (hint) node.append(el("p", { class: "hint" }, hint));
    },
  };
}

function follow(toTheEnd) {
  if (toTheEnd) log.scrollTop = log.scrollHeight;
}

/** The JSON of each server-sent event, up to `[DONE]`. */
async function* chunks(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

form.addEventListener("submit", send);
input.addEventListener("keydown", (event) => {
  // Enter that ends the input of Chinese characters sends nothing.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
byId("chat-stop").addEventListener("click", () => running?.abort());
byId("chat-clear").addEventListener("click", () => {
  running?.abort();
  messages = [];
  log.replaceChildren();
  showChat();
});
