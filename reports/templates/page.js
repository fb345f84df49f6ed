"use strict";
/* What the other scripts share. The page is complete without any of them; they write text only through textContent, so
   the policy's Trusted Types never has to stop them. */
const page = (() => {
  const byId = (id) => document.getElementById(id);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  /* Words come from the page, which speaks the reader's language: `says("shown", { shown: 3, all: 7 })`. */
  const says = (name, values = {}) =>
    JSON.parse(document.body.dataset.words)[name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
  return { byId, all, says };
})();
