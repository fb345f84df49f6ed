"use strict";
/* The page is complete without this script. It adds: theme, tooltips, sorting, filtering, opening what a link points to.
   It writes text only through textContent, so the policy's Trusted Types never has to stop it. */
(() => {
  const root = document.documentElement;
  root.dataset.js = "1";
  const remembered = (name, value) => {
    try {
      if (value === undefined) return localStorage.getItem(name);
      localStorage.setItem(name, value);
    } catch { /* storage is off: the choice lasts as long as the page */ }
    return null;
  };
  const chosen = remembered("audit-theme");
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  const { byId, all, says } = page;
  const later = (action) => {
    let timer = 0;
    return () => { clearTimeout(timer); timer = setTimeout(action, 80); };
  };

  function theme() {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const button = byId("theme");
    const label = () => { button.textContent = says(isDark() ? "light" : "dark"); };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remembered("audit-theme", root.dataset.theme);
      label();
    });
    system.addEventListener("change", label);
    label();
    byId("print").addEventListener("click", () => print());
  }

  /* A picture's data lines are its tooltips: `data-h` says where the marks are, the <pre> beside it what they say. */
  function tooltips() {
    const tip = byId("tip");
    const linesOf = new WeakMap();
    const lines = (svg) => {
      if (!linesOf.has(svg)) {
        const text = svg.closest("figure").querySelector("pre").textContent;
        linesOf.set(svg, text.split("\n").filter(Boolean).map((line) => line.split("\t")));
      }
      return linesOf.get(svg);
    };
    const nearest = (places, x) => {
      let best = 0;
      places.forEach((place, i) => { if (Math.abs(place - x) < Math.abs(places[best] - x)) best = i; });
      return best;
    };
    const words = (svg, x, y) => {
      const [mode, ...rest] = svg.dataset.h.split(" ");
      const [left, top, right, bottom, n, ...more] = rest.map(Number);
      if (x < left || x > right || y < top || y > bottom) return "";
      const table = lines(svg);
      const along = Math.min(n - 1, Math.floor(((x - left) / (right - left)) * n));
      const down = Math.min(n - 1, Math.floor(((y - top) / (bottom - top)) * n));
      if (mode === "grid") {
        const column = Math.min(more[0] - 1, Math.floor(((x - left) / (right - left)) * more[0]));
        return `${table[down + 1][0]}\n${table[0][column + 1]}\n${table[down + 1][column + 1]}`;
      }
      let i = along;
      if (mode === "y") i = down;
      if (mode === "near") i = nearest(more, x);
      if (mode === "edges") i = Math.max(0, more.findIndex((edge) => edge > x) - 1);
      if (mode === "x" || mode === "edges") {
        const counts = table[i + 1].slice(1).map((cell, j) => `${table[0][j + 1]}: ${cell}`);
        return [says("range", { low: table[i + 1][0], high: table[i + 2][0] }), ...counts].join("\n");
      }
      return table[i + 1].map((cell, j) => `${table[0][j]}: ${cell}`).join("\n");
    };
    document.addEventListener("pointermove", (event) => {
      const svg = event.target.closest && event.target.closest("svg[data-h]");
      let text = "";
      if (svg) {
        const box = svg.getBoundingClientRect();
        const scale = svg.viewBox.baseVal.width / box.width;
        text = words(svg, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
      }
      tip.hidden = !text;
      if (!text) return;
      if (tip.textContent !== text) tip.textContent = text;
      const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
      const below = event.clientY + 18 + tip.offsetHeight < innerHeight;
      tip.style.left = `${Math.max(x, 4)}px`;
      tip.style.top = `${below ? event.clientY + 18 : event.clientY - tip.offsetHeight - 10}px`;
    });
    addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  }

  /* Headers become buttons; a click sorts by `data-by`, texts upwards first and numbers downwards first. */
  function sortable(table, texts, order) {
    const heads = all("th[data-by]", table);
    for (const head of heads) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const text = texts.includes(head.dataset.by);
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : !text;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sign = down ? -1 : 1;
        const by = head.dataset.by;
        const compare = text ? (p, q) => p[by].localeCompare(q[by], root.lang) : (p, q) => p[by] - q[by];
        order((p, q) => sign * compare(p, q) || p.i - q.i);
      });
    }
  }

  function findings() {
    const table = byId("table");
    if (!table) return () => {};
    const rows = all("tbody", table).map((body, i) => ({
      body,
      i,
      s: Number(body.dataset.s),
      e: body.dataset.e === undefined ? -1 : Number(body.dataset.e),
      a: body.dataset.a === undefined ? -1 : Number(body.dataset.a),
      d: body.dataset.d,
      c: body.rows[0].cells[1].textContent,
      n: body.rows[0].cells[2].textContent,
      text: body.rows[0].textContent.toLowerCase(),
    }));
    const inputs = Object.fromEntries(
      ["find", "by-severity", "by-dimension", "by-decision"].map((id) => [id.replace("by-", ""), byId(id)]),
    );
    const status = byId("shown");
    const filter = () => {
      const words = inputs.find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const least = Number(inputs.severity.value);
      const dimension = inputs.dimension.value;
      const decision = inputs.decision.value;
      const isOpen = (row) => !["accepted", "ignored"].includes(row.body.dataset.decided);
      let shown = 0;
      for (const row of rows) {
        const keep = row.s >= least && (!dimension || row.d === dimension) && words.every((w) => row.text.includes(w))
          && (!decision || row.body.dataset.decided === decision || (decision === "open" && isOpen(row)));
        if (row.body.hidden === keep) row.body.hidden = !keep;
        shown += keep;
      }
      status.textContent = says("shown", { shown, all: rows.length });
      table.dispatchEvent(new Event("filtered"));
    };
    inputs.find.addEventListener("input", later(filter));
    inputs.severity.addEventListener("change", filter);
    inputs.dimension.addEventListener("change", filter);
    inputs.decision.addEventListener("change", filter);
    table.addEventListener("decided", filter); // review.js says so
    filter();

    sortable(table, ["c", "n"], (compare) => table.append(...[...rows].sort(compare).map((row) => row.body)));
    for (const button of all("button[data-only]")) {
      button.addEventListener("click", () => {
        inputs.dimension.value = button.dataset.only;
        filter();
        byId("findings").scrollIntoView();
        inputs.dimension.focus({ preventScroll: true });
      });
    }
    return () => {
      inputs.find.value = "";
      inputs.severity.value = "0";
      inputs.dimension.value = "";
      inputs.decision.value = "";
      filter();
    };
  }

  function episodes() {
    const table = byId("episode-table");
    if (!table) return () => {};
    const rows = all("tbody tr", table).map((line, i) => ({
      line,
      i,
      ...Object.fromEntries(["p", "s", "c", "l", "f"].map((name) => [name, Number(line.dataset[name])])),
      r: line.dataset.r === undefined ? -Infinity : Number(line.dataset.r),
      x: line.dataset.x,
      text: `${line.cells[0].textContent} ${line.cells[2].textContent}`.toLowerCase(),
    }));
    const inputs = { find: byId("find-episode"), end: byId("by-end"), only: byId("found-episodes") };
    const status = byId("episodes-shown");
    const filter = () => {
      const words = inputs.find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const keep = (!inputs.end.value || row.x === inputs.end.value) && !(inputs.only.checked && !row.s)
          && words.every((w) => row.text.includes(w));
        if (row.line.hidden === keep) row.line.hidden = !keep;
        shown += keep;
      }
      status.textContent = says("shown", { shown, all: rows.length });
    };
    inputs.find.addEventListener("input", later(filter));
    inputs.end.addEventListener("change", filter);
    inputs.only.addEventListener("change", filter);
    filter();
    const body = table.tBodies[0];
    sortable(table, ["x"], (compare) => body.append(...[...rows].sort(compare).map((row) => row.line)));
    return () => {
      inputs.find.value = "";
      inputs.end.value = "";
      inputs.only.checked = false;
      filter();
    };
  }

  function columns() {
    const list = byId("cards");
    if (!list) return () => {};
    const cards = [...list.children].map((card, i) => ({
      card,
      worst: i,
      file: Number(card.dataset.f),
      kind: card.dataset.k,
      clean: card.classList.contains("clean"),
      name: card.querySelector("h3").textContent,
    }));
    const inputs = { find: byId("find-column"), kind: byId("by-kind"), only: byId("with-findings") };
    const status = byId("cards-shown");
    const filter = () => {
      const words = inputs.find.value.toLowerCase();
      let shown = 0;
      for (const one of cards) {
        const keep = one.name.toLowerCase().includes(words) && (!inputs.kind.value || one.kind === inputs.kind.value)
          && !(inputs.only.checked && one.clean);
        if (one.card.hidden === keep) one.card.hidden = !keep;
        shown += keep;
      }
      status.textContent = says("shown", { shown, all: cards.length });
    };
    inputs.find.addEventListener("input", later(filter));
    inputs.kind.addEventListener("change", filter);
    inputs.only.addEventListener("change", filter);
    filter();
    const buttons = all("button[data-order]");
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const by = button.dataset.order;
        const compare = by === "name" ? (p, q) => p.name.localeCompare(q.name, root.lang) : (p, q) => p[by] - q[by];
        list.append(...[...cards].sort(compare).map((one) => one.card));
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      });
    }
    return () => {
      inputs.find.value = "";
      inputs.kind.value = "";
      inputs.only.checked = false;
      filter();
    };
  }

  /* A button copies the command before it; where the browser has no clipboard to give, it selects it instead. */
  function copies() {
    for (const button of all("button[data-copy]")) {
      button.addEventListener("click", async () => {
        const command = button.previousElementSibling;
        try {
          await navigator.clipboard.writeText(command.textContent);
          button.textContent = says("copied");
        } catch {
          getSelection().selectAllChildren(command);
        }
      });
    }
  }

  function links(...showAll) {
    const open = () => {
      const target = byId(location.hash.slice(1));
      if (!target) return;
      if (target.hidden) showAll.forEach((show) => show());
      const details = target.matches("details") ? target : target.matches("tbody") && target.querySelector("details");
      if (details) details.open = true;
      if (target.matches("tbody, article, tr, details")) target.scrollIntoView({ block: "start" });
    };
    addEventListener("hashchange", open);
    open();
  }

  document.addEventListener("DOMContentLoaded", () => {
    theme();
    tooltips();
    copies();
    links(findings(), episodes(), columns());
    root.dataset.ready = "1";
  });
})();
