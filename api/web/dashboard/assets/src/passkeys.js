// Passkeys: the server's options become the browser's question, and its answer a field of a form that is sent as usual.

const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function readOptions(options) {
  const read = (list) => (list ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));
  const found = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) found.user = { ...options.user, id: toBytes(options.user.id) };
  if (options.excludeCredentials) found.excludeCredentials = read(options.excludeCredentials);
  if (options.allowCredentials) found.allowCredentials = read(options.allowCredentials);
  return found;
}

function write(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
    authenticatorAttachment: credential.authenticatorAttachment ?? null,
  });
}

// Why there is none, by the names of WebAuthn (§5.1.3, §5.1.4); a browser says NotAllowedError for nearly everything, so
// that no page learns what the person has.
const WHY = {
  InvalidStateError: "This device has a passkey of yours already.",
  SecurityError: "The browser makes and shows passkeys only under the name of the site, and over HTTPS.",
  ConstraintError: "This device cannot check that it is you: give it a PIN, a fingerprint or a face, or use another one.",
  NotSupportedError: "This device makes no passkeys of the kind that is needed here. Use another one.",
  NotAllowedError: "The browser gave no passkey: it was called off, took too long, or the device cannot. Try again, or use another way.",
  TypeError: "The server cannot be reached. Try again.",
  SyntaxError: "The server cannot be reached. Try again.", // something before it answered, and not in JSON
};

class Refusal extends Error {}

async function ask(form) {
  const fault = form.querySelector("[data-passkey-fault]");
  fault.hidden = true;
  try {
    const answer = await fetch(form.dataset.passkey, { method: "POST", headers: { Accept: "application/json" } });
    if (answer.redirected) return void location.assign(answer.url); // to log in, or to show once more who one is
    const { message, ...options } = await answer.json();
    if (!answer.ok) throw new Refusal(message);
    const publicKey = readOptions(options);
    const making = form.dataset.passkeyDoes === "create";
    const credential = await (making ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
    form.elements.credential.value = write(credential);
    form.submit();
  } catch (error) {
    fault.textContent = error instanceof Refusal ? error.message : WHY[error.name] ?? WHY.NotAllowedError;
    fault.hidden = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}
