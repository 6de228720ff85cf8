import { isArchive, learnFrom, setUpLearning } from "./learn.js";

// The page's program. It knows the public API and nothing else: every answer it shows is one that curl gets.

const $ = (id) => document.getElementById(id);
const chain = $("chain"), format = $("format"), file = $("file"), error = $("error"), key = $("key");

let picture = null; // the File or Blob that is sent
let fitting = "png"; // the extension of what fitted best last time
let running = null; // the AbortController of the request under way
const shown = { before: "", after: "" }; // object URLs, to be given back

// ---- the request ---------------------------------------------------------------------------------------------------

// What people type is a path: characters that a URL cannot hold are escaped, the rest stays readable.
const path = () => "/" + chain.value.trim().replace(/^\/+/, "").replace(/[^A-Za-z0-9/:,=.;@_~!$&'()*+-]/gu, encodeURIComponent);
const query = () => (format.value ? "?format=" + format.value : "");
const keyHeader = () => (key.value ? { Authorization: "Bearer " + key.value } : {});

const quote = (s) => (/^[A-Za-z0-9_.\/:=,@%+-]+$/.test(s) ? s : "'" + s.replace(/'/g, "'\\''") + "'");

function curlLine() {
  const name = picture ? picture.name : "photo.png";
  const extension = format.value ? { jpeg: "jpg" }[format.value] ?? format.value : fitting;
  const words = ["curl", "-F", quote("img=@" + name)];
  if (key.value) words.push("-H", "'Authorization: Bearer KEY'");
  words.push(quote(location.origin + path() + query()), "-o", "out." + extension);
  return words.join(" ");
}

async function run() {
  $("curl").textContent = curlLine();
  for (const chip of document.querySelectorAll(".chips button")) chip.setAttribute("aria-pressed", String(chip.dataset.name === chain.value.trim()));
  if (!picture || !chain.value.trim()) return;
  running?.abort();
  const mine = (running = new AbortController());
  const form = new FormData();
  form.append("img", picture, picture.name);
  $("after-stage").classList.add("busy");
  const began = performance.now();
  try {
    const response = await fetch(path() + query(), { method: "POST", body: form, headers: keyHeader(), signal: mine.signal });
    const blob = await response.blob();
    const ms = performance.now() - began;
    if (response.ok) await showAnswer(response, blob, ms);
    else showProblem(await problemOf(response, blob));
  } catch (e) {
    if (e.name !== "AbortError") showProblem({ title: "No answer", detail: "The server could not be reached: " + e.message });
  }
  if (running === mine) $("after-stage").classList.remove("busy");
}

// ---- answers -------------------------------------------------------------------------------------------------------

function showImage(which, blob) {
  if (shown[which]) URL.revokeObjectURL(shown[which]);
  shown[which] = URL.createObjectURL(blob);
  const image = $(which);
  image.src = shown[which];
  return image.decode().then(
    () => {
      image.hidden = false;
      image.classList.toggle("small", Math.max(image.naturalWidth, image.naturalHeight) <= 96);
      return `${image.naturalWidth} × ${image.naturalHeight}`;
    },
    () => {
      image.hidden = true;
      return "";
    }
  );
}

const size = (n) => (n < 1000 ? n + " B" : n < 1e6 ? (n / 1000).toFixed(1) + " kB" : (n / 1e6).toFixed(2) + " MB");

function fact(name, value) {
  const row = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
  dt.textContent = name;
  dd.textContent = value;
  row.append(dt, dd);
  return row;
}

// Indented, but lists of plain values stay on their line.
const readable = (value) =>
  JSON.stringify(value, null, 2).replace(/\[[^[\]{}]*\]/g, (list) => list.replace(/\s+/g, " ").replace("[ ", "[").replace(" ]", "]"));

async function showAnswer(response, blob, ms) {
  const type = blob.type || response.headers.get("Content-Type") || "";
  const json = type.startsWith("application/json");
  error.hidden = $("waiting").hidden = true;
  $("json").hidden = !json;
  let dimensions = "";
  if (json) {
    $("after").hidden = true;
    const answer = JSON.parse(await blob.text());
    $("json").textContent = readable(answer);
    for (const output of answer.outputs ?? []) if (output.answer !== undefined) dimensions = "answer: " + output.answer;
  } else {
    dimensions = await showImage("after", blob);
    if (!dimensions) {
      $("json").hidden = false;
      $("json").textContent = "This browser cannot show " + type + ". Save it instead.";
    }
    $("after").alt = "The picture after " + path();
  }
  $("after-facts").textContent = dimensions;
  const named = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
  fitting = named && !format.value ? named[1].split(".").pop() : fitting;
  $("curl").textContent = curlLine();
  $("save").hidden = false;
  $("save").href = json ? URL.createObjectURL(blob) : shown.after;
  $("save").download = named ? named[1] : "answer";
  const facts = [fact("status", response.status), fact("type", type), fact("size", size(blob.size)), fact("in all", ms.toFixed(0) + " ms")];
  for (const stage of (response.headers.get("Server-Timing") ?? "").split(",")) {
    const [, name, duration] = /^\s*(\w+);dur=([\d.]+)/.exec(stage) ?? [];
    if (name) facts.push(fact(name, Number(duration).toFixed(2) + " ms"));
  }
  const saturated = response.headers.get("Convd-Saturated");
  if (saturated !== null) facts.push(fact("saturated", (100 * Number(saturated)).toFixed(2) + " %"));
  $("facts").replaceChildren(...facts);
}

async function problemOf(response, blob) {
  try {
    return JSON.parse(await blob.text());
  } catch {
    return { title: "Error " + response.status, detail: response.statusText };
  }
}

// One fault in words: what was found, what would work, and a button for the nearest name.
function faultItem(fault) {
  const item = document.createElement("li");
  item.textContent = (fault.pointer ? fault.pointer + ": " : "") + (fault.detail ?? fault.title);
  if (fault.expected) {
    const expected = document.createElement("span");
    expected.className = "expected";
    expected.textContent = " · expected: " + fault.expected;
    item.append(expected);
  }
  const wrong = fault.suggestion && chain.value.split("/").find((segment) => (fault.detail ?? "").includes(segment.split(":")[0]));
  if (wrong) {
    const use = document.createElement("button");
    use.type = "button";
    use.textContent = "use " + fault.suggestion;
    use.addEventListener("click", () => {
      chain.value = chain.value.split("/").map((s) => (s === wrong ? fault.suggestion + s.slice(s.split(":")[0].length) : s)).join("/");
      run();
    });
    item.append(use);
  } else if (fault.suggestion) {
    item.append(" · did you mean " + fault.suggestion + "?");
  }
  return item;
}

function problemItems(problem) {
  const title = document.createElement("h2"), list = document.createElement("ul");
  title.textContent = problem.title + (problem.status ? ` (${problem.status} ${problem.code ?? ""})` : "");
  for (const fault of [problem, ...(problem.errors ?? [])]) list.append(faultItem(fault));
  if (problem.status === 401) $("key-row").hidden = false;
  return [title, list];
}

function showProblem(problem) {
  error.replaceChildren(...problemItems(problem));
  error.hidden = false;
  if (problem.status === 401) {
    key.focus();
  }
  $("facts").replaceChildren();
}

// ---- where pictures come from --------------------------------------------------------------------------------------

async function take(blob) {
  if (!blob) return;
  if (isArchive(blob)) {
    learnFrom(blob);
    return;
  }
  picture = blob.name ? blob : new File([blob], "pasted." + (blob.type.split("/")[1] ?? "png"), { type: blob.type });
  const dimensions = await showImage("before", picture);
  $("invite").hidden = Boolean(dimensions);
  $("invite").firstElementChild.textContent = dimensions ? "" : picture.name;
  $("before-facts").textContent = [picture.name, dimensions, size(picture.size)].filter(Boolean).join(" · ");
  run();
}

// Edges in every direction, soft and hard ones, colour and flat areas: something for each pipeline.
function drawSample() {
  const canvas = document.createElement("canvas"), w = (canvas.width = 640), h = (canvas.height = 440), c = canvas.getContext("2d");
  const sky = c.createLinearGradient(0, 0, 0, h);
  sky.addColorStop(0, "#27408b");
  sky.addColorStop(0.6, "#f2a65a");
  sky.addColorStop(0.61, "#2f4f3a");
  sky.addColorStop(1, "#16241b");
  c.fillStyle = sky;
  c.fillRect(0, 0, w, h);
  const sun = c.createRadialGradient(470, 190, 8, 470, 190, 90);
  sun.addColorStop(0, "#fff6c8");
  sun.addColorStop(0.4, "#ffd873");
  sun.addColorStop(1, "rgba(255,180,80,0)");
  c.fillStyle = sun;
  c.fillRect(0, 0, w, h);
  c.fillStyle = "#3d2b1f";
  c.fillRect(90, 170, 190, 160);
  c.fillStyle = "#a33b2a";
  c.beginPath();
  c.moveTo(70, 172);
  c.lineTo(185, 80);
  c.lineTo(300, 172);
  c.fill();
  c.fillStyle = "#ffe9a8";
  for (const x of [118, 208]) c.fillRect(x, 205, 44, 44);
  c.strokeStyle = "#3d2b1f";
  c.lineWidth = 5;
  for (const x of [140, 230]) c.strokeRect(x - 22, 205, 22, 44);
  c.strokeStyle = "#e8e2d0";
  c.lineWidth = 7;
  for (let x = 330; x < w; x += 34) {
    c.beginPath();
    c.moveTo(x, 270);
    c.lineTo(x, 350);
    c.stroke();
  }
  c.fillStyle = "#e8e2d0";
  c.fillRect(318, 290, 330, 9);
  c.strokeStyle = "#9cc9a0";
  c.lineWidth = 2;
  for (let x = -60; x < w; x += 22) {
    c.beginPath();
    c.moveTo(x, h);
    c.lineTo(x + 60, 356);
    c.stroke();
  }
  canvas.toBlob((blob) => take(new File([blob], "sample.png", { type: "image/png" })), "image/png");
}

function listen() {
  file.addEventListener("change", () => take(file.files[0]));
  $("sample").addEventListener("click", drawSample);
  $("form").addEventListener("submit", (e) => {
    e.preventDefault();
    run();
  });
  format.addEventListener("change", run);
  key.addEventListener("change", run);
  chain.addEventListener("input", () => ($("curl").textContent = curlLine()));
  chain.addEventListener("change", run);
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("curl").textContent);
    $("copy").textContent = "Copied";
    setTimeout(() => ($("copy").textContent = "Copy"), 1500);
  });
  const drops = [$("drop"), $("archive-drop")];
  for (const name of ["dragover", "dragleave", "drop"])
    document.addEventListener(name, (e) => {
      e.preventDefault();
      for (const drop of drops) drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take(e.dataTransfer.files[0]);
    });
  document.addEventListener("paste", (e) => {
    const image = [...e.clipboardData.files].find((f) => f.type.startsWith("image/"));
    if (image) take(image);
  });
}

async function fillNames() {
  const options = (names) => names.map((name) => Object.assign(document.createElement("option"), { value: name }));
  const read = async (route, member) => {
    const response = await fetch(route, { headers: keyHeader() });
    return response.ok ? (await response.json())[member] : [];
  };
  const [pipelines, ops, kernels] = await Promise.all([read("/v1/pipelines", "pipelines"), read("/v1/ops", "ops"), read("/v1/kernels", "kernels")]);
  const chip = (p) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: p.name, title: p.summary ?? "" });
    button.dataset.name = p.name;
    button.setAttribute("aria-pressed", String(p.name === chain.value));
    button.addEventListener("click", () => {
      chain.value = p.name;
      run();
    });
    return button;
  };
  const saved = pipelines.filter((p) => !p.built_in);
  $("chips").replaceChildren(...pipelines.filter((p) => p.built_in).map(chip));
  $("saved").replaceChildren(...saved.map(chip));
  $("saved").hidden = !saved.length;
  $("names").replaceChildren(...options([...pipelines, ...ops, ...kernels].map((x) => x.name)));
}

listen();
$("curl").textContent = curlLine();
fillNames();
setUpLearning({
  keyHeader,
  problemItems,
  learned: (name) => {
    chain.value = name;
    fillNames();
    run();
  },
});
