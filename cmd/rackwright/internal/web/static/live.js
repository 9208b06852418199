// Keeps a page current: every event of the rack makes it fetch its changing
// part again. It shows how old the picture is, and says at once when the
// stream breaks: a picture that looks alive and is not would lie.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  let wanted = false, busy = false, timer = 0, lost = null;
  const clock = (t) => t.toTimeString().slice(0, 5);
  const stale = (yes) => {
    lost = yes ? lost || new Date() : null;
    live.classList.toggle("stale", yes);
    if (yes) live.dataset.stale = "Not live since " + clock(lost) + ": the connection to the server is lost. What you see may be old.";
  };
  const age = () => {
    for (const e of live.querySelectorAll(".age")) {
      const s = Math.max(0, Math.round((Date.now() - Date.parse(e.dataset.read)) / 1000));
      e.textContent = "read " + (s < 60 ? s + " s" : Math.round(s / 60) + " min") + " ago";
    }
  };
  const refresh = async () => {
    if (busy) { wanted = true; return; }
    busy = true;
    try {
      const answer = await fetch(live.dataset.page, { headers: { "X-Fragment": "1" }, credentials: "same-origin", redirect: "error" });
      if (answer.ok) {
        const focus = document.activeElement && live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        live.innerHTML = await answer.text();
        if (focus) live.querySelector("td a[href='" + CSS.escape(focus) + "'], a[href='" + CSS.escape(focus) + "']")?.focus();
      }
      stale(!answer.ok);
    } catch { stale(true); }
    age();
    busy = false;
    if (wanted) { wanted = false; refresh(); }
  };
  const soon = () => { if (!timer) timer = setTimeout(() => { timer = 0; refresh(); }, 150); };
  const stream = new EventSource(live.dataset.stream);
  stream.onopen = soon;
  stream.onerror = () => stale(true);
  stream.onmessage = soon;
  setInterval(age, 1000);
  // What no event tells: percents while something runs, a waiver that expired.
  let ticks = 0;
  setInterval(() => { ticks++; if (!lost && (ticks % 6 === 0 || live.querySelector("tr.busy, tr.never, .badge.busy, .badge.never"))) soon(); }, 5000);
  age();
})();
