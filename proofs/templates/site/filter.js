"use strict";
// Shows the entries that have every word and every choice of the form above them.
for (const form of document.querySelectorAll("form.filter")) {
  const entries = [...document.querySelectorAll(".entry")];
  const texts = entries.map((entry) =>
    `${entry.id} ${entry.textContent} ${entry.dataset.names || ""}`.toLowerCase());
  const output = form.querySelector("output");

  const show = () => {
    const chosen = new FormData(form);
    const words = chosen.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    const choices = [...chosen].filter(([name, value]) => name !== "text" && value);
    let shown = 0;
    entries.forEach((entry, at) => {
      const fits = words.every((word) => texts[at].includes(word)) &&
        choices.every(([name, value]) => entry.dataset[name] === value);
      entry.hidden = !fits;
      shown += fits;
    });
    for (const group of document.querySelectorAll(".group")) {
      group.hidden = !group.querySelector(".entry:not([hidden])");
    }
    const filtered = words.length || choices.length;
    output.textContent = filtered ? `${shown} of ${entries.length} ${form.dataset.of}` : "";
  };

  const clear = () => {
    form.reset();
    show();
  };

  // A link to an entry that is filtered out shows it.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.closest("[hidden]")) {
      clear();
      target.scrollIntoView();
    }
  };

  form.addEventListener("input", show);
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("button").addEventListener("click", (event) => {
    event.preventDefault();
    clear();
  });
  addEventListener("hashchange", reveal);
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      form.elements.text.focus();
    }
  });
  show();
}
// On paper everything is open.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});
