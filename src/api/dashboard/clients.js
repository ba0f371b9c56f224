// Settings of well-known clients with this page's own address filled in, ready to be copied.

import { byId, copy, el, setText } from "./dom.js";
import { hasKey, theKey } from "./server.js";
import { say } from "./words.js";

/** How long a button says that it has copied, milliseconds. */
const SAID = 1500;
const PLACEHOLDER = "YOUR_API_KEY";

const CLIENTS = [
  { name: "Cherry Studio", note: "cherry", fields: ({ key }) => [["provider", "OpenAI"], ["key", key], ["host", location.origin]] },
  {
    name: "Cline",
    note: "cline",
    fields: ({ key, base, model }) => [["provider", "OpenAI Compatible"], ["base_url", base], ["key", key], ["model_id", model]],
  },
  { name: "Open WebUI", note: "webui", fields: ({ key, base }) => [["base_url", base], ["key", key]] },
  {
    name: "curl",
    code: ({ key, base, model }) => `curl -N ${base}/chat/completions \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'Content-Type: application/json' \\
  -d '{"model":"${model}","stream":true,
       "messages":[{"role":"user","content":"Hello"}]}'`,
  },
  {
    name: "Python",
    code: ({ key, base, model }) => `# pip install openai
from openai import OpenAI

client = OpenAI(
    base_url="${base}",
    api_key="${key}",
)
stream = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="")`,
  },
  {
    name: "Node.js",
    code: ({ key, base, model }) => `// npm install openai
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${base}",
  apiKey: "${key}",
});
const stream = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello" }],
  stream: true,
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}`,
  },
];

let chosen = 0;

export function showClients() {
  byId("with-key").hidden = !hasKey();
  const key = hasKey() && byId("clients-key").checked ? theKey() : PLACEHOLDER;
  const values = { key, base: `${location.origin}/v1`, model: byId("chat-model").value || "MODEL" };
  tabs.forEach((tab, place) => {
    tab.setAttribute("aria-selected", place === chosen);
    tab.tabIndex = place === chosen ? 0 : -1;
  });
  const { name, note, fields, code } = CLIENTS[chosen];
  const panel = byId("clients-panel");
  panel.setAttribute("aria-labelledby", tabs[chosen].id);
  panel.replaceChildren(
    ...(note ? [el("p", { class: "soft" }, say(note))] : []),
    ...(fields?.(values) ?? []).map(([word, value]) =>
      el("div", { class: "setting" }, el("span", {}, say(word)), el("code", { class: "code" }, value), copyButton(say(word), value)),
    ),
    ...(code ? [el("div", { class: "snippet" }, el("pre", { class: "code", tabindex: "0" }, code(values)), copyButton(name, code(values)))] : []),
  );
}

function copyButton(what, text) {
  const button = el("button", { type: "button", "aria-label": say("copy_one", what) }, say("copy"));
  button.addEventListener("click", async () => {
    await copy(text);
    setText(button, say("copied"));
    setTimeout(() => setText(button, say("copy")), SAID);
  });
  return button;
}

const tabs = CLIENTS.map(({ name }, place) => {
  const tab = el("button", { type: "button", role: "tab", id: `client-${place}`, "aria-controls": "clients-panel" }, name);
  const choose = (other) => {
    chosen = (other + CLIENTS.length) % CLIENTS.length;
    showClients();
    tabs[chosen].focus();
  };
  tab.addEventListener("click", () => choose(place));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) choose(place + step);
  });
  return tab;
});
byId("clients-tabs").append(...tabs);
byId("clients-key").addEventListener("change", showClients);
byId("chat-model").addEventListener("change", showClients);
