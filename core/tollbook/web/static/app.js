// Comforts only: every page works without this file.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const theme = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const tell = () => theme && theme.setAttribute("aria-pressed", String(dark()));
  if (theme) {
    theme.hidden = false;
    tell();
    theme.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("tollbook-theme", root.dataset.theme); } catch { /* it holds for this page */ }
      tell();
    });
  }

  for (const form of document.querySelectorAll("form[data-auto]")) {
    form.addEventListener("change", (event) => {
      if (event.target.matches("select")) form.requestSubmit();
    });
  }
  for (const form of document.querySelectorAll("form[method=get]")) {
    form.addEventListener("submit", () => {
      for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    });
  }
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[method=get] :disabled")) field.disabled = false;
  });

  for (const form of document.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); });
  }

  const tip = document.getElementById("tip");
  const hide = () => { if (tip) tip.hidden = true; };
  const show = (bar) => {
    const source = document.getElementById(bar.dataset.tip);
    if (!tip || !source) return;
    tip.replaceChildren(source.content.cloneNode(true));
    tip.hidden = false;
    const place = bar.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(place.left + place.width / 2 - size.width / 2, 8), innerWidth - size.width - 8);
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${Math.max(place.top - size.height - 8, 8) + scrollY}px`;
  };
  for (const bar of document.querySelectorAll("[data-tip]")) {
    bar.addEventListener("pointerenter", () => show(bar));
    bar.addEventListener("pointerleave", hide);
    bar.addEventListener("focus", () => show(bar));
    bar.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      hide();
      for (const panel of document.querySelectorAll("details.add[open]")) {
        panel.open = false;
        panel.querySelector("summary").focus();
      }
    }
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); }
    }
  });
})();
