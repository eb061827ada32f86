// What pages of the application do by themselves: they stay up to date, and know a few keys.
// Everything works without this file.
"use strict";

// --- regions: what is new is morphed in, and what the reader has opened or ticked stays so

Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
  !(name === "open" && node.tagName === "DETAILS") && !(name === "checked");
Idiomorph.defaults.ignoreActiveValue = true;

// --- live: one stream for each page that is looked at

const page = document.body.dataset;
const SILENT = 40_000; // ms: the server gives a sign of life every 15 s
let stream = null;
let silence = 0;
let version = page.version;

function listen() {
  if (stream || document.hidden || !page.live) return;
  stream = new EventSource(`${page.live}&after=${version}`);
  stream.addEventListener("change", heard);
  stream.addEventListener("alive", wait);
  stream.addEventListener("open", () => { wait(); say(false); });
  stream.addEventListener("error", () => {
    say(true);
    if (stream.readyState === EventSource.CLOSED) { stop(); setTimeout(listen, 10_000); }
  });
  wait();
}

// Of a connection that was lost while the machine slept, or with its network, a browser hears nothing.
function wait() {
  clearTimeout(silence);
  silence = setTimeout(() => { say(true); stop(); listen(); }, SILENT);
}

function stop() {
  clearTimeout(silence);
  if (stream) stream.close();
  stream = null;
}

function heard(event) {
  wait();
  const news = JSON.parse(event.data);
  version = event.lastEventId;
  if (news.page) {
    document.querySelectorAll("[data-region]").forEach((r) => htmx.trigger(r, "live"));
    document.dispatchEvent(new CustomEvent("tako:changed"));
  }
  if (news.inbox !== null) count(news.inbox);
}

// A browser opens few connections to one server: pages that nobody sees give theirs back.
let hiding = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(() => { stop(); ask(); }, 5_000);
  else listen();
});
addEventListener("pagehide", stop);
addEventListener("pageshow", listen);

// Of those only the number in the title is kept up to date.
async function ask() {
  if (!document.hidden) return;
  try {
    const answer = await fetch(page.count, { headers: { Accept: "application/json" } });
    if (answer.ok) count((await answer.json()).inbox);
  } catch { /* the server is away: later */ }
  hiding = setTimeout(ask, 30_000);
}

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type === "live") event.detail.headers["Tako-Live"] = version;
  event.detail.headers["Tako-Who"] = page.who;
});

// Who has logged out in another tab, or in as somebody else, or may see this no more, is told so by
// the page itself.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (![401, 403].includes(event.detail.xhr.status)) return;
  event.detail.isError = false; // which the console would be full of
  location.reload();
});

function say(away) {
  const state = document.getElementById("away");
  if (state) state.hidden = !away;
}

// --- how many approvals wait: in the navigation, the title and the icon

function count(number) {
  const before = Number(page.inboxCount);
  page.inboxCount = number;
  const text = number > 99 ? "99+" : number || "";
  for (const badge of document.querySelectorAll("[data-inbox]")) {
    badge.textContent = text;
    badge.hidden = !number;
  }
  document.title = (number ? `(${text}) ` : "") + document.title.replace(/^\(\d+\+?\) /, "");
  document.querySelector("link[rel=icon]").href = `${page.icon}?n=${number}`;
  if (number > before) announce(`${text} waiting for your answer`);
}

document.addEventListener("htmx:afterSettle", () => count(Number(page.inboxCount)));

function announce(text) {
  document.getElementById("announce").textContent = text;
}

// --- keys: a page names its own with data-key on links, buttons and fields

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("textarea, select, [contenteditable], dialog[open]")) return;
  if (event.target.closest("input:not([type=checkbox])")) return;
  const key = event.key;
  if (key === "j" || key === "k") return move(event, key === "j" ? 1 : -1);
  if (event.repeat) return;
  const row = document.activeElement?.closest("[data-row]");
  const all = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
  // What belongs to a row is meant only of the row that one is on.
  const found = all.find((node) => row?.contains(node)) ?? all.find((node) => !node.closest("[data-row]"));
  if (!found && all.length && !row) announce("Move to a row first, with j or k.");
  if (!found) return;
  event.preventDefault();
  if (found.matches("textarea, select, input:not([type=checkbox])")) found.focus();
  else if (found.tagName === "DIALOG") found.showModal();
  else found.click();
});

// j and k go through the rows: elements with data-row, or the first link in them.
function move(event, by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  event.preventDefault();
  const at = rows.indexOf(document.activeElement?.closest("[data-row]"));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  (next.matches("a, button, [tabindex]") ? next : next.querySelector("a, button") ?? next).focus();
  next.scrollIntoView({ block: "nearest" });
}

// Copying; where the browser has no clipboard for us (plain http from elsewhere) there is no button.
if (!navigator.clipboard) document.documentElement.classList.add("no-clipboard");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = "Copy"; }, 2_000);
});

// One box for all of a name that are shown; without scripts it is not there.
document.addEventListener("change", (event) => {
  const name = event.target.dataset.every;
  if (name) document.getElementsByName(name).forEach((box) => { box.checked = event.target.checked; });
});

listen();
