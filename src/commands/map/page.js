"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const form = by("filters"), search = by("search"), space = by("namespace"), service = by("service"), found = by("found");
  const articles = Array.from(document.querySelectorAll("article"), (it) => ({
    it, text: it.textContent.toLowerCase(), services: it.dataset.services.split("\n"),
  }));
  const spaces = Array.from(document.querySelectorAll("details.space"));
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const narrowed = words.length > 0 || space.value !== "" || service.value !== "" || found.checked;
    let shown = 0;
    for (const { it, text, services } of articles) {
      const fits = (space.value === "" || it.dataset.namespace === space.value)
        && (service.value === "" || services.includes(service.value))
        && (!found.checked || it.dataset.findings !== "0")
        && words.every((word) => text.includes(word));
      it.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    for (const one of spaces) {
      one.hidden = !one.querySelector("article:not([hidden])");
      if (narrowed && !one.hidden) one.open = true;
    }
    by("none").hidden = shown > 0;
    by("count").textContent = shown + " of " + articles.length + " service accounts";
  };
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  form.hidden = false;
  filter();
})();
