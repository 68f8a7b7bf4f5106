// A letter that is written: kept as a draft by itself, without the files that are not sent yet; Ctrl and Enter send it.
// Its page is left once it is known that somebody listens: else it says why, and everything stays as it is.

const KEEP_AFTER_MS = 3000;
const KEEP_HEAVY_AFTER_MS = 30000; // its files are written again each time
const HEAVY_BYTES = 1024 * 1024;
const OUTLIVES_BYTES = 64 * 1024; // a longer body ends with its page, and is refused where it is asked to stay
const FIELD_BYTES = 256; // around each field: its name, its boundary
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

const SESSION = "/mail/session";
const ASKS = { Accept: "application/json" };
const isLoggedOut = (answer) => answer.redirected || answer.status === 401 || answer.headers.has("HX-Redirect");

function loggedOut() {
  const link = document.createElement("a");
  link.href = "/mail/login";
  link.target = "_blank";
  link.textContent = "Log in in another tab";
  return [": you are logged out. ", link, ", then go on here. All that you wrote stands."];
}
const unreached = () => [": the server cannot be reached. All that you wrote stands here; try again in a moment."];

// What a form without files takes on its way; line breaks become two bytes.
function sizeOf(body) {
  const encoder = new TextEncoder();
  return [...body.values()].reduce((sum, one) => sum + FIELD_BYTES + encoder.encode(one.replace(/\r?\n/g, "\r\n")).length, 0);
}

export function guard(letter) {
  const { draft, forwards, files } = letter.elements;
  const told = letter.querySelector("[data-kept]");
  let changes = 0;
  let kept = 0;
  let keeping = null;
  let timer;
  let mayGo = false;
  let unsent = ""; // what a press that came to nothing is still to be told by
  const tell = (...words) => told.replaceChildren(...words);
  const tellUnkept = (why) => unsent || tell("Not kept", ...why()); // what was not sent says more
  const boxes = () => [...letter.querySelectorAll("input[name=kept]")];
  const isHeavy = () => boxes().reduce((sum, one) => sum + (one.checked ? Number(one.dataset.size) : 0), 0) > HEAVY_BYTES;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(keep, isHeavy() ? KEEP_HEAVY_AFTER_MS : KEEP_AFTER_MS);
  };
  async function ask(at) {
    const body = new FormData(letter);
    const ticked = boxes().filter((one) => one.checked);
    const dropped = boxes().filter((one) => !one.checked);
    body.delete("files");
    body.set("act", "keep");
    const keepalive = sizeOf(body) < OUTLIVES_BYTES; // it arrives though the page is left meanwhile
    const answer = await fetch(letter.action, { method: "POST", body, keepalive, headers: ASKS });
    if (isLoggedOut(answer)) return tellUnkept(loggedOut);
    const { draft: place, kept: names, words, gone } = await answer.json();
    if (gone) { // it was sent, kept or given up in another tab: this is a draft of its own from now on
      draft.value = "";
      forwards.value = "";
      changes += 1;
      for (const one of boxes()) one.closest("li").remove();
      tell("Changed elsewhere: kept as another draft from now on, without what was attached to that one.");
      return;
    }
    if (!answer.ok) return void tell(`Not kept: ${words}`);
    draft.value = place;
    forwards.value = ""; // what was attached there is in the draft now
    ticked.forEach((one, at) => (one.value = names[at]));
    for (const one of dropped) one.closest("li").remove();
    kept = at;
    tell(`${unsent}Draft kept at ${clock.format(new Date())}`);
  }
  function keep() {
    if (keeping || kept === changes) return;
    const at = changes;
    keeping = ask(at)
      .catch(() => tellUnkept(unreached))
      .finally(() => {
        keeping = null;
        if (changes > at || kept < at) later();
      });
  }
  letter.addEventListener("input", () => {
    changes += 1;
    later();
  });
  document.addEventListener("visibilitychange", () => document.hidden && keep());
  // The form takes its page along: it may, where the session stands and the server is reached.
  async function submit(button) {
    letter.dataset.submits = "";
    const answer = await fetch(SESSION, { headers: ASKS }).catch(() => null);
    await keeping; // it names the draft that is being replaced
    delete letter.dataset.submits;
    mayGo = answer?.ok && !isLoggedOut(answer);
    if (mayGo) return letter.requestSubmit(button);
    letter.dispatchEvent(new CustomEvent("letter:stays"));
    const isLetter = button?.value === "send";
    unsent = isLetter ? "Not sent. " : "";
    told.classList.add("fault");
    tell(isLetter ? "Not sent" : "Nothing was done", ...(answer && isLoggedOut(answer) ? loggedOut : unreached)());
    told.scrollIntoView({ block: "nearest" }); // nothing sticks to a low page
    if (kept !== changes) later();
  }
  letter.addEventListener("submit", (event) => {
    clearTimeout(timer);
    told.classList.remove("fault");
    unsent = "";
    if (!mayGo) {
      event.preventDefault();
      if (!("submits" in letter.dataset)) submit(event.submitter);
      return;
    }
    kept = changes;
    files.dataset.sent = "";
  });
  addEventListener("pageshow", () => (mayGo = false));
  addEventListener("beforeunload", (event) => {
    if (kept === changes && (!files.files.length || "sent" in files.dataset)) return;
    event.preventDefault();
    keep(); // while it is asked whether to leave, a long letter gets through too
  });
  letter.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) letter.requestSubmit(letter.querySelector('[value="send"]'));
  });
}
