// Sets dark or light before anything is drawn; the button stores a choice, otherwise the system decides.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("mien-theme"); } catch { return null; } };
  const apply = () => document.documentElement.setAttribute("data-bs-theme", stored() ?? (dark.matches ? "dark" : "light"));
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = document.documentElement.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
      try { localStorage.setItem("mien-theme", next); } catch { /* this page only, then */ }
      document.documentElement.setAttribute("data-bs-theme", next);
    });
  });
})();
