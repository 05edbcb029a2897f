// A plan: what each device does over the step, which layers lie where, and its devices in numbers.
"use strict";
(() => {
  const LIMITLESS = 1e6; // GB that no device has
  const shown = {}; // the plan of each side
  const duration = (ns) =>
    ns >= 1e5 ? `${(ns / 1e6).toFixed(3)} ms` : `${(ns / 1e3).toFixed(2)} µs`;
  const say = (title, ...lines) =>
    goGym.element(
      "div",
      {},
      goGym.element("b", {}, title),
      ...lines.flatMap((line) => [goGym.element("br"), line]),
    );

  /** A bar from x0 to x1 on row y: share of the row's height, and how far below its middle. */
  const bar = (height, below) => (params, api) => {
    const [left, middle] = api.coord([api.value(0), api.value(2)]);
    const [right] = api.coord([api.value(1), api.value(2)]);
    const row = api.size([0, 1])[1];
    const area = params.coordSys;
    const shape = echarts.graphic.clipRectByRect(
      {
        x: left,
        y: middle + row * (below - height / 2),
        width: Math.max(right - left, 1),
        height: row * height,
      },
      area,
    );
    return shape && { type: "rect", shape, style: { fill: api.visual("color") } };
  };
  const series = (name, colour, data, height, below) => ({
    type: "custom",
    name,
    itemStyle: { color: colour },
    data,
    encode: { x: [0, 1], y: 2 },
    renderItem: bar(height, below),
    progressive: 0,
  });

  const zoom = (id) => [
    {
      type: "inside",
      xAxisIndex: 0,
      filterMode: "weakFilter",
      zoomOnMouseWheel: "ctrl",
      moveOnMouseMove: true,
      preventDefaultMouseMove: false,
    },
    {
      type: "slider",
      id,
      xAxisIndex: 0,
      filterMode: "weakFilter",
      height: 18,
      bottom: 6,
      showDetail: false,
      brushSelect: false,
      borderColor: goGym.style("line"),
      textStyle: { color: goGym.style("quiet") },
    },
  ];
  const legend = (data) => ({
    type: "scroll",
    top: 0,
    data,
    textStyle: { color: goGym.style("text") },
    pageTextStyle: { color: goGym.style("text") },
  });
  const names = (values, most) =>
    goGym.axis({
      type: "category",
      inverse: true,
      data: values,
      splitLine: { show: false },
      axisLabel: {
        interval: 0,
        formatter: (name) => (name.length > most ? `${name.slice(0, most - 1)}…` : name),
      },
    });

  function timeline(place, plan, end) {
    const row = Math.max(16, Math.min(46, 900 / plan.devices.length));
    place.style.height = `${130 + row * plan.devices.length}px`;
    const devices = plan.devices.map(([name]) => name);
    const ms = (units) => (units * plan.unit) / 1e6;
    const value = (span) => [ms(span[1]), ms(span[1] + span[2]), span[0]];
    const ops = plan.phases
      .map((phase, number) => [
        phase,
        plan.spans
          .map((span, index) => ({ value: value(span), span, index }))
          .filter(({ span }) => span[3] === number),
      ])
      .filter(([, data]) => data.length);
    const sent = plan.transfers.map((span) => ({ value: value(span), span, sent: true }));
    const busy = (part, whole) => `${Math.round((100 * part) / Math.max(whole, 1))} % busy`;
    goGym.chart(place, () => ({
      aria: {
        enabled: true,
        label: {
          description:
            `Timeline of ${plan.agent}: ` +
            plan.devices
              .map(
                ([name, share]) =>
                  `device ${name} computes ${(share * 100).toFixed(0)} % of the step`,
              )
              .join("; "),
        },
      },
      grid: { left: 8, right: 16, top: 34, bottom: 34, outerBoundsMode: "same" },
      legend: legend([...ops.map(([phase]) => phase), "transfer"]),
      tooltip: {
        ...goGym.tooltip(),
        formatter: ({ data, seriesName }) => {
          const [, start, length, ...rest] = data.span;
          const when = `${duration(start * plan.unit)} + ${duration(length * plan.unit)}`;
          if (data.sent)
            return say(
              `${rest[0]} outgoing ${rest[0] === 1 ? "transfer" : "transfers"}`,
              when,
              busy(rest[1], length),
            );
          const [, layer, count, part] = rest;
          const what = count === 1 ? "1 op" : `${count.toLocaleString("en")} ops`;
          return say(
            plan.names[data.index] || plan.layers[layer],
            `${seriesName}, ${what} from layer ${plan.layers[layer]} on`,
            when,
            busy(part, length),
          );
        },
      },
      dataZoom: zoom("time"),
      xAxis: goGym.axis({
        type: "value",
        name: "time, ms",
        min: 0,
        max: end,
        axisLabel: { showMaxLabel: false },
      }),
      yAxis: names(devices, 24),
      series: [
        ...ops.map(([phase, data]) => series(phase, plan.colours[phase], data, 0.5, -0.13)),
        series("transfer", plan.colours.transfer, sent, 0.22, 0.28),
      ],
    }));
  }

  function layerMap(place, plan) {
    const columns = 1 + Math.max(0, ...plan.map.map(([column]) => column));
    place.style.height = `${120 + 18 * plan.layers.length}px`;
    const width = plan.ops / columns;
    const spots = plan.devices
      .map(([name], number) => [
        name,
        plan.map
          .filter((spot) => spot[2] === number)
          .map((spot) => ({ value: [spot[0] * width, (spot[0] + 1) * width, spot[1]], spot })),
      ])
      .filter(([, data]) => data.length);
    goGym.chart(place, () => ({
      aria: {
        enabled: true,
        label: {
          description: `Which device each of ${plan.layers.length} layers is on, of ${plan.agent}`,
        },
      },
      grid: { left: 8, right: 16, top: 34, bottom: 8, outerBoundsMode: "same" },
      legend: legend(spots.map(([name]) => name)),
      tooltip: {
        ...goGym.tooltip(),
        formatter: ({ data, seriesName }) =>
          say(
            plan.layers[data.spot[1]],
            `device ${seriesName}: ${data.spot[3]} % of this spot's work`,
            `ops ${Math.floor(data.value[0])} to ${Math.ceil(data.value[1]) - 1}`,
          ),
      },
      xAxis: goGym.axis({
        type: "value",
        name: `${plan.fused ? "kernel" : "op"}, in topological order`,
        min: 0,
        max: plan.ops,
      }),
      yAxis: names(plan.layers, 18),
      series: spots.map(([name, data]) =>
        series(name, plan.device_colours[data[0].spot[2]], data, 0.86, 0),
      ),
    }));
  }

  function facts(plan) {
    const newer =
      plan.row_simulator === goGym.version
        ? ""
        : ` Version ${plan.row_simulator} gave the row's ${goGym.amount(plan.row_ms)} ms.`;
    const verdict = plan.reason ? ` Invalid now: ${plan.reason}.` : "";
    return (
      `${plan.agent} on ${plan.cluster}, ${plan.task}, ${goGym.RULES[plan.priorities] || plan.priorities}, seed ${plan.seed}: ` +
      `${goGym.amount(plan.ms)} ms.${newer}${verdict}`
    );
  }

  /** Show a plan in a place; both sides get the same axis of time. */
  goGym.showPlan = async (place, side, name) => {
    const plan = await goGym.load(`plan ${name}`, `plans/${name}.js`);
    shown[side] = { plan, place };
    const chart = () => goGym.element("div", { class: "chart" });
    const [time, layers, devices] = [chart(), chart(), goGym.element("div", { class: "scroll" })];
    for (const old of place.querySelectorAll(".chart")) echarts.getInstanceByDom(old)?.dispose();
    place.replaceChildren(
      goGym.element("p", {}, facts(plan)),
      goGym.element("h3", {}, "Timeline"),
      time,
      goGym.element("p", {}, ...goGym.traceButtons(plan)),
      goGym.element(
        "details",
        {},
        goGym.element("summary", {}, "The whole trace, op by op"),
        goGym.element("pre", { tabindex: "0" }, plan.commands.join("\n")),
      ),
      goGym.element("h3", {}, "Layers"),
      layers,
      devices,
    );
    goGym.table(
      devices,
      [
        { title: "device", value: (row) => row[0] },
        {
          title: "computes",
          value: (row) => row[1],
          text: (row) => `${(row[1] * 100).toFixed(1)} %`,
        },
        {
          title: "peak memory, GB",
          value: (row) => row[2],
          text: (row) =>
            goGym.amount(row[2], 2) + (row[3] < LIMITLESS ? ` of ${goGym.amount(row[3], 0)}` : ""),
        },
        {
          title: plan.fused ? "kernels" : "ops",
          value: (row) => row[4],
          text: (row) => row[4].toLocaleString("en"),
        },
      ],
      plan.devices,
      { label: `Devices of ${plan.agent}` },
    );
    layerMap(layers, plan);
    const end = Math.max(...Object.values(shown).map((each) => each.plan.ms));
    for (const each of Object.values(shown))
      timeline(each.place.querySelector(".chart"), each.plan, end);
  };
})();
