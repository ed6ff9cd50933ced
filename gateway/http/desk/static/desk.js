// What makes the desk's pages a little quicker; each works without it.
"use strict";

(() => {
  const progress = document.getElementById("progress");
  if (progress) {
    const look = async () => {
      try {
        const answer = await fetch(progress.dataset.url, { credentials: "same-origin" });
        if (answer.ok) {
          const told = await answer.json();
          if (told.state !== progress.dataset.state) return location.reload();
          document.getElementById("bar").value = told.done;
          document.getElementById("done").textContent = told.done;
        }
      } catch {
        // The network is away; the next look may reach it.
      }
      return setTimeout(look, 1000);
    };
    setTimeout(look, 500);
  }
})();
