// Keyboard use of lists; every page works without it.
// In a table with `data-rows`: j and k move from row to row, Enter opens the first link, x ticks the row; / goes to the search.
"use strict";

(() => {
  const rows = () => Array.from(document.querySelectorAll("table[data-rows] > tbody > tr"));
  let at = -1;

  const go = (to) => {
    const all = rows();
    if (!all.length) return;
    if (all[at]) all[at].classList.remove("at");
    at = Math.max(0, Math.min(all.length - 1, to));
    all[at].classList.add("at");
    const link = all[at].querySelector("a[href]");
    if (link) link.focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "nearest" });
  };

  const tick = () => {
    const box = rows()[at]?.querySelector("input[type=checkbox]");
    if (box) box.checked = !box.checked;
  };

  const find = () => {
    const search = document.querySelector("input[type=search]");
    search?.closest("details")?.setAttribute("open", "");
    search?.focus();
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "Escape" && typing) typing.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const act = {
      j: () => go(at + 1),
      k: () => go(at - 1),
      x: tick,
      "/": find,
    }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  for (const all of document.querySelectorAll("input[type=checkbox][data-all]")) {
    all.closest("th").hidden = false;
    all.addEventListener("change", () => {
      for (const row of rows()) {
        const box = row.querySelector("input[type=checkbox]");
        if (box) box.checked = all.checked;
      }
    });
  }
})();
