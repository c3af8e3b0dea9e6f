// What the page does beyond showing: it draws the figures, lets the axes of the front be chosen, and filters the
// table. It asks nothing of the network.
"use strict";
(() => {
  const begun = performance.now();
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const views = new Map();

  // ---- light and dark -------------------------------------------------------------------------------------------
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

  function config() {
    const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    const ink = colour("--ink"), quiet = colour("--quiet"), line = colour("--line"), paper = colour("--paper");
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: null, font,
      view: { stroke: line },
      axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: quiet, tickColor: quiet,
              labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", titlePadding: 8, gridOpacity: 0.7 },
      legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", symbolSize: 90 },
      style: {
        ink: { color: ink }, muted: { color: quiet }, label: { color: ink, fontSize: 12 },
        outlined: { stroke: paper, strokeWidth: 1 },
      },
    };
  }

  const narrow = () => innerWidth < 640;

  async function draw(element, spec, name, options = {}) {
    const old = views.get(element);
    if (old) old.finalize();
    const shown = structuredClone(spec);
    if (narrow()) {
      for (const axis of axesOf(shown)) Object.assign(axis, axis.tickCount ? { tickCount: 4 } : { labelLimit: 110 });
      for (const { encoding } of shown.layer) if (encoding?.color?.legend) encoding.color.legend.columns = 2;
    }
    const result = await vegaEmbed(element, shown, {
      actions: { export: true, source: false, compiled: false, editor: false },
      downloadFileName: name, config: config(), tooltip: { theme: isDark() ? "dark" : "light" },
      renderer: "svg", patch: unnamed, ...options,
    });
    views.set(element, result);
    // What a screen reader would meet without a name.
    element.querySelector("details > summary")?.setAttribute("aria-label", `Save the plot ${name}`);
    return result.view;
  }

  // The box of a selection is not for screen readers: the limits beside the plot say the same.
  function unnamed(compiled) {
    for (const mark of compiled.marks) if (mark.name?.startsWith("brush")) mark.aria = false;
    return compiled;
  }

  function* axesOf(spec) {
    for (const layer of [spec, ...(spec.layer || [])])
      for (const channel of ["x", "y"]) if (layer.encoding?.[channel]?.axis) yield layer.encoding[channel].axis;
  }

  // ---- the front -------------------------------------------------------------------------------------------------
  const front = data.front && makeFront(data.front);

  function makeFront({ spec, data: told }) {
    const columns = told.columns.map((column, at) => ({ ...column, key: "c" + at }));
    const count = told.marks.length;
    const isWords = (column) => !column.values && !column.numbers;
    const value = (column, row) => {
      if (column.values) return column.values[row];
      const code = column.codes[row];
      if (code === null) return null;
      return column.numbers ? column.numbers[code] : column.texts[code];
    };
    const text = (column, row) => {
      if (column.values) return format(column.values[row]);
      const code = column.codes[row];
      if (code === null) return "";
      // A bare number may have more digits than a reader wants.
      return column.kind === "axis" && column.numbers && !column.unit ? format(column.numbers[code]) : column.texts[code];
    };
    const titleOf = (column) => (column.kind === "axis" && column.unit ? `${column.title} (${column.unit})` : column.title);
    const selectable = columns.filter((column) => column.kind === "metric" || column.kind === "axis");
    const byName = (name) => selectable.find((column) => column.name === name) || selectable[0];
    const axes = columns.filter((column) => column.kind === "axis");
    const goal = told.goal.map((name) => columns.find((column) => column.name === name)).filter(Boolean);

    const wide = (column) => {
      if (isWords(column)) return false;
      let low = Infinity, high = 0;
      for (let row = 0; row < count; row++) {
        const v = value(column, row);
        if (v === null) continue;
        if (v <= 0) return false;
        low = Math.min(low, v); high = Math.max(high, v);
      }
      return high / low >= 20;
    };
    const canBeLog = (column) => {
      if (isWords(column)) return false;
      for (let row = 0; row < count; row++) { const v = value(column, row); if (v !== null && v <= 0) return false; }
      return true;
    };

    const state = {
      x: byName(told.x), y: byName(told.y), log: {}, limits: { x: null, y: null }, sort: null, down: false,
      shown: 25, all: false,
    };
    state.log.x = wide(state.x); state.log.y = wide(state.y);

    const rows = Array.from({ length: count }, (_, row) => row);
    const plot = document.getElementById("front-plot");
    const status = document.getElementById("chosen");
    const table = document.getElementById("rows");
    const more = document.getElementById("more");
    const save = document.getElementById("save");
    const controls = document.getElementById("controls");

    function build() {
      for (const way of ["x", "y"]) {
        const box = document.createElement("fieldset");
        box.innerHTML = `<legend>${way === "x" ? "To the right" : "Upwards"}</legend>
          <label class="unseen" for="pick-${way}">Column</label><select id="pick-${way}"></select>
          <label><input type="checkbox" id="log-${way}"> logarithmic</label>
          <label>from <input type="text" inputmode="decimal" id="from-${way}"></label>
          <label>to <input type="text" inputmode="decimal" id="to-${way}"></label>`;
        controls.append(box);
        const pick = box.querySelector("select");
        for (const [kind, name] of [["metric", "What comes out"], ["axis", "What was varied"]]) {
          const group = document.createElement("optgroup");
          group.label = name;
          for (const column of selectable.filter((column) => column.kind === kind)) {
            const option = document.createElement("option");
            option.value = column.key; option.textContent = titleOf(column); option.selected = column === state[way];
            group.append(option);
          }
          if (group.children.length) pick.append(group);
        }
        pick.addEventListener("change", () => {
          state[way] = columns.find((column) => column.key === pick.value);
          state.log[way] = wide(state[way]);
          state.limits[way] = null;
          refresh();
        });
        box.querySelector(`#log-${way}`).addEventListener("change", (event) => { state.log[way] = event.target.checked; refresh(); });
        for (const end of ["from", "to"])
          box.querySelector(`#${end}-${way}`).addEventListener("change", () => { typed(way); refresh(); });
      }
      const last = document.createElement("div");
      last.className = "wide";
      last.innerHTML = `<button type="button" id="clear">Choose all again</button>
        <label><input type="checkbox" id="all-columns"> all columns in the table</label>`;
      controls.append(last);
      last.querySelector("#clear").addEventListener("click", () => { state.limits = { x: null, y: null }; refresh(); });
      last.querySelector("#all-columns").addEventListener("change", (event) => { state.all = event.target.checked; tell(); });
      controls.hidden = save.hidden = false;
      more.addEventListener("click", () => { state.shown += 100; tell(); });
      save.addEventListener("click", download);
    }

    function typed(way) {
      const number = (end) => {
        const words = document.getElementById(`${end}-${way}`).value.trim().replaceAll(",", "");
        return words === "" || Number.isNaN(Number(words)) ? null : Number(words);
      };
      const [from, to] = [number("from"), number("to")];
      state.limits[way] = from === null && to === null ? null : [from ?? -Infinity, to ?? Infinity];
    }

    function showLimits() {
      for (const way of ["x", "y"]) {
        const limits = state.limits[way], words = isWords(state[way]);
        for (const [end, at] of [["from", 0], ["to", 1]]) {
          const input = document.getElementById(`${end}-${way}`);
          input.disabled = words;
          const v = limits && !words ? limits[at] : null;
          input.value = v === null || !Number.isFinite(v) ? "" : String(Number(v.toPrecision(4)));
        }
        const log = document.getElementById(`log-${way}`);
        log.disabled = !canBeLog(state[way]);
        log.checked = state.log[way] && !log.disabled;
      }
    }

    const passes = (way, row) => {
      const limits = state.limits[way];
      if (!limits) return value(state[way], row) !== null || !state.limits.x && !state.limits.y;
      const v = value(state[way], row);
      if (v === null) return false;
      return isWords(state[way]) ? limits.includes(v) : v >= limits[0] && v <= limits[1];
    };
    const chosen = () => rows.filter((row) => passes("x", row) && passes("y", row));

    function points() {
      return rows.map((row) => {
        const at = told.marks[row];
        const point = { mark: told.names[at], letter: told.letters[row], row, size: told.sizes[at], opacity: told.opacities[at] };
        point[state.x.key] = value(state.x, row);
        point[state.y.key] = value(state.y, row);
        return point;
      }).filter((point) => point[state.x.key] !== null && point[state.y.key] !== null);
    }

    async function refresh() {
      showLimits();
      const shown = structuredClone(spec);
      const drawn = points();
      shown.data.values = drawn;
      for (const layer of shown.layer) for (const way of ["x", "y"]) {
        const column = state[way], words = isWords(column);
        layer.encoding[way] = {
          field: column.key, title: titleOf(column), type: words ? "nominal" : "quantitative",
          // Room at the edges: the best are often the lowest of all.
          scale: words ? {} : state.log[way] && canBeLog(column) ? { type: "log", nice: false, padding: 14 } : { zero: false, nice: false, padding: 14 },
        };
        if (!words) layer.encoding[way].axis = { tickCount: 8 };
        else if (way === "x") layer.encoding[way].axis = { labelAngle: 0 };
      }
      const present = new Set(drawn.map((point) => point.mark));
      for (const channel of ["color", "shape"]) {
        const scale = shown.layer[0].encoding[channel].scale;
        const kept = scale.domain.map((name, at) => [name, scale.range[at]]).filter(([name]) => present.has(name));
        scale.domain = kept.map(([name]) => name); scale.range = kept.map(([, range]) => range);
      }
      for (const channel of ["color", "shape"]) shown.layer[0].encoding[channel].legend.columns = narrow() ? 2 : 5;
      const box = {};
      for (const way of ["x", "y"]) {
        const limits = state.limits[way];
        if (!limits || isWords(state[way])) continue;
        const known = drawn.map((point) => point[state[way].key]);
        const ends = [Math.min(...known), Math.max(...known)];
        box[way] = [Math.max(limits[0], ends[0]), Math.min(limits[1], ends[1])];
      }
      if (Object.keys(box).length) {
        const select = shown.layer[0].params[0].select;
        select.encodings = Object.keys(box).length === 2 ? ["x", "y"] : Object.keys(box);
        shown.layer[0].params[0].value = box;
      }
      const view = await draw(plot, shown, "front", {
        renderer: drawn.length > 1500 ? "canvas" : "svg",
        tooltip: (handler, event, item, told) => hover(event, item),
      });
      let waiting = 0;
      view.addSignalListener("brush", (_, brush) => {
        const before = JSON.stringify(state.limits);
        for (const way of ["x", "y"]) {
          const range = brush[state[way].key];
          if (range) state.limits[way] = isWords(state[way]) ? [...range] : [Math.min(...range), Math.max(...range)];
          else if (!shown.layer[0].params[0].value || Object.keys(brush).length === 0) state.limits[way] = null;
        }
        if (JSON.stringify(state.limits) === before) return;
        cancelAnimationFrame(waiting);
        waiting = requestAnimationFrame(() => { showLimits(); state.shown = 25; tell(); });
      });
      tell();
    }

    // ---- what is under the pointer --------------------------------------------------------------------------------
    const bubble = document.createElement("div");
    bubble.id = "bubble";
    bubble.hidden = true;
    document.body.append(bubble);
    Object.assign(bubble.style, {
      position: "fixed", zIndex: 3, padding: "0.6rem 0.8rem", borderRadius: "6px", pointerEvents: "none",
      font: "0.82rem/1.45 system-ui, sans-serif", maxWidth: "23rem", border: "1px solid var(--line)",
      background: "var(--paper)", color: "var(--ink)", boxShadow: "0 3px 14px rgb(0 0 0 / 0.25)",
    });
    function hover(event, item) {
      const row = item?.datum?.row;
      bubble.hidden = row === undefined;
      if (bubble.hidden) return;
      bubble.replaceChildren();
      const line = (name, words, strong) => {
        const div = document.createElement("div");
        const label = document.createElement("span");
        label.textContent = name + " ";
        label.style.color = "var(--quiet)";
        const body = document.createElement(strong ? "strong" : "span");
        body.textContent = words;
        div.append(label, body);
        bubble.append(div);
      };
      const number = columns.find((column) => column.kind === "number");
      const letter = told.letters[row] ? told.letters[row] + ", " : "";
      line("", `${letter}${number ? "no. " + text(number, row) + ", " : ""}${told.names[told.marks[row]]}`, true);
      for (const column of new Set([state.x, state.y, ...goal, ...axes])) {
        const words = text(column, row);
        if (words) line(column.title, words);
      }
      const { clientX, clientY } = event;
      const box = bubble.getBoundingClientRect();
      bubble.style.left = Math.max(4, Math.min(clientX + 14, innerWidth - box.width - 8)) + "px";
      bubble.style.top = Math.max(4, clientY + 14 + box.height > innerHeight ? clientY - box.height - 10 : clientY + 14) + "px";
    }
    plot.addEventListener("pointerleave", () => { bubble.hidden = true; });

    // ---- the table --------------------------------------------------------------------------------------------------
    function tableColumns() {
      if (state.all) return columns;
      const number = columns.filter((column) => column.kind === "number");
      return [...new Set([...number, ...axes, state.x, state.y, ...goal])];
    }

    function sorted(picked) {
      const { sort, down } = state;
      // Without a wish of the reader: the most telling first, then by letter.
      if (!sort) return picked.toSorted((a, b) => told.marks[b] - told.marks[a] || told.letters[a].localeCompare(told.letters[b]) || a - b);
      const key = (row) => value(sort, row);
      return picked.toSorted((a, b) => {
        const [p, q] = [key(a), key(b)];
        if (p === null || q === null) return (p === null) - (q === null);
        const order = typeof p === "number" ? p - q : String(p).localeCompare(String(q));
        return down ? -order : order;
      });
    }

    function tell() {
      const picked = sorted(chosen());
      const isAll = !state.limits.x && !state.limits.y;
      status.textContent = isAll
        ? `All ${format(count)} drawn deployments.`
        : `${format(picked.length)} of ${format(count)} drawn deployments are chosen.`;
      const shownColumns = tableColumns();
      const element = document.createElement("table");
      const head = element.createTHead().insertRow();
      const heading = (words, column) => {
        const th = document.createElement("th");
        th.scope = "col";
        if (column && !isWords(column)) th.className = "number";
        if (!column) { th.textContent = words; head.append(th); return; }
        const button = document.createElement("button");
        button.type = "button";
        const isSorted = state.sort === column;
        button.textContent = words + (isSorted ? (state.down ? " ▼" : " ▲") : "");
        button.setAttribute("aria-label", `Sort by ${words}`);
        if (isSorted) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        button.addEventListener("click", () => {
          state.down = state.sort === column && !state.down;
          state.sort = column;
          tell();
          table.querySelectorAll("th button")[shownColumns.indexOf(column)]?.focus();
        });
        th.append(button);
        head.append(th);
      };
      heading("deployment");
      shownColumns.forEach((column) => heading(column.title, column));
      const body = element.createTBody();
      for (const row of picked.slice(0, state.shown)) {
        const line = body.insertRow();
        const first = line.insertCell();
        if (told.letters[row]) {
          const letter = document.createElement("span");
          letter.className = "letter"; letter.textContent = told.letters[row];
          first.append(letter, " ");
        }
        first.append(told.names[told.marks[row]]);
        for (const column of shownColumns) {
          const cell = line.insertCell();
          cell.textContent = text(column, row);
          if (!isWords(column)) cell.className = "number";
          else if (column.kind === "reason") cell.className = "long";
        }
      }
      table.replaceChildren(element);
      more.hidden = picked.length <= state.shown;
    }

    function download() {
      const quoted = (words) => (/[",\n\r]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words);
      const exact = (column, row) => (column.values ? column.values[row] : column.texts[column.codes[row]]) ?? "";
      const lines = [["mark", "letter", ...columns.map((column) => column.name)].join(",")];
      for (const row of sorted(chosen()))
        lines.push([told.names[told.marks[row]], told.letters[row], ...columns.map((column) => quoted(String(exact(column, row))))].join(","));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
      link.download = "deployments.csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }

    build();
    return { refresh };
  }

  // Four significant digits, thousands apart, as in the text of the page.
  function format(v) {
    if (v === null || v === undefined) return "";
    if (Number.isInteger(v) && Math.abs(v) < 1e15) return v.toLocaleString("en");
    return Number(v.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
  }

  // ---- all of it -------------------------------------------------------------------------------------------------
  const pause = () => new Promise((next) => setTimeout(next));
  const byName = new Map(data.figures.map((figure) => [figure.name, figure]));

  async function drawAll() {
    root.dataset.plots = isDark() ? "dark" : "light";
    button.textContent = isDark() ? "Light colours" : "Dark colours";
    if (front) await front.refresh();
    root.dataset.first ??= Math.round(performance.now());
    for (const element of document.querySelectorAll("[data-figure]")) {
      const figure = byName.get(element.dataset.figure);
      // A figure at a time, so that the page answers meanwhile.
      await pause();
      await draw(element, figure.spec, figure.name);
    }
    root.dataset.drawn = Math.round(performance.now());
    root.dataset.script = Math.round(performance.now() - begun);
  }

  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; drawAll(); });
  prefersDark.addEventListener("change", () => { if (!root.dataset.theme) drawAll(); });
  // Wide and narrow pages have their labels cut differently.
  matchMedia("(max-width: 639px)").addEventListener("change", () => drawAll());
  drawAll();
})();
