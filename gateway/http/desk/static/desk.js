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

// Turns the images of a series, or the frames of a file, without loading the page anew.
const turnPages = (viewer, slider) => {
  const { kind, picture, page } = viewer.dataset;
  const files = (viewer.dataset.files || "").split(" ");
  const image = document.getElementById("picture");
  const first = Number(slider.min);
  const last = Number(slider.max);
  let wanted = Number(slider.value);
  let shown = wanted;
  let busy = false;

  // Pictures come from the server one at a time; of those that are wanted meanwhile, only the last is asked for.
  const load = () => {
    if (busy || shown === wanted) return;
    busy = true;
    shown = wanted;
    image.removeAttribute("width");
    image.removeAttribute("height");
    image.src = picture.replace("{}", kind === "frames" ? shown : files[shown - 1]);
    history.replaceState(null, "", page.replace("{}", shown));
  };
  const done = () => { busy = false; load(); };
  image.addEventListener("load", done);
  image.addEventListener("error", done);

  const go = (to) => {
    wanted = Math.min(last, Math.max(first, to));
    slider.value = wanted;
    const spoken = kind === "frames" ? wanted + 1 : wanted;
    document.getElementById("position").textContent = spoken;
    image.alt = `${kind === "frames" ? "Frame" : "Image"} ${spoken}`;
    for (const [name, to] of [["previous", wanted - 1], ["next", wanted + 1]]) {
      const link = document.getElementById(name);
      const there = to >= first && to <= last;
      if (there) {
        link.href = page.replace("{}", to);
        link.removeAttribute("aria-disabled");
      } else if (kind === "files") {
        link.removeAttribute("href");
        link.setAttribute("aria-disabled", "true");
      }
    }
    load();
  };

  slider.addEventListener("input", () => go(Number(slider.value)));
  for (const [name, by] of [["previous", -1], ["next", 1]]) {
    document.getElementById(name).addEventListener("click", (event) => {
      const to = wanted + by;
      if (event.ctrlKey || event.metaKey || event.shiftKey || to < first || to > last) return;
      event.preventDefault();
      go(to);
    });
  }
  const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    const by = steps[event.key];
    const typing = event.target.matches("input, select, textarea");
    if (by === undefined || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(wanted + by);
  });
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
const viewer = document.querySelector(".viewer[data-kind]");
const slider = document.getElementById("slider");
if (viewer && slider && document.getElementById("picture")) turnPages(viewer, slider);
