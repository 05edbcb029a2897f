// Best step times against simulator calls: a line an agent, the seeds' range as its band.
"use strict";
(() => {
  const PALETTES = {
    light: [
      "#1f5fa8",
      "#b3440a",
      "#0b7a53",
      "#8a3ca5",
      "#a8193c",
      "#6b5a00",
      "#007a8a",
      "#5b4bd0",
      "#8c4a2f",
      "#4a5560",
    ],
    dark: [
      "#7db4f0",
      "#f59a5c",
      "#5fd0a0",
      "#cf95e8",
      "#f5829b",
      "#d8c453",
      "#54c7d6",
      "#aaa0ff",
      "#d6a087",
      "#b3bdc7",
    ],
  };

  /** The colour of a number, in the page's theme. */
  goGym.colour = (number) => {
    const palette = PALETTES[document.documentElement.dataset.theme] || PALETTES.light;
    return palette[number % palette.length];
  };

  /** Where the upright axis ends: what lies above hides how the others differ. */
  function ceiling(rows) {
    const [best, worst] = [Math.min, Math.max].map((pick) => pick(...rows.map((row) => row.value)));
    const highest = Math.max(...rows.map((row) => (row.curve ? row.curve[1][0] : row.value)));
    const end = Math.max(2 * best, Math.min(1.1 * worst, 3 * best));
    return highest > end ? Number(end.toPrecision(2)) : undefined;
  }

  function lines(row, last) {
    const look = { color: goGym.colour(row.number), width: 2 };
    const line = {
      type: "line",
      name: row.name,
      step: "end",
      symbolSize: 5,
      showSymbol: false,
      lineStyle: look,
      itemStyle: { color: look.color },
      emphasis: { focus: "series" },
    };
    if (!row.curve) {
      return [
        {
          ...line,
          lineStyle: { ...look, type: "dotted" },
          data: [
            [1, row.value],
            [last, row.value],
          ],
        },
      ];
    }
    const [calls, middle, low, high] = row.curve;
    const band = {
      type: "line",
      name: row.name,
      step: "end",
      symbol: "none",
      silent: true,
      stack: `band ${row.number}`,
      stackStrategy: "all",
      lineStyle: { opacity: 0 },
      itemStyle: { color: look.color },
    };
    return [
      { ...band, data: calls.map((call, index) => [call, low[index]]) },
      {
        ...band,
        areaStyle: { color: look.color, opacity: 0.15 },
        data: calls.map((call, index) => [call, high[index] - low[index]]),
      },
      { ...line, data: calls.map((call, index) => [call, middle[index]]) },
    ];
  }

  /**
   * Draw rows of name, number (of its colour), value and curve: calls, middle, low, high.
   * Agents without a curve are level lines.
   */
  goGym.curvesChart = (place, rows, label) => {
    const last = Math.max(2, ...rows.flatMap((row) => (row.curve ? row.curve[0] : [])));
    place.style.height = "24rem";
    goGym.chart(place, () => ({
      aria: {
        enabled: true,
        label: {
          description:
            `${label} after all simulator calls: ` +
            rows.map((row) => `${row.name} ${goGym.number(row.value)}`).join("; "),
        },
      },
      ...goGym.legend(rows.map((row) => row.name)),
      tooltip: {
        ...goGym.tooltip(),
        trigger: "item",
        formatter: ({ seriesName, value }) =>
          goGym.element(
            "div",
            {},
            goGym.element("b", {}, seriesName),
            goGym.element("br"),
            `${value[1]} after ${value[0].toLocaleString("en")} calls`,
          ),
      },
      xAxis: goGym.axis({ type: "log", name: "simulator calls", min: 1, max: last }),
      yAxis: goGym.axis({
        type: "value",
        name: label,
        scale: true,
        nameGap: 50,
        max: ceiling(rows),
      }),
      series: rows.flatMap((row) => lines(row, last)),
    }));
  };

  /** The first rows worth drawing: those with a curve, then others, and the reference. */
  goGym.firstShown = (rows, reference, most = 6) => {
    const valid = rows.filter((row) => row.value !== null);
    const ordered = [...valid.filter((row) => row.curve), ...valid.filter((row) => !row.curve)];
    return new Set([...ordered.slice(0, most).map((row) => row.name), reference]);
  };
})();
