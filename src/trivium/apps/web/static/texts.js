// Texts from outside, made safe to show: never as markup, with every character that hides or turns text made visible.
"use strict";

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;
const HEAD = 6000;

function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.filter((one) => one !== null && one !== undefined));
  return element;
}

function pieces(text) {
  const found = document.createDocumentFragment();
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    found.append(text.slice(from, match.index));
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    found.append(make("span", { class: "hidden-character" }, `U+${code}`));
    from = match.index + match[0].length;
  }
  found.append(text.slice(from));
  return found;
}

function textBlock(text) {
  const block = make("div", { class: "text", dir: "auto" });
  if (text.length === 0) block.append(make("span", { class: "quiet" }, "(empty)"));
  else if (text.length <= HEAD + 500) block.append(pieces(text));
  else {
    const more = make("button", { type: "button", class: "more" }, `Show all (${text.length.toLocaleString("en")} characters)`);
    block.append(pieces(text.slice(0, HEAD)), "… ", more);
    more.addEventListener("click", () => block.replaceChildren(pieces(text)));
  }
  return block;
}

async function ask(path, body, csrf, options = {}) {
  // {status, content}; status 0 where the server cannot be reached.
  const request = { headers: {}, credentials: "same-origin", ...options };
  if (body !== undefined) {
    request.method = "POST";
    request.body = typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body);
    request.headers["Content-Type"] = "application/json";
  }
  if (csrf) request.headers["X-CSRF-Token"] = csrf;
  try {
    const answer = await fetch(path, request);
    const content = await answer.json().catch(() => ({}));
    return { status: answer.status, content, wait: Number(answer.headers.get("Retry-After") || 0) };
  } catch {
    return { status: 0, content: { error: "the server cannot be reached" }, wait: 0 };
  }
}

// crypto.randomUUID is there only where the page is served over https or from this machine.
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
