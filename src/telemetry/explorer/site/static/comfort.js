// Keys and small comforts. Every page works without this file: it adds no content, sends nothing and keeps only which parts are open.
"use strict";

(() => {
  const rows = () => [...document.querySelectorAll("a.row")];

  const isTyping = (target) => target instanceof HTMLElement && (target.isContentEditable || target.matches("input, select, textarea"));

  // "/" goes to the search; "j" and "k" walk through the rows, "Enter" opens the one that has the focus.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "/") {
      event.preventDefault();
      const field = document.querySelector("[data-search]");
      if (field) field.focus();
      else window.location.assign("/search");
    } else if (event.key === "j" || event.key === "k") {
      const all = rows();
      if (!all.length) return;
      const now = all.indexOf(document.activeElement);
      const next = now < 0 ? 0 : Math.min(all.length - 1, Math.max(0, now + (event.key === "j" ? 1 : -1)));
      event.preventDefault();
      all[next].focus();
    }
  });

  // A button that copies a command, where the browser lets a page do that.
  if (navigator.clipboard) {
    for (const code of document.querySelectorAll("[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      const said = document.createElement("span");
      said.setAttribute("role", "status");
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(code.textContent);
          said.textContent = " Copied";
        } catch {
          said.textContent = " The browser did not allow it";
        }
      });
      code.parentElement.after(button, said);
    }
  }

  // A part that was opened stays open on the next page, for as long as the tab lives. Its heading is fixed text, never content.
  let open = new Set();
  try {
    open = new Set(JSON.parse(sessionStorage.getItem("open") ?? "[]"));
  } catch {
    // Storage can be switched off; the page works without it.
  }
  for (const details of document.querySelectorAll("details[data-keep]")) {
    const heading = details.querySelector("summary").textContent;
    if (open.has(heading)) details.open = true;
    details.addEventListener("toggle", () => {
      if (details.open) open.add(heading);
      else open.delete(heading);
      try {
        sessionStorage.setItem("open", JSON.stringify([...open]));
      } catch {
        // As above.
      }
    });
  }
})();
