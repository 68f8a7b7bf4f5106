// What a page does beyond its forms and links: the live parts, copying, menus that close, moments in the reader's time.
import htmx from "htmx.org";
import "./mail.js";
import "./passkeys.js";

window.htmx = htmx;
htmx.config.includeIndicatorStyles = false; // our Content-Security-Policy allows no style in a page
htmx.config.allowEval = false;
htmx.config.allowScriptTags = false;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0; // no page is kept in the browser's storage
htmx.config.refreshOnHistoryMiss = true;
document.documentElement.classList.add("has-script");

// A page that answers a form is read when it is loaded again: nothing is made or sent a second time.
if (document.body.dataset.posted) history.replaceState(null, "", document.body.dataset.posted);

// Live parts ask again at each tick: hx-trigger="tick from:body". Nobody looks at a hidden page, so it does not tick.
const TICK_MS = 4000;
const tick = () => document.hidden || htmx.trigger(document.body, "tick");
setInterval(tick, TICK_MS);
document.addEventListener("visibilitychange", tick);

// Where the live parts get no answer, or the session has ended, the page says so: it shows what was, with what is typed
// in it, and asks again at the next tick.
const lost = statusLine("lost");
const CUT_OFF = "No connection: what you see may be old. It is tried again by itself.";
const tellLost = (words, ...more) => {
  if (lost.textContent === words + more.map((one) => one.textContent ?? one).join("")) return;
  lost.replaceChildren(words, ...more);
};
for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => tellLost(CUT_OFF));
document.addEventListener("htmx:afterRequest", (event) => {
  const { status, responseText } = event.detail.xhr;
  if (status === 401) tellLost("You are logged out. ", logInAt(responseText), ", then go on here.");
  else if (status) tellLost(status >= 500 ? CUT_OFF : "");
});
window.addEventListener("offline", () => tellLost(CUT_OFF));

function logInAt(path) {
  const link = document.createElement("a");
  link.href = path;
  link.target = "_blank";
  link.textContent = "Log in in another tab";
  return link;
}
window.addEventListener("online", tick);

// Something that is read aloud when it changes; it must stand in the page before it has words.
function statusLine(kind) {
  const line = document.createElement("p");
  line.className = kind;
  line.setAttribute("role", "status");
  document.body.append(line);
  return line;
}

// A live part stays as it is while somebody selects text in it, or has opened something.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, requestConfig } = event.detail;
  if (requestConfig?.triggeringEvent?.type !== "tick") return;
  const selection = getSelection();
  const selects = !selection.isCollapsed && elt.contains(selection.anchorNode);
  if (selects || elt.querySelector("details[open]")) event.preventDefault();
});

// Whoever walks with the keys stays where they are when the part around them is replaced: on the same link or field, or
// where that is gone at the beginning of the part.
const REACHED = "a[href], button, input, select, textarea, summary, [tabindex]";
const nameOf = (element) => [element.tagName, element.name, element.value, element.getAttribute("href"), element.textContent].join("|");
const alike = (part, name) => [...part.querySelectorAll(REACHED)].filter((one) => nameOf(one) === name);
let reached = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target } = event.detail;
  const focused = document.activeElement;
  const isInside = target !== document.body && target.contains(focused) && focused !== target;
  reached = isInside ? { name: nameOf(focused), place: alike(target, nameOf(focused)).indexOf(focused), id: target.id } : null;
});
document.addEventListener("htmx:afterSettle", () => {
  const part = reached && document.getElementById(reached.id);
  if (!part || part.contains(document.activeElement)) return;
  const found = alike(part, reached.name);
  const next = found[reached.place] ?? found.at(-1) ?? part;
  if (next === part) part.tabIndex = -1;
  next.focus({ preventScroll: true });
  reached = null;
});

// A menu that is left is closed.
document.addEventListener("focusin", (event) => {
  for (const menu of document.querySelectorAll("details.drop[open], details.confirm[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) copyText(copy);
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.dialog)?.showModal();
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  for (const menu of document.querySelectorAll("details.drop[open], details.confirm[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("details.drop[open], details.confirm[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

const said = statusLine("visually-hidden");

async function copyText(button) {
  const source = button.dataset.copy ? document.getElementById(button.dataset.copy) : button.parentElement.querySelector("code, pre");
  try {
    await navigator.clipboard.writeText(source.innerText); // as it looks: a list has a line for each
  } catch { // over plain HTTP there is no clipboard: what is selected can at least be copied by hand
    getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) return;
  }
  const label = button.getAttribute("aria-label");
  button.dataset.copied = "";
  if (label) button.setAttribute("aria-label", "Copied");
  said.textContent = "Copied";
  setTimeout(() => {
    delete button.dataset.copied;
    if (label) button.setAttribute("aria-label", label);
    said.textContent = "";
  }, 1600);
}

// A form is sent once.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method === "get") return;
  const button = event.submitter; // unless what comes back is a file, and the page stays
  if (button && !("stays" in button.dataset)) setTimeout(() => (button.disabled = true));
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button:disabled:not([data-off])")) button.disabled = false;
});

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" }); // long names the zone
const dated = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const undated = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
// With the year where it is another one than this.
const short = { format: (moment) => (moment.getFullYear() === new Date().getFullYear() ? undated : dated).format(moment) };
const when = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const month = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
// As short as it can be told: today's by the hour, this year's by the day.
const brief = {
  format(moment) {
    const now = new Date();
    if (moment.toDateString() === now.toDateString()) return clock.format(moment);
    return (moment.getFullYear() === now.getFullYear() ? month : day).format(moment);
  },
};
const FORMATS = { full, short, when, clock, day, brief };

// What is typed of days and times is of the reader's zone: the form says which that is when it is sent.
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
document.addEventListener("formdata", ({ target, formData }) => {
  const zone = target.querySelector("[data-time-zone]");
  if (zone && ZONE) formData.set(zone.name, ZONE);
});

function tellTimes(root) {
  for (const name of root.querySelectorAll("[data-zone-name]")) name.textContent = ZONE ?? name.textContent;
  for (const time of root.querySelectorAll("time[data-as]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.textContent = FORMATS[time.dataset.as].format(moment);
    time.title = full.format(moment);
  }
}

// What is wider than the screen can be scrolled with the keys too.
function reachWide(root) {
  for (const wrap of root.querySelectorAll(".table-wrap:not([tabindex])")) {
    if (wrap.scrollWidth <= wrap.clientWidth) continue;
    wrap.tabIndex = 0;
    wrap.setAttribute("role", "region");
    wrap.setAttribute("aria-label", wrap.closest("section")?.querySelector("h2")?.textContent ?? "Table");
  }
}

tellTimes(document);
reachWide(document);
document.addEventListener("htmx:afterSwap", (event) => {
  const root = event.detail.elt?.parentElement ?? document;
  tellTimes(root);
  reachWide(root);
});
