// The page of a running attempt: asks its server for the feed every few seconds, as long as it is
// looked at, and draws what has changed.
"use strict";

(() => {
  const { element, plain, text, count } = Texts;
  const EVERY = 4000;
  const EVERY_ENDED = 15000;
  const REPLICAS = 100;
  const ENDED = new Set(["finished", "stopped", "failed", "crashed"]);
  const $ = (id) => document.getElementById(id);
  const body = (id) => $(id).querySelector(".body");

  let tag = null;
  let feed = null;
  let asked = null; // when the server was last heard of
  let silent = false;
  const drawn = new Map(); // section -> the JSON that it shows

  const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");
  const time = (iso) => (iso ? new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }) : "–");
  const moment = (iso) => {
    const at = new Date(iso);
    const today = at.toDateString() === new Date().toDateString();
    return today ? time(iso) : at.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  };
  const when = (iso) => element("time", { datetime: iso, title: new Date(iso).toLocaleString() }, moment(iso));
  const words = (name) => name.replaceAll("_", " ");
  const safe = (name, of) => plain(element(name), String(of));

  function lasting(seconds) {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  }

  // Draws a section anew if what it shows is not what it was.
  function section(id, shows, draw) {
    const json = JSON.stringify(shows);
    if (drawn.get(id) === json) return;
    drawn.set(id, json);
    const nodes = draw();
    $(id).hidden = nodes === null;
    if (nodes !== null) (body(id) ?? $(id)).replaceChildren(...[nodes].flat());
  }

  // Of the whole

  function heading() {
    const { attempt, pool, recipe, teacher, store } = feed;
    $("title").replaceChildren(attempt ? "Attempt " : "Pool ", safe("bdi", attempt ?? pool));
    $("name").replaceChildren(safe("bdi", pool), " ", element("span", {}, safe("bdi", attempt ?? "")));
    const facts = [recipe && ["recipe", recipe], ["pool", pool], teacher && ["teacher", teacher], ["store", store]];
    const nodes = facts.filter(Boolean).flatMap(([name, value]) => [element("span", {}, `${name} `, safe("bdi", value)), " "]);
    $("about").replaceChildren(...nodes);
  }

  function standing() {
    const { name, what, since } = feed.state;
    const progress = feed.progress;
    const mark = ENDED.has(name) ? "■" : name === "waiting" ? "○" : "●";
    const part = progress && progress.prompts ? ` ${Math.floor((100 * progress.settled) / progress.prompts)} %` : "";
    document.title = `${mark} ${name}${part} – ${feed.attempt ?? feed.pool}`;
    section("state", feed.state, () => [
      element("span", { class: `state ${name}` }, name),
      " ",
      element("span", { class: "what" }, ENDED.has(name) && since ? ["at ", moment(since), ": "].join("") : "", safe("bdi", what)),
    ]);
  }

  function warnings() {
    const { stale, trouble, notes = [], newer = [], reading } = feed;
    section("warnings", [stale, trouble, notes, newer, reading, silent], () => {
      const told = [];
      const tell = (kind, ...parts) => told.push(element("p", { class: `warning ${kind}` }, ...parts));
      if (silent) tell("bad", "The watcher does not answer any more; this is the last that it said. Start it again for a new address.");
      if (stale) tell("bad", "Nothing new can be read since ", when(stale.since), ": ", safe("bdi", stale.reason), ". What is shown is older.");
      if (trouble) tell("bad", "The run waits since ", when(trouble.since), ": ", safe("bdi", trouble.reason));
      if (reading) tell("", `Reading: ${count(reading)} files are left; the figures are not whole yet.`);
      for (const note of notes.slice(0, 5)) tell("", safe("bdi", note));
      if (notes.length > 5) tell("", `… and ${count(notes.length - 5)} more files that could not be read`);
      if (newer.length) tell("", "Newer attempts on this pool: ", safe("bdi", newer.join(", ")));
      return told;
    });
    $("warnings").hidden = false;
  }

  function fresh() {
    if (!feed || asked === null) return;
    const ago = (performance.now() - asked) / 1000;
    const parts = [];
    if (feed.state.started) {
      const end = ENDED.has(feed.state.name) && feed.state.since ? Date.parse(feed.state.since) : Date.now();
      const ran = lasting((end - Date.parse(feed.state.started)) / 1000);
      parts.push(`started ${moment(feed.state.started)}, ${ENDED.has(feed.state.name) ? "ran" : "running for"} ${ran}`);
    }
    parts.push(ago < 10 ? "up to date" : `looked at ${lasting(ago)} ago`);
    $("fresh").textContent = parts.join(" · ");
  }

  // Figures

  function tile(name, value, ...notes) {
    return element("div", { class: "tile" },
      element("dt", {}, name),
      element("dd", { class: "value" }, value),
      ...notes.filter(Boolean).map((note) => element("dd", { class: "note" }, note)));
  }

  function bar(part, whole, label) {
    const of = whole ? Math.min(1, part / whole) : 0;
    return element("progress", { max: 1, value: of, "aria-label": label });
  }

  const dollars = (usd) => `$${usd.toLocaleString("en", { minimumFractionDigits: 2 })}`;
  const compact = (number) => number.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });

  const LIMITS = { tokens: "tokens", gpu_hours: "GPU-hours", usd: "dollars" };

  function figures() {
    const { progress, samples, cost, throughput, mean_tokens_per_s: mean } = feed;
    const ended = ENDED.has(feed.state.name);
    section("figures", [progress, samples, cost, throughput.at(-1), mean, ended], () => {
      const tiles = [];
      const unknown = ended ? "not noted by this attempt" : "not known yet";
      tiles.push(progress && progress.prompts
        ? tile("Prompts settled", `${count(progress.settled)} of ${count(progress.prompts)}`,
            bar(progress.settled, progress.prompts, "Share of the prompts that are settled"),
            `${share(progress.settled, progress.prompts)}${progress.parked ? `, ${count(progress.parked)} put off` : ""}`)
        : tile("Prompts settled", "–", unknown));
      tiles.push(tile("Kept", count(samples.kept), `${share(samples.kept, samples.judged)} of ${count(samples.judged)} judged`,
        samples.waiting ? `${count(samples.waiting)} wait for a verdict` : null));
      const drawing = [];
      if (progress && !progress.final) drawing.push(`${count(progress.in_flight)} in flight`);
      if (progress && progress.cancelled) drawing.push(`${count(progress.cancelled)} cancelled`);
      drawing.push(`${count(samples.failed)} failed`, `${count(samples.truncated)} truncated`);
      tiles.push(tile("Samples drawn", count(samples.drawn), drawing.join(", "),
        samples.drawn ? `${count(Math.round(samples.tokens / samples.drawn))} tokens each` : null));
      const last = throughput.at(-1);
      tiles.push(last
        ? tile(`Tokens a second${progress.final ? ", at the end" : ""}`, Chart.number(last.tokens_per_s), `${Chart.number(last.samples_per_s)} samples a second`)
        : mean !== null ? tile("Tokens a second", Chart.number(mean), "mean of the whole run")
        : tile("Tokens a second", "–", progress ? "after the second note, in some seconds" : unknown));
      const paid = cost.usd === null ? compact(cost.tokens) : dollars(cost.usd);
      tiles.push(tile(cost.usd === null ? "Cost so far, in tokens" : "Cost so far", paid,
        `${count(cost.tokens)} tokens, ${Number(cost.gpu_hours.toPrecision(3))} GPU-hours`,
        cost.tokens_per_kept ? `${count(cost.tokens_per_kept)} tokens per kept sample` : null));
      for (const { limit, spent, allowed } of cost.budget) {
        const left = Math.max(0, allowed - spent);
        tiles.push(tile(`Budget left, ${LIMITS[limit]}`, left < 10_000 ? Chart.number(left) : compact(left),
          bar(spent, allowed, `Share of the budget of ${LIMITS[limit]} that is spent`),
          `${Chart.number(spent)} of ${Chart.number(allowed)} spent, by all attempts`));
      }
      return tiles;
    });
  }

  // Pictures and tables

  function throughput() {
    const ended = ENDED.has(feed.state.name);
    section("throughput", [feed.throughput, ended], () => {
      const steps = feed.throughput;
      if (!steps.length) {
        const why = ended
          ? "This attempt noted no progress."
          : "There will be a picture after the second note of the run, in some seconds.";
        return element("p", { class: "none" }, why);
      }
      return element("div", { class: "panel charts" },
        Chart.chart(steps, "tokens_per_s", "Tokens", "tokens/s"),
        Chart.chart(steps, "samples_per_s", "Samples", "samples/s"));
    });
  }

  function funnel() {
    section("funnel", feed.funnel, () => {
      const all = feed.funnel.reduce((sum, row) => sum + row.samples, 0);
      if (!all) return element("p", { class: "none" }, "No sample yet.");
      const most = Math.max(...feed.funnel.map((row) => row.samples));
      const rows = feed.funnel.filter((row) => row.samples || row.kind === "kept").map((row) => {
        const width = svgBar(row.samples / most, row.kind);
        return element("tr", { class: row.kind },
          element("th", { scope: "row" }, safe("bdi", row.name)),
          element("td", { class: "bar" }, width),
          element("td", { class: "number" }, count(row.samples)),
          element("td", { class: "number" }, share(row.samples, all)));
      });
      return element("div", { class: "panel scroll", tabindex: "0", role: "group", "aria-label": "Funnel" },
        element("table", { class: "bars" },
          element("caption", {}, "Where the samples of this attempt went; by the first rule that was broken"),
          element("thead", {}, element("tr", {}, ...["Fate", "", "Samples", "Share"].map((name, i) =>
            name ? element("th", { scope: "col", class: i > 1 ? "number" : null }, name) : element("td")))),
          element("tbody", {}, ...rows)));
    });
  }

  // Of any width: the policy allows no style attributes, and an SVG's own need none.
  function svgBar(part, kind) {
    const space = "http://www.w3.org/2000/svg";
    const picture = document.createElementNS(space, "svg");
    picture.setAttribute("viewBox", "0 0 100 10");
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS(space, "rect");
    rect.setAttribute("width", String(Math.max(part > 0 ? 0.5 : 0, 100 * part)));
    rect.setAttribute("height", "10");
    rect.setAttribute("class", kind);
    picture.append(rect);
    return picture;
  }

  function replicas() {
    section("replicas", feed.replicas, () => {
      const all = feed.replicas;
      if (!all.length) return element("p", { class: "none" }, "No replica was started yet.");
      const counts = new Map();
      for (const { state } of all) counts.set(state, (counts.get(state) ?? 0) + 1);
      const told = [...counts].map(([state, number]) => `${count(number)} ${words(state)}`).join(", ");
      const rows = all.slice(0, REPLICAS).map((one) =>
        element("tr", {},
          element("th", { scope: "row" }, safe("bdi", one.name)),
          element("td", {}, element("span", { class: `state ${one.state}` }, words(one.state))),
          element("td", {}, when(one.since)),
          element("td", { class: "number" }, count(one.samples)),
          element("td", { class: "number" }, count(one.tokens)),
          element("td", { class: "reason" }, safe("bdi", one.reason))));
      const more = all.length > REPLICAS ? element("p", { class: "none" }, `… and ${count(all.length - REPLICAS)} more`) : null;
      return [
        element("div", { class: "panel scroll", tabindex: "0", role: "group", "aria-label": "Replicas" },
          element("table", {},
            element("caption", {}, told),
            element("thead", {}, element("tr", {}, ...["Replica", "State", "Since", "Samples", "Tokens", "Why"].map((name) =>
              element("th", { scope: "col", class: name === "Samples" || name === "Tokens" ? "number" : null }, name)))),
            element("tbody", {}, ...rows))),
        more,
      ].filter(Boolean);
    });
  }

  function events() {
    section("events", feed.events, () => {
      if (!feed.events.length) return element("p", { class: "none" }, "Nothing yet.");
      const rows = [...feed.events].reverse().map(({ at, event, reason, pid, ...facts }) => {
        const told = Object.entries(facts).map(([name, value]) => `${words(name)} ${typeof value === "number" ? count(value) : value}`);
        if (reason) told.push(reason);
        return element("li", {}, when(at), " ", element("strong", {}, words(event)), " ", safe("bdi", told.join(" · ")));
      });
      return element("div", { class: "panel", tabindex: "0", role: "group", "aria-label": "Events, the newest first" },
        element("ol", { class: "log" }, ...rows));
    });
  }

  // Samples: cards stay the same nodes as long as they are shown, so that what is unfolded stays so.
  const cards = new Map();

  function samples() {
    const shown = new Set();
    for (const side of ["kept", "rejected"]) {
      const list = feed.newest?.[side] ?? [];
      const nodes = list.map((sample) => {
        const key = JSON.stringify([side, sample.prompt_id, sample.sample_index, sample.fate]);
        shown.add(key);
        if (!cards.has(key)) cards.set(key, card(sample));
        return cards.get(key);
      });
      const place = $(side);
      if (!nodes.length) place.replaceChildren(element("p", { class: "none" }, "None yet."));
      else if (place.childElementCount !== nodes.length || nodes.some((node, i) => place.children[i] !== node)) {
        // Moved only where they are not in place: a node that is taken out loses its focus.
        nodes.forEach((node, i) => place.children[i] !== node && place.insertBefore(node, place.children[i] ?? null));
        while (place.childElementCount > nodes.length) place.lastElementChild.remove();
      }
    }
    for (const key of cards.keys()) if (!shown.has(key)) cards.delete(key);
    $("newest").hidden = false;
  }

  function card(sample) {
    const question = element("details", { class: "question" },
      element("summary", {}, element("span", { class: "label" }, "Prompt "), safe("bdi", beginning(sample.prompt))),
      text(sample.prompt ?? "", { math: true }));
    if (sample.reference) question.append(element("div", { class: "reference" }, element("span", { class: "label" }, "Reference "), text(sample.reference, { math: false })));
    const made = Samples.card(sample, { heading: "h4" });
    made.querySelector("header").after(question);
    return made;
  }

  function beginning(of) {
    const line = (typeof of === "string" ? of : of?.[0] ?? "").replace(/\s+/g, " ").trim();
    return line.length > 90 ? `${line.slice(0, 88)} …` : line;
  }

  function draw() {
    heading();
    standing();
    warnings();
    if (feed.attempt !== null && feed.samples) {
      figures();
      throughput();
      funnel();
      replicas();
      samples();
      events();
    }
    fresh();
  }

  // Asking

  async function ask() {
    try {
      const answer = await fetch("feed.json", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        feed = await answer.json();
        tag = answer.headers.get("ETag");
      }
      asked = performance.now();
      silent = false;
    } catch {
      silent = true;
    }
    if (feed) draw();
    else if (silent) $("state").querySelector(".what").textContent = "the watcher does not answer";
  }

  let timer = null;
  async function turn() {
    clearTimeout(timer);
    if (!document.hidden) await ask();
    const reading = feed?.reading;
    const pace = feed && ENDED.has(feed.state.name) && !feed.stale ? EVERY_ENDED : EVERY;
    timer = setTimeout(turn, reading ? 1000 : pace);
  }

  document.addEventListener("visibilitychange", () => document.hidden || turn());
  setInterval(fresh, 1000);
  turn();
})();
