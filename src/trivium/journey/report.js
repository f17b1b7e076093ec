"use strict";
// Niceties only; the page is whole without them: buttons that copy a command, no stop of the Tab key at boxes that
// have nothing to scroll, and the words' meanings and long tables on paper.
for (const block of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + block.textContent);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.after(button);
}
function fitTabStops() {
  for (const box of document.querySelectorAll(".scroll")) {
    box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
  }
}
fitTabStops();
addEventListener("resize", fitTabStops);
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details.words, details.groups")) details.open = true;
});
