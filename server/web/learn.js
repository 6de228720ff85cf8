// Learning: an archive is looked into, a job is started, its events draw the curve, and what it learned can be used.

const $ = (id) => document.getElementById(id);
let page; // what app.js gives: keyHeader, problemItems, learned
let archive = null; // the File
let job = null; // { address, reader } of the job that is watched
let curve = [];
let epochs = 0;

export const isArchive = (file) => /\.(zip|tar|tgz|tar\.gz)$/i.test(file.name ?? "") || /^application\/(zip|x-zip-compressed|gzip|x-gzip|x-tar)$/.test(file.type);

// ---- what is in an archive -----------------------------------------------------------------------------------------

const text = new TextDecoder();

async function zipNames(file) {
  const tail = new DataView(await file.slice(-65557).arrayBuffer());
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) return [];
  const from = tail.getUint32(at + 16, true);
  const list = await file.slice(from, from + tail.getUint32(at + 12, true)).arrayBuffer();
  const view = new DataView(list), names = [];
  for (let i = 0; i + 46 <= view.byteLength && view.getUint32(i, true) === 0x02014b50; ) {
    const n = view.getUint16(i + 28, true);
    names.push(text.decode(new Uint8Array(list, i + 46, n)));
    i += 46 + n + view.getUint16(i + 30, true) + view.getUint16(i + 32, true);
  }
  return names;
}

async function tarNames(stream) {
  const names = [], reader = stream.getReader();
  let held = new Uint8Array(0), skip = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return names;
    const all = new Uint8Array(held.length + value.length);
    all.set(held);
    all.set(value, held.length);
    let at = Math.min(skip, all.length);
    skip -= at;
    while (!skip && at + 512 <= all.length) {
      const word = (from, n) => text.decode(all.subarray(at + from, at + from + n)).split("\0")[0];
      const name = word(0, 100), prefix = word(257, 5) === "ustar" ? word(345, 155) : "";
      if (name && /^[0\0]?$/.test(word(156, 1))) names.push(prefix ? prefix + "/" + name : name);
      const whole = 512 + Math.ceil((parseInt(word(124, 12), 8) || 0) / 512) * 512;
      skip = Math.max(0, at + whole - all.length);
      at = Math.min(at + whole, all.length);
    }
    held = all.slice(at);
  }
}

async function namesOf(file) {
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (head[0] === 0x50 && head[1] === 0x4b) return zipNames(file);
  const packed = head[0] === 0x1f && head[1] === 0x8b;
  return tarNames(packed ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream());
}

// Folders and how many files each holds, as the server sees them: hidden files, and folders around all others, do not count.
function foldersOf(names) {
  let list = names.map((n) => n.replace(/^\.\//, "")).filter((n) => /[^/]\/.*[^/]$/.test(n) && !/(^|\/)(\.|__MACOSX\/)/.test(n));
  while (list.length && list.every((n) => n.split("/")[0] === list[0].split("/")[0] && n.split("/").length > 2))
    list = list.map((n) => n.slice(n.indexOf("/") + 1));
  const folders = new Map();
  for (const n of list) folders.set(n.split("/")[0], (folders.get(n.split("/")[0]) ?? 0) + 1);
  return folders;
}

// ---- what is learned when nothing else is said ---------------------------------------------------------------------

const init = (more) => ({ init: "he_normal", ...more });
const network = (classes) => [
  { op: "scale", mul: 0.00392157, add: -0.5 },
  { op: "conv", weight: init({ out_channels: 64, kernel_size: 3 }), padding: "same" },
  "relu",
  { op: "max_pool", kernel_size: 2 },
  "global_avg_pool",
  { op: "linear", weight: init({ out_features: classes }) },
];
const operator = [{ op: "conv", weight: init({ out_channels: 3, kernel_size: 3 }), padding: "same", padding_mode: "reflect" }];
const readable = (steps) => "[\n" + steps.map((s) => "  " + JSON.stringify(s)).join(",\n") + "\n]";

async function take(file) {
  archive = file;
  let folders = new Map();
  try {
    folders = foldersOf(await namesOf(file));
  } catch {
    // the server has the words for what is wrong with it
  }
  const pairs = folders.has("input") && folders.has("target") && folders.size === 2;
  const said = pairs ? folders.get("input") + " pairs" : [...folders].slice(0, 6).map(([name, n]) => `${name}: ${n}`).join(", ");
  $("learn-files").textContent = file.name + (said ? " · " + said : "") + (!pairs && folders.size > 6 ? ", …" : "");
  $("learn-spec").value = readable(pairs ? operator : network(Math.max(2, folders.size)));
  $("learn-name").value = nameFor(file.name);
  $("learn-about").hidden = false;
  start();
}

function nameFor(fileName) {
  const name = fileName.toLowerCase().replace(/\.(zip|tgz|tar|tar\.gz)$/, "").replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z]+|-+$/g, "");
  return (name || "learned").slice(0, 56);
}

// ---- the job -------------------------------------------------------------------------------------------------------

function jobText() {
  const parts = ['"type":"learn"', '"pipeline":' + $("learn-spec").value.trim()];
  if ($("learn-name").value) parts.push('"save_as":' + JSON.stringify($("learn-name").value));
  if ($("learn-epochs").value) parts.push('"epochs":' + $("learn-epochs").value);
  return "{" + parts.join(",") + "}";
}

function curlLine() {
  const quoted = "'job=" + jobText().replace(/\s*\n\s*/g, "").replace(/'/g, "'\\''") + "'";
  const key = page.keyHeader().Authorization ? " -H 'Authorization: Bearer KEY'" : "";
  $("learn-curl").textContent = `curl -F ${quoted} -F data=@'${archive?.name ?? "examples.zip"}'${key} ${location.origin}/v1/jobs`;
}

function fail(problem) {
  $("learn-error").replaceChildren(...page.problemItems(problem));
  $("learn-error").hidden = false;
  if (/resize step/.test(problem.expected ?? "")) {
    const add = Object.assign(document.createElement("button"), { type: "button", textContent: "resize all to 64 × 64" });
    add.addEventListener("click", () => {
      $("learn-spec").value = $("learn-spec").value.replace("[", '[\n  {"op":"resize","size":64,"mode":"area"},');
      start();
    });
    $("learn-error").append(add);
  }
}

async function start() {
  curlLine();
  if (!archive) return;
  $("learn-error").hidden = true;
  const form = new FormData();
  form.append("job", jobText());
  form.append("data", archive, archive.name);
  $("learn-start").disabled = true;
  try {
    const response = await fetch("/v1/jobs", { method: "POST", body: form, headers: page.keyHeader() });
    const answer = await response.json();
    if (response.ok) watch(answer);
    else fail(answer);
  } catch (e) {
    fail({ title: "No answer", detail: "The server could not be reached: " + e.message });
  }
  $("learn-start").disabled = false;
}

// Events of a job until it ends; after a break from the last one on.
async function watch(answer) {
  job?.stop.abort();
  const mine = (job = { address: "/v1/jobs/" + answer.id, stop: new AbortController() });
  let last = "";
  curve = [];
  epochs = 0;
  $("learn-run").hidden = false;
  $("learn-result").hidden = true;
  $("learn-stop").hidden = false;
  $("learn-words").textContent = "waiting";
  $("learn-progress").removeAttribute("value");
  draw();
  while (job === mine) {
    try {
      const headers = { ...page.keyHeader(), ...(last ? { "Last-Event-ID": last } : {}) };
      const response = await fetch(mine.address + "/events", { headers, signal: mine.stop.signal });
      if (!response.ok || response.status === 204) return ended(mine);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let held = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) break;
        const blocks = (held + value).split("\n\n");
        held = blocks.pop();
        for (const block of blocks) {
          const field = (name) => (new RegExp("^" + name + ": (.*)$", "m").exec(block) ?? [])[1];
          last = field("id") ?? last;
          if (field("event") && hear(field("event"), JSON.parse(field("data")))) return ended(mine);
        }
      }
    } catch {
      if (job !== mine) return;
    }
    await new Promise((later) => setTimeout(later, 1000));
  }
}

const percent = (x) => (100 * x).toFixed(1) + " %";
const short = (x) => (x >= 0.01 && x < 10000 ? Number(x.toPrecision(3)).toString() : x.toExponential(1));

// True when the job is over.
function hear(kind, data) {
  if (kind === "epoch") {
    curve = curve.filter((row) => row.epoch < data.epoch);
    curve.push(data);
    requestAnimationFrame(draw);
  } else if (kind === "progress") {
    say(data);
  }
  return kind === "state" && !["queued", "running"].includes(data.state);
}

function say(progress) {
  const row = curve.at(-1), words = [];
  if (row && progress.total) epochs = Math.max(row.epoch, Math.round((progress.total / progress.done) * row.epoch));
  if (row) words.push(`epoch ${row.epoch}`, "loss " + short(row.loss));
  else words.push("reading");
  if (row?.accuracy != null) words.push(percent(row.accuracy) + " right");
  if (progress.eta_s != null && row) words.push(progress.eta_s < 90 ? `${Math.ceil(progress.eta_s)} s left` : `${Math.ceil(progress.eta_s / 60)} min left`);
  $("learn-words").textContent = words.join(" · ");
  if (progress.total) $("learn-progress").value = progress.done / progress.total;
}

async function ended(mine) {
  const headers = page.keyHeader();
  const state = await (await fetch(mine.address, { headers })).json();
  if (job !== mine) return;
  job = null;
  $("learn-stop").hidden = true;
  $("learn-progress").value = state.state === "succeeded" ? 1 : $("learn-progress").value;
  if (state.state === "failed") fail(state.error);
  if (state.state !== "succeeded") {
    $("learn-words").textContent = state.state;
    return;
  }
  const result = await (await fetch(mine.address + "/result", { headers })).json();
  curve = result.curve;
  epochs = curve.length;
  draw();
  const row = curve.at(-1);
  $("learn-words").textContent = [`${epochs} epochs`, "loss " + short(row.loss), row.accuracy != null ? percent(row.accuracy) + " right" : ""].filter(Boolean).join(" · ");
  showResult(result);
  page.learned(result.pipeline);
}

// ---- the curve -----------------------------------------------------------------------------------------------------

const svg = (name, attributes, words) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (words !== undefined) element.textContent = words;
  return element;
};
const LEFT = 56, TOP = 12;

const lines = [
  { member: "loss", words: "loss", looks: "loss" },
  { member: "val_loss", words: "loss, held back", looks: "loss held" },
  { member: "accuracy", words: "right", looks: "accuracy" },
  { member: "val_accuracy", words: "right, held back", looks: "accuracy held" },
];

function draw() {
  const losses = curve.flatMap((r) => [r.loss, r.val_loss]).filter((x) => x != null).map((x) => Math.log10(Math.max(x, 1e-12)));
  const low = Math.min(...losses), high = Math.max(...losses, low + 0.05);
  const edge = $("learn-curve").clientWidth - 52, floor = $("learn-curve").clientHeight - 26;
  const most = Math.max(epochs, curve.at(-1)?.epoch ?? 1, 2);
  const x = (epoch) => LEFT + ((epoch - 1) / (most - 1)) * (edge - LEFT);
  const height = (share) => floor - share * (floor - TOP);
  const parts = [], legend = [];
  for (let i = 0; i <= 4; i++) {
    const y = height(i / 4);
    parts.push(svg("line", { class: "grid", x1: LEFT, x2: edge, y1: y, y2: y }));
    if (losses.length) parts.push(svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, short(10 ** (low + ((high - low) * i) / 4))));
    if (curve[0]?.accuracy != null) parts.push(svg("text", { x: edge + 6, y: y + 4 }, `${25 * i} %`));
  }
  parts.push(svg("text", { x: LEFT, y: floor + 20 }, "1"), svg("text", { x: edge, y: floor + 20, "text-anchor": "end" }, `${most} epochs`));
  for (const line of lines) {
    const rows = curve.filter((r) => r[line.member] != null);
    if (!rows.length) continue;
    const share = (v) => (line.member.endsWith("loss") ? (Math.log10(Math.max(v, 1e-12)) - low) / (high - low) : v);
    const points = rows.map((r) => `${x(r.epoch).toFixed(1)},${height(share(r[line.member])).toFixed(1)}`);
    parts.push(svg("path", { class: line.looks, d: "M" + points.join("L") + (points.length === 1 ? "h1" : "") }));
    const mark = svg("svg", { viewBox: "0 0 32 8", "aria-hidden": "true" }), item = document.createElement("span");
    mark.append(svg("path", { class: line.looks, d: "M0,4H32" }));
    item.append(mark, line.words);
    legend.push(item);
  }
  $("learn-curve").replaceChildren(...parts);
  $("learn-legend").replaceChildren(...legend);
  const row = curve.at(-1);
  if (row) $("learn-curve").setAttribute("aria-label", `Epoch ${row.epoch}: loss ${short(row.loss)}` + (row.accuracy != null ? `, ${percent(row.accuracy)} right` : ""));
}

// ---- what came of it -----------------------------------------------------------------------------------------------

function kernels(source, words) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  caption.textContent = words;
  figure.append(caption, Object.assign(document.createElement("img"), { src: source, alt: words }));
  return figure;
}

function confusion(classes, counts) {
  const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
  const cell = (row, name, words) => row.appendChild(Object.assign(document.createElement(name), { textContent: words }));
  table.createCaption().textContent = "Folder, and what was answered";
  cell(head, "th", "");
  for (const name of classes) cell(head, "th", name);
  classes.forEach((name, i) => {
    const row = body.insertRow();
    cell(row, "th", name);
    counts[i].forEach((n, k) => cell(row, "td", n).classList.toggle("right", i === k));
  });
  return table;
}

function showResult(result) {
  const parts = [];
  if (result.kernels.before) parts.push(kernels(result.kernels.before, "Kernels before"), kernels(result.kernels.after, "Kernels after"));
  if (result.confusion && result.classes.length <= 12) parts.push(confusion(result.classes, result.confusion));
  const words = document.createElement("p"), link = Object.assign(document.createElement("a"), { href: `/v1/pipelines/${result.pipeline}/weights`, textContent: "its weights" });
  words.append(`Saved as ${result.pipeline}: drop a picture above and it answers. Here are `, link, ".");
  parts.push(words);
  $("learn-result").replaceChildren(...parts);
  $("learn-result").hidden = false;
}

// ---- the page ------------------------------------------------------------------------------------------------------

export function learnFrom(file) {
  if (file) take(file);
}

// hooks: keyHeader() for requests; problemItems(problem): elements that show it; learned(name): a pipeline was saved.
export async function setUpLearning(hooks) {
  page = hooks;
  $("archive").addEventListener("change", () => learnFrom($("archive").files[0]));
  $("learn-start").addEventListener("click", start);
  $("learn-stop").addEventListener("click", () => job && fetch(job.address, { method: "DELETE", headers: page.keyHeader() }));
  new ResizeObserver(draw).observe($("learn-curve"));
  for (const id of ["learn-spec", "learn-name", "learn-epochs"]) $(id).addEventListener("input", curlLine);
  const response = await fetch("/v1/jobs?limit=20", { headers: page.keyHeader() });
  if (!response.ok || job) return;
  const going = (await response.json()).jobs.find((j) => j.type === "learn" && ["queued", "running"].includes(j.state));
  if (going) watch(going); // a page that was opened anew
}
