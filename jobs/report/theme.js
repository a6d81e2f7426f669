// Light and dark: as the system says, or as the reader chose.
"use strict";

(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const KEY = "stillhouse-theme";
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const told = () => button.setAttribute("aria-pressed", String(dark()));
  // A page that was opened from a disk may have no storage.
  try {
    const chosen = localStorage.getItem(KEY);
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  } catch {}
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {}
    told();
  });
  told();
})();
