// What makes the desk's pages quicker; each works without it.
"use strict";

document.documentElement.classList.add("script");

const followProgress = (progress) => {
  const look = async () => {
    try {
      const answer = await fetch(progress.dataset.url, { credentials: "same-origin" });
      if (answer.ok) {
        const told = await answer.json();
        if (told.state !== progress.dataset.state) {
          location.reload();
          return;
        }
        document.getElementById("bar").value = told.done;
        document.getElementById("done").textContent = told.done;
      }
    } catch {
      // The network is away; the next look may reach it.
    }
    setTimeout(look, 1000);
  };
  setTimeout(look, 500);
};

// Enter sends no form from a checkbox, as it sends none from a text field.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input[type=checkbox]")) event.preventDefault();
});

// The server draws few pictures at a time, and sends away who comes when too many wait already: they ask again.
const TRIES = 8;
const askAgain = (image) => {
  let tries = 0;
  const again = () => {
    tries += 1;
    if (tries <= TRIES) setTimeout(() => { image.src = image.src; }, 500 * tries);
  };
  image.addEventListener("error", again);
  if (image.complete && image.src && !image.naturalWidth) again();
};
document.querySelectorAll("img").forEach(askAgain);

const progress = document.getElementById("progress");
if (progress) followProgress(progress);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    // No clipboard without TLS: what is to be copied is selected.
    getSelection().selectAllChildren(button.parentElement.querySelector("code") || button.parentElement.previousElementSibling);
  }
});

// Choosing many: all, none, and how many.
const boxes = [...document.querySelectorAll("input[type=checkbox][name=batch], input[type=checkbox][name=series]")];
const chosen = document.getElementById("chosen");
const count = () => {
  if (chosen) chosen.textContent = boxes.filter((box) => box.checked).length;
};
if (boxes.length) {
  document.querySelectorAll(".scripted").forEach((one) => { one.hidden = false; });
  document.querySelectorAll("[data-choose]").forEach((button) => button.addEventListener("click", () => {
    boxes.forEach((box) => { box.checked = button.dataset.choose === "all"; });
    count();
  }));
  document.addEventListener("change", count);
  count();
}
