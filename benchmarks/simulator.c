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
    uint32_t packet, inputs;
} Op;

typedef struct {
    uint32_t device; /* of the simulation, */
    int32_t holders; /* likewise */
    uint32_t alias, alias_use;
    int64_t local_size, size;
} Tensor;

typedef struct {
    double ns_per_byte;
    int64_t latency;
} Link;

typedef struct {
    const uint64_t *program;
    const Op *op;
    const Tensor *tensor;
    const uint32_t *sources;
    const int64_t *parameters; /* (k, 2) */
    const int64_t *followers;  /* (m, 2) */
    const Link *link; /* (d, d) */
    const uint32_t *device_class;
    const int64_t *capacity;
    int64_t n, t, u, d, num_sources, num_parameters, num_followers;
} Tables;

/* -- what changes during a simulation */

typedef struct {
    uint32_t device, missing;
} OpState;

typedef struct {
    uint32_t slot, next, consumer, pad;
} Use;

typedef struct {
    int64_t requested, size;
    uint32_t tensor, source, device;
    int32_t holders;
    uint32_t use, next_copy, next, previous;
} Slot;

typedef struct {
    int64_t base, head, tail, moment, moment_start, memory, peak, room, busy;
    uint32_t running, touched, seen, seen_slot, seen_tail, row;
} Device;

typedef struct {
    uint32_t head, tail, busy, listed;
    uint32_t incoming_busy, waiting, waiting_next, waiting_for; /* duplex only */
} Port;

typedef struct {
    int64_t level, time;
    uint32_t op, pad;
} Queued;

typedef struct {
    int64_t time, code;
} Event;

typedef struct {
    Tables in;
    OpState *op;
    Tensor *tensor;
    Use *use;
    Slot *slots;
    uint32_t *queue;
    Queued *heap;
    Device *devices;
    Port *ports;
    uint32_t *device_list, *port_list;
    Event *events; /* a heap, from 1 */
    int64_t *ending;
    int64_t num_ports;
    int64_t num_touched, num_listed, num_events, num_ending, num_slots;
    uint32_t spare; /* first slot given back */
    int64_t moved, oom_time, oom_device, stray;
    const int64_t *priority; /* of the row at hand */
    int64_t now;
} Sim;

INLINE uint32_t low(uint64_t word) { return (uint32_t)word; }
INLINE uint32_t high(uint64_t word) { return (uint32_t)(word >> 32); }

/* -- memory */

INLINE void allocate(Sim *s, uint32_t here, int64_t size) {
    Device *dev = &s->devices[here];
    dev->memory += size;
    if (dev->memory > dev->peak) {
        dev->peak = dev->memory;
        if (dev->memory > dev->room &&
            (s->oom_time < 0 || (s->oom_time == s->now && here < s->oom_device))) {
            s->oom_time = s->now;
            s->oom_device = here;
        }
    }
}

INLINE void release(Sim *s, uint32_t here, uint32_t tensor, uint32_t use) {
    while (s->tensor[tensor].device == here) {
        Tensor *freed = &s->tensor[tensor];
        if (--freed->holders != 0)
            return;
        s->devices[here].memory -= freed->local_size;
        if (freed->alias == NONE)
            return;
        tensor = freed->alias;
        use = freed->alias_use;
    }
    uint32_t slot = s->use[use].slot;
    Slot *copy = &s->slots[slot];
    if (--copy->holders == 0) {
        s->devices[here].memory -= copy->size;
        copy->next = s->spare;
        s->spare = slot;
    }
}

/* -- events */

INLINE void rise_event(Event *events, size_t i, Event event) {
    for (; i > 1 && events[i >> 1].time > event.time; i >>= 1)
        events[i] = events[i >> 1];
    events[i] = event;
}

INLINE void push_event(Sim *s, int64_t duration, int64_t code) {
    if (duration == 0)
        s->ending[s->num_ending++] = code;
    else
        rise_event(s->events, (size_t)++s->num_events, (Event){s->now + duration, code});
}

INLINE int64_t pop_event(Sim *s) {
    Event *events = s->events;
    int64_t top = events[1].code;
    size_t size = (size_t)s->num_events--, i = 1;
    Event last = events[size];
    events[size].time = INT64_MAX; /* spares a check below */
    for (size_t child = 2; child < size; child = i << 1) {
        child += events[child + 1].time < events[child].time;
        events[i] = events[child];
        i = child;
    }
    rise_event(events, i, last);
    return top;
}

/* -- ready queues */

INLINE void touch(Sim *s, uint32_t here) {
    s->devices[here].touched = 1;
    s->device_list[s->num_touched++] = here;
}

INLINE bool before(Queued a, Queued b) {
    if (a.level != b.level)
        return a.level < b.level;
    if (a.time != b.time)
        return a.time < b.time;
    return a.op < b.op;
}

INLINE void rise(Queued *heap, size_t i, Queued entry) {
    for (; i > 0 && !before(heap[(i - 1) >> 1], entry); i = (i - 1) >> 1)
        heap[i] = heap[(i - 1) >> 1];
    heap[i] = entry;
}

INLINE void make_ready(Sim *s, uint32_t op, bool by_level) {
    uint32_t here = s->op[op].device;
    Device *dev = &s->devices[here];
    int64_t i = dev->tail++;
    if (by_level) {
        rise(s->heap + dev->base, (size_t)(i - dev->base),
             (Queued){-s->priority[op], s->now, op, 0});
    } else {
        if (dev->moment != s->now) {
            dev->moment = s->now;
            dev->moment_start = i;
        }
        int64_t lowest = dev->moment_start > dev->head ? dev->moment_start : dev->head;
        while (i > lowest && s->queue[i - 1] > op) {
            s->queue[i] = s->queue[i - 1];
            i--;
        }
        s->queue[i] = op;
    }
    if (dev->running == NONE && !dev->touched)
        touch(s, here);
}

INLINE uint32_t pop_highest(Sim *s, Device *dev) {
    Queued *heap = s->heap + dev->base;
    size_t size = (size_t)(--dev->tail - dev->base), i = 0;
    Queued last = heap[size];
    uint32_t top = heap[0].op;
    while (2 * i + 1 < size) {
        size_t child = 2 * i + 1;
        if (child + 1 < size) {
            Queued left = heap[child], right = heap[child + 1];
            child += (right.level < left.level) |
                     ((right.level == left.level) &
                      ((right.time < left.time) |
                       ((right.time == left.time) & (right.op < left.op))));
        }
        heap[i] = heap[child];
        i = child;
    }
    rise(heap, i, last);
    return top;
}

/* -- transfer queues */

/* Book a use on device `there`; its slot if it is the first one there, else NONE. */
INLINE uint32_t use_elsewhere(Sim *s, uint32_t use, uint32_t consumer, int32_t hold,
                              uint32_t tensor, uint32_t here, uint32_t there) {
    Device *dev = &s->devices[there];
    s->use[use].next = NONE;
    s->use[use].consumer = consumer;
    if (dev->seen == tensor) {
        s->use[use].slot = dev->seen_slot;
        s->use[dev->seen_tail].next = use;
        dev->seen_tail = use;
        s->slots[dev->seen_slot].holders += hold;
        return NONE;
    }
    uint32_t slot = s->spare;
    if (slot == NONE)
        slot = (uint32_t)s->num_slots++;
    else
        s->spare = s->slots[slot].next;
    s->use[use].slot = slot;
    dev->seen = tensor;
    dev->seen_slot = slot;
    dev->seen_tail = use;
    s->slots[slot] = (Slot){.requested = s->now,
                            .size = s->tensor[tensor].size,
                            .tensor = tensor,
                            .source = here,
                            .device = there,
                            .holders = hold,
                            .use = use,
                            .next_copy = NONE};
    return slot;
}

INLINE bool earlier(const Sim *s, uint32_t a, uint32_t b) {
    const Slot *x = &s->slots[a], *y = &s->slots[b];
    if (x->requested != y->requested)
        return x->requested < y->requested;
    if (x->tensor != y->tensor)
        return x->tensor < y->tensor;
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
        uint32_t there = s->slots[port->head].device;
        port->waiting_for = there;
        port->waiting_next = s->ports[there].waiting;
        s->ports[there].waiting = where;
        where = there;
    }
    list_port(s, where);
}

INLINE void request(Sim *s, uint32_t where, uint32_t slot, int contention) {
    Slot *slots = s->slots, *copy = &slots[slot];
    Port *port = &s->ports[where];
    uint32_t before = port->tail;
    while (before != NONE && earlier(s, slot, before))
        before = slots[before].previous;
    copy->previous = before;
    if (before == NONE) {
        copy->next = port->head;
        port->head = slot;
        if (contention == DUPLEX)
            stop_waiting(s, where);
    } else {
        copy->next = slots[before].next;
        slots[before].next = slot;
    }
    if (copy->next == NONE)
        port->tail = slot;
    else
        slots[copy->next].previous = slot;
    if (!port->busy)
        look_at_port(s, where, contention);
}

/* -- the event loop */

INLINE void end_op(Sim *s, uint32_t here, int contention, bool by_level) {
    Device *dev = &s->devices[here];
    const uint64_t *at = s->in.program + s->in.op[dev->running].packet;
    uint64_t counts = at[1];
    uint32_t tensor = low(at[2]);
    at += 3;
    dev->running = NONE;
    if (!dev->touched)
        touch(s, here);
    for (uint32_t i = low(counts); i > 0; i--, at++)
        release(s, here, low(*at), high(*at));
    for (uint32_t i = high(counts); i > 0; i--, tensor++) {
        int32_t held = 0;
        uint32_t first = NONE, use = low(*at);
        const uint64_t *last = at + high(*at);
        for (; at < last; use++) {
            at++;
            uint32_t consumer = low(*at);
            int32_t hold = (int32_t)high(*at);
            OpState *user = &s->op[consumer];
            if (user->device == here) {
                held += hold;
                if (--user->missing == 0)
                    make_ready(s, consumer, by_level);
                continue;
            }
            uint32_t slot = use_elsewhere(s, use, consumer, hold, tensor, here, user->device);
            if (slot == NONE)
                continue;
            if (contention == EGRESS && first != NONE) {
                s->slots[slot].next_copy = s->slots[first].next_copy;
                s->slots[first].next_copy = slot;
                continue;
            }
            held++;
            first = slot;
            if (contention == FREE)
                s->port_list[s->num_listed++] = slot;
            else if (contention == LINK)
                request(s, here * (uint32_t)s->in.d + user->device, slot, contention);
            else
                request(s, here, slot, contention);
        }
        at++;
        Tensor *made = &s->tensor[tensor];
        made->device = here;
        made->holders = held;
        if (held == 0) { /* nobody wants it */
            made->holders = 1;
            release(s, here, tensor, NONE);
        }
    }
}

INLINE void end_transfer(Sim *s, uint32_t slot, int contention, bool by_level) {
    uint32_t source = s->slots[slot].source;
    if (contention != FREE) {
        uint32_t where = source;
        if (contention == LINK)
            where = source * (uint32_t)s->in.d + s->slots[slot].device;
        Port *port = &s->ports[where];
        port->busy = 0;
        if (contention == DUPLEX) {
            uint32_t there = s->slots[slot].device;
            s->ports[there].incoming_busy = 0;
            if (s->ports[there].waiting != NONE)
                list_port(s, there);
        }
        if (port->head != NONE)
            look_at_port(s, where, contention);
    }
    release(s, source, s->slots[slot].tensor, NONE);
    for (; slot != NONE; slot = s->slots[slot].next_copy)
        for (uint32_t reader = s->slots[slot].use; reader != NONE; reader = s->use[reader].next) {
            uint32_t op = s->use[reader].consumer;
            if (--s->op[op].missing == 0)
                make_ready(s, op, by_level);
        }
}

INLINE void start_op(Sim *s, uint32_t here, bool by_level) {
    Device *dev = &s->devices[here];
    dev->touched = 0;
    if (dev->running != NONE || dev->head == dev->tail)
        return;
    uint32_t op = by_level ? pop_highest(s, dev) : s->queue[dev->head++];
    const uint64_t *packet = s->in.program + s->in.op[op].packet;
    int64_t duration = (int64_t) * (packet - 1 - dev->row);
    dev->running = op;
    dev->busy += duration;
    allocate(s, here, (int64_t)*packet);
    push_event(s, duration, here);
}

/* The slot whose transfer starts now at a listed port, or NONE; it makes the port busy. */
INLINE uint32_t take_request(Sim *s, uint32_t where, int contention) {
    Port *port = &s->ports[where];
    port->listed = 0;
    if (contention == DUPLEX) {
        if (port->incoming_busy || port->waiting == NONE)
            return NONE;
        uint32_t best = port->waiting;
        for (uint32_t rival = s->ports[best].waiting_next; rival != NONE;
             rival = s->ports[rival].waiting_next)
            if (earlier(s, s->ports[rival].head, s->ports[best].head))
                best = rival;
        stop_waiting(s, best);
        port->incoming_busy = 1;
        port = &s->ports[best];
    } else if (port->busy || port->head == NONE) {
        return NONE;
    }
    uint32_t slot = port->head;
    port->head = s->slots[slot].next;
    if (port->head == NONE)
        port->tail = NONE;
    else
        s->slots[port->head].previous = NONE;
    port->busy = 1;
    return slot;
}

INLINE void start_transfer(Sim *s, uint32_t slot, int contention) {
    const Tables *in = &s->in;
    if (contention != FREE) {
        slot = take_request(s, slot, contention);
        if (slot == NONE)
            return;
    }
    int64_t longest = 0;
    for (uint32_t copy = slot; copy != NONE; copy = s->slots[copy].next_copy) {
        const Slot *moving = &s->slots[copy];
        const Link *link = &in->link[moving->source * (size_t)in->d + moving->device];
        int64_t time = link->latency + (int64_t)rint((double)moving->size * link->ns_per_byte);
        if (time > longest)
            longest = time;
        allocate(s, moving->device, moving->size);
        s->moved += moving->size;
    }
    push_event(s, longest, (int64_t)slot + in->d);
}

INLINE void begin(Sim *s, const int64_t *placement, bool by_level) {
    const Tables *in = &s->in;
    s->now = 0;
    s->num_touched = s->num_listed = s->num_events = s->num_ending = s->num_slots = 0;
    s->spare = NONE;
    s->moved = 0;
    s->oom_time = s->oom_device = s->stray = -1;
    for (int64_t i = 0; i < in->d; i++)
        s->devices[i] = (Device){
            .moment = -1, .room = in->capacity[i], .running = NONE, .seen = NONE,
            .row = in->device_class[i]};
    for (int64_t i = 0; i < s->num_ports; i++)
        s->ports[i] = (Port){.head = NONE, .tail = NONE, .waiting = NONE, .waiting_for = NONE};
    for (int64_t i = 0; i < in->n; i++) {
        OpState *op = &s->op[i];
        op->device = (uint32_t)placement[i];
        op->missing = in->op[i].inputs;
        s->devices[op->device].base++;
    }
    for (int64_t i = 0; i < in->num_followers && s->stray < 0; i++)
        if (placement[in->followers[2 * i]] != placement[in->followers[2 * i + 1]])
            s->stray = in->followers[2 * i];
    for (int64_t i = 0; i < in->num_parameters; i++)
        s->devices[placement[in->parameters[2 * i]]].room -= in->parameters[2 * i + 1];
    int64_t first = 0;
    for (int64_t i = 0; i < in->d; i++) {
        Device *dev = &s->devices[i];
        int64_t size = dev->base;
        dev->base = dev->head = dev->tail = first;
        first += size;
        if (dev->room < 0 && s->oom_time < 0) {
            s->oom_time = 0;
            s->oom_device = i;
        }
    }
    for (int64_t i = 0; i < in->num_sources; i++)
        make_ready(s, in->sources[i], by_level);
}

INLINE void simulate(Sim *s, const int64_t *placement, int contention, bool by_level) {
    const int64_t d = s->in.d;
    begin(s, placement, by_level);
    for (;;) {
        int64_t code;
        if (s->num_ending > 0) {
            code = s->ending[--s->num_ending];
        } else if (s->num_events > 0 && s->events[1].time == s->now) {
            code = pop_event(s);
        } else {
            while (s->num_touched > 0)
                start_op(s, s->device_list[--s->num_touched], by_level);
            while (s->num_listed > 0)
                start_transfer(s, s->port_list[--s->num_listed], contention);
            if (s->num_ending == 0) {
                if (s->num_events == 0)
                    return;
                s->now = s->events[1].time;
            }
            continue;
        }
        if (code < d)
            end_op(s, (uint32_t)code, contention, by_level);
        else
            end_transfer(s, (uint32_t)(code - d), contention, by_level);
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
    s->op = malloc((n + 1) * sizeof *s->op);
    s->tensor = malloc((t + 1) * sizeof *s->tensor);
    memcpy(s->tensor, tables->tensor, t * sizeof *s->tensor);
    s->use = calloc(u + 1, sizeof *s->use);
    s->slots = calloc(u + 1, sizeof *s->slots);
    s->queue = calloc(n + 1, sizeof *s->queue);
    s->heap = calloc(n + 1, sizeof *s->heap);
    s->devices = calloc(d, sizeof *s->devices);
    s->ports = calloc((size_t)s->num_ports, sizeof *s->ports);
    s->device_list = calloc(d, sizeof *s->device_list);
    s->port_list = calloc(u + (size_t)s->num_ports, sizeof *s->port_list);
    s->events = calloc(d + u + 2, sizeof *s->events);
    s->ending = calloc(d + u, sizeof *s->ending);
    return s;
}

void sim_delete(Sim *s) {
    free(s->op), free(s->tensor), free(s->use), free(s->slots), free(s->queue), free(s->heap);
    free(s->devices), free(s->ports), free(s->device_list), free(s->port_list), free(s->events);
    free(s->ending), free(s);
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
            peak[row * d + i] = s->devices[i].peak + s->in.capacity[i] - s->devices[i].room;
        }
        int64_t *figure = figures + row * 4;
        figure[0] = s->moved, figure[1] = s->oom_time, figure[2] = s->oom_device;
        figure[3] = s->stray;
    }
}
