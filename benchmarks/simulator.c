/* The loop of go_gym/simulator/engine.py in plain C11: the yardstick of benchmarks/against_c.py.
 *
 * Same tables (go_gym/simulator/tables.py), same algorithm, same memory accounting; no traces.
 * Compiled with -O3 -march=native. Each contention model and queue discipline is a copy of the
 * loop with these two as constants, as one would write it for speed in C.
 */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define INLINE static inline __attribute__((always_inline))

enum { FREE, LINK, EGRESS, DUPLEX }; /* the order of CONTENTION_MODELS */

/* -- the tables, as NumPy lays them out */

typedef struct {
    uint32_t tensors, releases, inputs, leader;
    int64_t size, parameters;
} Op;

typedef struct {
    uint32_t uses, producer, alias_use, pad;
    int64_t size, local_size;
} Tensor;

typedef struct {
    uint32_t consumer, tensor;
    int32_t hold;
} Use;

typedef struct {
    uint32_t use, tensor, producer;
} Release;

typedef struct {
    double ns_per_byte;
    int64_t latency;
} Link;

typedef struct {
    const Op *ops;
    const Tensor *tensors;
    const Use *uses;
    const Release *releases;
    const int64_t *durations; /* (classes, n) */
    const uint16_t *link_of;  /* (d, d) */
    const Link *links;
    const uint32_t *device_class;
    const int64_t *capacity;
    int64_t n, t, u, d;
} Tables;

/* -- what changes during a simulation */

typedef struct {
    uint32_t device, missing;
} OpState;

typedef struct {
    uint32_t slot;
    int32_t holders;
    uint32_t next_use, next_copy, next_request, device;
    int64_t requested;
} UseState;

typedef struct {
    int64_t base, head, tail, moment, moment_start, memory, peak, busy;
    uint32_t running, touched, seen, seen_slot, seen_tail, fresh;
} Device;

typedef struct {
    uint32_t head, tail, busy, listed;
    uint32_t incoming_busy, waiting, waiting_next, waiting_for; /* duplex only */
} Port;

typedef struct {
    int64_t level, time;
} Queued;

typedef struct {
    int64_t time, code;
} Event;

typedef struct {
    Tables in;
    OpState *op;
    int32_t *holders;
    UseState *use;
    uint32_t *queue;
    Queued *queued;
    Device *devices;
    Port *ports;
    uint32_t *device_list, *port_list;
    Event *events;
    int64_t num_ports;
    int64_t num_touched, num_listed, num_events;
    int64_t moved, oom_time, oom_device, stray;
    const int64_t *priority; /* of the row at hand */
    int64_t now;
} Sim;

/* -- memory */

INLINE void allocate(Sim *s, uint32_t here, int64_t size) {
    Device *dev = &s->devices[here];
    dev->memory += size;
    if (dev->memory > dev->peak) {
        dev->peak = dev->memory;
        if (dev->memory > s->in.capacity[here] &&
            (s->oom_time < 0 || (s->oom_time == s->now && here < s->oom_device))) {
            s->oom_time = s->now;
            s->oom_device = here;
        }
    }
}

INLINE void release(Sim *s, uint32_t here, uint32_t use, uint32_t tensor, uint32_t producer) {
    while (s->op[producer].device == here) {
        if (--s->holders[tensor] != 0)
            return;
        const Tensor *freed = &s->in.tensors[tensor];
        s->devices[here].memory -= freed->local_size;
        use = freed->alias_use;
        if (use == NONE)
            return;
        tensor = s->in.uses[use].tensor;
        producer = s->in.tensors[tensor].producer;
    }
    if (--s->use[s->use[use].slot].holders == 0)
        s->devices[here].memory -= s->in.tensors[tensor].size;
}

/* -- events */

INLINE void push_event(Sim *s, int64_t time, int64_t code) {
    Event *events = s->events;
    size_t i = (size_t)s->num_events++;
    while (i > 0) {
        size_t parent = (i - 1) >> 1;
        if (events[parent].time <= time)
            break;
        events[i] = events[parent];
        i = parent;
    }
    events[i] = (Event){time, code};
}

INLINE int64_t pop_event(Sim *s) {
    Event *events = s->events;
    int64_t top = events[0].code;
    size_t size = (size_t)--s->num_events;
    Event last = events[size];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= size)
            break;
        if (child + 1 < size && events[child + 1].time < events[child].time)
            child++;
        if (events[child].time >= last.time)
            break;
        events[i] = events[child];
        i = child;
    }
    events[i] = last;
    return top;
}

/* -- ready queues */

INLINE void touch(Sim *s, uint32_t here) {
    s->devices[here].touched = 1;
    s->device_list[s->num_touched++] = here;
}

INLINE bool before(const Sim *s, size_t i, Queued key, uint32_t op) {
    Queued entry = s->queued[i];
    if (entry.level != key.level)
        return entry.level < key.level;
    if (entry.time != key.time)
        return entry.time < key.time;
    return s->queue[i] < op;
}

INLINE void put(Sim *s, size_t i, Queued key, uint32_t op) {
    s->queued[i] = key;
    s->queue[i] = op;
}

INLINE void make_ready(Sim *s, uint32_t op, bool by_level) {
    uint32_t here = s->op[op].device;
    Device *dev = &s->devices[here];
    int64_t i = dev->tail++;
    if (by_level) {
        Queued key = {-s->priority[op], s->now};
        size_t base = (size_t)dev->base, at = (size_t)(i - dev->base);
        while (at > 0) {
            size_t parent = (at - 1) >> 1;
            if (before(s, base + parent, key, op))
                break;
            put(s, base + at, s->queued[base + parent], s->queue[base + parent]);
            at = parent;
        }
        put(s, base + at, key, op);
    } else {
        if (dev->moment != s->now) {
            dev->moment = s->now;
            dev->moment_start = i;
        }
        int64_t low = dev->moment_start > dev->head ? dev->moment_start : dev->head;
        while (i > low && s->queue[i - 1] > op) {
            s->queue[i] = s->queue[i - 1];
            i--;
        }
        s->queue[i] = op;
    }
    if (dev->running == NONE && !dev->touched)
        touch(s, here);
}

INLINE uint32_t pop_highest(Sim *s, Device *dev) {
    size_t base = (size_t)dev->base, size = (size_t)(--dev->tail - dev->base);
    uint32_t top = s->queue[base], op = s->queue[base + size];
    Queued key = s->queued[base + size];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= size)
            break;
        size_t c = base + child;
        if (child + 1 < size && before(s, c + 1, s->queued[c], s->queue[c])) {
            child++;
            c++;
        }
        if (!before(s, c, key, op))
            break;
        put(s, base + i, s->queued[c], s->queue[c]);
        i = child;
    }
    put(s, base + i, key, op);
    return top;
}

/* -- transfer queues */

INLINE uint32_t note_remote(Sim *s, uint32_t use, int32_t hold, uint32_t tensor, uint32_t there,
                            uint32_t fresh) {
    UseState *state = &s->use[use];
    Device *dev = &s->devices[there];
    state->next_use = NONE;
    if (dev->seen == tensor) {
        state->slot = dev->seen_slot;
        s->use[dev->seen_tail].next_use = use;
        dev->seen_tail = use;
        s->use[dev->seen_slot].holders += hold;
        return fresh;
    }
    dev->seen = tensor;
    dev->seen_slot = use;
    dev->seen_tail = use;
    state->slot = use;
    state->device = there;
    state->holders = hold;
    uint32_t i = fresh;
    while (i > 0 && s->use[s->devices[i - 1].fresh].device > there) {
        s->devices[i].fresh = s->devices[i - 1].fresh;
        i--;
    }
    s->devices[i].fresh = use;
    return fresh + 1;
}

INLINE bool earlier(const Sim *s, uint32_t a, uint32_t b) {
    const UseState *x = &s->use[a], *y = &s->use[b];
    if (x->requested != y->requested)
        return x->requested < y->requested;
    if (s->in.uses[a].tensor != s->in.uses[b].tensor)
        return s->in.uses[a].tensor < s->in.uses[b].tensor;
    return x->device < y->device;
}

INLINE void list_port(Sim *s, uint32_t where) {
    if (!s->ports[where].listed) {
        s->ports[where].listed = 1;
        s->port_list[s->num_listed++] = where;
    }
}

INLINE void stop_waiting(Sim *s, uint32_t source) {
    uint32_t there = s->ports[source].waiting_for;
    if (there == NONE)
        return;
    s->ports[source].waiting_for = NONE;
    uint32_t *from = &s->ports[there].waiting;
    while (*from != source)
        from = &s->ports[*from].waiting_next;
    *from = s->ports[source].waiting_next;
}

INLINE void look_at_port(Sim *s, uint32_t where, int contention) {
    if (contention == DUPLEX) {
        Port *port = &s->ports[where];
        if (port->waiting_for != NONE)
            return;
        uint32_t there = s->use[port->head].device;
        port->waiting_for = there;
        port->waiting_next = s->ports[there].waiting;
        s->ports[there].waiting = where;
        where = there;
    }
    list_port(s, where);
}

INLINE void enqueue(Sim *s, uint32_t where, uint32_t slot, int contention) {
    UseState *use = s->use;
    Port *port = &s->ports[where];
    use[slot].requested = s->now;
    use[slot].next_request = NONE;
    if (port->head == NONE) {
        port->head = port->tail = slot;
    } else if (earlier(s, port->tail, slot)) {
        use[port->tail].next_request = slot;
        port->tail = slot;
    } else if (earlier(s, slot, port->head)) {
        use[slot].next_request = port->head;
        port->head = slot;
        if (contention == DUPLEX)
            stop_waiting(s, where);
    } else {
        uint32_t at = port->head;
        while (earlier(s, use[at].next_request, slot))
            at = use[at].next_request;
        use[slot].next_request = use[at].next_request;
        use[at].next_request = slot;
    }
    if (!port->busy)
        look_at_port(s, where, contention);
}

/* -- the event loop */

INLINE void end_op(Sim *s, uint32_t here, int contention, bool by_level) {
    const Tables *in = &s->in;
    Device *dev = &s->devices[here];
    uint32_t op = dev->running;
    dev->running = NONE;
    if (!dev->touched)
        touch(s, here);
    for (uint32_t tensor = in->ops[op].tensors; tensor < in->ops[op + 1].tensors; tensor++) {
        int32_t held = 0;
        uint32_t fresh = 0;
        for (uint32_t j = in->tensors[tensor].uses; j < in->tensors[tensor + 1].uses; j++) {
            const Use *use = &in->uses[j];
            OpState *user = &s->op[use->consumer];
            if (user->device == here) {
                held += use->hold;
                if (--user->missing == 0)
                    make_ready(s, use->consumer, by_level);
            } else {
                fresh = note_remote(s, j, use->hold, tensor, user->device, fresh);
            }
        }
        if (fresh > 0) {
            if (contention == EGRESS) {
                held++;
                for (uint32_t k = 0; k < fresh; k++)
                    s->use[s->devices[k].fresh].next_copy =
                        k + 1 < fresh ? s->devices[k + 1].fresh : NONE;
                fresh = 1;
            } else {
                held += (int32_t)fresh;
                for (uint32_t k = 0; k < fresh; k++)
                    s->use[s->devices[k].fresh].next_copy = NONE;
            }
            for (uint32_t k = 0; k < fresh; k++) {
                uint32_t slot = s->devices[k].fresh;
                if (contention == FREE) {
                    s->port_list[s->num_listed++] = slot;
                } else {
                    uint32_t where = here;
                    if (contention == LINK)
                        where = here * (uint32_t)in->d + s->use[slot].device;
                    enqueue(s, where, slot, contention);
                }
            }
        }
        if (held == 0) {
            s->holders[tensor] = 1;
            release(s, here, NONE, tensor, op);
        } else {
            s->holders[tensor] = held;
        }
    }
    for (uint32_t j = in->ops[op].releases; j < in->ops[op + 1].releases; j++) {
        const Release *let = &in->releases[j];
        release(s, here, let->use, let->tensor, let->producer);
    }
}

INLINE void end_transfer(Sim *s, uint32_t slot, int contention, bool by_level) {
    const Tables *in = &s->in;
    uint32_t moved = in->uses[slot].tensor;
    uint32_t producer = in->tensors[moved].producer, source = s->op[producer].device;
    if (contention != FREE) {
        uint32_t where = source;
        if (contention == LINK)
            where = source * (uint32_t)in->d + s->use[slot].device;
        Port *port = &s->ports[where];
        port->busy = 0;
        if (contention == DUPLEX) {
            uint32_t there = s->use[slot].device;
            s->ports[there].incoming_busy = 0;
            if (s->ports[there].waiting != NONE)
                list_port(s, there);
        }
        if (port->head != NONE)
            look_at_port(s, where, contention);
    }
    release(s, source, NONE, moved, producer);
    for (uint32_t copy = slot; copy != NONE; copy = s->use[copy].next_copy)
        for (uint32_t reader = copy; reader != NONE; reader = s->use[reader].next_use) {
            uint32_t op = in->uses[reader].consumer;
            if (--s->op[op].missing == 0)
                make_ready(s, op, by_level);
        }
}

INLINE void start_ops(Sim *s, bool by_level) {
    const Tables *in = &s->in;
    int64_t count = s->num_touched;
    s->num_touched = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t here = s->device_list[i];
        Device *dev = &s->devices[here];
        dev->touched = 0;
        if (dev->running != NONE || dev->head == dev->tail)
            continue;
        uint32_t op = by_level ? pop_highest(s, dev) : s->queue[dev->head++];
        int64_t duration = in->durations[in->device_class[here] * (size_t)in->n + op];
        dev->running = op;
        dev->busy += duration;
        allocate(s, here, in->ops[op].size);
        push_event(s, s->now + duration, here);
    }
}

INLINE void start_transfers(Sim *s, int contention) {
    const Tables *in = &s->in;
    int64_t count = s->num_listed;
    s->num_listed = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t slot = s->port_list[i];
        if (contention != FREE) {
            uint32_t where = slot;
            Port *port = &s->ports[where];
            port->listed = 0;
            if (contention == DUPLEX) {
                if (port->incoming_busy || port->waiting == NONE)
                    continue;
                uint32_t best = port->waiting;
                for (uint32_t rival = s->ports[best].waiting_next; rival != NONE;
                     rival = s->ports[rival].waiting_next)
                    if (earlier(s, s->ports[rival].head, s->ports[best].head))
                        best = rival;
                stop_waiting(s, best);
                port->incoming_busy = 1;
                port = &s->ports[best];
            } else if (port->busy || port->head == NONE) {
                continue;
            }
            slot = port->head;
            port->head = s->use[slot].next_request;
            port->busy = 1;
        }
        uint32_t moved = in->uses[slot].tensor;
        uint32_t source = s->op[in->tensors[moved].producer].device;
        int64_t size = in->tensors[moved].size, longest = 0;
        for (uint32_t copy = slot; copy != NONE; copy = s->use[copy].next_copy) {
            uint32_t there = s->use[copy].device;
            const Link *link = &in->links[in->link_of[source * (size_t)in->d + there]];
            int64_t time = link->latency + (int64_t)rint((double)size * link->ns_per_byte);
            if (time > longest)
                longest = time;
            allocate(s, there, size);
            s->moved += size;
        }
        push_event(s, s->now + longest, (int64_t)slot + in->d);
    }
}

INLINE void simulate(Sim *s, const int64_t *placement, int contention, bool by_level) {
    const Tables *in = &s->in;
    const int64_t n = in->n, d = in->d;
    s->now = 0;
    s->num_touched = s->num_listed = s->num_events = 0;
    s->moved = 0;
    s->oom_time = s->oom_device = s->stray = -1;
    for (int64_t i = 0; i < d; i++)
        s->devices[i] = (Device){.moment = -1, .running = NONE, .seen = NONE};
    for (int64_t i = 0; i < s->num_ports; i++)
        s->ports[i] = (Port){.head = NONE, .waiting = NONE, .waiting_for = NONE};
    for (int64_t i = 0; i < n; i++) {
        const Op *op = &in->ops[i];
        uint32_t here = (uint32_t)placement[i];
        s->op[i] = (OpState){here, op->inputs};
        s->devices[here].base++;
        if (op->parameters > 0)
            allocate(s, here, op->parameters);
        if (placement[op->leader] != placement[i] && s->stray < 0)
            s->stray = i;
    }
    int64_t begin = 0;
    for (int64_t i = 0; i < d; i++) {
        Device *dev = &s->devices[i];
        int64_t size = dev->base;
        dev->base = dev->head = dev->tail = begin;
        begin += size;
    }
    for (int64_t i = 0; i < n; i++)
        if (s->op[i].missing == 0)
            make_ready(s, (uint32_t)i, by_level);
    start_ops(s, by_level);
    while (s->num_events > 0) {
        s->now = s->events[0].time;
        do {
            int64_t code = pop_event(s);
            if (code < d)
                end_op(s, (uint32_t)code, contention, by_level);
            else
                end_transfer(s, (uint32_t)(code - d), contention, by_level);
        } while (s->num_events > 0 && s->events[0].time == s->now);
        start_ops(s, by_level);
        start_transfers(s, contention);
    }
}

#define VARIANT(name, contention, by_level)                                                       \
    __attribute__((noinline)) static void name(Sim *s, const int64_t *placement) {                \
        simulate(s, placement, contention, by_level);                                             \
    }
VARIANT(free_fifo, FREE, false)
VARIANT(free_levels, FREE, true)
VARIANT(link_fifo, LINK, false)
VARIANT(link_levels, LINK, true)
VARIANT(egress_fifo, EGRESS, false)
VARIANT(egress_levels, EGRESS, true)
VARIANT(duplex_fifo, DUPLEX, false)
VARIANT(duplex_levels, DUPLEX, true)

static void (*const variants[4][2])(Sim *, const int64_t *) = {
    {free_fifo, free_levels},
    {link_fifo, link_levels},
    {egress_fifo, egress_levels},
    {duplex_fifo, duplex_levels},
};

/* -- what Python calls */

Sim *sim_new(const Tables *tables, int contention) {
    const size_t n = (size_t)tables->n, t = (size_t)tables->t, u = (size_t)tables->u;
    const size_t d = (size_t)tables->d;
    Sim *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->in = *tables;
    s->num_ports = (int64_t)(contention == LINK ? d * d : d);
    s->op = calloc(n + 1, sizeof *s->op);
    s->holders = calloc(t + 1, sizeof *s->holders);
    s->use = calloc(u + 1, sizeof *s->use);
    s->queue = calloc(n + 1, sizeof *s->queue);
    s->queued = calloc(n + 1, sizeof *s->queued);
    s->devices = calloc(d, sizeof *s->devices);
    s->ports = calloc((size_t)s->num_ports, sizeof *s->ports);
    s->device_list = calloc(d, sizeof *s->device_list);
    s->port_list = calloc(u + (size_t)s->num_ports, sizeof *s->port_list);
    s->events = calloc(d + u + 1, sizeof *s->events);
    return s;
}

void sim_delete(Sim *s) {
    free(s->op), free(s->holders), free(s->use), free(s->queue), free(s->queued);
    free(s->devices), free(s->ports), free(s->device_list), free(s->port_list), free(s->events);
    free(s);
}

/* placements (b, n); priorities (b, n) or NULL; step (b,), busy and peak (b, d), figures (b, 4) */
void sim_run(Sim *s, int contention, int64_t b, const int64_t *placements,
             const int64_t *priorities, int64_t *step, int64_t *busy, int64_t *peak,
             int64_t *figures) {
    const int64_t n = s->in.n, d = s->in.d;
    for (int64_t row = 0; row < b; row++) {
        s->priority = priorities ? priorities + row * n : NULL;
        variants[contention][priorities != NULL](s, placements + row * n);
        step[row] = s->now;
        for (int64_t i = 0; i < d; i++) {
            busy[row * d + i] = s->devices[i].busy;
            peak[row * d + i] = s->devices[i].peak;
        }
        int64_t *figure = figures + row * 4;
        figure[0] = s->moved, figure[1] = s->oom_time, figure[2] = s->oom_device;
        figure[3] = s->stray;
    }
}
