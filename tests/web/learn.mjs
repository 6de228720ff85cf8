// The page in Chromium: a dropped archive is learned from, its curve is drawn while it goes on, and what was learned
// answers at once. `make test-web`.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

const { chromium } = createRequire(path.resolve(process.env.BUILD, "web") + "/")("playwright-core");
const sets = path.resolve(process.env.TESTDATA, "learn/sets");
const data = fs.mkdtempSync(path.join(os.tmpdir(), "convd-web-"));
let passed = 0;

function check(what, holds) {
  if (!holds) throw new Error("not true: " + what);
  passed++;
}

// The daemon on a port; 0: a free one.
async function serve(port) {
  const child = spawn(process.env.CONVD, ["serve", "--listen", "127.0.0.1:" + port, "--data", data], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  for await (const chunk of child.stderr) {
    said += chunk;
    const found = /listening on (\S+)/.exec(said);
    if (!found) continue;
    child.stderr.resume();
    return { child, url: found[1] };
  }
  throw new Error("convd does not start: " + said);
}

function archive(name, folder, parts) {
  const file = path.join(data, name);
  execFileSync("tar", ["czf", file, "-C", path.join(sets, folder), ...parts]);
  return file;
}

async function drop(page, file) {
  const bytes = fs.readFileSync(file).toString("base64");
  await page.evaluate(
    ([text, name]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type: "application/gzip" }));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    [bytes, path.basename(file)]
  );
}

const curveGrows = (page) => page.waitForFunction(() => (document.querySelector("[data-testid=learn-curve] path")?.getAttribute("d").match(/L/g) ?? []).length > 1);
const shown = (page, id) => page.waitForSelector(`[data-testid=${id}]:not([hidden])`, { timeout: 60000 });

async function learn(page, server) {
  const elsewhere = [], errors = [];
  page.on("request", (r) => /^(blob|data):/.test(r.url()) || r.url().startsWith(server.url) || elsewhere.push(r.url()));
  page.on("pageerror", (e) => errors.push(e.message));
  await page.goto(server.url);
  await drop(page, archive("My stripes.tar.gz", "orient/train", ["x", "y"]));
  await curveGrows(page);
  check("it says what is in the archive", (await page.textContent("#learn-files")) === "My stripes.tar.gz · x: 160, y: 160");
  check("the job goes on while the curve is drawn", await page.isVisible("#learn-stop"));
  server.child.kill("SIGKILL");
  server = await serve(new URL(server.url).port);
  await shown(page, "learn-result");
  check("all epochs were heard, over a kill", (await page.textContent("[data-testid=learn-words]")).startsWith("50 epochs"));
  check("nothing was cancelled", !(await page.isVisible("#learn-stop")));
  check("the saved pipeline is listed", (await page.textContent("[data-testid=saved]")) === "my-stripes");
  for (const folder of ["x", "y"]) {
    await page.setInputFiles("[data-testid=file]", path.join(sets, "orient/test", folder, fs.readdirSync(path.join(sets, "orient/test", folder))[0]));
    await page.waitForFunction((words) => document.querySelector("#after-facts").textContent === words, "answer: " + folder);
    passed++;
  }
  await drop(page, archive("one.tar.gz", "orient/train", ["x"]));
  await page.waitForSelector("#learn-error:not([hidden])");
  check("what is wrong is said", (await page.textContent("#learn-error")).includes("all pictures are of one class, x"));
  await drop(page, archive("pairs.tar.gz", "pairs", ["input", "target"]));
  await curveGrows(page);
  check("pairs are pairs", /^pairs.tar.gz · \d+ pairs$/.test(await page.textContent("#learn-files")));
  await page.click("#learn-stop");
  await page.waitForFunction(() => document.querySelector("#learn-words").textContent === "cancelled");
  await page.setViewportSize({ width: 360, height: 700 });
  check("a phone needs no scrolling sideways", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  check("no outside host is asked: " + elsewhere, elsewhere.length === 0);
  check("no script failed: " + errors, errors.length === 0);
  return server;
}

let server = await serve(0), failed = 0;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
try {
  server = await learn(await browser.newPage(), server);
} catch (e) {
  console.error(e);
  failed = 1;
}
await browser.close();
server.child.kill("SIGKILL");
fs.rmSync(data, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed);
