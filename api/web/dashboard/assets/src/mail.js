// The web inbox: the list is asked for again when something happens in the mailbox, and keys do what buttons do.
import htmx from "htmx.org";
import { enclose } from "./enclosures.js";
import { guard } from "./letter.js";
import { suggest } from "./recipients.js";
import { holdBack } from "./undo.js";

const root = document.querySelector("[data-feed]");
if (root) {
  follow(root.dataset.feed);
  if (!("keyless" in root.dataset)) document.addEventListener("keydown", press);
  document.addEventListener("change", choose);
  document.addEventListener("htmx:beforeSwap", remember);
  document.addEventListener("htmx:afterSwap", swapped);
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.target?.id === "content") location.assign(event.detail.pathInfo.requestPath);
  });
  const letter = document.querySelector("form[data-letter]");
  if (letter) {
    enclose(letter);
    holdBack(letter);
    guard(letter);
    suggest(letter);
  }
}

// Every folder is told when the feed begins; only what the page does not show yet is news. A feed that was answered by
// something else, such as a log-in, is closed for good: another begins with the next answer that the page gets.
function follow(address) {
  let waiting;
  const refresh = () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 100);
  };
  const begin = () => {
    const feed = new EventSource(address);
    feed.addEventListener("folder", (event) => {
      const { id, modseq, name } = JSON.parse(event.data);
      if (document.querySelector(`[data-folder="${id}"]`)?.dataset.state !== `${modseq} ${name}`) refresh();
    });
    feed.addEventListener("folder_deleted", refresh);
    return feed;
  };
  let feed = begin();
  document.addEventListener("htmx:afterRequest", (event) => {
    if (feed.readyState === EventSource.CLOSED && event.detail.xhr.status === 200) feed = begin();
  });
}

// What is read aloud when it changes; it stands outside of all that is replaced.
const said = document.createElement("p");
said.className = "visually-hidden";
said.setAttribute("role", "status");
document.body.append(said);
const say = (words) => said.textContent !== words && (said.textContent = words);

const unseen = () => Number(document.querySelector("[data-unseen]")?.dataset.unseen ?? 0);
let unseenBefore = unseen();

// How many are unread in the inbox, in the title; more than before are told.
function tellUnseen() {
  const now = unseen();
  document.title = document.title.replace(/^(\(\d+\) )?/, now ? `(${now}) ` : "");
  if (now > unseenBefore) say(`New mail: ${now} unread in the inbox`);
  unseenBefore = now;
}

// The list of the folder, whatever message is open beside it.
function ask() {
  const list = document.getElementById("live");
  if (!list) return;
  if (list.querySelector("details[open], :popover-open")) return void setTimeout(ask, 3000); // in use
  const path = location.pathname.split("/").slice(0, 4).join("/");
  htmx.ajax("GET", path + location.search, { target: list, swap: "innerHTML" });
}

const picks = () => [...document.querySelectorAll(".mail-row input[name=uid]")];
const whole = () => document.querySelector("input[name=whole]"); // all of the folder up to its UID, on this page or not
const isOfWhole = (pick) => Number(pick.value) <= Number(whole()?.value);
let kept = { chosen: new Set(), last: null };

// Where the list scrolls: in its pane, or on a phone with the page.
function scroller() {
  const pane = document.querySelector(".mail-list");
  return pane && pane.scrollHeight > pane.clientHeight + 1 ? pane : document.scrollingElement;
}

// The first message that is seen whole, and how far down it stands; none at the top, where what is new is to be seen.
function anchor() {
  if (!scroller().scrollTop) return null;
  const tools = document.querySelector(".mail-tools").getBoundingClientRect().bottom;
  const row = [...document.querySelectorAll(".mail-row > a")].find((one) => one.getBoundingClientRect().top >= tools);
  return row && { id: row.id, top: row.getBoundingClientRect().top };
}

// What is chosen stays chosen, and what is looked at stays where it was.
function remember(event) {
  if (event.detail.target?.id !== "live") return;
  const chosen = picks().filter((pick) => pick.checked);
  kept = { anchor: anchor(), top: scroller().scrollTop, chosen: new Set(chosen.map((pick) => pick.value)), last: last?.value };
  kept.whole = whole()?.checked ? whole().closest("label") : null;
}

function swapped(event) {
  const { target } = event.detail;
  if (target?.id === "live") {
    if (kept.whole) whole()?.closest("label").replaceWith(kept.whole); // those that were chosen, not what came since
    for (const pick of picks()) {
      pick.checked = kept.chosen.has(pick.value) || Boolean(whole()?.checked && isOfWhole(pick));
      if (pick.value === kept.last) last = pick;
    }
    const row = kept.anchor && document.getElementById(kept.anchor.id);
    scroller().scrollTop = kept.top;
    if (row) scroller().scrollTop += row.getBoundingClientRect().top - kept.anchor.top;
    count();
    renew();
    tellUnseen();
  }
  if (target?.id === "content") {
    document.querySelector(".mail-flash")?.remove(); // it was about what is left now
    target.scrollTop = 0;
    scrollTo(0, 0);
  }
  for (const row of document.querySelectorAll(".mail-row")) {
    const link = row.querySelector("a");
    const isOpen = link.pathname === location.pathname;
    row.classList.toggle("is-open", isOpen);
    link.ariaCurrent = isOpen ? "true" : null;
    if (isOpen && target?.id === "content") row.classList.remove("is-unseen"); // read just now
  }
}

// The head of the open message, once its marks are others than those in the list; this is not to read it again.
function renew() {
  const acts = document.querySelector(".mail-acts");
  const open = [...document.querySelectorAll(".mail-row")].find((row) => row.querySelector("a").pathname === location.pathname);
  if (!acts || !open || acts.dataset.marks === open.dataset.marks || acts.querySelector("details[open]")) return;
  htmx.ajax("GET", location.pathname + location.search, { target: acts, select: ".mail-acts", swap: "outerHTML" });
}

let last = null;

function choose(event) {
  const { target } = event;
  if (target.matches("[data-all]") || (target === whole() && target.checked)) {
    for (const pick of picks()) pick.checked = target.checked;
  }
  count();
}
addEventListener("pageshow", count); // a browser that goes back ticks what was ticked

// With Shift, everything from the last one on.
document.addEventListener("click", (event) => {
  if (!event.target.matches?.(".mail-row input[name=uid]")) return;
  const all = picks();
  const [from, to] = [all.indexOf(last), all.indexOf(event.target)].sort((one, other) => one - other);
  if (event.shiftKey && from >= 0) for (const pick of all.slice(from, to + 1)) pick.checked = event.target.checked;
  last = event.target;
  count();
});

// The whole folder is chosen only while all of it that this page shows is.
function countWhole(all) {
  const box = whole();
  if (!box?.checked) return "";
  const shown = all.filter(isOfWhole);
  box.checked = shown.length > 0 && shown.every((pick) => pick.checked);
  if (!box.checked) return "";
  const more = all.filter((pick) => pick.checked && !isOfWhole(pick)).length;
  return `All ${box.dataset.of}${more ? ` and ${more} more` : ""} chosen`;
}

function count() {
  const all = picks();
  const chosen = all.filter((pick) => pick.checked).length;
  const words = countWhole(all) || (chosen ? `${chosen} chosen` : "");
  const told = document.querySelector("[data-count]");
  if (told) told.textContent = words;
  if (chosen || said.textContent.endsWith("chosen")) say(words || "None chosen");
  const every = document.querySelector("[data-all]");
  if (!every) return;
  every.checked = chosen > 0 && chosen === all.length;
  every.indeterminate = chosen > 0 && chosen < all.length;
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  if (document.querySelector("details.drop[open], details.confirm[open], :popover-open")) return; // keys are for the menu
  const rows = [...document.querySelectorAll(".mail-row > a")];
  const open = rows.findIndex((row) => row.ariaCurrent === "true");
  const focused = rows.findIndex((row) => row.closest(".mail-row").contains(document.activeElement));
  const at = focused >= 0 ? focused : open;
  const click = (selector) => document.querySelector(selector)?.click();
  // Beside an open message the next one opens; else it is only gone to.
  const go = (row) => {
    row?.focus();
    if (open >= 0) row?.click();
  };
  // With the chosen ones, or else with the open one.
  const chosen = picks().filter((pick) => pick.checked);
  const act = (name) => click(`${chosen.length ? ".mail-many" : ".mail-one"} [value="${name}"]`);
  const isFlagged = chosen.length
    ? chosen.every((pick) => pick.closest(".mail-row").dataset.marks === "flagged")
    : document.querySelector('.mail-one [value="unflag"]');
  const keys = {
    j: () => go(rows[Math.min(at + 1, rows.length - 1)]),
    k: () => go(rows[Math.max(at - 1, 0)]),
    x: () => rows[at]?.closest(".mail-row").querySelector("input").click(),
    r: () => click('[data-key="r"]'),
    a: () => click('[data-key="a"]'),
    f: () => click('[data-key="f"]'),
    e: () => act("archive"),
    s: () => act(isFlagged ? "unflag" : "flag"),
    "#": () => act("delete"),
    z: () => click('[data-key="z"]'),
    u: () => click(".mail-back"),
    c: () => click(".mail-new"),
    "/": () => document.getElementById("q").focus(),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}
