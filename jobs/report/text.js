// What a model wrote, as nodes of a page. Text goes in by textContent alone: nothing that is
// written here can become markup. Formulas are MathML by KaTeX, once they are on the screen.
"use strict";

const Texts = (() => {
  // Longer texts are cut, with a button to have them whole.
  const SHOWN = 6000;
  // Longer formulas are left as they were written.
  const LONGEST_FORMULA = 2000;
  const LONGEST_DOLLARS = 400;
  // Whatever is not seen, or turns the direction of what follows: shown by its number. Joiners
  // stay within emoji, where they are what makes one picture of two.
  const HIDDEN =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb]|(?<!\p{Extended_Pictographic}|\ufe0f)\u200d|[\ud800-\udfff]|[\u{1d173}-\u{1d17a}]|[\u{e0000}-\u{e0fff}]/gu;
  const NAMES = {
    0x0: "NULL", 0x8: "BACKSPACE", 0xd: "CARRIAGE RETURN", 0x1b: "ESCAPE", 0x200b: "ZERO WIDTH SPACE",
    0x200e: "LEFT-TO-RIGHT MARK", 0x200f: "RIGHT-TO-LEFT MARK", 0x202a: "LEFT-TO-RIGHT EMBEDDING",
    0x202b: "RIGHT-TO-LEFT EMBEDDING", 0x202c: "POP DIRECTIONAL FORMATTING",
    0x202d: "LEFT-TO-RIGHT OVERRIDE", 0x202e: "RIGHT-TO-LEFT OVERRIDE",
    0x2066: "LEFT-TO-RIGHT ISOLATE", 0x2067: "RIGHT-TO-LEFT ISOLATE",
    0x2069: "POP DIRECTIONAL ISOLATE", 0xfeff: "BYTE ORDER MARK",
  };
  const OPENER = /\\\(|\\\[|\$\$?|\\boxed\s*\{|\\begin\{([a-z]{1,16}\*?)\}|`{3}|`/g;
  const ENVIRONMENTS =
    /^(?:align|aligned|gather|gathered|equation|cases|array|split|alignat|[bpvBV]?matrix)\*?$/;
  const EMPTY = /^\s*(?:\\boxed\s*\{\s*\})?\s*$/;
  // Definitions could make much of little; samples hardly ever have any.
  const DEFINES = /\\(?:[gex]?def|let|futurelet|(?:re)?newcommand|providecommand|global|char)(?![a-zA-Z])/;
  const KATEX = {
    output: "mathml", trust: false, throwOnError: true, strict: "ignore", maxExpand: 100, maxSize: 20,
  };

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "class") made.className = value;
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  // Where each closing mark is next: every one of a text is looked for once, however many open.
  function finder(text) {
    const found = new Map();
    return (mark, from) => {
      let place = found.get(mark);
      if (place === undefined || (place >= 0 && place < from)) {
        place = text.indexOf(mark, from);
        found.set(mark, place);
      }
      return place;
    };
  }

  function closedBrace(text, from) {
    let depth = 1;
    for (let i = from; i < text.length && i < from + LONGEST_FORMULA; i++) {
      if (text[i] === "\\") i++;
      else if (text[i] === "{") depth++;
      else if (text[i] === "}" && --depth === 0) return i;
    }
    return -1;
  }

  // The end of `$…$`, or -1 where the dollar is more likely money.
  function closedDollar(text, from) {
    if (!text[from] || /\s/.test(text[from])) return -1;
    for (let i = from; i < text.length && i < from + LONGEST_DOLLARS; i++) {
      if (text[i] === "\\") i++;
      else if (text[i] === "\n" && text[i + 1] === "\n") return -1;
      else if (text[i] === "$" && i > from && !/\s/.test(text[i - 1]) && !/\d/.test(text[i + 1] || "")) {
        const inner = text.slice(from, i);
        if (/[\\^_={}<>+*/|-]/.test(inner)) return i;
        return /[a-z]{3}|^\d.*\s/.test(inner) || inner.length > 20 ? -1 : i;
      }
    }
    return -1;
  }

  // One formula that begins at this mark: [its TeX, whether it stands alone, where it ends].
  function formula(text, mark, find) {
    const start = mark.index + mark[0].length;
    if (mark[0] === "\\(" || mark[0] === "\\[" || mark[0] === "$$") {
      const close = { "\\(": "\\)", "\\[": "\\]", $$: "$$" }[mark[0]];
      const end = find(close, start);
      return end > start && [text.slice(start, end), mark[0] !== "\\(", end + 2];
    }
    if (mark[0] === "$") {
      const end = closedDollar(text, start);
      return end > 0 && [text.slice(start, end), false, end + 1];
    }
    if (mark[1] !== undefined) {
      const close = `\\end{${mark[1]}}`;
      const end = ENVIRONMENTS.test(mark[1]) ? find(close, start) : -1;
      return end > 0 && [text.slice(mark.index, end + close.length), true, end + close.length];
    }
    const end = closedBrace(text, start);
    return end > 0 && [text.slice(mark.index, end + 1), false, end + 1];
  }

  // A text as pieces: {text} or {tex, display, text}, whose texts together are the text again.
  function pieces(text) {
    const made = [];
    const find = finder(text);
    const opener = new RegExp(OPENER);
    let done = 0;
    for (let mark = opener.exec(text); mark; mark = opener.exec(text)) {
      if (text[mark.index - 1] === "\\") continue;
      if (mark[0][0] === "`") {
        const end = find(mark[0], mark.index + mark[0].length);
        const line = mark[0] === "`" ? text.slice(mark.index, end).includes("\n") : false;
        if (end > 0 && !line) opener.lastIndex = end + mark[0].length;
        continue;
      }
      const found = formula(text, mark, find);
      if (!found || found[0].length > LONGEST_FORMULA || EMPTY.test(found[0])) continue;
      const [tex, display, end] = found;
      if (mark.index > done) made.push({ text: text.slice(done, mark.index) });
      made.push({ tex, display, text: text.slice(mark.index, end) });
      done = opener.lastIndex = end;
    }
    if (done < text.length) made.push({ text: text.slice(done) });
    return made;
  }

  function marked(parent, text, sought) {
    if (!sought) return parent.append(text);
    const lower = text.toLowerCase();
    // A letter that becomes two in lower case would put every mark in the wrong place.
    if (lower.length !== text.length) return parent.append(text);
    let done = 0;
    for (let at = lower.indexOf(sought); at >= 0; at = lower.indexOf(sought, done)) {
      parent.append(text.slice(done, at), element("mark", {}, text.slice(at, at + sought.length)));
      done = at + sought.length;
    }
    parent.append(text.slice(done));
  }

  // Text as it is, with what cannot be seen made visible.
  function plain(parent, text, sought = "") {
    let done = 0;
    for (const hidden of text.matchAll(HIDDEN)) {
      marked(parent, text.slice(done, hidden.index), sought);
      const code = hidden[0].codePointAt(0);
      const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
      const title = NAMES[code] ? `${number} ${NAMES[code]}` : number;
      parent.append(element("span", { class: "control", title }, number));
      done = hidden.index + hidden[0].length;
    }
    marked(parent, text.slice(done), sought);
    return parent;
  }

  function renderFormula(span) {
    const { tex, display } = span.formula;
    if (DEFINES.test(tex)) return span.classList.add("bad");
    const made = element("span");
    try {
      // New macros for each: none can change another.
      katex.render(tex, made, { ...KATEX, displayMode: display, macros: macros() });
    } catch (error) {
      span.classList.add("bad");
      return;
    }
    span.replaceChildren(...made.childNodes);
    span.classList.add("rendered");
  }

  // What KaTeX would set a style attribute for, which the page's policy forbids. It counts a macro's
  // arguments up to the first that is not there, so that all of them must be.
  const macros = () => ({ "\\fcolorbox": "\\textcolor{#1}{}\\colorbox{#2}{#3}", "\\pmb": "\\boldsymbol{#1}" });

  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        renderFormula(entry.target);
      }
    },
    { rootMargin: "400px" },
  );

  function written(parent, text, { math = true, sought = "" }) {
    for (const piece of math && typeof katex === "object" ? pieces(text) : [{ text }]) {
      if (piece.tex === undefined) {
        // A formula that stands alone is on a line of its own, without the blanks around it.
        const above = parent.lastChild?.formula?.display;
        plain(parent, above ? piece.text.replace(/^[ \t]*\n?/, "") : piece.text, sought);
        continue;
      }
      const span = plain(element("span", { class: piece.display ? "formula display" : "formula" }), piece.text, sought);
      span.formula = piece;
      parent.append(span);
      seen.observe(span);
    }
  }

  const count = (number) => number.toLocaleString("en");

  // A whole text, or [its beginning, how many characters are not in the page, its end]. Long ones
  // are bounded: `options` are {math, sought}.
  function text(of, options = {}) {
    const made = element("div", { class: "text", dir: "auto" });
    let [head, missing, tail] = typeof of === "string" ? [of, 0, ""] : of;
    // Empty lines around it say nothing.
    head = head.replace(/^(?:[ \t]*\n)+/, "");
    if (!missing) head = head.trimEnd();
    tail = tail.trimEnd();
    const fill = (all) => {
      made.replaceChildren();
      const long = head.length + tail.length > SHOWN * 1.25 && !all;
      written(made, long ? cut(head, SHOWN) : head, options);
      if (long) {
        const left = head.length + tail.length - SHOWN;
        const label = `Show all (${count(left)} more characters)`;
        made.append(element("button", { class: "more", type: "button", onclick: () => fill(true) }, label));
      } else if (missing) {
        const told = `${count(missing)} characters are not in this page`;
        made.append(element("span", { class: "missing" }, `… ${told} …`));
        written(made, tail, options);
      }
    };
    fill(false);
    return made;
  }

  // Not between the two halves of a character.
  const cut = (string, length) =>
    string.slice(0, /[\ud800-\udbff]/.test(string[length - 1]) ? length - 1 : length);

  return { element, text, plain, pieces, count };
})();
