// The page as a whole: reads the summary every two seconds, shows it, asks for the key, and changes the language.

import { showCurves } from "./charts.js";
import { showChat, showModels } from "./chat.js";
import { showClients } from "./clients.js";
import { bar, byId, el, figures, keep, setState, setText } from "./dom.js";
import { onReset, showFleet, tick } from "./fleet.js";
import { askJson, hasKey, setKey } from "./server.js";
import { hintOf, language, millis, number, say, span, switchLanguage, time } from "./words.js";

/** Milliseconds from one reading to the next, and the longest pause after failures. */
const EVERY = 2000;
const LONGEST_PAUSE = 30_000;
const TIME_LIMIT = 10_000;

/** The last reading that came, and when. */
let summary = null;
let readAt = null;
/** Whether the page may not read the figures without a key. */
let locked = false;
/** Readings that failed in a row, why, and when the next one is. */
let failures = 0;
let failure = "";
let nextAt = 0;
let timer = null;
let reading = false;

async function read() {
  if (reading || document.hidden) return;
  reading = true;
  clearTimeout(timer);
  try {
    summary = await askJson("/stats/summary", { signal: AbortSignal.timeout(TIME_LIMIT) });
    readAt = new Date();
    failures = 0;
    if (locked) closeKey();
    locked = false;
  } catch (error) {
    if (error.isAboutKey) {
      failures = 0;
      locked = true;
      const wasOld = hasKey();
      setKey(null);
      openKey("key_remote", wasOld ? "key_old" : null);
      showChat();
      showClients();
    } else {
      failures += 1;
      failure = error.status ? error.message : say("no_answer");
    }
  } finally {
    reading = false;
  }
  show();
  // Without the key nothing new would come; entering it reads at once.
  if (!locked) plan();
}

function plan() {
  const pause = failures ? Math.min(EVERY * 2 ** (failures - 1), LONGEST_PAUSE) : EVERY;
  nextAt = Date.now() + pause;
  timer = setTimeout(read, pause);
}

function show() {
  byId("live").hidden = locked || !summary;
  showHead();
  if (locked || !summary) return;
  showCurves(summary.history);
  showFleet(summary, readAt);
  showQueue();
  showErrors();
}

function showHead() {
  const overall = byId("overall");
  const banner = byId("unreachable");
  banner.hidden = failures === 0;
  if (failures) {
    const left = span((nextAt - Date.now()) / 1000);
    const since = readAt ? time(readAt) : "";
    setText(banner, say(readAt ? "unreachable_since" : "unreachable_yet", since, failure, left));
    return setState(overall, say("unreachable"), "bad");
  }
  if (locked) return setState(overall, say("locked"), "idle");
  if (!summary) return setState(overall, say("connecting"), "idle");
  const { program, accounts } = summary;
  const enabled = accounts.filter((account) => account.enabled);
  const taking = enabled.filter((account) => ["available", "cooling", "half_open"].includes(account.state));
  const status = program.draining ? "draining" : program.status;
  const tone = { ok: "good", degraded: "warn", down: "bad", draining: "warn" }[status] ?? "idle";
  setState(overall, say(tone === "idle" ? "unknown" : status, taking.length, enabled.length), tone);
  setText(byId("about"), say("about", program.version, span(program.uptime_seconds)));
}

const bars = { workers: bar(), waiting: bar() };
const facts = figures();
byId("queue").append(bars.workers.node, bars.waiting.node, facts.node);

function showQueue() {
  const { queue, workers, totals, program } = summary;
  bars.workers.show(say("workers"), say("of", number(workers.busy), number(workers.max)), workers.busy / workers.max);
  bars.waiting.show(say("waiting"), say("of", number(queue.length), number(queue.capacity)), queue.length / queue.capacity);
  const memory = program.resident_memory_bytes;
  facts.show([
    [say("wait"), `${millis(queue.wait_ms.p50)} / ${millis(queue.wait_ms.p99)}`],
    [say("peak"), number(queue.peak)],
    [say("refused"), `${number(queue.rejected)}, ${number(queue.expired)}`],
    [say("all_requests"), number(totals.requests)],
    [say("all_errors"), number(totals.errors)],
    [say("failovers"), number(totals.failovers)],
    [say("all_tokens"), `${number(totals.input_tokens)} / ${number(totals.output_tokens)}`],
    [say("memory"), memory === null ? "–" : `${Math.round(memory / 1_048_576)} MiB`],
  ]);
}

function showErrors() {
  const list = byId("errors");
  const errors = summary.recent_errors.length ? summary.recent_errors : [null];
  const keyOf = (error) => error && [error.model, error.account, error.status, error.code, error.answered].join("|");
  keep(list, errors, keyOf, (error) => (error ? errorEntry() : nothing()));
}

function nothing() {
  const node = el("li", { class: "soft" });
  return { node, show: () => setText(node, say("no_errors")) };
}

function errorEntry() {
  const [title, detail, message, hint] = [el("strong"), el("span", { class: "soft" }), el("p"), el("p", { class: "hint" })];
  const show = (error) => {
    setText(title, `${error.status} ${error.code ?? error.error_type ?? ""}`);
    const ago = span((Date.parse(summary.now) - Date.parse(error.at)) / 1000);
    const parts = [error.model, error.account, say("ago", ago)];
    if (error.count > 1) parts.push(say("times", number(error.count)));
    if (!error.answered) parts.push(say("unnoticed"));
    setText(detail, parts.filter(Boolean).join(" · "));
    setText(message, error.message);
    const todo = hintOf(error.code, error.hint);
    hint.hidden = !todo;
    setText(hint, todo);
    title.className = error.answered ? "bad" : "warn";
  };
  return { node: el("li", {}, title, " ", detail, message, hint), show };
}

// The key

/** `why`, `wrong`: keys of words. */
function openKey(why, wrong = null) {
  byId("key-form").hidden = false;
  byId("key-button").setAttribute("aria-expanded", "true");
  byId("key-why").dataset.word = why;
  byId("key-error").dataset.word = wrong ?? "";
  byId("key-forget").hidden = !hasKey();
  showWords();
}

function closeKey() {
  byId("key-form").hidden = true;
  byId("key-button").setAttribute("aria-expanded", "false");
  byId("key-input").value = "";
}

async function tryKey(event) {
  event.preventDefault();
  const key = byId("key-input").value.trim();
  try {
    // The list of models needs the key from everybody, from this machine too.
    const list = await askJson("/v1/models", { key });
    setKey(key);
    closeKey();
    showModels(list.data);
    showClients();
    read();
  } catch (error) {
    openKey(locked ? "key_remote" : "key_chat", error.isAboutKey ? "key_wrong" : null);
    if (!error.isAboutKey) setText(byId("key-error"), error.status ? error.message : say("no_answer"));
    byId("key-input").select();
  }
}

function forgetKey() {
  setKey(null);
  closeKey();
  showModels([]);
  showClients();
  read();
}

function toggleKey() {
  if (!byId("key-form").hidden && !locked) return closeKey();
  openKey(locked ? "key_remote" : hasKey() ? "key_kept" : "key_chat");
  byId("key-input").focus();
}

// Words

function showWords() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-word]")) setText(node, node.dataset.word && say(node.dataset.word));
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]")) node.setAttribute("placeholder", say(node.dataset.hint));
  const other = byId("language");
  setText(other, say("other_language"));
  other.lang = language === "zh" ? "en" : "zh-CN";
}

function showAll() {
  showWords();
  showChat();
  showClients();
  show();
}

byId("language").addEventListener("click", () => {
  switchLanguage();
  showAll();
});
byId("key-button").addEventListener("click", toggleKey);
byId("key-form").addEventListener("submit", tryKey);
byId("key-forget").addEventListener("click", forgetKey);
byId("chat-log").addEventListener("needs-key", (event) => {
  openKey("key_chat", event.detail);
  byId("key-input").focus();
});
onReset(read);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!locked) read();
});
setInterval(() => {
  if (failures) showHead();
  else if (summary && !locked) tick();
}, 1000);
showAll();
read();
