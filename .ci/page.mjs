// Uses the endpoint's page in a browser: node page.mjs FOLDER, where npm has installed playwright-core and axe-core into FOLDER.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, request as send } from "node:http";
import { createSecureServer } from "node:http2";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";

const folder = resolve(process.argv[2], "node_modules");
const require = createRequire(`${folder}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const MAX_COMPRESSED = 12 * 1024;
// A text that Hightouch could return: HTML, code, a template, controls that reverse the direction, and one long word.
const HOSTILE = `</pre><img src=x onerror="window.attacked=1"><script>window.attacked=2</script><a href="javascript:window.attacked=3">x</a> \${window.attacked=4} \u202egnp.exe ${"x".repeat(400)} ENDS`;

// Servers

const children = [];
const servers = [];
process.on("exit", () => children.forEach((child) => child.kill()));

/** Starts a program of this project, and returns the URL at which it listens. */
function start(args, env = {}) {
  const child = spawn("target/debug/hightouch-sync", args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  return new Promise((done, failed) => {
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
      const found = / listens on (http:\/\/\S+)/.exec(output);
      if (found) done(found[1]);
    });
    child.on("exit", (code) => failed(new Error(`${args} ended with ${code}: ${output}`)));
  });
}

/**
 * Starts a proxy in front of `target`. `answer` receives the request and the response of the target, and responds. With a
 * certificate, the proxy speaks HTTP/2.
 */
async function proxy(target, path, answer, certificate) {
  const create = certificate ? (handler) => createSecureServer(certificate, handler) : createServer;
  const server = create((incoming, outgoing) => {
    const url = new URL(path(incoming.url), target);
    const names = Object.entries(incoming.headers).filter(([name]) => !name.startsWith(":"));
    const headers = { ...Object.fromEntries(names), host: url.host, "accept-encoding": "identity" };
    const forwarded = send(url, { method: incoming.method, headers }, (response) => answer(incoming, response, outgoing));
    forwarded.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  servers.push(server);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return `http${certificate ? "s" : ""}://127.0.0.1:${server.address().port}`;
}

const hightouch = await start(["hightouch", "--listen", "127.0.0.1:0"]);
// Replaces the error text of each run, and counts the requests that start a run.
let triggers = 0;
const hostile = await proxy(hightouch, (path) => path, async (incoming, response, outgoing) => {
  triggers += incoming.method === "POST";
  let body = "";
  for await (const part of response.setEncoding("utf8")) body += part;
  const text = body.replace(/"error":"(?:[^"\\]|\\.)*"/g, () => `"error":${JSON.stringify(HOSTILE)}`);
  const { "content-length": _, ...headers } = response.headers;
  outgoing.writeHead(response.statusCode, headers).end(text);
});
const endpoint = await start(["serve", "--listen", "127.0.0.1:0"], { HIGHTOUCH_API_ORIGIN: hostile, HIGHTOUCH_WORKSPACE: "demo" });
// Serves the endpoint below a path, as many proxies do. `fault` cuts the responses to requests for a run.
const PREFIX = "/tools/hightouch";
let fault = "none";
const stripped = (path) => path.replace(PREFIX, "") || "/";
const respond = (incoming, response, outgoing) => {
  const isRun = response.headers["content-type"] === "text/event-stream";
  if (isRun && fault === "reset") {
    // The endpoint has started the run. The browser receives nothing, so it could believe that the request was not received.
    const { session } = outgoing.stream ?? {};
    return session ? session.destroy() : incoming.socket.destroy();
  }
  if (isRun && fault === "gateway") {
    response.destroy();
    outgoing.writeHead(504, { "content-type": "text/html" }).end("<h1>504 Gateway Time-out</h1>");
    return;
  }
  const { connection: _, "transfer-encoding": __, ...headers } = response.headers;
  outgoing.writeHead(response.statusCode, headers);
  response.on("data", (data) => {
    outgoing.write(data);
    // The browser has to receive the data first.
    if (isRun && fault === "cut") setTimeout(() => outgoing.destroy(), 300);
  });
  // A stream that ends without its end, after the last event.
  if (!(isRun && fault === "open")) response.on("end", () => outgoing.end());
};
const front = await proxy(endpoint, stripped, respond);
const [key, certificate] = ["key", "certificate"].map((name) => resolve(process.argv[2], `${name}.pem`));
execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1"], { stdio: "ignore" });
const front2 = await proxy(endpoint, stripped, respond, { key: readFileSync(key), cert: readFileSync(certificate) });

// The browser

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox"],
  // Playwright disables the cache that shows a page again as it was.
  ignoreDefaultArgs: ["--disable-back-forward-cache"],
});

/** Opens the page. Every request must go to the page's own server, and the console must show no error. */
async function open(url, options = {}) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Paris", ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  page.on("console", (message) => {
    // The browser reports each response with an error status, and each connection that failed.
    if (!/^Failed to load resource|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING/.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin) && request.url() !== "data:,") complaints.push(request.url());
  });
  await page.goto(url);
  return { page, context, complaints };
}

const heading = (page) => page.locator("#heading");
const expectHeading = (page, text) => page.waitForFunction((text) => document.getElementById("heading").textContent === text, text);
const fact = (page, name) => page.locator(`#facts dt:text-is("${name}") + dd`).innerText();

async function fill(page, sync, token = "local") {
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByLabel("Sync", { exact: true }).fill(sync);
}
const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

/** Checks the page with axe, in light and dark mode. */
async function checkAccessibility(page) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => [colorScheme, id, nodes.map((node) => node.html)]), []);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Returns the number of runs of a sync in Hightouch. */
async function runs(sync) {
  const response = await fetch(`${hightouch}/api/v1/syncs/${sync}/runs?limit=100`, { headers: { authorization: "Bearer local" } });
  return (await response.json()).data.length;
}

// Checks

const checks = {
  async "the page is small"() {
    const html = await (await fetch(`${endpoint}/`)).text();
    const size = gzipSync(html, { level: 9 }).length;
    console.log(`        ${size} bytes compressed, ${html.length} uncompressed`);
    assert.ok(size <= MAX_COMPRESSED);
  },

  async "a run that succeeds, with the keyboard alone"() {
    const { page, context, complaints } = await open(`${endpoint}/`);
    await page.keyboard.press("Tab");
    await page.keyboard.type("local");
    await page.keyboard.press("Tab");
    await page.keyboard.type("demo");
    const before = await runs(1);
    await page.keyboard.press("Enter");
    // A second press, or a key that is held down, must not start a second run.
    await page.keyboard.press("Enter");
    for (let i = 0; i < 20; i++) await page.keyboard.down("Enter");
    await page.keyboard.up("Enter");
    await page.waitForFunction(() => /: processing$/.test(document.getElementById("heading").textContent));
    await page.waitForFunction(() => document.getElementById("bar").value > 0);
    await expectHeading(page, "Success");
    assert.equal(await runs(1), before + 1);
    assert.match(await page.locator("#announcement").innerText(), /^Success\. Run \d+ of sync 1 ended as “success”/);
    assert.equal(await page.locator("#progress").getAttribute("class"), "good");
    assert.equal(await fact(page, "Rows added"), "640");
    assert.equal(await fact(page, "Rows rejected"), "0");
    assert.match(await fact(page, "Duration"), /^\d\.\d s$/);
    const run = page.locator("#facts a");
    assert.equal(await run.getAttribute("href"), `https://app.hightouch.com/demo/syncs/1/runs/${await run.innerText()}`);
    const newest = page.locator("#rows tr").first();
    await newest.waitFor();
    assert.equal(await newest.locator("th").innerText(), await run.innerText());
    assert.match(await newest.innerText(), /success\s+\d\.\d s\s+773\s+0/);
    const bars = await page.locator(".duration").evaluateAll((bars) => bars.map((bar) => bar.style.width));
    assert.ok(bars.includes("100%"), String(bars));
    await checkAccessibility(page);
    // The token is not stored in a place that outlasts the page.
    assert.deepEqual(await context.storageState(), { cookies: [], origins: [] });
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    assert.equal(page.url(), `${endpoint}/`);
    assert.deepEqual(complaints, []);
    if (process.env.SCREENSHOT) await screenshot(process.env.SCREENSHOT);
  },

  async "a run that fails, and hostile texts"() {
    const { page, complaints } = await open(`${endpoint}/`);
    await fill(page, "3");
    await press(page, "Run");
    await expectHeading(page, "The run did not succeed");
    assert.equal(await page.locator("#progress").getAttribute("class"), "bad");
    assert.equal(await fact(page, "Kind"), "sync-failed");
    const shown = `${await page.locator("#explanation").innerText()} ${await page.locator("#details").textContent()}`;
    assert.ok(shown.includes("<img src=x onerror="), shown);
    const newest = page.locator("#rows tr").first();
    await newest.waitFor();
    assert.match(await newest.innerText(), /failed/);
    assert.ok((await newest.innerText()).includes("<img src=x onerror="));
    assert.equal(await page.locator("img, main script, iframe").count(), 0);
    assert.equal(await page.evaluate(() => window.attacked), undefined);
    for (const width of [320, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      const [content, view] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(content <= view, `the page is ${content} px wide, the window ${view} px`);
    }
    await checkAccessibility(page);
    assert.deepEqual(complaints, []);
  },

  async "rejected rows: a failure, accepted, and within a limit"() {
    const { page, complaints } = await open(`${endpoint}/`);
    await fill(page, "2");
    await press(page, "Run");
    await expectHeading(page, "The run did not succeed");
    await page.locator("summary").click();
    await page.getByLabel("Rejected rows count as", { exact: true }).selectOption("accept");
    await press(page, "Run");
    await expectHeading(page, "Success, with rejected rows");
    assert.equal(await fact(page, "Rows rejected"), "3");
    await page.getByLabel("Rejected rows count as", { exact: true }).selectOption("limit");
    await page.getByLabel("Maximum number of rejected rows").fill("2");
    await press(page, "Run");
    await expectHeading(page, "The run did not succeed");
    await page.getByLabel("Maximum percentage of rejected rows").fill("6.5");
    await page.getByLabel("Maximum number of rejected rows").fill("50");
    await press(page, "Run");
    await expectHeading(page, "Success, with rejected rows");
    await checkAccessibility(page);
    assert.deepEqual(complaints, []);
  },

  async "every option reaches the endpoint"() {
    const { page, complaints } = await open(`${endpoint}/`);
    const requests = [];
    page.on("request", (request) => requests.push(request));
    await fill(page, "5");
    await page.locator("summary").click();
    await page.getByLabel("Account").fill("emea");
    await page.getByLabel("If a run is in progress").selectOption("refuse");
    await page.getByLabel("Do not start a run if one began").fill("2026-11-26T07:00:05");
    await page.getByLabel("Send every row again").check();
    await page.getByLabel("Mark every row as synced").check();
    await page.getByLabel("Empty the audience").check();
    await page.getByLabel("Lineage parent").fill("airflow/job/0cb7da35-1fff-4d4a-bf1b-6534d515e5b5");
    await page.getByLabel("Maximum wait in seconds").fill("7");
    await press(page, "Run");
    await page.waitForFunction(() => document.getElementById("run").getAttribute("aria-disabled") === "false");
    const request = requests.find((request) => request.method() === "POST");
    assert.equal(request.url(), `${endpoint}/syncs/5/runs?account=emea`);
    assert.equal(await request.headerValue("prefer"), "wait=7");
    assert.deepEqual(request.postDataJSON(), {
      ifRunning: "refuse",
      unlessRunSince: "2026-11-26T06:00:05.000Z",
      fullResync: true,
      resetCDC: true,
      clearAndFill: true,
      lineageParent: "airflow/job/0cb7da35-1fff-4d4a-bf1b-6534d515e5b5",
    });
    assert.deepEqual(complaints, []);
  },

  async "input that the page or the endpoint refuses starts nothing"() {
    const { page, complaints } = await open(`${endpoint}/`);
    const [before, runsBefore] = [triggers, await runs(5)];
    for (const sync of ["", "..", "a b", "1/runs/2", "local"]) {
      await fill(page, sync);
      await press(page, "Run");
      assert.equal(await page.locator("#progress").isVisible(), false, sync);
    }
    await fill(page, "5", "\u20ac");
    await press(page, "Run");
    assert.equal(await page.locator("#progress").isVisible(), false, "a token that HTTP cannot send");
    // A wrong value in the closed options must not fail silently.
    await fill(page, "5");
    await page.locator("summary").click();
    await page.getByLabel("Maximum wait in seconds").fill("-1");
    await page.locator("summary").click();
    await press(page, "Run");
    assert.equal(await page.getByLabel("Maximum wait in seconds").isVisible(), true);
    await page.getByLabel("Maximum wait in seconds").fill("");
    await fill(page, "99");
    await press(page, "Run");
    await expectHeading(page, "Hightouch does not know the sync, the sequence or the run");
    await fill(page, "5", "wrong");
    await press(page, "Run");
    await expectHeading(page, "Hightouch did not accept the API key");
    await press(page, "Show recent runs");
    await page.waitForFunction(() => /could not be read/.test(document.getElementById("recent-note").textContent));
    assert.equal(await runs(5), runsBefore);
    assert.equal(triggers, before + 2);
    assert.deepEqual(complaints, []);
  },

  async "the token and the options are gone after the page was left"() {
    const { page, complaints } = await open(`${endpoint}/`);
    await fill(page, "5");
    await page.locator("summary").click();
    await page.getByLabel("Empty the audience").check();
    await page.getByLabel("Rejected rows count as").selectOption("limit");
    assert.equal(await page.locator("summary").innerText(), "Options (2 set)");
    await page.goto(`${endpoint}/healthz`);
    await page.evaluate(() => setTimeout(() => history.back(), 0));
    await page.waitForURL(`${endpoint}/`, { waitUntil: "commit" });
    await page.waitForFunction(() => document.getElementById("summary")?.textContent === "Options");
    assert.deepEqual(await page.locator("input").evaluateAll((all) => all.filter((one) => one.checked || (one.value && one.type !== "checkbox")).map((one) => one.id)), []);
    assert.equal(await page.locator("#limits").getAttribute("hidden"), "");
    // A resync is for one run.
    await fill(page, "5");
    await page.getByLabel("Empty the audience").setChecked(true, { force: true });
    await press(page, "Run");
    await expectHeading(page, "Success");
    await page.waitForFunction(() => !document.getElementById("clear-and-fill").checked);
    assert.deepEqual(complaints, []);
  },

  async "below a path, a lost connection never starts a second run"() {
    const wait = { name: /^Wait for run \d+$/ };
    for (const path of [PREFIX, `${PREFIX}/`]) {
      const { page, complaints } = await open(front + path);
      const before = await runs(4);
      await fill(page, "4");
      fault = "cut";
      await press(page, "Run");
      await expectHeading(page, "The page does not know whether the run has ended");
      fault = "none";
      const id = await fact(page, "Run");
      assert.equal(await page.locator("#await").innerText(), `Wait for run ${id}`);
      await page.locator("#await").click();
      await page.waitForFunction((id) => document.getElementById("heading").textContent.startsWith(`Run ${id} of sync 4: `), id);
      await page.locator("#stop").focus();
      await page.keyboard.press("Enter");
      await expectHeading(page, "The page does not know whether the run has ended");
      assert.match(await page.locator("#explanation").innerText(), /You stopped waiting/);
      assert.equal(await page.evaluate(() => document.activeElement.id), "heading");
      // The list offers to wait for the run too.
      const row = page.locator("#rows tr").filter({ has: page.locator("th", { hasText: id }) });
      await row.getByRole("button", wait).click();
      await page.waitForFunction((id) => document.getElementById("heading").textContent.startsWith(`Run ${id} of sync 4: `), id);
      assert.equal(await page.evaluate(() => document.activeElement.id), "heading");
      await press(page, "Stop waiting");
      // A wrong token does not lose the run.
      await page.getByLabel("Token", { exact: true }).fill("wrong");
      await page.locator("#await").click();
      await expectHeading(page, "Hightouch did not accept the API key");
      assert.equal(await page.locator("#await").innerText(), `Wait for run ${id}`);
      await page.getByLabel("Token", { exact: true }).fill("local");
      assert.equal(await runs(4), before + 1);
      fault = "gateway";
      await press(page, "Run");
      await expectHeading(page, "A run may or may not have been started");
      assert.match(await page.locator("#explanation").innerText(), /HTTP status 504/);
      // The earlier run is still in progress, as far as the page knows.
      assert.equal(await page.locator("#await").innerText(), `Wait for run ${id}`);
      fault = "none";
      await page.locator("#rows").getByRole("button", wait).nth(1).waitFor();
      assert.equal(await runs(4), before + 2);
      assert.deepEqual(complaints, []);
      await page.close({ runBeforeUnload: false });
    }
  },

  async "one press sends one request, though the connection closes before the response begins"() {
    for (const origin of [front, front2]) {
      const { page, complaints } = await open(`${origin}${PREFIX}/`);
      const protocol = await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
      await fill(page, "5");
      // Over HTTP/1.1, a request after a complete response may reuse its connection. The browser may repeat such a request.
      for (const name of protocol === "h2" ? ["none", "reset", "reset", "none", "reset"] : ["reset", "reset", "none"]) {
        const heading = name === "none" ? "Success" : "A run may or may not have been started";
        const before = triggers;
        fault = name;
        await press(page, "Run");
        await page.waitForFunction((heading) => document.getElementById("run").getAttribute("aria-disabled") === "false" && document.getElementById("heading").textContent === heading, heading);
        fault = "none";
        // A repeated request would start its run within this time.
        await new Promise((done) => setTimeout(done, 1_500));
        assert.equal(triggers, before + 1, `${protocol}, ${name}`);
      }
      console.log(`        over ${protocol}`);
      assert.deepEqual(complaints.filter((complaint) => !/net::ERR_/.test(complaint)), []);
    }
  },

  async "a stream that stays open after its last event"() {
    const { page, complaints } = await open(`${front}${PREFIX}/`);
    await fill(page, "5");
    fault = "open";
    await press(page, "Run");
    await expectHeading(page, "Success");
    fault = "none";
    assert.equal(await page.locator("#run").getAttribute("aria-disabled"), "false");
    assert.deepEqual(complaints, []);
  },

  async "a run that lasts longer than the wait can be awaited further"() {
    const { page, complaints } = await open(`${endpoint}/`);
    await fill(page, "4");
    await page.locator("summary").click();
    await page.getByLabel("Maximum wait in seconds").fill("1");
    const before = triggers;
    await press(page, "Run");
    await expectHeading(page, "The run is still in progress");
    assert.equal(await page.locator("#progress").getAttribute("class"), "warn");
    const id = await fact(page, "Run");
    assert.equal(await page.locator("#await").innerText(), `Wait for run ${id}`);
    await page.locator("#await").click();
    await expectHeading(page, "The run is still in progress");
    assert.equal(triggers, before + 1);
    await page.getByLabel("If a run is in progress").selectOption("refuse");
    await press(page, "Run");
    await expectHeading(page, "A run of this sync is already in progress");
    assert.equal(await page.locator("#await").innerText(), `Wait for run ${await fact(page, "Run")}`);
    assert.equal(triggers, before + 1);
    assert.deepEqual(complaints, []);
  },
};

/** Writes a picture of the page after a run that succeeded. */
async function screenshot(path) {
  const local = await start(["serve", "--listen", "127.0.0.1:0", "--local-hightouch"]);
  const { page, context } = await open(`${local}/`, { viewport: { width: 820, height: 700 }, deviceScaleFactor: 1 });
  await fill(page, "demo");
  await press(page, "Run");
  await expectHeading(page, "Success");
  await page.locator("#rows tr").nth(1).waitFor();
  await page.screenshot({ path, fullPage: true });
  await context.close();
}

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack ?? error}`);
    for (const context of browser.contexts())
      for (const page of context.pages()) console.log(`        ${await heading(page).innerText().catch(() => "")}: ${await page.locator("#explanation").innerText().catch(() => "")}`);
  }
  for (const context of browser.contexts()) await context.close();
}
await browser.close();
servers.forEach((server) => server.close());
process.exit(failed ? 1 : 0);
