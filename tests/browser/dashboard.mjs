// The dashboard in Chromium, in front of the built program: `dashboard.mjs PROGRAM PICTURES`. Each case has a browser context of its
// own; after each, no error may stand in the console, no rule of the page's policy may have been broken, and no request may have
// left its origin. Ends with `N passed, M failed`.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { chromium } from "playwright-core";

import { smaller } from "./picture.mjs";
import { eventually, pause, startAll } from "./program.mjs";

const [binary, pictures] = process.argv.slice(2);
const LIMIT = 15_000;
const PICTURE_LIMIT = 250_000;
/** Of text on what it stands on: WCAG's AA. */
const CONTRAST = 4.5;
/** Somebody elsewhere, behind a proxy that says so. */
const ELSEWHERE = { extraHTTPHeaders: { "X-Forwarded-For": "203.0.113.7" } };
const OUT = "backup_eu_frankfurt";
const WELL = "primary_us_phoenix";

const proxy = await startAll(binary);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-lcd-text"] });
mkdirSync(pictures, { recursive: true });

const cases = [];
/** `expected`: of the console's errors and the policy's refusals, those that belong to the case. */
const test = (name, options, run) => cases.push({ name, options, run });

async function runOne({ options: { expected = /^$/, ...options }, run }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
  context.setDefaultTimeout(LIMIT);
  const wrong = [];
  await context.exposeFunction("policyBroken", (what) => expected.test(what) || wrong.push(`policy: ${what}`));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => window.policyBroken(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    const text = message.text();
    if (["error", "warning"].includes(message.type()) && !expected.test(text)) wrong.push(`console: ${text}`);
  });
  page.on("pageerror", (error) => wrong.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    const isOwn = [proxy.origin, proxy.demoOrigin].includes(new URL(request.url()).origin);
    if (!isOwn) wrong.push(`request to ${request.url()}`);
  });
  try {
    await run(page);
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

const open = (page) => page.goto(`${proxy.origin}/`);
const card = (page, id) => page.locator(`[data-account="${id}"]`);

async function enterKey(page, key) {
  if (!(await page.locator("#key-form").isVisible())) await page.click("#key-button");
  await page.fill("#key-input", key);
  await page.click("#key-form button.main");
}

async function openWithKey(page) {
  await open(page);
  await enterKey(page, proxy.key);
  await page.locator("#key-form").waitFor({ state: "hidden" });
}

async function ask(page, text) {
  await page.fill("#chat-input", text);
  await page.press("#chat-input", "Enter");
}

/** Opens the breaker of the account that is not reached: sooner or later it is its turn. */
const breakOne = () =>
  eventually("an open breaker", async () => {
    assert.equal(await proxy.chat("Hello!", { stream: false }), 200);
    return (await proxy.account(OUT)).state === "open";
  });

test("a failing account is shown with its reason and until when", {}, async (page) => {
  await breakOne();
  await open(page);
  const out = card(page, OUT);
  await out.getByText("Out: breaker open").waitFor();
  const text = await out.innerText();
  assert.match(text, /It failed too often and is left out\.\s+Back in (1 min|\d+ s), at \d\d:\d\d:\d\d/);
  assert.match(text, /connect/i, "the reason");
  assert.match(text, /Reset does so at once/);
  const left = async () => Number(/Back in (\d+) s/.exec(await out.innerText())?.[1] ?? 60);
  const first = await left();
  await eventually("the seconds to count down", async () => (await left()) < first);
  assert.equal(await card(page, WELL).locator(".state").innerText(), "Available");
  assert.match(await page.locator("#overall").innerText(), /^[12] of 3 accounts take requests$/);
  const colour = (locator) => locator.evaluate((node) => getComputedStyle(node).color);
  assert.notEqual(await colour(out.locator(".state")), await colour(card(page, WELL).locator(".state")));
});

test("a reset closes an open breaker", {}, async (page) => {
  await breakOne();
  await open(page);
  const out = card(page, OUT);
  await out.getByText("Out: breaker open").waitFor();
  await out.getByRole("button", { name: `Reset ${OUT}` }).click();
  await out.getByText("Available").waitFor();
  await page.getByText(`Reset: ${OUT}`).waitFor();
  assert.equal((await proxy.account(OUT)).breaker.state, "closed");
  await breakOne();
  await out.getByText("Out: breaker open").waitFor();
  await page.getByRole("button", { name: "Reset all" }).click();
  await out.getByText("Available").waitFor();
});

test("curves move and figures count when traffic comes", {}, async (page) => {
  await open(page);
  const curves = page.locator(".curve");
  await curves.nth(2).waitFor();
  assert.equal(await curves.count(), 3);
  const shapes = () => curves.evaluateAll((all) => all.map((one) => [...one.querySelectorAll("path")].map((path) => path.getAttribute("d")).join()));
  const requests = async () => (await proxy.summary()).totals.requests;
  const [before, counted] = [await shapes(), await requests()];
  const texts = Array.from({ length: 12 }, (_, number) => proxy.chat(`Count to ${number}.`, { max_tokens: 20 }));
  assert.deepEqual(new Set(await Promise.all(texts)), new Set([200]));
  assert.equal(await requests(), counted + 12);
  await eventually("all three curves to move", async () => (await shapes()).every((shape, place) => shape !== before[place]));
  const figure = () => curves.nth(0).locator(".now").first().innerText();
  await eventually("requests a second", async () => Number.parseFloat(await figure()) > 0);
  await eventually("the time to the first token", async () => /\d+ ms|\d s/.test(await curves.nth(1).locator(".now").first().innerText()));
  assert.match(await curves.nth(0).locator("svg").getAttribute("aria-label"), /^Requests a second over the last 15 minutes\. Now: requests /);
  assert.match(await curves.nth(0).locator("svg").textContent(), /−15 min−10 min−5 minnow/);
  await curves.nth(0).locator("svg").hover();
  await curves.nth(0).getByText(/ago$/).waitFor();
});

test("the queue, the workers and the errors with hints are shown, and texts of others stay text", {}, async (page) => {
  const model = '<img src="/x" onerror="document.title=1"><b>bold</b>';
  assert.equal(await proxy.chat("Hello!", { model }), 404);
  await open(page);
  await page.locator("#queue").getByText("of 200").waitFor();
  await page.locator("#queue").getByText("of 2,000").waitFor();
  const entry = page.locator("#errors li").filter({ hasText: "404 model_not_found" });
  await entry.waitFor();
  assert.ok((await entry.innerText()).includes(model.slice(0, 40)), await entry.innerText());
  assert.match(await entry.locator(".hint").innerText(), /\[MODELS\]/);
  assert.equal(await page.locator("#errors img, #errors b").count(), 0);
  assert.equal(await page.title(), "ociai-proxy");
});

test("the chat streams, and its answer is followed by its facts", {}, async (page) => {
  await openWithKey(page);
  assert.deepEqual((await page.locator("#chat-model option").allInnerTexts()).slice(0, 2), ["grok-4.3", "llama-3.3-70b"]);
  await ask(page, "Why is the sky blue?");
  const text = page.locator(".bubble.answer .text");
  const lengths = new Set();
  await eventually("the answer to grow while it is not over", async () => {
    if (await page.locator("#chat-stop").isVisible()) lengths.add((await text.innerText()).length);
    return lengths.size > 4;
  });
  await page.locator(".bubble .facts").waitFor();
  assert.match(await page.locator(".bubble .facts").innerText(), /^[a-z_]+ · first token after [\d.]+ (ms|s) · \d+ tokens$/);
  assert.ok((await text.innerText()).length > Math.max(...lengths) - 1);
  assert.equal(await page.locator("#chat-stop").isVisible(), false);
  // The next turn has the first one before it.
  const sent = page.waitForRequest("**/v1/chat/completions");
  await ask(page, "And at night?");
  assert.deepEqual((await sent).postDataJSON().messages.map((message) => message.role), ["user", "assistant", "user"]);
  await page.locator(".bubble .facts").nth(1).waitFor();
  await page.getByRole("button", { name: "Clear" }).click();
  assert.equal(await page.locator(".bubble").count(), 0);
});

test("the stop button ends an answer", {}, async (page) => {
  await openWithKey(page);
  await ask(page, "Why is the sky blue?");
  const text = page.locator(".bubble.answer .text");
  await eventually("some words", async () => (await text.innerText()).length > 20);
  await page.click("#chat-stop");
  await page.getByText("stopped").waitFor();
  const length = (await text.innerText()).length;
  await eventually("the call to end", async () => (await proxy.summary()).workers.in_flight === 0, 5000);
  assert.equal((await text.innerText()).length, length);
  assert.ok(await page.locator("#chat-send").isVisible());
});

test("errors in the chat have a message and a hint", { expected: /status of 429/ }, async (page) => {
  await openWithKey(page);
  await ask(page, "simulate throttling");
  await page.locator(".bubble .wrong").waitFor();
  assert.match(await page.locator(".bubble .hint").innerText(), /OCI throttles: wait/);
  await proxy.reset();
  await ask(page, "simulate a broken stream");
  await page.locator(".bubble .wrong").nth(1).waitFor();
  assert.ok((await page.locator(".bubble .text").last().innerText()).length > 0, "what came before stays");
  assert.equal(await page.locator(".bubble.user").count(), 2, "so does the first error");
  await proxy.reset();
});

test("reasoning stands apart", {}, async (page) => {
  await page.route("**/v1/chat/completions", (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), reasoning_effort: "high" }) }),
  );
  await openWithKey(page);
  await ask(page, "Why is the sky blue?");
  await page.locator(".bubble .facts").waitFor();
  const thoughts = page.locator(".bubble details.reasoning");
  assert.ok((await thoughts.locator("span").textContent()).length > 10);
  assert.equal(await thoughts.evaluate((node) => node.open), false, "the answer has come");
  await thoughts.locator("summary").click();
  assert.ok(await thoughts.locator("span").isVisible());
});

test("this machine sees the figures without a key and is asked for it by the chat", {}, async (page) => {
  await open(page);
  await card(page, WELL).waitFor();
  assert.equal(await page.locator("#key-form").isVisible(), false);
  await ask(page, "Hello");
  await page.locator("#key-form").getByText("Chat needs the key").waitFor();
  assert.equal(await page.inputValue("#chat-input"), "Hello", "what was typed stays");
});

test("somebody elsewhere is asked for the key, and a wrong one is called wrong", { ...ELSEWHERE, expected: /status of 401/ }, async (page) => {
  await open(page);
  await page.getByRole("heading", { name: "Enter the API key" }).waitFor();
  assert.equal(await page.locator("#live").isVisible(), false);
  assert.equal(await page.locator("#overall").innerText(), "Key needed");
  await enterKey(page, "wrong");
  await page.getByText("This key is wrong.").waitFor();
  assert.equal(await page.locator("#live").isVisible(), false);
  await enterKey(page, proxy.key);
  await card(page, WELL).waitFor();
  assert.equal(await page.locator("#key-form").isVisible(), false);
  await breakOne();
  await card(page, OUT).getByRole("button", { name: `Reset ${OUT}` }).click();
  await card(page, OUT).getByText("Available").waitFor();
});

test("the key is kept in memory alone", { ...ELSEWHERE, expected: /status of 401/ }, async (page) => {
  await openWithKey(page);
  await card(page, WELL).waitFor();
  const left = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, location.href, history.length]);
  assert.deepEqual(left.slice(0, 4), [0, 0, "", `${proxy.origin}/`]);
  assert.ok(!(await page.content()).includes(proxy.key));
  await page.reload();
  await page.getByRole("heading", { name: "Enter the API key" }).waitFor();
  await enterKey(page, proxy.key);
  await card(page, WELL).waitFor();
  await page.click("#key-button");
  await page.click("#key-forget");
  await page.getByRole("heading", { name: "Enter the API key" }).waitFor();
});

test("settings of clients have the page's address and are copied", { permissions: ["clipboard-read", "clipboard-write"] }, async (page) => {
  await openWithKey(page);
  const panel = page.locator("#clients-panel");
  const copied = async (name) => {
    await panel.getByRole("button", { name: `Copy ${name}` }).click();
    await panel.getByText("Copied").waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  assert.equal(await copied("API host"), proxy.origin);
  await page.getByRole("tab", { name: "Cherry Studio" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.getByRole("tab", { name: "Cline" }).getAttribute("aria-selected"), "true");
  assert.equal(await copied("Base URL"), `${proxy.origin}/v1`);
  for (const name of ["Open WebUI", "curl", "Python", "Node.js"]) {
    await page.getByRole("tab", { name }).click();
    const text = await copied(name === "Open WebUI" ? "Base URL" : name);
    assert.ok(text.includes(`${proxy.origin}/v1`) && !text.includes(proxy.key), text);
  }
  await page.getByLabel("with my key").check();
  const python = await copied("Node.js");
  assert.ok(python.includes(`apiKey: "${proxy.key}",`) && python.includes('model: "grok-4.3"'), python);
});

test("what is copied arrives where the browser gives its clipboard to https alone", {}, async (page) => {
  await page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await open(page);
  await page.getByRole("button", { name: "Copy API host" }).click();
  await page.locator("#clients-panel").getByText("Copied").waitFor();
  await page.focus("#chat-input");
  await page.keyboard.press("Control+V");
  assert.equal(await page.inputValue("#chat-input"), proxy.origin);
});

test("inline code and other servers are refused", { expected: /Content Security Policy|^(script-src|connect-src)|Fetch API cannot load/ }, async (page) => {
  await open(page);
  const [ran, fetched] = await page.evaluate(async (origin) => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.head.append(script);
    return [window.ran === true, await fetch(`${origin}/health`, { mode: "no-cors" }).then(() => true, () => false)];
  }, proxy.demoOrigin);
  assert.deepEqual([ran, fetched], [false, false]);
});

test("Chinese where the browser speaks it, and a switch", { locale: "zh-CN" }, async (page) => {
  await open(page);
  await card(page, WELL).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
  assert.deepEqual(await page.locator("h2:visible").allInnerTexts(), ["最近 15 分钟", "账户", "队列和工作线程", "最近的错误", "试用模型", "连接客户端"]);
  assert.equal(await card(page, WELL).locator(".state").innerText(), "正常");
  await page.click("#language");
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  assert.equal(await page.locator("#fleet-title").innerText(), "Accounts");
  assert.equal(await card(page, WELL).locator(".state").innerText(), "Available");
});

test("every control has a name, and the first one leads to the content", {}, async (page) => {
  await openWithKey(page);
  await breakOne();
  await card(page, OUT).getByRole("button").waitFor();
  const nameless = await page.locator("button:visible, input:visible, select:visible, textarea:visible, a:visible").evaluateAll((all) =>
    all.filter((node) => !(node.getAttribute("aria-label") || node.closest("label")?.textContent || node.textContent).trim()).map((node) => node.outerHTML),
  );
  assert.deepEqual(nameless, []);
  await page.reload();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

test("the demo shows itself, and chats with the key that it prints", {}, async (page) => {
  await page.goto(`${proxy.demoOrigin}/`);
  for (const id of ["DEMO_1", "DEMO_2", "DEMO_3"]) await card(page, id).waitFor();
  await enterKey(page, proxy.demoKey);
  await ask(page, "Why is the sky blue?");
  await page.locator(".bubble .facts").waitFor();
  assert.match(await page.locator(".bubble.answer .text").innerText(), /sky/);
});

for (const colorScheme of ["light", "dark"]) {
  test(`texts can be read: ${colorScheme}`, { colorScheme }, async (page) => {
    await breakOne();
    await openWithKey(page);
    await ask(page, "simulate a broken stream");
    await page.locator(".bubble .wrong").waitFor();
    await proxy.reset();
    await breakOne();
    await card(page, OUT).getByText("Out: breaker open").waitFor();
    const ratios = await page.evaluate(contrasts);
    assert.ok(ratios.length > 60, `${ratios.length} texts`);
    const low = ratios.filter(({ ratio }) => ratio < CONTRAST);
    assert.deepEqual(low, []);
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(dark, colorScheme === "dark" ? "rgb(16, 21, 27)" : "rgb(244, 246, 248)");
    const least = ratios.reduce((one, other) => (other.ratio < one.ratio ? other : one));
    console.log(`  ${colorScheme}: ${ratios.length} texts, the least contrast is ${least.ratio.toFixed(2)}: ${least.text}`);
  });
}

/** Runs in the page: of each visible text the contrast with the nearest background that is not transparent. */
function contrasts() {
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = parse(colour).map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parse(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !node.checkVisibility() || node.closest("option, :disabled")) continue;
    const isDrawn = node.namespaceURI.endsWith("svg");
    const style = getComputedStyle(node);
    const [one, other] = [luminance(isDrawn ? style.fill : style.color), luminance(background(node))].sort((a, b) => b - a);
    found.push({ text: text.slice(0, 60), ratio: (one + 0.05) / (other + 0.05) });
  }
  return found;
}

for (const locale of ["en-GB", "zh-CN"]) {
  test(`nothing is wider than a phone: ${locale}`, { viewport: { width: 360, height: 780 }, locale, hasTouch: true }, async (page) => {
    const fits = async (what) => {
      const [needed, given] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(needed <= given, `${what}: ${needed} > ${given}`);
    };
    await breakOne();
    await openWithKey(page);
    await card(page, OUT).getByRole("button").waitFor();
    await fits("the page");
    for (const tab of await page.getByRole("tab").all()) {
      await tab.click();
      await fits(await tab.innerText());
    }
    await ask(page, "A_word_that_is_far_too_long_for_a_phone_and_has_no_place_where_it_could_be_broken");
    await page.locator(".bubble .facts").waitFor();
    await fits("the chat");
    await page.click("#key-button");
    await fits("the key");
  });
}

test("nothing is read while the page is hidden", {}, async (page) => {
  await open(page);
  await card(page, WELL).waitFor();
  let readings = 0;
  page.on("request", (request) => (readings += request.url().endsWith("/stats/summary")));
  await eventually("readings", () => readings >= 2);
  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await hide(true);
  await pause(200);
  readings = 0;
  await pause(4500);
  assert.equal(readings, 0);
  await hide(false);
  await eventually("a reading at once", () => readings > 0, 1000);
});

test("a program that has stopped is said to be gone since when, and comes back", { expected: /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/ }, async (page) => {
  await open(page);
  await card(page, WELL).waitFor();
  await proxy.stopProxy();
  await page.getByText(/^Not reachable since \d\d:\d\d:\d\d: no answer\. It is asked again in \d+ s\./).waitFor();
  assert.equal(await page.locator("#overall").innerText(), "Not reachable");
  assert.ok(await card(page, WELL).isVisible(), "the last figures stay");
  const tries = [];
  page.on("request", (request) => request.url().endsWith("/stats/summary") && tries.push(Date.now()));
  await eventually("two more tries", () => tries.length >= 2, 30_000);
  assert.ok(tries[1] - tries[0] > 3500, `it backs off: ${tries[1] - tries[0]} ms`);
  await proxy.startProxy(proxy.port);
  await page.locator("#unreachable").waitFor({ state: "hidden", timeout: 40_000 });
  assert.match(await page.locator("#overall").innerText(), /accounts take requests/);
});

test("pictures", {}, async (page) => {
  const minutes = process.env.UPDATE_README === "1" ? Number(process.env.PICTURE_MINUTES ?? 6) : 0.1;
  await traffic(minutes * 60_000);
  await breakOne();
  await openWithKey(page);
  await ask(page, "Why is the sky blue?");
  await page.locator(".bubble .facts").waitFor();
  await page.getByRole("tab", { name: "Python" }).click();
  await page.evaluate(() => document.activeElement.blur());
  await card(page, OUT).getByText("Out: breaker open").waitFor();
  for (const [name, width, colorScheme] of [["desktop", 1280, "light"], ["desktop-dark", 1280, "dark"], ["phone", 360, "light"]]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => scrollTo(0, 0));
    await pause(600);
    const file = path.join(pictures, `${name}.png`);
    const picture = smaller(await page.screenshot({ fullPage: true }));
    assert.ok(picture.length < PICTURE_LIMIT, `${name}: ${picture.length} bytes`);
    writeFileSync(file, picture);
  }
});

/** Chats that come and go in waves, to have something in the curves. */
async function traffic(millis) {
  const start = Date.now();
  const models = ["grok-4.3", "llama-3.3-70b", "gemini-2.5-flash", "gpt-oss-120b"];
  const running = new Set();
  for (let number = 0; Date.now() - start < millis; number += 1) {
    const wave = 1 + Math.sin((Date.now() - start) / 50_000);
    const chat = proxy.chat(`Tell me about ${number}.`, { model: models[number % models.length], max_tokens: 30 + ((number * 37) % 90) });
    running.add(chat.finally(() => running.delete(chat)));
    await pause(80 + 260 / (0.4 + wave));
  }
  await Promise.allSettled(running);
}

let [passed, failed] = [0, 0];
const only = process.env.ONLY;
for (const one of cases.filter(({ name }) => !only || name.includes(only))) {
  const problem = await runOne(one).then(() => null, (error) => error);
  console.log(`dashboard: ${problem ? "FAILED" : "ok"}: ${one.name}`);
  if (problem) console.log(problem);
  if (problem) failed += 1;
  else passed += 1;
}
await browser.close();
await proxy.stop();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
