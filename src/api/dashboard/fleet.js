// The accounts: how each is, why it is out and until when, and the buttons that reset them.

import { bar, byId, el, figures, keep, setState, setText } from "./dom.js";
import { ask } from "./server.js";
import { hintOf, millis, number, percent, say, sayKnown, span, time } from "./words.js";

const TONES = { available: "good", cooling: "warn", half_open: "warn", open: "bad", unhealthy: "bad", unusable: "bad", disabled: "idle" };
const RESET_MAY_HELP = ["cooling", "open", "half_open", "unhealthy"];
/** Of the hints in the words, those for a state. */
const HINTS = { cooling: "rate_limit_exceeded", unhealthy: "upstream_credentials" };
/** How long it stays said that something was reset, milliseconds. */
const SAID = 6000;

let summary = null;
let readAt = 0;
let afterReset = () => {};

/** What is done when a reset has succeeded. */
export function onReset(then) {
  afterReset = then;
}

/** `at`: when the summary came, by this machine's clock, which may differ from the server's. */
export function showFleet(latest, at) {
  summary = latest;
  readAt = at;
  setText(byId("strategy"), summary.accounts.length > 1 ? sayKnown(summary.program.strategy, summary.program.strategy) : "");
  byId("reset-all").hidden = !summary.accounts.some((account) => RESET_MAY_HELP.includes(account.state));
  tick();
}

/** Shows the accounts with the seconds that are left now. */
export function tick() {
  const passed = (Date.now() - readAt) / 1000;
  keep(byId("fleet"), summary.accounts, (account) => account.id, (account) => accountCard(account.id));
  for (const { node, left } of counts.values()) setText(node, left(passed));
}

/** The count-downs that are shown, by account. */
const counts = new Map();

function accountCard(id) {
  const [name, place, state] = [el("h3"), el("span", { class: "soft" }), el("p")];
  const [sentence, count, detail, hint] = [el("span"), el("strong"), el("p"), el("p", { class: "soft" })];
  const why = el("div", { class: "why" }, sentence, " ", count, detail, hint);
  const [inFlight, facts] = [bar(), figures()];
  const button = el("button", { type: "button" });
  button.addEventListener("click", () => reset(id));
  const node = el(
    "li",
    { class: "card account" },
    el("div", { class: "top" }, el("div", {}, name, place), state),
    inFlight.node,
    facts.node,
    why,
    button,
  );
  node.dataset.account = id;

  const show = (account) => {
    const tone = TONES[account.state] ?? "idle";
    setText(name, account.id);
    const weight = summary.program.strategy === "weighted" && account.enabled ? say("weight", account.weight) : null;
    setText(place, [account.region, weight].filter(Boolean).join(" · "));
    setState(state, say(Object.hasOwn(TONES, account.state) ? account.state : "unknown"), tone);
    why.hidden = account.state === "available";
    why.className = `why ${tone}`;
    const cooling = (account.cooldowns ?? []).map((cooldown) => modelName(cooldown.model)).join(", ");
    setText(sentence, sayKnown(`why_${account.state}`, account.reason ?? "", cooling));
    const cause = ["unhealthy", "unusable"].includes(account.state) ? account.reason : account.last_error?.message;
    setText(detail, account.enabled ? (cause ?? "") : "");
    setText(hint, account.state === "open" ? say("hint_breaker") : hintOf(HINTS[account.state], account.hint));
    const left = account.unavailable_for_seconds;
    if (left === null || left === undefined) {
      counts.delete(id);
      setText(count, "");
    } else {
      const back = time(new Date(readAt.getTime() + left * 1000));
      counts.set(id, { node: count, left: (passed) => say("back_in", span(left - passed), back) });
    }
    button.hidden = !RESET_MAY_HELP.includes(account.state);
    setText(button, say("reset"));
    button.setAttribute("aria-label", say("reset_one", account.id));
    for (const part of [inFlight.node, facts.node]) part.hidden = !account.enabled;
    if (account.enabled) showFigures(account);
  };
  const showFigures = (account) => {
    const { in_flight: now, max_concurrency: most, latency_ms: latency } = account;
    inFlight.show(say("in_flight"), say("of", number(now), number(most)), now / most);
    facts.show([
      [say("requests_title"), number(account.requests)],
      [say("error_rate"), percent(account.error_rate)],
      [say("p50"), millis(latency.p50)],
      [say("p99"), millis(latency.p99)],
    ]);
  };
  return { node, show };
}

/** A model's name for clients; the accounts know OCI's. */
function modelName(id) {
  return summary.models.find((model) => model.id === id)?.name ?? id;
}

/** One account, or all. */
async function reset(id = null) {
  const said = byId("reset-said");
  try {
    const path = "/admin/circuit-breaker/reset" + (id === null ? "" : `?account=${encodeURIComponent(id)}`);
    const answer = await ask(path, { method: "POST" });
    setText(said, say("reset_done", (await answer.json()).reset.join(", ")));
    afterReset();
  } catch (error) {
    setText(said, say("reset_failed", error.message));
  }
  setTimeout(() => setText(said, ""), SAID);
}

byId("reset-all").addEventListener("click", () => reset());
