// The viewer: turns images, changes their greys, zooms, moves, plays. The pictures are the server's.
"use strict";

// An address with other greys than it had.
const withWindow = (address, grey) => {
  if (!grey) return address;
  const [path, query] = address.split("?");
  const asked = new URLSearchParams(query || "");
  asked.delete("range");
  asked.set("centre", grey.centre);
  asked.set("width", grey.width);
  return `${path}?${asked}`;
};

// Turns the images of a series, or the frames of a file, without loading the page anew.
const turnPages = (viewer, slider) => {
  const { kind, picture, page } = viewer.dataset;
  const files = (viewer.dataset.files || "").split(" ");
  const image = document.getElementById("picture");
  const first = Number(slider.min);
  const last = Number(slider.max);
  let wanted = Number(slider.value);
  let grey = null;
  let shown = image.getAttribute("src");
  let busy = false;
  const listeners = [];

  // Pictures come from the server one at a time; of those that are wanted meanwhile, only the last is asked for.
  const load = () => {
    const address = withWindow(picture.replace("{}", kind === "frames" ? wanted : files[wanted - 1]), grey);
    if (busy || shown === address) return;
    busy = true;
    shown = address;
    image.removeAttribute("width");
    image.removeAttribute("height");
    image.src = address;
    history.replaceState(null, "", page.replace("{}", wanted));
  };
  const done = () => {
    busy = false;
    load();
    listeners.forEach((each) => each());
  };
  image.addEventListener("load", done);
  image.addEventListener("error", done);

  const go = (to) => {
    wanted = Math.min(last, Math.max(first, to));
    slider.value = wanted;
    const spoken = kind === "frames" ? wanted + 1 : wanted;
    document.getElementById("position").textContent = spoken;
    image.alt = `${kind === "frames" ? "Frame" : "Image"} ${spoken}`;
    for (const [name, other] of [["previous", wanted - 1], ["next", wanted + 1]]) {
      const link = document.getElementById(name);
      if (other >= first && other <= last) {
        link.href = page.replace("{}", other);
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
    const typing = event.target.matches("input, select, textarea, pre");
    if (by === undefined || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(wanted + by);
  });
  return {
    step: (by) => go(wanted + by),
    next: () => go(wanted === last ? first : wanted + 1),
    setGrey: (to) => { grey = to; load(); },
    onShown: (call) => listeners.push(call),
    single: first === last,
  };
};

// What hands do in the viewer: wheel, drag, zoom, move, play, invert.
const handle = (stage, pages) => {
  const image = document.getElementById("picture");
  const told = document.getElementById("window");
  const begun = told ? { centre: Number(told.dataset.centre), width: Number(told.dataset.width) } : null;
  const untouched = { scale: 1, x: 0, y: 0 };
  let grey = begun;
  let place = untouched;
  document.querySelectorAll(".scripted").forEach((one) => { one.hidden = false; });

  const put = () => {
    const { scale, x, y } = place;
    image.style.transform = place === untouched ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
    stage.classList.toggle("moved", place !== untouched);
  };
  const setGrey = (to) => {
    grey = to;
    told.textContent = `${Number(to.centre.toPrecision(4))} / ${Number(to.width.toPrecision(4))}`;
    pages.setGrey(to === begun ? null : { centre: Number(to.centre.toPrecision(6)), width: Number(to.width.toPrecision(6)) });
  };

  stage.addEventListener("wheel", (event) => {
    if (stage.classList.contains("original") || (pages.single && !event.ctrlKey)) return;
    event.preventDefault();
    if (event.ctrlKey) {
      place = { ...place, scale: Math.min(20, Math.max(0.2, place.scale * (event.deltaY < 0 ? 1.15 : 1 / 1.15))) };
      put();
    } else {
      pages.step(event.deltaY > 0 ? 1 : -1);
    }
  }, { passive: false });

  image.draggable = false;
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 1 || event.pointerType === "touch") return;
    from = { x: event.clientX, y: event.clientY, grey, place, moves: event.shiftKey || event.button === 1 };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    if (from.moves) {
      place = { ...from.place, x: from.place.x + x, y: from.place.y + y };
      put();
    } else if (from.grey && Math.abs(x) + Math.abs(y) > 3) {
      const unit = begun.width / 300;
      setGrey({ centre: from.grey.centre + y * unit, width: Math.max(begun.width / 1000, from.grey.width + x * unit) });
    }
  });
  const end = () => { from = null; };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);

  const invert = document.getElementById("invert");
  invert.addEventListener("click", () => invert.setAttribute("aria-pressed", stage.classList.toggle("inverted")));
  const preset = document.getElementById("preset");
  if (preset) {
    preset.addEventListener("change", () => {
      const [centre, width] = preset.value.split(" ").map(Number);
      setGrey(preset.value ? { centre, width } : begun);
    });
  }
  document.getElementById("reset").addEventListener("click", () => {
    place = untouched;
    put();
    stage.classList.remove("inverted");
    invert.setAttribute("aria-pressed", "false");
    if (preset) preset.value = "";
    if (begun) setGrey(begun);
  });

  // The next picture is asked for when this one is there, at most ten a second.
  const play = document.getElementById("play");
  play.hidden = pages.single;
  let plays = false;
  const turn = () => {
    if (plays) setTimeout(() => { if (plays) pages.next(); }, 100);
  };
  pages.onShown(turn);
  play.addEventListener("click", () => {
    plays = !plays;
    play.setAttribute("aria-pressed", plays);
    play.textContent = plays ? "Stop" : "Play";
    turn();
  });
};

const viewer = document.querySelector(".viewer[data-kind]");
const slider = document.getElementById("slider");
if (viewer && slider && document.getElementById("picture")) handle(document.getElementById("stage"), turnPages(viewer, slider));
