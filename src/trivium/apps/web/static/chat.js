// The chat page. Every ticked stage gets the same words and answers beside the others; each keeps its own conversation, so
// that what one said is not put into another's mouth.
"use strict";

const CONTINUES = 0.8;     // temperature of a model that only continues text, which repeats itself at 0
const PHASES = { pretrain: "grammar", finetune: "logic", align: "rhetoric" };
const EXAMPLES = ["Tell me a story about a fox.", "What is the opposite of hot?", "Write two sentences about the sea."];
const KEYS = [["Enter", "send"], ["Shift Enter", "a new line"], ["↑", "in an empty message: what you wrote before"], ["Esc", "stop the answers"],
  ["Alt 1 to 9", "tick a stage, or take it out"], ["/", "to the message"], ["← → ↑ ↓", "from answer to answer"], ["+ −", "on an answer: good, bad"],
  ["E", "on an answer: what it should have said"], ["C", "on an answer: copy it"], ["Alt S", "settings"], ["Alt N", "a new conversation"], ["Alt K", "these keys"]];

const by = (id) => document.getElementById(id);
let about = { keeps_feedback: false };
let models = [];
let histories = new Map(); // stage: messages
let written = [], recalled = 0;
let halting = null;        // AbortController of what is being written
let editing = null;        // the answer whose correction is being written
let heated = false;        // whether the temperature was set by hand

function say(text) { by("live").textContent = text; }
function complain(text) {
  by("message").replaceChildren(pieces(text || ""));
  by("message").hidden = !text;
}
const ticked = () => models.filter((model) => by(`stage-${model.id}`).checked);
const phase = (model) => PHASES[model.id.split("/").pop().split("-")[0]] || "other";

function settings(model) {
  const chosen = { model: model.id, temperature: heated ? Number(by("temperature").value) : model.answers ? 0 : CONTINUES };
  if (Number(by("top-p").value) < 1) chosen.top_p = Number(by("top-p").value);
  if (by("most").validity.valid && by("most").value) chosen.max_tokens = Number(by("most").value);
  if (by("seed").validity.valid && by("seed").value) chosen.seed = Number(by("seed").value);
  if (by("stop").value) chosen.stop = [by("stop").value];
  return chosen;
}

function atBottom() {
  const page = document.scrollingElement;
  return page.scrollHeight - page.scrollTop - page.clientHeight < 120;
}
function follow(was) {
  if (was) document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight;
}

// One answer on the page: what was asked, what came, and what is thought of it.
class Answer {
  constructor(model, messages) {
    Object.assign(this, { model, messages, text: "", ended: true, thumb: "none", correction: null, drawn: false });
    this.body = make("div", { class: "text", dir: "auto" });
    this.note = make("p", { class: "quiet note" }, "…");
    this.up = this.button("Good", "+", () => this.rate("up"), "up");
    this.down = this.button("Bad", "\u2212", () => this.rate("down"), "down");
    const tools = [this.up, this.down, make("button", { type: "button", class: "more", onclick: () => this.correct() }, "Correct"),
      make("button", { type: "button", class: "more", onclick: () => this.copy() }, "Copy")];
    if (!about.keeps_feedback) tools.splice(0, 3);
    this.tools = make("div", { class: "tools", role: "group", "aria-label": `What you think of ${model.id}`, hidden: true }, ...tools);
    this.element = make("article", { class: `answer ${phase(model)}`, tabindex: "0", "aria-label": `Answer of ${model.id}`, "aria-busy": "true" },
      make("header", {}, make("h2", {}, model.id), this.note), this.body, this.tools);
    this.element.answer = this;
  }

  button(name, sign, onclick, kind) {
    return make("button", { type: "button", class: `more thumb ${kind}`, "aria-pressed": "false", onclick }, make("span", { "aria-hidden": "true" }, sign), ` ${name}`);
  }

  draw() {
    this.drawn = false;
    const was = atBottom();
    this.body.replaceChildren(pieces(this.text.trimStart()));
    follow(was);
  }

  add(piece) {
    this.text += piece;
    if (this.drawn) return;
    this.drawn = true;       // once a frame, however fast it comes
    requestAnimationFrame(() => this.draw());
  }

  async write(signal) {
    const started = performance.now();
    const system = by("system").value.trim();
    const head = system && this.model.answers ? [{ role: "system", content: system }] : [];
    let lost = 0;
    for (;;) {
      try {
        const done = await stream({ ...settings(this.model), messages: [...head, ...this.messages] }, (piece) => this.add(piece), signal);
        this.ended = done.ended;
        this.finish(`${done.tokens} tokens, ${((performance.now() - started) / 1000).toFixed(1)} s${done.ended ? "" : ", cut off"}${lost ? "; earlier turns no longer fit" : ""}`);
        break;
      } catch (error) {
        if (error.name === "AbortError") { this.ended = false; this.finish("stopped"); break; }
        if (error.code === "context_length_exceeded" && this.messages.length > 2) { this.messages.splice(0, 2); lost += 2; continue; }
        this.failed = true;
        this.finish(error.message);
        this.note.classList.add("wrong");
        say(`${this.model.id}: ${error.message}`);
        if (error.status === 401) askForKey();
        return;
      }
    }
    this.messages = [...head, ...this.messages];
    say(`${this.model.id}: ${this.text.slice(0, 400)}`);
  }

  finish(note) {
    this.draw();
    if (!this.text && !this.failed) this.body.replaceChildren(make("span", { class: "quiet" }, "(nothing)"));
    this.note.textContent = note;
    this.tools.hidden = Boolean(this.failed) || !this.text;
    this.element.setAttribute("aria-busy", "false");
  }

  async keep(thumb, correction) {
    const sent = { model: this.model.id, messages: this.messages, answer: this.text, ended: this.ended, thumb };
    if (correction !== null) sent.correction = correction;
    try {
      await (await request("/feedback", sent)).json();
      [this.thumb, this.correction] = [thumb, correction];
      complain("");
      say(correction !== null ? "Your version is kept" : thumb === "none" ? "Taken back" : `Kept as ${thumb === "up" ? "good" : "bad"}`);
    } catch (error) {
      complain(`That was not kept: ${error.message}`);
    }
    this.up.setAttribute("aria-pressed", String(this.thumb === "up"));
    this.down.setAttribute("aria-pressed", String(this.thumb === "down"));
    this.mended?.remove();
    this.mended = this.correction === null ? null : make("div", { class: "mended" }, make("p", { class: "quiet" }, "What it should have said"), textBlock(this.correction));
    if (this.mended) this.body.after(this.mended);
  }

  ready() { return about.keeps_feedback && !this.tools.hidden; }
  rate(thumb) { if (this.ready()) this.keep(this.thumb === thumb ? "none" : thumb, this.correction); }

  correct() {
    if (!this.ready()) return;
    editing = this;
    by("edit-text").value = this.correction ?? this.text;
    by("edit-dialog").showModal();
    by("edit-text").focus();
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.text);
      say("Copied");
    } catch {
      complain("The browser does not let this page copy; mark the text instead.");
    }
  }
}

async function send(text) {
  const chosen = ticked();
  if (!text.trim()) return;
  if (!chosen.length) { complain("Tick at least one stage above."); return; }
  complain("");
  by("welcome").hidden = true;
  written.push(text);
  recalled = written.length;
  by("ask").value = "";
  grow();
  const answers = chosen.map((model) => new Answer(model, [...(model.single ? [] : histories.get(model.id) || []), { role: "user", content: text }]));
  const row = make("div", { class: "answers" }, ...answers.map((answer) => answer.element));
  row.style.setProperty("--models", answers.length);
  by("turns").append(make("li", { class: "turn-of-both" }, make("div", { class: "asked" }, make("span", { class: "visually-hidden" }, "You: "), textBlock(text)), row));
  follow(true);
  halting = new AbortController();
  busy(true);
  const mine = histories;
  await Promise.all(answers.map((answer) => answer.write(halting.signal)));
  for (const answer of answers) {
    if (!answer.failed) mine.set(answer.model.id, [...answer.messages.filter((one) => one.role !== "system"), { role: "assistant", content: answer.text }]);
  }
  halting = null;
  busy(false);
}

function busy(now) {
  by("send").hidden = now;
  by("halt").hidden = !now;
}

function restart() {
  halting?.abort();
  histories = new Map();
  by("turns").replaceChildren();
  by("welcome").hidden = false;
  complain("");
  by("ask").focus();
  say("A new conversation");
}

function grow() {
  const box = by("ask");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, window.innerHeight * 0.4)}px`;
}

function toggleSettings() {
  by("settings").hidden = !by("settings").hidden;
  by("open-settings").setAttribute("aria-expanded", String(!by("settings").hidden));
  if (!by("settings").hidden) by("temperature").focus();
}

function showNumbers() {
  by("temperature-shown").textContent = heated ? by("temperature").value : "by model";
  by("top-p-shown").textContent = by("top-p").value;
}

function askForKey() {
  if (!by("key-dialog").open) by("key-dialog").showModal();
}

function step(element, key) {
  // From answer to answer: sideways within a turn, up and down between turns.
  const rows = [...document.querySelectorAll(".answers")].map((row) => [...row.children]);
  const row = rows.findIndex((one) => one.includes(element));
  const column = rows[row].indexOf(element);
  const sideways = { ArrowLeft: -1, ArrowRight: 1 }[key] || 0, along = { ArrowUp: -1, ArrowDown: 1 }[key] || 0;
  const next = rows[row + along]?.[Math.min(column + sideways, (rows[row + along]?.length || 1) - 1)];
  if (next) next.focus();
  else if (along === 1) by("ask").focus();
}

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  if (event.altKey && !event.ctrlKey && !event.metaKey) {
    const digit = /^Digit([1-9])$/.exec(event.code);
    const action = digit ? () => by(`stage-${models[digit[1] - 1]?.id}`)?.click() : { KeyS: toggleSettings, KeyN: restart, KeyK: () => by("help").showModal() }[event.code];
    if (action) { event.preventDefault(); action(); }
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") { halting?.abort(); return; }
  const answer = document.activeElement?.answer;
  if (answer) {
    const act = { "+": () => answer.rate("up"), "-": () => answer.rate("down"), e: () => answer.correct(), c: () => answer.copy() }[event.key];
    if (act) { event.preventDefault(); act(); }
    else if (event.key.startsWith("Arrow")) { event.preventDefault(); step(document.activeElement, event.key); }
  }
  if (event.key === "/" && !/^(TEXTAREA|INPUT)$/.test(document.activeElement?.tagName)) {
    event.preventDefault();
    by("ask").focus();
  }
}

function onAskKey(event) {
  const box = by("ask");
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!halting) send(box.value);
  } else if (event.key === "ArrowUp" && (!box.value || box.value === written[recalled]) && recalled > 0) {
    event.preventDefault();
    box.value = written[--recalled];
    grow();
  }
}

async function start() {
  try {
    about = await (await request("/about")).json();
    models = (await (await request("/v1/models")).json()).data.filter((model) => model.can.includes("chat"));
  } catch (error) {
    if (error.status === 401) askForKey();
    else complain(error.message);
    return;
  }
  by("run").textContent = about.run;
  document.title = `${about.run} · Trivium`;
  const boxes = models.map((model) => make("label", { class: `stage ${phase(model)}` },
    make("input", { type: "checkbox", id: `stage-${model.id}`, checked: !model.id.includes("-") || models.length === 1 }), model.id));
  by("stages").append(...boxes);
  if (!models.length) complain("No model of this run writes. Ask its heads at /classify, /tag and /answer.");
  by("examples").replaceChildren(...EXAMPLES.map((text) => make("button", { type: "button", onclick: () => send(text) }, text)));
  by("single").hidden = !models.some((model) => model.single);
  by("ask").focus();
}

by("keys").append(...KEYS.flatMap(([key, does]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, does)]));
by("form").addEventListener("submit", (event) => { event.preventDefault(); if (!halting) send(by("ask").value); });
by("ask").addEventListener("keydown", onAskKey);
by("ask").addEventListener("input", grow);
by("halt").addEventListener("click", () => halting?.abort());
by("restart").addEventListener("click", restart);
by("open-settings").addEventListener("click", toggleSettings);
by("open-help").addEventListener("click", () => by("help").showModal());
by("temperature").addEventListener("input", () => { heated = true; showNumbers(); });
by("top-p").addEventListener("input", showNumbers);
by("edit-cancel").addEventListener("click", () => by("edit-dialog").close());
by("edit-keep").addEventListener("click", () => keepEdit());
by("edit-text").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keepEdit(); });
by("edit-dialog").addEventListener("close", () => { editing?.element.focus(); editing = null; });
by("key-form").addEventListener("submit", () => { sessionStorage.setItem(KEY, by("key").value); location.reload(); });
document.addEventListener("keydown", onKey);
if (location.hash.startsWith("#token=")) {
  sessionStorage.setItem(KEY, decodeURIComponent(location.hash.slice(7)));
  history.replaceState(null, "", "/");
}
function keepEdit() {
  const answer = editing, text = by("edit-text").value;
  by("edit-dialog").close();
  if (answer && text.trim() && text !== answer.text) answer.keep(answer.thumb, text);
}
showNumbers();
start();
