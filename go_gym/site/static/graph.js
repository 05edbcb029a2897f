// A graph's page: a cell's curves and agents, and two plans side by side.
"use strict";
(() => {
  const graph = goGym.data.get("graph");
  const at = (id) => document.getElementById(id);
  const hash = goGym.readHash();
  const state = { cell: hash.cell ?? "", a: hash.a ?? "", b: hash.b ?? "", hidden: new Set(), shownFor: null };
  const PALETTES = {
    light: ["#1f5fa8", "#b3440a", "#0b7a53", "#8a3ca5", "#a8193c", "#6b5a00", "#007a8a", "#5b4bd0", "#8c4a2f", "#4a5560"],
    dark: ["#7db4f0", "#f59a5c", "#5fd0a0", "#cf95e8", "#f5829b", "#d8c453", "#54c7d6", "#aaa0ff", "#d6a087", "#b3bdc7"],
  };
  const effort = (cell) => (cell.clock ? "equal time" : "equal calls");
  const key = (cell) => [cell.board, cell.task, cell.cluster, cell.rule, cell.clock ? "time" : "calls"].join(" ");
  const title = (cell) => `${cell.board}: ${cell.task} on ${cell.cluster}, ${goGym.RULES[cell.rule] || cell.rule}, ${effort(cell)}`;
  const cells = new Map(graph.cells.map((cell) => [key(cell), cell]));
  const select = at("cell-form").elements.cell;

  const rowsOf = (cell) => cell.agents.map((each, index) => {
    const [ms, low, high, ratio, gap, gb, seeds, valid] = each.numbers;
    return { ...each, index, ms, low, high, ratio, gap, gb, seeds, valid, look: ms === null ? "quiet" : undefined };
  }).sort((a, b) => (a.ms ?? Infinity) - (b.ms ?? Infinity));

  const remember = () => goGym.writeHash({ cell: state.cell, a: state.a, b: state.b });
  const colour = (index) => {
    const palette = PALETTES[document.documentElement.dataset.theme] || PALETTES.light;
    return palette[index % palette.length];
  };

  function showCell() {
    const cell = cells.get(state.cell);
    const rows = rowsOf(cell);
    if (state.shownFor !== cell) {
      state.shownFor = cell;
      const first = rows.filter((row) => row.curve).slice(0, 6);
      state.hidden = new Set(rows.filter((row) => !first.includes(row) && row.name !== cell.reference).map((row) => row.name));
      if (!first.length) state.hidden = new Set(rows.slice(6).map((row) => row.name));
    }
    const old = [...new Set(rows.flatMap((row) => row.simulators))].filter((each) => each !== goGym.version);
    at("note").className = old.length ? "note old" : "note";
    at("note").textContent = old.length ? `Rows of version ${old.join(", ")} of the simulator, older than the current ` +
      `${goGym.version}, are among these: step times of different versions are not comparable.` : "";
    curves(cell, rows);
    agents(cell, rows);
  }

  function curves(cell, rows) {
    const place = at("curves");
    const shown = rows.filter((row) => row.ms !== null && !state.hidden.has(row.name));
    place.style.height = "24rem";
    const last = Math.max(2, ...rows.flatMap((row) => (row.curve ? row.curve[0] : [])));
    goGym.chart(place, () => ({
      aria: { enabled: true, label: { description: `Best step time in ms after all calls: ` +
        shown.map((row) => `${row.name} ${goGym.number(row.ms)}`).join("; ") } },
      grid: { left: 8, right: 16, top: 40, bottom: 8, outerBoundsMode: "same" },
      legend: { type: "scroll", top: 0, textStyle: { color: goGym.style("text") }, data: shown.map((row) => row.name) },
      tooltip: { ...goGym.tooltip(), trigger: "item", formatter: ({ seriesName, value }) => goGym.element("div", {},
        goGym.element("b", {}, seriesName), goGym.element("br"), `${value[1]} ms after ${value[0].toLocaleString("en")} calls`) },
      xAxis: goGym.axis({ type: "log", name: "simulator calls", min: 1, max: last }),
      yAxis: goGym.axis({ type: "value", name: "step time, ms", scale: true, nameGap: 50, max: ceiling(shown) }),
      series: shown.flatMap((row) => lines(row, last)),
    }));
  }

  /** Where the upright axis ends: what lies above hides how the others differ. */
  function ceiling(shown) {
    const ends = shown.map((row) => row.ms);
    const best = Math.min(...ends);
    const begins = shown.flatMap((row) => (row.curve ? [row.curve[1][0]] : [row.ms]));
    return Math.max(...begins) > 2 * best ? Number((2 * best).toPrecision(2)) : undefined;
  }

  function lines(row, last) {
    const look = { color: colour(row.index), width: 2 };
    const line = { type: "line", name: row.name, step: "end", symbolSize: 5, showSymbol: false, lineStyle: look, itemStyle: look,
      emphasis: { focus: "series" } };
    if (!row.curve) {
      return [{ ...line, lineStyle: { ...look, type: "dotted" }, data: [[1, row.ms], [last, row.ms]] }];
    }
    const [calls, middle, low, high] = row.curve;
    const points = calls.map((call, index) => [call, middle[index]]);
    const band = { type: "line", name: row.name, step: "end", symbol: "none", silent: true, stack: `band ${row.index}`,
      stackStrategy: "all", lineStyle: { opacity: 0 }, itemStyle: { color: look.color } };
    return [
      { ...band, data: calls.map((call, index) => [call, low[index]]) },
      { ...band, areaStyle: { color: look.color, opacity: 0.15 }, data: calls.map((call, index) => [call, high[index] - low[index]]) },
      { ...line, data: points },
    ];
  }

  function agents(cell, rows) {
    const box = (row) => {
      const made = goGym.element("input", { type: "checkbox", "aria-label": `show ${row.name}` });
      made.checked = !state.hidden.has(row.name);
      made.disabled = row.ms === null;
      made.addEventListener("change", () => {
        if (made.checked) state.hidden.delete(row.name); else state.hidden.add(row.name);
        curves(cell, rows);
      });
      return made;
    };
    const plan = (row) => {
      if (!row.plan) return document.createTextNode("–");
      const group = goGym.element("span", { class: "pair" });
      for (const side of ["a", "b"]) {
        const button = goGym.element("button", { type: "button", "aria-label": `plan of ${row.name} as plan ${side.toUpperCase()}` }, side.toUpperCase());
        button.addEventListener("click", () => showPlan(side, row.plan).then(() => at(`plan-${side}`).scrollIntoView({ block: "nearest" })));
        group.append(button);
      }
      return group;
    };
    goGym.table(at("agents"), [
      { title: "agent", value: (row) => row.name },
      { title: "curve", value: (row) => (state.hidden.has(row.name) ? 1 : 0), node: box },
      { title: "step time, ms", value: (row) => row.ms, text: (row) => (row.ms === null ? "invalid" : goGym.interval(row.ms, row.low, row.high, 1)) },
      { title: "plan", value: (row) => (row.plan ? 0 : 1), node: plan },
      { title: `/ ${cell.reference}`, value: (row) => row.ratio, text: (row) => goGym.number(row.ratio) },
      { title: "above lower bound", value: (row) => row.gap, text: (row) => (row.gap === null ? "–" : `${(row.gap * 100).toFixed(1)} %`) },
      { title: "peak memory, GB", value: (row) => row.gb, text: (row) => goGym.number(row.gb) },
      { title: "seeds valid", value: (row) => row.valid, text: (row) => `${row.valid} of ${row.seeds}` },
      { title: "version", value: (row) => row.versions.join(", ") },
      { title: "simulator", value: (row) => row.simulators.join(", ") },
    ], rows, { sort: 2, label: "Agents on this graph" });
  }

  async function showPlan(side, name) {
    state[side] = name;
    remember();
    const place = at(`plan-${side}`);
    place.querySelector("select").value = name;
    try {
      await goGym.showPlan(place.querySelector(".shown"), side, name);
    } catch (error) {
      place.querySelector(".shown").textContent = error.message;
    }
  }

  function fillPlans() {
    const names = [];
    const groups = graph.cells.map((cell) => goGym.element("optgroup", { label: title(cell) }, ...rowsOf(cell)
      .filter((row) => row.plan && !names.includes(row.plan)).map((row) => {
        names.push(row.plan);
        return goGym.element("option", { value: row.plan }, `${row.name}, median ${goGym.number(row.ms, 1)} ms`);
      }))).filter((group) => group.children.length);
    if (!names.length) {
      at("plans-title").parentElement.hidden = true;
      return;
    }
    const inCell = rowsOf(cells.get(state.cell)).filter((row) => row.plan);
    const reference = inCell.find((row) => row.name === cells.get(state.cell).reference && row !== inCell[0]) || inCell[1];
    const usual = { a: inCell[0]?.plan ?? names[0], b: reference?.plan ?? names[1] ?? names[0] };
    for (const side of ["a", "b"]) {
      const field = at(`plan-${side}`).querySelector("select");
      field.replaceChildren(...groups.map((group) => group.cloneNode(true)));
      field.onchange = () => showPlan(side, field.value);
      showPlan(side, names.includes(state[side]) ? state[side] : usual[side]);
    }
  }

  const wanted = goGym.readHash();
  const named = graph.cells.find((cell) => wanted.board === cell.board && (!wanted.rule || wanted.rule === cell.rule));
  state.cell = goGym.options(select, graph.cells.map((cell) => [key(cell), title(cell)]), state.cell || (named ? key(named) : ""));
  select.addEventListener("change", () => { state.cell = select.value; state.a = state.b = ""; showCell(); fillPlans(); remember(); });
  for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());
  showCell();
  fillPlans();
})();
