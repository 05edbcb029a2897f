"""List schedulers again, in plain Python and by other means, to compare the jitted ones with.

For graphs in which every op costs something, and without co-location groups.
"""

import go_gym


def costs(problem: go_gym.Problem):
    """(inputs of each op as (producer, tensor), time on a device, time of a transfer)."""
    graph = problem.graph
    inputs = [[] for _ in range(graph.num_ops)]
    for tensor, op in zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True):
        inputs[op].append((int(graph.tensor_producer[tensor]), tensor))

    def takes(op: int, device: int) -> int:
        return int(problem.durations_on(device)[op])

    def moves(tensor: int, source: int, target: int) -> int:
        if source == target:
            return 0
        return problem.cluster.transfer_ns(int(graph.tensor_bytes[tensor]), source, target)

    return inputs, takes, moves


def heft(problem: go_gym.Problem, order: list[int]) -> list[tuple[int, int, int]]:
    """(device, start, finish) of each op: earliest finish, by trying every time to start."""
    inputs, takes, moves = costs(problem)
    placed: dict[int, tuple[int, int, int]] = {}
    for op in order:
        choices = []
        for device in range(problem.num_devices):
            ready = max(
                (placed[p][2] + moves(tensor, placed[p][0], device) for p, tensor in inputs[op]),
                default=0,
            )
            busy = [(s, f) for where, s, f in placed.values() if where == device]
            length = takes(op, device)
            begin = next(
                time
                for time in sorted({ready, *(f for _, f in busy if f > ready)})
                if all(time + length <= s or f <= time for s, f in busy)
            )
            choices.append((begin + length, device, begin))
        finish, device, begin = min(choices)
        placed[op] = (device, begin, finish)
    return [placed[op] for op in range(problem.num_ops)]


def m_sct(
    problem: go_gym.Problem, size: list[int], favourite: dict[int, int]
) -> list[tuple[int, int, int]]:
    """(device, start, finish) of each op: every pair of ready op and device compared, each time.

    With ``favourite`` children a device that ran an op last waits for the op's favourite, where
    that is ready and can start nowhere sooner; other ops wait until they are urgent or it is gone.
    """
    inputs, takes, moves = costs(problem)
    placed: dict[int, tuple[int, int, int]] = {}
    free_at = [0] * problem.num_devices
    last = [-1] * problem.num_devices
    left = problem.cluster.memory_bytes.tolist()
    devices, clock = range(problem.num_devices), 0

    def ready(op: int) -> bool:
        return op not in placed and all(p in placed for p, _ in inputs[op])

    def arrival(op: int, device: int) -> int:
        return max(
            (placed[p][2] + moves(tensor, placed[p][0], device) for p, tensor in inputs[op]),
            default=0,
        )

    while len(placed) < problem.num_ops:
        pairs = []
        for op in filter(ready, range(problem.num_ops)):
            for device in devices:
                if size[op] > left[device]:
                    continue
                begin = max(clock, free_at[device], arrival(op, device))
                child = favourite.get(last[device], op)
                if child != op and ready(child) and size[child] <= left[device]:
                    soonest = {
                        other: max(free_at[other], arrival(child, other))
                        for other in devices
                        if size[child] <= left[other]
                    }
                    urgent = max(arrival(op, other) for other in devices)
                    if soonest[device] == min(soonest.values()) and urgent > begin:
                        begin = urgent
                pairs.append((begin, op, device))
        begin, op, device = min(pairs)
        left[device] -= size[op]
        free_at[device] = begin + takes(op, device)
        placed[op] = (device, begin, free_at[device])
        last[device], clock = op, begin
    return [placed[op] for op in range(problem.num_ops)]
