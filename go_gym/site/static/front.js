// The front page: filters choose a comparison, a part of its graphs, and agents.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const fields = Object.fromEntries([...form.elements].map((each) => [each.name, each]));
  const at = (id) => document.getElementById(id);
  const words = (values) => [...new Set(values)].map((each) => [each, each]);
  const all = (values, text) => [["", text], ...words([...values].sort())];
  const effort = (each) => (each.clock ? "equal time" : "equal calls");

  /** Fill the filters for a board and the wishes, from left to right: each depends on those before. */
  function choose(board, wanted) {
    let left = board.comparisons;
    for (const [name, of, text] of [
      ["task", (each) => each.task],
      ["rule", (each) => each.rule, (rule) => goGym.RULES[rule] || rule],
      ["effort", effort],
    ]) {
      const choices = words(left.map(of)).map(([value]) => [value, text ? text(value) : value]);
      const value = goGym.options(fields[name], choices, wanted[name]);
      left = left.filter((each) => of(each) === value);
    }
    const found = left[0];
    const parts = Object.keys(found.summaries).map((key) => key.split("|"));
    const families = new Set(parts.map(([, family]) => family).filter(Boolean));
    const clusters = new Set(parts.map(([cluster]) => cluster).filter(Boolean));
    goGym.options(fields.cluster, all(clusters, "all"), wanted.cluster);
    const has = ([, family]) => !family || found.summaries[`${fields.cluster.value}|${family}`];
    goGym.options(
      fields.family,
      all(families, "all").filter(([family]) => has(["", family])),
      wanted.family,
    );
    goGym.options(
      fields.budget,
      [
        ["", "any"],
        ...words(found.agents.flatMap((each) => each[2])).map(([calls]) => [
          String(calls),
          `${calls.toLocaleString("en")} calls`,
        ]),
      ],
      wanted.budget,
    );
    goGym.options(
      fields.track,
      all(
        found.agents.flatMap((each) => each[1]),
        "any",
      ),
      wanted.track,
    );
    return found;
  }

  function show(board, wanted) {
    if (!board.comparisons.length) {
      at("note").textContent = "This board has no rows.";
      return;
    }
    const found = choose(board, wanted);
    const values = Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [name, field.value]),
    );
    goGym.writeHash({ ...values, search: at("search").value });
    const facts = new Map(found.agents.map(([agent, ...rest]) => [agent, rest]));
    const wantedAgent = (agent) => {
      const [tracks, budgets] = facts.get(agent);
      return (
        (!values.track || tracks.includes(values.track)) &&
        (!values.budget || budgets.includes(Number(values.budget)))
      );
    };
    const part = found.summaries[`${values.cluster}|${values.family}`];
    const ranked = goGym
      .ranked(part.ranks, board.agents)
      .filter((each) => wantedAgent(each.number));
    at("ranking-title").textContent = board.title;
    note(found, ranked, facts, part.places);
    goGym.rankingChart(at("chart"), ranked, found.reference);
    ranking(ranked, facts, part.places, found.reference);
    cells(board, found, values, wantedAgent);
  }

  function note(found, ranked, facts, places) {
    const old = new Set(
      ranked.flatMap((each) => facts.get(each.number)[3]).filter((each) => each !== goGym.version),
    );
    at("note").className = old.size ? "note old" : "note";
    at("note").textContent =
      `${ranked.length} agents on ${places} ${places === 1 ? "problem" : "problems"}.` +
      (old.size
        ? ` Rows of version ${[...old].join(", ")} of the simulator, older than the current ${goGym.version}, are among them: step times of different versions are not comparable.`
        : "");
  }

  function ranking(ranked, facts, places, reference) {
    const rows = ranked.map((each) => ({
      ...each,
      look: each.leads ? "leads" : each.middle === null ? "quiet" : undefined,
    }));
    goGym.table(
      at("ranking"),
      [
        { title: "agent", value: (row) => row.agent },
        {
          title: `step time / ${reference} [95 %]`,
          value: (row) => row.middle,
          text: (row) => goGym.interval(row.middle, row.low, row.high),
        },
        {
          title: "over the best's [95 %]",
          value: (row) => row.over,
          text: (row) => goGym.interval(row.over, row.overLow, row.overHigh),
        },
        {
          title: "valid on",
          value: (row) => row.valid,
          text: (row) => `${row.valid} of ${places}`,
        },
        { title: "track", words: true, value: (row) => facts.get(row.number)[0].join(", ") },
        { title: "version", value: (row) => facts.get(row.number)[2].join(", ") },
        { title: "simulator", value: (row) => facts.get(row.number)[3].join(", ") },
      ],
      rows,
      { sort: 1, label: "Agents in order" },
    );
  }

  function cells(board, found, values, wantedAgent) {
    const rows = found.cells
      .map(([agent, graph, cluster, ms, low, high, ratio, gap, gb, seeds, valid]) => {
        const [name, family, page] = board.graphs[graph];
        return {
          number: agent,
          agent: board.agents[agent],
          graph: name,
          family,
          page,
          cluster: board.clusters[cluster],
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
      .filter(
        (row) =>
          wantedAgent(row.number) &&
          (!values.cluster || row.cluster === values.cluster) &&
          (!values.family || row.family === values.family),
      );
    const draw = () => {
      const asked = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const shown = rows.filter((row) =>
        asked.every((word) => `${row.agent} ${row.graph}`.toLowerCase().includes(word)),
      );
      goGym.table(
        at("cells"),
        [
          {
            title: "graph",
            value: (row) => row.graph,
            node: (row) => graphLink(row, board.name, found),
          },
          { title: "cluster", words: true, value: (row) => row.cluster },
          { title: "agent", words: true, value: (row) => row.agent },
          {
            title: "step time, ms",
            value: (row) => row.ms,
            text: (row) => (row.ms === null ? "invalid" : goGym.amount(row.ms)),
          },
          ...goGym.quality(found.reference),
        ],
        shown,
        { sort: 4, label: "Each agent on each graph" },
      );
    };
    at("search").oninput = () => {
      goGym.writeHash({ ...values, search: at("search").value });
      draw();
    };
    draw();
  }

  function graphLink(row, board, found) {
    const cell = [board, found.task, row.cluster, found.rule, found.clock ? "time" : "calls"].join(
      " ",
    );
    return goGym.element(
      "a",
      { href: `graphs/${row.page}#${new URLSearchParams({ cell })}` },
      row.graph,
    );
  }

  async function update(wanted) {
    const option = fields.board.selectedOptions[0];
    try {
      show(await goGym.load(`board ${option.value}`, option.dataset.file), wanted);
    } catch (error) {
      at("note").textContent = error.message;
    }
  }
  function follow() {
    const wanted = goGym.readHash();
    at("search").value = wanted.search ?? "";
    if ([...fields.board.options].some((each) => each.value === wanted.board))
      fields.board.value = wanted.board;
    update(wanted);
  }
  form.addEventListener("change", () => update(Object.fromEntries(new FormData(form))));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", follow);
  follow();
})();
