// The owner's page: everything on it comes from one request, every button is one.
"use strict";

const by = (id) => document.getElementById(id);
let me = null, shown = null;

const percent = (value) => `${Math.round(100 * value)}%`;
const withInterval = (one) => (one ? `${percent(one.value ?? one.rate)} (${percent(one.low)} to ${percent(one.high)}) of ${one.items ?? one.answers}` : "–");
const brief = (one) => (one ? `${percent(one.value)} of ${one.items}` : "–");
const alphaText = (one) => (one ? `${one.value.toFixed(2)} (${one.low.toFixed(2)} to ${one.high.toFixed(2)})` : "not known");
const hours = (value) => (value === null ? "not known yet" : value === 0 ? "none" : value < 1 ? `about ${Math.max(1, Math.round(60 * value))} min` : `about ${value.toFixed(1)} h`);

function complain(text) {
  by("message").className = "message";
  by("message").textContent = text;
  by("message").hidden = !text;
}

function tell(text) {
  complain(text);
  by("message").className = "message told";
}

async function start() {
  const { status, content } = await ask("/api/me");
  if (status !== 200) return complain(`${content.error}.`);
  me = content;
  by("who").textContent = `${me.name}, ${me.role}`;
  for (const part of document.querySelectorAll(".owner-only")) part.hidden = me.role !== "owner";
  await load();
}

async function load() {
  const { status, content } = await ask("/api/owner");
  if (status !== 200) return complain(`${content.error}.`);
  shown = content;
  by("all").hidden = false;
  by("title").textContent = `Round ${content.round}`;
  drawCards();
  drawRound();
  drawTraining();
  drawRaters();
  drawRest();
}

async function change(path, body, told) {
  complain("");
  const { status, content } = await ask(path, body, me.csrf);
  if (status !== 200) { complain(`${content.error}.`); return null; }
  by("live").textContent = told;
  await load();
  return content;
}

function drawCards() {
  const { status, counts } = shown;
  const said = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const cards = [
    ["Answers", `${status.answers} of ${status.wanted}`, `${status.rated} of ${status.items} items done, ${status.skipped} skipped`],
    ["Time left", hours(shown.hours_left), shown.per_hour === null ? "no pace yet" : `${Math.round(shown.per_hour)} answers an hour`],
    ["Agreement (alpha)", shown.verdicts ? shown.verdicts.value.toFixed(2) : "–", shown.verdicts ? `${alphaText(shown.verdicts)} on ${shown.verdicts.items} items with two raters or more; 1 is full, 0 chance. Of strength: ${alphaText(shown.preferences)}` : "needs items with two raters or more"],
    ["Chose what stood first", shown.first_chosen ? percent(shown.first_chosen.value) : "–", shown.first_chosen ? withInterval(shown.first_chosen) : "no pair is judged yet"],
    ["Chose the longer one", shown.longer_chosen ? percent(shown.longer_chosen.value) : "–", shown.longer_chosen ? withInterval(shown.longer_chosen) : "no pair is judged yet"],
    ["Same answer again", shown.repeats ? percent(shown.repeats.value) : "–", shown.repeats ? withInterval(shown.repeats) : "no pair has come twice yet"],
    ["Ties, both bad", said ? `${percent(counts.tie / said)}, ${percent(counts.both_bad / said)}` : "–", `${said} answers to pairs`],
    ["Known items", String(shown.known_items), shown.known_items ? "shown to raters now and then" : "import some to check raters"],
  ];
  by("cards").replaceChildren(...cards.map(([name, value, more]) => make("dl", { class: "card" }, make("dt", {}, name), make("dd", {}, value), make("dd", {}, more))));
}

function drawRound() {
  const { status } = shown;
  by("close-round").hidden = me.role !== "owner";
  by("close-round").className = status.closed || status.done ? "" : "primary";
  by("close-round").textContent = status.closed ? "Open the round again" : "Close the round";
  const how = shown.training ? "the button below (or trivium run)" : "the next trivium run";
  by("go-on-text").textContent = status.closed
    ? `The round is closed: raters get no more items, and ${how} goes on with the answers that are there.`
    : status.done ? `There are enough answers: ${how} goes on with them.`
    : `The run goes on once ${status.enough} items are done. Closing the round lets it go on with the answers that are there; raters then get no more items.`;
}

// The run goes on in a process of its own; while it does, this page looks again by itself.
let looking = null;
function drawTraining() {
  const { training, status } = shown;
  by("next").hidden = !training || me.role !== "owner";
  by("training").hidden = !training || (!training.going && !training.ended);
  if (!training) return;
  if (document.activeElement !== by("next-rounds")) by("next-rounds").value = Math.max(training.rounds, training.ended === "all rounds are done" ? training.rounds + 1 : 1);
  by("next-rounds").min = training.rounds;
  by("next-go").disabled = training.going || !status.done;
  by("training-text").textContent = training.going ? "The run is going on: it learns from these ratings, then asks for the next ones." : `The run: ${training.ended}.`;
  by("training-lines").textContent = training.lines.join("\n");
  by("training-lines").hidden = !training.lines.length;
  clearTimeout(looking);
  if (training.going) looking = setTimeout(load, 3000);
}

function table(id, heads, rows, none) {
  if (!rows.length) return by(id).replaceChildren(make("tbody", {}, make("tr", {}, make("td", {}, none))));
  by(id).replaceChildren(make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))));
}

function drawRaters() {
  const rows = shown.raters.map((one) => [
    one.name + (one.role === "rater" ? "" : ` (${one.role})`), String(one.answers), one.reliability === null ? "–" : percent(one.reliability), brief(one.gold), brief(one.repeats),
    brief(one.first_chosen), brief(one.longer_chosen), one.median_seconds === null ? "–" : `${one.median_seconds.toFixed(1)} s`, String(one.skips), one.paused ? `paused: ${one.paused}` : "may rate", ...(me.role === "owner" ? [personButtons(one)] : []),
  ]);
  table("raters", ["Name", "Answers", "Reliability", "Known", "Again", "First", "Longer", "Time", "Skips", "State", ...(me.role === "owner" ? [""] : [])], rows, "Nobody yet.");
}

function personButtons(one) {
  const act = (action, told, sure) => make("button", { type: "button", class: sure ? "danger" : "", "aria-label": `${told}: ${one.name}`, onclick: () => { if (!sure || confirm(sure)) change(`/api/owner/people/${action}`, { rater: one.id }, told).then(toldWithdrawn); } }, told);
  return make("div", { class: "actions" }, one.paused ? act("resume", "Resume") : act("pause", "Pause"), act("sign-out", "Sign out"),
    act("withdraw", "Withdraw", `Withdraw everything that ${one.name} rated? The answers no longer count, and others are asked. Models that learned from them are not changed.`));
}

function toldWithdrawn(made) {
  if (!made || made.withdrawn === undefined) return;
  const models = made.learned.length ? `These learned from them: ${made.learned.join(", ")}. Once enough is rated again, trivium run RUN --redo rate makes the newest model without them.` : "No model has learned from them.";
  tell(`${made.withdrawn} answers no longer count. ${models}`);
}

function drawRest() {
  table("win-rates", ["Model", "is preferred to", "in", "compared directly"], shown.win_rates.map((one) => (one.rate < 0.5 ? { ...one, first: one.second, second: one.first, rate: 1 - one.rate, low: 1 - one.high, high: 1 - one.low } : one)).map((one) => [one.first, one.second, `${percent(one.rate)} (${percent(one.low)} to ${percent(one.high)})`, String(one.answers)]), "Answers of two models to the same request are needed.");
  by("exports").replaceChildren(...shown.forms.map((form) => make("a", { href: `/api/owner/export/${form}`, download: `${form}.jsonl` }, `${form}.jsonl`)));
  if (document.activeElement !== by("guidelines-text")) by("guidelines-text").value = shown.guidelines;
  const names = new Map(shown.raters.map((one) => [one.id, one.name]));
  table("audit", ["When", "Who", "What", ""], shown.audit.map((line) => [new Date(line.at).toLocaleString(), names.get(line.who) || line.who, line.action,
    Object.entries(line.details).map(([name, value]) => `${name} ${names.get(value) || value}`).join(", ")]), "Nothing yet.");
}

by("refresh").addEventListener("click", load);
by("close-round").addEventListener("click", () => change("/api/owner/round", { closed: !shown.status.closed }, "done"));
by("next").addEventListener("submit", (event) => {
  event.preventDefault();
  change("/api/owner/next", { rounds: Number(by("next-rounds").value) }, "the run goes on");
});
by("save-guidelines").addEventListener("click", () => { by("guidelines-text").blur(); change("/api/owner/guidelines", { text: by("guidelines-text").value }, "saved"); });
by("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  by("invite-link").replaceChildren();
  const made = await change("/api/owner/invite", { name: by("invite-name").value, role: by("invite-role").value }, "the link is made");
  if (!made) return;
  by("invite-link").replaceChildren(`Send this to ${made.name}:`, make("code", {}, made.link));
  by("invite-name").value = "";
});
by("import").addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = by("import-file").files[0];
  const query = new URLSearchParams({ taken_as: by("import-as").value, name: file.name.slice(0, 60) });
  const made = await change(`/api/owner/import?${query}`, file, "imported");
  if (made) tell(`${made.new} new from ${file.name}.`);
});
start();
