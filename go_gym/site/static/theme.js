// Dark or light before anything is drawn: the reader's choice, else the system's.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try {
      return localStorage.getItem("go-gym-theme");
    } catch {
      return null;
    }
  };
  const apply = (theme) => {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String(theme === "dark"));
    dispatchEvent(new Event("theme"));
  };
  const chosen = () => kept() || (system.matches ? "dark" : "light");
  apply(chosen());
  system.addEventListener("change", () => apply(chosen()));
  addEventListener("DOMContentLoaded", () => {
    apply(chosen());
    document.getElementById("theme").addEventListener("click", () => {
      const theme = root.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("go-gym-theme", theme);
      } catch {
        /* a page without storage */
      }
      apply(theme);
    });
  });
})();
