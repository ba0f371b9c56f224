// The built program: the demo, for its simulator of OCI, and a fleet of its accounts with troubles that last as long as a test needs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const START_LIMIT = 60_000;

export const pause = (millis) => new Promise((done) => setTimeout(done, millis));

/** The first value of `look` that is not false; an error after the limit. */
export async function eventually(what, look, limit = 20_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in ${limit} ms: ${what}`);
    await pause(50);
  }
}

const children = [];

async function start(binary, args, environment, ready) {
  const child = spawn(binary, args, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const found = await eventually("the start", () => {
    if (child.exitCode !== null) throw new Error(`it ended at once:\n${output}`);
    return ready(output);
  }, START_LIMIT);
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    // A second signal ends what still waits for its clients.
    child.kill("SIGTERM");
    await pause(100);
    child.kill("SIGTERM");
    await ended;
  };
  return { found, stop };
}

/** A port where nobody answers: it was free a moment ago. */
async function deadPort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A demo, and in front of its simulator a fleet of three: one is well, one is not reached, one throttles every third call. */
export async function startAll(binary) {
  const work = mkdtempSync(path.join(tmpdir(), "ociai-browser-"));
  const demo = await start(binary, ["-demo", "-host", "127.0.0.1", "-port", "0"], { TMPDIR: work }, (output) => /^curl -N /m.test(output) && output);
  const directory = path.join(work, readdirSync(work).find((name) => name.startsWith("ociai-proxy-demo-")));
  const config = readFileSync(path.join(directory, "multi_config.conf"), "utf8");
  const key = /^api_key = (\S+)/m.exec(config)[1];
  const models = /\[MODELS\]\n([^[]+)/.exec(config)[1];
  const dead = await deadPort();
  const account = (number, more) => {
    const text = new RegExp(`\\[ACCOUNT_${number}\\]\\n([^[]+)`).exec(config)[1].trimEnd();
    const values = Object.fromEntries(text.split("\n").map((line) => line.split(" = ")));
    values.key_file = path.join(directory, values.key_file);
    const lines = Object.entries({ ...values, ...more }).map(([name, value]) => `${name} = ${value}\n`);
    return `\n[ACCOUNT_${number}]\n${lines.join("")}`;
  };
  // One failure takes an account out for a minute: whoever reads the page sees it, and the count-down.
  const own = [
    `api_key = ${key}\n\n[GLOBAL]\nhealth_check_interval = 0\n\n[MODELS]\n${models}`,
    "\n[CIRCUIT_BREAKER]\nmax_failures = 1\nreset_timeout = 60s\n",
    account(1, { id: "primary_us_phoenix", region: "us-phoenix-1" }),
    account(3, { id: "backup_eu_frankfurt", region: "eu-frankfurt-1", endpoint: `http://127.0.0.1:${dead}` }),
    account(2, { id: "load_us_chicago", region: "us-chicago-1" }),
  ];
  const file = path.join(work, "multi_config.conf");
  writeFileSync(file, own.join(""), { mode: 0o600 });
  let proxy;
  const all = {
    key,
    demoKey: /^API key: (\S+)$/m.exec(demo.found)[1],
    demoOrigin: /^curl (http:\/\/[^/]+)\/v1\/models/m.exec(demo.found)[1],
    async startProxy(port = 0) {
      const args = ["-multi-account", "-host", "127.0.0.1", "-port", String(port), "-config", file];
      // The port is in the log if it was for the system to choose.
      const answers = () => fetch(`http://127.0.0.1:${port}/health`).then(() => port, () => null);
      proxy = await start(binary, args, {}, (output) => (port ? answers() : /Starting server on port (\d+)/.exec(output)?.[1]));
      all.port = Number(proxy.found);
      all.origin = `http://127.0.0.1:${all.port}`;
    },
    stopProxy: () => proxy.stop(),
    async stop() {
      await proxy?.stop();
      await demo.stop();
      for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) child.kill("SIGKILL");
      rmSync(work, { recursive: true, force: true });
    },
    /** A chat's status; its answer is read to the end. */
    async chat(text, { model = "grok-4.3", stream = true, max_tokens } = {}) {
      const answer = await fetch(`${all.origin}/v1/chat/completions`, {
        method: "POST",
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
        body: JSON.stringify({ model, stream, max_tokens, messages: [{ role: "user", content: text }] }),
      });
      await answer.text();
      return answer.status;
    },
    async summary() {
      return (await fetch(`${all.origin}/stats/summary`)).json();
    },
    account: async (id) => (await all.summary()).accounts.find((one) => one.id === id),
    reset: () => fetch(`${all.origin}/admin/circuit-breaker/reset`, { method: "POST" }),
  };
  await all.startProxy();
  return all;
}
