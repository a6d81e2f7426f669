// The sample browser: a list of prompts, and the samples of one beside each other.
"use strict";

(() => {
  const { element, text, plain, count } = Texts;
  const root = document.getElementById("browser");
  if (!root) return;
  const $ = (name) => document.getElementById(name);
  const wide = matchMedia("(min-width: 56rem)");
  const CARDS = 12; // a side, before one asks for more

  const state = { math: true, open: false, sought: "", at: -1, list: [], hits: null };
  let index = null;
  let prompts = [];

  // Filters. A prompt is listed if one of its samples meets all of them.
  const filters = { fate: $("by-fate"), domain: $("by-domain"), source: $("by-source"), output: $("by-output") };

  function options(select, names, counts) {
    select.closest("label").hidden = names.length < 2;
    names.forEach((name, i) => {
      const option = plain(element("option", { value: String(i) }), name.slice(0, 80) || "not named");
      option.append(` (${count(counts[i] ?? 0)})`);
      select.append(option);
    });
  }

  function meets(sample) {
    const { fate, output } = filters;
    if (fate.value !== "" && sample.fate !== Number(fate.value)) return false;
    if (output.value === "published") return Boolean(sample.published);
    if (output.value === "kept") return Boolean(sample.kept && !sample.published);
    return output.value !== "rejected" || !sample.kept;
  }

  const narrowed = () => filters.fate.value !== "" || filters.output.value !== "" || state.sought !== "";

  // Whether a sample is what is looked for: by the filters, and by where the text was found.
  function matches(prompt, place) {
    if (!meets(prompt.samples[place])) return false;
    if (!state.sought || state.hits.prompts.has(prompt.number)) return true;
    return state.hits.samples.has(`${prompt.number}/${place}`);
  }

  function listed(prompt) {
    const { domain, source } = filters;
    if (domain.value !== "" && prompt.domain !== Number(domain.value)) return false;
    if (source.value !== "" && prompt.source !== Number(source.value)) return false;
    return prompt.samples.some((_, place) => matches(prompt, place));
  }

  function refresh() {
    state.list = prompts.filter(listed);
    const samples = state.list.reduce((sum, one) => sum + one.samples.filter((_, i) => matches(one, i)).length, 0);
    $("found").textContent = `${count(state.list.length)} of ${count(prompts.length)} prompts, ${count(samples)} samples`;
    $("clear").hidden = !narrowed() && !filters.domain.value && !filters.source.value;
    list.show(state.list, chosen());
  }

  // Search: ids and titles at once, then the texts, block by block.
  let searching = 0;
  async function search(sought) {
    const turn = ++searching;
    state.sought = sought.trim().toLowerCase();
    state.hits = { prompts: new Set(), samples: new Set() };
    const progress = $("progress");
    progress.hidden = true;
    rows.ariaBusy = "true";
    if (state.sought) {
      for (const one of prompts) {
        if (one.id.includes(state.sought) || one.title.toLowerCase().includes(state.sought)) state.hits.prompts.add(one.number);
      }
    }
    refresh();
    if (state.sought.length >= 2 && !(await searchTexts(turn, progress))) return;
    progress.hidden = true;
    rows.ariaBusy = "false";
    refresh();
    again();
  }

  // False where another search has begun.
  async function searchTexts(turn, progress) {
    let first = 0;
    let due = performance.now() + 200;
    for (let number = 0; number < index.blocks.length; number++) {
      const found = await Archive.block(number);
      if (turn !== searching) return false;
      found.forEach((prompt, place) => searched(prompt, first + place));
      first += found.length;
      if (performance.now() < due) continue;
      due = performance.now() + 200;
      progress.hidden = false;
      progress.textContent = `Searching the texts: ${Math.round((100 * number) / index.blocks.length)} %`;
      refresh();
      await new Promise((resolve) => setTimeout(resolve));
    }
    return true;
  }

  function searched(prompt, number) {
    const found = Archive.where(prompt, state.sought);
    if (found === null) state.hits.prompts.add(number);
    else for (const place of found) state.hits.samples.add(`${number}/${place}`);
  }

  const rows = $("rows");
  const list = seenList(rows, row, (prompt) => go(prompt.number));

  function row(prompt) {
    const dots = element("span", { class: "dots", "aria-hidden": "true" });
    prompt.samples.slice(0, 12).forEach((sample, i) => {
      const faint = narrowed() && !matches(prompt, i) ? " faint" : "";
      dots.append(element("i", { class: Samples.standing(sample) + faint }));
    });
    const published = prompt.samples.filter((sample) => sample.published).length;
    const rate = prompt.rate === null ? "" : ` · pass rate ${Math.round(prompt.rate * 100)} %`;
    const facts = `${published}/${prompt.samples.length} published${rate}`;
    return element("div", { class: "row", role: "option" },
      plain(element("bdi", { class: "title" }), prompt.title || prompt.id),
      element("span", { class: "under" }, dots, element("span", {}, facts)));
  }

  const chosen = () => state.list.findIndex((one) => one.number === state.at);

  // One prompt with all its samples.
  const detail = $("detail");
  const panes = detail.parentElement;
  let showing = 0;
  async function show(number, sample = null) {
    const turn = ++showing;
    const prompt = prompts[number];
    const other = state.at !== number;
    state.at = number;
    list.choose(chosen());
    const whole = (await Archive.block(prompt.block))[prompt.place];
    if (turn !== showing) return;
    detail.replaceChildren(...promptParts(prompt, whole), sides(prompt, whole, sample));
    root.classList.add("reading");
    if (other) detail.scrollTop = 0;
    if (sample !== null) focusSample(sample);
  }

  const again = () => state.at >= 0 && show(state.at);

  function promptParts(prompt, whole) {
    const facts = element("p", { class: "facts" });
    for (const name of [index.domains[prompt.domain], index.sources[prompt.source]].filter(Boolean)) facts.append(plain(element("bdi"), name), " · ");
    facts.append(prompt.rate === null ? "no pass rate" : `pass rate of the probe ${Math.round(prompt.rate * 100)} %`);
    const parts = [
      element("button", { class: "back", type: "button", onclick: back }, "← All prompts"),
      element("h3", {}, "Prompt ", element("code", {}, prompt.id)),
      facts,
      element("div", { class: "prompt" }, text(whole.prompt ?? "", state)),
    ];
    if (whole.reference !== null) {
      parts.push(element("div", { class: "final reference" }, element("span", { class: "label" }, "Reference"), text(whole.reference, { ...state, math: false })));
    }
    return parts;
  }

  function sides(prompt, whole, wanted) {
    const places = whole.samples.map((_, place) => place);
    const kept = places.filter((place) => whole.samples[place].kept);
    const rejected = places.filter((place) => !whole.samples[place].kept);
    return element("div", { class: "sides" },
      side("Kept", kept, prompt, whole, wanted), side("Rejected", rejected, prompt, whole, wanted));
  }

  function side(title, places, prompt, whole, wanted) {
    // What is looked for first, then in order.
    const ordered = [...places].sort((a, b) => matches(prompt, b) - matches(prompt, a) || a - b);
    const cards = element("div", { class: "cards" });
    const more = element("button", { class: "more", type: "button", onclick: () => add() }, "");
    let shown = 0;
    const add = () => {
      for (const place of ordered.slice(shown, shown + CARDS)) cards.append(sampleCard(prompt, whole, place));
      shown = Math.min(shown + CARDS, ordered.length);
      more.hidden = shown === ordered.length;
      more.textContent = `Show ${count(Math.min(CARDS, ordered.length - shown))} more of ${count(ordered.length - shown)}`;
    };
    do add();
    while (shown < ordered.length && wanted !== null && ordered.slice(shown).some((place) => whole.samples[place].sample_index === wanted));
    const empty = places.length ? null : element("p", { class: "none" }, `No sample was ${title.toLowerCase()}.`);
    return element("section", { class: "side" }, element("h4", {}, `${title} · ${count(places.length)}`), empty, cards, more);
  }

  function sampleCard(prompt, whole, place) {
    const sample = whole.samples[place];
    const hash = `#${prompt.id}/${sample.sample_index}`;
    const copy = element("button", { class: "quiet", type: "button", title: "Copy a link to this sample", onclick: () => copied(hash) }, "Copy link");
    const open = state.open || (state.sought !== "" && Archive.has(sample.reasoning, state.sought));
    const made = Samples.card(sample, { math: state.math, sought: state.sought, open, actions: [copy] });
    made.id = `sample-${sample.sample_index}`;
    made.tabIndex = -1;
    if (narrowed()) made.classList.add(matches(prompt, place) ? "match" : "aside");
    return made;
  }

  function focusSample(number) {
    const found = $(`sample-${number}`);
    if (!found) return;
    for (const one of detail.querySelectorAll(".linked")) one.classList.remove("linked");
    found.classList.add("linked");
    found.focus({ preventScroll: true });
    if (detail.scrollHeight > detail.clientHeight + 1) {
      detail.scrollTop += found.getBoundingClientRect().top - detail.getBoundingClientRect().top - 8;
      panes.scrollIntoView({ block: "nearest" });
    } else {
      found.scrollIntoView({ block: "start" });
    }
  }

  function back() {
    root.classList.remove("reading");
    rows.focus();
  }

  // Links: #<prompt id>/<sample index>.
  function linked() {
    let name = "";
    try {
      name = decodeURIComponent(location.hash.slice(1));
    } catch {
      return false;
    }
    const [id, sample] = name.split("/");
    const number = prompts.findIndex((one) => one.id === id);
    if (number < 0) return false;
    show(number, /^\d+$/.test(sample ?? "") ? Number(sample) : null).then(() => (wide.matches ? panes : root).scrollIntoView({ block: sample && !wide.matches ? "nearest" : "start" }));
    return true;
  }

  function go(number) {
    history.replaceState(null, "", `#${prompts[number].id}`);
    return show(number).then(() => wide.matches || root.scrollIntoView());
  }

  async function copied(hash) {
    history.replaceState(null, "", hash);
    try {
      await navigator.clipboard.writeText(location.href);
      say("Link copied");
    } catch {
      say("The link is in the address bar; this browser did not let it be copied");
    }
  }

  let silent = 0;
  function say(message) {
    $("said").textContent = message;
    clearTimeout(silent);
    silent = setTimeout(() => ($("said").textContent = ""), 4000);
  }

  // Keys.
  function step(by) {
    const place = chosen();
    const next = place < 0 ? 0 : place + by;
    if (state.list[next]) go(state.list[next].number);
  }

  function stepSample(by) {
    const every = [...detail.querySelectorAll(".sample")];
    const cards = narrowed() ? every.filter((card) => card.classList.contains("match")) : every;
    const focused = cards.indexOf(document.activeElement?.closest(".sample"));
    const next = cards[focused < 0 ? (by > 0 ? 0 : cards.length - 1) : focused + by];
    if (next) focusSample(Number(next.id.slice("sample-".length)));
  }

  function fold() {
    state.open = !state.open;
    $("fold").setAttribute("aria-pressed", String(state.open));
    for (const one of detail.querySelectorAll("details.reasoning")) one.open = state.open;
  }

  function toggleMath() {
    state.math = !state.math;
    $("math").setAttribute("aria-pressed", String(state.math));
    again();
  }

  const help = $("help");
  const KEYS = {
    j: () => step(1), k: () => step(-1), n: () => stepSample(1), p: () => stepSample(-1),
    "/": () => $("search").focus(), o: fold, m: toggleMath, "?": () => help.showModal(),
    Escape: () => (root.classList.contains("reading") ? back() : undefined),
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  function onRowsKey(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in moves) step(moves[event.key]);
    else if (event.key === "Enter") detail.focus();
    else return;
    event.preventDefault();
  }

  function listen() {
    let waiting = 0;
    $("search").addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => search(event.target.value), 150);
    });
    for (const select of Object.values(filters)) select.addEventListener("change", () => (refresh(), again()));
    $("clear").addEventListener("click", () => {
      for (const select of Object.values(filters)) select.value = "";
      $("search").value = "";
      search("");
    });
    $("fold").addEventListener("click", fold);
    $("math").addEventListener("click", toggleMath);
    $("keys").addEventListener("click", () => help.showModal());
    rows.addEventListener("keydown", onRowsKey);
    document.addEventListener("keydown", onKey);
    window.addEventListener("hashchange", linked);
  }

  async function start() {
    ({ index, prompts } = await Archive.open());
    const samples = prompts.flatMap((prompt) => prompt.samples);
    options(filters.fate, index.fates, Archive.counted(samples.map((sample) => sample.fate)));
    options(filters.domain, index.domains, Archive.counted(prompts.map((prompt) => prompt.domain)));
    options(filters.source, index.sources, Archive.counted(prompts.map((prompt) => prompt.source)));
    listen();
    refresh();
    if (!linked() && wide.matches) await show(0);
    performance.mark("ready");
    root.dataset.ready = "true";
  }

  start().catch((error) => {
    $("found").textContent = `The samples cannot be shown: ${error.message}`;
  });
})();
