// Files of a letter: chosen one after the other, dropped anywhere on it, or pasted; each can be taken out again.

const MOST_BYTES = 25 * 1024 * 1024;
const UNITS = ["bytes", "kB", "MB"];

function told(bytes) {
  let unit = 0;
  let size = bytes;
  for (; size >= 1024 && unit < UNITS.length - 1; unit += 1) size /= 1024;
  return `${size < 10 && unit ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`;
}

export function enclose(letter) {
  const input = letter.elements.files;
  const hint = document.getElementById("files-hint");
  const list = document.createElement("ul");
  list.className = "mail-kept-files";
  list.setAttribute("aria-label", "Attached now");
  list.hidden = true;
  input.closest(".mail-line").append(list);
  let chosen = [];

  function show() {
    const held = new DataTransfer();
    for (const one of chosen) held.items.add(one);
    input.files = held.files;
    list.hidden = !chosen.length;
    list.replaceChildren(...chosen.map(item));
    const kept = [...letter.querySelectorAll("input[name=kept]:checked")].reduce((sum, one) => sum + Number(one.dataset.size), 0);
    const isTooMuch = kept + chosen.reduce((sum, one) => sum + one.size, 0) > MOST_BYTES;
    hint.classList.toggle("fault", isTooMuch);
    hint.setAttribute("role", isTooMuch ? "alert" : "note");
  }
  function item(file) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const size = document.createElement("span");
    const out = document.createElement("button");
    row.className = "mail-chosen";
    name.className = "truncate";
    name.textContent = file.name;
    size.className = "small muted nowrap";
    size.textContent = told(file.size);
    out.type = "button";
    out.textContent = "×";
    out.setAttribute("aria-label", `Take out ${file.name}`);
    out.addEventListener("click", () => {
      chosen = chosen.filter((one) => one !== file);
      show();
      input.focus();
    });
    row.append(name, size, out);
    return row;
  }
  function add(files) {
    const isThere = (file) => chosen.some((one) => one.name === file.name && one.size === file.size && one.lastModified === file.lastModified);
    chosen = [...chosen, ...[...files].filter((file) => !isThere(file))];
    show();
  }
  const bears = (event) => event.dataTransfer?.types.includes("Files");

  input.addEventListener("change", () => add(input.files)); // a browser would put them in place of the others
  letter.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length || event.clipboardData.types.includes("text/plain")) return; // words go first
    event.preventDefault();
    add(event.clipboardData.files);
  });
  document.addEventListener("dragover", (event) => {
    if (!bears(event)) return;
    event.preventDefault(); // else the browser leaves the letter, to show the file
    letter.classList.add("is-dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) letter.classList.remove("is-dropping");
  });
  document.addEventListener("drop", (event) => {
    letter.classList.remove("is-dropping");
    if (!bears(event)) return;
    event.preventDefault();
    add(event.dataTransfer.files);
  });
}
