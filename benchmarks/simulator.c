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
#define LISTED (UINT32_MAX - 1)
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
    uint32_t device, missing, packet, inputs;
} OpState;

typedef struct {
    uint32_t first, next, consumer;
    int32_t holders;
} Use;

typedef struct {
    int64_t requested, size;
    int64_t duration;
    uint32_t tensor, source, device, use, next_copy, next, previous, port;
} Slot;

typedef struct {
    int64_t base, head, tail, moment, moment_start, memory, peak, room, busy;
    uint32_t running, row, seen, seen_first, seen_tail, pad;
} Device;

enum { IDLE, BUSY, LATER }; /* listed, or waiting for a destination */
typedef struct {
    uint32_t outgoing, incoming, waiting, waiting_next;
} Port;

typedef struct {
    int64_t level, time;
    uint32_t op, pad;
} Queued;

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
    int64_t *event_time; /* a tree, from 1 */
    uint32_t *event_leaf, *moving;
    uint32_t *ending;
    size_t leaves, root; /* nodes: of the first leaf, and that above the leaves in use */
    int64_t next;        /* event: its time, */
    uint32_t first;      /* and its leaf */
    int64_t num_ports;
    int64_t num_touched, num_listed, num_ending, num_slots;
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
        int32_t left = freed->holders - 1;
        freed->holders = left;
        s->devices[here].memory -= left == 0 ? freed->local_size : 0;
        if ((left != 0) | (freed->alias == NONE))
            return;
        tensor = freed->alias;
        use = freed->alias_use;
    }
    Use *copy = &s->use[s->use[use].first];
    int32_t left = copy->holders - 1;
    copy->holders = left;
    s->devices[here].memory -= left == 0 ? s->tensor[tensor].size : 0;
}

/* -- events */

/* A conditional move, where gcc would branch, and be wrong half of the time. */
INLINE void earlier_of(int64_t *time, size_t *leaf, int64_t its_time, size_t its_leaf) {
#if defined(__x86_64__)
    __asm__("cmp %2, %0\n\tcmovg %2, %0\n\tcmovg %3, %1"
            : "+&r"(*time), "+&r"(*leaf)
            : "r"(its_time), "r"(its_leaf)
            : "cc");
#else
    uint64_t before = -(uint64_t)(its_time < *time);
    *time ^= (*time ^ its_time) & (int64_t)before;
    *leaf ^= (*leaf ^ its_leaf) & before;
#endif
}

/* When an op or transfer ends; it goes up the tree against those beside it, without branches. */
INLINE void set_event(Sim *s, size_t leaf, int64_t time) {
    int64_t *times = s->event_time;
    uint32_t *leaves = s->event_leaf;
    size_t i = s->leaves + leaf, root = s->root;
    times[i] = time;
    while (i > root) {
        earlier_of(&time, &leaf, times[i ^ 1], leaves[i ^ 1]);
        i >>= 1;
        times[i] = time;
        leaves[i] = (uint32_t)leaf;
    }
    s->next = time;
    s->first = (uint32_t)leaf;
}

INLINE void push_event(Sim *s, size_t leaf, int64_t duration) {
    if (duration == 0)
        s->ending[s->num_ending++] = (uint32_t)leaf;
    else
        set_event(s, leaf, s->now + duration);
}

/* -- ready queues */

INLINE void touch(Sim *s, uint32_t here) {
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
        uint32_t packet = s->op[op].packet;
        if (i > lowest && s->queue[i - 1] > packet) {
            int64_t first = lowest, last = i - 1;
            while (first < last) {
                int64_t middle = (first + last) >> 1;
                bool later = s->queue[middle] > packet;
                last = later ? middle : last;
                first = later ? first : middle + 1;
            }
            for (; i > first; i--)
                s->queue[i] = s->queue[i - 1];
        }
        s->queue[i] = packet;
    }
    if (dev->running == NONE) {
        dev->running = LISTED;
        touch(s, here);
    }
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
    Use *booked = &s->use[use];
    booked->next = NONE;
    booked->consumer = consumer;
    if (dev->seen == tensor) {
        booked->first = dev->seen_first;
        s->use[dev->seen_first].holders += hold;
        s->use[dev->seen_tail].next = use;
        dev->seen_tail = use;
        return NONE;
    }
    booked->first = use;
    booked->holders = hold;
    uint32_t slot = s->spare;
    if (slot == NONE)
        slot = (uint32_t)s->num_slots++;
    else
        s->spare = s->slots[slot].next;
    dev->seen = tensor;
    dev->seen_first = use;
    dev->seen_tail = use;
    const Link *link = &s->in.link[here * (size_t)s->in.d + there];
    int64_t size = s->tensor[tensor].size;
    Slot *made = &s->slots[slot];
    made->requested = s->now;
    made->size = size;
    made->duration = link->latency + (int64_t)rint((double)size * link->ns_per_byte);
    made->tensor = tensor;
    made->source = here;
    made->device = there;
    made->use = use;
    made->next_copy = NONE;
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

INLINE void list_port(Sim *s, uint32_t where, bool really) {
    s->port_list[s->num_listed] = where;
    s->num_listed += really;
}

/* A source has a new head, and is not busy */
INLINE void look_at_port(Sim *s, uint32_t where, uint32_t slot, int contention) {
    Port *port = &s->ports[where];
    port->outgoing = LATER;
    if (contention == DUPLEX) {
        uint32_t there = s->slots[slot].device;
        Port *to = &s->ports[there];
        port->waiting_next = to->waiting;
        to->waiting = where;
        list_port(s, there, to->incoming == IDLE);
        to->incoming = to->incoming == IDLE ? LATER : to->incoming;
    } else {
        list_port(s, where, true);
    }
}

INLINE void request(Sim *s, uint32_t where, uint32_t slot, int contention) {
    if (contention == FREE) {
        s->port_list[s->num_listed++] = slot;
        if ((slot + (size_t)s->in.d) * s->root >= s->leaves) { /* a tree twice as wide */
            s->root >>= 1;
            s->event_time[s->root] = s->next;
            s->event_leaf[s->root] = s->first;
        }
        return;
    }
    Slot *slots = s->slots, *copy = &slots[slot];
    Port *port = &s->ports[where];
    uint32_t before = slots[where].previous;
    while (earlier(s, slot, before))
        before = slots[before].previous;
    uint32_t after = slots[before].next;
    copy->previous = before;
    copy->next = after;
    slots[before].next = slot;
    slots[after].previous = slot;
    if ((before == where) & (port->outgoing != BUSY)) {
        if (port->outgoing == LATER) {
            if (contention != DUPLEX)
                return;
            uint32_t *from = &s->ports[slots[after].device].waiting;
            while (*from != where)
                from = &s->ports[*from].waiting_next;
            *from = port->waiting_next;
        }
        look_at_port(s, where, slot, contention);
    }
}

/* -- the event loop */

INLINE void end_op(Sim *s, uint32_t here, int contention, bool by_level) {
    Device *dev = &s->devices[here];
    const uint64_t *at = s->in.program + dev->running;
    uint64_t counts = at[1];
    uint32_t tensor = low(at[2]);
    at += 3;
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
            uint32_t where = here;
            if (contention == FREE)
                where = slot;
            else if (contention == LINK)
                where = here * (uint32_t)s->in.d + user->device;
            s->slots[slot].port = where;
            request(s, where, slot, contention);
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
    bool more = dev->head != dev->tail;
    dev->running = more ? LISTED : NONE;
    s->device_list[s->num_touched] = here;
    s->num_touched += more;
}

INLINE void end_transfer(Sim *s, uint32_t leaf, int contention, bool by_level) {
    uint32_t slot = s->moving[leaf];
    uint32_t source = s->slots[slot].source;
    if (contention != FREE) {
        uint32_t where = s->slots[slot].port;
        Port *port = &s->ports[where];
        port->outgoing = IDLE;
        if (contention == DUPLEX) {
            uint32_t there = s->slots[slot].device;
            Port *to = &s->ports[there];
            list_port(s, there, to->waiting != NONE);
            to->incoming = to->waiting != NONE ? LATER : IDLE;
        }
        uint32_t head = s->slots[where].next;
        if (head != where)
            look_at_port(s, where, head, contention);
    }
    release(s, source, s->slots[slot].tensor, NONE);
    do {
        Slot *moved = &s->slots[slot];
        uint32_t reader = moved->use, next = moved->next_copy;
        moved->next = s->spare;
        s->spare = slot;
        do {
            const Use *read = &s->use[reader];
            uint32_t op = read->consumer;
            reader = read->next;
            if (--s->op[op].missing == 0)
                make_ready(s, op, by_level);
        } while (reader != NONE);
        slot = next;
    } while (slot != NONE);
}

INLINE void start_op(Sim *s, uint32_t here, bool by_level) {
    Device *dev = &s->devices[here];
    uint32_t at = by_level ? s->op[pop_highest(s, dev)].packet : s->queue[dev->head++];
    const uint64_t *packet = s->in.program + at;
    int64_t duration = (int64_t) * (packet - 1 - dev->row);
    dev->running = at;
    __builtin_prefetch(&s->tensor[low(packet[3])]);
    __builtin_prefetch(&s->use[high(packet[3])]);
    if (!by_level) {
        const uint64_t *after_next = s->in.program + s->queue[dev->head + 1];
        __builtin_prefetch(after_next);
        __builtin_prefetch(after_next + 7);
    }

    dev->busy += duration;
    allocate(s, here, (int64_t)*packet);
    push_event(s, here, duration);
}

/* The slot whose transfer starts now at a listed port, or NONE; it makes the port busy. */
INLINE uint32_t take_request(Sim *s, uint32_t where, int contention) {
    Port *ports = s->ports;
    Slot *slots = s->slots;
    if (contention == DUPLEX) {
        uint32_t there = where;
        where = ports[there].waiting;
        if (where == NONE) {
            ports[there].incoming = IDLE;
            return NONE;
        }
        uint32_t *from = &ports[there].waiting, *next = &ports[where].waiting_next;
        for (uint32_t rival; (rival = *next) != NONE; next = &ports[rival].waiting_next)
            if (earlier(s, slots[rival].next, slots[where].next)) {
                where = rival;
                from = next;
            }
        *from = ports[where].waiting_next;
        ports[there].incoming = BUSY;
    }
    uint32_t slot = slots[where].next, next = slots[slot].next;
    slots[where].next = next;
    slots[next].previous = where;
    ports[where].outgoing = BUSY;
    return slot;
}

INLINE void start_transfer(Sim *s, uint32_t slot, int contention) {
    if (contention != FREE) {
        slot = take_request(s, slot, contention);
        if (slot == NONE)
            return;
    }
    int64_t longest = 0;
    for (uint32_t copy = slot; copy != NONE; copy = s->slots[copy].next_copy) {
        const Slot *moving = &s->slots[copy];
        int64_t time = moving->duration;
        if (time > longest)
            longest = time;
        allocate(s, moving->device, moving->size);
        s->moved += moving->size;
    }
    size_t leaf = s->slots[slot].port + (size_t)s->in.d;
    s->moving[leaf] = slot;
    push_event(s, leaf, longest);
}

INLINE void begin(Sim *s, const int64_t *placement, bool by_level) {
    const Tables *in = &s->in;
    s->now = 0;
    s->num_touched = s->num_listed = s->num_ending = 0;
    s->num_slots = s->num_ports;
    s->next = INT64_MAX;
    for (s->root = 1; s->leaves / s->root >= 2 * (size_t)(in->d + s->num_ports); s->root *= 2)
        ;
    s->spare = NONE;
    s->moved = 0;
    s->oom_time = s->oom_device = s->stray = -1;
    for (int64_t i = 0; i < in->d; i++)
        s->devices[i] = (Device){
            .moment = -1, .room = in->capacity[i], .running = NONE, .seen = NONE,
            .row = in->device_class[i]};
    for (int64_t i = 0; i < s->num_ports; i++) {
        s->ports[i] = (Port){.waiting = NONE};
        s->slots[i].requested = -1;
        s->slots[i].next = s->slots[i].previous = (uint32_t)i;
    }
    for (int64_t i = 0; i < in->n; i++) {
        OpState *op = &s->op[i];
        op->device = (uint32_t)placement[i];
        op->missing = op->inputs;
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
    const uint32_t d = (uint32_t)s->in.d;
    begin(s, placement, by_level);
    for (;;) {
        uint32_t leaf;
        if (s->num_ending > 0) {
            leaf = s->ending[--s->num_ending];
        } else {
            if (s->next != s->now) { /* all that ends at this moment has ended */
                while (s->num_touched > 0)
                    start_op(s, s->device_list[--s->num_touched], by_level);
                while (s->num_listed > 0)
                    start_transfer(s, s->port_list[--s->num_listed], contention);
                if (s->num_ending > 0)
                    continue;
                if (s->next == INT64_MAX)
                    return;
                s->now = s->next;
            }
            leaf = s->first;
            set_event(s, leaf, INT64_MAX);
        }
        if (leaf < d)
            end_op(s, leaf, contention, by_level);
        else
            end_transfer(s, leaf, contention, by_level);
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
    for (size_t i = 0; i < n; i++) {
        s->op[i].packet = tables->op[i].packet;
        s->op[i].inputs = tables->op[i].inputs;
    }
    memcpy(s->tensor, tables->tensor, t * sizeof *s->tensor);
    s->use = calloc(u + 1, sizeof *s->use);
    s->slots = calloc(u + (size_t)s->num_ports + 1, sizeof *s->slots);
    s->queue = calloc(n + 2, sizeof *s->queue);
    s->heap = calloc(n + 1, sizeof *s->heap);
    s->devices = calloc(d, sizeof *s->devices);
    s->ports = calloc((size_t)s->num_ports, sizeof *s->ports);
    s->device_list = calloc(d + 1, sizeof *s->device_list);
    s->port_list = calloc(u + (size_t)s->num_ports, sizeof *s->port_list);
    s->leaves = 1;
    while (s->leaves < d + (size_t)s->num_ports + (contention == FREE ? u : 0))
        s->leaves *= 2;
    s->event_time = malloc(2 * s->leaves * sizeof *s->event_time);
    s->event_leaf = malloc(2 * s->leaves * sizeof *s->event_leaf);
    s->moving = calloc(s->leaves, sizeof *s->moving);
    for (size_t i = 0; i < 2 * s->leaves; i++) {
        s->event_time[i] = INT64_MAX;
        s->event_leaf[i] = (uint32_t)(i - s->leaves);
    }
    s->ending = calloc(d + u, sizeof *s->ending);
    return s;
}

void sim_delete(Sim *s) {
    free(s->op), free(s->tensor), free(s->use), free(s->slots), free(s->queue), free(s->heap);
    free(s->devices), free(s->ports), free(s->device_list), free(s->port_list), free(s->event_time);
    free(s->event_leaf), free(s->moving), free(s->ending), free(s);
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
