// The web inbox: the list is asked for again when something happens in the mailbox, and keys do what buttons do.
import htmx from "htmx.org";

const root = document.querySelector("[data-feed]");
if (root) {
  follow(root.dataset.feed);
  document.addEventListener("keydown", press);
}

// Every folder is told once when the feed begins; only what comes after that is news.
function follow(address) {
  const feed = new EventSource(address);
  let quietUntil = Date.now() + 1000;
  feed.addEventListener("open", () => (quietUntil = Date.now() + 1000));
  let waiting;
  const refresh = () => {
    if (Date.now() < quietUntil) return;
    clearTimeout(waiting);
    waiting = setTimeout(ask, 100);
  };
  feed.addEventListener("folder", refresh);
  feed.addEventListener("folder_deleted", refresh);
}

// What is chosen stays chosen.
function ask() {
  const list = document.getElementById("live");
  if (!list || list.querySelector("input[name=uid]:checked, details[open]")) return;
  htmx.trigger(document.body, "mail");
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const rows = [...document.querySelectorAll(".mail-row > a")];
  const at = rows.findIndex((row) => row === document.activeElement || row.ariaCurrent === "true");
  const click = (selector) => document.querySelector(selector)?.click();
  const keys = {
    j: () => rows[Math.min(at + 1, rows.length - 1)]?.focus(),
    k: () => rows[Math.max(at - 1, 0)]?.focus(),
    r: () => click('[data-key="r"]'),
    a: () => click('[data-key="a"]'),
    f: () => click('[data-key="f"]'),
    e: () => click('.mail-one [value="archive"]'),
    "#": () => click('.mail-one [value="delete"]'),
    c: () => click(".mail-new"),
    "/": () => document.getElementById("q").focus(),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}
