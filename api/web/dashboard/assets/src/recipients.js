// To whom: addresses that were written to before are offered while one is typed (a combobox as ARIA has it).

const MOST = 6;
let people = null;

export function suggest(letter) {
  for (const name of ["to", "cc", "bcc"]) offer(letter.elements[name]);
}

async function load() {
  const answer = await fetch("/mail/people", { headers: { Accept: "application/json" } });
  return answer.ok && !answer.redirected ? (await answer.json()).people : [];
}

// Where the address that is being typed begins: behind the last comma that no quotes hold.
function start(text) {
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') isQuoted = !isQuoted;
    else if ((text[at] === "," || text[at] === ";") && !isQuoted) from = at + 1;
  }
  return from;
}

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// Each word of a name, and each part of an address, may be what was begun.
function find(typed, taken) {
  const wanted = plain(typed);
  const fits = (one) => plain(one).startsWith(wanted) || plain(one).split(/[\s<>".@_-]+/).some((word) => word.startsWith(wanted));
  return people.filter((one) => !taken.includes(one) && fits(one)).slice(0, MOST);
}

function offer(input) {
  const list = document.createElement("ul");
  list.className = "mail-people-list";
  list.id = `${input.id}-people`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "People you wrote to");
  list.hidden = true;
  input.after(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  let at = -1;

  function close() {
    list.hidden = true;
    list.replaceChildren();
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function go(to) {
    const options = [...list.children];
    at = (to + options.length) % options.length;
    options.forEach((one, index) => one.setAttribute("aria-selected", String(index === at)));
    input.setAttribute("aria-activedescendant", options[at].id);
  }
  function take(words) {
    const before = input.value.slice(0, start(input.value)).trimEnd();
    input.value = `${before}${before ? " " : ""}${words}, `;
    close();
    input.focus();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function show() {
    const from = start(input.value);
    const typed = input.value.slice(from).trim();
    const found = typed && people ? find(typed, input.value.slice(0, from).split(",").map((one) => one.trim())) : [];
    if (!found.length) return close();
    list.replaceChildren(
      ...found.map((words, index) => {
        const option = document.createElement("li");
        option.id = `${list.id}-${index}`;
        option.setAttribute("role", "option");
        option.textContent = words;
        option.addEventListener("pointerdown", (event) => event.preventDefault()); // the line keeps its focus
        option.addEventListener("click", () => take(words));
        return option;
      }),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    go(0);
  }

  const begin = async () => {
    people ??= await load().catch(() => []);
    if (document.activeElement === input) show(); // letters may have come before
  };
  input.addEventListener("focus", begin, { once: true });
  if (document.activeElement === input) begin();
  input.addEventListener("input", show);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Enter" || event.key === "Tab") take(list.children[at].textContent);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
}
