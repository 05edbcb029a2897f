// A graph's page: a cell's curves and agents, and two plans side by side.
"use strict";
(() => {
  const graph = goGym.data.get("graph");
  const at = (id) => document.getElementById(id);
  const hash = goGym.readHash();
  const state = {
    cell: hash.cell ?? "",
    a: hash.a ?? "",
    b: hash.b ?? "",
    agents: hash.agents ?? "", // those whose curves are shown, where that was chosen
    hidden: new Set(),
    shownFor: null,
  };
  const effort = (cell) => (cell.clock ? "equal time" : "equal calls");
  const key = (cell) =>
    [cell.board, cell.task, cell.cluster, cell.rule, cell.clock ? "time" : "calls"].join(" ");
  const title = (cell) =>
    `${cell.board}: ${cell.task} on ${cell.cluster}, ${goGym.RULES[cell.rule] || cell.rule}, ${effort(cell)}`;
  const cells = new Map(graph.cells.map((cell) => [key(cell), cell]));
  const select = at("cell-form").elements.cell;

  const rowsOf = (cell) =>
    cell.agents
      .map((each, index) => {
        const [ms, low, high, ratio, gap, gb, seeds, valid] = each.numbers;
        return {
          ...each,
          number: index,
          value: ms,
          ms,
          low,
          high,
          ratio,
          gap,
          gb,
          seeds,
          valid,
          look: ms === null ? "quiet" : undefined,
        };
      })
      .sort((a, b) => (a.ms ?? Infinity) - (b.ms ?? Infinity));

  const remember = () =>
    goGym.writeHash({ cell: state.cell, a: state.a, b: state.b, agents: state.agents });

  function showCell() {
    const cell = cells.get(state.cell);
    const rows = rowsOf(cell);
    if (state.shownFor !== cell) {
      state.shownFor = cell;
      const first = state.agents
        ? new Set(state.agents.split("|"))
        : goGym.firstShown(rows, cell.reference);
      state.hidden = new Set(rows.filter((row) => !first.has(row.name)).map((row) => row.name));
    }
    const old = [...new Set(rows.flatMap((row) => row.simulators))].filter(
      (each) => each !== goGym.version,
    );
    at("note").className = old.length ? "note old" : "note";
    at("optimum").textContent = cell.optimum;
    at("note").textContent = old.length
      ? `Rows of version ${old.join(", ")} of the simulator, older than the current ` +
        `${goGym.version}, are among these: step times of different versions are not comparable.`
      : "";
    curves(rows);
    agents(cell, rows);
  }

  const curves = (rows) =>
    goGym.curvesChart(
      at("curves"),
      rows.filter((row) => row.ms !== null && !state.hidden.has(row.name)),
      "step time, ms",
    );

  function agents(cell, rows) {
    const box = (row) => {
      const made = goGym.element("input", { type: "checkbox", "aria-label": `show ${row.name}` });
      made.checked = !state.hidden.has(row.name);
      made.disabled = row.ms === null;
      made.addEventListener("change", () => {
        if (made.checked) state.hidden.delete(row.name);
        else state.hidden.add(row.name);
        const shown = rows.filter((each) => !state.hidden.has(each.name));
        state.agents = shown.map((each) => each.name).join("|");
        remember();
        curves(rows);
      });
      return made;
    };
    const plan = (row) => {
      if (!row.plan) return document.createTextNode("–");
      const group = goGym.element("span", { class: "pair" });
      for (const side of ["a", "b"]) {
        const button = goGym.element(
          "button",
          { type: "button", "aria-label": `plan of ${row.name} as plan ${side.toUpperCase()}` },
          side.toUpperCase(),
        );
        button.addEventListener("click", () =>
          showPlan(side, row.plan).then(() =>
            at(`plan-${side}`).scrollIntoView({ block: "nearest" }),
          ),
        );
        group.append(button);
      }
      return group;
    };
    goGym.table(
      at("agents"),
      [
        { title: "agent", value: (row) => row.name },
        { title: "curve", value: (row) => (state.hidden.has(row.name) ? 1 : 0), node: box },
        {
          title: "step time, ms",
          value: (row) => row.ms,
          text: (row) =>
            row.ms === null
              ? "invalid"
              : goGym.interval(row.ms, row.low, row.high, (value) => goGym.amount(value, 1)),
        },
        { title: "plan", value: (row) => (row.plan ? 0 : 1), node: plan },
        ...goGym.quality(cell.reference),
        { title: "version", value: (row) => row.versions.join(", ") },
        { title: "simulator", value: (row) => row.simulators.join(", ") },
      ],
      rows,
      { sort: 2, label: "Agents on this graph" },
    );
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
    const groups = graph.cells
      .map((cell) =>
        goGym.element(
          "optgroup",
          { label: title(cell) },
          ...rowsOf(cell)
            .filter((row) => row.plan && !names.includes(row.plan))
            .map((row) => {
              names.push(row.plan);
              return goGym.element(
                "option",
                { value: row.plan },
                `${row.name}, median ${goGym.amount(row.ms, 1)} ms`,
              );
            }),
        ),
      )
      .filter((group) => group.children.length);
    if (!names.length) {
      at("plans-title").parentElement.hidden = true;
      return;
    }
    const inCell = rowsOf(cells.get(state.cell)).filter((row) => row.plan);
    const reference =
      inCell.find((row) => row.name === cells.get(state.cell).reference && row !== inCell[0]) ||
      inCell[1];
    const usual = { a: inCell[0]?.plan ?? names[0], b: reference?.plan ?? names[1] ?? names[0] };
    for (const side of ["a", "b"]) {
      const field = at(`plan-${side}`).querySelector("select");
      field.replaceChildren(...groups.map((group) => group.cloneNode(true)));
      field.onchange = () => showPlan(side, field.value);
      showPlan(side, names.includes(state[side]) ? state[side] : usual[side]);
    }
  }

  const curved = (cell) => cell.agents.filter((each) => each.curve).length;
  const usual = graph.cells.reduce((best, cell) => (curved(cell) > curved(best) ? cell : best));
  state.cell = goGym.options(
    select,
    graph.cells.map((cell) => [key(cell), title(cell)]),
    cells.has(state.cell) ? state.cell : key(usual),
  );
  select.addEventListener("change", () => {
    state.cell = select.value;
    state.a = state.b = state.agents = "";
    showCell();
    fillPlans();
    remember();
  });
  addEventListener("hashchange", () => location.reload());
  for (const form of document.querySelectorAll("form"))
    form.addEventListener("submit", (event) => event.preventDefault());
  showCell();
  fillPlans();
})();
