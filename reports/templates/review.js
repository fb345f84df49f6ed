"use strict";
/* Review mode: decisions about findings, kept in this browser under the id of the run and exported as a baseline.
   A decision that the result brings along (it was made with `--baseline`) stands until somebody decides otherwise here. */
(() => {
  const { byId, all, says } = page;
  const DECIDED = ["accepted", "ignored"];
  const fingerprintOf = (body) => body.id.slice(2, 14) + body.dataset.f; // the id begins it

  /* As `visible` of the other outputs: nothing in a reason hides or reorders what is read. */
  const visible = (text) => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, (c) => {
    const code = c.codePointAt(0);
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });

  const today = () => {
    const now = new Date();
    const two = (n) => String(n).padStart(2, "0");
    return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  };

  /* What is known of the finding in a row, in the fields of a baseline. */
  function findingOf(body) {
    const about = JSON.parse(body.dataset.about ?? "{}");
    const cells = body.rows[0].cells;
    const names = () => all("a", cells[2]).filter((a) => !a.closest(".eps")).map((a) => a.textContent);
    return {
      fingerprint: fingerprintOf(body),
      code: cells[1].querySelector(".code").textContent,
      columns: about.columns ?? names(),
      segment: about.segment ?? null,
      message: about.message ?? body.querySelector("summary").textContent.replace(/[\u2068\u2069]/g, ""),
    };
  }

  /* The decisions: those of the result, and over them those made here (null: taken back). */
  function makeStore(review, bodies) {
    const key = `audit-review:${review.dataset.run}`;
    const given = new Map();
    for (const body of bodies) {
      const { decision } = JSON.parse(body.dataset.about ?? "{}");
      if (decision) given.set(fingerprintOf(body), { ...findingOf(body), ...decision });
    }
    const order = [...new Set(bodies.map((body) => fingerprintOf(body)))];
    const own = new Map();
    let saved = "";
    let author = "";

    const find = (fingerprint) => (own.has(fingerprint) ? own.get(fingerprint) : given.get(fingerprint)) ?? null;
    const elsewhere = () => [...own.keys()].filter((fingerprint) => !order.includes(fingerprint)).sort();
    const text = () => {
      const decided = [...order, ...elsewhere()].map(find).filter(Boolean);
      return baselineFile.write(JSON.parse(review.dataset.dataset), decided);
    };
    const untouched = text();
    const load = () => {
      own.clear();
      saved = untouched;
      try {
        const kept = JSON.parse(localStorage.getItem(key) ?? "{}");
        Object.entries(kept.own ?? {}).forEach(([fingerprint, one]) => own.set(fingerprint, one));
        saved = kept.saved ?? untouched;
        author = kept.author ?? "";
      } catch { /* storage is off: decisions last as long as the page */ }
    };
    const keep = () => {
      try {
        localStorage.setItem(key, JSON.stringify({ own: Object.fromEntries(own), saved, author }));
      } catch { /* the same */ }
    };
    load();
    return {
      key,
      load,
      find,
      text,
      get author() { return author; },
      isDirty: () => text() !== saved,
      exported: () => { saved = text(); keep(); },
      set: (fingerprints, decision, by) => {
        author = by ?? author;
        fingerprints.forEach((one, i) => own.set(one, decision && decision[i]));
        keep();
      },
      /* Take the decisions of a file; where somebody decided otherwise here, that stays. Return how many did what. */
      merge: (decisions) => {
        const wasClean = text() === saved;
        const told = { here: 0, elsewhere: 0, kept: 0 };
        for (const one of decisions) {
          const mine = own.get(one.fingerprint);
          const isSame = mine && ["decision", "reason", "author", "expires"].every((k) => (mine[k] || "") === (one[k] || ""));
          if (own.has(one.fingerprint) && !isSame) {
            told.kept += 1;
            continue;
          }
          own.set(one.fingerprint, one);
          told[order.includes(one.fingerprint) ? "here" : "elsewhere"] += 1;
        }
        const isWhole = [...given.keys(), ...own.keys()].every((f) => !find(f) || decisions.some((d) => d.fingerprint === f));
        if (wasClean && isWhole) saved = text();
        keep();
        return told;
      },
    };
  }

  function start() {
    const review = byId("review");
    const table = byId("table");
    if (!review || !table) return;
    const bodies = all("tbody", table);
    const store = makeStore(review, bodies);
    const dialog = byId("decide");
    const form = dialog.querySelector("form");
    const said = byId("review-said");
    const isChecked = (body) => !body.hidden && Boolean(body.querySelector("input.pick:checked"));
    const holds = (one) => Boolean(one) && (!one.expires || one.expires >= today());
    let deciding = [];

    function paint(body) {
      const one = store.find(fingerprintOf(body));
      const state = one ? (holds(one) ? one.decision : "expired") : "";
      const [first, , , fourth] = body.rows[0].cells;
      let chip = first.querySelector(".known");
      let words = fourth.querySelector(".decided");
      if (!one) {
        [chip, words].forEach((old) => old && old.remove());
      } else {
        chip = chip ?? first.insertBefore(document.createElement("span"), first.querySelector(".decide"));
        chip.className = "chip known";
        chip.textContent = says(state);
        words = words ?? fourth.appendChild(document.createElement("p"));
        words.className = "decided";
        const by = one.author ? says("by", { author: visible(one.author) }) : "";
        const until = one.expires ? says("until", { day: one.expires }) : "";
        words.textContent = `${says(one.decision)}${by}${until}: ${visible(one.reason)}`;
      }
      body.dataset.decided = state;
    }

    function count() {
      const states = bodies.map((body) => body.dataset.decided);
      const of = (name) => states.filter((state) => state === name).length;
      const open = states.filter((state) => !DECIDED.includes(state)).length;
      byId("decided").textContent = says("decided", { open, accepted: of("accepted"), ignored: of("ignored") });
      byId("unsaved").hidden = !store.isDirty();
      chosen();
    }

    function chosen() {
      const n = bodies.filter(isChecked).length;
      const button = byId("decide-chosen");
      button.disabled = !n;
      button.textContent = says("chosen", { n });
      const top = byId("pick-all");
      if (!top) return;
      const shown = bodies.filter((body) => !body.hidden).length;
      top.checked = n > 0 && n === shown;
      top.indeterminate = n > 0 && n < shown;
    }

    function changed(touched) {
      const fingerprints = new Set(touched.map((body) => fingerprintOf(body)));
      bodies.filter((body) => fingerprints.has(fingerprintOf(body))).forEach(paint);
      table.dispatchEvent(new Event("decided"));
      count();
    }

    /* Checkboxes and buttons are made when somebody reviews: a reader's page stays as light as it is. */
    function equip() {
      if (byId("pick-all")) return;
      const top = document.createElement("input");
      Object.assign(top, { type: "checkbox", id: "pick-all" });
      top.setAttribute("aria-label", says("pickAll"));
      top.addEventListener("change", () => {
        for (const body of bodies) if (!body.hidden) body.querySelector("input.pick").checked = top.checked;
        chosen();
      });
      table.tHead.rows[0].cells[0].prepend(top);
      for (const body of bodies) {
        const [first, second, third] = body.rows[0].cells;
        const about = `${second.textContent}, ${third.textContent}`;
        const pick = document.createElement("input");
        Object.assign(pick, { type: "checkbox", className: "pick" });
        pick.setAttribute("aria-label", says("pick", { about }));
        const button = document.createElement("button");
        Object.assign(button, { type: "button", className: "link decide", textContent: says("decide") });
        button.setAttribute("aria-label", `${says("decide")} ${about}`);
        first.prepend(pick);
        first.append(button);
      }
    }

    function ask(touched) {
      deciding = touched;
      const known = touched.length === 1 ? store.find(fingerprintOf(touched[0])) : null;
      byId("decide-title").textContent = says("deciding", { n: touched.length });
      const messages = touched.slice(0, 5).map((body) => body.querySelector("summary").textContent);
      const more = touched.length > 5 ? [says("more", { n: touched.length - 5 })] : [];
      byId("decide-about").replaceChildren(...[...messages, ...more].map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }));
      form.elements.decision.value = known ? known.decision : "accepted";
      form.elements.reason.value = known ? known.reason : "";
      form.elements.expires.value = known && known.expires ? known.expires : "";
      form.elements.expires.min = today();
      form.elements.author.value = known ? known.author ?? "" : store.author;
      form.elements.reason.setCustomValidity("");
      byId("decide-undo").hidden = !touched.some((body) => store.find(fingerprintOf(body)));
      dialog.showModal();
      form.elements.reason.focus();
    }

    /* Where the row of the button is filtered away now, go on with the next row. */
    function refocus(from) {
      const at = document.activeElement;
      if (at && at !== document.body && at.offsetParent) return;
      const place = bodies.indexOf(from);
      const next = [...bodies.slice(place), ...bodies.slice(0, place).reverse()].find((body) => !body.hidden);
      (next ? next.querySelector("button.decide") : byId("by-decision")).focus();
    }

    function decide(makeDecision) {
      const touched = deciding;
      const given = touched.map((body) => makeDecision(findingOf(body)));
      store.set(touched.map((body) => fingerprintOf(body)), given, form.elements.author.value.trim());
      touched.forEach((body) => { body.querySelector("input.pick").checked = false; });
      dialog.close();
      changed(touched);
      refocus(touched[0]);
      said.textContent = says("done", { n: touched.length });
    }

    byId("review-on").addEventListener("click", (event) => {
      const on = review.classList.toggle("on");
      event.currentTarget.setAttribute("aria-pressed", String(on));
      table.classList.toggle("reviewing", on);
      byId("review-tools").hidden = !on;
      if (on) equip();
      chosen();
    });
    table.addEventListener("change", (event) => { if (event.target.matches("input.pick")) chosen(); });
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button.decide");
      if (!button) return;
      const body = button.closest("tbody");
      ask(isChecked(body) ? bodies.filter(isChecked) : [body]);
    });
    byId("decide-chosen").addEventListener("click", () => ask(bodies.filter(isChecked)));
    byId("decide-cancel").addEventListener("click", () => dialog.close());
    byId("decide-undo").addEventListener("click", () => decide(() => null));
    form.elements.reason.addEventListener("input", () => form.elements.reason.setCustomValidity(""));
    byId("decide-save").addEventListener("click", () => {
      if (!form.elements.reason.value.trim()) form.elements.reason.setCustomValidity(says("wanted"));
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { decision, reason, expires, author } = form.elements;
      decide((finding) => ({
        ...finding,
        decision: decision.value,
        reason: reason.value.trim(),
        author: author.value.trim(),
        expires: expires.value || null,
      }));
    });

    byId("export").addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([store.text()], { type: "application/yaml" }));
      link.download = "baseline.yaml";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      store.exported();
      count();
      said.textContent = says("exported");
    });
    byId("import").addEventListener("change", async (event) => {
      const file = event.target.files[0];
      if (!file) return;
      try {
        const told = store.merge(baselineFile.read(await file.text()).decisions);
        changed(bodies);
        said.textContent = says("imported", { file: file.name, ...told });
      } catch (error) {
        const name = error.item ? "badItem" : error.line ? "badLine" : "badFile";
        said.textContent = says(name, { file: file.name, n: error.item ?? error.line });
      }
      event.target.value = "";
    });
    table.addEventListener("filtered", chosen);
    addEventListener("storage", (event) => {
      if (event.key !== store.key) return;
      store.load();
      changed(bodies);
    });
    addEventListener("beforeunload", (event) => { if (store.isDirty()) event.preventDefault(); });
    changed(bodies);
  }

  document.addEventListener("DOMContentLoaded", start);
})();
