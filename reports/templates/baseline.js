"use strict";
/* Reads and writes a baseline: the file of decisions that `audit run --baseline` reads.
   Reading understands the YAML of such files, not all of YAML: block and flow lists and mappings, plain, quoted and block
   scalars, comments; all values are text. What it does not understand (anchors, tags) it refuses, naming the line. */
const baselineFile = (() => {
  class Refused extends Error {
    constructor(line) {
      super(`line ${line}`);
      this.line = line;
    }
  }

  const ESCAPES = {
    0: "\0", a: "\x07", b: "\b", t: "\t", n: "\n", v: "\v", f: "\f", r: "\r", e: "\x1b", " ": " ", '"': '"', "/": "/",
    "\\": "\\", N: "\x85", _: "\xa0", L: "\u2028", P: "\u2029", "\t": "\t",
  };
  const UNFIT = /[\u0000-\u001f\u007f-\u009f"\\\u2028\u2029\ufeff\ufffe\uffff]/g;

  const fold = (text) => text.replace(/[ \t]*\n((?:[ \t]*\n)*)[ \t]*/g, (_, more) => more.replace(/[^\n]/g, "") || " ");

  function unquote(text, refuse) {
    const inside = text.slice(1, -1);
    if (text[0] === "'") return fold(inside).replaceAll("''", "'");
    const joined = inside.replace(/((?:\\[^\n])*)\\\n[ \t]*/g, "$1").split(/(\\(?:x..|u....|U........|[^xuU\n]))/s);
    return joined.map((part, i) => {
      if (i % 2 === 0) return fold(part);
      if (!/^\\[xuU]/.test(part)) return ESCAPES[part[1]] ?? refuse();
      const code = /^[0-9a-fA-F]+$/.test(part.slice(2)) ? Number.parseInt(part.slice(2), 16) : -1;
      return code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : refuse();
    }).join("");
  }

  const plain = (text) => (text === "" || text === "~" || text === "null" ? null : text);

  function parse(source) {
    const lines = source.replace(/^\ufeff/, "").split(/\r\n|[\r\n\x85]/);
    let at = 0;
    const refuse = () => { throw new Refused(Math.min(at, lines.length - 1) + 1); };
    const isVoid = (line) => /^[ \t]*(#|$)/.test(line);
    const strip = (line) => line.replace(/^[ \t]+|[ \t]+$/g, "");
    const indentOf = (line) => line.search(/[^ ]/);
    const skip = () => { while (at < lines.length && isVoid(lines[at])) at += 1; };

    /* A value in flow style at `text[from]`: [value, end], or nothing where the text ends too early. */
    function flow(text, from) {
      let i = from;
      const space = () => { while (/[ \t\n]/.test(text[i] ?? "")) i += 1; };
      const quoted = () => {
        const match = /^(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^']|'')*'(?!'))/.exec(text.slice(i));
        if (match) i += match[0].length;
        return match && unquote(match[0], refuse);
      };
      space();
      const open = text[i];
      if (open === '"' || open === "'") {
        const value = quoted();
        return value === null ? undefined : [value, i];
      }
      if (open !== "[" && open !== "{") {
        const match = /^[^,[\]{}]*?(?=[ \t\n]*(?:[,[\]{}]|:(?:[ \t\n]|$)|$))/.exec(text.slice(i));
        if (/^[&*!|>%@`#]/.test(match[0])) refuse();
        return [plain(fold(match[0])), i + match[0].length];
      }
      const [close, made] = open === "[" ? ["]", []] : ["}", {}];
      i += 1;
      for (;;) {
        space();
        if (text[i] === undefined) return undefined;
        if (text[i] === close) return [made, i + 1];
        const one = flow(text, i);
        if (!one) return undefined;
        i = one[1];
        space();
        if (open === "{") {
          if (text[i] === undefined) return undefined;
          if (text[i] !== ":" || one[0] === null) refuse();
          const value = flow(text, i + 1);
          if (!value) return undefined;
          made[one[0]] = value[0];
          i = value[1];
          space();
        } else {
          made.push(one[0]);
        }
        if (text[i] === ",") i += 1;
        else if (text[i] !== undefined && text[i] !== close) refuse();
      }
    }

    /* A scalar or a flow collection that begins with `first`, inside something indented by `indent`. */
    function scalar(first, indent) {
      const head = first[0];
      if (/[&*!%@`]/.test(head)) refuse();
      if (head === "|" || head === ">") return block(first, indent);
      if ('"\'[{'.includes(head)) {
        let text = first;
        let found = flow(text, 0);
        while (!found) {
          at += 1;
          if (at >= lines.length) refuse();
          text += `\n${lines[at]}`;
          found = flow(text, 0);
        }
        if (!isVoid(text.slice(found[1]).replace(/^#/, "x"))) refuse();
        at += 1;
        return found[0];
      }
      const parts = [first];
      at += 1;
      while (at < lines.length && (!strip(lines[at]) || indentOf(lines[at]) > indent) && !/[ \t]#/.test(parts.at(-1))) {
        parts.push(strip(lines[at]));
        at += 1;
      }
      return plain(fold(parts.join("\n").replace(/[ \t]#[^\n]*$/, "").replace(/[ \t\n]+$/, "")));
    }

    function block(first, indent) {
      const [, style, chomp] = /^([|>])([+-]?)[ \t]*(?:#.*)?$/s.exec(first) ?? refuse();
      const taken = [];
      at += 1;
      while (at < lines.length && (!strip(lines[at]) || indentOf(lines[at]) > indent)) taken.push(lines[at++]);
      const deep = Math.min(...taken.filter(strip).map(indentOf));
      const text = taken.map((line) => line.slice(deep)).join("\n");
      const body = text.replace(/\n*$/, "");
      const end = chomp === "-" || !body ? "" : chomp === "+" ? text.slice(body.length) || "\n" : "\n";
      return (style === "|" ? body : fold(body)) + end;
    }

    function node(indent) {
      const line = lines[at];
      if (/^ *-(?: |$)/.test(line)) return list(indent);
      if (/^ *[A-Za-z_]+ *:(?: |$)/.test(line)) return mapping(indent);
      return scalar(strip(line), indent - 1);
    }

    function list(indent) {
      const made = [];
      for (skip(); at < lines.length && indentOf(lines[at]) === indent && /^ *-(?: |$)/.test(lines[at]); skip()) {
        lines[at] = lines[at].replace("-", " ");
        skip();
        made.push(at < lines.length && indentOf(lines[at]) > indent ? node(indentOf(lines[at])) : null);
      }
      return made;
    }

    function mapping(indent) {
      const made = {};
      for (skip(); at < lines.length && indentOf(lines[at]) === indent; skip()) {
        const match = /^ *([A-Za-z_]+) *:(?: +(.*))?$/s.exec(lines[at]);
        if (!match || Object.hasOwn(made, match[1])) refuse();
        if (match[2] && !isVoid(match[2])) {
          made[match[1]] = scalar(strip(match[2]), indent);
          continue;
        }
        at += 1;
        skip();
        const next = at < lines.length ? indentOf(lines[at]) : -1;
        const isList = next === indent && /^ *-(?: |$)/.test(lines[at]);
        made[match[1]] = next > indent || isList ? node(next) : null;
      }
      return made;
    }

    skip();
    if (/^---\s*$/.test(lines[at] ?? "")) at += 1;
    skip();
    if (at >= lines.length) return {};
    const found = node(indentOf(lines[at]));
    skip();
    if (at < lines.length && !/^\.\.\.\s*$/.test(lines[at])) refuse();
    return found;
  }

  const KEYS = ["fingerprint", "code", "columns", "segment", "message", "decision", "reason", "author", "expires"];
  const isText = (value) => value === undefined || value === null || typeof value === "string";

  function isDecision(one) {
    return one !== null && typeof one === "object" && Object.keys(one).every((key) => KEYS.includes(key))
      && KEYS.every((key) => key === "columns" || isText(one[key]))
      && /^[0-9a-f]{32}$/.test(one.fingerprint ?? "") && /[^\s]|\ufeff/.test(one.reason ?? "")
      && ["accepted", "ignored"].includes(one.decision ?? "accepted")
      && (one.expires ? /^\d{4}-\d\d-\d\d$/.test(one.expires) && !Number.isNaN(Date.parse(one.expires)) : true)
      && (one.columns ?? []).constructor === Array && (one.columns ?? []).every((name) => typeof name === "string");
  }

  /* Return {dataset, decisions}; throws Refused with the `line` that is not understood, or the `item` that is no decision. */
  function read(text) {
    const found = parse(text);
    const items = found.findings ?? [];
    const isFile = Object.keys(found).every((key) => ["version", "dataset", "findings"].includes(key));
    if (found.constructor !== Object || !isFile || !Array.isArray(items) || (found.version ?? "1") !== "1") {
      throw new Refused(1);
    }
    const seen = new Set();
    items.forEach((item, i) => {
      if (isDecision(item) && !seen.has(item.fingerprint)) {
        seen.add(item.fingerprint);
        return;
      }
      const problem = new Error(`decision ${i + 1}`);
      problem.item = i + 1;
      throw problem;
    });
    return { dataset: found.dataset ?? "", decisions: items.map((item) => ({ decision: "accepted", ...item })) };
  }

  /* Every text is a double-quoted scalar: whatever a reason holds, it stays a text and stays on its line. */
  const quote = (text) => `"${text.toWellFormed().replace(UNFIT, (c) => {
    if (c === '"' || c === "\\") return `\\${c}`;
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  })}"`;

  function write(dataset, decisions) {
    const text = ["# Findings that are known, with the reason of each; `audit run --baseline` reads this file.", "version: 1"];
    if (dataset) text.push(`dataset: ${quote(dataset)}`);
    text.push(decisions.length ? "findings:" : "findings: []");
    for (const one of decisions) {
      const given = KEYS.filter((key) => (key === "columns" ? (one.columns ?? []).length : one[key]));
      given.forEach((key, i) => {
        const value = key === "columns" ? `[${one.columns.map(quote).join(", ")}]` : key === "expires" ? one[key] : quote(one[key]);
        text.push(`${i ? "  " : "- "}${key}: ${value}`);
      });
    }
    return `${text.join("\n")}\n`;
  }

  return { read, write };
})();
