// Keeps the elevation current: every event of the rack makes the page fetch
// its changing part again. When the stream breaks the page says so; grey that
// looks alive would lie.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  let wanted = false, busy = false;
  const refresh = async () => {
    if (busy) { wanted = true; return; }
    busy = true;
    try {
      const answer = await fetch(live.dataset.page, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
      if (answer.ok) live.innerHTML = await answer.text();
      live.classList.toggle("stale", !answer.ok);
    } catch { live.classList.add("stale"); }
    busy = false;
    if (wanted) { wanted = false; refresh(); }
  };
  let timer = 0;
  const soon = () => { if (!timer) timer = setTimeout(() => { timer = 0; refresh(); }, 150); };
  const stream = new EventSource(live.dataset.stream);
  stream.onopen = () => { live.classList.remove("stale"); soon(); };
  stream.onerror = () => live.classList.add("stale");
  stream.onmessage = soon;
})();
