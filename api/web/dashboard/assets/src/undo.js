// Sending is held back a moment, in which it can be undone; whoever has no script sends at once.

const HELD_MS = 5000;

export function holdBack(letter) {
  const lines = letter.querySelector(".mail-lines");
  const actions = letter.querySelector(".form-actions");
  const bar = document.createElement("div");
  const told = document.createElement("span");
  const undo = button("Undo", back);
  const now = button("Send now", go);
  let timer = null;
  let sends = null;
  bar.className = "form-actions mail-held";
  bar.hidden = true;
  told.setAttribute("role", "status");
  bar.append(told, undo, now);
  actions.after(bar);

  function button(words, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button";
    made.textContent = words;
    made.addEventListener("click", act);
    return made;
  }
  function show(isHeld) {
    lines.inert = isHeld;
    actions.hidden = isHeld;
    bar.hidden = !isHeld;
    told.textContent = isHeld ? "Sending…" : "";
  }
  function back() {
    clearTimeout(timer);
    timer = sends = null;
    now.disabled = undo.disabled = false;
    show(false);
    letter.elements.text.focus();
  }
  function go() {
    clearTimeout(timer);
    timer = null;
    now.disabled = undo.disabled = true;
    letter.requestSubmit(sends);
  }
  letter.addEventListener("submit", (event) => {
    if (event.submitter?.value !== "send" || (sends && timer === null)) return; // not sent, or its time is over
    event.preventDefault();
    event.stopImmediatePropagation(); // to keep drafts goes on meanwhile
    if (timer !== null) return;
    sends = event.submitter;
    show(true);
    undo.focus();
    timer = setTimeout(go, HELD_MS);
  });
  addEventListener("beforeunload", (event) => timer !== null && event.preventDefault());
  letter.addEventListener("letter:stays", () => sends && back());
  addEventListener("pageshow", (event) => event.persisted && back());
}
