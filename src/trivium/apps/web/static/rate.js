// The rating page. An answer is put into a queue in this browser first and leaves it only when the server has it, so
// neither a lost connection nor a closed window loses one; its id is chosen here, so sending it twice does no harm.
"use strict";

const AHEAD = 4;           // items kept ready
const LETTERS = "ABCDE";
const POINTS = 7;
const PAIR = [             // key, place preferred (null: tie), strength, words
  ["1", 0, 3, "A much better"], ["2", 0, 2, "A better"], ["3", 0, 1, "A slightly better"], ["4", null, 0, "Tie"],
  ["5", 1, 1, "B slightly better"], ["6", 1, 2, "B better"], ["7", 1, 3, "B much better"],
];
const REASONS = ["I cannot judge this", "The request makes no sense", "It shows something private or harmful", "It is not displayed properly"];
const KEYS = {
  pair: [["1 2 3", "A much better, better, slightly better"], ["4 or T", "tie"], ["5 6 7", "B slightly better, better, much better"],
    ["← →", "A better, B better"], ["B", "both bad"]],
  ranking: [["1 to 5", "the next best answer, one after the other"], ["=", "as good as the one before"], ["Backspace", "take back the last"],
    ["Enter", "send the ranking"], ["B", "all bad"]],
  likert: [["1 to 7", "points for the marked line, then the next"], ["↑ ↓", "another line"], ["Enter", "send the points"]],
  all: [["S", "skip, with a reason"], ["E", "rewrite an answer"], ["U", "undo the last answer"], ["G", "guidelines"], ["?", "these keys"]],
};

const by = (id) => document.getElementById(id);
let me = null;             // who rates
let tasks = [];            // the first is on the screen
const answered = new Set(); // tasks that were answered here: a list of tasks that was asked for earlier may still hold them
let draft = null;          // what is being chosen for it: {ranking, scores, line, corrects, correction}
let shownAt = 0, hiddenFor = 0, hiddenSince = null;
let sending = null, taking = null, takeAgain = false, retry = 1000, timer = null;

// The queue, in this browser, under the rater's own name.
const store = () => `trivium-rating/${me.id}`;
function queue() {
  try { return JSON.parse(localStorage.getItem(store())) || []; } catch { return []; }
}
function setQueue(waiting) {
  try {
    localStorage.setItem(store(), JSON.stringify(waiting));
    return true;
  } catch {
    return false;
  }
}

function say(text) { by("live").textContent = text; }
function complain(text) {
  by("message").replaceChildren(pieces(text));
  by("message").hidden = !text;
}
function connection() {
  const waiting = queue().length;
  by("connection").textContent = retry === 1000 ? "" : `Not connected; ${waiting} answer${waiting === 1 ? "" : "s"} kept in this browser`;
}

async function start() {
  const { status, content } = await ask("/api/me");
  if (status === 0 || status >= 500) { setTimeout(start, 3000); return nothing("The server cannot be reached", "This page tries again by itself; what you rated is kept."); }
  if (status !== 200) return nothing("You are not signed in", `${content.error}.`);
  me = content;
  by("to-owner").hidden = me.role === "rater";
  by("guidelines").replaceChildren(make("h2", {}, "Guidelines"), textBlock(me.guidelines));
  for (const one of queue()) answered.add(one.task);
  await flush();
  await fill();
}

function nothing(title, text) {
  by("item").hidden = true;
  by("empty").hidden = false;
  by("empty-title").textContent = title;
  by("empty-text").textContent = text;
  by("again").hidden = by("undo-last").hidden = me === null;
  by("empty-title").focus({ preventScroll: true });
}

// One request at a time: who asks while one is under way gets another round of it.
function fill() {
  takeAgain = me !== null;
  taking ??= Promise.resolve().then(takeAll);
  return taking;
}
async function takeAll() {
  while (takeAgain) { takeAgain = false; await take(); }
  taking = null;
}

async function take() {
  const { status, content } = await ask("/api/take", { count: Math.min(16, AHEAD + queue().length) }, me.csrf);
  if (status === 0 || status === 429 || status >= 500) {
    if (tasks.length === 0) nothing("The server cannot be reached", "What you rated is kept in this browser and sent later.");
    return later();
  }
  if (status !== 200) { if (tasks.length === 0) nothing("There is nothing to rate for you", `${content.error}.`); return; }
  const had = tasks[0]?.id;
  const known = new Set(tasks.map((one) => one.id));
  tasks.push(...content.tasks.filter((one) => !known.has(one.id) && !answered.has(one.id)));
  drawProgress(content.progress);
  if (tasks.length === 0) { if (!takeAgain && queue().length === 0) finished(content.progress); return; }
  if (tasks[0].id !== had) draw();
}

function finished(progress) {
  if (progress.closed) nothing("This round is closed", "Thank you. Everything that you rated is kept.");
  else if (progress.items === 0) nothing("There is nothing to rate yet", "Items appear here once the run has written some.");
  else if (progress.done) nothing("All is rated", "Thank you. The run can go on.");
  else nothing("Nothing is left for you just now", "The remaining items are with other raters. Some may come back.");
}

function drawProgress(progress) {
  by("progress").hidden = progress.wanted === 0;
  by("bar").value = progress.wanted ? progress.answers / progress.wanted : 0;
  by("count").textContent = `${progress.mine} by you, ${progress.answers} of ${progress.wanted} in all`;
}

function draw() {
  const task = tasks[0];
  draft = { ranking: [], scores: {}, line: 0, corrects: null, correction: null, ...kept(task) };
  by("empty").hidden = true;
  by("item").hidden = false;
  complain("");
  by("question").textContent = { pair: "Which answer is better?", ranking: "Order the answers, best first", likert: "How good is the answer?" }[task.kind];
  by("prompt").replaceChildren(...task.prompt.map((turn) => make("div", { class: `turn ${turn.role}` }, make("p", { class: "who" }, { user: "Request", system: "Instruction", assistant: "Earlier answer" }[turn.role]), textBlock(turn.text))));
  by("responses").className = `responses many-${task.responses.length}`;
  by("responses").replaceChildren(...task.responses.map(responseCard));
  drawChoices();
  drawAttached();
  shownAt = performance.now();
  hiddenFor = 0;
  window.scrollTo(0, 0);
  by("question").focus({ preventScroll: true });
  say(`Next item. ${by("question").textContent}`);
}

function responseCard(response, place) {
  const name = nameOf(place);
  const rank = tasks[0].kind === "ranking" ? make("button", { type: "button", class: "rank", "data-place": place, onclick: () => ranked(place) }, `Next best `, make("kbd", {}, String(place + 1))) : null;
  return make("article", { "aria-label": name, id: `response-${place}` },
    make("header", {}, make("h2", {}, name), rank), textBlock(response.text),
    response.cut ? make("p", { class: "quiet" }, "(cut off at the length limit)") : null);
}
const nameOf = (place) => (tasks[0].kind === "likert" ? "Answer" : `Answer ${LETTERS[place]}`);

function drawChoices() {
  const draw = { pair: pairChoices, ranking: rankingChoices, likert: likertChoices }[tasks[0].kind];
  by("choices").replaceChildren(...draw());
}

function pairChoices() {
  const scale = make("div", { class: "scale", role: "group", "aria-label": "Which is better, and how much" },
    ...PAIR.map(([key, place, strength, words]) => make("button", { type: "button", class: place === null ? "tie" : `side-${place}`, onclick: () => preferred(place, strength) }, make("span", {}, words), make("kbd", {}, key))));
  return [scale, make("button", { type: "button", class: "both-bad", onclick: () => answer({ verdict: "both_bad" }) }, "Both bad ", make("kbd", {}, "B"))];
}
const preferred = (place, strength) => answer(place === null ? { verdict: "tie" } : { verdict: "prefer", preferred: place, strength });

function rankingChoices() {
  const placed = draft.ranking.flat();
  for (const button of document.querySelectorAll("button.rank")) button.disabled = placed.includes(Number(button.dataset.place));
  const order = draft.ranking.map((together) => together.map((place) => LETTERS[place]).join(" = ")).join("  >  ") || "none yet";
  const whole = placed.length === tasks[0].responses.length;
  return [make("p", { class: "order" }, "Best first: ", make("strong", {}, order)),
    make("div", { class: "actions" },
      make("button", { type: "button", class: "primary", disabled: !whole, onclick: sendRanking }, "Send ", make("kbd", {}, "Enter")),
      make("button", { type: "button", disabled: placed.length === 0, onclick: joinLast }, "Equal to the one before ", make("kbd", {}, "=")),
      make("button", { type: "button", disabled: placed.length === 0, onclick: unrank }, "Take back ", make("kbd", {}, "Backspace")),
      make("button", { type: "button", onclick: () => answer({ verdict: "both_bad" }) }, "All bad ", make("kbd", {}, "B")))];
}
function ranked(place) {
  if (place >= tasks[0].responses.length || draft.ranking.flat().includes(place)) return;
  draft.ranking.push([place]);
  changed(`${nameOf(place)} is number ${draft.ranking.length}`);
}
function joinLast() {
  if (draft.ranking.length < 2) return;
  const last = draft.ranking.pop();
  draft.ranking[draft.ranking.length - 1].push(...last);
  changed("equal to the one before");
}
function unrank() {
  const last = draft.ranking[draft.ranking.length - 1];
  if (!last) return;
  last.pop();
  if (last.length === 0) draft.ranking.pop();
  changed("taken back");
}
function sendRanking() {
  if (draft.ranking.flat().length === tasks[0].responses.length) answer({ verdict: "rank", ranking: draft.ranking });
}

function likertChoices() {
  const lines = tasks[0].axes.map((axis, line) => make("fieldset", { class: line === draft.line ? "axis marked" : "axis" }, make("legend", {}, pieces(axis)),
    ...Array.from({ length: POINTS }, (_, index) => {
      const id = `axis-${line}-${index + 1}`;
      const input = make("input", { type: "radio", name: `axis-${line}`, id, value: index + 1, checked: draft.scores[axis] === index + 1 });
      input.addEventListener("change", () => { draft.line = line; scored(index + 1); });
      return make("label", { for: id }, input, String(index + 1));
    }), make("span", { class: "quiet" }, "1 not at all, 7 fully")));
  const whole = tasks[0].axes.every((axis) => draft.scores[axis]);
  return [...lines, make("div", { class: "actions" }, make("button", { type: "button", class: "primary", disabled: !whole, onclick: sendScores }, "Send ", make("kbd", {}, "Enter")))];
}
function scored(points) {
  const axes = tasks[0].axes;
  const axis = axes[draft.line];
  draft.scores[axis] = points;
  draft.line = Math.min(draft.line + 1, axes.length - 1);
  changed(`${axis}: ${points}`);
}
function sendScores() {
  if (tasks[0].axes.every((axis) => draft.scores[axis])) answer({ verdict: "score", scores: draft.scores });
}

// What was begun for an item is kept in this browser until it is sent.
const draftKey = (task) => `trivium-draft/${task.id}`;
function kept(task) { try { return JSON.parse(localStorage.getItem(draftKey(task))) || {}; } catch { return {}; } }
function keepDraft() { try { localStorage.setItem(draftKey(tasks[0]), JSON.stringify(draft)); } catch { /* full: only the draft is not kept */ } }
function changed(told) {
  keepDraft();
  drawChoices();
  say(told);
}

function answer(judgement) {
  const task = tasks[0];
  if (!task) return;
  if (draft.correction !== null && judgement.verdict !== "skip") judgement = { ...judgement, corrects: draft.corrects, correction: draft.correction };
  const milliseconds = Math.round(performance.now() - shownAt - hiddenFor);
  if (!setQueue([...queue(), { id: newId(), task: task.id, judgement, milliseconds }])) return complain("This browser's storage is full, so the answer was not taken; free some space and answer again.");
  localStorage.removeItem(draftKey(task));
  answered.add(task.id);
  tasks.shift();
  if (tasks.length) draw();
  else { by("item").hidden = true; say("Sending"); }
  flush().then(() => { if (tasks.length < 2) fill(); });
}

function flush() {
  sending ??= Promise.resolve().then(send);
  return sending;
}

async function send() {
  await sendAll();
  sending = null;
  connection();
}

async function sendAll() {
  let waiting;
  while ((waiting = queue()).length) {
    const [first] = waiting;
    const { status, content, wait } = await ask("/api/answer", first, me.csrf);
    if (status === 0 || status === 429 || status >= 500) return later(wait * 1000);
    if (status === 401 || (status === 403 && !content.kept)) { complain(`${content.error}. ${waiting.length} of your answers are kept in this browser.`); return; }
    setQueue(queue().filter((one) => one.id !== first.id));
    if (status !== 200) complain(`An answer was not taken: ${content.error}.`);
    else if (content.kept === "paused") complain("Rating is paused for you. Your answer is kept, but does not count.");
    else if (content.kept === "late") complain("Others were faster with that item. Your answer is kept, but does not count.");
    retry = 1000;
  }
}

function later(wait = 0) {
  retry = Math.min(retry * 2, 30000);
  connection();
  clearTimeout(timer);
  timer = setTimeout(async () => { await flush(); if (tasks.length < 2) await fill(); }, Math.max(wait, retry));
}

async function undo() {
  if (me === null) return;
  await sending;
  if (queue().length) { await flush(); if (queue().length) return complain("Undo needs the connection; your answers are kept until it is back."); }
  const { status, content } = await ask("/api/undo", { id: newId() }, me.csrf);
  if (status !== 200) return complain(`Undo did not work: ${content.error}.`);
  if (content.task === null) return complain("There is nothing to undo.");
  answered.delete(content.task.id);
  tasks = [content.task, ...tasks.filter((one) => one.id !== content.task.id)];
  draw();
  say("Undone. The item is here again.");
}

function skip(reason) {
  by("skip-dialog").close();
  answer({ verdict: "skip", reason });
}

function openSkip() {
  if (!tasks.length) return;
  by("reasons").replaceChildren(...REASONS.map((reason, index) => make("button", { type: "button", onclick: () => skip(reason) }, `${reason} `, make("kbd", {}, String(index + 1)))));
  by("other-reason").value = "";
  by("skip-dialog").showModal();
}

function openEdit() {
  if (!tasks.length) return;
  const place = draft.corrects ?? 0;
  by("edit-which").replaceChildren(...tasks[0].responses.map((_, index) => {
    const input = make("input", { type: "radio", name: "edit", id: `edit-${index}`, value: index, checked: index === place });
    input.addEventListener("change", () => { by("edit-text").value = tasks[0].responses[index].text; });
    return make("label", { for: `edit-${index}` }, input, nameOf(index));
  }));
  by("edit-which").hidden = tasks[0].responses.length === 1;
  by("edit-text").value = draft.correction ?? tasks[0].responses[place].text;
  by("edit-drop").hidden = draft.correction === null;
  by("edit-dialog").showModal();
  by("edit-text").focus();
}
function keepEdit() {
  const place = Number(document.querySelector("input[name=edit]:checked").value);
  const text = by("edit-text").value;
  const same = !text.trim() || text === tasks[0].responses[place].text;
  [draft.corrects, draft.correction] = same ? [null, null] : [place, text];
  closeEdit();
}
function closeEdit() {
  by("edit-dialog").close();
  keepDraft();
  drawAttached();
}
function drawAttached() {
  by("attached").hidden = draft.correction === null;
  by("attached").textContent = draft.correction === null ? "" : `Your version of ${nameOf(draft.corrects)} goes with your choice.`;
}

function openHelp() {
  const kind = tasks[0]?.kind || "pair";
  by("keys").replaceChildren(...[...KEYS[kind], ...KEYS.all].flatMap(([key, does]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, does)]));
  by("help").showModal();
}
function toggleGuidelines() {
  const panel = by("guidelines");
  panel.hidden = !panel.hidden;
  by("open-guidelines").setAttribute("aria-expanded", String(!panel.hidden));
}

const COMMANDS = { s: openSkip, e: openEdit, u: undo, g: toggleGuidelines, "?": openHelp };
function pairKey(key) {
  const found = PAIR.find(([own]) => own === key);
  if (found) preferred(found[1], found[2]);
  else if (key === "t") answer({ verdict: "tie" });
  else if (key === "b") answer({ verdict: "both_bad" });
  else if (key === "ArrowLeft" || key === "ArrowRight") preferred(key === "ArrowLeft" ? 0 : 1, 2);
  else return false;
  return true;
}
function rankingKey(key) {
  if (/^[1-5]$/.test(key)) ranked(Number(key) - 1);
  else if (key === "=") joinLast();
  else if (key === "Backspace") unrank();
  else if (key === "b") answer({ verdict: "both_bad" });
  else if (key === "Enter") sendRanking();
  else return false;
  return true;
}
function likertKey(key) {
  const step = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (/^[1-7]$/.test(key)) scored(Number(key));
  else if (step) { draft.line = Math.max(0, Math.min(tasks[0].axes.length - 1, draft.line + step)); changed(tasks[0].axes[draft.line]); }
  else if (key === "Enter") sendScores();
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const dialog = document.querySelector("dialog[open]");
  if (dialog) {
    const number = Number(event.key);
    if (dialog.id === "skip-dialog" && event.target.tagName !== "INPUT" && REASONS[number - 1]) { event.preventDefault(); skip(REASONS[number - 1]); }
    return;
  }
  if (event.repeat || me === null) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "Enter" && ["BUTTON", "A"].includes(event.target.tagName)) return; // it presses that
  const task = tasks[0];
  if (COMMANDS[key]) COMMANDS[key]();
  else if (!task || by("item").hidden || !{ pair: pairKey, ranking: rankingKey, likert: likertKey }[task.kind](key)) return;
  event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenSince = performance.now();
  else if (hiddenSince !== null) { hiddenFor += performance.now() - hiddenSince; hiddenSince = null; }
});
addEventListener("online", () => { retry = 1000; if (me) flush().then(fill); });
by("rewrite").addEventListener("click", openEdit);
by("skip").addEventListener("click", openSkip);
by("undo").addEventListener("click", undo);
by("undo-last").addEventListener("click", undo);
by("again").addEventListener("click", fill);
by("open-help").addEventListener("click", openHelp);
by("open-guidelines").addEventListener("click", toggleGuidelines);
by("skip-other").addEventListener("click", () => skip(by("other-reason").value.trim() || "no reason given"));
by("skip-cancel").addEventListener("click", () => by("skip-dialog").close());
by("edit-keep").addEventListener("click", keepEdit);
by("edit-cancel").addEventListener("click", () => by("edit-dialog").close());
by("edit-drop").addEventListener("click", () => { [draft.corrects, draft.correction] = [null, null]; closeEdit(); });
by("edit-text").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); keepEdit(); } });
start();
