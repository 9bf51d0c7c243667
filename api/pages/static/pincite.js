// What the pages do beyond what they do without scripts: passages before the answer, copying, sending files.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const say = (words) => { const status = $("#status"); if (status) status.textContent = words; };

// Asking: the address changes as it does without scripts, and every result is drawn by the server.

const ask = $("#ask");
let asking = null;
let asked = location.search;

const parse = (event) => new DOMParser().parseFromString(JSON.parse(event.data), "text/html");

function showAnswer(address) {
  asking?.close();
  asking = new EventSource(`/answering${address.search}`);
  asking.addEventListener("passages", (event) => {
    $("#result").replaceChildren(...parse(event).body.childNodes);
    say("Reading the passages");
  });
  asking.addEventListener("answer", (event) => {
    asking.close();
    put(parse(event));
  });
  // Refused or cut off: the whole page says why.
  asking.onerror = () => {
    asking.close();
    location.assign(address);
  };
}

function put(page) {
  document.title = page.title;
  $("#main").className = $("#main", page).className;
  $("h1").className = $("h1", page).className;
  $("#result").replaceChildren(...$("#result", page).childNodes);
  const heading = $("#result h2[tabindex]");
  say(heading?.id === "none" ? "Not in the documents" : heading ? "Answered" : "");
  heading?.focus({ preventScroll: true });
}

if (ask) {
  ask.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = [...new FormData(ask)].filter(([name, value]) => name === "q" || value.trim());
    const address = new URL(`/?${new URLSearchParams(given)}`, location);
    if (address.href !== location.href) history.pushState(null, "", address);
    asked = address.search;
    // At once, so that nothing moves under the reader's eyes later.
    $("#main").className = "answering";
    $("h1").className = "unseen";
    $(".lede")?.remove();
    $("#error")?.remove();
    $("#q").removeAttribute("aria-invalid");
    $("#result").replaceChildren();
    scrollTo(0, 0);
    say("Searching");
    showAnswer(address);
  });
  // Also fired where only the fragment changes, as by the link past the header.
  addEventListener("popstate", () => { if (location.search !== asked) location.reload(); });
}

// Right or wrong: kept without leaving the page.

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.judge");
  if (!form) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const reply = await fetch(form.action, { method: "POST", body }).catch(() => ({ ok: false }));
  const said = document.createElement("p");
  said.className = "judged";
  said.tabIndex = -1;
  said.append(reply.ok ? "Kept as a " : "This could not be kept. See the ");
  const link = document.createElement("a");
  link.href = "/confirmed";
  link.textContent = reply.ok ? "gold question" : "confirmed answers";
  said.append(link, ".");
  form.replaceWith(said);
  said.focus();
});

// Copying a citation.

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.value);
    } catch { // no clipboard without https, except on this very machine
      text.select();
      document.execCommand("copy");
    }
    say("Copied");
    button.classList.add("done");
    button.firstChild.data = "Copied";
    setTimeout(() => {
      button.classList.remove("done");
      button.firstChild.data = "Copy";
    }, 1500);
  });
}

// Sending files: one after the other, each with its progress and what became of it.

const drop = $(".drop");
const added = { 201: "added", 200: "replaced", 202: "taken in" };

function send(file, bar) {
  const documents = drop.id === "upload";
  const source = new URLSearchParams({ source: file.name.normalize("NFC") });
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(documents ? "PUT" : "POST", documents ? `/v1/documents?${source}` : "/v1/evaluations");
    request.setRequestHeader("content-type", documents ? "application/octet-stream" : "application/x-ndjson");
    request.upload.onprogress = (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; };
    request.upload.onload = () => bar.removeAttribute("value"); // sent; now it is read
    request.onloadend = () => resolve(request);
    request.send(file);
  });
}

// What became of a file, without the name that stands beside it.
function outcome(request, name) {
  if (request.status in added) return added[request.status];
  try {
    const { detail } = JSON.parse(request.responseText);
    const said = [`${name}: `, `'${name}': `].find((start) => detail.startsWith(start)) ?? "";
    return detail.slice(said.length);
  } catch {
    return "not sent: the service cannot be reached";
  }
}

async function add(files) {
  for (const file of files) {
    const line = document.createElement("li");
    const name = document.createElement("span");
    const bar = document.createElement("progress");
    name.textContent = file.name;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    line.append(name, bar);
    $("#uploads").append(line);
    const request = await send(file, bar);
    const words = document.createElement("span");
    words.textContent = outcome(request, file.name);
    words.className = request.status in added ? "fine" : "error";
    bar.replaceWith(words);
    say(`${file.name}: ${words.textContent}`);
  }
  await refresh();
}

// Makes a part of the page what the other is, and leaves alone what is the same: the focus in it, and what was chosen.
function redraw(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const [parts, anew] = [[...old.childNodes], [...fresh.childNodes]];
  if (parts.length && parts.length === anew.length && old.cloneNode().isEqualNode(fresh.cloneNode())) {
    parts.forEach((part, at) => redraw(part, anew[at]));
  } else old.replaceWith(fresh);
}

// Draws again what may have changed; nothing else moves.
async function refresh() {
  let reply, html;
  try {
    reply = await fetch(location.href, { headers: { accept: "text/html" } });
    html = await reply.text();
  } catch {
    return later(); // not reached
  }
  if (reply.status === 429 || reply.status >= 500) return later(); // too busy
  if (!reply.ok) return location.reload();
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const part of ["#documents", "#evaluations", ".lede"]) {
    const [old, fresh] = [$(part), $(part, page)];
    if (old && fresh) redraw(old, fresh);
  }
  watch();
}

let next = null;
function later() {
  clearTimeout(next);
  next = setTimeout(refresh, 1000);
}

// An evaluation that is under way is looked at now and then.
function watch() {
  if ($("#evaluations [data-waits]")) later();
}
watch();

if (drop) {
  $("#files").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => add([...event.dataTransfer.files]));
}
