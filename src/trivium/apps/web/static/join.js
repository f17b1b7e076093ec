// The token stands behind the #: browsers send it nowhere until the button is pressed, so no preview uses it up.
"use strict";

const token = location.hash.slice(1);
const told = document.getElementById("told");
const enter = document.getElementById("enter");

async function join() {
  enter.disabled = true;
  const { status, content } = await ask("/api/join", { token });
  if (status === 200) {
    history.replaceState(null, "", "/join");
    location.replace(content.role === "rater" ? "/" : "/owner");
    return;
  }
  told.textContent = `You could not be let in: ${content.error}.`;
  told.className = "wrong";
  enter.disabled = status === 403;
}

if (token) {
  enter.addEventListener("click", join);
  enter.focus();
} else {
  told.textContent = "This address lacks the part behind the #. Open the whole link that you were sent.";
  enter.hidden = true;
}
