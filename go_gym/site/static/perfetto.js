// A plan's timeline as a trace in Chrome's event format: a file, or handed to ui.perfetto.dev.
"use strict";
(() => {
  const PERFETTO = "https://ui.perfetto.dev";
  const TRIES = 200; // of 50 ms

  /** Spans as go_gym/render/perfetto.py has them, of the thinned timeline. */
  function trace(plan) {
    const events = [];
    const name = (kind, pid, tid, text) =>
      events.push({ ph: "M", name: kind, pid, tid, args: { name: text } });
    plan.devices.forEach(([device], pid) => {
      name("process_name", pid, 0, device);
      name("thread_name", pid, 0, "compute");
      name("thread_name", pid, 1, "send");
    });
    const span = (pid, tid, start, length, title, cat, args) =>
      events.push({
        ph: "X",
        name: title,
        cat,
        pid,
        tid,
        ts: (start * plan.unit) / 1000,
        dur: (length * plan.unit) / 1000,
        args,
      });
    plan.spans.forEach(([device, start, length, phase, layer, ops, busy], index) =>
      span(device, 0, start, length, plan.names[index] || plan.layers[layer], plan.phases[phase], {
        ops,
        busy_ns: busy * plan.unit,
      }),
    );
    plan.transfers.forEach(([device, start, length, transfers, busy]) =>
      span(device, 1, start, length, "transfer", "transfer", {
        transfers,
        busy_ns: busy * plan.unit,
      }),
    );
    return JSON.stringify({ displayTimeUnit: "ms", traceEvents: events });
  }

  const title = (plan) =>
    `${plan.graph} on ${plan.cluster}, ${plan.agent}, ${plan.priorities}, seed ${plan.seed}`;

  function download(plan) {
    const link = goGym.element("a", {
      download: `${title(plan).replace(/[^A-Za-z0-9.-]+/g, "_")}.trace.json`,
    });
    link.href = URL.createObjectURL(new Blob([trace(plan)], { type: "application/json" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  /** As Perfetto's "Deep linking" page has it: PING until the other window says PONG, then the trace. */
  function open(plan, status) {
    const other = window.open(PERFETTO);
    if (!other) {
      status.textContent = "The browser kept the window from opening: take the file instead.";
      return;
    }
    let tries = 0;
    const timer = setInterval(() => {
      tries += 1;
      if (tries > TRIES) {
        end();
        status.textContent = "No answer from ui.perfetto.dev: take the file instead.";
        return;
      }
      other.postMessage("PING", PERFETTO);
    }, 50);
    const answer = (event) => {
      if (event.source !== other || event.origin !== PERFETTO || event.data !== "PONG") return;
      end();
      const buffer = new TextEncoder().encode(trace(plan)).buffer;
      other.postMessage(
        { perfetto: { buffer, title: title(plan), fileName: "plan.trace.json" } },
        PERFETTO,
      );
    };
    const end = () => {
      clearInterval(timer);
      removeEventListener("message", answer);
    };
    addEventListener("message", answer);
  }

  /** For tests and the console. */
  goGym.trace = trace;

  goGym.traceButtons = (plan) => {
    const status = goGym.element("span", { role: "status", class: "note" });
    const button = (text, act) => {
      const made = goGym.element("button", { type: "button" }, text);
      made.addEventListener("click", act);
      return made;
    };
    return [
      button("Open in Perfetto", () => open(plan, status)),
      " ",
      button("Download the trace", () => download(plan)),
      " ",
      status,
    ];
  };
})();
